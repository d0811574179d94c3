package tenure.peer;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.streams.processor.TaskId;

/**
 * What is asked, how far it has come, and what it took.
 *
 * <p>Shared by the stream threads. Time and CPU count from the first record that is processed to the
 * delivery of the last partition's answers.
 */
final class Job {
    /** The length of the period in milliseconds. */
    static final long PERIOD = 30L * 24 * 60 * 60 * 1000;

    private final long at;
    private final long records;
    private final int partitions;
    private final AtomicLong read = new AtomicLong();
    private final AtomicLong rejected = new AtomicLong();
    private final Map<TaskId, Answers> answers = new HashMap<>();
    private final CountDownLatch done = new CountDownLatch(1);
    private Usage begin;
    private Usage end;

    Job(long at, long records, int partitions) {
        this.at = at;
        this.records = records;
        this.partitions = partitions;
    }

    long from() {
        return at - PERIOD;
    }

    long to() {
        return at;
    }

    synchronized void begin() {
        if (begin == null) {
            begin = Usage.now();
        }
    }

    void read(long more) {
        if (more > 0) {
            read.addAndGet(more);
        }
    }

    void reject() {
        rejected.incrementAndGet();
    }

    boolean isRead() {
        return read.get() >= records;
    }

    synchronized void deliver(TaskId task, Answers part) {
        answers.put(task, part);
        if (answers.size() == partitions) {
            end = Usage.now();
            done.countDown();
        }
    }

    void await() throws InterruptedException {
        done.await();
    }

    /** Ends the waiting without a result. */
    void fail() {
        done.countDown();
    }

    synchronized boolean isDone() {
        return end != null;
    }

    /** The result as a JSON object, once everything is delivered. */
    synchronized String json(String version, Usage closed) {
        Answers total = new Answers();
        answers.values().forEach(total::add);
        double compiler = end.compilerSeconds() - begin.compilerSeconds();
        return "{\"peer\":\"kafka-streams\",\"version\":\"" + version + "\",\"records\":" + read.get()
                + ",\"rejected\":" + rejected.get()
                + ",\"seconds\":" + (end.wallSeconds() - begin.wallSeconds())
                + ",\"cpu_seconds\":" + (end.cpuSeconds() - begin.cpuSeconds() - compiler)
                + ",\"startup_cpu_seconds\":" + (begin.cpuSeconds() + compiler)
                + ",\"compiler_cpu_seconds\":" + compiler
                + ",\"collector_cpu_seconds\":" + (end.collectorSeconds() - begin.collectorSeconds())
                + ",\"closing_cpu_seconds\":" + (closed.cpuSeconds() - end.cpuSeconds())
                + ",\"rss_bytes\":" + Usage.peakBytes()
                + ",\"answers\":" + total.json() + "}";
    }
}

package tenure.peer;

import java.time.Duration;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Folds the events of one partition into its customers, and counts them once everything is read.
 *
 * <p>The key of a record is the customer's id, so nothing is repartitioned, and one read and one
 * write of the store are all that an event costs it.
 */
final class CustomerProcessor implements Processor<Bytes, byte[], Void, Void> {
    static final String STORE = "customers";

    /** Between two looks at whether everything is read. */
    private static final Duration LOOK_EVERY = Duration.ofMillis(50);

    private final Job job;
    private final EventParser parser = new EventParser();
    private final Event event = new Event();
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<Bytes, byte[]> customers;
    private long unreported;
    private boolean started;
    private boolean counted;

    CustomerProcessor(Job job) {
        this.job = job;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        this.context = context;
        customers = context.getStateStore(STORE);
        context.schedule(LOOK_EVERY, PunctuationType.WALL_CLOCK_TIME, now -> look());
    }

    @Override
    public void process(Record<Bytes, byte[]> record) {
        if (!started) {
            started = true;
            job.begin();
        }
        unreported++;
        if (record.value() == null || !parser.parse(record.value(), event)) {
            job.reject();
            return;
        }
        byte[] before = customers.get(record.key());
        byte[] after = Customer.with(before, event, context.currentStreamTimeMs() - Job.PERIOD);
        if (after != before) {
            customers.put(record.key(), after);
        }
    }

    private void look() {
        report();
        if (!counted && job.isRead()) {
            counted = true;
            job.deliver(context.taskId(), count());
        }
    }

    private Answers count() {
        Answers answers = new Answers();
        try (KeyValueIterator<Bytes, byte[]> all = customers.all()) {
            while (all.hasNext()) {
                KeyValue<Bytes, byte[]> customer = all.next();
                Customer.count(customer.value, job.from(), job.to(), answers);
            }
        }
        return answers;
    }

    private void report() {
        job.read(unreported);
        unreported = 0;
    }

    @Override
    public void close() {
        report();
    }
}

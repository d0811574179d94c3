package tenure.peer;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * What this process has used so far.
 *
 * @param wallSeconds since some fixed moment
 * @param cpuSeconds of all threads, those of the Java machine and of native code included
 * @param compilerSeconds the part of it that is the just-in-time compiler's
 * @param collectorSeconds the part of it that is the garbage collector's
 */
record Usage(double wallSeconds, double cpuSeconds, double compilerSeconds, double collectorSeconds) {
    /** The kernel tells times of threads in hundredths of a second, on every architecture. */
    private static final double TICKS_PER_SECOND = 100;

    static Usage now() {
        var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return new Usage(
                System.nanoTime() / 1e9, system.getProcessCpuTime() / 1e9, threads("C1 ", "C2 "), threads("GC ", "G1 ", "VM Thread"));
    }

    /** The most memory that the process has ever held. */
    static long peakBytes() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return 0;
    }

    /** The CPU of the threads whose names begin like one of these. */
    private static double threads(String... prefixes) {
        double seconds = 0;
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                seconds += thread(task, prefixes);
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return seconds;
    }

    private static double thread(Path task, String... prefixes) throws IOException {
        String stat;
        try {
            stat = Files.readString(task.resolve("stat"));
        } catch (NoSuchFileException ended) {
            return 0;
        }
        String name = stat.substring(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
        for (String prefix : prefixes) {
            if (name.startsWith(prefix)) {
                // User and system time are fields 14 and 15; the name was the second.
                String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
                return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / TICKS_PER_SECOND;
            }
        }
        return 0;
    }
}

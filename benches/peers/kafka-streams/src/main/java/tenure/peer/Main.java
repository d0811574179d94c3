package tenure.peer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.BytesDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Retention, NPS and counts of the 30 days before an instant, from a topic of native events. */
public final class Main {
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = options(arguments);
        String result = null;
        for (long pass = 1; pass <= number(options, "passes"); pass++) {
            result = pass(options);
            System.gc();
        }
        Files.writeString(Path.of(options.get("result")), result + "\n");
    }

    /** Reads the whole topic as an application of its own, and leaves nothing of it behind. */
    private static String pass(Map<String, String> options) throws Exception {
        String servers = options.get("bootstrap-servers");
        String topic = options.get("topic");
        String application = "kafka-streams-peer-" + UUID.randomUUID();
        Job job = new Job(number(options, "at"), number(options, "records"), partitions(servers, topic));

        KafkaStreams streams = new KafkaStreams(topology(topic, job, options), settings(servers, application, options));
        streams.setUncaughtExceptionHandler(failure -> {
            failure.printStackTrace();
            job.fail();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        job.await();
        streams.close(PATIENCE);
        Usage closed = Usage.now();
        streams.cleanUp();
        forget(servers, application);
        if (!job.isDone()) {
            System.exit(1);
        }
        return job.json(AppInfoParser.getVersion(), closed);
    }

    private static Topology topology(String topic, Job job, Map<String, String> options) {
        Topology topology = new Topology();
        topology.addSource("events", new BytesDeserializer(), new ByteArrayDeserializer(), topic);
        topology.addProcessor("fold", () -> new CustomerProcessor(job), "events");
        topology.addStateStore(store(options), "fold");
        return topology;
    }

    private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(Map<String, String> options) {
        KeyValueBytesStoreSupplier supplier = switch (options.get("store")) {
            case "hash" -> HashStore.supplier(CustomerProcessor.STORE);
            case "memory" -> Stores.inMemoryKeyValueStore(CustomerProcessor.STORE);
            case "rocksdb" -> Stores.persistentKeyValueStore(CustomerProcessor.STORE);
            default -> throw new IllegalArgumentException("unknown store");
        };
        var builder = Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), Serdes.ByteArray());
        if (number(options, "cache-mib") > 0) {
            builder.withCachingEnabled();
        }
        return options.get("changelog").equals("yes")
                ? builder.withLoggingEnabled(Map.of())
                : builder.withLoggingDisabled();
    }

    private static Properties settings(String servers, String application, Map<String, String> options) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("threads"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, options.get("state-dir"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, options.get("guarantee"));
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, number(options, "cache-mib") << 20);
        // Fewer and larger portions from the client to the tasks than by default.
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        // As in clients built on librdkafka.
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.CHECK_CRCS_CONFIG), false);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        return settings;
    }

    private static int partitions(String servers, String topic) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
            return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        }
    }

    /** Deletes the topics that the library made for this run. */
    private static void forget(String servers, String application) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
            Set<String> own = admin.listTopics().names().get().stream()
                    .filter(name -> name.startsWith(application))
                    .collect(Collectors.toSet());
            admin.deleteTopics(own).all().get();
        }
    }

    private static long number(Map<String, String> options, String name) {
        return Long.parseLong(options.get(name));
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new HashMap<>(Map.of(
                "store", "hash", "cache-mib", "0", "changelog", "yes", "threads", "2", "passes", "1",
                "guarantee", StreamsConfig.AT_LEAST_ONCE));
        Set<String> needed = Set.of("bootstrap-servers", "topic", "at", "records", "result", "state-dir");
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            String name = arguments[at].replaceFirst("^--", "");
            if (!needed.contains(name) && !options.containsKey(name)) {
                throw new IllegalArgumentException("unknown option: " + arguments[at]);
            }
            options.put(name, arguments[at + 1]);
        }
        if (!options.keySet().containsAll(needed)) {
            throw new IllegalArgumentException("needed are: " + needed);
        }
        return options;
    }
}

//! Apache Kafka: one node that is broker and controller, in a Java process of its own.
//!
//! Owns the node's settings, its start and its administration. Promises a node that answers, keeps
//! records of any age, and creates no topic by itself. Deliberately knows nothing of the records.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fmt};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use tokio::runtime::Runtime;

use super::process::{Process, new_folder};
use super::{eventually, free_ports, installed};

/// The jars that `scripts/test` fetches; their names say the release.
const JARS: &str = include_str!("../../scripts/kafka/jars.sha256");

/// From the start of the Java process to an answer. It takes two seconds on a machine of its own.
const START: Duration = Duration::from_secs(90);

/// For one request to a node that runs.
const REQUEST: Duration = Duration::from_secs(30);

/// Somebody else can take a port between picking it and listening on it.
const START_ATTEMPTS: usize = 3;

/// What a node is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A fast start counts: the Java compiler stops at its first tier.
    Test,
    /// Throughput counts: Java as a production broker runs it.
    Benchmark,
}

/// How to start a node.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// What the Java process is tuned for.
    pub purpose: Purpose,
    /// The largest heap of the Java process, in MiB.
    pub heap_mib: u32,
    /// Further lines of `server.properties`, which win over those written here.
    pub properties: Vec<(String, String)>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            purpose: Purpose::Test,
            heap_mib: 512,
            properties: Vec::new(),
        }
    }
}

/// A running node, killed and removed on drop.
pub struct Kafka {
    bootstrap_servers: String,
    process: Process,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl Kafka {
    /// The node that the tests of one binary share: started by the first that asks, ended with the
    /// test process. Tests keep apart by their topics.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&KafkaOptions::default()))
    }

    /// Starts a node and waits until it answers.
    pub fn start(options: &KafkaOptions) -> Self {
        for _ in 1..START_ATTEMPTS {
            if let Ok(kafka) = Self::try_start(options) {
                return kafka;
            }
        }
        Self::try_start(options).unwrap_or_else(|failure| panic!("Kafka did not start: {failure}"))
    }

    /// An error is the end of the Java process before it answered.
    fn try_start(options: &KafkaOptions) -> Result<Self, String> {
        let [port, controller_port] = free_ports();
        let folder = new_folder("kafka");
        write_settings(folder.path(), port, controller_port, options);
        format_storage(folder.path(), options)?;
        let mut broker = java(folder.path(), options);
        broker.args(["kafka.Kafka", "server.properties"]);
        let process = Process::start(folder, &broker);
        let bootstrap_servers = format!("127.0.0.1:{port}");
        let admin = admin_client(&bootstrap_servers);
        eventually(START, "Kafka to answer", || match process.exit_code() {
            Some(code) => Ok(Err(format!("exit code {code}\n{}", process.tail()))),
            None => answers(&admin).map(Ok),
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap_or_else(|error| panic!("no runtime: {error}"));
        Ok(Self {
            bootstrap_servers,
            process,
            admin,
            runtime,
        })
    }

    /// The address for clients.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Settings of a client of this node, to be completed by the caller.
    pub fn client_config(&self) -> ClientConfig {
        client_config(&self.bootstrap_servers)
    }

    /// The Java process, for its figures, its log and signals.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Creates a topic with these settings of the topic, and waits until each partition has a
    /// leader.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings
            .iter()
            .fold(topic, |topic, (key, value)| topic.set(key, value));
        let created = self.admin.create_topics([&topic], &request_options());
        match self.runtime.block_on(created).as_deref() {
            Ok([Ok(_)]) => {}
            refused => panic!("cannot create topic {name}: {refused:?}"),
        }
        eventually(REQUEST, &format!("leaders of {name}"), || {
            self.led(name, partitions)
        });
    }

    /// Deletes the records of a partition that lie before the offset.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut offsets = TopicPartitionList::new();
        let added = offsets.add_partition_offset(topic, partition, Offset::Offset(before));
        added.unwrap_or_else(|error| panic!("offset {before} of {topic}: {error}"));
        let deleted = self
            .runtime
            .block_on(self.admin.delete_records(&offsets, &request_options()));
        let outcome = deleted.map(|list| {
            list.elements()
                .iter()
                .try_for_each(TopicPartitionListElem::error)
        });
        assert!(
            matches!(outcome, Ok(Ok(()))),
            "cannot delete records of {topic}/{partition}: {outcome:?}"
        );
    }

    /// The first offset of a partition and the one after its last.
    pub fn offsets(&self, topic: &str, partition: i32) -> (i64, i64) {
        let offsets = self
            .admin
            .inner()
            .fetch_watermarks(topic, partition, REQUEST);
        offsets.unwrap_or_else(|error| panic!("offsets of {topic}/{partition}: {error}"))
    }

    fn led(&self, topic: &str, partitions: i32) -> Result<(), String> {
        let metadata = self.admin.inner().fetch_metadata(Some(topic), REQUEST);
        let metadata = metadata.map_err(|error| error.to_string())?;
        let seen = metadata
            .topics()
            .iter()
            .flat_map(rdkafka::metadata::MetadataTopic::partitions);
        let led = seen.filter(|partition| partition.leader() >= 0).count();
        if usize::try_from(partitions) == Ok(led) {
            Ok(())
        } else {
            Err(format!("{led} have one"))
        }
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Kafka")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

fn client_config(bootstrap_servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap_servers);
    // A node that is about to listen must not be left alone for ten seconds.
    config.set("reconnect.backoff.max.ms", "200");
    config
}

fn admin_client(bootstrap_servers: &str) -> AdminClient<DefaultClientContext> {
    let admin = client_config(bootstrap_servers).create();
    admin.unwrap_or_else(|error| panic!("no client for {bootstrap_servers}: {error}"))
}

fn request_options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST))
        .operation_timeout(Some(REQUEST))
}

fn answers(admin: &AdminClient<DefaultClientContext>) -> Result<(), String> {
    let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(1));
    match metadata.map_err(|error| error.to_string())?.brokers() {
        [] => Err("no broker is registered".to_owned()),
        _ => Ok(()),
    }
}

fn write_settings(folder: &Path, port: u16, controller_port: u16, options: &KafkaOptions) {
    let listeners =
        format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}");
    let mut properties = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n\
         listeners={listeners}\n\
         advertised.listeners={listeners}\n\
         inter.broker.listener.name=PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         log.dirs={}\n",
        folder.join("data").display()
    );
    properties.push_str(NODE_SETTINGS);
    let further = options
        .properties
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"));
    properties.extend(further);
    write(&folder.join("server.properties"), &properties);
    write(&folder.join("log4j2.properties"), LOG_SETTINGS);
}

/// Tests write events of years into a topic at once. Retention and the rolling of segments go by
/// the records' own timestamps, so with their defaults a broker deletes such history while a test
/// reads it.
const NODE_SETTINGS: &str = "\
log.retention.ms=-1
log.roll.hours=876000
log.message.timestamp.after.max.ms=9223372036854775807
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
";

/// To the standard output, without the list of all settings that each start prints.
const LOG_SETTINGS: &str = "\
status=error
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
logger.settings.name=org.apache.kafka.common.config.AbstractConfig
logger.settings.level=warn
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %-5p %c{1} %m%n
";

fn write(path: &Path, text: &str) {
    fs::write(path, text)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

fn format_storage(folder: &Path, options: &KafkaOptions) -> Result<(), String> {
    let mut format = java(folder, options);
    format.args(["kafka.tools.StorageTool", "format", "--standalone"]);
    format.args([
        "--cluster-id",
        "dGVudXJlLXRlc3Qta2Fma2E",
        "--config",
        "server.properties",
    ]);
    let output = format
        .output()
        .unwrap_or_else(|error| panic!("cannot run java: {error}"));
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "formatting failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn java(folder: &Path, options: &KafkaOptions) -> Command {
    let program = match env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    };
    let mut java = Command::new(program);
    java.current_dir(folder);
    java.arg(format!("-Xmx{}m", options.heap_mib));
    if options.purpose == Purpose::Test {
        java.args([
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xshare:auto",
        ]);
    }
    java.arg(format!(
        "-Dlog4j2.configurationFile={}",
        folder.join("log4j2.properties").display()
    ));
    java.arg("-cp").arg(jars().join("*"));
    java
}

fn jars() -> PathBuf {
    let broker = JARS
        .lines()
        .find_map(|line| line.split_once("  kafka_2.13-"));
    let release = broker.and_then(|(_, jar)| jar.strip_suffix(".jar"));
    let release = release.unwrap_or_else(|| panic!("the list of jars has no broker"));
    installed("TENURE_KAFKA_LIBS", &format!("kafka-{release}"), None)
}

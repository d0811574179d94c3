//! Apache Kafka: nodes that are broker and controller at once, in Java processes of their own.
//!
//! Owns their settings, their start and end, and their administration. Promises nodes that answer,
//! keep records of any age, create no topic by themselves, and come back with what they had.
//! Deliberately knows nothing of the records.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fmt};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::metadata::{MetadataBroker, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use tokio::runtime::Runtime;

use super::folder::KeptFolder;
use super::process::{Process, Signal, new_folder};
use super::proxy::Proxy;
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

/// How to start a cluster.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// What the Java processes are tuned for.
    pub purpose: Purpose,
    /// The largest heap of a Java process, in MiB.
    pub heap_mib: u32,
    /// How many nodes there are; each is broker and controller, and their numbers begin with 1.
    pub nodes: u16,
    /// Whether clients can also come through a proxy, see [`Kafka::proxied_servers`].
    pub proxied: bool,
    /// Further lines of `server.properties`, which win over those written here.
    pub properties: Vec<(String, String)>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            purpose: Purpose::Test,
            heap_mib: 512,
            nodes: 1,
            proxied: false,
            properties: Vec::new(),
        }
    }
}

/// A running cluster of one node or several, killed and removed on drop.
pub struct Kafka {
    bootstrap_servers: String,
    nodes: Vec<Node>,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
    options: KafkaOptions,
}

/// A broker with its folder, which outlives its processes.
struct Node {
    folder: KeptFolder,
    process: Option<Process>,
    proxy: Option<Proxy>,
}

/// Where a node listens.
#[derive(Clone, Copy)]
struct Ports {
    clients: u16,
    controller: u16,
    /// For clients that come through the proxy.
    proxied: u16,
}

impl Kafka {
    /// The node that the tests of one binary share: started by the first that asks, ended with the
    /// test process. Tests keep apart by their topics.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&KafkaOptions::default()))
    }

    /// Starts a cluster and waits until all of it answers.
    pub fn start(options: &KafkaOptions) -> Self {
        for _ in 1..START_ATTEMPTS {
            if let Ok(kafka) = Self::try_start(options) {
                return kafka;
            }
        }
        Self::try_start(options).unwrap_or_else(|failure| panic!("Kafka did not start: {failure}"))
    }

    /// An error is the end of a Java process before it answered.
    fn try_start(options: &KafkaOptions) -> Result<Self, String> {
        let ports: Vec<Ports> = (0..options.nodes).map(|_| free()).collect();
        let mut nodes = Vec::new();
        for (id, own) in (1..).zip(&ports) {
            let folder = KeptFolder::new("kafka");
            let proxy = options.proxied.then(Proxy::listen);
            if let Some(proxy) = &proxy {
                proxy.lead_to(own.proxied);
            }
            write_settings(folder.path(), id, &ports, proxy.as_ref(), options);
            format_storage(folder.path(), options)?;
            nodes.push(Node {
                folder,
                process: None,
                proxy,
            });
        }
        let addresses: Vec<String> = ports
            .iter()
            .map(|ports| format!("127.0.0.1:{}", ports.clients))
            .collect();
        let bootstrap_servers = addresses.join(",");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let mut kafka = Self {
            admin: admin_client(&bootstrap_servers),
            bootstrap_servers,
            nodes,
            runtime: runtime.unwrap_or_else(|error| panic!("no runtime: {error}")),
            options: options.clone(),
        };
        for id in 1..=options.nodes {
            kafka.launch(id);
        }
        eventually(START, "Kafka to answer", || match kafka.ended() {
            Some(failure) => Ok(Err(failure)),
            None => kafka.answers().map(Ok),
        })?;
        Ok(kafka)
    }

    /// The address for clients.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// The address for clients whose connections pass through a proxy, one for each node.
    pub fn proxied_servers(&self) -> String {
        let proxies = self.nodes.iter().filter_map(|node| node.proxy.as_ref());
        let addresses: Vec<String> = proxies
            .map(|proxy| format!("127.0.0.1:{}", proxy.port()))
            .collect();
        addresses.join(",")
    }

    /// The proxy in front of a node.
    pub fn proxy(&self, node: u16) -> &Proxy {
        let proxy = self.node(node).proxy.as_ref();
        proxy.unwrap_or_else(|| panic!("node {node} was started without a proxy"))
    }

    /// Settings of a client of this cluster, to be completed by the caller.
    pub fn client_config(&self) -> ClientConfig {
        client_config(&self.bootstrap_servers)
    }

    /// The Java process of the first node, for its figures, its log and signals.
    pub fn process(&self) -> &Process {
        let process = self.node(1).process.as_ref();
        process.unwrap_or_else(|| panic!("node 1 does not run"))
    }

    /// Whether a node was started and not ended since.
    pub fn runs(&self, node: u16) -> bool {
        self.node(node).process.is_some()
    }

    /// Ends a node as a power cut would; what it has written stays.
    pub fn kill(&mut self, node: u16) {
        self.end(node, Signal::Kill);
    }

    /// Asks a node to end, and waits until it has handed over its partitions and closed its files.
    pub fn stop(&mut self, node: u16) {
        self.end(node, Signal::Terminate);
    }

    fn end(&mut self, node: u16, signal: Signal) {
        if let Some(mut process) = self.node_mut(node).process.take() {
            process.send(signal);
            process.wait(START);
        }
    }

    /// Starts a node again where it was and with what it had, and waits until it is registered.
    pub fn boot(&mut self, node: u16) {
        self.launch(node);
        eventually(START, &format!("node {node} to come back"), || {
            if let Some(failure) = self.ended() {
                panic!("{failure}");
            }
            self.answers()
        });
    }

    fn launch(&mut self, id: u16) {
        let mut broker = java(self.node(id).folder.path(), &self.options);
        broker.args(["kafka.Kafka", "server.properties"]);
        self.node_mut(id).process = Some(Process::start(new_folder("kafka-process"), &broker));
    }

    fn node(&self, id: u16) -> &Node {
        &self.nodes[usize::from(id) - 1]
    }

    fn node_mut(&mut self, id: u16) -> &mut Node {
        &mut self.nodes[usize::from(id) - 1]
    }

    /// Why a process that was started no longer runs.
    fn ended(&self) -> Option<String> {
        let processes = self.nodes.iter().filter_map(|node| node.process.as_ref());
        let mut ended = processes.filter_map(|process| {
            let code = process.exit_code()?;
            Some(format!("exit code {code}\n{}", process.tail()))
        });
        ended.next()
    }

    fn answers(&self) -> Result<(), String> {
        let metadata = self
            .admin
            .inner()
            .fetch_metadata(None, Duration::from_secs(1));
        let metadata = metadata.map_err(|error| error.to_string())?;
        let mut seen: Vec<i32> = metadata.brokers().iter().map(MetadataBroker::id).collect();
        seen.sort_unstable();
        let running = (1..).zip(&self.nodes);
        let running: Vec<i32> = running
            .filter(|(_, node)| node.process.is_some())
            .map(|(id, _)| id)
            .collect();
        if seen == running {
            Ok(())
        } else {
            Err(format!("registered are {seen:?} of {running:?}"))
        }
    }

    /// Creates a topic with these settings of the topic, and waits until each partition has a
    /// leader.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        self.create(name, partitions, TopicReplication::Fixed(1), settings);
    }

    /// Creates a topic of which every node has a copy of each partition.
    pub fn create_topic_everywhere(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let copies = TopicReplication::Fixed(i32::from(self.options.nodes));
        self.create(name, partitions, copies, settings);
    }

    /// Creates a topic of one partition that lies on these nodes, the first of which leads it.
    pub fn create_replicated_topic(&self, name: &str, nodes: &[i32], settings: &[(&str, &str)]) {
        self.create(name, 1, TopicReplication::Variable(&[nodes]), settings);
        self.wait_for_replicas(name, 0, nodes[0], nodes);
    }

    fn create(
        &self,
        name: &str,
        partitions: i32,
        replication: TopicReplication<'_>,
        settings: &[(&str, &str)],
    ) {
        let topic = NewTopic::new(name, partitions, replication);
        let topic = settings
            .iter()
            .fold(topic, |topic, (key, value)| topic.set(key, value));
        let created = self.admin.create_topics([&topic], &request_options());
        match self.runtime.block_on(created).as_deref() {
            Ok([Ok(_)]) => {}
            refused => panic!("cannot create topic {name}: {refused:?}"),
        }
        self.wait_for_leaders(name, partitions);
    }

    /// Deletes a topic, and waits until no node knows it any more.
    pub fn delete_topic(&self, name: &str) {
        let deleted = self.admin.delete_topics(&[name], &request_options());
        match self.runtime.block_on(deleted).as_deref() {
            Ok([Ok(_)]) => {}
            refused => panic!("cannot delete topic {name}: {refused:?}"),
        }
        eventually(REQUEST, &format!("the end of {name}"), || {
            match self.partitions(name)?.len() {
                0 => Ok(()),
                count => Err(format!("it has {count} partitions")),
            }
        });
    }

    /// Gives a topic more partitions, and waits until each has a leader.
    pub fn grow_topic(&self, name: &str, partitions: i32) {
        let count = usize::try_from(partitions)
            .unwrap_or_else(|error| panic!("{partitions} partitions: {error}"));
        let (more, options) = ([NewPartitions::new(name, count)], request_options());
        let grown = self.admin.create_partitions(&more, &options);
        match self.runtime.block_on(grown).as_deref() {
            Ok([Ok(_)]) => {}
            refused => panic!("cannot grow topic {name}: {refused:?}"),
        }
        self.wait_for_leaders(name, partitions);
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
        // A leader that was chosen a moment ago may not know it yet.
        eventually(REQUEST, &format!("offsets of {topic}/{partition}"), || {
            let client = self.admin.inner();
            let offsets = client.fetch_watermarks(topic, partition, REQUEST);
            offsets.map_err(|error| error.to_string())
        })
    }

    /// Waits until this node leads the partition and exactly these are in sync with it.
    pub fn wait_for_replicas(&self, topic: &str, partition: i32, leader: i32, in_sync: &[i32]) {
        let mut expected = in_sync.to_vec();
        expected.sort_unstable();
        eventually(START, &format!("{leader} to lead {topic}"), || {
            let partitions = self.partitions(topic)?;
            let found = partitions.iter().find(|found| found.id == partition);
            match found {
                Some(found) if found.leader == leader && found.in_sync == expected => Ok(()),
                found => Err(format!("{found:?}")),
            }
        });
    }

    /// The file with the records of a partition that begins at offset 0. To be changed only while
    /// the node is stopped.
    pub fn first_segment(&self, node: u16, topic: &str, partition: i32) -> PathBuf {
        let folder = self.partition_folder(node, topic, partition);
        folder.join("00000000000000000000.log")
    }

    /// Where a node keeps a partition.
    pub fn partition_folder(&self, node: u16, topic: &str, partition: i32) -> PathBuf {
        let folder = format!("data/{topic}-{partition}");
        self.node(node).folder.path().join(folder)
    }

    fn wait_for_leaders(&self, topic: &str, partitions: i32) {
        eventually(REQUEST, &format!("leaders of {topic}"), || {
            let seen = self.partitions(topic)?;
            let led = seen.iter().filter(|seen| seen.leader >= 0).count();
            if usize::try_from(partitions) == Ok(led) {
                Ok(())
            } else {
                Err(format!("{led} have one"))
            }
        });
    }

    /// The partitions of a topic in the metadata; none if there is no such topic.
    fn partitions(&self, topic: &str) -> Result<Vec<Replicas>, String> {
        let metadata = self.admin.inner().fetch_metadata(Some(topic), REQUEST);
        let metadata = metadata.map_err(|error| error.to_string())?;
        let topics = metadata.topics().iter();
        let partitions = topics.flat_map(MetadataTopic::partitions).map(|partition| {
            let mut in_sync = partition.isr().to_vec();
            in_sync.sort_unstable();
            Replicas {
                id: partition.id(),
                leader: partition.leader(),
                in_sync,
            }
        });
        Ok(partitions.collect())
    }
}

/// Who has a partition.
#[derive(Debug)]
struct Replicas {
    id: i32,
    leader: i32,
    in_sync: Vec<i32>,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processes = self.nodes.iter().map(|node| &node.process);
        formatter.debug_list().entries(processes).finish()
    }
}

fn free() -> Ports {
    let [clients, controller, proxied] = free_ports();
    Ports {
        clients,
        controller,
        proxied,
    }
}

fn client_config(bootstrap_servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap_servers);
    // A node that is about to listen must not be left alone for ten seconds.
    config.set("reconnect.backoff.max.ms", "200");
    // What is sent again, because a new topic has no leader yet, must not come behind what follows.
    config.set("max.in.flight.requests.per.connection", "1");
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

fn write_settings(
    folder: &Path,
    id: u16,
    ports: &[Ports],
    proxy: Option<&Proxy>,
    options: &KafkaOptions,
) {
    let own = ports[usize::from(id) - 1];
    let internal = format!(
        "PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}",
        own.clients, own.controller
    );
    let (listeners, advertised) = match proxy {
        Some(proxy) => (
            format!("{internal},PROXIED://127.0.0.1:{}", own.proxied),
            format!("{internal},PROXIED://127.0.0.1:{}", proxy.port()),
        ),
        None => (internal.clone(), internal),
    };
    let quorum = quorum(ports);
    let mut properties = format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         {quorum}\n\
         listeners={listeners}\n\
         advertised.listeners={advertised}\n\
         inter.broker.listener.name=PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT\n\
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

/// A single node votes for itself; several know each other from the start.
fn quorum(ports: &[Ports]) -> String {
    match ports {
        [only] => format!(
            "controller.quorum.bootstrap.servers=127.0.0.1:{}",
            only.controller
        ),
        _ => {
            let voters: Vec<String> = (1..)
                .zip(ports)
                .map(|(id, ports): (u16, _)| format!("{id}@127.0.0.1:{}", ports.controller))
                .collect();
            format!("controller.quorum.voters={}", voters.join(","))
        }
    }
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
log.cleaner.backoff.ms=500
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
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
    format.args(["kafka.tools.StorageTool", "format"]);
    if options.nodes == 1 {
        format.arg("--standalone");
    }
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

//! The member: which partitions the consumer group gives to this instance.
//!
//! Owns a client of its own that is in the group and reads nothing. Promises that its polling never
//! waits for anything, so that no restore, no slow store and no full queue costs the membership; that
//! every rebalance is answered at once; and that whoever was given a partition again is told so. Does
//! not know what is done with the partitions.
//!
//! ```text
//!  group coordinator <--heartbeats, joins--> member's client        reader's client <--fetches--> brokers
//!                                               |  polled always        ^  may wait for workers
//!                                               v                       |
//!                                           Membership --> ownership ---+  assigned by hand
//! ```
//!
//! The member subscribes to the first topic alone: the number of a partition stands for the shard, and
//! so for the partitions with that number of all topics, which no assignor would keep together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol,
};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use crate::config::{ClusterSettings, KafkaSettings};
use crate::kafka::client::{Context, configuration};
use crate::kafka::now;
use crate::telemetry::Telemetry;

/// How long a poll waits; also how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(100);
/// Between two attempts to be a member, where the client could not go on.
const AGAIN: Duration = Duration::from_secs(2);
/// A member whose coordinator was lost may be fenced by its own earlier attempt to join. Whoever is
/// fenced so often within so long has a namesake.
const FENCED_OFTEN: usize = 4;
const FENCED_WITHIN: Duration = Duration::from_mins(1);

/// What a member's client is told; the configuration's `kafka.properties` may override these. It holds
/// partitions and fetches nothing, looks for new ones often, and a member that died is missed for this
/// long.
const OF_MEMBERS: [(&str, &str); 5] = [
    ("client.id", "tenure-member"),
    ("topic.metadata.refresh.interval.ms", "5000"),
    ("queued.min.messages", "1"),
    ("queued.max.messages.kbytes", "1"),
    ("fetch.wait.max.ms", "500"),
];
/// A partition stays where it was unless it has to move, and nobody stops for those that do.
const ASSIGNOR: (&str, &str) = ("partition.assignment.strategy", "cooperative-sticky");
/// How long a member may be silent before its partitions are given to others: a new member at each
/// start, and one that comes back under its name.
const SESSION: &str = "session.timeout.ms";
const SESSION_DYNAMIC: &str = "15000";
const SESSION_STATIC: &str = "45000";

/// What the group has given to this instance; shared by the member and whoever acts on it.
#[derive(Default)]
pub struct Membership {
    given: Mutex<Given>,
    changed: Condvar,
    /// The client through which a member commits.
    client: ArcSwapOption<BaseConsumer<Answering>>,
}

#[derive(Debug, Clone, Default)]
struct Given {
    /// By number of the partition, the generation in which it was given.
    partitions: BTreeMap<i32, u64>,
    joined: bool,
    /// How often any of this changed.
    changes: u64,
}

/// Partitions as they are at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// By number of the partition, the generation in which it was given: the later, the greater.
    pub partitions: BTreeMap<i32, u64>,
    /// Whether it is known at all.
    pub known: bool,
    pub changes: u64,
}

impl Membership {
    /// What is owned now.
    #[must_use]
    pub fn owned(&self) -> Ownership {
        let given = self.given();
        Ownership {
            partitions: given.partitions.clone(),
            known: given.joined,
            changes: given.changes,
        }
    }

    /// Waits until something has changed since `seen`, for at most `wait`.
    #[must_use]
    pub fn wait_for_change(&self, seen: u64, wait: Duration) -> Ownership {
        let given = self.given();
        let waited = self
            .changed
            .wait_timeout_while(given, wait, |given| given.changes == seen);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.owned()
    }

    /// Everything is owned, without a group, from now on.
    pub fn owns_all(&self, partitions: i32) {
        let generation = generation();
        self.change(|given| {
            for partition in 0..partitions {
                given.partitions.entry(partition).or_insert(generation);
            }
            given.joined = true;
        });
    }

    /// Commits as the member that this instance is.
    pub fn commit(&self, list: &TopicPartitionList, mode: CommitMode) -> Option<KafkaResult<()>> {
        let client = self.client.load_full()?;
        Some(client.commit(list, mode))
    }

    fn change(&self, change: impl FnOnce(&mut Given)) {
        let mut given = self.given();
        change(&mut given);
        given.changes += 1;
        drop(given);
        self.changed.notify_all();
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a commit failed because partitions are moving: the next one says the same.
#[must_use]
pub fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::NoOffset
        )
    )
}

/// Of two instances that were given a partition, the later one has the greater; it decides nothing but
/// who is asked.
fn generation() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(0)
}

/// Answers rebalances.
pub struct Answering {
    membership: Arc<Membership>,
    client: Context,
    telemetry: Arc<Telemetry>,
}

impl Answering {
    fn given(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let mut held = TopicPartitionList::new();
        for element in list.elements() {
            // Never fetched, so where from does not matter; what was committed is not asked for.
            held.add_partition_offset(element.topic(), element.partition(), Offset::Offset(0))?;
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&held)?,
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&held)?,
        }
        if held.count() > 0 {
            consumer.pause(&held)?;
        }
        let generation = generation();
        self.membership.change(|given| {
            for element in held.elements() {
                given.partitions.insert(element.partition(), generation);
            }
            given.joined = true;
        });
        Ok(())
    }

    fn taken(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        self.membership.change(|given| {
            if cooperative {
                for element in list.elements() {
                    given.partitions.remove(&element.partition());
                }
            } else {
                given.partitions.clear();
            }
        });
        if cooperative {
            consumer.incremental_unassign(list)
        } else {
            consumer.unassign()
        }
    }
}

impl ClientContext for Answering {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ConsumerContext for Answering {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.telemetry.ownership.rebalanced(now().as_seconds());
        let done = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.given(consumer, list),
            _ => self.taken(consumer, list),
        };
        if let Err(error) = done {
            self.client.failed(&error);
            // Every rebalance has to be answered, or the client never goes on.
            let _ = consumer.unassign();
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result
            && !passes(&error)
        {
            self.client.failed(&error);
        }
    }
}

/// Who is in the group on behalf of this instance.
pub struct Member {
    membership: Arc<Membership>,
    telemetry: Arc<Telemetry>,
    config: ClientConfig,
    topic: String,
    name: Option<String>,
}

impl Member {
    /// Of the group of the settings, for the partitions of the first topic. Not yet in it.
    #[must_use]
    pub fn new(
        kafka: &KafkaSettings,
        cluster: &ClusterSettings,
        membership: Arc<Membership>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            membership,
            telemetry,
            config: member_configuration(kafka, cluster),
            topic: kafka.topics.first().cloned().unwrap_or_default(),
            name: cluster.instance_id.clone(),
        }
    }

    /// Is in the group until told to leave; then leaves it, which may wait for brokers that are gone.
    ///
    /// # Errors
    /// If the client cannot be a member, and trying again would not help.
    pub fn run(&self, leave: &AtomicBool) -> Result<(), String> {
        let mut fenced: Vec<Instant> = Vec::new();
        while !leave.load(Ordering::Acquire) {
            let error = match self.be_in_the_group(leave) {
                Ok(()) => break,
                Err(error) => error,
            };
            self.membership.client.store(None);
            self.membership.change(|given| given.partitions.clear());
            let is_fenced = matches!(
                error.rdkafka_error_code(),
                Some(RDKafkaErrorCode::FencedInstanceId | RDKafkaErrorCode::UnreleasedInstanceId)
            );
            fenced.retain(|at| at.elapsed() < FENCED_WITHIN);
            fenced.extend(is_fenced.then(Instant::now));
            if let Some(name) = self.name.as_ref().filter(|_| fenced.len() >= FENCED_OFTEN) {
                return Err(format!(
                    "another instance has the name `{name}` (cluster.instance_id): give each instance \
                     its own"
                ));
            }
            tracing::warn!(%error, "out of the consumer group, joining again");
            let until = Instant::now() + AGAIN;
            while Instant::now() < until && !leave.load(Ordering::Acquire) {
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    }

    fn be_in_the_group(&self, leave: &AtomicBool) -> KafkaResult<()> {
        let context = Answering {
            membership: Arc::clone(&self.membership),
            client: Context::new(Arc::clone(&self.telemetry)),
            telemetry: Arc::clone(&self.telemetry),
        };
        let consumer: BaseConsumer<Answering> = self.config.create_with_context(context)?;
        let consumer = Arc::new(consumer);
        consumer.subscribe(&[&self.topic])?;
        self.membership.client.store(Some(Arc::clone(&consumer)));
        while !leave.load(Ordering::Acquire) {
            match consumer.poll(POLL) {
                // Fetched before it was paused.
                None | Some(Ok(_)) => {}
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    return Err(KafkaError::MessageConsumptionFatal(code));
                }
                Some(Err(error)) => consumer.context().client.failed(&error),
            }
        }
        self.membership.client.store(None);
        Ok(())
    }
}

/// The configuration of a member's client. Never to be printed: it may hold secrets.
fn member_configuration(kafka: &KafkaSettings, cluster: &ClusterSettings) -> ClientConfig {
    let mut config = configuration(kafka);
    let given = |name: &str| kafka.properties.contains_key(name);
    for (name, value) in OF_MEMBERS {
        config.set(name, value);
    }
    // In the newer protocol of groups the brokers decide both.
    if !given("group.protocol") {
        let session = match cluster.instance_id {
            Some(_) => SESSION_STATIC,
            None => SESSION_DYNAMIC,
        };
        for (name, value) in [ASSIGNOR, (SESSION, session)] {
            if !given(name) {
                config.set(name, value);
            }
        }
    }
    if let Some(name) = &cluster.instance_id {
        config.set("group.instance.id", name);
    }
    config
}

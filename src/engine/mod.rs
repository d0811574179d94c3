//! The engine: shards on worker threads, evaluation by the clock, the report of the moment.
//!
//! Owns every shard, by exactly one worker each, and wires what is restored, the reader, the workers,
//! the evaluation, what is made durable, and what the endpoint shows. Only it, and the watch that dates
//! its questions to Kafka, ask what time it is. Promises that folding waits for nothing but an
//! evaluation or a copy of a shard of the same worker, and for room where rejected records go; that
//! queues are bounded in bytes; and that what is published is one immutable report. Does not know how
//! numbers come about.
//!
//! ```text
//!  reader --batches--> [ queue ] --> worker 0: shards 0, 2, 4 ..   decode, fold
//!                      [ queue ] --> worker 1: shards 1, 3, 5 ..
//!                                       ^  |
//!  evaluation tick ---one shard at a----+  +--partial--> merge -> report -> published
//!                     time              |  |                ^
//!  placement --shards that come and go--+  +--copy-----> keeper -> checkpoints
//!      ^                                       contributing +--> other instances
//!  member: what the group gives and takes
//! ```
//!
//! A shard that comes is restored before anything of it is read; an end reads nothing more, folds what
//! was read, makes all of it durable, and leaves the group last.

pub mod admission;
pub mod contributing;
pub mod elsewhere;
pub mod evaluation;
pub mod ground;
pub mod inquiry;
pub mod intake;
pub mod keeper;
pub mod live;
pub mod placement;
pub mod restore;
pub mod slices;
pub mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rdkafka::consumer::CommitMode;

use crate::checkpoint::{Hex, OpenError, TopicId};
use crate::cluster::exchange::Exchange;
use crate::cluster::grid::Grid;
use crate::cluster::peers::Peers;
use crate::cluster::record::Definition;
use crate::config::{Ownership, Settings};
use crate::engine::admission::{BySchema, with_registry};
use crate::engine::contributing::Contributor;
use crate::engine::elsewhere::OtherInstances;
use crate::engine::evaluation::Evaluation;
use crate::engine::inquiry::Inquiry;
use crate::engine::keeper::Keeper;
use crate::engine::live::Live;
use crate::engine::placement::Placement;
use crate::engine::restore::{Restore, Restored};
use crate::engine::worker::{Dispatcher, Task, Worker};
use crate::kafka::client::{Consumer, Context, configuration};
use crate::kafka::commits::Commits;
use crate::kafka::identity::Identity;
use crate::kafka::letters::outbox::Outbox;
use crate::kafka::member::{Member, Membership};
use crate::kafka::progress::Start;
use crate::kafka::reader::{Ended, Order, Reader};
use crate::kafka::routed::{self, Routed, RoutedWatch};
use crate::kafka::watch::Watch;
use crate::ledger::hash::Hashes;
use crate::ledger::snapshot::fingerprint;
use crate::measure::FORM;
use crate::registry::Registry;
use crate::router::{Router, kafka_settings};
use crate::serve::api::archive::Archive;
use crate::serve::peers;
use crate::telemetry::{Failure, Telemetry};

/// The watch asks for ends at least this often: what it knows is the age of a report before it is
/// made, and new events shall be on the page within two seconds.
const WATCH_AT_MOST: Duration = Duration::from_millis(250);

/// How long leaving the group may take.
const LEAVING: Duration = Duration::from_secs(3);

/// All threads of the data path, at work.
pub struct Engine {
    live: Arc<Live>,
    ending: Arc<Ending>,
    threads: Vec<JoinHandle<()>>,
    client: Arc<Consumer>,
    inquiry: Arc<Inquiry>,
    router: Option<Arc<Router>>,
}

/// On what terms the engine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// Go on although part of the log is lost.
    pub accept_history_loss: bool,
    /// Go on although customers may be in two partitions, since there are more of them.
    pub accept_new_partitions: bool,
    /// The brokers have no identities of topics, and are not asked for them.
    pub topics_without_identity: bool,
}

/// How the threads learn that the end has come.
#[derive(Debug, Default)]
struct Ending {
    stop: AtomicBool,
    /// Nothing more is read from now on.
    read_out: AtomicBool,
    /// All that was read is folded, and durable as far as it is going to be.
    kept: AtomicBool,
    /// How long the last checkpoints may take.
    until: OnceLock<Instant>,
}

/// The engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the Kafka client refuses its configuration (kafka.properties): {0}")]
    Client(String),
    #[error("the schema registry cannot be asked: {0}")]
    Registry(String),
    #[error("other instances cannot be asked: {0}")]
    Peers(String),
    #[error("the checkpoints cannot be kept at state.url: {0}")]
    Store(#[from] OpenError),
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Engine {
    /// Starts reading, folding and evaluating.
    ///
    /// Returns at once: brokers that do not answer yet are waited for. Other instances reach this one at
    /// `address`.
    ///
    /// # Errors
    /// If the client does not take its configuration.
    pub fn start(
        settings: &Settings,
        terms: Terms,
        address: String,
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, StartError> {
        let live = Arc::new(Live::new(Arc::clone(&telemetry)));
        let ending = Arc::new(Ending::default());
        let mut threads = Vec::new();
        threads.extend(keep_rejected(settings, &live, &ending)?);
        threads.extend(ask_for_schemas(settings, &live, &ending)?);
        threads.extend(watch_routing(settings, &live, &ending)?);
        let router = route(settings, &live, &ending, &mut threads)?;

        let mut queues = Vec::new();
        for number in 0..worker_count() {
            let (queue, tasks) = worker::queue();
            let worker = Worker::new(settings, &live, tasks);
            threads.push(spawn(&format!("worker-{number}"), &live, move || {
                worker.run();
            })?);
            queues.push(queue);
        }
        let client = client(settings, &live)?;
        let topics = settings.kafka.topics.clone();
        let identity = if terms.topics_without_identity {
            Identity::unknown(Arc::clone(&client), topics)
        } else {
            Identity::new(Arc::clone(&client), topics)
        };
        let identity = Arc::new(identity);
        let (shown, same) = (Arc::clone(&live), Arc::clone(&identity));
        let evaluation = Evaluation::new(settings, shown, same, queues.clone());
        let inquiry = Inquiry::new(settings, Arc::clone(&live), queues.clone());
        let inquiry = inquiry.watching(Arc::clone(&identity));
        let inquiry = inquiry.asking(Peers::new(&settings.cluster).map_err(StartError::Peers)?);
        let inquiry = if settings.cluster.report_topic.is_some() {
            inquiry.among(Arc::new(OtherInstances(Arc::clone(&live))))
        } else {
            inquiry
        };
        let ended = Arc::clone(&ending);
        threads.push(spawn("evaluation", &live, move || {
            evaluation.run(&ended.stop);
        })?);
        let membership = Arc::new(Membership::default());
        let (grown, given) = (Arc::clone(&live), Arc::clone(&membership));
        let all = settings.cluster.ownership == Ownership::All;
        let watch = Watch {
            consumer: Arc::clone(&client),
            topics: settings.kafka.topics.clone(),
            telemetry,
            progress: live.progress(),
            identity,
            interval: settings.evaluation_interval.min(WATCH_AT_MOST),
            repartitioned: live.repartitioned(),
            grown: Box::new(move |now, before| {
                grown.was_keyed_by(before);
                if all {
                    given.owns_all(now);
                }
            }),
        };
        let data_path = DataPath {
            restore: Restore::new(settings, terms, &live, &queues)?,
            watch: Arc::new(watch),
            live: Arc::clone(&live),
            ending: Arc::clone(&ending),
            queues,
            settings: settings.clone(),
            membership,
            address,
        };
        threads.push(spawn("kafka-watch", &live, move || data_path.run())?);
        Ok(Self {
            live,
            ending,
            threads,
            client,
            inquiry: Arc::new(inquiry),
            router,
        })
    }

    /// What the endpoint shows.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Answers to questions about the past.
    #[must_use]
    pub fn archive(&self) -> Arc<dyn Archive> {
        Arc::clone(&self.inquiry) as Arc<dyn Archive>
    }

    /// Answers to questions of other instances.
    #[must_use]
    pub fn peers(&self) -> Arc<dyn peers::Peers> {
        Arc::clone(&self.inquiry) as Arc<dyn peers::Peers>
    }

    /// Asks every thread to end, the last of them after what was read is folded and durable, and waits
    /// for them until `until`. False if one of them was still at work.
    #[must_use]
    pub fn stop(self, until: Instant) -> bool {
        self.live.stopping();
        if let Some(outbox) = self.live.outbox() {
            outbox.close();
        }
        if let Some(router) = &self.router {
            router.close();
        }
        self.inquiry.close();
        // Closing the client can wait for brokers that are gone, and the state needs nothing of it.
        std::mem::forget(self.client);
        // Set once, before the flag by which it is looked for.
        let _ = self.ending.until.set(until);
        self.ending.stop.store(true, Ordering::Release);
        while Instant::now() < until {
            if self.threads.iter().all(JoinHandle::is_finished) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

/// One worker for each core, so that folding is never the part that waits for cores.
fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn client(settings: &Settings, live: &Live) -> Result<Arc<Consumer>, StartError> {
    configuration(&settings.kafka)
        .create_with_context(Context::new(live.telemetry()))
        .map(Arc::new)
        .map_err(|error| StartError::Client(error.to_string()))
}

/// The thread that writes rejected records to the dead-letter topic, if there is one. At the end it
/// goes on for as long as it is let, until all of them are written.
fn keep_rejected(
    settings: &Settings,
    live: &Arc<Live>,
    ending: &Arc<Ending>,
) -> Result<Option<JoinHandle<()>>, StartError> {
    let Some(topic) = &settings.dead_letters.topic else {
        return Ok(None);
    };
    let outbox = Arc::new(Outbox::new(&settings.kafka, topic, live.telemetry()));
    live.keep_rejected(Arc::clone(&outbox));
    let (ending, owner) = (Arc::clone(ending), Arc::clone(live));
    let writing = spawn("dead-letters", live, move || {
        if let Err(error) = outbox.run(&ending.kept) {
            owner.failed(format!(
                "the Kafka producer refuses its configuration: {error}"
            ));
        }
    });
    Ok(Some(writing?))
}

/// The thread that asks the schema registry, if there is one.
fn ask_for_schemas(
    settings: &Settings,
    live: &Arc<Live>,
    ending: &Arc<Ending>,
) -> Result<Option<JoinHandle<()>>, StartError> {
    let registry = Registry::new(&settings.schema_registry, live.telemetry());
    let Some(registry) = registry.map_err(StartError::Registry)? else {
        return Ok(None);
    };
    let registry = Arc::new(registry);
    live.ask_for_schemas(Arc::clone(&registry));
    let ending = Arc::clone(ending);
    Ok(Some(spawn("schemas", live, move || {
        registry.run(&ending.stop);
    })?))
}

/// The thread that asks how far routing has come, if what is read was routed, be it here or elsewhere.
fn watch_routing(
    settings: &Settings,
    live: &Arc<Live>,
    ending: &Arc<Ending>,
) -> Result<Option<JoinHandle<()>>, StartError> {
    let Some(topic) = settings.router.to.clone() else {
        return Ok(None);
    };
    let routed = Arc::new(Routed::default());
    live.rests_on(Arc::clone(&routed));
    let service = routed::Service {
        routed,
        progress: live.progress(),
        topic,
    };
    let watch = RoutedWatch::new(kafka_settings(settings), live.telemetry(), Some(service));
    let watch = watch.map_err(|error| StartError::Client(error.to_string()))?;
    let ending = Arc::clone(ending);
    let watching = spawn("router-watch", live, move || watch.run(&ending.stop));
    Ok(Some(watching?))
}

/// The thread that routes, if this process does.
fn route(
    settings: &Settings,
    live: &Arc<Live>,
    ending: &Arc<Ending>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Option<Arc<Router>>, StartError> {
    let router = Router::new(settings, live.telemetry());
    let Some(router) = router.filter(|_| settings.router.inside) else {
        return Ok(None);
    };
    let router = Arc::new(match live.registry() {
        Some(registry) => with_registry(router, &registry),
        None => router,
    });
    let (routing, ending, owner) = (Arc::clone(&router), Arc::clone(ending), Arc::clone(live));
    threads.push(spawn("router", live, move || {
        if let Err(error) = routing.run(&ending.stop) {
            owner.failed(error.to_string());
        }
    })?);
    Ok(Some(router))
}

/// What talks to Kafka and to the store: one thread that looks what there is, starts the others, and
/// then watches.
struct DataPath {
    restore: Restore,
    watch: Arc<Watch>,
    live: Arc<Live>,
    ending: Arc<Ending>,
    queues: Vec<Sender<Task>>,
    settings: Settings,
    membership: Arc<Membership>,
    /// Where other instances reach this one.
    address: String,
}

impl DataPath {
    /// Which topics need the keys and headers of their records.
    fn envelopes(&self) -> Vec<bool> {
        let kept = self.live.outbox().is_some();
        let sources = self.restore.fold().sources_of(&self.watch.topics);
        let sources = sources.iter();
        sources
            .map(|source| kept || source.needs_envelope())
            .collect()
    }

    fn run(self) {
        let ending = Arc::clone(&self.ending);
        if let Err(error) = self.share_and_read() {
            self.live.failed(error.to_string());
        }
        ending.read_out.store(true, Ordering::Release);
        ending.kept.store(true, Ordering::Release);
    }

    fn share_and_read(&self) -> std::io::Result<()> {
        let stop = &self.ending.stop;
        let Some(starts) = self.watch.starts(stop) else {
            return Ok(());
        };
        let Some(ids) = restore::ids(&self.watch.identity, stop) else {
            return Ok(());
        };
        let sharing = self.share(&ids)?;
        let commits = Arc::new(Commits::new(
            Arc::clone(&self.watch.consumer),
            self.watch.topics.clone(),
            self.live.progress(),
            Arc::clone(&self.membership),
            self.live.outbox(),
        ));
        let (tell, tidings) = unbounded();
        let topics = self.watch.topics.iter().cloned().zip(ids).collect();
        let keeper = self.restore.shelf().map(|shelf| Keeper {
            live: Arc::clone(&self.live),
            queues: self.queues.clone(),
            shelf,
            identity: Arc::clone(&self.watch.identity),
            commits: Arc::clone(&commits),
            interval: self.settings.state.interval,
            fold: self.restore.fold(),
            tidings,
            topics,
            kept: BTreeMap::new(),
            here: BTreeSet::new(),
        });
        let (order, orders) = unbounded();
        let reading = self.read(&commits, orders)?;
        let placement = Placement {
            live: Arc::clone(&self.live),
            membership: Arc::clone(&self.membership),
            restore: self.restore.clone(),
            watch: Arc::clone(&self.watch),
            queues: self.queues.clone(),
            orders: order,
            tidings: keeper.is_some().then_some(tell),
            commits: Arc::clone(&commits),
            contributor: self.contributor(),
            placed: BTreeMap::new(),
            warm: BTreeMap::new(),
            came_at: BTreeMap::new(),
        };
        let ending = Arc::clone(&self.ending);
        let placing = spawn("placement", &self.live, move || {
            placement.run(&ending.stop);
        })?;
        let keeping = keeper.map(|keeper| {
            let ending = Arc::clone(&self.ending);
            spawn("checkpoints", &self.live, move || {
                keeper.run(&ending.stop, &ending.read_out, &ending.until);
            })
        });
        let keeping = keeping.transpose()?;
        let leave = Arc::new(AtomicBool::new(false));
        let member = self.join(&starts, &leave)?;
        self.watch.run(&self.ending.stop);
        // The threads' own ends are what is waited for; their outcomes are noted by their guards.
        let _ = placing.join();
        let _ = reading.join();
        self.ending.read_out.store(true, Ordering::Release);
        match keeping {
            Some(keeping) => {
                let _ = keeping.join();
            }
            None => commits.commit(CommitMode::Sync),
        }
        // What was said last is still written.
        self.ending.kept.store(true, Ordering::Release);
        if let Some(sharing) = sharing {
            let _ = sharing.join();
        }
        // Last of all, so that whoever has the partitions next finds the last checkpoints.
        leave.store(true, Ordering::Release);
        self.wait_for_leave(member);
        Ok(())
    }

    /// The thread that reads and writes the report topic, if there is one.
    fn share(&self, ids: &[Option<TopicId>]) -> std::io::Result<Option<JoinHandle<()>>> {
        let Some(topic) = &self.settings.cluster.report_topic else {
            return Ok(None);
        };
        let name = self.settings.cluster.instance_id.clone();
        let name = name.unwrap_or_else(|| format!("{:016x}", RandomState::new().hash_one(0_u8)));
        let exchange = Arc::new(Exchange::new(
            &self.settings.kafka,
            topic,
            &name,
            definition(&self.settings, ids),
            Grid::of(self.settings.evaluation_interval),
            self.live.telemetry(),
        ));
        let address = self.address.clone();
        tracing::info!(
            instance = name,
            address,
            topic,
            "sharing the work with others"
        );
        self.live.shares(Arc::clone(&exchange), name, address);
        let (ending, live) = (Arc::clone(&self.ending), Arc::clone(&self.live));
        let sharing = spawn("report-topic", &self.live, move || {
            if let Err(error) = exchange.run(&ending.kept) {
                live.failed(format!(
                    "the Kafka client refuses its configuration: {error}"
                ));
            }
        });
        Ok(Some(sharing?))
    }

    /// Who says the last part of a shard that is let go of.
    fn contributor(&self) -> Option<Contributor> {
        let exchange = self.live.exchange()?;
        Some(Contributor::new(
            Arc::new(self.settings.evaluation.clone()),
            Grid::of(self.settings.evaluation_interval),
            Arc::clone(&self.live),
            exchange,
            Arc::clone(&self.watch.identity),
            self.queues.clone(),
        ))
    }

    /// Becomes a member of the group, or takes everything.
    fn join(
        &self,
        starts: &[Start],
        leave: &Arc<AtomicBool>,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        if self.settings.cluster.ownership == Ownership::All {
            let numbers = starts.iter().map(|start| start.place.partition);
            self.membership
                .owns_all(numbers.max().map_or(0, |last| last + 1));
            return Ok(None);
        }
        let member = Member::new(
            &self.settings.kafka,
            &self.settings.cluster,
            Arc::clone(&self.membership),
            self.live.telemetry(),
        );
        let (live, leave) = (Arc::clone(&self.live), Arc::clone(leave));
        let joining = spawn("group-member", &self.live, move || {
            if let Err(reason) = member.run(&leave) {
                live.failed(reason);
            }
        });
        Ok(Some(joining?))
    }

    /// Leaving can wait for brokers that are gone: then the group finds out by itself.
    fn wait_for_leave(&self, member: Option<JoinHandle<()>>) {
        let until = Instant::now() + LEAVING;
        let until = self
            .ending
            .until
            .get()
            .map_or(until, |last| until.min(*last));
        while member.as_ref().is_some_and(|member| !member.is_finished()) && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts the reader.
    fn read(
        &self,
        commits: &Arc<Commits>,
        orders: Receiver<Order>,
    ) -> std::io::Result<JoinHandle<()>> {
        let reader = Reader::new(
            Arc::clone(&self.watch.consumer),
            self.watch.topics.clone(),
            self.live.telemetry(),
            self.live.progress(),
            Arc::clone(commits),
            Dispatcher::new(self.queues.clone()),
        )
        .with_envelopes(self.envelopes());
        let reader = match self.live.registry() {
            Some(registry) => {
                let sources = self.restore.fold().sources_of(&self.watch.topics);
                reader.with_admission(Box::new(BySchema::new(&sources, registry)))
            }
            None => reader,
        };
        let (ending, live) = (Arc::clone(&self.ending), Arc::clone(&self.live));
        spawn("kafka-reader", &self.live, move || {
            match reader.run(&orders, &ending.stop) {
                Ended::Stopped | Ended::Abandoned => {}
                Ended::Fatal(reason) => {
                    live.failed(format!("the Kafka client cannot go on: {reason}"));
                }
            }
        })
    }
}

/// What instances have to have in common to add up what they say.
fn definition(settings: &Settings, ids: &[Option<TopicId>]) -> Definition {
    let fold = &settings.fold;
    let mut parts = vec![
        FORM.to_owned(),
        Grid::of(settings.evaluation_interval)
            .step_millis()
            .to_string(),
        settings.definition_hash(),
        Hex(fingerprint(fold)).to_string(),
        Hex(Hashes::new(fold.digest_key).mark_of_key()).to_string(),
    ];
    for (topic, id) in settings.kafka.topics.iter().zip(ids) {
        parts.push(topic.clone());
        parts.push(id.map_or_else(String::new, |id| id.to_string()));
    }
    Definition::of(parts.iter().map(String::as_str))
}

/// Says from where everything is read.
fn tell(starts: &[Start], restored: &Restored, topics: &[String]) {
    let next = |place| {
        let mut assignments = restored.assignments.iter();
        assignments.find(|assignment| assignment.place == place)
    };
    let behind = starts.iter().filter_map(|start| {
        let assignment = next(start.place)?;
        Some((start.end_offset - assignment.next_offset).max(0))
    });
    tracing::info!(
        topics = topics.join(","),
        partitions = restored.assignments.len(),
        restored = restored.restored,
        records = behind.sum::<i64>(),
        "reading"
    );
    let fresh = restored.assignments.iter();
    let headless = fresh.filter(|assignment| assignment.fresh && assignment.next_offset > 0);
    let headless = headless.count();
    if headless > 0 {
        tracing::warn!(
            partitions = headless,
            "the log does not begin at its beginning: customers from before are unknown until they \
             are seen again (customer_base_complete_since, inactivity_timeout)"
        );
    }
}

/// Starts a thread whose unexpected end ends the process: nothing goes on half alive.
fn spawn(
    name: &str,
    live: &Arc<Live>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let guard = Guard {
        name: name.to_owned(),
        live: Arc::clone(live),
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let guard = guard;
            work();
            drop(guard);
        })
}

/// Notes that its thread ended.
struct Guard {
    name: String,
    live: Arc<Live>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.live.is_stopping() {
            self.live.telemetry().errors.of(Failure::WorkerLost).inc();
            self.live.failed(format!("the thread {} ended", self.name));
        }
    }
}

//! What is shared while the engine runs: progress, the published report, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::cluster::exchange::Exchange;
use crate::cluster::record::Presence;
use crate::event::Timestamp;
use crate::kafka::letters::outbox::Outbox;
use crate::kafka::progress::Progress;
use crate::kafka::routed::Routed;
use crate::registry::Registry;
use crate::serve::readiness::{Obstacle, Readiness};
use crate::serve::{Instance, Published, Sharing, Source};
use crate::telemetry::Telemetry;
use crate::telemetry::partition::PartitionStatus;

/// The state of a running engine, as everybody may see it.
pub struct Live {
    telemetry: Arc<Telemetry>,
    progress: Arc<Progress>,
    published: ArcSwapOption<Published>,
    /// The topics do not have the same number of partitions, or fewer than before.
    repartitioned: Arc<AtomicBool>,
    /// By how many partitions the state was keyed, as far as that is known; else 0.
    keyed_by: AtomicI32,
    /// Another instance says that its shards were keyed by other partitions.
    rekeyed_elsewhere: AtomicBool,
    /// The shards that are this instance's, with the generations in which they were given to it.
    owned: ArcSwap<BTreeMap<i32, u64>>,
    /// Whether that is known at all.
    placed: AtomicBool,
    /// Where rejected records go, if they are kept.
    outbox: OnceLock<Arc<Outbox>>,
    /// Who knows the schemas of records, if a registry is configured.
    registry: OnceLock<Arc<Registry>>,
    /// How far routing has come, if what is read was routed.
    routed: OnceLock<Arc<Routed>>,
    /// Where instances tell each other their parts of the report, if they do.
    exchange: OnceLock<Arc<Exchange>>,
    /// What this instance is called by others, and where it answers them.
    name: OnceLock<(String, String)>,
    stopping: AtomicBool,
    failure: OnceLock<String>,
}

impl Live {
    #[must_use]
    pub fn new(telemetry: Arc<Telemetry>) -> Self {
        Self {
            telemetry,
            progress: Arc::new(Progress::default()),
            published: ArcSwapOption::empty(),
            repartitioned: Arc::new(AtomicBool::new(false)),
            keyed_by: AtomicI32::new(0),
            rekeyed_elsewhere: AtomicBool::new(false),
            owned: ArcSwap::default(),
            placed: AtomicBool::new(false),
            outbox: OnceLock::new(),
            registry: OnceLock::new(),
            routed: OnceLock::new(),
            exchange: OnceLock::new(),
            name: OnceLock::new(),
            stopping: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    /// The wall clock. What is pure is given its instants as arguments.
    #[must_use]
    pub fn now() -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    #[must_use]
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }

    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    #[must_use]
    pub fn repartitioned(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.repartitioned)
    }

    /// Notes by how many partitions customers were assigned to shards, as far as a state tells; the
    /// least counts.
    pub fn was_keyed_by(&self, partitions: i32) {
        let least = |known: i32| match known {
            0 => Some(partitions),
            known => Some(known.min(partitions)),
        };
        // Never fails, since there is always a value to set.
        let _ = self
            .keyed_by
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, least);
        self.telemetry
            .durability
            .rekey_suspected
            .set(i64::from(self.rekeyed()));
    }

    /// By how many partitions customers were assigned to shards.
    #[must_use]
    pub fn keyed_by(&self) -> i32 {
        match self.keyed_by.load(Ordering::Relaxed) {
            0 => self.progress.partition_numbers(),
            known => known,
        }
    }

    /// Whether customers may be in two shards, because the number of partitions changed.
    #[must_use]
    pub fn rekeyed(&self) -> bool {
        let own = self.keyed_by() != self.progress.partition_numbers();
        own || self.rekeyed_elsewhere.load(Ordering::Relaxed)
    }

    /// Notes whether any instance says so of its shards.
    pub fn rekeyed_elsewhere(&self, rekeyed: bool) {
        self.rekeyed_elsewhere.store(rekeyed, Ordering::Relaxed);
        let suspected = &self.telemetry.durability.rekey_suspected;
        suspected.set(i64::from(self.rekeyed()));
    }

    /// Notes which shards are this instance's from now on.
    pub fn owns(&self, owned: BTreeMap<i32, u64>) {
        self.owned.store(Arc::new(owned));
        self.placed.store(true, Ordering::Release);
    }

    /// Whether it is known which shards are this instance's.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        self.placed.load(Ordering::Acquire)
    }

    /// The shards that are this instance's, with the generations in which they were given to it.
    #[must_use]
    pub fn owned(&self) -> Arc<BTreeMap<i32, u64>> {
        self.owned.load_full()
    }

    /// Where rejected records go, if they are kept.
    #[must_use]
    pub fn outbox(&self) -> Option<Arc<Outbox>> {
        self.outbox.get().cloned()
    }

    /// From now on rejected records are kept. Has to be called before anybody reads.
    pub fn keep_rejected(&self, outbox: Arc<Outbox>) {
        // A service has one outbox for life, so a second call changes nothing.
        let _ = self.outbox.set(outbox);
    }

    /// Who knows the schemas of records, if a registry is configured.
    #[must_use]
    pub fn registry(&self) -> Option<Arc<Registry>> {
        self.registry.get().cloned()
    }

    /// From now on there is a registry. Has to be called before anybody reads.
    pub fn ask_for_schemas(&self, registry: Arc<Registry>) {
        // A service has one registry for life, so a second call changes nothing.
        let _ = self.registry.set(registry);
    }

    /// Where instances tell each other their parts of the report, if they do.
    #[must_use]
    pub fn exchange(&self) -> Option<Arc<Exchange>> {
        self.exchange.get().cloned()
    }

    /// From now on instances tell each other their parts of the report; this one has a name, and answers
    /// at an address.
    pub fn shares(&self, exchange: Arc<Exchange>, name: String, address: String) {
        // Both are for life, so a second call changes nothing.
        let _ = self.name.set((name, address));
        let _ = self.exchange.set(exchange);
    }

    /// What this instance is called by others, and where it answers them.
    #[must_use]
    pub fn name(&self) -> Option<&(String, String)> {
        self.name.get()
    }

    /// From now on nothing is complete beyond what was routed. Has to be called before anybody reads.
    pub fn rests_on(&self, routed: Arc<Routed>) {
        self.progress.mixes_times();
        // A service has one routed topic for life, so a second call changes nothing.
        let _ = self.routed.set(routed);
    }

    /// The instant up to which everything that this instance reads is applied; nothing while that is not
    /// known of all of it.
    #[must_use]
    pub fn complete_until(&self) -> Option<Timestamp> {
        match self.routed.get() {
            None => self.progress.complete_until(),
            Some(_) if !self.progress.all_resumed() => None,
            Some(routed) => routed.complete_until(&self.progress.sound_positions()),
        }
    }

    /// The instant up to which a shard is complete, if that is known.
    #[must_use]
    pub fn shard_complete_until(&self, partition: i32) -> Option<Timestamp> {
        match self.routed.get() {
            None => self.progress.shard_complete_until(partition),
            Some(_) => self.complete_until(),
        }
    }

    /// Other partitions are read from now on, of which earlier claims say nothing.
    pub fn reads_others(&self) {
        if let Some(routed) = self.routed.get() {
            routed.forget();
        }
    }

    /// The numbers of the partitions that are read by this instance, each a shard.
    #[must_use]
    pub fn shards(&self) -> BTreeSet<i32> {
        self.progress.shards()
    }

    /// Makes a report the one that is served.
    pub fn publish(&self, published: Published) {
        self.published.store(Some(Arc::new(published)));
    }

    /// From now on threads may end.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Notes why the process cannot go on; the first reason stays.
    pub fn failed(&self, reason: String) {
        // Only the first failure is the cause; what follows are its effects.
        let _ = self.failure.set(reason);
    }

    /// Why the process cannot go on, if so.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

impl Live {
    /// What is to be read here and is not in sight yet.
    fn to_be_placed(&self, there: &[PartitionStatus]) -> Vec<Obstacle> {
        if !self.is_placed() {
            return vec![Obstacle::PartitionsUnknown];
        }
        let there: BTreeSet<i32> = there.iter().map(|status| status.partition).collect();
        let owned = self.owned();
        let coming = owned.keys().filter(|shard| !there.contains(shard));
        coming
            .map(|shard| Obstacle::Restoring { partition: *shard })
            .collect()
    }
}

impl Source for Live {
    fn published(&self) -> Option<Arc<Published>> {
        self.published.load_full()
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        self.progress.snapshot()
    }

    fn readiness(&self) -> Readiness {
        let up = self.telemetry.kafka.up.get() == 1;
        let awaited = self.registry.get().map_or(0, |registry| registry.awaited());
        let awaited = (awaited > 0).then_some(Obstacle::SchemasAwaited { schemas: awaited });
        let partitions = self.partitions();
        let mut readiness = Readiness::of(up, &partitions, self.published().as_deref());
        readiness.obstacles.extend(self.to_be_placed(&partitions));
        readiness.obstacles.extend(awaited);
        let unread = self.exchange.get();
        let unread = unread.filter(|exchange| !exchange.board().is_caught_up());
        let unread = unread.map(|_| Obstacle::ReportTopicUnread);
        readiness.obstacles.extend(unread);
        readiness
    }

    fn alive(&self) -> bool {
        self.failure.get().is_none()
    }

    fn sharing(&self) -> Option<Sharing> {
        let board = self.exchange.get()?.board();
        let (name, _) = self.name.get()?;
        let instances = board.instances();
        Some(Sharing {
            instance: name.clone(),
            caught_up: board.is_caught_up(),
            partitions: board.partitions(),
            instances: instances
                .map(|(presence, heard_at)| instance(presence, heard_at))
                .collect(),
        })
    }
}

fn instance(presence: &Presence, heard_at: Timestamp) -> Instance {
    let shards = &presence.shards;
    let degraded = shards.iter().filter(|shard| shard.degraded);
    let reached: Option<Vec<Timestamp>> = shards.iter().map(|shard| shard.reached).collect();
    Instance {
        name: presence.instance.clone(),
        address: presence.address.clone(),
        heard_at,
        partitions: shards.iter().map(|shard| shard.partition).collect(),
        degraded: degraded.map(|shard| shard.partition).collect(),
        complete_until: reached.and_then(|reached| reached.into_iter().min()),
    }
}

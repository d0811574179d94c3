//! What is shared while the engine runs: progress, the published report, and how it ends.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use crate::event::Timestamp;
use crate::kafka::letters::outbox::Outbox;
use crate::kafka::progress::Progress;
use crate::kafka::routed::Routed;
use crate::serve::readiness::Readiness;
use crate::serve::{Published, Source};
use crate::telemetry::Telemetry;
use crate::telemetry::partition::PartitionStatus;

/// The state of a running engine, as everybody may see it.
pub struct Live {
    telemetry: Arc<Telemetry>,
    progress: Arc<Progress>,
    published: ArcSwapOption<Published>,
    /// The topics no longer have the partitions that are read.
    repartitioned: Arc<AtomicBool>,
    /// The topics have other partitions than those by which the state was keyed.
    rekeyed: AtomicBool,
    /// Where rejected records go, if they are kept.
    outbox: OnceLock<Arc<Outbox>>,
    /// How far routing has come, if what is read was routed.
    routed: OnceLock<Arc<Routed>>,
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
            rekeyed: AtomicBool::new(false),
            outbox: OnceLock::new(),
            routed: OnceLock::new(),
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

    /// Notes that customers may be in two shards, because the number of partitions changed.
    pub fn suspect_rekeying(&self) {
        self.rekeyed.store(true, Ordering::Relaxed);
        self.telemetry.durability.rekey_suspected.set(1);
    }

    /// Whether customers may be in two shards, because the number of partitions changed.
    #[must_use]
    pub fn rekeyed(&self) -> bool {
        self.rekeyed.load(Ordering::Relaxed)
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

    /// From now on nothing is complete beyond what was routed. Has to be called before anybody reads.
    pub fn rests_on(&self, routed: Arc<Routed>) {
        self.progress.mixes_times();
        // A service has one routed topic for life, so a second call changes nothing.
        let _ = self.routed.set(routed);
    }

    /// The instant up to which everything is applied; nothing while that is not known of all of it.
    #[must_use]
    pub fn complete_until(&self) -> Option<Timestamp> {
        match self.routed.get() {
            None => self.progress.complete_until(),
            Some(routed) => routed.complete_until(&self.progress.sound_positions()),
        }
    }

    /// The partition numbers that are read, each a shard.
    #[must_use]
    pub fn shards(&self) -> BTreeSet<i32> {
        let positions = self.progress.positions();
        let numbers = positions.iter().map(|(place, _)| place.partition);
        numbers.collect()
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

impl Source for Live {
    fn published(&self) -> Option<Arc<Published>> {
        self.published.load_full()
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        self.progress.snapshot()
    }

    fn readiness(&self) -> Readiness {
        let up = self.telemetry.kafka.up.get() == 1;
        Readiness::of(up, &self.partitions(), self.published().as_deref())
    }

    fn alive(&self) -> bool {
        self.failure.get().is_none()
    }
}

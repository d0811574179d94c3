//! Contributing: what an instance says of its own shards to the others.
//!
//! Owns the way from a shard of this instance to the report topic. Promises that of a shard nothing is
//! said but of instants up to which it is complete, and nothing before it was seen that the topics are
//! still those that were read, with as many partitions; and that evaluations keep to their share of the
//! processor. Does not know which instants are wanted: the board says that.
//!
//! ```text
//!  board: wanted --> workers, side by side --> are the topics the same? --> contributions --> exchange
//!  shards: owned, reached, degraded ----------------------------------> presence ----------^
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::cluster::exchange::Exchange;
use crate::cluster::grid::Grid;
use crate::cluster::record::{Contribution, Held, Presence};
use crate::engine::evaluation::ask_shards;
use crate::engine::live::Live;
use crate::engine::worker::{Answer, Task};
use crate::event::Timestamp;
use crate::kafka::identity::Identity;
use crate::measure::question::Question;
use crate::measure::settings::EvaluationSettings;
use crate::telemetry::throttle::Throttle;

/// How often it is said what this instance has, if nothing of it has changed but how far it has come.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);

/// Says what this instance knows of its own shards.
pub struct Contributor {
    live: Arc<Live>,
    exchange: Arc<Exchange>,
    identity: Arc<Identity>,
    queues: Vec<Sender<Task>>,
    settings: Arc<EvaluationSettings>,
    grid: Grid,
    announced: Option<(Instant, Presence)>,
    complaints: Throttle,
}

impl Contributor {
    #[must_use]
    pub fn new(
        settings: Arc<EvaluationSettings>,
        grid: Grid,
        live: Arc<Live>,
        exchange: Arc<Exchange>,
        identity: Arc<Identity>,
        queues: Vec<Sender<Task>>,
    ) -> Self {
        Self {
            live,
            exchange,
            identity,
            queues,
            settings,
            grid,
            announced: None,
            complaints: Throttle::default(),
        }
    }

    /// Contributes what is wanted of this instance's shards, and says what it has. Answers how much
    /// processor time that took.
    pub fn contribute(&mut self) -> Duration {
        let own = self.own();
        let wanted = {
            let mut board = self.exchange.board();
            let partitions = self.live.progress().partition_numbers();
            if partitions > 0 {
                board.know_partitions(partitions);
            }
            board.wanted(&own)
        };
        let mut by_instant: BTreeMap<Timestamp, Vec<i32>> = BTreeMap::new();
        for (partition, at) in wanted {
            by_instant.entry(at).or_default().push(partition);
        }
        let mut took = Duration::ZERO;
        for (at, partitions) in by_instant {
            took += self.say(at, &partitions);
        }
        self.announce();
        took
    }

    /// Says the last part of a shard that is about to be somebody else's.
    pub fn say_last(&mut self, partition: i32) {
        let own = [(partition, self.live.shard_complete_until(partition))];
        let Some(at) = own[0].1.map(|reached| self.grid.floor(reached)) else {
            return;
        };
        let wanted = self.exchange.board().wanted(&own);
        if wanted.contains(&(partition, at)) {
            self.say(at, &[partition]);
        }
    }

    /// This instance's shards, and how far each is complete; nothing of one whose numbers would be
    /// wrong.
    fn own(&self) -> Vec<(i32, Option<Timestamp>)> {
        let (owned, here) = (self.live.owned(), self.live.shards());
        let progress = self.live.progress();
        let own = owned.keys().map(|partition| {
            let sound = here.contains(partition) && !progress.shard_degraded(*partition);
            let reached = self.live.shard_complete_until(*partition);
            // A clock of somebody else's that is ahead of ours proves nothing.
            let reached = reached.map(|reached| reached.min(Live::now()));
            (*partition, reached.filter(|_| sound))
        });
        own.collect()
    }

    /// Evaluates shards at an instant and contributes that.
    fn say(&mut self, at: Timestamp, partitions: &[i32]) -> Duration {
        let started = Instant::now();
        let question = Arc::new(Question::at(at, Arc::clone(&self.settings)));
        let shards = partitions.iter().copied().collect();
        let Some(answers) = ask_shards(&self.queues, &shards, &question) else {
            return Duration::ZERO;
        };
        let telemetry = self.live.telemetry();
        let took = answers.iter().map(|(_, answer)| answer.took).sum();
        telemetry
            .evaluation
            .duration
            .observe(started.elapsed().as_secs_f64());
        // Asked after the shards: records of another topic of the same name are in no report, and those
        // of partitions that nobody reads yet are missing in none.
        let progress = self.live.progress();
        if !self.identity.check(&progress) {
            return took;
        }
        for (partition, answer) in answers {
            if !progress.shard_degraded(partition) {
                self.hand_over(partition, at, answer);
            }
        }
        took
    }

    fn hand_over(&mut self, partition: i32, at: Timestamp, answer: Answer) {
        let partial = match answer.partial {
            Ok(partial) => partial,
            Err(gone) => {
                self.live.telemetry().evaluation.failures.inc();
                if let Some(suppressed) = self.complaints.pass() {
                    tracing::error!(%gone, suppressed, "cannot evaluate");
                }
                return;
            }
        };
        let owned = self.live.owned();
        let contribution = Contribution {
            partition,
            at,
            partitions: self.live.progress().partition_numbers(),
            keyed_by: self.live.keyed_by(),
            offsets: answer.ground.offsets().to_vec(),
            digest: answer.ground.digest(),
            generation: owned.get(&partition).copied().unwrap_or(0),
            partial,
        };
        if let Err(error) = self.exchange.contribute(contribution) {
            self.live.telemetry().evaluation.failures.inc();
            if let Some(suppressed) = self.complaints.pass() {
                tracing::error!(%error, suppressed, "a part of the report has no bytes, which is a bug");
            }
        }
    }

    /// Says which shards this instance has and how far they have come, as often as others need it.
    fn announce(&mut self) {
        let Some((instance, address)) = self.live.name() else {
            return;
        };
        let progress = self.live.progress();
        if !self.live.is_placed() {
            return;
        }
        let reached: BTreeMap<i32, Option<Timestamp>> = self.own().into_iter().collect();
        let held = |(partition, generation): (&i32, &u64)| Held {
            partition: *partition,
            generation: *generation,
            reached: reached.get(partition).copied().flatten(),
            degraded: progress.shard_degraded(*partition),
        };
        let presence = Presence {
            instance: instance.clone(),
            address: address.clone(),
            written_at: Live::now(),
            partitions: progress.partition_numbers(),
            shards: self.live.owned().iter().map(held).collect(),
        };
        let due = self.announced.as_ref().is_none_or(|(at, last)| {
            at.elapsed() >= ANNOUNCE_EVERY || !has_the_same(last, &presence)
        });
        if due && self.exchange.announce(&presence).is_ok() {
            self.announced = Some((Instant::now(), presence));
        }
    }
}

/// Whether an instance has the same shards as before, in the same condition.
fn has_the_same(before: &Presence, now: &Presence) -> bool {
    let condition = |held: &Held| (held.partition, held.generation, held.degraded);
    before.partitions == now.partitions
        && before
            .shards
            .iter()
            .map(condition)
            .eq(now.shards.iter().map(condition))
}

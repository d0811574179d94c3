//! The evaluation tick: from the shards to the report of the moment.
//!
//! A report is of one instant `T`, the latest that every partition has reached. Where instances share
//! the work, it is put together from what all of them contribute; see [`contributing`](super::contributing). Each worker is asked
//! for one of its shards at a time, so that records come in between; an evaluation takes at most a quarter of one core's
//! time, as the processor counts it, else the ticks come further apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use crate::cluster::asked::Known;
use crate::cluster::board::Complete;
use crate::cluster::exchange::Exchange;
use crate::cluster::grid::Grid;
use crate::config::Settings;
use crate::engine::contributing::Contributor;
use crate::engine::ground::{Ground, basis};
use crate::engine::live::Live;
use crate::engine::worker::{Answer, Ask, Task, owner};
use crate::event::Timestamp;
use crate::kafka::identity::Identity;
use crate::ledger::settings::CesScale;
use crate::measure::catalogue::Counts;
use crate::measure::partial::Partial;
use crate::measure::pass::HistoryGone;
use crate::measure::publish::{Context, reports, withheld};
use crate::measure::question::{self, Question};
use crate::measure::report::{Family, Report, WithheldReason};
use crate::measure::settings::EvaluationSettings;
use crate::serve::{Basis, Published};
use crate::telemetry::throttle::Throttle;

/// An evaluation may take this share of the time between two ticks at most: one in four.
const SHARE: u32 = 4;
/// How often it is looked whether others have said something.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How soon a stop is noticed.
const NAP: Duration = Duration::from_millis(20);

/// Evaluates by the clock and publishes.
pub struct Evaluation {
    live: Arc<Live>,
    identity: Arc<Identity>,
    queues: Vec<Sender<Task>>,
    settings: Arc<EvaluationSettings>,
    ces: CesScale,
    dimensions: Vec<String>,
    topics: Vec<Arc<str>>,
    interval: Duration,
    max_staleness: Duration,
    /// Processor time of the last evaluation.
    took: Duration,
    last: Last,
    folded: FoldedValues,
    complaints: Throttle,
    /// Whether instances tell each other their parts of the report, even if that has not begun yet.
    shares: bool,
    grid: Grid,
    contributor: Option<Contributor>,
    /// Where the report is of several instances: the share of the partitions that are in it.
    coverage: Option<f64>,
}

/// What the last tick published and said.
#[derive(Debug, Default)]
struct Last {
    at: Option<Timestamp>,
    withheld: BTreeSet<WithheldReason>,
    published_numbers: bool,
}

/// The most values of each open label that any report so far showed as `other`.
#[derive(Debug, Default)]
struct FoldedValues(BTreeMap<&'static str, u64>);

impl FoldedValues {
    /// How many more values of a label are folded than ever before.
    fn newly(&mut self, label: &'static str, folded: u64) -> u64 {
        let most = self.0.entry(label).or_default();
        let newly = folded.saturating_sub(*most);
        *most += newly;
        newly
    }
}

/// What all shards say to a question.
struct Answers {
    partial: Result<Partial, HistoryGone>,
    took: Duration,
    prune_line: Option<Timestamp>,
    basis: Basis,
}

/// The names of the topics by number.
pub(super) fn topics(settings: &Settings) -> Vec<Arc<str>> {
    let topics = settings.kafka.topics.iter();
    topics.map(|topic| topic.as_str().into()).collect()
}

impl Evaluation {
    #[must_use]
    pub fn new(
        settings: &Settings,
        live: Arc<Live>,
        identity: Arc<Identity>,
        queues: Vec<Sender<Task>>,
    ) -> Self {
        Self {
            live,
            identity,
            queues,
            settings: Arc::new(settings.evaluation.clone()),
            ces: settings.fold.ces,
            dimensions: settings.fold.dimensions.clone(),
            topics: topics(settings),
            interval: settings.evaluation_interval,
            max_staleness: settings.max_staleness,
            took: Duration::ZERO,
            last: Last::default(),
            folded: FoldedValues::default(),
            complaints: Throttle::default(),
            shares: settings.cluster.report_topic.is_some(),
            grid: Grid::of(settings.evaluation_interval),
            contributor: None,
            coverage: None,
        }
    }

    /// Ticks until told to stop.
    pub fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            self.took = Duration::ZERO;
            let interval = self.round();
            let next = started + interval.max(self.took * SHARE);
            while Instant::now() < next && !stop.load(Ordering::Relaxed) {
                thread::sleep(NAP.min(self.interval));
            }
        }
        if let Some(exchange) = self.live.exchange() {
            exchange.depart();
        }
    }

    /// Does what there is to do, and says how soon to look again.
    fn round(&mut self) -> Duration {
        let Some(exchange) = self.live.exchange() else {
            if !self.shares {
                self.tick();
            }
            return self.interval;
        };
        let contributor = self.contributor.get_or_insert_with(|| {
            let (live, identity) = (Arc::clone(&self.live), Arc::clone(&self.identity));
            let exchange = Arc::clone(&exchange);
            let (settings, queues) = (Arc::clone(&self.settings), self.queues.clone());
            Contributor::new(settings, self.grid, live, exchange, identity, queues)
        });
        self.took = contributor.contribute();
        self.serve_together(&exchange);
        self.interval.min(LOOK_EVERY)
    }

    /// Serves the newest instant that is complete, or says why there is none.
    fn serve_together(&mut self, exchange: &Exchange) {
        let now = Live::now();
        let since =
            now.minus_millis(i64::try_from(self.max_staleness.as_millis()).unwrap_or(i64::MAX));
        let (caught_up, complete, degraded, all_owned, coverage) = {
            let board = exchange.board();
            let partitions = board.partitions().unwrap_or(0);
            (
                board.is_caught_up(),
                board.complete(),
                !board.degraded(now).is_empty(),
                board.owners(now).len() == usize::try_from(partitions).unwrap_or(0),
                board.coverage(since),
            )
        };
        if !caught_up {
            return;
        }
        let newest = complete.as_ref().map(|complete| complete.at);
        let at = newest.max(self.last.at);
        let stale = at.is_none_or(|at| at < since);
        let reason = if degraded || self.live.progress().degraded() {
            Some(WithheldReason::Degraded)
        } else if self.live.repartitioned().load(Ordering::Relaxed) {
            Some(WithheldReason::Incomplete)
        } else if stale && all_owned && at.is_some() {
            Some(WithheldReason::CatchingUp)
        } else if stale {
            Some(WithheldReason::Incomplete)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.coverage = Some(coverage);
            self.withhold(at.unwrap_or(now), reason);
        } else if let Some(complete) = complete
            && (newest > self.last.at || !self.last.published_numbers)
        {
            self.coverage = Some(1.0);
            self.publish_complete(&complete);
        }
    }

    fn publish_complete(&mut self, complete: &Complete) {
        let question = Question::at(complete.at, Arc::clone(&self.settings));
        let mut merged = Partial::empty(&question);
        let mut grounds = Vec::new();
        let mut rekeyed = false;
        for said in &complete.contributions {
            if !said.partial.answers(&question) {
                // Whoever has the same definition asks the same question.
                return;
            }
            merged.merge(&said.partial);
            rekeyed |= said.keyed_by != said.partitions;
            grounds.push(Ground::from(Known {
                partition: said.partition,
                digest: said.digest,
                offsets: said.offsets.clone(),
            }));
        }
        self.live.rekeyed_elsewhere(rekeyed);
        let context = Context {
            rekeyed,
            ..self.context()
        };
        let prune_line = merged.prune_line;
        let basis = basis(&grounds, &self.topics);
        for report in reports(&merged, &question, context) {
            self.publish(report, prune_line, basis.clone());
        }
    }

    fn tick(&mut self) {
        let progress = self.live.progress();
        let now = Live::now();
        let degraded = progress.degraded();
        let shared = self.live.is_placed() && !progress.has_all();
        let complete_until = self.live.complete_until().or(self.last.at);
        // Why there are no numbers must be said even if nothing was ever complete.
        let without_numbers = degraded || shared;
        let Some(complete_until) = complete_until.or(without_numbers.then_some(now)) else {
            return;
        };
        let at = complete_until.min(now);
        let age = now.as_millis() - at.as_millis();
        let reason = if degraded {
            Some(WithheldReason::Degraded)
        } else if shared || self.live.repartitioned().load(Ordering::Relaxed) {
            Some(WithheldReason::Incomplete)
        } else if u128::try_from(age).unwrap_or(0) > self.max_staleness.as_millis() {
            Some(WithheldReason::CatchingUp)
        } else {
            None
        };
        match reason {
            Some(reason) => self.withhold(at, reason),
            // What is known has not moved, so there is nothing new to say.
            None if self.last.published_numbers && self.last.at == Some(at) => {}
            None => self.evaluate(at),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            ces: self.ces,
            dimensions: &self.dimensions,
            rekeyed: self.live.rekeyed(),
        }
    }

    fn withhold(&mut self, at: Timestamp, reason: WithheldReason) {
        let instant = question::Instant::new(at, &self.settings);
        let report = withheld(&instant, self.context(), reason);
        self.publish(report, None, Basis::default());
    }

    fn evaluate(&mut self, at: Timestamp) {
        let started = Instant::now();
        let question = Arc::new(Question::at(at, Arc::clone(&self.settings)));
        let Some(answer) = self.ask_all(&question) else {
            return;
        };
        let telemetry = self.live.telemetry();
        telemetry
            .evaluation
            .duration
            .observe(started.elapsed().as_secs_f64());
        let Answers {
            partial,
            took,
            prune_line,
            basis,
        } = answer;
        self.took = took;
        // Asked after the shards: records of another topic of the same name are in no report.
        if !self.identity.check(&self.live.progress()) {
            return;
        }
        match partial {
            Ok(partial) => {
                for report in reports(&partial, &question, self.context()) {
                    self.publish(report, prune_line, basis.clone());
                }
            }
            Err(gone) => {
                telemetry.evaluation.failures.inc();
                if let Some(suppressed) = self.complaints.pass() {
                    tracing::error!(%gone, suppressed, "cannot evaluate");
                }
                self.withhold(at, WithheldReason::Degraded);
            }
        }
    }

    /// Asks every shard and merges what they say; nothing if one of them is no longer here, or if the
    /// workers have ended.
    fn ask_all(&self, question: &Arc<Question>) -> Option<Answers> {
        let answers = ask_shards(&self.queues, &self.live.shards(), question)?;
        let mut merged = Partial::empty(question);
        let mut gone: Option<HistoryGone> = None;
        let mut line = None;
        let mut processor_time = Duration::ZERO;
        let mut grounds = Vec::new();
        for (_, answer) in answers {
            let Answer {
                partial,
                took,
                prune_line,
                ground,
            } = answer;
            processor_time += took;
            line = line.max(prune_line);
            grounds.push(ground);
            match partial {
                Ok(partial) => merged.merge(&partial),
                Err(error) => gone = Some(error),
            }
        }
        Some(Answers {
            partial: gone.map_or(Ok(merged), Err),
            took: processor_time,
            prune_line: line,
            basis: basis(&grounds, &self.topics),
        })
    }

    fn publish(&mut self, report: Report, prune_line: Option<Timestamp>, basis: Basis) {
        let reasons: BTreeSet<WithheldReason> = report
            .withheld
            .iter()
            .map(|withheld| withheld.reason)
            .collect();
        for reason in reasons.difference(&self.last.withheld) {
            tell(*reason, &report);
        }
        let published = |family: &Family| {
            family.measure.counts != Counts::Settings && !family.samples.is_empty()
        };
        let numbers = report.families.iter().any(published);
        if numbers && !self.last.published_numbers {
            tracing::info!(at = %report.at, "serving numbers");
        }
        self.count_folded(&report);
        self.last = Last {
            at: Some(report.at),
            withheld: reasons,
            published_numbers: numbers,
        };
        let coverage = self.coverage;
        let coverage = coverage.unwrap_or_else(|| self.live.progress().coverage());
        let published = Published::new(Arc::new(report), coverage, prune_line);
        self.live.publish(published.resting_on(basis));
    }

    fn count_folded(&mut self, report: &Report) {
        let telemetry = &self.live.telemetry().evaluation;
        for (label, folded) in &report.folded_labels {
            let newly = self.folded.newly(label, *folded);
            if let Some(overflowed) = telemetry.overflowed(label) {
                overflowed.inc_by(newly);
            }
        }
    }
}

/// Asks these shards; nothing if one of them is not here, or if the workers have ended. The workers
/// answer side by side, each for one of its shards at a time.
pub(super) fn ask_shards(
    queues: &[Sender<Task>],
    shards: &BTreeSet<i32>,
    question: &Arc<Question>,
) -> Option<Vec<(i32, Answer)>> {
    let answers: Option<Vec<Vec<(i32, Answer)>>> = thread::scope(|scope| {
        let asking: Vec<_> = queues
            .iter()
            .map(|queue| scope.spawn(move || ask_worker(queue, queues, shards, question)))
            .collect();
        let answered = asking.into_iter().map(|asking| asking.join().ok()?);
        answered.collect()
    });
    Some(answers?.into_iter().flatten().collect())
}

/// Asks the shards of one worker, one after the other; nothing if one of them is not there.
fn ask_worker(
    queue: &Sender<Task>,
    queues: &[Sender<Task>],
    shards: &BTreeSet<i32>,
    question: &Arc<Question>,
) -> Option<Vec<(i32, Answer)>> {
    let own = |shard: &&i32| std::ptr::eq(owner(queues, **shard), queue);
    let ask = |partition: &i32| {
        let (answer, answered) = bounded(1);
        let ask = Ask {
            partition: *partition,
            question: Arc::clone(question),
            answer,
        };
        queue.send(Task::Evaluate(ask)).ok()?;
        Some((*partition, answered.recv().ok()?))
    };
    shards.iter().filter(own).map(ask).collect()
}

/// Says in the log why numbers are withheld, once each time it begins, and what to do.
fn tell(reason: WithheldReason, report: &Report) {
    let name = reason.name();
    match reason {
        WithheldReason::CatchingUp => tracing::info!(
            reason = name, at = %report.at,
            "withholding numbers: still reading what happened long ago"
        ),
        WithheldReason::Incomplete => {
            tracing::error!(
                reason = name,
                "withholding numbers: not every partition is in them. Without cluster.report_topic an \
                 instance serves numbers only while it has all partitions (cluster.ownership: all); with \
                 it, cluster.unowned in /api/v1/status tells what nobody has"
            );
        }
        WithheldReason::Degraded => {
            tracing::error!(
                reason = name,
                "withholding numbers: part of the log is missing (tenure_shard_degraded), or the kept \
                 history ends after what is asked for"
            );
        }
        WithheldReason::SplitCustomers if report.split_customers == 0 => tracing::error!(
            reason = name,
            "withholding customer measures: the number of partitions changed, so customers may be \
             in two of them; restart with --accept-new-partitions if they are not"
        ),
        WithheldReason::SplitCustomers => tracing::error!(
            reason = name, customers = report.split_customers, partitions = ?report.split_partitions,
            "withholding customer measures: the same customers were found in several partitions; \
             records must be keyed by customer id"
        ),
        WithheldReason::NoChurnSource => tracing::warn!(
            reason = name,
            "withholding retention and churn: there is no churn event and no inactivity_timeout, so \
             nobody could be seen leaving; set inactivity_timeout, or churn_events: complete if \
             really nobody left"
        ),
        WithheldReason::HistoryTooShort => tracing::warn!(
            reason = name,
            "withholding measures that compare with times before the kept history: raise `history`"
        ),
        WithheldReason::BaseIncomplete => tracing::warn!(
            reason = name,
            "withholding retention and churn of periods that begin before every customer is known: \
             set customer_base_complete_since, or inactivity_timeout"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_folded_again_counts_once() {
        let mut folded = FoldedValues::default();
        let reports = [("reason", 3), ("segment", 2), ("reason", 1), ("reason", 5)];
        let newly = reports.map(|(label, count)| folded.newly(label, count));
        assert_eq!(newly, [3, 2, 0, 2]);
    }
}

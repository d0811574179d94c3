//! Questions about the past: any instant of the kept history, on the running service.
//!
//! Owns the order of such questions and their bounds. Promises that one is answered at a time, that
//! shards are asked one after the other and in slices, so that neither folding nor a scrape waits
//! for more than one of these, and that whoever gives up is forgotten at once. Does not know how a
//! question was asked.
//!
//! Where other instances have some of the partitions they are asked at the same time, and answer by the
//! same bounds. Whoever asks has a turn among the questions that came here, and another one only while
//! shards of this instance are asked: so two instances that ask each other never wait for each other.
//!
//! ```text
//!  question here --> turn: questions --+--> turn: shards --> own shards ---+--> merged
//!                                      +--> other instances, over HTTP ----+
//!  question of another instance ----------> turn: shards --> own shards ------> answer
//! ```

mod answering;
mod others;
mod waiting;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use crate::cluster::asked::{
    CustomerAnswer, CustomerQuestion, Known, PartialAnswer, PartialQuestion, Terms,
};
use crate::cluster::peers::{Elsewhere, Peers};
use crate::config::Settings;
use crate::engine::evaluation::topics;
use crate::engine::ground::{Ground, basis};
use crate::engine::inquiry::others::{Asking, Call, MOVING, Others, too_much};
use crate::engine::inquiry::waiting::{Turns, Waiting, lock};
use crate::engine::live::Live;
use crate::engine::slices::Wanted;
use crate::engine::worker::{Answer, Ask, LookUp, Task, owner};
use crate::event::Timestamp;
use crate::kafka::identity::Identity;
use crate::ledger::settings::CesScale;
use crate::measure::catalogue::{Measure, Section};
use crate::measure::customer::Customer;
use crate::measure::partial::Partial;
use crate::measure::pass::HistoryGone;
use crate::measure::period::Period;
use crate::measure::publish::{Context, reports};
use crate::measure::question::{Question, Sections};
use crate::measure::report::{Family, Report, WithheldReason};
use crate::measure::settings::EvaluationSettings;
use crate::serve::api::archive::{Archive, Asker, MOST_INSTANTS, Moment, Series, SeriesQuestion};
use crate::serve::api::refusal::{Refusal, Trouble};
use crate::serve::{Basis, Published, Source};

/// Customers times windows of one question: about a minute on one core.
const MOST_WORK: u64 = 5_000_000_000;
/// Windows times segments of one question: some 100 bytes each.
const MOST_SEGMENTS: u64 = 4_000_000;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take once it is begun.
const TIME: Duration = Duration::from_mins(1);
/// The same of looking up a customer.
const LOOK_UP_TIME: Duration = Duration::from_secs(10);
/// How soon it is looked again where a partition is.
const PULSE: Duration = Duration::from_millis(50);

/// Answers questions about the past.
pub struct Inquiry {
    live: Arc<Live>,
    /// Empty once the engine stops.
    queues: Mutex<Vec<Sender<Task>>>,
    settings: Arc<EvaluationSettings>,
    ces: CesScale,
    dimensions: Vec<String>,
    topics: Vec<Arc<str>>,
    /// Whether single customers can be looked up.
    customers: bool,
    /// Of the settings: what other instances have to have too.
    definition: String,
    others: Others,
    /// Of the questions that came here.
    turns: Turns,
    /// Of all questions to the shards of this instance.
    shard_turns: Turns,
    /// Who knows whether the topics are still those that are read.
    identity: Option<Arc<Identity>>,
}

/// What shards say to a question, and those of other instances.
struct Findings {
    partial: Partial,
    grounds: Vec<Ground>,
    prune_line: Option<Timestamp>,
    /// Customers may be in two shards, because the number of partitions changed.
    rekeyed: bool,
}

/// A question for numbers, and what was said to it so far.
struct Summing<'a> {
    inquiry: &'a Inquiry,
    question: Arc<Question>,
    findings: Findings,
}

/// A question for a customer, and what was said to it so far.
struct Searching<'a> {
    inquiry: &'a Inquiry,
    /// Personal: for the shards' hash alone.
    id: Arc<str>,
    at: Timestamp,
    /// By partition. More than one of them is too many.
    found: Vec<(i32, Customer)>,
}

impl Inquiry {
    #[must_use]
    pub fn new(settings: &Settings, live: Arc<Live>, queues: Vec<Sender<Task>>) -> Self {
        Self {
            live,
            queues: Mutex::new(queues),
            settings: Arc::new(settings.evaluation.clone()),
            ces: settings.fold.ces,
            dimensions: settings.fold.dimensions.clone(),
            topics: topics(settings),
            customers: settings.api.customers,
            identity: None,
            definition: settings.definition_hash(),
            others: Others::default(),
            turns: Turns::default(),
            shard_turns: Turns::default(),
        }
    }

    /// The same as one of several instances: what others have is asked of them.
    #[must_use]
    pub fn among(self, elsewhere: Arc<dyn Elsewhere>) -> Self {
        let others = Others {
            elsewhere: Some(elsewhere),
            ..self.others
        };
        Self { others, ..self }
    }

    /// The same with who knows whether the topics are still those that are read.
    #[must_use]
    pub fn watching(self, identity: Arc<Identity>) -> Self {
        Self {
            identity: Some(identity),
            ..self
        }
    }

    /// The same with how other instances are asked; nothing without a token.
    #[must_use]
    pub fn asking(self, peers: Option<Peers>) -> Self {
        let others = Others {
            peers: peers.map(Arc::new),
            ..self.others
        };
        Self { others, ..self }
    }

    /// Lets go of the workers, so that they can end.
    pub fn close(&self) {
        lock(&self.queues).clear();
    }

    /// The workers; none once the engine stops.
    fn queues(&self) -> Result<Vec<Sender<Task>>, Refusal> {
        let queues = lock(&self.queues).clone();
        if queues.is_empty() {
            return Err(Refusal::Stopping);
        }
        Ok(queues)
    }

    /// `rekeyed`: customers may be in two shards.
    fn context(&self, rekeyed: bool) -> Context<'_> {
        Context {
            ces: self.ces,
            dimensions: &self.dimensions,
            rekeyed,
        }
    }

    /// Asks every partition and merges what they say.
    fn ask(&self, question: &Arc<Question>, asker: &Asker) -> Result<Findings, Refusal> {
        self.check(question)?;
        let _turn = self
            .turns
            .take(&self.waiting(asker, PATIENCE, Refusal::Busy))?;
        let mut summing = Summing {
            inquiry: self,
            question: Arc::clone(question),
            findings: self.nothing_found(question),
        };
        let out_of_time = Refusal::TimedOut {
            seconds: TIME.as_secs(),
        };
        let waiting = self.waiting(asker, TIME, out_of_time);
        self.others.ask(&mut summing, &waiting)?;
        // Records can have been lost while this was under way, or be where nobody reads yet.
        let progress = self.live.progress();
        if self
            .identity
            .as_ref()
            .is_some_and(|topics| !topics.check(&progress))
        {
            self.whole()?;
            return Err(Refusal::Incomplete);
        }
        self.whole()?;
        Ok(summing.findings)
    }

    fn nothing_found(&self, question: &Question) -> Findings {
        Findings {
            partial: Partial::empty(question),
            grounds: Vec::new(),
            prune_line: None,
            rekeyed: self.live.rekeyed(),
        }
    }

    /// Asks shards of this instance in turn; those that have answered, all of them as far as the
    /// question goes.
    fn ask_here(
        &self,
        partitions: &BTreeSet<i32>,
        question: &Arc<Question>,
        waiting: &Waiting<'_>,
        findings: &mut Findings,
    ) -> Result<BTreeSet<i32>, Refusal> {
        let queues = self.queues()?;
        let _turn = self
            .shard_turns
            .take(&self.waiting(waiting.asker, PATIENCE, Refusal::Busy))?;
        let mut answered = BTreeSet::new();
        for &partition in partitions {
            let Some(positions) = self.positions(partition, question.latest()) else {
                continue;
            };
            let interest = Arc::new(());
            let (answer, answering) = bounded(1);
            let ask = Ask {
                partition,
                question: Arc::clone(question),
                answer,
            };
            let task = Task::EvaluateInSlices(ask, Wanted::by(&interest));
            waiting.send(owner(&queues, partition), task)?;
            let Some(said): Option<Answer> = waiting.receive(&answering)? else {
                continue;
            };
            // Else it was let go of meanwhile, and what answered is not what was meant.
            if !said.ground.covers(&positions) {
                continue;
            }
            findings.partial.merge(&said.partial?);
            findings.prune_line = findings.prune_line.max(said.prune_line);
            findings.grounds.push(said.ground);
            answered.insert(partition);
        }
        Ok(answered)
    }

    /// Looks for a customer in shards of this instance; those that have answered.
    fn search_here(
        &self,
        partitions: &BTreeSet<i32>,
        (id, at): (&Arc<str>, Timestamp),
        waiting: &Waiting<'_>,
        found: &mut Vec<(i32, Customer)>,
    ) -> Result<BTreeSet<i32>, Refusal> {
        let queues = self.queues()?;
        let mut answered = BTreeSet::new();
        for &partition in partitions {
            let changes = self.live.progress().changes();
            if self.positions(partition, at).is_none() {
                continue;
            }
            let (answer, answering) = bounded(1);
            let look_up = LookUp {
                partition,
                id: Arc::clone(id),
                settings: Arc::clone(&self.settings),
                at,
                answer,
            };
            waiting.send(owner(&queues, partition), Task::LookUp(look_up))?;
            let Some(known) = waiting.receive(&answering)? else {
                continue;
            };
            // Else it may have been let go of meanwhile.
            if self.live.progress().changes() != changes {
                continue;
            }
            found.extend(known.map(|known| (partition, known)));
            answered.insert(partition);
        }
        Ok(answered)
    }

    /// By number of the topic, how far a shard of this instance is that has reached an instant; nothing
    /// if it is not here, or has not.
    fn positions(&self, partition: i32, at: Timestamp) -> Option<Vec<(usize, i64)>> {
        let positions = self.live.progress().positions();
        let here = positions.into_iter();
        let here = here.filter(|(place, _)| place.partition == partition);
        let here: Vec<(usize, i64)> = here.map(|(place, next)| (place.topic, next)).collect();
        // Asked after the positions, which therefore have to be reached by whoever answers.
        let reached = self.live.shard_complete_until(partition);
        (!here.is_empty() && reached.is_some_and(|reached| reached >= at)).then_some(here)
    }

    fn waiting<'a>(&'a self, asker: &'a Asker, time: Duration, otherwise: Refusal) -> Waiting<'a> {
        Waiting {
            live: &self.live,
            asker,
            until: Instant::now() + time,
            otherwise,
        }
    }

    /// Refuses where the log is not whole.
    fn whole(&self) -> Result<(), Refusal> {
        if self.live.progress().degraded() {
            return Err(Refusal::Degraded);
        }
        if self.live.repartitioned().load(Ordering::Relaxed) {
            return Err(Refusal::Incomplete);
        }
        Ok(self.others.known(&self.live)?)
    }

    /// Refuses what cannot be answered, and what would take too long, before any shard is asked.
    fn check(&self, question: &Question) -> Result<(), Refusal> {
        let latest = self.latest()?;
        if question.latest() > latest {
            return Err(Refusal::NotReached { latest });
        }
        self.fits(question)
    }

    /// Refuses what is not kept, and what would take this instance too long: of the work it knows its
    /// own shards.
    fn fits(&self, question: &Question) -> Result<(), Refusal> {
        let published = self.live.published();
        if let Some(kept_since) = published
            .as_ref()
            .and_then(|published| published.history_start)
            && question.earliest() < kept_since
        {
            let needed = question.earliest();
            return Err(HistoryGone { needed, kept_since }.into());
        }
        let customers = self.live.telemetry().fold.state_customers.get();
        let customers = u64::try_from(customers).unwrap_or(0);
        let segments = if question.sections.contains(Section::Segments) {
            self.segments(published.as_deref())
        } else {
            0
        };
        bounded_work(question, customers, segments)
    }

    /// About how many segments there are, by the latest report.
    fn segments(&self, published: Option<&Published>) -> u64 {
        let folded = published
            .into_iter()
            .flat_map(|published| &published.report.folded_labels);
        let folded: u64 = folded
            .filter(|(label, _)| *label == "segment")
            .map(|(_, folded)| folded)
            .sum();
        match self.dimensions.len() {
            0 => 1,
            _ => folded + self.settings.max_segments as u64,
        }
    }

    /// The settings under which one measure is evaluated so that it comes out as on the page: with
    /// no more periods than it needs.
    fn settings_for(&self, measure: &Measure, asked: Option<Period>) -> Arc<EvaluationSettings> {
        let configured = &self.settings.periods;
        let periods = match asked {
            _ if !measure.has_label("period") => Vec::new(),
            Some(period) if !configured.contains(&period) => vec![period],
            Some(period) if !measure.shows_the_most_frequent() => vec![period],
            Some(_) | None => return Arc::clone(&self.settings),
        };
        self.with_periods(periods)
    }

    fn with_periods(&self, periods: Vec<Period>) -> Arc<EvaluationSettings> {
        Arc::new(EvaluationSettings {
            periods,
            ..(*self.settings).clone()
        })
    }

    /// By instant, why measures are withheld of this one period.
    fn withheld_of(&self, question: &Question, findings: &Findings, period: Period) -> Vec<Report> {
        let periods = &question.settings.periods;
        let place = periods.iter().position(|known| *known == period);
        let instants = question.instants.iter().map(|instant| instant.at);
        let settings = self.with_periods(vec![period]);
        let one = Question::of(instants, question.sections, settings);
        reports(
            &findings.partial.of_period(place.unwrap_or(0)),
            &one,
            self.context(findings.rekeyed),
        )
    }
}

/// Refuses a question that takes too much time or memory, and says how much would fit.
fn bounded_work(question: &Question, customers: u64, segments: u64) -> Result<(), Refusal> {
    let windows = (question.settings.periods.len() as u64).max(1);
    let by_work = MOST_WORK / windows.saturating_mul(customers.max(1));
    let by_memory = MOST_SEGMENTS / windows.saturating_mul(segments.max(1));
    let fits = by_work.min(by_memory).clamp(1, MOST_INSTANTS);
    if question.instants.len() as u64 > fits {
        return Err(too_much(fits));
    }
    Ok(())
}

/// A customer is in one partition, if in any.
fn only(found: Vec<(i32, Customer)>) -> Result<Option<(i32, Customer)>, Refusal> {
    if found.len() > 1 {
        return Err(Refusal::SplitCustomer);
    }
    Ok(found.into_iter().next())
}

impl Inquiry {
    /// The latest instant that every partition has reached, as it is known now.
    fn reached(&self) -> Result<Timestamp, Refusal> {
        if self.live.is_stopping() {
            return Err(Refusal::Stopping);
        }
        self.whole()?;
        let reached = match &self.others.elsewhere {
            None => self.live.complete_until().ok_or(Refusal::NotReady)?,
            Some(_) => self.others.reached(&self.live)?,
        };
        Ok(reached.min(Live::now()))
    }

    fn published(
        &self,
        report: Report,
        prune_line: Option<Timestamp>,
        rests_on: &Basis,
    ) -> Published {
        // Of several instances there is an answer of all partitions or none.
        let coverage = match &self.others.elsewhere {
            Some(_) => 1.0,
            None => self.live.progress().coverage(),
        };
        Published::new(Arc::new(report), coverage, prune_line).resting_on(rests_on.clone())
    }
}

impl Archive for Inquiry {
    fn latest(&self) -> Result<Timestamp, Refusal> {
        let begun = Instant::now();
        loop {
            match self.reached() {
                // A partition that moves is there again soon.
                Err(Refusal::OtherInstances(_)) if begun.elapsed() < MOVING => {
                    std::thread::sleep(PULSE);
                }
                known => return known,
            }
        }
    }

    fn reports(&self, instants: &[Timestamp], asker: &Asker) -> Result<Vec<Published>, Refusal> {
        let settings = Arc::clone(&self.settings);
        let question = Question::of(instants.iter().copied(), Sections::ALL, settings);
        let question = Arc::new(question);
        let findings = self.ask(&question, asker)?;
        let basis = basis(&findings.grounds, &self.topics);
        let context = self.context(findings.rekeyed);
        let reports = reports(&findings.partial, &question, context);
        let published = |report| self.published(report, findings.prune_line, &basis);
        Ok(reports.into_iter().map(published).collect())
    }

    fn series(&self, asked: &SeriesQuestion, asker: &Asker) -> Result<Series, Refusal> {
        let measure = asked.measure;
        let settings = self.settings_for(measure, asked.period);
        let sections = Sections::only(measure.section);
        let instants = asked.instants.iter().copied();
        let question = Arc::new(Question::of(instants, sections, settings));
        let findings = self.ask(&question, asker)?;
        let context = self.context(findings.rekeyed);
        let all = reports(&findings.partial, &question, context);
        let moments = match asked.period {
            Some(period) if question.settings.periods.len() > 1 => {
                let withheld = self.withheld_of(&question, &findings, period);
                let period = period.to_string();
                let pairs = all.into_iter().zip(withheld);
                pairs
                    .map(|(report, withheld)| {
                        let mut moment = moment(report, measure);
                        // The period is the first label of every measure that has it.
                        moment
                            .family
                            .samples
                            .retain(|sample| sample.labels.first().is_some_and(|of| *of == period));
                        moment.withheld = reasons(&withheld, measure);
                        moment
                    })
                    .collect()
            }
            _ => all
                .into_iter()
                .map(|report| moment(report, measure))
                .collect(),
        };
        Ok(Series {
            moments,
            basis: basis(&findings.grounds, &self.topics),
            history_start: findings.prune_line,
        })
    }

    fn customer(&self, id: &str, asker: &Asker) -> Result<Customer, Refusal> {
        let mut searching = Searching {
            inquiry: self,
            id: id.into(),
            at: self.latest()?,
            found: Vec::new(),
        };
        let out_of_time = Refusal::TimedOut {
            seconds: LOOK_UP_TIME.as_secs(),
        };
        let waiting = self.waiting(asker, LOOK_UP_TIME, out_of_time);
        self.others.ask(&mut searching, &waiting)?;
        let found = only(searching.found)?;
        let (_, customer) = found.ok_or(Refusal::UnknownCustomer)?;
        Ok(customer)
    }
}

impl Asking for Summing<'_> {
    type Answer = PartialAnswer;

    fn own(
        &mut self,
        partitions: &BTreeSet<i32>,
        waiting: &Waiting<'_>,
    ) -> Result<BTreeSet<i32>, Refusal> {
        let findings = &mut self.findings;
        self.inquiry
            .ask_here(partitions, &self.question, waiting, findings)
    }

    fn call(&self, terms: Terms, of: Vec<i32>) -> Call<PartialAnswer> {
        let instants = self.question.instants.iter();
        let periods = self.question.settings.periods.iter();
        let question = PartialQuestion {
            terms,
            of,
            instants: instants.map(|instant| instant.at).collect(),
            sections: self.question.sections.bits(),
            periods: periods.map(ToString::to_string).collect(),
        };
        Box::new(move |line, address, time| line.partial(address, &question, time))
    }

    fn take(&mut self, of: &BTreeSet<i32>, answer: PartialAnswer) -> Result<(), Trouble> {
        let topics = self.inquiry.topics.len();
        let known: BTreeSet<i32> = answer.grounds.iter().map(|known| known.partition).collect();
        let once = known.len() == answer.grounds.len() && known == *of;
        let of_topics = |known: &Known| known.offsets.len() == topics;
        if !once || !answer.grounds.iter().all(of_topics) || !answer.partial.answers(&self.question)
        {
            return Err(Trouble::Unlike);
        }
        let findings = &mut self.findings;
        findings.partial.merge(&answer.partial);
        findings.prune_line = findings.prune_line.max(answer.prune_line);
        findings.rekeyed |= answer.rekeyed;
        findings
            .grounds
            .extend(answer.grounds.into_iter().map(Ground::from));
        Ok(())
    }
}

impl Asking for Searching<'_> {
    type Answer = CustomerAnswer;

    fn own(
        &mut self,
        partitions: &BTreeSet<i32>,
        waiting: &Waiting<'_>,
    ) -> Result<BTreeSet<i32>, Refusal> {
        let (sought, found) = ((&self.id, self.at), &mut self.found);
        self.inquiry.search_here(partitions, sought, waiting, found)
    }

    fn call(&self, terms: Terms, of: Vec<i32>) -> Call<CustomerAnswer> {
        let question = CustomerQuestion {
            terms,
            of,
            id: self.id.to_string(),
            at: self.at,
        };
        Box::new(move |line, address, time| line.customer(address, &question, time))
    }

    fn take(&mut self, of: &BTreeSet<i32>, answer: CustomerAnswer) -> Result<(), Trouble> {
        let known: BTreeSet<i32> = answer.of.iter().copied().collect();
        let within = |(partition, _): &(i32, Customer)| of.contains(partition);
        if known != *of || !answer.found.as_ref().is_none_or(within) {
            return Err(Trouble::Unlike);
        }
        self.found.extend(answer.found);
        Ok(())
    }
}

fn moment(report: Report, measure: &'static Measure) -> Moment {
    let withheld = reasons(&report, measure);
    let mut families = report.families.into_iter();
    let family = families.find(|family| family.measure == measure);
    Moment {
        at: report.at,
        family: family.unwrap_or_else(|| Family::empty(measure, &[])),
        withheld,
    }
}

fn reasons(report: &Report, measure: &Measure) -> Vec<WithheldReason> {
    let withheld = report.withheld.iter();
    let of_measure = withheld.filter(|withheld| withheld.measure == measure.name);
    of_measure.map(|withheld| withheld.reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_with_what_would_fit() {
        let day = 86_400_000;
        let question = |instants: i64| {
            let instants = (0..instants).map(|n| Timestamp::from_millis(n * day));
            Question::of(instants, Sections::ALL, Arc::default())
        };
        let windows = question(1).settings.periods.len() as u64;
        for (instants, customers, segments, fits) in [
            (2000, 1000, 0, None),
            (2001, 1000, 0, Some(2000)),
            (10, MOST_WORK / windows / 10, 0, None),
            (11, MOST_WORK / windows / 10, 0, Some(10)),
            (1, u64::MAX / 1000, 0, None),
            (2, u64::MAX / 1000, 0, Some(1)),
            (91, 1000, 10_200, Some(MOST_SEGMENTS / windows / 10_200)),
            (91, 1000, 200, None),
        ] {
            let refused = bounded_work(&question(instants), customers, segments).err();
            let fitting = refused.map(|refusal| match refusal {
                Refusal::TooMuch { fits, .. } => fits.0,
                other => panic!("{other}"),
            });
            assert_eq!(fitting, fits, "{instants} {customers} {segments}");
        }
    }
}

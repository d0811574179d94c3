//! Questions about the past: any instant of the kept history, on the running service.
//!
//! Owns the order of such questions and their bounds. Promises that one is answered at a time, that
//! shards are asked one after the other and in slices, so that neither folding nor a scrape waits
//! for more than one of these, and that whoever gives up is forgotten at once. Does not know how a
//! question was asked.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use crate::config::Settings;
use crate::engine::evaluation::topics;
use crate::engine::ground::basis;
use crate::engine::live::Live;
use crate::engine::slices::Wanted;
use crate::engine::worker::{Answer, Ask, LookUp, Task, owner};
use crate::event::Timestamp;
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
use crate::serve::api::refusal::{Fits, Refusal};
use crate::serve::{Basis, Published, Source};

/// Customers times windows of one question: about a minute on one core.
const MOST_WORK: u64 = 5_000_000_000;
/// Windows times segments of one question: some 100 bytes each.
const MOST_SEGMENTS: u64 = 4_000_000;
/// Questions that wait for their turn.
const MOST_WAITING: usize = 8;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take once it is begun.
const TIME: Duration = Duration::from_mins(1);
/// The same of looking up a customer.
const LOOK_UP_TIME: Duration = Duration::from_secs(10);
/// How often it is looked whether somebody still waits.
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
    turns: Turns,
}

/// What all shards say to a question.
struct Findings {
    partial: Partial,
    basis: Basis,
    prune_line: Option<Timestamp>,
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
            turns: Turns::default(),
        }
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

    fn context(&self) -> Context<'_> {
        Context {
            ces: self.ces,
            dimensions: &self.dimensions,
            rekeyed: self.live.rekeyed(),
        }
    }

    /// Asks every shard in turn and merges what they say.
    fn ask(&self, question: &Arc<Question>, asker: &Asker) -> Result<Findings, Refusal> {
        self.check(question)?;
        let queues = self.queues()?;
        let _turn = self
            .turns
            .take(&self.waiting(asker, PATIENCE, Refusal::Busy))?;
        let out_of_time = Refusal::TimedOut {
            seconds: TIME.as_secs(),
        };
        let waiting = self.waiting(asker, TIME, out_of_time);
        let mut merged = Partial::empty(question);
        let mut prune_line = None;
        let mut grounds = Vec::new();
        for partition in self.live.shards() {
            let interest = Arc::new(());
            let (answer, answered) = bounded(1);
            let ask = Ask {
                partition,
                question: Arc::clone(question),
                answer,
            };
            let task = Task::EvaluateInSlices(ask, Wanted::by(&interest));
            waiting.send(owner(&queues, partition), task)?;
            let said: Answer = waiting.receive(&answered)?;
            prune_line = prune_line.max(said.prune_line);
            grounds.push(said.ground);
            merged.merge(&said.partial?);
        }
        // Records can have been lost while this was under way.
        self.whole()?;
        Ok(Findings {
            partial: merged,
            basis: basis(&grounds, &self.topics),
            prune_line,
        })
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
        Ok(())
    }

    /// Refuses what cannot be answered, and what would take too long, before any shard is asked.
    fn check(&self, question: &Question) -> Result<(), Refusal> {
        let latest = self.latest()?;
        if question.latest() > latest {
            return Err(Refusal::NotReached { latest });
        }
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
    fn withheld_of(&self, question: &Question, partial: &Partial, period: Period) -> Vec<Report> {
        let periods = &question.settings.periods;
        let place = periods.iter().position(|known| *known == period);
        let instants = question.instants.iter().map(|instant| instant.at);
        let settings = self.with_periods(vec![period]);
        let one = Question::of(instants, question.sections, settings);
        reports(&partial.of_period(place.unwrap_or(0)), &one, self.context())
    }
}

/// Refuses a question that takes too much time or memory, and says how much would fit.
fn bounded_work(question: &Question, customers: u64, segments: u64) -> Result<(), Refusal> {
    let windows = (question.settings.periods.len() as u64).max(1);
    let by_work = MOST_WORK / windows.saturating_mul(customers.max(1));
    let by_memory = MOST_SEGMENTS / windows.saturating_mul(segments.max(1));
    let fits = by_work.min(by_memory).clamp(1, MOST_INSTANTS);
    if question.instants.len() as u64 > fits {
        return Err(Refusal::TooMuch {
            fits: Fits(fits),
            way: "a longer step, a shorter time or a single period",
        });
    }
    Ok(())
}

impl Archive for Inquiry {
    fn latest(&self) -> Result<Timestamp, Refusal> {
        if self.live.is_stopping() {
            return Err(Refusal::Stopping);
        }
        self.whole()?;
        let reached = self.live.complete_until();
        let reached = reached.ok_or(Refusal::NotReady)?;
        Ok(reached.min(Live::now()))
    }

    fn reports(&self, instants: &[Timestamp], asker: &Asker) -> Result<Vec<Published>, Refusal> {
        let settings = Arc::clone(&self.settings);
        let question = Question::of(instants.iter().copied(), Sections::ALL, settings);
        let question = Arc::new(question);
        let Findings {
            partial,
            basis,
            prune_line,
        } = self.ask(&question, asker)?;
        let coverage = self.live.progress().coverage();
        let publish = |report| {
            Published::new(Arc::new(report), coverage, prune_line).resting_on(basis.clone())
        };
        let reports = reports(&partial, &question, self.context());
        Ok(reports.into_iter().map(publish).collect())
    }

    fn series(&self, asked: &SeriesQuestion, asker: &Asker) -> Result<Series, Refusal> {
        let measure = asked.measure;
        let settings = self.settings_for(measure, asked.period);
        let sections = Sections::only(measure.section);
        let instants = asked.instants.iter().copied();
        let question = Arc::new(Question::of(instants, sections, settings));
        let Findings {
            partial,
            basis,
            prune_line,
        } = self.ask(&question, asker)?;
        let all = reports(&partial, &question, self.context());
        let moments = match asked.period {
            Some(period) if question.settings.periods.len() > 1 => {
                let withheld = self.withheld_of(&question, &partial, period);
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
            basis,
            history_start: prune_line,
        })
    }

    fn customer(&self, id: &str, asker: &Asker) -> Result<Customer, Refusal> {
        let at = self.latest()?;
        let queues = self.queues()?;
        let out_of_time = Refusal::TimedOut {
            seconds: LOOK_UP_TIME.as_secs(),
        };
        let waiting = self.waiting(asker, LOOK_UP_TIME, out_of_time);
        let id: Arc<str> = id.into();
        let mut found = None;
        for partition in self.live.shards() {
            let (answer, answered) = bounded(1);
            let look_up = LookUp {
                partition,
                id: Arc::clone(&id),
                settings: Arc::clone(&self.settings),
                at,
                answer,
            };
            waiting.send(owner(&queues, partition), Task::LookUp(look_up))?;
            let known = waiting.receive(&answered)?;
            if known.is_some() && found.is_some() {
                return Err(Refusal::SplitCustomer);
            }
            found = found.or(known);
        }
        found.ok_or(Refusal::UnknownCustomer)
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

/// Somebody waits, for a limited time.
struct Waiting<'a> {
    live: &'a Live,
    asker: &'a Asker,
    until: Instant,
    /// What they are told when the time is over.
    otherwise: Refusal,
}

impl Waiting<'_> {
    /// Why there is no sense in waiting any longer, if so.
    fn over(&self) -> Result<(), Refusal> {
        if self.live.is_stopping() || self.live.failure().is_some() {
            return Err(Refusal::Stopping);
        }
        if self.asker.is_gone() || Instant::now() >= self.until {
            return Err(self.otherwise.clone());
        }
        Ok(())
    }

    fn send(&self, queue: &Sender<Task>, mut task: Task) -> Result<(), Refusal> {
        loop {
            self.over()?;
            task = match queue.send_timeout(task, PULSE) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(task)) => task,
                Err(SendTimeoutError::Disconnected(_)) => return Err(Refusal::Stopping),
            };
        }
    }

    fn receive<T>(&self, answered: &Receiver<T>) -> Result<T, Refusal> {
        loop {
            self.over()?;
            match answered.recv_timeout(PULSE) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Refusal::Stopping),
            }
        }
    }
}

/// Whose turn it is: one at a time, and not too many who wait.
#[derive(Debug, Default)]
struct Turns {
    line: Mutex<Line>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    taken: bool,
    waiting: usize,
}

/// The turn of one question, over when dropped.
#[derive(Debug)]
struct Turn<'a>(&'a Turns);

impl Turns {
    fn take(&self, waiting: &Waiting<'_>) -> Result<Turn<'_>, Refusal> {
        let mut line = lock(&self.line);
        if line.waiting >= MOST_WAITING {
            return Err(Refusal::Busy);
        }
        line.waiting += 1;
        let outcome = loop {
            if !line.taken {
                line.taken = true;
                break Ok(Turn(self));
            }
            if let Err(refusal) = waiting.over() {
                break Err(refusal);
            }
            let (again, _) = self
                .ended
                .wait_timeout(line, PULSE)
                .unwrap_or_else(PoisonError::into_inner);
            line = again;
        };
        line.waiting -= 1;
        outcome
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.line).taken = false;
        self.0.ended.notify_one();
    }
}

/// What is behind these locks is whole at every instant, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    fn live() -> Live {
        let telemetry = Telemetry::new().expect("the catalogue has no clash");
        Live::new(Arc::new(telemetry))
    }

    fn waiting<'a>(live: &'a Live, asker: &'a Asker, time: Duration) -> Waiting<'a> {
        Waiting {
            live,
            asker,
            until: Instant::now() + time,
            otherwise: Refusal::Busy,
        }
    }

    #[test]
    fn one_has_its_turn_eight_wait_and_the_next_is_told_to_come_again() {
        let (live, asker, turns) = (live(), Asker::default(), Turns::default());
        let long = || waiting(&live, &asker, Duration::from_mins(1));
        let first = turns.take(&long()).unwrap();
        let none = waiting(&live, &asker, Duration::ZERO);
        assert_eq!(turns.take(&none).unwrap_err(), Refusal::Busy);
        std::thread::scope(|scope| {
            let queue: Vec<_> = (0..MOST_WAITING)
                .map(|_| scope.spawn(|| turns.take(&long()).map(drop)))
                .collect();
            while lock(&turns.line).waiting < MOST_WAITING {
                std::thread::yield_now();
            }
            let begun = Instant::now();
            assert_eq!(turns.take(&long()).unwrap_err(), Refusal::Busy);
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it was told at once"
            );
            drop(first);
            for waiter in queue {
                assert_eq!(waiter.join().unwrap(), Ok(()));
            }
        });
        assert_eq!(lock(&turns.line).waiting, 0);
        assert!(turns.take(&none).is_ok(), "nobody has the turn any more");
    }

    #[test]
    fn nobody_waits_for_an_engine_that_ends() {
        let (live, asker, turns) = (live(), Asker::default(), Turns::default());
        let _first = turns.take(&waiting(&live, &asker, Duration::ZERO)).unwrap();
        live.stopping();
        let long = waiting(&live, &asker, Duration::from_mins(1));
        assert_eq!(turns.take(&long).unwrap_err(), Refusal::Stopping);
        let (_sender, receiver) = bounded::<()>(1);
        assert_eq!(long.receive(&receiver), Err(Refusal::Stopping));
    }

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

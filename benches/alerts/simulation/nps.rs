//! A shop that asks for the NPS, and the alert on its fall.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use tenure::alert::guards::{
    NPS_FAR_KEEP_FIRING_MILLIS, NPS_FAR_POINTS, NPS_FOR_MILLIS, NPS_GUARDS, NPS_KEEP_FIRING_MILLIS,
};
use tenure::event::Timestamp;
use tenure::measure::scores::{Group, Groups, nps, nps_standard_error};

use super::alert::Alert;
use super::chance::Chance;
use super::rhythm::Rhythm;
use super::{DAY, Step, steps};

/// Shares of promoters and of passives while nothing happens; the others are detractors: 35 points.
const PROMOTERS: f64 = 0.55;
const PASSIVES: f64 = 0.25;

/// Each customer answers about every half year.
const DAYS_BETWEEN_ANSWERS: usize = 180;

const WINDOWS: usize = 2 * NPS_GUARDS.len();
/// No window sees an answer that is older.
pub const REACH: Step = 90 * DAY;

/// A window that moves with time: an answer is in it from so long after it was given to so long.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: Step,
    pub to: Step,
}

/// Each period, then what its score is compared with, as the measure has it.
pub fn spans() -> [Span; WINDOWS] {
    let now = Timestamp::from_millis(1_767_225_600_000);
    let ago = |at: Timestamp| steps(now.as_millis() - at.as_millis());
    let mut spans = [Span { from: 0, to: 0 }; WINDOWS];
    for (pair, guard) in spans.chunks_exact_mut(2).zip(NPS_GUARDS) {
        let period = guard.period.interval(now, &TimeZone::UTC, Weekday::Monday);
        let windows = [Some(period), guard.period.baseline(period)];
        for (span, window) in pair.iter_mut().zip(windows.into_iter().flatten()) {
            *span = Span {
                from: ago(window.end),
                to: ago(window.start),
            };
            assert!(span.from < span.to && span.to <= REACH, "{guard:?}");
        }
    }
    spans
}

/// How the opinion of the customers goes.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// Points by which the score falls, from promoters to detractors.
    pub drop: f64,
    /// When it begins to fall.
    pub at: Step,
    /// How long it falls, evenly.
    pub lasts: Step,
    /// Each day is better or worse by up to this many points, whoever answers.
    pub moods: f64,
}

impl Course {
    /// Nothing happens.
    pub const STEADY: Self = Self {
        drop: 0.0,
        at: Step::MAX,
        lasts: 0,
        moods: 0.0,
    };

    fn fallen(&self, now: Step) -> f64 {
        match now.checked_sub(self.at) {
            None => 0.0,
            Some(since) if since >= self.lasts => self.drop,
            Some(since) => self.drop * since as f64 / self.lasts as f64,
        }
    }
}

/// An answer that counts as its customer's latest.
#[derive(Debug, Clone, Copy)]
struct Answer {
    at: Step,
    group: Group,
}

/// Numbers of customers, or changes of them, by window and group.
type Row = [[i32; 3]; WINDOWS];

/// The customers, their answers in all windows, and what the windows show.
#[derive(Debug)]
pub struct Shop {
    chance: Chance,
    rhythm: Rhythm,
    course: Course,
    spans: [Span; WINDOWS],
    customers: Vec<Option<Answer>>,
    /// How the counts change, by step, for as far ahead as an answer reaches.
    changes: Vec<Row>,
    counts: Row,
    now: Step,
    mood: f64,
}

impl Shop {
    pub fn new(answers_a_day: usize, course: Course, chance: Chance) -> Self {
        Self {
            chance,
            rhythm: Rhythm::new(answers_a_day as f64),
            course,
            spans: spans(),
            customers: vec![None; answers_a_day * DAYS_BETWEEN_ANSWERS],
            changes: vec![Row::default(); REACH + 1],
            counts: Row::default(),
            now: 0,
            mood: 0.0,
        }
    }

    /// Lives through one step and says whether any window shows other counts than before.
    pub fn step(&mut self) -> bool {
        if self.now.is_multiple_of(DAY) && self.course.moods > 0.0 {
            self.mood = self.course.moods * (2.0 * self.chance.share() - 1.0);
        }
        for _ in 0..self.chance.count(self.rhythm.mean(self.now)) {
            let customer = self.chance.below(self.customers.len());
            let group = self.opinion();
            self.answer(customer, group);
        }
        self.pass()
    }

    fn opinion(&mut self) -> Group {
        // A point less is half a percent of all who are detractors and not promoters.
        let shifted = (self.course.fallen(self.now) - self.mood) / 200.0;
        let dice = self.chance.share();
        if dice < PROMOTERS - shifted {
            Group::Promoter
        } else if dice < PROMOTERS - shifted + PASSIVES {
            Group::Passive
        } else {
            Group::Detractor
        }
    }

    /// Lets a step pass: what is given in it counts from now on. Says as [`Self::step`] does whether
    /// any window shows other counts.
    pub fn pass(&mut self) -> bool {
        let slot = self.now % self.changes.len();
        let row = std::mem::take(&mut self.changes[slot]);
        self.now += 1;
        if row == Row::default() {
            return false;
        }
        for (counts, change) in self.counts.iter_mut().flatten().zip(row.iter().flatten()) {
            *counts += change;
        }
        true
    }

    /// One of the customers, by number, answers.
    pub fn answer(&mut self, customer: usize, group: Group) {
        let answer = Answer {
            at: self.now,
            group,
        };
        if let Some(before) = self.customers[customer].replace(answer) {
            self.replaced(before);
        }
        for window in 0..WINDOWS {
            let Span { from, to } = self.spans[window];
            self.change(self.now + from, window, group, 1);
            self.change(self.now + to, window, group, -1);
        }
    }

    /// An older answer leaves a window when the later one of its customer enters it.
    fn replaced(&mut self, before: Answer) {
        for window in 0..WINDOWS {
            let Span { from, to } = self.spans[window];
            let (left_at, replaced_at) = (before.at + to, self.now + from);
            if replaced_at < left_at {
                self.change(replaced_at, window, before.group, -1);
                self.change(left_at, window, before.group, 1);
            }
        }
    }

    fn change(&mut self, at: Step, window: usize, group: Group, by: i32) {
        let slot = at % self.changes.len();
        self.changes[slot][window][group as usize] += by;
    }

    pub fn now(&self) -> Step {
        self.now
    }

    /// Lets the drop come later.
    pub fn postpone(&mut self, by: Step) {
        self.course.at += by;
    }

    /// Customers by the group of their latest answer in the window of a guard.
    pub fn period(&self, guard: usize) -> Groups {
        self.groups(2 * guard)
    }

    /// The same of the window that it is compared with.
    pub fn baseline(&self, guard: usize) -> Groups {
        self.groups(2 * guard + 1)
    }

    /// What a window of [`spans`] shows.
    pub fn groups(&self, window: usize) -> Groups {
        let [promoters, passives, detractors] = self.counts[window].map(i32::unsigned_abs);
        Groups {
            promoters: promoters.into(),
            passives: passives.into(),
            detractors: detractors.into(),
        }
    }

    /// By how many points each window shows a fall that meets its guards.
    fn falls(&self) -> [Option<f64>; NPS_GUARDS.len()] {
        let mut at = 0;
        NPS_GUARDS.map(|guard| {
            let (groups, baseline) = (self.period(at), self.baseline(at));
            at += 1;
            // As `publish/satisfaction.rs` makes the change and its standard error.
            let fall = nps(baseline)? - nps(groups)?;
            if fall <= guard.points || groups.total() < u64::from(guard.answers) {
                return None;
            }
            let error = nps_standard_error(groups).hypot(nps_standard_error(baseline));
            (fall > guard.errors * error).then_some(fall)
        })
    }

    /// No window has the answers that its guard asks for.
    fn blind(&self) -> bool {
        let mut windows = NPS_GUARDS.iter().enumerate();
        windows.all(|(at, guard)| self.period(at).total() < u64::from(guard.answers))
    }
}

/// What the alert did in some time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watched {
    pub pages: u32,
    /// Pages of the critical one.
    pub far_pages: u32,
    /// When the first page came, in steps since the watch began.
    pub first: Option<Step>,
    /// Which windows showed the fall when a page came.
    pub by_window: [u32; NPS_GUARDS.len()],
    /// Steps without a window that has its answers.
    pub blind: Step,
}

/// The alerts on a shop.
#[derive(Debug)]
pub struct Watch {
    dropped: Alert,
    far: Alert,
    falls: [Option<f64>; NPS_GUARDS.len()],
}

impl Watch {
    pub fn new() -> Self {
        Self {
            dropped: Alert::new(NPS_FOR_MILLIS, NPS_KEEP_FIRING_MILLIS),
            far: Alert::new(NPS_FOR_MILLIS, NPS_FAR_KEEP_FIRING_MILLIS),
            falls: [None; NPS_GUARDS.len()],
        }
    }

    pub fn firing(&self) -> bool {
        self.dropped.firing() || self.far.firing()
    }

    /// Watches a shop for some time.
    pub fn watch(&mut self, shop: &mut Shop, steps: Step) -> Watched {
        let mut watched = Watched::default();
        let began = shop.now();
        for _ in 0..steps {
            if shop.step() {
                self.falls = shop.falls();
            }
            watched.blind += usize::from(shop.blind());
            let any = self.falls.iter().any(Option::is_some);
            let far = self
                .falls
                .iter()
                .flatten()
                .any(|fall| *fall > NPS_FAR_POINTS);
            if self.far.evaluate(shop.now(), far) {
                watched.far_pages += 1;
                watched.first.get_or_insert(shop.now() - began);
            }
            if self.dropped.evaluate(shop.now(), any) {
                watched.pages += 1;
                watched.first.get_or_insert(shop.now() - began);
                for (count, fall) in watched.by_window.iter_mut().zip(self.falls) {
                    *count += u32::from(fall.is_some());
                }
            }
        }
        watched
    }
}

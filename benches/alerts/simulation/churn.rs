//! A shop that customers leave, and the alert on too many of them.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use tenure::alert::guards::{
    DEPARTURE_FOR_MILLIS, DEPARTURE_GUARD, DEPARTURE_KEEP_FIRING_MILLIS, DEPARTURE_PERIODS,
};
use tenure::event::Timestamp;

use super::alert::Alert;
use super::chance::Chance;
use super::rhythm::Rhythm;
use super::{DAY, Step, steps};

/// The same window in each of so many weeks before says what is expected.
pub const WEEKS: usize = 4;
/// No window sees a departure that is older.
pub const REACH: Step = 35 * DAY;

/// How departures go.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// So many times as many leave as usual.
    pub times: f64,
    /// From then on.
    pub at: Step,
    /// Each day has up to this share more or fewer, whatever the weekday.
    pub restless: f64,
}

impl Course {
    /// Nothing happens.
    pub const STEADY: Self = Self {
        times: 1.0,
        at: Step::MAX,
        restless: 0.0,
    };
}

/// Departures in a period, and in the same window of the weeks before together.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub length: Step,
    pub departures: u32,
    /// The sum over [`WEEKS`] earlier windows.
    pub earlier: u32,
}

impl Window {
    fn spikes(self) -> bool {
        let guard = DEPARTURE_GUARD;
        let departures = f64::from(self.departures);
        let expected = (f64::from(self.earlier) / WEEKS as f64).max(guard.least_expected);
        departures > expected + guard.roots * expected.sqrt()
            && departures > guard.factor * expected
    }
}

/// Customers who leave, counted by step.
#[derive(Debug)]
pub struct Shop {
    chance: Chance,
    rhythm: Rhythm,
    course: Course,
    /// Departures of each step of the weeks that any window sees, in a ring.
    departures: Vec<u32>,
    pub windows: [Window; DEPARTURE_PERIODS.len()],
    now: Step,
    day: f64,
}

impl Shop {
    pub fn new(departures_a_day: usize, course: Course, chance: Chance) -> Self {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let windows = DEPARTURE_PERIODS.map(|period| Window {
            length: steps(
                period
                    .interval(now, &TimeZone::UTC, Weekday::Monday)
                    .millis(),
            ),
            departures: 0,
            earlier: 0,
        });
        Self {
            chance,
            rhythm: Rhythm::new(departures_a_day as f64),
            course,
            departures: vec![0; REACH + 1],
            windows,
            now: REACH,
            day: 1.0,
        }
    }

    /// Instants begin late enough that all windows lie after 0.
    pub fn now(&self) -> Step {
        self.now
    }

    /// Lets the spike come later.
    pub fn postpone(&mut self, by: Step) {
        self.course.at += by;
    }

    /// Lives through one step.
    pub fn step(&mut self) {
        if self.now.is_multiple_of(DAY) && self.course.restless > 0.0 {
            self.day = 1.0 + self.course.restless * (2.0 * self.chance.share() - 1.0);
        }
        let times = if self.now >= self.course.at {
            self.course.times
        } else {
            1.0
        };
        let mean = self.rhythm.mean(self.now) * times * self.day;
        let leave = self.chance.count(mean) as u32;
        self.pass(leave);
    }

    /// Lets a step pass in which so many leave.
    pub fn pass(&mut self, leave: u32) {
        let slots = self.departures.len();
        self.departures[self.now % slots] = leave;
        let ago = |steps: Step| self.departures[(self.now - steps) % slots];
        for window in &mut self.windows {
            window.departures = window.departures + ago(0) - ago(window.length);
            for week in (1..=WEEKS).map(|week| 7 * week * DAY) {
                window.earlier = window.earlier + ago(week) - ago(week + window.length);
            }
        }
        self.now += 1;
    }

    fn spikes(&self) -> bool {
        self.windows.iter().any(|window| window.spikes())
    }
}

/// What the alert did in some time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watched {
    pub pages: u32,
    /// When the first page came, in steps since the watch began.
    pub first: Option<Step>,
}

/// The alert on a shop.
#[derive(Debug)]
pub struct Watch(Alert);

impl Watch {
    pub fn new() -> Self {
        Self(Alert::new(
            DEPARTURE_FOR_MILLIS,
            DEPARTURE_KEEP_FIRING_MILLIS,
        ))
    }

    pub fn firing(&self) -> bool {
        self.0.firing()
    }

    /// Watches a shop for some time.
    pub fn watch(&mut self, shop: &mut Shop, steps: Step) -> Watched {
        let mut watched = Watched::default();
        let began = shop.now();
        for _ in 0..steps {
            shop.step();
            if self.0.evaluate(shop.now(), shop.spikes()) {
                watched.pages += 1;
                watched.first.get_or_insert(shop.now() - began);
            }
        }
        watched
    }
}

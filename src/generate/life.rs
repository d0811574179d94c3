//! The life of one customer within the span: what it does, and when.
//!
//! Owns the model of behaviour. A life is a chain of competing waiting times:
//!
//! ```text
//!            +-- order ---+                       share of the business of the span, 0..1
//! sign-up -> +-- answer --+-> next ... -> churn -> (some) come back -> ...
//!            +-- churn ---+
//! ```
//!
//! Each rate is constant between two events of the customer, so the next event comes after one
//! exponential waiting time, and which one it is falls in proportion to the rates. A low answer
//! raises the rate of leaving, a high one lowers it. Rates are per span: customers have about as
//! many events in 30 days as in 400. Promises to be a pure function of seed, settings and customer
//! number. Does not know how events travel or how they are written.

use std::ops::ControlFlow;

use super::Scenario;
use super::profile::{Mood, Plan, Profile, Region};
use super::random::Random;
use super::season::{DAY, HOUR, Season};
use crate::event::EventType;

/// Orders of the mean customer per span.
const ORDERS: f64 = 2.84;
/// Share of the customers who order within the hours after their sign-up.
const EAGER: f64 = 0.3;
/// Answers to the NPS question per span.
const NPS_ANSWERS: f64 = 0.52;
/// Answers to the effort question per span.
const CES_ANSWERS: f64 = 0.12;
/// Share of the orders that are rated.
const RATED_ORDERS: f64 = 0.075;
/// Departures per span of a customer who was never asked.
const DEPARTURES: f64 = 0.44;
/// Returns per span of those who will return.
const RETURNS: f64 = 5.0;
/// The base signs up in this first part of the span.
const BASE_WITHIN: f64 = 1.0 / 15.0;
/// How much likelier departures are in the last day of a churn spike.
const SPIKE: f64 = 3.2;
/// How long a drop of the NPS has lasted: with the answers of a shop of tens of thousands, that is
/// long enough to be sure of it.
const DROP_DAYS: i64 = 5;
/// Share of the answers that disappointment decides in the last days of a drop.
const DISAPPOINTED: f64 = 0.34;

/// What happens to customers, as far as the generator tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Signup,
    Order,
    Nps,
    Csat,
    Ces,
    Churn,
}

impl Act {
    pub const fn event_type(self) -> EventType {
        match self {
            Self::Signup => EventType::Signup,
            Self::Order => EventType::Purchase,
            Self::Nps | Self::Csat | Self::Ces => EventType::SurveySubmitted,
            Self::Churn => EventType::Churn,
        }
    }
}

/// One thing that happened in a life.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub act: Act,
    /// The score of an answer; the code of a reason for a churn; otherwise 0.
    pub detail: u8,
    /// The plan from then on.
    pub plan: Plan,
    /// Counts the moments of one life.
    pub ordinal: u32,
    /// Unix milliseconds.
    pub occurred_at: i64,
}

/// What the last answer said about how likely the customer is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impression {
    Unasked,
    Low,
    Middling,
    High,
}

impl Impression {
    /// The impression an answer leaves; effort does not count as an opinion.
    pub const fn of(act: Act, score: u8) -> Option<Self> {
        match (act, score) {
            (Act::Nps, 0..=6) | (Act::Csat, 0..=2) => Some(Self::Low),
            (Act::Nps, 7..=8) | (Act::Csat, 3) => Some(Self::Middling),
            (Act::Nps | Act::Csat, _) => Some(Self::High),
            _ => None,
        }
    }

    const fn restlessness(self) -> f64 {
        match self {
            Self::Unasked => 1.0,
            Self::Low => 5.0,
            Self::Middling => 0.9,
            Self::High => 0.45,
        }
    }
}

/// How a customer stands at the end of what was told of its life.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub active: bool,
    pub plan: Plan,
}

/// What all lives of a stream have in common.
#[derive(Debug)]
pub struct World {
    pub seed: u64,
    pub scenario: Scenario,
    /// The first instant of the span.
    pub start: i64,
    /// The first instant after the span.
    pub end: i64,
    seasons: [Season; 3],
    /// Where, by region, the last day of the span begins.
    last_day: [f64; 3],
    /// Ratings per span of somebody who was just asked for one.
    rating_rate: f64,
    /// Orders per span of somebody who came to order.
    eager_rate: f64,
}

impl World {
    /// A world of `days` days before `end`.
    pub fn new(seed: u64, scenario: Scenario, days: u32, end: i64) -> Self {
        let start = end - i64::from(days) * DAY;
        let seasons = Region::ALL.map(|region| Season::new(start, days, region.offset_minutes()));
        let last_day = [0, 1, 2].map(|region| seasons[region].share(end - DAY));
        let days = f64::from(days);
        Self {
            seed,
            scenario,
            start,
            end,
            seasons,
            last_day,
            // A day later, within reason for short spans.
            rating_rate: if days > 20.0 { days } else { 20.0 },
            eager_rate: if days > 5.0 { days * 12.0 } else { 60.0 },
        }
    }

    /// Tells the life of a customer in the order of event time, until `tell` breaks off.
    ///
    /// `tell` may draw from the random numbers it is given.
    pub fn live_through(
        &self,
        customer: u32,
        mut tell: impl FnMut(&mut Random, Moment) -> ControlFlow<()>,
    ) -> Standing {
        let profile = Profile::of(self.seed, customer);
        let random = Random::of(self.seed, u64::from(customer));
        let mut life = Life::new(self, profile, random);
        while let Some(moment) = life.next() {
            if tell(&mut life.random, moment).is_break() {
                break;
            }
        }
        life.standing()
    }

    /// A score for an answer given then by somebody of that mood.
    pub fn score(&self, act: Act, mood: Mood, at: i64, random: &mut Random) -> u8 {
        let dropping = self.scenario == Scenario::NpsDrop && at >= self.end - DROP_DAYS * DAY;
        let mood = if dropping && random.chance(DISAPPOINTED) {
            Mood::Unhappy
        } else {
            mood
        };
        let weights: &[u32] = match (act, mood) {
            (Act::Csat, Mood::Happy) => &[0, 1, 2, 7, 34, 56],
            (Act::Csat, Mood::Content) => &[0, 5, 11, 26, 40, 18],
            (Act::Csat, Mood::Unhappy) => &[0, 34, 28, 20, 12, 6],
            (Act::Ces, Mood::Happy) => &[0, 46, 34, 13, 5, 2],
            (Act::Ces, Mood::Content) => &[0, 20, 34, 28, 13, 5],
            (Act::Ces, Mood::Unhappy) => &[0, 5, 13, 24, 32, 26],
            (_, Mood::Happy) => &[0, 0, 0, 0, 1, 3, 4, 8, 14, 30, 40],
            (_, Mood::Content) => &[1, 0, 1, 2, 3, 8, 10, 20, 25, 18, 12],
            (_, Mood::Unhappy) => &[12, 4, 6, 8, 10, 16, 14, 14, 10, 4, 2],
        };
        random.pick(weights.iter().copied()) as u8
    }
}

/// Rates per span of what can happen next.
struct Rates {
    order: f64,
    nps: f64,
    ces: f64,
    csat: f64,
    churn: f64,
    come_back: f64,
}

impl Rates {
    fn total(&self) -> f64 {
        self.order + self.nps + self.ces + self.csat + self.churn + self.come_back
    }
}

/// A life being lived.
struct Life<'a> {
    world: &'a World,
    profile: Profile,
    random: Random,
    /// Share of the business of the span that is over.
    at: f64,
    told: u32,
    plan: Plan,
    stage: Stage,
    impression: Impression,
    /// Asked to rate the last order, and will.
    asked: bool,
    /// Came to order, and will within hours.
    eager: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unborn,
    Active,
    /// Left, and will return if the span is long enough.
    Away,
    /// Left for good.
    Gone,
}

impl<'a> Life<'a> {
    fn new(world: &'a World, profile: Profile, random: Random) -> Self {
        Self {
            world,
            profile,
            random,
            at: 0.0,
            told: 0,
            plan: profile.plan,
            stage: Stage::Unborn,
            impression: Impression::Unasked,
            asked: false,
            eager: false,
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            active: self.stage == Stage::Active,
            plan: self.plan,
        }
    }

    fn next(&mut self) -> Option<Moment> {
        if self.stage == Stage::Unborn {
            return Some(self.sign_up());
        }
        let rates = self.wait()?;
        let mut left = self.random.share() * rates.total();
        let mut falls_on = |rate: f64| {
            let hit = left < rate;
            left -= rate;
            hit
        };
        Some(if falls_on(rates.order) {
            self.order()
        } else if falls_on(rates.nps) {
            self.answer(Act::Nps)
        } else if falls_on(rates.ces) {
            self.answer(Act::Ces)
        } else if falls_on(rates.csat) {
            self.asked = false;
            self.answer(Act::Csat)
        } else if falls_on(rates.churn) {
            self.leave()
        } else if self.stage == Stage::Away {
            self.come_back()
        } else {
            // The sum of the parts was rounded below the whole: a seldom order.
            self.order()
        })
    }

    /// Goes to the instant of the next event, with the rates that hold there; none after the span.
    fn wait(&mut self) -> Option<Rates> {
        loop {
            let spike_at = self.spike_at();
            let rates = self.rates(self.at >= spike_at);
            let total = rates.total();
            if total <= 0.0 {
                return None;
            }
            let next = self.at + self.random.exponential() / total;
            if self.at < spike_at && next >= spike_at && spike_at < 1.0 {
                // Waiting times have no memory: start again where the rates change.
                self.at = spike_at;
                continue;
            }
            self.at = next;
            return (next < 1.0).then_some(rates);
        }
    }

    /// Where the churn spike begins, at or after the end if there is none.
    fn spike_at(&self) -> f64 {
        match self.world.scenario {
            Scenario::ChurnSpike => self.world.last_day[self.profile.country.region as usize],
            Scenario::Steady | Scenario::NpsDrop => 1.0,
        }
    }

    fn rates(&self, spiking: bool) -> Rates {
        let active = self.stage == Stage::Active;
        let when = |holds: bool, rate: f64| if holds { rate } else { 0.0 };
        let orders = ORDERS * self.profile.order_rate * self.plan.appetite();
        let mood = match self.profile.mood {
            Mood::Happy => 0.7,
            Mood::Content => 1.0,
            Mood::Unhappy => 1.6,
        };
        let departures =
            DEPARTURES * mood * self.plan.restlessness() * self.impression.restlessness();
        Rates {
            order: when(active, orders) + when(active && self.eager, self.world.eager_rate),
            nps: when(active, NPS_ANSWERS),
            ces: when(active, CES_ANSWERS),
            csat: when(active && self.asked, self.world.rating_rate),
            churn: when(active, departures * if spiking { SPIKE } else { 1.0 }),
            come_back: when(self.stage == Stage::Away, RETURNS),
        }
    }

    fn sign_up(&mut self) -> Moment {
        let within = if self.profile.early { BASE_WITHIN } else { 1.0 };
        self.at = self.random.share() * within;
        self.stage = Stage::Active;
        self.eager = self.random.chance(EAGER);
        self.moment(Act::Signup, 0)
    }

    fn order(&mut self) -> Moment {
        self.eager = false;
        self.asked = self.random.chance(RATED_ORDERS);
        match self.random.below(100) {
            0..=3 => self.plan = self.plan.upgraded(),
            4 => self.plan = self.plan.downgraded(),
            _ => {}
        }
        self.moment(Act::Order, 0)
    }

    fn answer(&mut self, act: Act) -> Moment {
        let (mood, at) = (self.profile.mood, self.instant());
        let score = self.world.score(act, mood, at, &mut self.random);
        if let Some(impression) = Impression::of(act, score) {
            self.impression = impression;
        }
        self.moment(act, score)
    }

    fn leave(&mut self) -> Moment {
        let reason = reason(self.impression, &mut self.random);
        self.stage = if self.random.chance(self.profile.mood.forgiveness()) {
            Stage::Away
        } else {
            Stage::Gone
        };
        (self.asked, self.eager) = (false, false);
        self.impression = Impression::Unasked;
        self.moment(Act::Churn, reason)
    }

    /// Half sign up again, half simply order.
    fn come_back(&mut self) -> Moment {
        self.stage = Stage::Active;
        if self.random.chance(0.5) {
            self.moment(Act::Signup, 0)
        } else {
            self.order()
        }
    }

    fn instant(&self) -> i64 {
        self.world.seasons[self.profile.country.region as usize].instant(self.at)
    }

    fn moment(&mut self, act: Act, detail: u8) -> Moment {
        let ordinal = self.told;
        self.told += 1;
        Moment {
            act,
            detail,
            plan: self.plan,
            ordinal,
            occurred_at: self.instant(),
        }
    }
}

/// The reasons given for leaving, as they stand in JSON, with their weights among customers who
/// answered low and among the others. An empty one is not sent.
pub static REASONS: [(&str, u32, u32); 14] = [
    ("price", 22, 36),
    ("missing_feature", 20, 14),
    ("competitor", 15, 16),
    ("support", 24, 5),
    ("no_longer_needed", 3, 12),
    ("too_complicated", 5, 4),
    ("payment_failed", 2, 4),
    ("moved abroad", 1, 2),
    ("delivery took too long", 3, 1),
    ("charged twice, nobody \\\"responsible\\\"", 2, 0),
    ("zu teuer für uns", 0, 1),
    ("サービス終了", 0, 1),
    ("other", 1, 1),
    ("", 2, 3),
];

/// The code of a reason somebody of that impression gives.
pub fn reason(impression: Impression, random: &mut Random) -> u8 {
    let low = impression == Impression::Low;
    random.pick(
        REASONS
            .iter()
            .map(|(_, unhappy, others)| if low { *unhappy } else { *others }),
    ) as u8
}

/// How long a message takes to arrive, in milliseconds.
///
/// Most take seconds, two in a hundred hours, three in a thousand days.
pub fn delay(random: &mut Random) -> u32 {
    const HOUR_MILLIS: u32 = HOUR as u32;
    match random.below(1000) {
        0..=2 => random.millis(24 * HOUR_MILLIS, 96 * HOUR_MILLIS),
        3..=22 => random.millis(HOUR_MILLIS, 12 * HOUR_MILLIS),
        _ => {
            // Mostly well below a second, at most eight.
            let share = random.share();
            40 + (share * share * share * 7_960.0) as u32
        }
    }
}

/// After how many milliseconds a message is delivered again, if it is: one in a hundred.
///
/// Of these most follow within a minute, a fifth after hours or days.
pub fn repeat_after(random: &mut Random) -> Option<u32> {
    const HOUR_MILLIS: u32 = HOUR as u32;
    let dice = random.below(1000);
    match dice {
        0..=7 => Some(random.millis(200, 60_000)),
        8..=9 => Some(random.millis(2 * HOUR_MILLIS, 72 * HOUR_MILLIS)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: i64 = 1_767_225_600_000;

    fn lives(scenario: Scenario, days: u32, customers: u32) -> Vec<Vec<Moment>> {
        let world = World::new(5, scenario, days, END);
        (0..customers)
            .map(|customer| {
                let mut moments = Vec::new();
                world.live_through(customer, |_, moment| {
                    moments.push(moment);
                    ControlFlow::Continue(())
                });
                moments
            })
            .collect()
    }

    #[test]
    fn a_life_begins_with_a_sign_up_and_keeps_its_order() {
        for moments in lives(Scenario::Steady, 30, 5_000) {
            assert_eq!(moments[0].act, Act::Signup);
            for pair in moments.windows(2) {
                assert!(pair[0].occurred_at <= pair[1].occurred_at);
                assert_eq!(pair[0].ordinal + 1, pair[1].ordinal);
                if pair[0].act == Act::Churn {
                    assert!(matches!(pair[1].act, Act::Signup | Act::Order));
                }
            }
            assert!(moments.iter().all(|moment| moment.occurred_at < END));
        }
    }

    #[test]
    fn customers_have_as_many_events_in_a_month_as_in_a_year() {
        for days in [7, 30, 200, 400] {
            let lives = lives(Scenario::Steady, days, 40_000);
            let check = |name: &str, expected: f64, event: Option<EventType>| {
                let moments = lives.iter().flatten();
                let count = moments
                    .filter(|moment| event.is_none_or(|event| moment.act.event_type() == event))
                    .count();
                let mean = count as f64 / lives.len() as f64;
                assert!(
                    (mean / expected - 1.0).abs() < 0.06,
                    "{name} in {days} days: {mean}, not {expected}"
                );
            };
            check("events", 3.75, None);
            check("sign-ups", 1.0, Some(EventType::Signup));
            check("orders", 2.0, Some(EventType::Purchase));
            check("answers", 0.5, Some(EventType::SurveySubmitted));
            check("churns", 0.25, Some(EventType::Churn));
        }
    }

    #[test]
    fn every_reason_is_given_by_somebody() {
        let mut given = [0_u32; REASONS.len()];
        for moment in lives(Scenario::Steady, 30, 60_000).into_iter().flatten() {
            if moment.act == Act::Churn {
                given[usize::from(moment.detail)] += 1;
            }
        }
        assert!(given.iter().all(|count| *count > 0), "{given:?}");
        assert_eq!(given.iter().max(), Some(&given[0]), "price leads");
    }
}

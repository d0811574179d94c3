//! Events after the span, at a steady rate, for as long as somebody asks.
//!
//! Owns what happens when the recorded lives are over: active customers go on ordering and
//! answering, some leave (those who just answered low first), new ones sign up. What occurred in
//! the span and arrives after it is woven in. Promises the same stream for the same arguments, and
//! that customers come and go no faster than in the last weeks of the span, however many events a
//! second are asked for: only orders and answers become more, or a fast stream would look like
//! customers in flight. The memory is two bytes a customer. Does not know the clock: whoever
//! delivers waits.

use std::collections::VecDeque;

use super::Scenario;
use super::life::{Act, Impression, Standing, World, delay, reason};
use super::profile::{Mood, Profile};
use super::random::Random;
use super::schedule::{Delivery, deliveries};
use super::season::DAY;

/// The last customers who answered low, and the last deliveries, that are remembered.
const REMEMBERED: usize = 64;
/// What happens next, per billion; the rest are orders. Departures are multiplied by three in a churn
/// spike. Sign-ups and departures are at most so many.
const SIGNUPS: u32 = 40_000_000;
const DEPARTURES: u32 = 28_000_000;
const NPS_ANSWERS: u32 = 150_000_000;
const CSAT_ANSWERS: u32 = 90_000_000;
const CES_ANSWERS: u32 = 40_000_000;
const ALL: u32 = 1_000_000_000;
/// The pace of the span is that of these last days, but for the very last, on which more may leave.
const PACE_DAYS: i64 = 28;

/// The endless rest of a stream.
#[derive(Debug)]
pub struct Live {
    random: Random,
    /// Mean microseconds between two events.
    gap_micros: f64,
    /// When the next event arrives, in microseconds after the span.
    arrives_micros: u64,
    customers: Vec<Standing>,
    /// Customers of the span; those after them signed up live.
    of_span: u32,
    /// Live events so far, which numbers them.
    told: u32,
    /// Per billion of what happens.
    signups: u32,
    departures: u32,
    uneasy: VecDeque<u32>,
    recent: VecDeque<Delivery>,
    /// Occurred within the span, arrive after it; the next one last.
    overdue: Vec<Delivery>,
}

/// How fast customers come and go in the span.
struct Pace {
    since: i64,
    until: i64,
    signups: u32,
    departures: u32,
}

impl Pace {
    fn of(world: &World) -> Self {
        // A span of a day or two has no day to leave out.
        let last = if world.end - world.start > 2 * DAY {
            DAY
        } else {
            0
        };
        let until = world.end - last;
        Self {
            since: world.start.max(until - PACE_DAYS * DAY),
            until,
            signups: 0,
            departures: 0,
        }
    }

    fn count(&mut self, delivery: &Delivery) {
        let within = (self.since..self.until).contains(&delivery.occurred_at());
        if delivery.repeat || !within {
            return;
        }
        match delivery.act {
            Act::Signup => self.signups += 1,
            Act::Churn => self.departures += 1,
            Act::Order | Act::Nps | Act::Csat | Act::Ces => {}
        }
    }

    /// What so many of the span are per billion of all that happens at `rate` events a second.
    fn at(&self, count: u32, rate: f64) -> u32 {
        let seconds = (self.until - self.since) as f64 / 1000.0;
        (f64::from(count) / seconds / rate * f64::from(ALL)) as u32
    }
}

impl Live {
    /// Goes on where the lives of `customers` customers end, at `rate` events a second.
    pub fn new(world: &World, customers: u32, rate: f64) -> Self {
        let mut overdue = Vec::new();
        let mut pace = Pace::of(world);
        let customers: Vec<Standing> = (0..customers)
            .map(|customer| {
                deliveries(world, customer, i64::MAX, |delivery| {
                    pace.count(&delivery);
                    if delivery.arrives_at >= world.end {
                        overdue.push(delivery);
                    }
                })
            })
            .collect();
        overdue.sort_unstable_by_key(|delivery| std::cmp::Reverse(delivery.rank()));
        Self {
            random: Random::of(!world.seed, u64::MAX),
            gap_micros: 1_000_000.0 / rate,
            arrives_micros: 0,
            of_span: customers.len() as u32,
            customers,
            told: 0,
            signups: pace.at(pace.signups, rate).min(SIGNUPS),
            departures: pace.at(pace.departures, rate).min(DEPARTURES),
            uneasy: VecDeque::with_capacity(REMEMBERED),
            recent: VecDeque::with_capacity(REMEMBERED),
            overdue,
        }
    }

    /// The next delivery; there always is one.
    pub fn next(&mut self, world: &World) -> Delivery {
        let arrives_at = world.end + (self.arrives_micros / 1000) as i64;
        if let Some(delivery) = self
            .overdue
            .pop_if(|overdue| overdue.arrives_at <= arrives_at)
        {
            return delivery;
        }
        self.arrives_micros += (self.random.exponential() * self.gap_micros) as u64;
        if self.random.chance(0.01)
            && let Some(repeat) = self.repeat(arrives_at)
        {
            return repeat;
        }
        let delivery = self.happen(world, arrives_at);
        remember(&mut self.recent, delivery);
        delivery
    }

    fn repeat(&mut self, arrives_at: i64) -> Option<Delivery> {
        let at = self.random.below(self.recent.len() as u32) as usize;
        let first = self.recent.get(at)?;
        Some(Delivery {
            arrives_at,
            lag: u32::try_from(arrives_at - first.occurred_at()).ok()?,
            repeat: true,
            ..*first
        })
    }

    fn happen(&mut self, world: &World, arrives_at: i64) -> Delivery {
        let departures = match world.scenario {
            Scenario::ChurnSpike => 3 * self.departures,
            Scenario::Steady | Scenario::NpsDrop => self.departures,
        };
        let others = self.signups + departures + NPS_ANSWERS + CSAT_ANSWERS + CES_ANSWERS;
        let acts = [
            (Act::Signup, self.signups),
            (Act::Churn, departures),
            (Act::Nps, NPS_ANSWERS),
            (Act::Csat, CSAT_ANSWERS),
            (Act::Ces, CES_ANSWERS),
            (Act::Order, ALL - others),
        ];
        let act = acts[self.random.pick(acts.iter().map(|(_, weight)| *weight))].0;
        match act {
            Act::Signup => self.sign_up(world, arrives_at),
            Act::Churn => self.leave(world, arrives_at),
            Act::Order | Act::Nps | Act::Csat | Act::Ces => self.act(world, act, arrives_at),
        }
    }

    fn sign_up(&mut self, world: &World, arrives_at: i64) -> Delivery {
        let customer = self.customers.len() as u32;
        let plan = Profile::of(world.seed, customer).plan;
        self.customers.push(Standing { active: true, plan });
        self.delivery(customer, Act::Signup, 0, arrives_at)
    }

    /// Most of those who leave just answered low.
    fn leave(&mut self, world: &World, arrives_at: i64) -> Delivery {
        let uneasy = if self.random.chance(0.6) {
            self.uneasy.pop_front()
        } else {
            None
        };
        let (customer, impression) = match uneasy {
            Some(customer) if self.customers[customer as usize].active => {
                (customer, Impression::Low)
            }
            _ => match self.somebody(|standing| standing.active) {
                Some(customer) => (customer, Impression::Unasked),
                None => return self.sign_up(world, arrives_at),
            },
        };
        self.customers[customer as usize].active = false;
        let reason = reason(impression, &mut self.random);
        self.delivery(customer, Act::Churn, reason, arrives_at)
    }

    /// An order or an answer; one order in a hundred brings somebody back who had left.
    fn act(&mut self, world: &World, act: Act, arrives_at: i64) -> Delivery {
        let back = act == Act::Order && self.random.chance(0.01);
        let Some(customer) = self.somebody(|standing| standing.active != back) else {
            return self.sign_up(world, arrives_at);
        };
        self.customers[customer as usize].active = true;
        let detail = match act {
            Act::Nps | Act::Csat | Act::Ces => self.answer(world, customer, act, arrives_at),
            Act::Signup | Act::Order | Act::Churn => 0,
        };
        let mut delivery = self.delivery(customer, act, detail, arrives_at);
        // Hours late only where nothing that its customer did since would be contradicted.
        if customer < self.of_span && !back {
            delivery.lag = delay(&mut self.random);
        }
        delivery
    }

    fn answer(&mut self, world: &World, customer: u32, act: Act, arrives_at: i64) -> u8 {
        let mood: Mood = Profile::of(world.seed, customer).mood;
        let score = world.score(act, mood, arrives_at, &mut self.random);
        if Impression::of(act, score) == Some(Impression::Low) {
            remember(&mut self.uneasy, customer);
        }
        score
    }

    /// A random customer of that standing, or none if many tries find none.
    fn somebody(&mut self, fits: impl Fn(Standing) -> bool) -> Option<u32> {
        let count = self.customers.len() as u32;
        (0..64)
            .map(|_| self.random.below(count))
            .find(|customer| fits(self.customers[*customer as usize]))
    }

    /// What arrives within a second.
    fn delivery(&mut self, customer: u32, act: Act, detail: u8, arrives_at: i64) -> Delivery {
        let ordinal = u32::MAX - self.told % (u32::MAX / 2);
        self.told = self.told.wrapping_add(1);
        Delivery {
            arrives_at,
            lag: self.random.millis(20, 900),
            customer,
            ordinal,
            act,
            detail,
            plan: self.customers[customer as usize].plan,
            repeat: false,
        }
    }
}

fn remember<T>(memory: &mut VecDeque<T>, thing: T) {
    if memory.len() == REMEMBERED {
        memory.pop_front();
    }
    memory.push_back(thing);
}

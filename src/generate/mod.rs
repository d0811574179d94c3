//! Realistic customer events that nobody had to live through.
//!
//! Owns the generator of native events for trying, demonstrating and measuring: people of several
//! countries sign up, order with personal rates, answer surveys by their mood, leave (more likely
//! after a low answer) and sometimes come back; messages are late, out of order and repeated. The
//! same settings give the same bytes on every machine. Everything but [`sink`] is pure: no clock,
//! no I/O, no randomness but the seed's. Does not know how events are decoded or counted, so that
//! its streams can test exactly that.

mod encode;
mod life;
mod live;
mod profile;
mod random;
mod schedule;
mod season;
pub mod sink;

use std::ops::RangeInclusive;

use crate::event::{EventType, Timestamp};
use encode::Encoder;
use life::World;
use live::Live;
use schedule::{Delivery, Schedule};

/// What is told of the last days of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Scenario {
    /// Nothing out of the ordinary.
    #[default]
    Steady,
    /// The NPS falls by about 30 points in the last 5 days.
    NpsDrop,
    /// About three times the churn in the last 24 hours.
    ChurnSpike,
}

/// What decides a stream: equal settings, equal bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneratorSettings {
    /// Customers who sign up within the span, 1 to a billion.
    pub customers: u32,
    /// Length of the span in days, 1 to 3650. It stretches the lives: the number of events a
    /// customer has does not depend on it.
    pub days: u32,
    pub seed: u64,
    /// The first instant after the span.
    pub until: Timestamp,
    pub scenario: Scenario,
    /// Events a second after the span; without it the stream ends with the span.
    pub live_rate: Option<f64>,
}

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSettings {
    #[error("customers must be {} to {}", CUSTOMERS.start(), CUSTOMERS.end())]
    Customers,
    #[error("days must be {} to {}", DAYS.start(), DAYS.end())]
    Days,
    #[error("the span must lie within 2000-01-01 and 2069-12-31")]
    Span,
    #[error("the live rate must be above 0 and at most a million events a second")]
    LiveRate,
}

const CUSTOMERS: RangeInclusive<u32> = 1..=1_000_000_000;
const DAYS: RangeInclusive<u32> = 1..=3650;

impl GeneratorSettings {
    /// The first instant of the span.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.until.minus_millis(self.days as i64 * season::DAY)
    }

    fn check(&self) -> Result<(), InvalidSettings> {
        if !CUSTOMERS.contains(&self.customers) {
            return Err(InvalidSettings::Customers);
        }
        if !DAYS.contains(&self.days) {
            return Err(InvalidSettings::Days);
        }
        if !self.since().plausible() || !self.until.plausible() {
            return Err(InvalidSettings::Span);
        }
        if self
            .live_rate
            .is_some_and(|rate| !(rate > 0.0 && rate <= 1e6))
        {
            return Err(InvalidSettings::LiveRate);
        }
        Ok(())
    }
}

/// One record as a producer sends it; a buffer to be used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The customer's id as text, which is the key in Kafka.
    pub key: String,
    /// The event as one JSON object without line breaks.
    pub payload: Vec<u8>,
    pub event_type: EventType,
    /// When it happened; never after its arrival.
    pub occurred_at: Timestamp,
    /// When it reached the log, which is the Kafka timestamp.
    pub arrives_at: Timestamp,
    /// Whether the same event was delivered before.
    pub repeat: bool,
}

impl Record {
    /// An empty buffer.
    #[must_use]
    pub fn buffer() -> Self {
        Self {
            key: String::with_capacity(32),
            payload: Vec::with_capacity(512),
            event_type: EventType::Signup,
            occurred_at: Timestamp::FIRST,
            arrives_at: Timestamp::FIRST,
            repeat: false,
        }
    }
}

/// The stream of records, in the order of their arrival.
///
/// ```
/// use tenure::event::Timestamp;
/// use tenure::generate::{Generator, GeneratorSettings, Record, Scenario};
///
/// let mut generator = Generator::new(GeneratorSettings {
///     customers: 10,
///     days: 30,
///     seed: 1,
///     until: Timestamp::from_rfc3339("2026-01-01T00:00:00Z").unwrap(),
///     scenario: Scenario::Steady,
///     live_rate: None,
/// })
/// .unwrap();
/// let mut record = Record::buffer();
/// let mut count = 0;
/// while generator.next_into(&mut record) {
///     assert!(record.occurred_at <= record.arrives_at);
///     count += 1;
/// }
/// assert!(count >= 10);
/// ```
#[derive(Debug)]
pub struct Generator {
    settings: GeneratorSettings,
    world: World,
    encoder: Encoder,
    part: Part,
}

/// Where a stream is.
#[derive(Debug)]
enum Part {
    Span(Schedule),
    Live(Box<Live>),
    Over,
}

impl Generator {
    /// A stream by these settings.
    ///
    /// More than half a million customers are asked for their events once here, and once more for
    /// each two million records: some hundred nanoseconds a customer each time.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn new(settings: GeneratorSettings) -> Result<Self, InvalidSettings> {
        settings.check()?;
        let until = settings.until.as_millis();
        let world = World::new(settings.seed, settings.scenario, settings.days, until);
        let schedule = Schedule::new(&world, settings.customers);
        Ok(Self {
            settings,
            world,
            encoder: Encoder::new(settings.seed),
            part: Part::Span(schedule),
        })
    }

    /// Puts the next record into the buffer; false, with the buffer as it was, when there is none.
    pub fn next_into(&mut self, record: &mut Record) -> bool {
        match self.next_delivery() {
            Some(delivery) => {
                self.encoder.write(&delivery, record);
                true
            }
            None => false,
        }
    }

    fn next_delivery(&mut self) -> Option<Delivery> {
        if let Part::Span(schedule) = &mut self.part {
            let delivery = schedule.next(&self.world);
            if delivery.is_some() {
                return delivery;
            }
            self.part = match self.settings.live_rate {
                Some(rate) => {
                    let live = Live::new(&self.world, self.settings.customers, rate);
                    Part::Live(Box::new(live))
                }
                None => Part::Over,
            };
        }
        match &mut self.part {
            Part::Live(live) => Some(live.next(&self.world)),
            Part::Span(_) | Part::Over => None,
        }
    }
}

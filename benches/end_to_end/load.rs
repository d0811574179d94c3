//! Live events: orders and answers of known customers at a steady rate, and markers among them.
//!
//! Owns the producing threads, which end when they are told to, also when the benchmark panics. A
//! marker is an order of one unit in a currency that nobody else uses, so that the revenue in it
//! says how many of the markers are in a report.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::topic::{Topic, now};
use tenure::event::{EventType, Timestamp};
use tenure::generate::Record;
use tenure::generate::sink::pace::Pace;
use tenure::generate::sink::{Sink, SinkError};

/// The currency of markers.
pub const MARKER_CURRENCY: &str = "ISK";
/// Between two markers.
const MARK_EVERY: Duration = Duration::from_millis(20);
/// Between two looks at the clock.
const BURST: u64 = 500;

/// What a load did.
#[derive(Debug, Default)]
pub struct Load {
    stop: AtomicBool,
    sent: AtomicU64,
}

/// Ends the load when it goes.
struct StopAtEnd<'a>(&'a Load);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

impl Load {
    /// Runs `observe` while events come at about `rate` a second; gives what it gave, when each
    /// marker was acknowledged by the broker, and how many events a second were sent.
    pub fn run<T>(
        topic: &Topic<'_>,
        rate: u32,
        observe: impl FnOnce() -> T,
    ) -> (T, Vec<Instant>, f64) {
        let load = Self::default();
        let begun = Instant::now();
        thread::scope(|scope| {
            let orders = scope.spawn(|| load.orders(topic, rate));
            let markers = scope.spawn(|| load.markers(topic));
            let observed = {
                let _end = StopAtEnd(&load);
                observe()
            };
            let sent = load.sent.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
            assert!(orders.join().is_ok(), "the load ended early");
            let markers = markers.join().unwrap_or_else(|_| panic!("no markers"));
            (observed, markers, sent)
        })
    }

    fn orders(&self, topic: &Topic<'_>, rate: u32) {
        let failed = |error: SinkError| -> ! { panic!("cannot send events: {error}") };
        let producer = topic.producer(&[]);
        let mut producer = producer.unwrap_or_else(|error| failed(error));
        let Some(pace) = Pace::new(f64::from(rate)) else {
            return;
        };
        let (begun, mut sent) = (Instant::now(), 0_u64);
        let mut record = Record::buffer();
        let run = now().as_millis();
        while !self.stop.load(Ordering::Relaxed) {
            let at = now();
            for _ in 0..BURST {
                // Spread over all customers, so that no cache helps.
                let place = sent.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
                let name = topic.names.get(place as usize);
                write_event(&mut record, name, run, sent, at);
                producer.send(&record).unwrap_or_else(|error| failed(error));
                sent += 1;
            }
            self.sent.store(sent, Ordering::Relaxed);
            thread::sleep(pace.wait(sent, begun.elapsed()));
        }
        producer.finish().unwrap_or_else(|error| failed(error));
    }

    fn markers(&self, topic: &Topic<'_>) -> Vec<Instant> {
        let mut acknowledged = Vec::new();
        let failed = |error: SinkError| -> ! { panic!("cannot send a marker: {error}") };
        let producer = topic.producer(&[("linger.ms", "0")]);
        let mut producer = producer.unwrap_or_else(|error| failed(error));
        let run = now().as_millis();
        while !self.stop.load(Ordering::Relaxed) {
            let number = acknowledged.len();
            let sent = producer.send(&marker(run, number));
            let sent = sent.and_then(|()| producer.finish());
            sent.unwrap_or_else(|error| failed(error));
            acknowledged.push(Instant::now());
            thread::sleep(MARK_EVERY);
        }
        acknowledged
    }
}

/// Three orders for each answer, of about the length of generated ones.
fn write_event(record: &mut Record, customer: &str, run: i64, number: u64, at: Timestamp) {
    let order = !number.is_multiple_of(4);
    let mut payload = String::from_utf8(std::mem::take(&mut record.payload)).unwrap_or_default();
    payload.clear();
    let (millis, cents) = (at.as_millis(), number % 90_000 + 1000);
    // Writing into a text cannot fail.
    let _ = if order {
        write!(
            payload,
            r#"{{"event_id":"live-{run}-{number}","type":"purchase","customer_id":"{customer}","occurred_at":{millis},"order_id":"order-{run}-{number}","amount":"{}.{:02}","currency":"EUR","attributes":{{"plan":"basic","country":"DE"}}}}"#,
            cents / 100,
            cents % 100
        )
    } else {
        write!(
            payload,
            r#"{{"event_id":"live-{run}-{number}","type":"survey_submitted","customer_id":"{customer}","occurred_at":{millis},"survey":"nps","score":{},"channel":"email","attributes":{{"plan":"basic","country":"DE"}}}}"#,
            number / 4 % 11
        )
    };
    record.payload = payload.into_bytes();
    record.key.clear();
    record.key.push_str(customer);
    record.event_type = if order {
        EventType::Purchase
    } else {
        EventType::SurveySubmitted
    };
    record.occurred_at = at;
    record.arrives_at = at;
    record.repeat = false;
}

fn marker(run: i64, number: usize) -> Record {
    let at = now();
    let customer = format!("marker-{number}");
    let payload = format!(
        r#"{{"event_id":"marker-{run}-{number}","type":"purchase","customer_id":"{customer}","occurred_at":{},"amount":"1","currency":"{MARKER_CURRENCY}"}}"#,
        at.as_millis()
    );
    Record {
        key: customer,
        payload: payload.into_bytes(),
        event_type: EventType::Purchase,
        occurred_at: at,
        arrives_at: at,
        repeat: false,
    }
}

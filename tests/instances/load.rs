//! The events: a history, and a load that goes on while instances come and go.
//!
//! Owns what is sent and the exact list of it. Every live event happens some seconds *after* it is
//! sent, so that at `T` the log has held everything before `T` for a while, and what is true of `T`
//! follows from the list alone:
//!
//! ```text
//!            sent        acknowledged                         occurs
//! event   ----+---------------+---------------------------------+------------> time
//!             |<------------------- lead ---------------------->|
//!                                                          first T with it
//! ```
//!
//! An event that was acknowledged too late all the same (the machine was busy, a broker was gone)
//! is known: instants between its occurring and its acknowledgement are not compared. Promises
//! idempotent sending, acknowledged by all replicas in sync, and repeats, disorder, departures and
//! returns among the events.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use serde::Deserialize;
use serde_json::Value;
use tenure::generate::sink::pace::Pace;

use super::reference::text;
use crate::real::kafka::Kafka;
use crate::service::{DEADLINE, now, rfc3339};

/// Ahead of their sending live events occur by so many milliseconds, up to twice as many.
#[derive(Clone, Copy, Debug)]
pub enum Lead {
    /// Little is hidden by it: for what must be noticed at once.
    Near = 1_000,
    Usual = 5_000,
    /// While a broker may be gone.
    Far = 25_000,
}

/// Days of history before the load.
const DAYS: &str = "60";

/// Among so many of the last events a repeat is chosen.
const REPEATED_WITHIN: usize = 200;

/// What happens, in a thousand.
const PURCHASES: u64 = 330;
const NPS_ANSWERS: u64 = 240;
const CSAT_ANSWERS: u64 = 120;
const CES_ANSWERS: u64 = 120;
const REPEATS: u64 = 80;
const SIGNUPS: u64 = 60;

/// Everything that was sent, and what became of it.
pub struct Log {
    topic: String,
    /// Events in the order of their sending.
    lines: Mutex<Vec<String>>,
    producer: ThreadedProducer<Deliveries>,
    lead: AtomicI64,
    stop: AtomicBool,
}

/// Acknowledgements.
#[derive(Default)]
struct Deliveries {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    /// From when to when it depends on chance whether an event is in the numbers, in milliseconds.
    unsettled: Mutex<Vec<(i64, i64)>>,
}

impl ClientContext for Deliveries {}

/// With each record goes when its event occurs.
impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<i64>;

    fn delivery(&self, result: &DeliveryResult<'_>, occurs: Box<i64>) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let now = millis();
        if *occurs <= now {
            self.unsettled.lock().unwrap().push((*occurs, now));
        }
    }
}

/// A load that runs until it is told to stop, or goes.
pub struct Load {
    log: Arc<Log>,
    sending: Option<JoinHandle<()>>,
}

/// What is read of an event that the program made up.
#[derive(Deserialize)]
struct Known {
    customer_id: Value,
}

impl Log {
    /// Fills the topic with weeks of so many customers' events.
    pub fn with_history(kafka: &Kafka, topic: &str, customers: u32, seed: u64) -> Arc<Self> {
        let mut client = kafka.client_config();
        for (key, value) in [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("partitioner", "murmur2_random"),
            ("linger.ms", "20"),
            ("message.timeout.ms", "120000"),
            // Partitions that are new are soon used.
            ("topic.metadata.refresh.interval.ms", "500"),
        ] {
            client.set(key, value);
        }
        let log = Self {
            topic: topic.to_owned(),
            lines: Mutex::default(),
            producer: client.create_with_context(Deliveries::default()).unwrap(),
            lead: AtomicI64::new(Lead::Usual as i64),
            stop: AtomicBool::new(false),
        };
        for line in history(customers, seed) {
            log.send(&customer_of(&line), &line, 0);
        }
        log.producer.flush(DEADLINE).unwrap();
        log.all_arrived();
        Arc::new(log)
    }

    fn send(&self, customer: &str, line: &str, occurs: i64) {
        let mut opaque = Box::new(occurs);
        loop {
            let record = BaseRecord::with_opaque_to(&self.topic, opaque);
            match self.producer.send(record.key(customer).payload(line)) {
                Ok(()) => break,
                Err((error, again)) => {
                    assert!(error.to_string().contains("QueueFull"), "{error}");
                    thread::sleep(Duration::from_millis(20));
                    opaque = again.delivery_opaque;
                }
            }
        }
        self.lines.lock().unwrap().push(line.to_owned());
    }

    /// From now on events occur by so much later than they are sent.
    pub fn lead(&self, lead: Lead) {
        self.lead.store(lead as i64, Ordering::Relaxed);
    }

    /// How many events there are by now.
    pub fn len(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// All events as newline-delimited JSON. None may be on its way.
    pub fn text(&self) -> String {
        self.all_arrived();
        self.lines.lock().unwrap().join("\n")
    }

    /// Everybody who occurs, each once.
    pub fn customers(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let mut customers: Vec<String> = lines.iter().map(|line| customer_of(line)).collect();
        customers.sort_unstable();
        customers.dedup();
        customers
    }

    fn all_arrived(&self) {
        let deliveries = self.producer.client().context();
        let failed = deliveries.failed.load(Ordering::Relaxed);
        assert_eq!(failed, 0, "events are not in the log");
        let acknowledged = deliveries.acknowledged.load(Ordering::Relaxed);
        assert_eq!(acknowledged, self.len() as u64, "events on their way");
    }

    /// Whether everything that happened before this instant was in the log by then.
    pub fn settled(&self, at: i64) -> bool {
        let unsettled = &self.producer.client().context().unsettled;
        let unsettled = unsettled.lock().unwrap();
        let mut unsettled = unsettled.iter();
        !unsettled.any(|(occurred, arrived)| (*occurred..=*arrived).contains(&at))
    }
}

impl Load {
    /// Sends so many events a second, some of them twice.
    pub fn start(log: &Arc<Log>, a_second: u32, seed: u64) -> Self {
        Self::of(log, a_second, Lives::new(log, seed))
    }

    /// The same without repeats.
    pub fn without_repeats(log: &Arc<Log>, a_second: u32, seed: u64) -> Self {
        let lives = Lives {
            repeats: false,
            ..Lives::new(log, seed)
        };
        Self::of(log, a_second, lives)
    }

    fn of(log: &Arc<Log>, a_second: u32, mut lives: Lives) -> Self {
        let own = Arc::clone(log);
        own.stop.store(false, Ordering::Relaxed);
        let sending = thread::spawn(move || {
            let pace = Pace::new(f64::from(a_second)).unwrap();
            let (begun, mut sent) = (Instant::now(), 0);
            while !own.stop.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    let lead = own.lead.load(Ordering::Relaxed);
                    let (customer, line, occurs) = lives.next(lead);
                    own.send(&customer, &line, occurs);
                    sent += 1;
                }
                thread::sleep(pace.wait(sent, begun.elapsed()));
            }
            own.producer.flush(DEADLINE).unwrap();
        });
        Self {
            log: Arc::clone(log),
            sending: Some(sending),
        }
    }

    /// Ends the load once everything is acknowledged.
    pub fn stop(mut self) {
        self.log.stop.store(true, Ordering::Relaxed);
        self.sending.take().unwrap().join().unwrap();
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.log.stop.store(true, Ordering::Relaxed);
        if let Some(sending) = self.sending.take() {
            // A failure of the sending is told by its own thread.
            let _ = sending.join();
        }
    }
}

/// What customers do next.
struct Lives {
    random: Random,
    repeats: bool,
    here: Vec<String>,
    gone: Vec<String>,
    latest: VecDeque<(String, String, i64)>,
    run: i64,
    told: u64,
}

impl Lives {
    fn new(log: &Log, seed: u64) -> Self {
        Self {
            random: Random(seed),
            repeats: true,
            here: log.customers(),
            gone: Vec::new(),
            latest: VecDeque::new(),
            run: millis(),
            told: 0,
        }
    }

    /// A customer, an event as JSON, and when it occurs.
    fn next(&mut self, lead: i64) -> (String, String, i64) {
        let kind = self.random.below(1000);
        if kind < REPEATS && self.repeats && !self.latest.is_empty() {
            let again = self.random.below(self.latest.len() as u64) as usize;
            return self.latest[again].clone();
        }
        self.told += 1;
        let (customer, what) = self.act(kind.saturating_sub(REPEATS));
        let occurs = millis() + lead + self.random.below(lead as u64) as i64;
        let plan = ["free", "basic", "pro"][self.random.below(3) as usize];
        let country = ["DE", "TR", "US", "JP"][self.random.below(4) as usize];
        let line = format!(
            r#"{{"event_id":"{}-{}","customer_id":"{customer}","occurred_at":{occurs},{what},"attributes":{{"plan":"{plan}","country":"{country}"}}}}"#,
            self.run, self.told
        );
        let event = (customer, line, occurs);
        self.latest.push_back(event.clone());
        if self.latest.len() > REPEATED_WITHIN {
            self.latest.pop_front();
        }
        event
    }

    fn act(&mut self, mut kind: u64) -> (String, String) {
        for (share, act) in [
            (PURCHASES, Self::purchase as fn(&mut Self) -> String),
            (NPS_ANSWERS, |lives| lives.answer("nps", 0, 10)),
            (CSAT_ANSWERS, |lives| lives.answer("csat", 1, 5)),
            (CES_ANSWERS, |lives| lives.answer("ces", 1, 5)),
        ] {
            if kind < share {
                let what = act(self);
                let at = self.random.below(self.here.len() as u64) as usize;
                return (self.here[at].clone(), what);
            }
            kind -= share;
        }
        if kind < SIGNUPS {
            (self.newcomer(), r#""type":"signup""#.to_owned())
        } else {
            let reason = ["price", "moved", "quality"][self.random.below(3) as usize];
            let at = self.random.below(self.here.len() as u64) as usize;
            let customer = self.here.swap_remove(at);
            self.gone.push(customer.clone());
            (customer, format!(r#""type":"churn","reason":"{reason}""#))
        }
    }

    fn purchase(&mut self) -> String {
        let cents = 500 + self.random.below(20_000);
        let mut text = r#""type":"purchase","amount":"#.to_owned();
        // Writing into a text cannot fail.
        let _ = write!(
            text,
            r#""{}.{:02}","currency":"EUR""#,
            cents / 100,
            cents % 100
        );
        text
    }

    /// The mood changes every few seconds, so that scores move.
    fn answer(&mut self, survey: &str, lowest: u64, highest: u64) -> String {
        let good = (self.told / 500).is_multiple_of(2);
        let (one, two) = (
            lowest + self.random.below(highest - lowest + 1),
            lowest + self.random.below(highest - lowest + 1),
        );
        let score = if good { one.max(two) } else { one.min(two) };
        format!(
            r#""type":"survey_submitted","survey":"{survey}","score":{score},"channel":"email""#
        )
    }

    /// Every third one was here before.
    fn newcomer(&mut self) -> String {
        let back = self.random.below(3) == 0;
        let customer = match self.gone.pop() {
            Some(customer) if back => customer,
            _ => format!("n-{}-{}", self.run, self.told),
        };
        self.here.push(customer.clone());
        customer
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}

/// What a made-up shop's customers did until a minute ago.
fn history(customers: u32, seed: u64) -> Vec<String> {
    let generated = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["generate", "--customers", &customers.to_string()])
        .args(["--days", DAYS, "--seed", &seed.to_string()])
        .args(["--until", &rfc3339(now() - 60.0)])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(generated.status.success());
    let text = String::from_utf8(generated.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn customer_of(line: &str) -> String {
    let known: Known = serde_json::from_str(line).unwrap();
    text(&known.customer_id)
}

fn millis() -> i64 {
    (now() * 1000.0) as i64
}

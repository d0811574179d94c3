//! Instances of the program that share one topic by one group.
//!
//! Owns their configuration files, the places that are kept for them (so that Prometheus knows every
//! address from the start), the processes, and what their pages say. Promises that every wait has a
//! deadline, and that nothing is asked of an instance that is frozen. Deliberately knows nothing of
//! what the numbers should be.
//!
//! ```text
//! place 0   tenure-0, a static member      127.0.0.1:PORT0
//! place 1   a new member at each start     127.0.0.1:PORT1      one folder for the checkpoints
//! place 2   tenure-2, a static member      127.0.0.1:PORT2      of all, one key, one token
//! ...
//! ```

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::real::folder::KeptFolder;
use crate::real::kafka::Kafka;
use crate::real::process::{Process, Signal, new_folder, tenure};
use crate::real::{eventually, free_ports, http};
use crate::service::{DEADLINE, Page, now};

/// What the numbers depend on.
pub const SETTINGS: [&str; 3] = [
    "dimensions=plan,country",
    "periods=24h,7d,30d,this_month",
    "inactivity_timeout=45d",
];

/// How many instances there can be.
pub const PLACES: usize = 5;

/// Between two looks at all pages.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What instances show each other, and who asks for a customer shows them.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// How instances are set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    pub topic: &'a str,
    pub report_topic: Option<&'a str>,
    /// After so long without a sign of life an instance is no member any more.
    pub session: Duration,
    /// Between two checkpoints.
    pub checkpoints: Duration,
}

/// Places for instances, and the instances in them.
pub struct Fleet {
    folder: KeptFolder,
    places: Vec<Place>,
    /// Looks at the pages since the last [`Self::standstill`].
    sight: Sight,
}

struct Place {
    address: SocketAddr,
    process: Option<Process>,
    frozen: bool,
}

/// What the newest number was over time, whoever served it.
#[derive(Debug, Default)]
struct Sight {
    newest: f64,
    /// When it was first seen.
    since: Option<Instant>,
    /// Since when nobody serves a number.
    dark_since: Option<Instant>,
    still: Duration,
    dark: Duration,
}

/// What clients of the service noticed of a fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standstill {
    /// For how long the instant of the newest numbers stood still.
    pub still: Duration,
    /// For how long no instance served any number.
    pub dark: Duration,
}

impl Fleet {
    /// Writes what instances need. Nothing is started.
    pub fn new(kafka: &Kafka, setup: &Setup<'_>) -> Self {
        let folder = KeptFolder::new("fleet");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("digest.key", "000102030405060708090a0b0c0d0e0f\n");
        write("token", TOKEN);
        let ports: [u16; PLACES] = free_ports();
        let places: Vec<Place> = ports
            .into_iter()
            .map(|port| Place {
                address: SocketAddr::from(([127, 0, 0, 1], port)),
                process: None,
                frozen: false,
            })
            .collect();
        for (number, place) in places.iter().enumerate() {
            let text = configuration(kafka, setup, number, place.address);
            write(&format!("tenure-{number}.yaml"), &text);
        }
        Self {
            folder,
            places,
            sight: Sight::default(),
        }
    }

    /// All addresses, whether somebody is there or not.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.places.iter().map(|place| place.address).collect()
    }

    pub fn url(&self, place: usize) -> String {
        format!("http://{}", self.places[place].address)
    }

    /// The places in which an instance runs that is not frozen.
    pub fn awake(&self) -> Vec<usize> {
        let awake = |place: &Place| place.process.is_some() && !place.frozen;
        (0..PLACES)
            .filter(|place| awake(&self.places[*place]))
            .collect()
    }

    pub fn process(&self, place: usize) -> &Process {
        let process = self.places[place].process.as_ref();
        process.unwrap_or_else(|| panic!("nothing runs in place {place}"))
    }

    pub fn start(&mut self, place: usize) {
        let at = &mut self.places[place];
        assert!(at.process.is_none(), "place {place} is taken");
        let mut command = tenure(&self.folder.path().join("state"));
        let file = self.folder.path().join(format!("tenure-{place}.yaml"));
        command.args(["run", "--config"]).arg(file);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        at.process = Some(Process::start(new_folder("tenure"), &command));
    }

    /// Sends a signal that ends these instances, to all of them before any is waited for.
    pub fn end(&mut self, places: &[usize], signal: Signal) {
        let mut ended: Vec<Process> = Vec::new();
        for place in places {
            let process = self.places[*place].process.take();
            let mut process = process.unwrap_or_else(|| panic!("nothing runs in place {place}"));
            process.send(signal);
            ended.push(process);
        }
        let started = Instant::now();
        while ended.iter().any(|process| process.exit_code().is_none()) {
            assert!(
                started.elapsed() < DEADLINE,
                "{places:?} do not end: {}",
                ended[0].tail()
            );
            self.look();
        }
        if signal == Signal::Terminate {
            for process in &ended {
                assert_eq!(process.exit_code(), Some(0), "{}", process.tail());
            }
        }
    }

    pub fn freeze(&mut self, place: usize) {
        let at = &mut self.places[place];
        at.frozen = true;
        at.process.as_mut().unwrap().send(Signal::Stop);
    }

    pub fn thaw(&mut self, place: usize) {
        let at = &mut self.places[place];
        at.process.as_mut().unwrap().send(Signal::Continue);
        at.frozen = false;
    }

    pub fn page(&self, place: usize) -> Result<Page, String> {
        Ok(Page::parse(&self.text(place)?))
    }

    fn text(&self, place: usize) -> Result<String, String> {
        http::get_ok(&format!("{}/metrics", self.url(place)), &[])
    }

    /// Looks at all pages, and waits a moment.
    pub fn look(&mut self) {
        let times: Vec<f64> = self
            .awake()
            .into_iter()
            .map(|place| self.text(place).map_or(0.0, |text| time_of(&text)))
            .collect();
        self.sight.see(&times);
        thread::sleep(LOOK_EVERY);
    }

    /// Goes on looking for so long.
    pub fn look_for(&mut self, span: Duration) {
        let started = Instant::now();
        while started.elapsed() < span {
            self.look();
        }
    }

    /// Waits until every instance that is awake serves all numbers of this instant or a later one.
    pub fn serves_since(&mut self, instant: f64, deadline: Duration) {
        let started = Instant::now();
        loop {
            self.look();
            let awake = self.awake();
            let behind: Vec<usize> = awake
                .into_iter()
                .filter(|place| !self.is_complete_since(*place, instant))
                .collect();
            let Some(place) = behind.first() else {
                return;
            };
            let process = self.process(*place);
            assert_eq!(process.exit_code(), None, "{}", process.tail());
            assert!(
                started.elapsed() < deadline,
                "{behind:?} serve nothing of {instant}, {:?}: {:#?}\n{}",
                self.page(*place).map(|page| page.time()),
                self.page(*place)
                    .map(|page| page.withheld("catching_up").len()),
                process.tail()
            );
        }
    }

    fn is_complete_since(&self, place: usize, instant: f64) -> bool {
        self.page(place)
            .is_ok_and(|page| page.time() >= instant && page.value("tenure_customers").is_some())
    }

    /// Waits until everybody serves numbers of after now.
    pub fn serves_anew(&mut self, deadline: Duration) {
        self.serves_since(now(), deadline);
    }

    /// Waits until each instance has some of the partitions, and together they have each once.
    pub fn shares(&self, partitions: i32) {
        eventually(DEADLINE, "partitions that are shared out", || {
            let owned = self.awake().into_iter().map(|place| {
                let page = self.page(place)?;
                Ok(page.sum("tenure_assigned_partitions"))
            });
            let owned = owned.collect::<Result<Vec<f64>, String>>()?;
            let even = owned.iter().all(|count| *count > 0.0);
            if even && owned.iter().sum::<f64>() == f64::from(partitions) {
                Ok(())
            } else {
                Err(format!("{owned:?}"))
            }
        });
    }

    /// The longest standstill that was seen since the last question.
    pub fn standstill(&mut self) -> Standstill {
        let seen = Standstill {
            still: self.sight.still,
            dark: self.sight.dark,
        };
        self.sight.still = Duration::ZERO;
        self.sight.dark = Duration::ZERO;
        seen
    }
}

impl Sight {
    /// The instants that pages name; 0 where there is none.
    fn see(&mut self, times: &[f64]) {
        let now = Instant::now();
        let newest = times.iter().copied().fold(0.0, f64::max);
        if newest > self.newest {
            self.newest = newest;
            self.since = Some(now);
        }
        if newest > 0.0 {
            self.dark_since = None;
        } else {
            let since = *self.dark_since.get_or_insert(now);
            self.dark = self.dark.max(now - since);
        }
        if let Some(since) = self.since {
            self.still = self.still.max(now - since);
        }
    }
}

/// The instant of a page; 0 while there is none.
fn time_of(text: &str) -> f64 {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("tenure_report_timestamp_seconds "));
    value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

fn configuration(kafka: &Kafka, setup: &Setup<'_>, number: usize, address: SocketAddr) -> String {
    let session = setup.session.as_millis();
    let report_topic = setup.report_topic.unwrap_or("null");
    // Some are known to the group by name, some are not.
    let instance_id = if number.is_multiple_of(2) {
        format!("tenure-{number}")
    } else {
        "null".to_owned()
    };
    format!(
        "listen: {address}\n\
         customer_digest_key_file: digest.key\n\
         api:\n  customers: true\n  token_file: token\n\
         state:\n  interval: {}ms\n\
         kafka:\n  bootstrap_servers: {}\n  topics: [{topic}]\n  group_id: {topic}\n  properties:\n    \
         session.timeout.ms: \"{session}\"\n    heartbeat.interval.ms: \"{}\"\n\
         cluster:\n  instance_id: {instance_id}\n  report_topic: {report_topic}\n  \
         advertise: http://{address}\n  token_file: token\n",
        setup.checkpoints.as_millis(),
        kafka.bootstrap_servers(),
        session / 6,
        topic = setup.topic,
    )
}

//! Crashes of the program and faults of its disk: whatever happens, in the end every number is what a
//! replay of the same records says.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "these tests need no Prometheus and change no topics"
)]
mod real;
#[expect(dead_code, reason = "these tests degrade no shard")]
mod service;

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use real::eventually;
use real::folder::KeptFolder;
use real::host::{Host, Mood};
use real::kafka::{Kafka, KafkaOptions};
use real::process::Signal;
use service::{DEADLINE, Installation, Page, Service, now, rfc3339};

const PARTITIONS: i32 = 4;

/// What the numbers depend on, with segments and calendars.
const SETTINGS: [&str; 4] = [
    "time_zone=Europe/Istanbul",
    "inactivity_timeout=60d",
    "dimensions=plan,country",
    "periods=24h,7d,30d,this_month,last_month,last_quarter",
];

/// Bytes that are no event, without a line end.
const DAMAGED: [&[u8]; 6] = [
    b"{\"event_id\":",
    b"[1,2]",
    b"{}",
    b"\xff\xfe\x00 not json",
    b"{\"event_id\":\"1\",\"type\":\"refund\",\"customer_id\":\"c\",\"occurred_at\":1762000000000}",
    b"{\"event_id\":\"1\",\"type\":\"signup\",\"customer_id\":\"c\",\"occurred_at\":\"yesterday\"}",
];

/// Records of a topic that are at the same time lines of a file.
struct Log {
    topic: String,
    client: ClientConfig,
    folder: KeptFolder,
    /// Events in the order of sending, each with its partition.
    lines: Vec<(i32, Vec<u8>)>,
    sent: AtomicI64,
    file: Mutex<BufWriter<File>>,
}

impl Log {
    /// A new topic of these brokers, and events for it: in disorder, some of them damaged, some
    /// repeated near by. Nothing is sent yet.
    fn new(kafka: &Kafka, topic: &str, customers: u32, seed: u64) -> Self {
        kafka.create_topic(topic, PARTITIONS, &[]);
        let folder = KeptFolder::new("log");
        let file = File::create(folder.path().join("events.ndjson")).unwrap();
        Self {
            topic: topic.to_owned(),
            client: kafka.client_config(),
            folder,
            lines: events(customers, seed),
            sent: AtomicI64::new(0),
            file: Mutex::new(BufWriter::new(file)),
        }
    }

    /// Sends the next so many records, from the beginning again after the last, and waits until the
    /// brokers have them.
    fn send(&self, records: usize) {
        let producer: BaseProducer = self.client.create().unwrap();
        self.send_through(&producer, records);
        producer.flush(DEADLINE).unwrap();
    }

    fn send_through(&self, producer: &BaseProducer, records: usize) {
        let mut file = self.file.lock().unwrap();
        for _ in 0..records {
            let sent = usize::try_from(self.sent.fetch_add(1, Ordering::Relaxed)).unwrap();
            let (partition, line) = &self.lines[sent % self.lines.len()];
            let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic)
                .partition(*partition)
                .payload(line);
            while let Err((error, again)) = producer.send(record) {
                assert!(error.to_string().contains("QueueFull"), "{error}");
                producer.poll(Duration::from_millis(50));
                record = again;
            }
            file.write_all(line).unwrap();
            file.write_all(b"\n").unwrap();
        }
        producer.poll(Duration::ZERO);
    }

    /// Sends so many records a second until told to stop.
    fn keep_sending(&self, a_second: usize, stop: &AtomicBool) {
        let producer: BaseProducer = self.client.create().unwrap();
        while !stop.load(Ordering::Relaxed) {
            self.send_through(&producer, a_second / 50);
            thread::sleep(Duration::from_millis(20));
        }
        producer.flush(DEADLINE).unwrap();
    }

    fn sent(&self) -> i64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The file with everything sent.
    fn file(&self) -> PathBuf {
        self.file.lock().unwrap().flush().unwrap();
        self.folder.path().join("events.ndjson")
    }

    fn installation(&self, settings: &[&str]) -> Installation {
        let servers = self.client.get("bootstrap.servers").unwrap();
        let settings: Vec<&str> = SETTINGS.iter().chain(settings).copied().collect();
        Installation::new(servers, &self.topic, &settings)
    }

    /// Waits until the service has everything that was sent, and compares all its numbers.
    #[track_caller]
    fn agrees(&self, installation: &Installation, service: &Service) -> Page {
        let page = service.page_at(self.sent());
        let compared = page.same_numbers(&installation.replay(&self.file(), page.time()));
        assert!(compared > 300, "{compared} numbers compared");
        page
    }
}

fn events(customers: u32, seed: u64) -> Vec<(i32, Vec<u8>)> {
    let generated = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["generate", "--customers", &customers.to_string()])
        .args(["--days", "200", "--seed", &seed.to_string()])
        .args(["--until", &rfc3339(now() - 1.0)])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(generated.status.success());
    let mut random = Random(seed);
    let mut events = Vec::new();
    for line in generated.stdout.split(|byte| *byte == b'\n') {
        let Some(customer) = customer_of(line) else {
            continue;
        };
        let partition = (hash(customer) % PARTITIONS as u64) as i32;
        let again = random.below(10) == 0;
        for _ in 0..=usize::from(again) {
            events.push((partition, line.to_vec()));
        }
        if random.below(50) == 0 {
            let damaged = DAMAGED[random.below_len(DAMAGED.len())];
            events.push((partition, damaged.to_vec()));
        }
    }
    for at in 0..events.len() {
        let other = at + random.below_len(200);
        if other < events.len() {
            events.swap(at, other);
        }
    }
    events
}

fn customer_of(line: &[u8]) -> Option<&[u8]> {
    let name = b"\"customer_id\":\"";
    let from = line.windows(name.len()).position(|part| part == name)? + name.len();
    let length = line[from..].iter().position(|byte| *byte == b'"')?;
    Some(&line[from..from + length])
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// SplitMix64, so that a seed tells the whole run but for its timing.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    fn below_len(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let given = env::var(variable).ok();
    given.map_or(default, |text| text.parse().unwrap())
}

/// The moment at which a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Moment {
    /// So soon that it is still starting, restoring or catching up.
    Early,
    Any,
    /// A checkpoint is written but not yet on the disk.
    InCheckpoint,
    /// A checkpoint is being opened.
    InRestore,
}

impl Moment {
    fn pick(random: &mut Random) -> Self {
        match random.below(20) {
            0..7 => Self::Early,
            7..14 => Self::Any,
            14..17 => Self::InCheckpoint,
            _ => Self::InRestore,
        }
    }
}

/// Within this time a checkpoint begins, or one had begun.
const IN_CHECKPOINT: Duration = Duration::from_secs(4);

/// Ends what goes on meanwhile, also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An installation that is killed again and again.
struct Victim<'a> {
    log: &'a Log,
    installation: Installation,
    disk: Host,
    random: Random,
    killed: HashMap<Moment, u64>,
}

impl Victim<'_> {
    /// Starts the service and kills it at a moment of this kind.
    fn kill(&mut self, moment: Moment) {
        let held = moment == Moment::InRestore && !self.installation.checkpoints().is_empty();
        self.disk
            .reads(if held { Mood::Hangs } else { Mood::Works });
        let disk = &self.disk;
        let mut service = self
            .installation
            .start_with(&[], |command| disk.hold(command));
        match moment {
            Moment::Early => self.wait_up_to(400),
            Moment::Any => self.wait_up_to(2500),
            Moment::InRestore if held => {
                service.page_when("a restore", |page| {
                    let mut states = page.of("tenure_shard_state");
                    states.any(|(series, value)| series.contains("restoring") && value == 1.0)
                });
            }
            Moment::InRestore => {}
            Moment::InCheckpoint => {
                self.disk.syncs(Mood::Hangs);
                let (before, begun) = (self.staged(), Instant::now());
                // Without a new file it hangs behind the last step, when the file has its name.
                while self.staged() <= before && begun.elapsed() < IN_CHECKPOINT {
                    thread::sleep(Duration::from_millis(5));
                }
            }
        }
        service.process.send(Signal::Kill);
        let code = service.process.wait(DEADLINE);
        assert_eq!(code, 128 + 9, "{moment:?}: {}", service.process.tail());
        self.disk.syncs(Mood::Works);
        self.disk.reads(Mood::Works);
        *self.killed.entry(moment).or_default() += 1;
    }

    fn wait_up_to(&mut self, millis: u64) {
        // The wait is the fault that is tried: a kill at no particular moment.
        thread::sleep(Duration::from_millis(self.random.below(millis)));
    }

    /// Files of checkpoints that are not complete.
    fn staged(&self) -> usize {
        let files = self.installation.state.files();
        files.iter().filter(|file| is_staged(file)).count()
    }
}

fn is_staged(file: &Path) -> bool {
    file.to_string_lossy().contains(".ckpt#")
}

#[test]
fn after_any_number_of_kills_every_number_is_what_a_replay_says() {
    let kills = number("TENURE_KILLS", 100);
    let seed = number("TENURE_SEED", (now() * 1000.0) as u64);
    eprintln!("TENURE_SEED={seed} TENURE_KILLS={kills}");
    let log = Log::new(Kafka::shared(), "killed", 10_000, seed);
    log.send(5_000);
    let stop = AtomicBool::new(false);
    let killed = thread::scope(|scope| {
        let stop_at_end = StopAtEnd(&stop);
        let producer = scope.spawn(|| log.keep_sending(400, &stop));
        // Two at a time, which have nothing in common but the log.
        let victims: Vec<_> = (0..2)
            .map(|lane| {
                let log = &log;
                scope.spawn(move || kill_many(log, lane, kills / 2, seed))
            })
            .collect();
        let victims: Vec<Victim<'_>> = victims.into_iter().map(|v| v.join().unwrap()).collect();
        drop(stop_at_end);
        producer.join().unwrap();
        victims
    });
    for victim in killed {
        eprintln!("{:?} of {} records", victim.killed, log.sent());
        let service = victim.installation.start();
        let page = log.agrees(&victim.installation, &service);
        assert_eq!(page.sum("tenure_shard_degraded"), 0.0);
        service.ends_well();
        assert_eq!(victim.installation.checkpoint_offsets(0).len(), 3);
        victim.installation.verifies();
    }
}

fn kill_many(log: &Log, lane: u64, kills: u64, seed: u64) -> Victim<'_> {
    let group = format!("kafka.group_id=killed-{lane}");
    let mut victim = Victim {
        log,
        installation: log.installation(&[&group]),
        disk: Host::new(),
        random: Random(seed ^ (lane + 1)),
        killed: HashMap::new(),
    };
    for kill in 0..kills {
        let moment = Moment::pick(&mut victim.random);
        victim.kill(moment);
        // Now and then it lives until it has something to lose.
        if kill % 10 == 9 {
            let service = victim.installation.start();
            let records = victim.log.sent() as f64;
            service.page_when("the records of a moment ago", |page| {
                page.sum("tenure_kafka_partition_position_offset") >= records
            });
        }
    }
    victim
}

/// The next offsets of the newest checkpoints, over all partitions.
fn kept(installation: &Installation) -> i64 {
    let newest = |partition| installation.checkpoint_offsets(partition).last().copied();
    (0..PARTITIONS).filter_map(newest).sum()
}

fn received(page: &Page) -> i64 {
    page.sum("tenure_events_received_total") as i64
}

#[test]
fn after_a_termination_under_load_a_restart_reads_nothing_twice() {
    let log = Log::new(Kafka::shared(), "terminated", 3_000, 1);
    let installation = log.installation(&["state.interval=1h"]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop_at_end = StopAtEnd(&stop);
        let producer = scope.spawn(|| log.keep_sending(2_000, &stop));
        for _ in 0..3 {
            let before = kept(&installation);
            let service = installation.start();
            let enough = before + 2_000;
            service.page_when("2,000 records more", |page| {
                page.sum("tenure_kafka_partition_position_offset") >= enough as f64
            });
            service.ends_well_within(Duration::from_secs(25));
            assert!(kept(&installation) >= enough, "{}", kept(&installation));
        }
        drop(stop_at_end);
        producer.join().unwrap();
    });
    let before = kept(&installation);
    let service = installation.start();
    let page = log.agrees(&installation, &service);
    assert_eq!(received(&page), log.sent() - before, "read after {before}");
}

#[test]
fn a_termination_ends_in_time_although_no_broker_answers() {
    let kafka = Kafka::start(&KafkaOptions {
        proxied: true,
        ..KafkaOptions::default()
    });
    let log = Log::new(&kafka, "blackholed", 1_000, 2);
    log.send(3_000);
    let servers = kafka.proxied_servers();
    let settings = ["shutdown_grace=5s", "state.interval=1h"];
    let settings: Vec<&str> = SETTINGS.iter().chain(&settings).copied().collect();
    let installation = Installation::new(&servers, "blackholed", &settings);
    let service = installation.start();
    service.page_at(3_000);
    kafka.proxy(1).stall();
    service.ends_well_within(Duration::from_secs(6));
    // Nobody can tell whether it still is the same topic, so what was read may be read again.
    assert!([0, 3_000].contains(&kept(&installation)));

    // Also while it waits for brokers that have never answered.
    let service = installation.start();
    service.page_when("a page", |page| !page.0.is_empty());
    service.ends_well_within(Duration::from_secs(6));
    kafka.proxy(1).go_on();
    log.send(1_000);
    log.agrees(&installation, &installation.start());
}

#[test]
fn a_termination_ends_in_time_although_the_store_hangs_and_a_second_one_ends_at_once() {
    let log = Log::new(Kafka::shared(), "store-hangs-at-end", 1_000, 3);
    log.send(3_000);
    let disk = Host::new();
    let settings = ["shutdown_grace=4s", "state.interval=1h"];
    let installation = log.installation(&settings);
    let start = || {
        disk.syncs(Mood::Works);
        let service = installation.start_with(&[], |command| disk.hold(command));
        service.page_at(log.sent());
        disk.syncs(Mood::Hangs);
        service
    };
    start().ends_well_within(Duration::from_secs(6));

    let mut service = start();
    let asked = Instant::now();
    service.process.send(Signal::Terminate);
    service.process.wait_for_line("stopping", DEADLINE);
    service.process.send(Signal::Terminate);
    assert_ne!(service.process.wait(DEADLINE), 0);
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );

    log.agrees(&installation, &installation.start());
}

fn failures(page: &Page, reason: &str) -> f64 {
    let series = format!("tenure_checkpoint_failures_total{{reason=\"{reason}\"}}");
    page.value(&series).unwrap_or(0.0)
}

/// Waits until every shard has a checkpoint of after now.
#[track_caller]
fn checkpoints_work(service: &Service) {
    let since = now();
    service.page_when("checkpoints of after now", |page| {
        page.value("tenure_checkpoint_last_success_timestamp_seconds") > Some(since)
    });
}

#[test]
fn a_store_that_fails_or_hangs_holds_up_no_number_and_works_again_by_itself() {
    let log = Log::new(Kafka::shared(), "store-fails", 3_000, 4);
    log.send(1_000);
    let disk = Host::new();
    let installation = log.installation(&[]);
    let service = installation.start_with(&[], |command| disk.hold(command));
    log.agrees(&installation, &service);
    for mood in [Mood::Fails, Mood::Hangs] {
        disk.syncs(mood);
        let before = installation.checkpoints();
        log.send(1_000);
        // A deadline passes before a store that hangs counts as one that failed.
        service.page_when("a failure", |page| {
            failures(page, "store") + failures(page, "timeout") > 0.0 || mood == Mood::Hangs
        });
        log.send(1_000);
        log.agrees(&installation, &service);
        assert_eq!(installation.checkpoints(), before, "{mood:?}");
        disk.syncs(Mood::Works);
        log.send(1_000);
        checkpoints_work(&service);
        eventually(DEADLINE, "the newest checkpoint", || {
            match kept(&installation) {
                kept if kept == log.sent() => Ok(()),
                kept => Err(format!("{kept} of {}", log.sent())),
            }
        });
    }
    let page = service.page().unwrap();
    assert!(failures(&page, "store") > 0.0, "{page:#?}");
}

#[test]
fn a_start_waits_for_a_store_that_fails_or_hangs_and_never_begins_empty() {
    let log = Log::new(Kafka::shared(), "store-fails-at-start", 1_000, 5);
    log.send(3_000);
    let disk = Host::new();
    let installation = log.installation(&[]);
    let service = installation.start();
    log.agrees(&installation, &service);
    service.ends_well();
    assert_eq!(kept(&installation), 3_000);
    log.send(500);
    for mood in [Mood::Fails, Mood::Hangs] {
        disk.reads(mood);
        let mut service = installation.start_with(&[], |command| disk.hold(command));
        let page = service.page_when("a restore that waits", |page| {
            let mut states = page.of("tenure_shard_state");
            states.any(|(series, value)| series.contains("restoring") && value == 1.0)
        });
        assert_eq!(page.value("tenure_customers"), None, "{mood:?}");
        if mood == Mood::Fails {
            service
                .process
                .wait_for_line("asking the store again", DEADLINE);
        }
        assert_eq!(received(&service.page().unwrap()), 0, "{mood:?}");
        disk.reads(Mood::Works);
        let page = log.agrees(&installation, &service);
        assert_eq!(received(&page), 500, "{mood:?}");
        // Killed, so that the next start has to read the same.
        service.process.send(Signal::Kill);
        service.process.wait(DEADLINE);
        for file in installation.checkpoints() {
            let newest = file.to_string_lossy().into_owned();
            assert!(!newest.contains("damaged"), "{newest}");
        }
        if kept(&installation) != 3_000 {
            break;
        }
    }
}

#[test]
fn a_disk_that_is_full_costs_nothing_but_new_checkpoints() {
    let log = Log::new(Kafka::shared(), "disk-full", 6_000, 6);
    let small = match KeptFolder::small("state", 600 << 10) {
        Ok(small) => small,
        Err(refused) => {
            // What files that may not grow show is tested below, whoever runs the tests.
            eprintln!("not tested, no small disk can be mounted here: {refused}");
            return;
        }
    };
    let servers = Kafka::shared().bootstrap_servers();
    let installation = Installation::with_state(servers, "disk-full", &SETTINGS, small);
    disk_that_fills(&log, &installation, |_| {});

    installation.state.grow(64 << 20);
    let service = installation.start();
    log.send(100);
    checkpoints_work(&service);
    log.agrees(&installation, &service);
}

#[test]
fn files_that_may_not_grow_cost_nothing_but_new_checkpoints() {
    let log = Log::new(Kafka::shared(), "file-limit", 6_000, 7);
    let installation = log.installation(&[]);
    disk_that_fills(&log, &installation, |command| {
        // A write beyond the limit then fails instead of ending the process.
        let mut limited = Command::new("env");
        limited.args(["--ignore-signal=XFSZ", "prlimit", "--fsize=65536"]);
        limited.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        *command = limited;
    });

    let service = installation.start();
    log.send(100);
    checkpoints_work(&service);
    log.agrees(&installation, &service);
}

/// Lets the state grow until it no longer fits, kills the service and starts it again.
fn disk_that_fills(log: &Log, installation: &Installation, prepare: impl Fn(&mut Command)) {
    log.send(400);
    let mut service = installation.start_with(&[], &prepare);
    log.agrees(installation, &service);
    checkpoints_work(&service);
    service.process.wait_for(DEADLINE, "a full disk", || {
        log.send(2_000);
        let page = service.page()?;
        match failures(&page, "store") {
            failures if failures > 0.0 => Ok(()),
            failures => Err(format!("{failures} failures")),
        }
    });
    log.agrees(installation, &service);
    service.process.send(Signal::Kill);
    service.process.wait(DEADLINE);
    assert!(!installation.checkpoints().is_empty());

    let service = installation.start_with(&[], &prepare);
    let page = log.agrees(installation, &service);
    assert!(received(&page) < log.sent(), "everything was read again");
    service.ends_well();
}

/// What happens to a file that was complete.
fn damage(file: &Path, random: &mut Random) {
    let mut bytes = fs::read(file).unwrap();
    let at = random.below_len(bytes.len());
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.clear(),
        2 => bytes.extend_from_slice(b"more"),
        3 => bytes[at..].fill(0),
        _ => bytes[at] ^= 1 << random.below(8),
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn damaged_checkpoints_are_set_aside_and_the_numbers_are_right_all_the_same() {
    let seed = number("TENURE_SEED", (now() * 1000.0) as u64);
    eprintln!("TENURE_SEED={seed}");
    let mut random = Random(seed);
    let log = Log::new(Kafka::shared(), "damaged-state", 3_000, 8);
    let installation = log.installation(&[]);
    for newest_damaged in [0, 1, 2, 3] {
        for _ in 0..3 {
            log.send(500);
            let service = installation.start();
            log.agrees(&installation, &service);
            service.ends_well();
        }
        let mut damaged = 0;
        for partition in 0..PARTITIONS {
            let folder = format!("p{partition:05}");
            let mut files = installation.checkpoints();
            files.retain(|file| {
                file.parent()
                    .is_some_and(|parent| parent.ends_with(&folder))
            });
            for file in files.iter().rev().take(newest_damaged) {
                damage(file, &mut random);
                damaged += 1;
            }
        }
        log.send(500);
        let service = installation.start();
        let page = log.agrees(&installation, &service);
        let reason = "tenure_restore_failures_total{reason=\"damaged\"}";
        assert_eq!(
            page.value(reason),
            Some(f64::from(damaged)),
            "{newest_damaged}"
        );
        service.ends_well();
        let aside = installation.state.files();
        let aside = aside
            .iter()
            .filter(|file| file.to_string_lossy().ends_with(".damaged"));
        assert!(aside.count() >= usize::try_from(damaged).unwrap());
    }
}

#[test]
fn a_process_that_was_frozen_for_longer_than_its_session_goes_on_where_it_was() {
    let log = Log::new(Kafka::shared(), "frozen", 1_000, 9);
    log.send(1_000);
    let installation = log.installation(&[]);
    let configuration = installation.state.path().join("tenure.yaml");
    let properties =
        "kafka:\n  properties:\n    session.timeout.ms: 1500\n    heartbeat.interval.ms: 500\n";
    fs::write(&configuration, properties).unwrap();
    let with = ["--config", configuration.to_str().unwrap()];
    let mut service = installation.start_with(&with, |_| {});
    log.agrees(&installation, &service);
    service.process.send(Signal::Stop);
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(4) {
        log.send(100);
        thread::sleep(Duration::from_millis(100));
    }
    service.process.send(Signal::Continue);
    let page = log.agrees(&installation, &service);
    assert_eq!(received(&page), log.sent(), "records were read twice");
    service.ends_well();
}

#[test]
fn what_a_kill_left_half_written_is_swept_once_it_is_old() {
    let log = Log::new(Kafka::shared(), "swept", 1_000, 10);
    log.send(1_000);
    let installation = log.installation(&[]);
    let service = installation.start();
    log.agrees(&installation, &service);
    service.ends_well();
    let name = |number: u32| {
        let newest = installation.checkpoints().pop().unwrap();
        PathBuf::from(format!("{}#{number}", newest.display()))
    };
    let (old, young) = (name(1), name(2));
    for file in [&old, &young] {
        fs::write(file, "half").unwrap();
    }
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_hours(1);
    File::options()
        .write(true)
        .open(&old)
        .and_then(|file| file.set_modified(an_hour_ago))
        .unwrap();
    let service = installation.start();
    log.agrees(&installation, &service);
    assert!(!old.exists());
    // Somebody may be writing it at this moment.
    assert!(young.exists());
    service.ends_well();
}

#[test]
fn two_services_on_one_state_do_each_other_no_harm() {
    let log = Log::new(Kafka::shared(), "two-services", 3_000, 11);
    // Two copies, each of which reads everything.
    let installation = log.installation(&["cluster.ownership=all"]);
    for _ in 0..3 {
        let (mut one, other) = (installation.start(), installation.start());
        log.send(1_500);
        log.agrees(&installation, &one);
        one.process.send(Signal::Kill);
        one.process.wait(DEADLINE);
        log.send(500);
        log.agrees(&installation, &other);
        other.ends_well();
        assert_eq!(kept(&installation), log.sent());
    }
    installation.verifies();
}

#[test]
fn other_fold_settings_read_the_log_again_and_leave_what_was_kept_to_those_before() {
    let log = Log::new(Kafka::shared(), "other-settings", 1_000, 12);
    log.send(3_000);
    let installation = log.installation(&[]);
    let service = installation.start();
    log.agrees(&installation, &service);
    service.ends_well();
    let before = installation.checkpoints();

    let other = ["dimensions=plan", "inactivity_timeout=60d"];
    let installation = installation.with_settings(&other);
    let service = installation.start();
    let page = log.agrees(&installation, &service);
    assert_eq!(received(&page), log.sent());
    service.ends_well();

    let installation = installation.with_settings(&SETTINGS);
    let service = installation.start();
    let page = log.agrees(&installation, &service);
    assert_eq!(
        received(&page),
        0,
        "the checkpoints of before are {before:?}"
    );
}

#[test]
fn a_clock_that_was_wrong_leaves_nothing_wrong_behind() {
    const YEAR: i64 = 365 * 86_400;
    let log = Log::new(Kafka::shared(), "wrong-clock", 1_000, 13);
    log.send(2_000);
    let installation = log.installation(&[]);
    for ahead in [YEAR, -YEAR] {
        let host = Host::with_clock_ahead(ahead);
        let service = installation.start_with(&[], |command| host.hold(command));
        service.page_when("what was sent", |page| {
            page.sum("tenure_kafka_partition_position_offset") == log.sent() as f64
        });
        service.ends_well();
        assert_eq!(kept(&installation), log.sent(), "{ahead}");
        log.send(500);
        // The instants that the wrong clock told are not believed.
        let service = installation.start();
        let page = log.agrees(&installation, &service);
        assert!(
            (page.time() - now()).abs() < 60.0,
            "{ahead}: {}",
            page.time()
        );
        assert_eq!(received(&page), 500, "{ahead}");
        service.ends_well();
    }
}

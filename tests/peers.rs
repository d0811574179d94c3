//! Questions across instances: several of them in one process, each with its own shards and endpoint,
//! who ask each other over real sockets. What any of them answers is what one says that has it all.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tenure::cluster::asked::{
    CustomerQuestion, PartialAnswer, PartialQuestion, Refused, Terms, read, written,
};
use tenure::cluster::peers::{
    CUSTOMER_PATH, Elsewhere, LARGEST_QUESTION, Line, Owner, PARTIAL_PATH, Peers, Unanswered,
};
use tenure::cluster::record::Definition;
use tenure::config::{Override, Settings, Sources, load};
use tenure::engine::inquiry::Inquiry;
use tenure::engine::live::Live;
use tenure::engine::worker::{Task, Worker, queue};
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::kafka::Place;
use tenure::kafka::progress::{Resumed, Start};
use tenure::ledger::Shard;
use tenure::measure::catalogue::measure;
use tenure::measure::question::Sections;
use tenure::serve::access::Access;
use tenure::serve::api::archive::{Archive, Asker, SeriesQuestion};
use tenure::serve::api::refusal::{Missing, Refusal, Trouble};
use tenure::serve::api::{Api, Token};
use tenure::serve::http::{Endpoint, run};
use tenure::telemetry::Telemetry;
use tenure::telemetry::partition::Degradation;
use tokio::sync::oneshot;

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_mins(1);
const DAY: i64 = 86_400_000;
const TOKEN: &str = "fedcba9876543210-of-the-instances";
const PARTITIONS: i32 = 5;
const CUSTOMERS: i32 = 200;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn june(day: i64) -> Timestamp {
    let june = Timestamp::from_rfc3339("2026-06-01T00:00:00Z").unwrap();
    june.plus_millis((day - 1) * DAY)
}

/// The settings of an instance, with the token unless it is none.
fn settings(token: Option<&str>, more: &[(&str, &str)]) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mut given = vec![
        ("dimensions", "plan,country".to_owned()),
        ("inactivity_timeout", "20d".to_owned()),
        ("periods", "7d,30d,this_month".to_owned()),
        ("max_label_values", "2".to_owned()),
        (
            "customer_digest_key_file",
            file("key", "000102030405060708090a0b0c0d0e0f"),
        ),
        ("api.customers", "true".to_owned()),
        ("api.token_file", file("api", "0123456789abcdef-of-the-api")),
    ];
    if let Some(token) = token {
        given.push(("cluster.token_file", file("peers", token)));
    }
    given.extend(more.iter().map(|(key, text)| (*key, (*text).to_owned())));
    let flag = |(key, text): (&str, String)| Override {
        key: key.to_owned(),
        text,
        flag: format!("--{key}"),
    };
    let flags = given.into_iter().map(flag).collect();
    let sources = Sources {
        flags,
        ..Sources::none()
    };
    load(&sources)
        .map_err(|complaints| complaints.to_string())
        .unwrap()
}

/// What happened to the customers of a partition.
fn shard(settings: &Settings, partition: i32, stray: Option<&str>) -> Shard {
    let fold = Arc::new(settings.fold.clone());
    let decoder = Decoder::new(fold.decoding());
    let mut shard = Shard::new(Arc::clone(&fold), 1);
    shard.start_at(0, 0);
    let mut offset = 0;
    let mut fold = |customer: &str, number: i32, day: i64, rest: &str| {
        let at = june(day);
        let event = format!(
            r#"{{"event_id":"{customer}-{number}","customer_id":"{customer}","occurred_at":"{at}",{rest}}}"#
        );
        assert!(shard.advance(0, offset, Some(at)));
        offset += 1;
        let event = decoder.decode(event.as_bytes(), None).unwrap();
        assert!(shard.fold(&event).outcome.kept());
    };
    for customer in (0..CUSTOMERS).filter(|customer| customer % PARTITIONS == partition) {
        let id = format!("c-{customer}");
        let (plan, country) = (
            ["free", "pro", "max"][customer as usize % 3],
            ["TR", "DE"][customer as usize % 2],
        );
        let first = i64::from(customer % 9) + 1;
        fold(
            &id,
            1,
            first,
            &format!(r#""type":"signup","attributes":{{"plan":"{plan}","country":"{country}"}}"#),
        );
        fold(
            &id,
            2,
            first + 3,
            &format!(r#""type":"purchase","amount":"{customer}.25","currency":"TRY""#),
        );
        let score = customer % 11;
        let channel = ["app", "web", "mail", "call"][customer as usize % 4];
        fold(
            &id,
            3,
            first + 5,
            &format!(
                r#""type":"survey_submitted","survey":"nps","score":{score},"channel":"{channel}""#
            ),
        );
        if customer % 7 == 0 {
            let reason = ["price", "support", "moved"][customer as usize % 3];
            fold(
                &id,
                4,
                first + 9,
                &format!(r#""type":"churn","reason":"{reason}""#),
            );
        }
    }
    if let Some(stray) = stray {
        fold(stray, 9, 12, r#""type":"signup""#);
    }
    shard
}

/// Who has what, as all instances see it; it can change.
struct Map {
    partitions: Mutex<Option<i32>>,
    owners: Mutex<BTreeMap<i32, Owner>>,
    definition: Definition,
    /// How often it was looked up.
    looks: AtomicUsize,
    /// What is known after so many looks.
    later: Mutex<Option<(usize, BTreeMap<i32, Owner>)>>,
}

impl Map {
    fn new(owners: BTreeMap<i32, Owner>) -> Arc<Self> {
        Self::under("of these tests", owners)
    }

    fn under(definition: &str, owners: BTreeMap<i32, Owner>) -> Arc<Self> {
        Arc::new(Self {
            partitions: Mutex::new(Some(PARTITIONS)),
            owners: Mutex::new(owners),
            definition: Definition::of([definition]),
            looks: AtomicUsize::new(0),
            later: Mutex::new(None),
        })
    }
}

impl Elsewhere for Map {
    fn partitions(&self) -> Option<i32> {
        *lock(&self.partitions)
    }

    fn owners(&self) -> BTreeMap<i32, Owner> {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed);
        let mut later = lock(&self.later);
        if later.as_ref().is_some_and(|(after, _)| looks >= *after)
            && let Some((_, owners)) = later.take()
        {
            *lock(&self.owners) = owners;
        }
        lock(&self.owners).clone()
    }

    fn definition(&self) -> Option<Definition> {
        Some(self.definition)
    }
}

/// An instance with its shards on one worker, and its endpoint on a free port. Ended when dropped.
struct Instance {
    name: String,
    shards: BTreeSet<i32>,
    live: Arc<Live>,
    inquiry: Arc<Inquiry>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// What makes an instance another one than usual.
struct Unusual<'a> {
    token: Option<&'a str>,
    more: &'a [(&'a str, &'a str)],
    /// The last partition has a customer of another one.
    stray: Option<&'a str>,
    reached: Timestamp,
}

impl Default for Unusual<'_> {
    fn default() -> Self {
        Self {
            token: Some(TOKEN),
            more: &[],
            stray: None,
            reached: june(40),
        }
    }
}

impl Instance {
    fn start(name: &str, shards: &[i32], map: Option<Arc<Map>>) -> Self {
        Self::with(name, shards, map, &Unusual::default())
    }

    fn with(name: &str, shards: &[i32], map: Option<Arc<Map>>, unusual: &Unusual<'_>) -> Self {
        let settings = settings(unusual.token, unusual.more);
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let live = Arc::new(Live::new(Arc::clone(&telemetry)));
        let (tasks, working) = queue();
        begin(&live, shards, unusual.reached);
        let worker = Worker::new(&settings, &live, working);
        let mut threads = vec![std::thread::spawn(move || worker.run())];
        for &partition in shards {
            let stray = unusual.stray.filter(|_| Some(&partition) == shards.last());
            let shard = Box::new(shard(&settings, partition, stray));
            tasks.send(Task::Adopt { partition, shard }).unwrap();
        }
        let inquiry = Inquiry::new(&settings, Arc::clone(&live), vec![tasks]);
        let inquiry = inquiry.asking(Peers::new(&settings.cluster).unwrap());
        let inquiry = Arc::new(match map {
            Some(map) => inquiry.among(map),
            None => inquiry,
        });
        let token = settings.cluster.token.as_ref();
        let endpoint = Endpoint {
            api: Some(Api {
                archive: Arc::clone(&inquiry) as Arc<dyn Archive>,
                settings: Vec::new(),
                definition_hash: settings.definition_hash(),
                evaluation: settings.evaluation.clone(),
                dimensions: settings.fold.dimensions.clone(),
                token: None,
            }),
            peers: Some(Arc::clone(&inquiry) as Arc<dyn tenure::serve::peers::Peers>),
            access: Access::this_machine()
                .with_peers(token.map(|token| Token::new(token.reveal()))),
            ..Endpoint::new(
                telemetry,
                Arc::clone(&live) as Arc<dyn tenure::serve::Source>,
            )
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        threads.push(std::thread::spawn(move || {
            serve(listener, endpoint, stopped);
        }));
        let instance = Self {
            name: name.to_owned(),
            shards: shards.iter().copied().collect(),
            live,
            inquiry,
            address,
            stop: Some(stop),
            threads,
        };
        let begun = Instant::now();
        while !shards.is_empty() && instance.live.complete_until() != Some(unusual.reached) {
            assert!(begun.elapsed() < DEADLINE, "the shards are not taken up");
            std::thread::yield_now();
        }
        instance
    }

    fn owner(&self) -> Owner {
        Owner {
            instance: self.name.clone(),
            address: format!("http://{}", self.address),
            reached: Some(june(40)),
        }
    }

    fn reports(&self, days: &[i64]) -> Result<Vec<tenure::serve::Published>, Refusal> {
        let instants: Vec<Timestamp> = days.iter().map(|day| june(*day)).collect();
        self.inquiry.reports(&instants, &Asker::default())
    }

    fn customer(&self, id: &str) -> Result<tenure::measure::customer::Customer, Refusal> {
        self.inquiry.customer(id, &Asker::default())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.live.stopping();
        self.inquiry.close();
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "a thread has failed"
            );
        }
    }
}

/// These partitions are read, up to their end as it was asked for at some instant.
fn begin(live: &Live, shards: &[i32], reached: Timestamp) {
    let progress = live.progress();
    let place = |partition: i32| Place {
        topic: 0,
        partition,
    };
    let start = |partition: &i32| Start {
        place: place(*partition),
        topic: "customer-events".into(),
        first_offset: 0,
        end_offset: 1,
    };
    progress.take_up(shards.iter().map(start).collect());
    for &partition in shards {
        let resumed = Resumed {
            next_offset: 0,
            complete_until: None,
        };
        progress.resume(place(partition), resumed);
        progress.ends_at(place(partition), 1, reached);
    }
}

fn serve(listener: TcpListener, endpoint: Endpoint, stopped: oneshot::Receiver<()>) {
    listener.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let stopped = async {
            let _ = stopped.await;
        };
        run(listener, endpoint, stopped).await;
    });
}

/// Who has what, as it is.
fn owners(instances: &[&Instance]) -> BTreeMap<i32, Owner> {
    let each = instances.iter().flat_map(|instance| {
        let owner = instance.owner();
        instance
            .shards
            .iter()
            .map(move |shard| (*shard, owner.clone()))
    });
    each.collect()
}

/// Three instances that share the partitions; the last has none.
fn three() -> (Arc<Map>, [Instance; 3]) {
    let map = Map::new(BTreeMap::new());
    let instance = |name, shards: &[i32]| Instance::start(name, shards, Some(Arc::clone(&map)));
    let instances = [
        instance("tenure-0", &[0, 3]),
        instance("tenure-1", &[1, 2, 4]),
        instance("tenure-2", &[]),
    ];
    *lock(&map.owners) = owners(&instances.each_ref());
    (map, instances)
}

#[test]
fn whoever_is_asked_says_what_one_instance_says_that_has_it_all() {
    let (_map, instances) = three();
    let alone = Instance::start("alone", &[0, 1, 2, 3, 4], None);
    for instance in &instances {
        let name = &instance.name;
        assert_eq!(instance.inquiry.latest(), alone.inquiry.latest(), "{name}");
        let found = instance.reports(&[10, 20, 40]).unwrap();
        let expected = alone.reports(&[10, 20, 40]).unwrap();
        assert_eq!(found.len(), 3);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.report, expected.report, "{name}");
            assert_eq!(found.basis, expected.basis, "{name}");
            assert_eq!(found.history_start, expected.history_start, "{name}");
            assert_eq!(found.coverage, 1.0, "{name}");
        }
        for (metric, period) in [
            ("tenure_retention_ratio", Some("7d")),
            ("tenure_retention_ratio", None),
            ("tenure_departures", Some("30d")),
            ("tenure_departures", Some("13d")),
            ("tenure_customers", None),
            ("tenure_segment_customers", None),
            ("tenure_nps_score", Some("last_quarter")),
            ("tenure_cohort_retention_ratio", None),
        ] {
            let Some(measure) = measure(metric) else {
                panic!("there is no {metric}");
            };
            let question = SeriesQuestion {
                measure,
                period: period.map(|period| period.parse().unwrap()),
                instants: (5..40).map(june).collect(),
            };
            let found = instance
                .inquiry
                .series(&question, &Asker::default())
                .unwrap();
            let expected = alone.inquiry.series(&question, &Asker::default()).unwrap();
            assert_eq!(found.basis, expected.basis, "{name} {metric}");
            assert_eq!(found.moments.len(), expected.moments.len());
            let known =
                |moment: &tenure::serve::api::archive::Moment| !moment.family.samples.is_empty();
            assert!(expected.moments.iter().any(known), "{metric} says nothing");
            for (found, expected) in found.moments.iter().zip(&expected.moments) {
                let at = expected.at;
                assert_eq!(found.at, at);
                assert_eq!(found.family, expected.family, "{name} {metric} {at}");
                assert_eq!(found.withheld, expected.withheld, "{name} {metric} {at}");
            }
        }
        for customer in 0..CUSTOMERS / 4 {
            let id = format!("c-{customer}");
            assert_eq!(instance.customer(&id), alone.customer(&id), "{name} {id}");
        }
        assert_eq!(instance.customer("nobody"), Err(Refusal::UnknownCustomer));
    }
}

#[test]
fn instances_that_ask_each_other_at_once_do_not_wait_for_each_other() {
    let (_map, instances) = three();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for instance in &instances {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let reports = instance.reports(&[10, 30]);
                        assert!(reports.is_ok(), "{:?}", reports.err());
                        assert!(instance.customer("c-1").is_ok());
                    }
                });
            }
        }
    });
    assert!(begun.elapsed() < DEADLINE);
}

#[test]
fn a_partition_that_moves_meanwhile_is_looked_for_again() {
    let (map, instances) = three();
    let right = owners(&instances.each_ref());
    let alone = Instance::start("alone", &[0, 1, 2, 3, 4], None);
    let [tenure_0, tenure_1, tenure_2] = &instances;
    let wrong = BTreeMap::from([
        (1, tenure_1.owner()),
        // Has nothing any more.
        (2, tenure_2.owner()),
        // Is gone.
        (
            4,
            Owner {
                address: format!("http://127.0.0.1:{}", free_port()),
                ..tenure_2.owner()
            },
        ),
    ]);
    let without_one: BTreeMap<i32, Owner> = BTreeMap::from([(1, tenure_1.owner())]);
    for wrong in [wrong, without_one] {
        *lock(&map.owners) = wrong.clone();
        let looks = map.looks.load(Ordering::Relaxed);
        *lock(&map.later) = Some((looks + 6, right.clone()));
        let found = tenure_0.reports(&[20]).unwrap();
        let expected = alone.reports(&[20]).unwrap();
        assert_eq!(found[0].report, expected[0].report);
        assert_eq!(found[0].basis, expected[0].basis);
        *lock(&map.owners) = wrong;
        let looks = map.looks.load(Ordering::Relaxed);
        *lock(&map.later) = Some((looks + 6, right.clone()));
        assert_eq!(tenure_0.customer("c-2"), alone.customer("c-2"));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What becomes of a question to an instance, where another one with partitions 1, 2 and 4 is unusual.
#[track_caller]
fn refused_beside(unusual: &Unusual<'_>, prepare: impl FnOnce(&Map, &Instance)) -> [Refusal; 2] {
    let map = Map::new(BTreeMap::new());
    let near = Instance::start("near", &[0, 3], Some(Arc::clone(&map)));
    let far = Instance::with("far", &[1, 2, 4], Some(Arc::clone(&map)), unusual);
    *lock(&map.owners) = owners(&[&near, &far]);
    prepare(&map, &far);
    both_refused(&near)
}

/// What becomes of both kinds of questions, asked side by side.
#[track_caller]
fn both_refused(near: &Instance) -> [Refusal; 2] {
    std::thread::scope(|scope| {
        let reports = scope.spawn(|| near.reports(&[20]).unwrap_err());
        let customer = near.customer("c-1").unwrap_err();
        [reports.join().unwrap(), customer]
    })
}

#[track_caller]
fn missing(refusals: [Refusal; 2], partition: i32, instance: Option<&str>) -> [Trouble; 2] {
    refusals.map(|refusal| {
        assert_eq!(refusal.code(), "other_instances", "{refusal}");
        assert_eq!(refusal.status().as_u16(), 503);
        let Refusal::OtherInstances(missing) = refusal else {
            panic!("{refusal}");
        };
        let sentence = missing.to_string();
        assert!(
            !sentence.contains(TOKEN) && !sentence.contains("c-1"),
            "{sentence}"
        );
        let Missing {
            partition: named,
            instance: with,
            trouble,
        } = missing;
        assert_eq!(
            (named, with.as_deref()),
            (partition, instance),
            "{sentence}"
        );
        trouble
    })
}

#[test]
fn an_instance_that_is_not_reached_is_named() {
    let gone = refused_beside(&Unusual::default(), |map, far| {
        let nowhere = Owner {
            address: format!("http://127.0.0.1:{}", free_port()),
            ..far.owner()
        };
        lock(&map.owners).insert(2, nowhere);
    });
    for trouble in missing(gone, 2, Some("far")) {
        assert!(matches!(trouble, Trouble::Unreachable { .. }), "{trouble}");
    }
}

#[test]
fn nobody_is_asked_at_what_is_no_address() {
    for address in [
        "http://far/path?",
        "ftp://far",
        "http://me@far",
        "far",
        "http://",
    ] {
        let odd = refused_beside(&Unusual::default(), |map, far| {
            let owner = Owner {
                address: address.to_owned(),
                ..far.owner()
            };
            lock(&map.owners).insert(1, owner);
        });
        assert_eq!(
            missing(odd, 1, Some("far")),
            [Trouble::NoAddress, Trouble::NoAddress]
        );
    }
}

#[test]
fn a_partition_that_nobody_has_is_named() {
    let nobody = refused_beside(&Unusual::default(), |map, _| {
        lock(&map.owners).remove(&4);
    });
    assert_eq!(
        missing(nobody, 4, None),
        [Trouble::NoOwner, Trouble::NoOwner]
    );
}

#[test]
fn a_partition_that_is_being_restored_is_named_with_its_owner() {
    let restoring = refused_beside(&Unusual::default(), |map, _| {
        if let Some(owner) = lock(&map.owners).get_mut(&2) {
            owner.reached = None;
        }
    });
    let none = Trouble::NotReached { reached: None };
    assert_eq!(missing(restoring, 2, Some("far")), [none.clone(), none]);
}

#[test]
fn an_instance_that_refuses_is_named_with_the_way_out() {
    let usual = Unusual::default();
    let other_token = Unusual {
        token: Some("another-token-of-somebody"),
        ..Unusual::default()
    };
    let without_token = Unusual {
        token: None,
        ..Unusual::default()
    };
    for unusual in [other_token, without_token] {
        let refused = refused_beside(&unusual, |_, _| {});
        let expected = [Trouble::TokenRefused, Trouble::TokenRefused];
        assert_eq!(missing(refused, 1, Some("far")), expected);
    }
    let degraded = refused_beside(&usual, |_, far| {
        let place = Place {
            topic: 0,
            partition: 2,
        };
        far.live
            .progress()
            .degrade(place, Degradation::TopicMissing);
    });
    assert_eq!(
        missing(degraded, 1, Some("far")),
        [Trouble::NotWhole, Trouble::NotWhole]
    );
    let behind = Unusual {
        reached: june(15),
        ..Unusual::default()
    };
    let reached = Trouble::NotReached {
        reached: Some(june(15)),
    };
    let refused = refused_beside(&behind, |_, _| {});
    assert_eq!(missing(refused, 1, Some("far")), [reached.clone(), reached]);
    let stopping = refused_beside(&usual, |_, far| far.live.stopping());
    assert_eq!(
        missing(stopping, 1, Some("far")),
        [Trouble::Stopping, Trouble::Stopping]
    );
}

#[test]
fn without_a_token_nobody_is_asked_and_the_way_out_is_told() {
    let map = Map::new(BTreeMap::new());
    let without = Unusual {
        token: None,
        ..Unusual::default()
    };
    let near = Instance::with("near", &[0, 3], Some(Arc::clone(&map)), &without);
    let far = Instance::start("far", &[1, 2, 4], Some(Arc::clone(&map)));
    *lock(&map.owners) = owners(&[&near, &far]);
    let refused = both_refused(&near);
    let troubles = missing(refused, 1, Some("far"));
    assert_eq!(troubles, [Trouble::TokenMissing, Trouble::TokenMissing]);
    assert!(troubles[0].to_string().contains("cluster.token_file"));
    // Who has everything needs nobody.
    let all = Instance::with("all", &[0, 1, 2, 3, 4], Some(map), &without);
    assert!(all.reports(&[20]).is_ok() && all.customer("c-1").is_ok());
}

#[test]
fn instances_of_other_numbers_are_not_added_up() {
    let map = Map::new(BTreeMap::new());
    let other = Map::under("of other settings", BTreeMap::new());
    let near = Instance::start("near", &[0, 3], Some(Arc::clone(&map)));
    let far = Instance::start("far", &[1, 2, 4], Some(other));
    *lock(&map.owners) = owners(&[&near, &far]);
    let refused = both_refused(&near);
    let expected = [Trouble::OtherDefinition, Trouble::OtherDefinition];
    assert_eq!(missing(refused, 1, Some("far")), expected);

    let grown = Map::new(BTreeMap::new());
    *lock(&grown.partitions) = Some(PARTITIONS + 1);
    let far = Instance::start("far", &[1, 2, 4], Some(grown));
    *lock(&map.owners) = owners(&[&near, &far]);
    let refused = both_refused(&near);
    let more = Trouble::OtherPartitions {
        partitions: PARTITIONS + 1,
    };
    assert_eq!(missing(refused, 1, Some("far")), [more.clone(), more]);
}

#[test]
fn a_customer_in_shards_of_two_instances_is_refused_as_in_one() {
    let map = Map::new(BTreeMap::new());
    let with_stray = Unusual {
        stray: Some("c-0"),
        ..Unusual::default()
    };
    let near = Instance::start("near", &[0, 3], Some(Arc::clone(&map)));
    let far = Instance::with("far", &[1, 2, 4], Some(Arc::clone(&map)), &with_stray);
    let none = Instance::start("none", &[], Some(Arc::clone(&map)));
    *lock(&map.owners) = owners(&[&near, &far, &none]);
    for instance in [&near, &far, &none] {
        assert_eq!(instance.customer("c-0"), Err(Refusal::SplitCustomer));
        assert!(instance.customer("c-1").is_ok());
        let report = &instance.reports(&[20]).unwrap()[0].report;
        assert_eq!(report.split_customers, 1);
        assert_eq!(report.split_partitions, [0, 4]);
    }
}

#[test]
fn an_instance_that_looks_up_no_customers_does_so_for_nobody() {
    let off = Unusual {
        more: &[("api.customers", "false")],
        ..Unusual::default()
    };
    let map = Map::new(BTreeMap::new());
    let near = Instance::start("near", &[0, 3], Some(Arc::clone(&map)));
    let far = Instance::with("far", &[1, 2, 4], Some(Arc::clone(&map)), &off);
    *lock(&map.owners) = owners(&[&near, &far]);
    let refused = near.customer("c-0").unwrap_err();
    let expected = Missing {
        partition: 1,
        instance: Some("far".to_owned()),
        trouble: Trouble::CustomersOff,
    };
    assert_eq!(refused, Refusal::OtherInstances(expected));
    assert!(near.reports(&[20]).is_ok());
}

/// How another instance asks.
fn line() -> Line {
    let peers = Peers::new(&settings(Some(TOKEN), &[]).cluster).unwrap();
    Arc::new(peers.unwrap()).line()
}

/// A question that `far` answers.
fn asked(of: &[i32]) -> PartialQuestion {
    PartialQuestion {
        terms: Terms {
            definition: Definition::of(["of these tests"]).to_string(),
            partitions: PARTITIONS,
        },
        of: of.to_vec(),
        instants: vec![june(10), june(20)],
        sections: Sections::ALL.bits(),
        periods: vec!["7d".to_owned(), "this_month".to_owned()],
    }
}

#[test]
fn what_cannot_be_meant_exactly_is_refused_and_never_guessed() {
    let (_map, [_tenure_0, tenure_1, _tenure_2]) = three();
    let line = line();
    let address = tenure_1.owner().address;
    let good = asked(&[1, 2, 4]);
    let answer = line.partial(&address, &good, DEADLINE).unwrap();
    assert_eq!(answer.grounds.len(), 3);
    let changed = |change: &dyn Fn(&mut PartialQuestion)| {
        let mut question = good.clone();
        change(&mut question);
        question
    };
    let not_mine = |partitions: &[i32]| Refused::NotMine {
        partitions: partitions.to_vec(),
    };
    for (question, expected) in [
        (asked(&[1, 3, 2, 0]), not_mine(&[0, 3])),
        (asked(&[77]), not_mine(&[77])),
        (asked(&[]), Refused::NotUnderstood),
        (asked(&[1, 1]), Refused::NotUnderstood),
        (
            changed(&|asked| asked.instants.clear()),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.instants.reverse()),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.instants[1] = asked.instants[0]),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.instants[0] = Timestamp::from_millis(i64::MIN)),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.instants[1] = Timestamp::from_millis(i64::MAX)),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.periods[0] = "soon".to_owned()),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.periods[0] = "007d".to_owned()),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.periods[0] = "this_month".to_owned()),
            Refused::NotUnderstood,
        ),
        (
            changed(&|asked| asked.terms.definition = String::new()),
            Refused::OtherDefinition,
        ),
        (
            changed(&|asked| asked.terms.partitions = 4),
            Refused::OtherPartitions {
                partitions: PARTITIONS,
            },
        ),
        (
            changed(&|asked| asked.instants[1] = june(41)),
            Refused::NotReached {
                partition: 1,
                reached: Some(june(40)),
            },
        ),
    ] {
        let refused = line.partial(&address, &question, DEADLINE).unwrap_err();
        assert_eq!(refused, Unanswered::Refused(expected), "{question:?}");
    }
    let many = changed(&|asked| {
        asked.instants = (0..2_001).map(|n| june(1).plus_millis(n)).collect();
    });
    let refused = line.partial(&address, &many, DEADLINE).unwrap_err();
    assert_eq!(refused, Unanswered::Refused(Refused::NotUnderstood));
    let nameless = CustomerQuestion {
        terms: good.terms.clone(),
        of: vec![1],
        id: String::new(),
        at: june(20),
    };
    let refused = line.customer(&address, &nameless, DEADLINE).unwrap_err();
    assert_eq!(refused, Unanswered::Refused(Refused::NotUnderstood));
}

/// Status and body of what is answered to bytes at a path.
fn post(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
    request(address, "POST", path, headers, body)
}

/// The same by any method.
fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever is refused for the head may be answered before all is written.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    (status, answer[end + 4..].to_vec())
}

#[test]
fn the_door_takes_questions_with_the_token_and_nothing_else() {
    let (_map, [_tenure_0, tenure_1, _tenure_2]) = three();
    let address = tenure_1.address;
    let question = written(&asked(&[1])).unwrap();
    let shown = format!("Authorization: Bearer {TOKEN}\r\n");
    let wrong = "Authorization: Bearer fedcba9876543210-of-the-instance\r\n";
    let long = vec![1; LARGEST_QUESTION + 1];
    for (path, headers, body, expected) in [
        (PARTIAL_PATH, &*shown, &question[..], 200),
        (PARTIAL_PATH, "", &question, 401),
        (PARTIAL_PATH, wrong, &question, 401),
        (PARTIAL_PATH, &shown, &question[..question.len() - 1], 400),
        (PARTIAL_PATH, &shown, b"{}", 400),
        (PARTIAL_PATH, &shown, b"", 400),
        (CUSTOMER_PATH, &shown, &question, 400),
        (PARTIAL_PATH, &shown, &long, 413),
        (PARTIAL_PATH, wrong, &long, 401),
        ("/peer/v1/partial/more", &shown, &question, 404),
        ("/-/ready", &shown, &question, 405),
    ] {
        let (status, body) = post(address, path, headers, body);
        assert_eq!(status, expected, "{path} {headers}");
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains(TOKEN), "{text}");
        if status == 200 {
            let answer: Result<PartialAnswer, Refused> = read(&body).unwrap();
            assert_eq!(answer.unwrap().grounds.len(), 1);
        }
    }
}

/// Answers every request with the same bytes, until it is dropped.
struct Impostor {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Impostor {
    fn answering(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    request.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
                let length = head.split("content-length:").nth(1).unwrap();
                let length = length.split_whitespace().next().unwrap().parse().unwrap();
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let _ = stream.write_all(&answer);
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect_timeout(&self.address, DEADLINE);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn what_is_no_answer_to_the_question_is_never_added_up() {
    let (map, [tenure_0, tenure_1, _tenure_2]) = three();
    let line = line();
    let address = tenure_1.owner().address;
    let true_answer = |of: &[i32]| line.partial(&address, &asked(of), DEADLINE).unwrap();
    let all = true_answer(&[1, 2, 4]);
    let as_answer = |answer: PartialAnswer| ok(&written(&Ok::<_, Refused>(answer)).unwrap());
    let twice = PartialAnswer {
        grounds: [&all.grounds[..], &all.grounds[..1]].concat(),
        ..all.clone()
    };
    let redirect = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n";
    for (what, answer, expected) in [
        (
            "of other partitions",
            as_answer(true_answer(&[1, 2])),
            Some(Trouble::Unlike),
        ),
        ("of one twice", as_answer(twice), Some(Trouble::Unlike)),
        ("of other instants", as_answer(all), Some(Trouble::Unlike)),
        (
            "another version",
            ok(b"\x02abc"),
            Some(Trouble::OtherVersion),
        ),
        ("a page", ok(b"<html>"), Some(Trouble::OtherVersion)),
        ("nothing", ok(b""), Some(Trouble::Unlike)),
        ("damaged", ok(b"\x01\x00\x01"), Some(Trouble::Unlike)),
        ("a redirect", redirect.to_vec(), Some(Trouble::Unlike)),
        ("no HTTP", b"tenure\r\n\r\n".to_vec(), None),
    ] {
        let impostor = Impostor::answering(answer);
        let owner = Owner {
            instance: "impostor".to_owned(),
            address: format!("http://{}", impostor.address),
            reached: Some(june(40)),
        };
        *lock(&map.owners) = [1, 2, 4].map(|partition| (partition, owner.clone())).into();
        let Err(Refusal::OtherInstances(missing)) = tenure_0.reports(&[20]) else {
            panic!("{what} was taken");
        };
        assert_eq!(missing.instance.as_deref(), Some("impostor"), "{what}");
        match expected {
            Some(expected) => assert_eq!(missing.trouble, expected, "{what}"),
            None => assert!(
                matches!(missing.trouble, Trouble::Unreachable { .. }),
                "{what}: {missing}"
            ),
        }
    }
}

#[test]
fn a_client_that_goes_away_ends_its_question_at_the_other_instances_too() {
    let (map, [tenure_0, _tenure_1, _tenure_2]) = three();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let owner = Owner {
        instance: "silent".to_owned(),
        address: format!("http://{}", silent.local_addr().unwrap()),
        reached: Some(june(40)),
    };
    *lock(&map.owners) = [1, 2, 4].map(|partition| (partition, owner.clone())).into();
    let mut client = TcpStream::connect_timeout(&tenure_0.address, DEADLINE).unwrap();
    let question = "GET /api/v1/report?at=2026-06-20T00:00:00Z HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.write_all(question.as_bytes()).unwrap();
    let (mut asking, _) = silent.accept().unwrap();
    asking.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut byte = [0];
    assert_eq!(asking.read(&mut byte).unwrap(), 1, "it is asked");
    let begun = Instant::now();
    drop(client);
    let mut rest = Vec::new();
    // However it ends: the other side is gone.
    let _ = asking.read_to_end(&mut rest);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "it is still asked"
    );
}

#[test]
fn a_partition_whose_owner_falls_silent_is_asked_of_the_next_one() {
    let (map, instances) = three();
    let alone = Instance::start("alone", &[0, 1, 2, 3, 4], None);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let owner = Owner {
        instance: "silent".to_owned(),
        address: format!("http://{}", silent.local_addr().unwrap()),
        reached: Some(june(40)),
    };
    let mut before = owners(&instances.each_ref());
    let after = before.clone();
    before.insert(2, owner.clone());
    before.insert(4, owner);
    *lock(&map.owners) = before;
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| instances[0].reports(&[20]));
        let _asking = silent.accept().unwrap();
        *lock(&map.owners) = after;
        let found = answer.join().unwrap().unwrap();
        let expected = alone.reports(&[20]).unwrap();
        assert_eq!(found[0].report, expected[0].report);
        assert_eq!(found[0].basis, expected[0].basis);
    });
}

#[test]
fn an_instance_with_some_partitions_and_no_report_topic_answers_nothing() {
    let instance = Instance::start("some", &[0, 1, 3, 4], None);
    assert!(
        instance.reports(&[20]).is_ok(),
        "nothing is known of others"
    );
    let progress = instance.live.progress();
    progress.partitions_there_are(5);
    progress.partition_numbers_are(5);
    instance
        .live
        .owns([0, 1, 3, 4].map(|partition| (partition, 1)).into());
    let refused = both_refused(&instance);
    let expected = [Trouble::NoReportTopic, Trouble::NoReportTopic];
    assert_eq!(missing(refused, 2, None), expected);
}

#[test]
fn a_client_is_told_whose_answer_is_missing() {
    let map = Map::new(BTreeMap::new());
    let near = Instance::start("near", &[0, 3], Some(Arc::clone(&map)));
    let other = Map::under("of other settings", BTreeMap::new());
    let far = Instance::start("far", &[1, 2, 4], Some(other));
    *lock(&map.owners) = owners(&[&near, &far]);
    let (status, body) = request(near.address, "GET", "/api/v1/report?at=1781900000", "", b"");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, body["error"]["code"].as_str()),
        (503, Some("other_instances"))
    );
    assert_eq!(
        body["error"]["message"].as_str(),
        Some(
            "partition 1 is with far: its settings, its topics or its digest key are other ones \
             (definition_hash): give every instance the same"
        )
    );
}

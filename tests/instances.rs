//! Several instances that share one topic, against Apache Kafka with three brokers and a real
//! Prometheus: whatever happens to them, every number that anybody scrapes is what was true of the
//! instant that its page names.
//!
//! `TENURE_INSTANCES_MINUTES=10` makes faults happen for that long (`./scripts/instances` does it in
//! a release build); otherwise each kind happens once.

#![cfg(test)]

#[path = "instances/fleet.rs"]
mod fleet;
#[path = "instances/load.rs"]
mod load;
#[expect(
    dead_code,
    reason = "whole cases, random logs and spellings of records are for other tests"
)]
mod oracle;
#[path = "instances/proof.rs"]
mod proof;
#[expect(
    dead_code,
    reason = "these tests need no registry and no host of their own"
)]
mod real;
#[path = "instances/reference.rs"]
mod reference;
#[path = "instances/schedule.rs"]
mod schedule;
#[path = "instances/scrapes.rs"]
mod scrapes;
#[expect(dead_code, reason = "fleets are other than single services")]
mod service;

use std::collections::BTreeSet;
use std::env;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

use fleet::{Fleet, Setup, TOKEN};
use load::{Lead, Load, Log};
use proof::Proof;
use real::folder::KeptFolder;
use real::kafka::{Kafka, KafkaOptions};
use real::process::Signal;
use real::prometheus::Prometheus;
use real::{eventually, http};
use reference::Reference;
use schedule::{AGAIN, Chaos, FIRST, ONCE};
use scrapes::Scrape;
use service::{DEADLINE, now};

const PARTITIONS: i32 = 12;

/// From the start of a fleet to numbers.
const START: Duration = Duration::from_mins(1);

/// The cluster that these tests share, one at a time: they end its nodes, and there are two cores.
fn cluster() -> MutexGuard<'static, Kafka> {
    static SHARED: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let properties = [
            ("offsets.topic.replication.factor", "3"),
            ("min.insync.replicas", "2"),
            ("default.replication.factor", "3"),
            ("group.min.session.timeout.ms", "1000"),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Mutex::new(Kafka::start(&KafkaOptions {
            nodes: 3,
            heap_mib: 256,
            properties: properties.into(),
            ..KafkaOptions::default()
        }))
    });
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn minutes() -> Option<u64> {
    let text = env::var("TENURE_INSTANCES_MINUTES").ok()?;
    Some(text.parse().unwrap())
}

/// What a proof of this length takes: customers, events a second, seconds between scrapes.
struct Size {
    customers: u32,
    a_second: u32,
    scrape_every: Duration,
    session: Duration,
    pause: Duration,
}

impl Size {
    fn of(minutes: Option<u64>) -> Self {
        match minutes {
            None => Self {
                customers: 2_000,
                a_second: 200,
                scrape_every: Duration::from_secs(1),
                session: Duration::from_secs(3),
                pause: Duration::ZERO,
            },
            Some(_) => Self {
                customers: 10_000,
                a_second: 1_000,
                scrape_every: Duration::from_secs(2),
                session: Duration::from_secs(6),
                pause: Duration::from_secs(5),
            },
        }
    }
}

#[test]
fn while_instances_come_and_go_every_scraped_number_was_true_of_the_instant_on_its_page() {
    let mut kafka = cluster();
    let minutes = minutes();
    let size = Size::of(minutes);
    let topic = "shared-events";
    kafka.create_topic_everywhere(topic, PARTITIONS, &[]);
    let log = Log::with_history(&kafka, topic, size.customers, 1);
    let setup = Setup {
        topic,
        report_topic: Some("shared-reports"),
        session: size.session,
        checkpoints: Duration::from_secs(20),
    };
    let mut fleet = Fleet::new(&kafka, &setup);
    let prometheus = Prometheus::start(&fleet.addresses(), size.scrape_every);
    let begun = Instant::now();
    let load = Load::start(&log, size.a_second, 2);
    let mut proof = Proof::default();
    for place in FIRST {
        fleet.start(place);
    }
    fleet.serves_anew(START);
    fleet.shares(PARTITIONS);
    let mut chaos = Chaos {
        kafka: &mut kafka,
        fleet: &mut fleet,
        log: &log,
        session: size.session,
        pause: size.pause,
    };
    let further = AGAIN.iter().cycle();
    let further = further.take_while(|_| {
        minutes.is_some_and(|minutes| begun.elapsed() < Duration::from_mins(minutes))
    });
    for fault in ONCE.iter().chain(further) {
        chaos.happens(*fault, &mut proof);
    }
    let mut firsts = Vec::new();
    for signal in [Signal::Kill, Signal::Terminate] {
        firsts.extend(restart_all(&mut fleet, signal, &mut proof));
    }
    // A last look of Prometheus at everybody.
    fleet.look_for(size.scrape_every * 2);
    load.stop();
    let mut reference = Reference::of(log.text());
    let past = begun.elapsed().as_secs() / 60 + 2;
    let all: Vec<_> = fleet
        .addresses()
        .into_iter()
        .map(|address| (address.to_string(), scrapes::of(&prometheus, address, past)))
        .collect();
    for (address, scrapes) in &all {
        proof.add(address, scrapes, &mut reference, |at| log.settled(at));
    }
    proof.add_all(&all);
    for (whose, page) in &firsts {
        proof.judge(whose, page, &mut reference, |at| log.settled(at));
    }
    println!("{} events, {:.0?}\n\n{proof}", log.len(), begun.elapsed());
    proof.nothing_is_wrong();
    assert!(proof.compared() > 10_000, "{}", proof.compared());
    assert!(proof.share_unsettled() < 0.2);
    assert!(proof.instants().len() > 10, "{:?}", proof.instants());
    let (dark, still) = proof.gap_of_all();
    assert!(dark < 60_000 && still < 60_000, "{dark} {still}");
    check_reference(&mut reference, &proof.instants());
}

/// Ends all instances at once and starts them again; answers the first page with numbers of each.
fn restart_all(fleet: &mut Fleet, signal: Signal, proof: &mut Proof) -> Vec<(String, Scrape)> {
    fleet.standstill();
    let places = fleet.awake();
    fleet.end(&places, signal);
    let begun = Instant::now();
    for place in &places {
        fleet.start(*place);
    }
    let urls: Vec<String> = places.iter().map(|place| fleet.url(*place)).collect();
    let firsts: Vec<(String, Scrape)> = thread::scope(|scope| {
        let watching: Vec<_> = urls
            .iter()
            .map(|url| scope.spawn(move || first_numbers(url)))
            .collect();
        while watching.iter().any(|watching| !watching.is_finished()) {
            fleet.look();
        }
        let pages = watching.into_iter().map(|first| first.join().unwrap());
        urls.iter().cloned().zip(pages).collect()
    });
    let first = begun.elapsed();
    fleet.serves_anew(START);
    let what = format!(
        "All({signal:?}), numbers at all of them after {first:.1?}, newer ones after {:.1?}",
        begun.elapsed()
    );
    proof.fault(what, fleet.standstill());
    firsts
}

/// The first page that carries a number.
fn first_numbers(url: &str) -> Scrape {
    eventually(START, &format!("numbers of {url}"), || {
        let page = scrape(url)?;
        let numbers = page.numbers.contains_key("tenure_customers{}");
        numbers.then_some(page).ok_or_else(|| "none yet".to_owned())
    })
}

/// The page of this address, looked at directly.
fn scrape(url: &str) -> Result<Scrape, String> {
    let text = http::get_ok(&format!("{url}/metrics"), &[])?;
    let of = |metric: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(metric)?.trim().parse::<f64>().ok())
    };
    Ok(Scrape {
        began: of("process_start_time_seconds ").unwrap_or(0.0),
        instant: of("tenure_report_timestamp_seconds ").map(|at| (at * 1000.0).round() as i64),
        numbers: reference::numbers(&text),
    })
}

/// What everything was held against is itself what the command says.
fn check_reference(reference: &mut Reference, instants: &[i64]) {
    let folder = KeptFolder::new("reference");
    for at in [instants.len() / 3, instants.len() - 1].map(|at| instants[at]) {
        let replayed = reference.replayed(at, folder.path());
        assert_eq!(reference.at(at), &replayed, "{at}");
    }
}

/// A fleet of three with numbers, over a history that does not change.
fn quiet(kafka: &Kafka, topic: &str, report_topic: Option<&str>) -> (Fleet, Arc<Log>) {
    kafka.create_topic_everywhere(topic, PARTITIONS, &[]);
    let log = Log::with_history(kafka, topic, 500, 3);
    let setup = Setup {
        topic,
        report_topic,
        // Who is frozen in these tests is not replaced.
        session: Duration::from_secs(15),
        checkpoints: Duration::from_mins(1),
    };
    let mut fleet = Fleet::new(kafka, &setup);
    for place in FIRST {
        fleet.start(place);
    }
    (fleet, log)
}

#[test]
fn several_instances_without_a_report_topic_withhold_their_numbers_and_say_why() {
    let kafka = cluster();
    let (fleet, _) = quiet(&kafka, "untold-events", None);
    for place in FIRST {
        let reason = eventually(START, "numbers that are withheld", || {
            let page = fleet.page(place)?;
            match page.value("tenure_customers") {
                None if !page.withheld("incomplete").is_empty() => Ok(page),
                value => Err(format!("{value:?} customers")),
            }
        });
        assert!(reason.withheld("incomplete").contains("tenure_customers"));
        let (status, body) = http::get(&format!("{}/-/ready", fleet.url(place)), &[]).unwrap();
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("incomplete"), "{body}");
        let line = fleet.process(place).wait_for_line("report_topic", START);
        assert!(line.contains("withholding numbers"), "{line}");
    }
}

/// What an instance answers: the status and the body.
fn ask(fleet: &Fleet, place: usize, path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .build()
        .into();
    let request = agent
        .get(format!("{}/api/v1/{path}", fleet.url(place)))
        .header("Authorization", format!("Bearer {TOKEN}"))
        .query_pairs(parameters.iter().copied());
    let mut response = request.call().unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), body)
}

/// An answer without the moment of the question.
fn lasting(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"));
    if body.get("known_since").is_some() {
        // A customer is as of now.
        body.as_object_mut().unwrap().remove("at");
    }
    body
}

#[test]
fn any_instance_answers_for_all_also_while_an_owner_does_not() {
    let kafka = cluster();
    let (mut fleet, log) = quiet(&kafka, "asked-events", Some("asked-reports"));
    fleet.serves_anew(START);
    let at = now() as i64 - 20 * 86_400;
    let (at, from) = (at.to_string(), (at - 10 * 86_400).to_string());
    let customers = log.customers();
    let mut questions: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("report", vec![("at", &at)]),
        (
            "series",
            vec![
                ("metric", "tenure_retention_ratio"),
                ("start", &from),
                ("end", &at),
                ("step", "1d"),
            ],
        ),
    ];
    let looked_up = customers.iter().step_by(customers.len() / 10);
    questions.extend(looked_up.map(|id| ("customers", vec![("id", id.as_str())])));
    for (path, parameters) in &questions {
        let answers = FIRST.map(|place| ask(&fleet, place, path, parameters));
        for answer in &answers {
            assert_eq!(answer.0, 200, "{path}: {}", answer.1);
            assert_eq!(lasting(&answer.1), lasting(&answers[0].1), "{path}");
        }
    }
    let mut reference = Reference::of(log.text());
    let (_, report) = ask(&fleet, 0, "report", &questions[0].1);
    let instant = at.parse::<i64>().unwrap() * 1000;
    let verdict = reference.judge(instant, &reference::of_report(&report));
    assert!(verdict.right > 100, "{verdict:?}");
    assert!(verdict.wrong.is_empty(), "{verdict:?}");
    // Somebody who has a part of the answer is there, and does not answer: then the next owner does, or
    // it is said who is missing.
    fleet.freeze(1);
    let (status, body) = ask(&fleet, 0, "report", &questions[0].1);
    if status == 200 {
        assert_eq!(lasting(&body), lasting(&report));
    } else {
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("other_instances"), "{body}");
    }
    fleet.thaw(1);
}

#[test]
fn while_the_topic_grows_no_number_is_wrong() {
    let kafka = cluster();
    let topic = "growing-events";
    let (mut fleet, log) = quiet(&kafka, topic, Some("growing-reports"));
    fleet.serves_anew(START);
    // Whoever does not notice at once leaves out what is in the new partitions.
    log.lead(Lead::Near);
    // A repeat of an event that is in another partition by then would count again.
    let load = Load::without_repeats(&log, 200, 4);
    let mut pages = watched(&mut fleet, Duration::from_secs(8));
    let before = pages.len();
    kafka.grow_topic(topic, PARTITIONS + 4);
    let grown = Instant::now();
    pages.extend(watched(&mut fleet, Duration::from_secs(8)));
    // Instances look for new partitions every few seconds, and say that customers may be split.
    for place in FIRST {
        eventually(START, "withheld for split customers", || {
            let page = fleet.page(place)?;
            let split = page
                .withheld("split_customers")
                .contains("tenure_customers");
            split.then_some(()).ok_or_else(|| {
                let tail = fleet.process(place).tail();
                format!(
                    "{:?} at {}\n{tail}",
                    page.withheld("incomplete"),
                    page.time()
                )
            })
        });
    }
    pages.extend(watched(&mut fleet, Duration::from_secs(8)));
    load.stop();
    let mut reference = Reference::of(log.text());
    let mut proof = Proof::default();
    for (whose, page) in &pages {
        proof.judge(whose, page, &mut reference, |at| log.settled(at));
    }
    let reasons: BTreeSet<String> = pages[before..]
        .iter()
        .flat_map(|(_, page)| page.numbers.keys())
        .filter_map(|series| reference::withheld_for(series))
        .collect();
    println!(
        "{:.0?} after it grew, withheld for {reasons:?}\n\n{proof}",
        grown.elapsed()
    );
    proof.nothing_is_wrong();
    // The oracle walks the whole log for each number, so it is asked about this small one.
    let differences = reference.differs_from_oracle(proof.instants()[0]);
    assert!(differences.is_empty(), "{differences:#?}");
}

/// The pages of everybody over so long, each that is new.
fn watched(fleet: &mut Fleet, span: Duration) -> Vec<(String, Scrape)> {
    let begun = Instant::now();
    let mut pages: Vec<(String, Scrape)> = Vec::new();
    while begun.elapsed() < span {
        for place in fleet.awake() {
            let url = fleet.url(place);
            let page = scrape(&url).unwrap();
            let latest = pages.iter().rev().find(|(whose, _)| *whose == url);
            if latest.is_none_or(|(_, latest)| *latest != page) {
                pages.push((url, page));
            }
        }
        fleet.look();
    }
    pages
}

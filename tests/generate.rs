//! The generated stream as its readers see it: bytes, order, validity and statistics.
//!
//! The bands of the statistics are about four standard errors wide for the stated customers, so
//! that another seed passes too; a stream is fixed by its settings, so none fails at random.

#![cfg(test)]

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tenure::event::{Amount, EventType, Timestamp, currency};
use tenure::generate::{Generator, GeneratorSettings, InvalidSettings, Record, Scenario};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn settings(customers: u32, days: u32) -> GeneratorSettings {
    GeneratorSettings {
        customers,
        days,
        seed: 1,
        until: Timestamp::from_millis(1_767_225_600_000),
        scenario: Scenario::Steady,
        live_rate: None,
    }
}

fn records(settings: GeneratorSettings) -> impl Iterator<Item = Record> {
    let mut generator = Generator::new(settings).expect("settings in their ranges");
    std::iter::from_fn(move || {
        let mut record = Record::buffer();
        generator.next_into(&mut record).then_some(record)
    })
}

/// A record with its payload read.
struct Read {
    record: Record,
    event: Value,
}

impl Read {
    fn of(record: Record) -> Self {
        let event = serde_json::from_slice(&record.payload).expect("a JSON payload");
        Self { record, event }
    }

    fn is(&self, event_type: EventType) -> bool {
        self.record.event_type == event_type
    }

    fn nps(&self) -> Option<u64> {
        (self.event["survey"] == "nps").then(|| self.event["score"].as_u64())?
    }

    fn millis_before(&self, until: Timestamp) -> i64 {
        until.as_millis() - self.record.occurred_at.as_millis()
    }
}

/// The distinct events of a stream by the time they occurred.
fn events(settings: GeneratorSettings) -> Vec<Read> {
    let mut events: Vec<Read> = records(settings)
        .filter(|record| !record.repeat)
        .map(Read::of)
        .collect();
    events.sort_by_key(|read| read.record.occurred_at);
    events
}

fn assert_within(name: &str, value: f64, band: std::ops::RangeInclusive<f64>) {
    assert!(band.contains(&value), "{name} is {value}, not in {band:?}");
}

/// FNV-1a, 64 bits.
fn hash(bytes: &[u8], hash: u64) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn the_first_ten_thousand_records_are_the_same_for_ever() {
    let check = |scenario, expected: u64| {
        let mut digest = 0xcbf2_9ce4_8422_2325;
        let settings = GeneratorSettings {
            scenario,
            ..settings(2_700, 30)
        };
        for record in records(settings).take(10_000) {
            digest = hash(record.key.as_bytes(), digest);
            digest = hash(&record.payload, digest);
            digest = hash(&record.arrives_at.as_millis().to_le_bytes(), digest);
        }
        assert_eq!(digest, expected, "{scenario:?}: {digest:#018x}");
    };
    check(Scenario::Steady, 0x0855_29d6_74fe_a40b);
    check(Scenario::NpsDrop, 0x0dc9_40de_6ef9_dfe0);
    check(Scenario::ChurnSpike, 0x3694_e09f_05c0_073f);
}

#[test]
fn another_seed_is_about_other_customers() {
    let keys = |seed| -> HashSet<String> {
        let settings = GeneratorSettings {
            seed,
            ..settings(2_000, 30)
        };
        records(settings).map(|record| record.key).collect()
    };
    let (one, other) = (keys(1), keys(2));
    assert!(one.len() > 1_990 && one.len() <= 2_000);
    assert!(one.is_disjoint(&other));
    assert_eq!(one, keys(1));
}

#[test]
fn every_record_is_a_valid_event() {
    let live = GeneratorSettings {
        live_rate: Some(50.0),
        ..settings(4_000, 30)
    };
    for record in records(live).take(30_000) {
        assert!(!record.payload.contains(&b'\n'));
        let Read { record, event } = Read::of(record);
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        assert!((1..=256).contains(&text("event_id").len()));
        assert_eq!(text("type"), record.event_type.name());
        let customer = match &event["customer_id"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_u64().expect("an integer").to_string(),
            other => panic!("customer_id is {other}"),
        };
        assert_eq!(customer, record.key);
        let at = match &event["occurred_at"] {
            Value::String(text) => Timestamp::from_rfc3339(text).expect("RFC 3339"),
            other => Timestamp::from_millis(other.as_i64().expect("an integer")),
        };
        assert_eq!(at, record.occurred_at);
        assert!(["free", "basic", "pro"].contains(&event["attributes"]["plan"].as_str().unwrap()));
        assert_eq!(event["attributes"]["country"].as_str().unwrap().len(), 2);
        match record.event_type {
            EventType::Signup => {}
            EventType::Purchase => check_order(&event),
            EventType::Churn => {
                assert!(event.get("reason").is_none_or(|reason| {
                    reason.as_str().is_some_and(|reason| !reason.is_empty())
                }));
            }
            EventType::SurveySubmitted => check_answer(&event),
        }
    }
}

fn check_order(event: &Value) {
    let amount = match &event["amount"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("amount is {other}"),
    };
    let read = if event["amount"].is_string() {
        Amount::from_decimal(&amount)
    } else {
        Amount::from_json_number(&amount)
    };
    assert!(read.is_some(), "amount {amount}");
    let code = event["currency"].as_str().unwrap();
    assert!(currency::iso_4217(code));
    if event["amount"].is_string() {
        let decimals = amount.split_once('.').map_or(0, |(_, digits)| digits.len());
        let expected = match code {
            "JPY" | "KRW" => 0,
            "KWD" => 3,
            _ => 2,
        };
        assert_eq!(decimals, expected, "{amount} {code}");
    }
    assert!(event["order_id"].as_str().is_some_and(|id| id.len() > 2));
}

fn check_answer(event: &Value) {
    let scale = match event["survey"].as_str().unwrap() {
        "nps" => 0..=10,
        "csat" | "ces" => 1..=5,
        other => panic!("survey {other}"),
    };
    assert!(scale.contains(&event["score"].as_u64().unwrap()));
}

#[test]
fn a_customer_has_as_many_events_in_a_month_as_in_a_year() {
    for days in [30, 400] {
        let customers = 20_000;
        let (mut counts, mut count, mut bytes) = (HashMap::new(), 0.0, 0.0);
        for record in records(settings(customers, days)).filter(|record| !record.repeat) {
            *counts.entry(record.event_type).or_insert(0.0) += 1.0;
            count += 1.0;
            bytes += record.payload.len() as f64;
        }
        let customers = f64::from(customers);
        assert_within("events", count / customers, 3.6..=3.9);
        assert_within(
            "sign-ups",
            counts[&EventType::Signup] / customers,
            1.0..=1.05,
        );
        assert_within(
            "orders",
            counts[&EventType::Purchase] / customers,
            1.9..=2.1,
        );
        assert_within(
            "answers",
            counts[&EventType::SurveySubmitted] / customers,
            0.46..=0.54,
        );
        assert_within("churns", counts[&EventType::Churn] / customers, 0.23..=0.27);
        assert_within("bytes an event", bytes / count, 200.0..=220.0);
    }
}

#[test]
fn records_come_in_the_order_of_arrival_within_the_span_and_some_are_late() {
    let settings = settings(20_000, 30);
    let span = settings.since()..settings.until;
    let (mut last, mut newest) = (Timestamp::FIRST, Timestamp::FIRST);
    let (mut count, mut hours, mut days, mut behind) = (0.0, 0.0, 0.0, 0.0);
    for record in records(settings).filter(|record| !record.repeat) {
        assert!(last <= record.arrives_at && record.occurred_at <= record.arrives_at);
        assert!(span.contains(&record.arrives_at) && span.contains(&record.occurred_at));
        last = record.arrives_at;
        let late = record.arrives_at.as_millis() - record.occurred_at.as_millis();
        count += 1.0;
        hours += f64::from(u8::from((HOUR..DAY).contains(&late)));
        days += f64::from(u8::from(late >= DAY));
        behind += f64::from(u8::from(record.occurred_at < newest));
        newest = newest.max(record.occurred_at);
    }
    assert_within("hours late", hours / count, 0.017..=0.023);
    assert_within("days late", days / count, 0.0015..=0.0045);
    assert_within("out of order", behind / count, 0.03..=0.5);
}

#[test]
fn a_hundredth_is_delivered_again_with_the_same_bytes() {
    let mut first: HashMap<Vec<u8>, i64> = HashMap::new();
    let mut ids = HashSet::new();
    let (mut count, mut repeats, mut much_later) = (0.0, 0.0, 0.0);
    for record in records(settings(20_000, 30)) {
        count += 1.0;
        let arrives_at = record.arrives_at.as_millis();
        if record.repeat {
            let before = first[&record.payload];
            repeats += 1.0;
            much_later += f64::from(u8::from(arrives_at - before > HOUR));
        } else {
            let event: Value = serde_json::from_slice(&record.payload).expect("JSON");
            assert!(
                ids.insert(event["event_id"].to_string()),
                "an id of its own"
            );
            first.insert(record.payload, arrives_at);
        }
    }
    assert_within("repeats", repeats / count, 0.008..=0.012);
    assert_within("much later", much_later / repeats, 0.1..=0.3);
}

#[test]
fn some_ids_times_and_amounts_are_numbers() {
    let events = events(settings(20_000, 30));
    let share = |is: &dyn Fn(&Value) -> bool, of: &dyn Fn(&Value) -> bool| {
        let of: Vec<&Value> = events
            .iter()
            .map(|read| &read.event)
            .filter(|event| of(event))
            .collect();
        of.iter().filter(|event| is(event)).count() as f64 / of.len() as f64
    };
    let any = |_: &Value| true;
    let order = |event: &Value| event["type"] == "purchase";
    let answer = |event: &Value| event["survey"] == "nps";
    let local = |event: &Value| {
        let at = event["occurred_at"].as_str();
        at.is_some_and(|at| !at.ends_with('Z'))
    };
    assert_within(
        "integer ids",
        share(&|event| event["customer_id"].is_u64(), &any),
        0.01..=0.03,
    );
    assert_within(
        "integer times",
        share(&|event| event["occurred_at"].is_u64(), &any),
        0.01..=0.03,
    );
    assert_within(
        "numeric amounts",
        share(&|event| event["amount"].is_number(), &order),
        0.06..=0.1,
    );
    assert_within("local times", share(&local, &answer), 0.25..=0.35);
}

/// Of the customers who answered the NPS question that way, the share that left before the end.
fn leavers(events: &[Read], group: std::ops::RangeInclusive<u64>) -> f64 {
    let (mut stood, mut answered, mut left) = (HashMap::new(), 0.0, 0.0);
    for read in events {
        if let Some(score) = read.nps() {
            stood.insert(&read.record.key, group.contains(&score));
            answered += f64::from(u8::from(group.contains(&score)));
        } else if read.is(EventType::Churn) && stood.remove(&read.record.key) == Some(true) {
            left += 1.0;
        }
    }
    left / answered
}

#[test]
fn those_who_answer_low_leave_more_often() {
    let events = events(settings(20_000, 30));
    let (low, high) = (leavers(&events, 0..=6), leavers(&events, 9..=10));
    assert_within("left after a low answer", low, 0.4..=0.65);
    assert_within("left after a high answer", high, 0.02..=0.1);
}

#[test]
fn some_who_left_come_back() {
    let (mut away, mut left, mut back) = (HashSet::new(), 0.0, 0.0);
    for read in &events(settings(20_000, 30)) {
        match read.record.event_type {
            EventType::Churn => {
                left += 1.0;
                away.insert(&read.record.key);
            }
            EventType::Signup | EventType::Purchase => {
                back += f64::from(u8::from(away.remove(&read.record.key)));
            }
            EventType::SurveySubmitted => {}
        }
    }
    assert_within("came back", back / left, 0.05..=0.25);
}

/// The NPS of the answers given between so many days before the end.
fn nps(events: &[Read], until: Timestamp, days: std::ops::Range<i64>) -> f64 {
    let scores: Vec<u64> = events
        .iter()
        .filter(|read| days.contains(&(read.millis_before(until) / DAY)))
        .filter_map(Read::nps)
        .collect();
    let balance: i64 = scores
        .iter()
        .map(|score| i64::from(*score >= 9) - i64::from(*score <= 6))
        .sum();
    100.0 * balance as f64 / scores.len() as f64
}

#[test]
fn the_nps_is_steady_or_falls_by_thirty_points_in_the_last_five_days() {
    for (scenario, band) in [
        (Scenario::Steady, -7.0..=7.0),
        (Scenario::NpsDrop, -38.0..=-24.0),
    ] {
        let settings = GeneratorSettings {
            scenario,
            ..settings(60_000, 30)
        };
        let events = events(settings);
        let before = nps(&events, settings.until, 5..19);
        let last = nps(&events, settings.until, 0..5);
        assert_within("NPS before", before, 22.0..=38.0);
        assert_within("change of the NPS", last - before, band);
    }
}

#[test]
fn churn_is_steady_or_three_times_as_high_on_the_last_day() {
    for (scenario, band) in [
        (Scenario::Steady, 0.85..=1.2),
        (Scenario::ChurnSpike, 2.6..=3.6),
    ] {
        let settings = GeneratorSettings {
            scenario,
            ..settings(60_000, 30)
        };
        let events = events(settings);
        let on_days = |days: std::ops::Range<i64>| {
            let count = events
                .iter()
                .filter(|read| read.is(EventType::Churn))
                .filter(|read| days.contains(&(read.millis_before(settings.until) / DAY)))
                .count();
            count as f64 / (days.end - days.start) as f64
        };
        // Whole weeks before, so that the day of the week weighs little.
        assert_within("last day over before", on_days(0..1) / on_days(1..8), band);
    }
}

#[test]
fn business_follows_the_days_and_the_week() {
    let mut by_hour = [0.0; 24];
    for record in records(settings(20_000, 28)).filter(|record| !record.repeat) {
        if record.event_type == EventType::Purchase {
            by_hour[(record.occurred_at.as_millis().rem_euclid(DAY) / HOUR) as usize] += 1.0;
        }
    }
    let total: f64 = by_hour.iter().sum();
    // Customers live on three continents, so nights are not empty.
    assert_within(
        "busiest hour",
        by_hour.iter().copied().fold(0.0, f64::max) / total,
        0.05..=0.09,
    );
    assert_within(
        "quietest hour",
        by_hour.iter().copied().fold(1e9, f64::min) / total,
        0.005..=0.03,
    );
}

#[test]
fn after_the_span_the_stream_goes_on_at_its_rate() {
    let settings = GeneratorSettings {
        live_rate: Some(20.0),
        ..settings(5_000, 30)
    };
    let span: Vec<Record> = records(settings)
        .take_while(|record| record.arrives_at < settings.until)
        .collect();
    let bounded: Vec<Record> = records(GeneratorSettings {
        live_rate: None,
        ..settings
    })
    .collect();
    assert!(span == bounded, "the span is the same, live or not");

    let live: Vec<Record> = records(settings).skip(span.len()).take(20_000).collect();
    assert!(live.is_sorted_by_key(|record| record.arrives_at));
    assert!(
        live.iter()
            .all(|record| record.occurred_at <= record.arrives_at)
    );
    let seconds = live[live.len() - 1].arrives_at.as_seconds() - settings.until.as_seconds();
    assert_within("events a second", live.len() as f64 / seconds, 19.0..=21.5);
    let share = |is: &dyn Fn(&Record) -> bool| {
        live.iter().filter(|record| is(record)).count() as f64 / live.len() as f64
    };
    assert_within("repeats", share(&|record| record.repeat), 0.006..=0.014);
    assert_within(
        "orders",
        share(&|record| record.event_type == EventType::Purchase),
        0.68..=0.75,
    );
    assert_within(
        "answers",
        share(&|record| record.event_type == EventType::SurveySubmitted),
        0.25..=0.31,
    );
    let overdue = |record: &Record| record.occurred_at < settings.until;
    assert!(
        live.iter().any(overdue),
        "what occurred in the span still arrives"
    );

    let mut ids = HashSet::new();
    for record in span.iter().chain(&live).filter(|record| !record.repeat) {
        let event: Value = serde_json::from_slice(&record.payload).expect("JSON");
        assert!(
            ids.insert(event["event_id"].to_string()),
            "an id of its own"
        );
    }
}

#[test]
fn customers_come_and_go_after_the_span_as_fast_as_in_it_however_much_else_happens() {
    let check = |scenario, rate, times: std::ops::RangeInclusive<f64>| {
        let settings = GeneratorSettings {
            scenario,
            live_rate: Some(rate),
            ..settings(60_000, 30)
        };
        let (mut within, mut after) = (HashMap::new(), HashMap::new());
        for record in records(settings) {
            let since = record.occurred_at.as_millis() - settings.until.as_millis();
            let days = since.div_euclid(DAY);
            // The last day of the span is left out: more leave on it in a spike.
            let (counts, counted) = if record.arrives_at < settings.until {
                (&mut within, (-29..-1).contains(&days))
            } else {
                (&mut after, days == 0)
            };
            if counted && !record.repeat {
                *counts.entry(record.event_type).or_insert(0.0) += 1.0;
            }
            if record.arrives_at.as_millis() >= settings.until.as_millis() + DAY {
                break;
            }
        }
        let ratio = |event_type| 28.0 * after[&event_type] / within[&event_type];
        assert_within("sign-ups", ratio(EventType::Signup), 0.85..=1.15);
        assert_within("churns", ratio(EventType::Churn), times);
    };
    check(Scenario::Steady, 1.0, 0.85..=1.15);
    check(Scenario::Steady, 3.0, 0.85..=1.15);
    check(Scenario::ChurnSpike, 1.0, 2.6..=3.4);
}

#[test]
fn nobody_leaves_twice_without_coming_back() {
    // Slow enough that coming and going is as much of it as it can be.
    let settings = GeneratorSettings {
        live_rate: Some(0.005),
        ..settings(2_000, 30)
    };
    let mut events: Vec<Record> = records(settings)
        .take(40_000)
        .filter(|record| !record.repeat)
        .collect();
    // Delays shuffle arrivals; lives are told by when things occurred.
    events.sort_by_key(|record| record.occurred_at);
    let (mut away, mut churns, mut of_the_absent) = (HashSet::new(), 0, 0);
    for record in &events {
        match record.event_type {
            EventType::Churn => {
                churns += 1;
                of_the_absent += u32::from(!away.insert(&record.key));
            }
            EventType::Signup | EventType::Purchase => {
                away.remove(&record.key);
            }
            EventType::SurveySubmitted => {}
        }
    }
    assert!(churns > 1_000, "{churns} churns");
    assert_eq!(of_the_absent, 0);
}

#[test]
fn settings_out_of_their_range_are_refused() {
    let check = |expected: InvalidSettings, change: &dyn Fn(&mut GeneratorSettings)| {
        let mut changed = settings(1, 1);
        assert!(Generator::new(changed).is_ok());
        change(&mut changed);
        assert_eq!(Generator::new(changed).err(), Some(expected));
    };
    check(InvalidSettings::Customers, &|settings| {
        settings.customers = 0;
    });
    check(InvalidSettings::Days, &|settings| settings.days = 0);
    check(InvalidSettings::Days, &|settings| settings.days = 3651);
    check(InvalidSettings::Span, &|settings| {
        settings.until = Timestamp::FIRST;
    });
    check(InvalidSettings::Span, &|settings| {
        settings.until = Timestamp::from_millis(i64::MAX);
    });
    check(InvalidSettings::LiveRate, &|settings| {
        settings.live_rate = Some(0.0);
    });
    check(InvalidSettings::LiveRate, &|settings| {
        settings.live_rate = Some(f64::NAN);
    });
}

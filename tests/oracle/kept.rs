//! Which events there are: from the records in order of arrival to a set.
//!
//! This is the only place where arrival can matter, and it does for conflicting ids alone.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact, Log, Record, Survey};
use super::settings::Settings;

/// 2000-01-01T00:00:00.000Z
const FIRST_INSTANT: i64 = 946_684_800_000;
/// 2069-12-31T23:59:59.999Z
const LAST_INSTANT: i64 = 3_155_759_999_999;

/// The distinct events that happened before `at`, whenever they arrived.
pub fn known_before(log: &Log, settings: &Settings, at: i64) -> Vec<Fact> {
    kept(log, settings)
        .into_iter()
        .filter(|fact| fact.at < at)
        .collect()
}

/// The distinct events of the log.
///
/// A record that agrees with a kept one in everything is that event again, however far apart. One
/// with the customer and id of a kept one and other content is dropped while the id is remembered:
/// until the newest Kafka timestamp so far, or as long as there was none the newest event time, is
/// the duplicate window further than it was when the id was first used.
pub fn kept(log: &Log, settings: &Settings) -> BTreeSet<Fact> {
    let mut kept: BTreeSet<Fact> = BTreeSet::new();
    let mut used_at: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut newest_kafka_timestamp: Option<i64> = None;
    let mut newest_event_time: i64 = i64::MIN;

    for record in &log.records {
        newest_kafka_timestamp = newest_kafka_timestamp.max(record.kafka_timestamp);
        if rejected(record, settings) {
            continue;
        }
        let fact = seen(&record.fact, settings);
        newest_event_time = newest_event_time.max(fact.at);
        let now = newest_kafka_timestamp.unwrap_or(newest_event_time);

        if kept.contains(&fact) {
            continue;
        }
        let id = (record.fact.customer.as_str(), record.fact.id.as_str());
        if let Some(used_at) = used_at.get(&id)
            && now - used_at < settings.duplicate_window
        {
            continue;
        }
        used_at.insert(id, now);
        kept.insert(fact);
    }
    kept
}

/// The event as it is looked at: attributes of other than the configured dimensions are nothing.
pub fn seen(fact: &Fact, settings: &Settings) -> Fact {
    let mut fact = fact.clone();
    fact.attributes
        .retain(|name, _| settings.dimensions.contains(name));
    fact
}

/// Whether the record is no event at all; then it doesn't use its id up either.
pub fn rejected(record: &Record, settings: &Settings) -> bool {
    let at = record.fact.at;
    let implausible = !(FIRST_INSTANT..=LAST_INSTANT).contains(&at);
    let in_the_future = match record.kafka_timestamp {
        Some(timestamp) => at > timestamp + settings.max_future_skew,
        None => false,
    };
    let off_scale = match &record.fact.body {
        Body::Survey { survey, score, .. } => match survey {
            Survey::Nps => !(0..=10).contains(score),
            Survey::Csat => !(1..=5).contains(score),
            Survey::Ces => !(1..=i64::from(settings.ces_max)).contains(score),
        },
        _ => false,
    };
    implausible || in_the_future || off_scale
}

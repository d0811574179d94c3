//! The topic that takes the base, and what the topics of the service hold so far.
//!
//! Owns the questions to the brokers: where the topics begin in time, how their keys are placed, and
//! whether the topic would keep what is written to it. Promises that nothing is written here. Knows
//! nothing of the file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::Consumer as _;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::command::Failure;
use crate::command::import::facts::ID_PREFIX;
use crate::command::import::placing::{Partitioner, Placed};
use crate::command::topics::{Entries, describe};
use crate::config::Settings;
use crate::event::Timestamp;
use crate::event::record::Record;
use crate::event::source::{Decoded, Source};
use crate::kafka::Place;
use crate::kafka::client::{Consumer, Context, configuration, failure};
use crate::kafka::headers::Headers;
use crate::kafka::progress::Start;
use crate::kafka::watch::{Unreadable, starts, starts_of_any};
use crate::telemetry::{Failure as KafkaFailure, Telemetry};

/// How long the brokers may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A topic that was made a moment ago is not known everywhere yet.
const UNKNOWN: Duration = Duration::from_secs(5);
const NAP: Duration = Duration::from_millis(200);
/// How long looking at records may take in all, and how long nothing may come.
const TIME: Duration = Duration::from_mins(1);
const SILENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// Records to look at, over all partitions, and in each at least.
const LOOKS: i64 = 4000;
const LEAST_LOOKS: i64 = 10;

/// Where the base goes.
pub struct Destination {
    pub topic: String,
    pub partitioner: Partitioner,
    /// From when on the topics hold everything, the end of time if they hold nothing for certain;
    /// nothing if they hold nothing yet.
    pub begins_at: Option<Timestamp>,
    /// What is good to know.
    pub notes: Vec<String>,
    /// What may go wrong later.
    pub warnings: Vec<String>,
}

/// The first record of a partition.
#[derive(Debug, Clone, Copy)]
struct First {
    recorded_at: Option<Timestamp>,
    /// Whether an import wrote it.
    ours: bool,
}

/// Topics as they are now.
struct Look {
    starts: Vec<Start>,
    heads: Heads,
}

/// What the heads of the topics say.
#[derive(Default)]
struct Heads {
    firsts: BTreeMap<Place, First>,
    placed: Placed,
}

impl Destination {
    /// Looks at the topics of the service.
    ///
    /// # Errors
    /// If a topic is not there, would not keep the base, or has its keys placed in a way that the base
    /// cannot follow.
    pub fn open(
        settings: &Settings,
        topic: Option<&str>,
        partitioner: Option<Partitioner>,
    ) -> Result<Self, Failure> {
        let topic = chosen(settings, topic)?;
        let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
        let consumer: Consumer = configuration(&settings.kafka)
            .create_with_context(Context::new(Arc::new(telemetry)))
            .map_err(|error| Failure::configuration(format!("kafka.properties: {error}")))?;
        let servers = &settings.kafka.bootstrap_servers;
        if let Err(error) = consumer.fetch_metadata(None, PATIENCE) {
            return Err(Failure::unavailable(format!(
                "no broker answers at {servers}: {error}; check kafka.bootstrap_servers and, for TLS or \
                 SASL, kafka.properties"
            )));
        }
        let look = Look::at(&consumer, settings, &settings.kafka.topics, starts)?;
        let (partitioner, note) = look.heads.placed.partitioner(partitioner)?;
        // What a router wrote begins with what it found first, partition by partition: what the topics
        // that it reads hold is what counts.
        let told = match &settings.router.to {
            Some(_) => Look::at(&consumer, settings, &settings.router.from, starts_of_any)?,
            None => look,
        };
        let mut destination = Self {
            begins_at: begins_at(&told.starts, &told.heads.firsts),
            topic,
            partitioner,
            notes: vec![note],
            warnings: Vec::new(),
        };
        destination.look_at_its_settings(settings)?;
        Ok(destination)
    }

    /// Whether the topic keeps what is written to it.
    fn look_at_its_settings(&mut self, settings: &Settings) -> Result<(), Failure> {
        let topic = &self.topic;
        let entries = describe(&settings.kafka, std::slice::from_ref(topic)).pop();
        let Some(entries) = entries.flatten() else {
            self.warnings.push(format!(
                "the retention of topic {topic} cannot be read (needs DESCRIBE_CONFIGS): the base is \
                 kept as long as its other records"
            ));
            return Ok(());
        };
        let policy = value(&entries, "cleanup.policy").unwrap_or("delete");
        if policy.contains("compact") {
            return Err(Failure::configuration(format!(
                "topic {topic} is compacted (cleanup.policy={policy}): of each customer only the newest \
                 record would stay; set cleanup.policy=delete, or import into a topic of its own"
            )));
        }
        let millis: Option<i64> =
            value(&entries, "retention.ms").and_then(|text| text.parse().ok());
        if let Some(millis) = millis.filter(|millis| *millis >= 0) {
            let kept = if settings.state.url.is_some() {
                "after that it is in the checkpoints alone, and a state that is built anew needs another \
                 import"
            } else {
                "and there is no state.url, so a restart after that knows nothing of it"
            };
            self.warnings.push(format!(
                "topic {topic} keeps records for {:.1} days (retention.ms={millis}), those of the base \
                 too: {kept}; give the base a topic of its own with retention.ms=-1",
                millis as f64 / 86_400_000.0
            ));
        }
        Ok(())
    }
}

fn value<'a>(entries: &'a Entries, name: &str) -> Option<&'a str> {
    let found = entries.iter().find(|(key, _)| key == name);
    found.and_then(|(_, value)| value.as_deref())
}

/// The topic that was asked for, or the only one there is.
fn chosen(settings: &Settings, topic: Option<&str>) -> Result<String, Failure> {
    let topics = &settings.kafka.topics;
    let native = topics
        .iter()
        .filter(|topic| settings.fold.sources.of(topic).is_none());
    let native: Vec<&str> = native.map(String::as_str).collect();
    match (topic, native.as_slice()) {
        (Some(topic), native) if native.contains(&topic) => Ok(topic.to_owned()),
        (Some(topic), _) if topics.iter().any(|known| known == topic) => {
            Err(Failure::usage(format!(
                "--topic {topic}: its records are read by a mapping (sources), so native events would mean \
                 something else there; give the base a topic of its own, and add it to kafka.topics"
            )))
        }
        (Some(topic), _) => Err(Failure::usage(format!(
            "--topic {topic}: the service reads {} and would not see it; add it to kafka.topics first, \
             with as many partitions as the others",
            topics.join(", ")
        ))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(Failure::usage(
            "no topic of the service holds native events: give the base a topic of its own, with as many \
             partitions as the others, and add it to kafka.topics",
        )),
        (None, several) => Err(Failure::usage(format!(
            "which of the topics takes the base? Give one of {} with --topic; best is one of its own \
             that keeps its records for ever",
            several.join(", ")
        ))),
    }
}

impl Look {
    /// Looks at topics, whose bounds are asked for in this way.
    fn at(
        consumer: &Consumer,
        settings: &Settings,
        topics: &[String],
        starts: impl Fn(&Consumer, &[String]) -> Result<Vec<Start>, Unreadable>,
    ) -> Result<Self, Failure> {
        let asked_at = Instant::now();
        let starts = loop {
            match starts(consumer, topics) {
                Err(Unreadable::Missing { .. } | Unreadable::Client(_))
                    if asked_at.elapsed() < UNKNOWN =>
                {
                    std::thread::sleep(NAP);
                }
                answer => break answer,
            }
        };
        let starts = starts.map_err(|error| match error {
            Unreadable::NotCopartitioned { .. } => Failure::configuration(error.to_string()),
            Unreadable::Missing { .. } | Unreadable::Client(_) => Failure::unavailable(format!(
                "{error}; check kafka.topics and the permission to READ"
            )),
        })?;
        let heads = heads(consumer, &settings.fold.sources_of(topics), topics, &starts)?;
        Ok(Self { starts, heads })
    }
}

/// Looks at the first records of each partition.
fn heads(
    consumer: &Consumer,
    sources: &[Source],
    topics: &[String],
    starts: &[Start],
) -> Result<Heads, Failure> {
    let failed = |error: rdkafka::error::KafkaError| {
        Failure::unavailable(format!("could not look at the topics' records: {error}"))
    };
    let mut headers = Headers::default();
    let partitions = starts.iter().map(|start| start.place.partition + 1).max();
    let partitions = partitions.unwrap_or(1);
    let share = (LOOKS / starts.len().max(1) as i64).max(LEAST_LOOKS);
    let mut heads = Heads::default();
    let mut left: BTreeMap<Place, i64> = BTreeMap::new();
    let mut list = TopicPartitionList::new();
    for start in starts
        .iter()
        .filter(|start| start.first_offset < start.end_offset)
    {
        left.insert(
            start.place,
            start.end_offset.min(start.first_offset + share),
        );
        list.add_partition_offset(
            &start.topic,
            start.place.partition,
            Offset::Offset(start.first_offset),
        )
        .map_err(failed)?;
    }
    if left.is_empty() {
        return Ok(heads);
    }
    consumer.assign(&list).map_err(failed)?;
    let (deadline, mut heard) = (Instant::now() + TIME, Instant::now());
    while !left.is_empty() && Instant::now() < deadline && heard.elapsed() < SILENCE {
        let mut message = match consumer.poll(POLL) {
            None => {
                forget_passed(consumer, topics, &mut left);
                continue;
            }
            Some(Ok(message)) => message,
            Some(Err(error)) => match failure(&error) {
                KafkaFailure::Authorization | KafkaFailure::Authentication => {
                    return Err(failed(error));
                }
                _ => continue,
            },
        };
        heard = Instant::now();
        let Some(topic) = topics.iter().position(|topic| topic == message.topic()) else {
            continue;
        };
        let place = Place {
            topic,
            partition: message.partition(),
        };
        if let Some(until) = left.get(&place).copied() {
            if message.offset() < until {
                heads.look_at(
                    &mut message,
                    place,
                    partitions,
                    &sources[topic],
                    &mut headers,
                );
            }
            if message.offset() + 1 >= until {
                left.remove(&place);
            }
        }
    }
    // Looking again assigns anew; a failure to let go changes nothing.
    let _ = consumer.unassign();
    match left.keys().find(|place| !heads.firsts.contains_key(place)) {
        Some(place) => Err(Failure::unavailable(format!(
            "no record of topic {} partition {} came in time: when it begins, and how its keys are \
             placed, is not known; try again",
            topics[place.topic], place.partition
        ))),
        None => Ok(heads),
    }
}

/// Partitions are done where the client has gone past what is to be seen: the rest were markers of
/// transactions, or was compacted away.
fn forget_passed(consumer: &Consumer, topics: &[String], left: &mut BTreeMap<Place, i64>) {
    let Ok(positions) = consumer.position() else {
        return;
    };
    left.retain(|place, until| {
        let position = positions.find_partition(&topics[place.topic], place.partition);
        let passed = |offset| matches!(offset, Offset::Offset(at) if at >= *until);
        !position.is_some_and(|position| passed(position.offset()))
    });
}

impl Heads {
    fn look_at(
        &mut self,
        message: &mut BorrowedMessage<'_>,
        place: Place,
        partitions: i32,
        source: &Source,
        headers: &mut Headers,
    ) {
        if source.needs_envelope() {
            headers.read(message);
        }
        let millis = message
            .timestamp()
            .to_millis()
            .filter(|millis| *millis >= 0);
        let record = Record {
            topic: message.topic(),
            partition: place.partition,
            offset: message.offset(),
            recorded_at: millis.map(Timestamp::from_millis),
            key: message.key(),
            headers: &headers.list(),
            value: message.payload(),
        };
        let (mut ours, mut named, mut misnamed) = (false, 0, 0);
        source.decode(record, |decoded| {
            if let Decoded::Event(event) = decoded {
                ours |= event.id.starts_with(ID_PREFIX);
                named += 1;
                misnamed += u64::from(record.key != Some(event.customer.as_bytes()));
            }
        });
        self.firsts.entry(place).or_insert(First {
            recorded_at: record.recorded_at,
            ours,
        });
        let Some(key) = record.key else {
            self.placed.unkeyed += 1;
            return;
        };
        self.placed.saw(key, place.partition, partitions);
        self.placed.named += named;
        self.placed.misnamed += misnamed;
    }
}

/// From when on the topics hold everything; nothing if none of them holds a record but imported ones.
///
/// A partition whose head is gone holds everything since its first record. A topic that is whole
/// holds everything since its first record in any partition: one with few customers begins late, and
/// lacks nothing for that.
fn begins_at(starts: &[Start], firsts: &BTreeMap<Place, First>) -> Option<Timestamp> {
    let topics = starts.iter().map(|start| start.place.topic).max()?;
    let latest = Timestamp::from_millis(i64::MAX);
    let of_topic = |topic: usize| {
        let own = || {
            starts
                .iter()
                .filter(move |start| start.place.topic == topic)
        };
        let recorded = |start: &Start| firsts.get(&start.place).and_then(|first| first.recorded_at);
        let headless = own().filter(|start| start.first_offset > 0);
        // A partition that is empty by now, or has no timestamps, holds nothing for certain.
        let headless = headless
            .map(|start| recorded(start).unwrap_or(latest))
            .max();
        let theirs =
            own().filter(|start| firsts.get(&start.place).is_some_and(|first| !first.ours));
        headless.or_else(|| theirs.filter_map(recorded).min())
    };
    let begins_at = (0..=topics).filter_map(of_topic).max();
    begins_at.or_else(|| firsts.values().filter_map(|first| first.recorded_at).min())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Partitions as `topic first_offset end_offset first`, the first record's time with a `*` if an
    /// import wrote it, `-` if there is none.
    fn check(partitions: &[&str], expected: Option<i64>) {
        let (mut starts, mut firsts) = (Vec::new(), BTreeMap::new());
        for (partition, text) in (0..).zip(partitions) {
            let words: Vec<&str> = text.split(' ').collect();
            let place = Place {
                topic: words[0].parse().unwrap(),
                partition,
            };
            starts.push(Start {
                place,
                topic: words[0].into(),
                first_offset: words[1].parse().unwrap(),
                end_offset: words[2].parse().unwrap(),
            });
            if let Ok(millis) = words[3].trim_end_matches('*').parse() {
                let first = First {
                    recorded_at: Some(Timestamp::from_millis(millis)),
                    ours: words[3].ends_with('*'),
                };
                firsts.insert(place, first);
            }
        }
        let got = begins_at(&starts, &firsts).map(Timestamp::as_millis);
        assert_eq!(got, expected, "{partitions:?}");
    }

    #[test]
    fn a_topic_holds_everything_since_its_first_record() {
        check(&["0 0 0 -", "0 0 0 -"], None);
        check(&["0 0 5 100", "0 0 5 170", "0 0 0 -"], Some(100));
        check(&["0 9 15 100", "0 7 15 170"], Some(170));
        check(&["0 9 15 100", "0 0 5 170"], Some(100));
        check(&["0 9 9 -", "0 7 15 170"], Some(i64::MAX));
        check(&["0 9 15 100", "1 0 5 130", "1 0 5 120"], Some(120));
        // A topic of the base alone says nothing, unless it is all there is.
        check(&["0 9 15 100", "1 0 5 500*", "1 0 0 -"], Some(100));
        check(&["0 0 5 500*", "0 0 5 480*"], Some(480));
        check(&["0 0 5 500*", "0 0 5 600"], Some(600));
    }
}

//! A sample of records: what decodes, how it is keyed, and how often customers order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rdkafka::Message;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::command::check::findings::Findings;
use crate::config::Settings;
use crate::event::record::Record;
use crate::event::source::{Decoded, Source};
use crate::event::{Body, Event, EventType, Reason, Rejection, Timestamp};
use crate::kafka::Place;
use crate::kafka::client::{Consumer, failure};
use crate::kafka::headers::Headers;
use crate::kafka::progress::Start;
use crate::ledger::hash::{CustomerDigest, Hashes};
use crate::telemetry::Failure as KafkaFailure;

/// How long reading a sample may take in all.
const TIME: Duration = Duration::from_secs(20);
/// How long nothing may come before the sample is taken as it is.
const SILENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
/// Fewer gaps between orders than this are too few to suggest anything.
const ENOUGH_GAPS: usize = 100;
const DAY: i64 = 86_400_000;
/// Timeouts that people choose, in days.
const USUAL_TIMEOUTS: [i64; 11] = [7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365];

/// What was seen in the records looked at.
pub struct Sample {
    hashes: Hashes,
    /// In the order of the topics.
    sources: Vec<Source>,
    topics: Vec<Seen>,
    available: i64,
    records: u64,
    keyed_by_customer: u64,
    customers: HashMap<CustomerDigest, Customer>,
}

/// What became of the records of one topic; of a record that a mapping splits, each part.
#[derive(Default)]
struct Seen {
    name: String,
    /// Whether its records are events only by a mapping.
    mapped: bool,
    tombstones: u64,
    skipped: u64,
    types: BTreeMap<EventType, u64>,
    rejected: BTreeMap<Reason, Rejected>,
}

/// The rejections of one reason, with the first one as an example.
struct Rejected {
    count: u64,
    first: Rejection,
    partition: i32,
    offset: i64,
}

#[derive(Default)]
struct Customer {
    partitions: BTreeSet<i32>,
    orders: Vec<Timestamp>,
}

/// What to read of one partition: `[from, until)`.
#[derive(Debug, Clone, Copy)]
struct Slice {
    from: i64,
    until: i64,
}

impl Sample {
    /// Reads up to `limit` records: all there are, or else the head and the tail of each partition.
    pub fn read(
        consumer: &Consumer,
        settings: &Settings,
        starts: &[Start],
        limit: usize,
    ) -> Result<Self, KafkaError> {
        let mut sample = Self {
            hashes: Hashes::new(settings.fold.digest_key),
            sources: settings.fold.sources_of(&settings.kafka.topics),
            topics: Seen::of(settings),
            available: starts
                .iter()
                .map(|start| start.end_offset - start.first_offset)
                .sum(),
            records: 0,
            keyed_by_customer: 0,
            customers: HashMap::new(),
        };
        let (heads, tails) = slices(starts, limit);
        let bar = bar(sample.available.min(limit as i64));
        let deadline = Instant::now() + TIME;
        for slices in [heads, tails] {
            sample.read_slices(consumer, settings, slices, deadline, &bar)?;
        }
        bar.finish_and_clear();
        Ok(sample)
    }

    fn read_slices(
        &mut self,
        consumer: &Consumer,
        settings: &Settings,
        mut slices: HashMap<Place, Slice>,
        deadline: Instant,
        bar: &ProgressBar,
    ) -> Result<(), KafkaError> {
        slices.retain(|_, slice| slice.from < slice.until);
        let topics = &settings.kafka.topics;
        let mut list = TopicPartitionList::new();
        for (place, slice) in &slices {
            let offset = Offset::Offset(slice.from);
            list.add_partition_offset(&topics[place.topic], place.partition, offset)?;
        }
        consumer.assign(&list)?;
        let mut heard = Instant::now();
        let mut headers = Headers::default();
        while !slices.is_empty() && Instant::now() < deadline && heard.elapsed() < SILENCE {
            let mut message = match consumer.poll(POLL) {
                None => continue,
                Some(Ok(message)) => message,
                Some(Err(error)) => match failure(&error) {
                    KafkaFailure::Authorization | KafkaFailure::Authentication => {
                        return Err(error);
                    }
                    _ => continue,
                },
            };
            heard = Instant::now();
            let topic = topics.iter().position(|topic| topic == message.topic());
            let Some(topic) = topic else { continue };
            let place = Place {
                topic,
                partition: message.partition(),
            };
            let Some(slice) = slices.get(&place).copied() else {
                continue;
            };
            if message.offset() < slice.until {
                self.look_at(&mut message, place, &mut headers);
                bar.inc(1);
            }
            if message.offset() + 1 >= slice.until {
                slices.remove(&place);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, message: &mut BorrowedMessage<'_>, place: Place, headers: &mut Headers) {
        self.records += 1;
        let source = &self.sources[place.topic];
        if source.needs_envelope() {
            headers.read(message);
        }
        let recorded_at = message
            .timestamp()
            .to_millis()
            .filter(|millis| *millis >= 0);
        let seen = &mut self.topics[place.topic];
        let record = Record {
            topic: message.topic(),
            partition: place.partition,
            offset: message.offset(),
            recorded_at: recorded_at.map(Timestamp::from_millis),
            key: message.key(),
            headers: &headers.list(),
            value: message.payload(),
        };
        let (hashes, customers) = (&self.hashes, &mut self.customers);
        source.decode(record, |decoded| match decoded {
            Decoded::Tombstone => seen.tombstones += 1,
            Decoded::Skipped => seen.skipped += 1,
            Decoded::Rejected(rejection) => seen.reject(rejection, &record),
            Decoded::Event(event) => {
                *seen.types.entry(event.body.event_type()).or_default() += 1;
                let keyed = record
                    .key
                    .is_some_and(|key| key == event.customer.as_bytes());
                self.keyed_by_customer += u64::from(keyed);
                let digest = hashes.customer(&event.customer);
                customers
                    .entry(digest)
                    .or_default()
                    .see(&event, place.partition);
            }
        });
    }

    /// Says what was seen and what to make of it.
    pub fn tell(&self, settings: &Settings, findings: &mut Findings) {
        if self.records == 0 {
            findings.warning("there are no records to look at yet");
            return;
        }
        findings.good(&format!(
            "looked at {} of about {} records",
            self.records, self.available
        ));
        self.tell_decoded(findings);
        if settings.router.to.is_none() {
            self.tell_keying(findings);
        }
        self.tell_churn(settings, findings);
        self.tell_gaps(settings, findings);
    }

    fn decoded(&self) -> u64 {
        self.topics.iter().map(Seen::decoded).sum()
    }

    fn count(&self, event: EventType) -> u64 {
        let counts = self.topics.iter().filter_map(|seen| seen.types.get(&event));
        counts.sum()
    }

    /// One topic of native events needs no name; of others it is said what becomes of each.
    fn tell_decoded(&self, findings: &mut Findings) {
        let plain = self.topics.len() == 1 && !self.topics[0].mapped;
        for seen in &self.topics {
            let subject = match (plain, seen.mapped) {
                (true, _) => String::new(),
                (false, true) => format!("{}, mapped: ", seen.name),
                (false, false) => format!("{}, native: ", seen.name),
            };
            seen.tell(&subject, findings);
        }
    }

    fn tell_keying(&self, findings: &mut Findings) {
        if self.decoded() == 0 {
            return;
        }
        let split = self
            .customers
            .values()
            .filter(|customer| customer.partitions.len() > 1);
        let partitions: BTreeSet<i32> = split
            .clone()
            .flat_map(|customer| customer.partitions.iter().copied())
            .collect();
        let count = split.count();
        if count > 0 {
            findings.error(&format!(
                "{count} of {} customers have events in more than one partition ({partitions:?}): \
                 key the records by customer id, or customers would be counted twice",
                self.customers.len()
            ));
            return;
        }
        findings.good(&format!(
            "no customer was seen in two partitions; {} of the keys are the customer id",
            percent(self.keyed_by_customer, self.decoded())
        ));
    }

    fn tell_churn(&self, settings: &Settings, findings: &mut Findings) {
        let churns = self.count(EventType::Churn);
        let evaluation = &settings.evaluation;
        if churns > 0 {
            findings.good(&format!("churn is observable: {churns} churn events"));
        } else if evaluation.inactivity_timeout_millis.is_some() {
            findings.good("churn is observable by inactivity_timeout");
        } else if evaluation.churn_events_complete {
            findings.good("no churn event, which churn_events: complete takes for the truth");
        } else if self.decoded() > 0 {
            findings.warning(
                "churn is not observable: there is no churn event and no inactivity_timeout, so \
                 retention and churn will be withheld; set inactivity_timeout, or churn_events: \
                 complete if really nobody left",
            );
        }
    }

    fn tell_gaps(&self, settings: &Settings, findings: &mut Findings) {
        let mut gaps = self.gaps();
        if gaps.len() < ENOUGH_GAPS {
            if settings.evaluation.inactivity_timeout_millis.is_none() && !gaps.is_empty() {
                findings.note(&format!(
                    "{} gaps between orders are too few to suggest an inactivity_timeout",
                    gaps.len()
                ));
            }
            return;
        }
        gaps.sort_unstable();
        let quantile = |share: usize| gaps[(gaps.len() - 1) * share / 100];
        let days = |millis: i64| millis as f64 / DAY as f64;
        let suggestion = suggested_timeout(quantile(95));
        findings.note(&format!(
            "half of the customers' next orders come within {:.1} days, 90 % within {:.1}, 95 % \
             within {:.1} ({} gaps): inactivity_timeout: {suggestion}d would take about one in \
             twenty of those who order again for gone; gaps longer than the sample cannot be seen",
            days(quantile(50)),
            days(quantile(90)),
            days(quantile(95)),
            gaps.len(),
        ));
    }

    /// Times between two orders of one customer, in milliseconds.
    fn gaps(&self) -> Vec<i64> {
        let mut gaps = Vec::new();
        for customer in self.customers.values() {
            let mut orders = customer.orders.clone();
            orders.sort_unstable();
            orders.dedup();
            let pairs = orders.iter().zip(orders.iter().skip(1));
            gaps.extend(pairs.map(|(first, second)| second.as_millis() - first.as_millis()));
        }
        gaps
    }
}

impl Customer {
    fn see(&mut self, event: &Event<'_>, partition: i32) {
        self.partitions.insert(partition);
        if matches!(event.body, Body::Purchase { .. }) {
            self.orders.push(event.occurred_at);
        }
    }
}

impl Seen {
    fn of(settings: &Settings) -> Vec<Self> {
        let topics = settings.kafka.topics.iter().zip(settings.mapped_topics());
        let topics = topics.map(|(name, mapped)| Self {
            name: name.clone(),
            mapped,
            ..Self::default()
        });
        topics.collect()
    }

    fn reject(&mut self, rejection: Rejection, record: &Record<'_>) {
        let rejected = self
            .rejected
            .entry(rejection.reason)
            .or_insert_with(|| Rejected {
                count: 0,
                first: rejection,
                partition: record.partition,
                offset: record.offset,
            });
        rejected.count += 1;
    }

    fn decoded(&self) -> u64 {
        self.types.values().sum()
    }

    fn tell(&self, subject: &str, findings: &mut Findings) {
        let decoded = self.decoded();
        let rejected: u64 = self.rejected.values().map(|rejected| rejected.count).sum();
        let meant = decoded + rejected;
        let types: Vec<String> = self
            .types
            .iter()
            .map(|(event, count)| format!("{count} {}", event.name()))
            .collect();
        match (decoded, meant) {
            (0, 0) if self.skipped + self.tombstones == 0 => {
                findings.note(&format!("{subject}there are no records to look at yet"));
            }
            (0, 0) if self.skipped > 0 => findings.warning(&format!(
                "{subject}every record is skipped by the mapping, and none is an event"
            )),
            (0, 0) => {}
            (0, _) if self.mapped => findings.error(&format!(
                "{subject}none of the records becomes an event: see below, and what single records \
                 become with `tenure tap`"
            )),
            (0, _) => findings.error(&format!(
                "{subject}none of the records is an event that Tenure understands"
            )),
            (decoded, meant) => {
                let text = format!(
                    "{subject}{} of the records with a value are events: {}",
                    percent(decoded, meant),
                    types.join(", ")
                );
                if decoded * 100 < meant * 99 {
                    findings.warning(&text);
                } else {
                    findings.good(&text);
                }
            }
        }
        self.tell_others(subject, findings);
    }

    /// What became no event.
    fn tell_others(&self, subject: &str, findings: &mut Findings) {
        for (reason, rejected) in &self.rejected {
            let Rejected {
                count,
                first,
                partition,
                offset,
            } = rejected;
            let field = first
                .field
                .map(|field| format!(" of `{field}`"))
                .unwrap_or_default();
            let hint = first
                .hint
                .map(|hint| format!(" ({hint})"))
                .unwrap_or_default();
            findings.note(&format!(
                "rejected: {count} with {}{field}{hint}, the first at {} partition {partition} \
                 offset {offset}",
                reason.name(),
                self.name,
            ));
        }
        if self.skipped > 0 {
            findings.note(&format!(
                "{subject}{} are skipped by the mapping",
                self.skipped
            ));
        }
        if self.tombstones > 0 {
            findings.note(&format!(
                "{subject}{} records have no value and change nothing",
                self.tombstones
            ));
        }
    }
}

/// The smallest usual timeout that is not below the gap, in days.
fn suggested_timeout(gap_millis: i64) -> i64 {
    let days = (gap_millis + DAY - 1) / DAY;
    USUAL_TIMEOUTS
        .into_iter()
        .find(|usual| *usual >= days)
        .unwrap_or(days)
}

/// Whole partitions if they fit the limit, else as much of head and tail.
fn slices(starts: &[Start], limit: usize) -> (HashMap<Place, Slice>, HashMap<Place, Slice>) {
    let share = (limit / starts.len().max(1)).max(2) as i64;
    let (mut heads, mut tails) = (HashMap::new(), HashMap::new());
    for start in starts {
        let Start {
            place,
            first_offset,
            end_offset,
            ..
        } = *start;
        if end_offset - first_offset <= share {
            heads.insert(
                place,
                Slice {
                    from: first_offset,
                    until: end_offset,
                },
            );
        } else {
            heads.insert(
                place,
                Slice {
                    from: first_offset,
                    until: first_offset + share / 2,
                },
            );
            tails.insert(
                place,
                Slice {
                    from: end_offset - share / 2,
                    until: end_offset,
                },
            );
        }
    }
    (heads, tails)
}

fn bar(length: i64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records");
    ProgressBar::new(length.unsigned_abs())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        "none".to_owned()
    } else {
        format!("{:.1} %", 100.0 * part as f64 / whole as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_suggested_that_people_would_choose() {
        assert_eq!(suggested_timeout(1), 7);
        assert_eq!(suggested_timeout(60 * DAY), 60);
        assert_eq!(suggested_timeout(60 * DAY + 1), 90);
        assert_eq!(suggested_timeout(400 * DAY), 400);
    }

    #[test]
    fn large_partitions_are_sampled_at_both_ends() {
        let start = |partition, first_offset, end_offset| Start {
            place: Place {
                topic: 0,
                partition,
            },
            topic: "t".into(),
            first_offset,
            end_offset,
        };
        let (heads, tails) = slices(&[start(0, 5, 100), start(1, 0, 1_000_000)], 200);
        let bounds = |slices: &HashMap<Place, Slice>, partition| {
            let slice = slices.get(&Place {
                topic: 0,
                partition,
            });
            slice.map(|slice| (slice.from, slice.until))
        };
        assert_eq!(
            (bounds(&heads, 0), bounds(&tails, 0)),
            (Some((5, 100)), None)
        );
        assert_eq!(bounds(&heads, 1), Some((0, 50)));
        assert_eq!(bounds(&tails, 1), Some((999_950, 1_000_000)));
    }
}

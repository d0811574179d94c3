//! A sample of records: what decodes, how it is keyed, and how often customers order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rdkafka::Message;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::command::check::findings::Findings;
use crate::config::Settings;
use crate::event::decode::Decoder;
use crate::event::{Body, EventType, Reason, Rejection, Timestamp};
use crate::kafka::Place;
use crate::kafka::client::{Consumer, failure};
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
    decoder: Decoder,
    available: i64,
    records: u64,
    tombstones: u64,
    keyed_by_customer: u64,
    types: BTreeMap<EventType, u64>,
    rejected: BTreeMap<Reason, Rejected>,
    customers: HashMap<CustomerDigest, Customer>,
}

/// The rejections of one reason, with the first one as an example.
struct Rejected {
    count: u64,
    first: Rejection,
    topic: String,
    place: Place,
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
            decoder: Decoder::new(settings.fold.decoding()),
            available: starts
                .iter()
                .map(|start| start.end_offset - start.first_offset)
                .sum(),
            records: 0,
            tombstones: 0,
            keyed_by_customer: 0,
            types: BTreeMap::new(),
            rejected: BTreeMap::new(),
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
        while !slices.is_empty() && Instant::now() < deadline && heard.elapsed() < SILENCE {
            let message = match consumer.poll(POLL) {
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
                self.look_at(&message, place);
                bar.inc(1);
            }
            if message.offset() + 1 >= slice.until {
                slices.remove(&place);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, message: &impl Message, place: Place) {
        self.records += 1;
        let Some(value) = message.payload() else {
            self.tombstones += 1;
            return;
        };
        let recorded_at = message
            .timestamp()
            .to_millis()
            .filter(|millis| *millis >= 0);
        match self
            .decoder
            .decode(value, recorded_at.map(Timestamp::from_millis))
        {
            Err(rejection) => {
                let rejected = self
                    .rejected
                    .entry(rejection.reason)
                    .or_insert_with(|| Rejected {
                        count: 0,
                        first: rejection,
                        topic: message.topic().to_owned(),
                        place,
                        offset: message.offset(),
                    });
                rejected.count += 1;
            }
            Ok(event) => {
                *self.types.entry(event.body.event_type()).or_default() += 1;
                let keyed = message
                    .key()
                    .is_some_and(|key| key == event.customer.as_bytes());
                self.keyed_by_customer += u64::from(keyed);
                let digest = self.hashes.customer(&event.customer);
                let customer = self.customers.entry(digest).or_default();
                customer.partitions.insert(place.partition);
                if matches!(event.body, Body::Purchase { .. }) {
                    customer.orders.push(event.occurred_at);
                }
            }
        }
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
        self.tell_keying(findings);
        self.tell_churn(settings, findings);
        self.tell_gaps(settings, findings);
    }

    fn decoded(&self) -> u64 {
        self.types.values().sum()
    }

    fn tell_decoded(&self, findings: &mut Findings) {
        let decoded = self.decoded();
        let values = self.records - self.tombstones;
        let types: Vec<String> = self
            .types
            .iter()
            .map(|(event, count)| format!("{count} {}", event.name()))
            .collect();
        let text = format!(
            "{} of the records with a value are events: {}",
            percent(decoded, values),
            types.join(", ")
        );
        match (decoded, values) {
            (0, 1..) => findings.error("none of the records is an event that Tenure understands"),
            (decoded, values) if decoded * 100 < values * 99 => findings.warning(&text),
            _ => findings.good(&text),
        }
        for (reason, rejected) in &self.rejected {
            let Rejected {
                count,
                first,
                topic,
                place,
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
                "rejected: {count} with {}{field}{hint}, the first at {topic} partition {} offset \
                 {offset}",
                reason.name(),
                place.partition
            ));
        }
        if self.tombstones > 0 {
            findings.note(&format!(
                "{} records have no value and change nothing",
                self.tombstones
            ));
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
        let churns = self.types.get(&EventType::Churn).copied().unwrap_or(0);
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

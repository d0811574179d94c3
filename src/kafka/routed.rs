//! How far routing has come, and up to which instant the routed topic is therefore complete.
//!
//! Owns the claims of completeness of a service that reads what a router wrote, be it of the same
//! process or of another one: both are asked of the brokers. Promises that a claim is believed only
//! once everything it rests on is applied, and that what is known never moves back. Does not know how
//! records are routed.
//!
//! ```text
//!   asked at 12:00:05   ends of the topics that are routed: 1000
//!   later               the routers have committed 1000: all of it is in the routed topic
//!   after that          ends of the routed topic: 7300
//!   later still         7300 is applied: complete up to 12:00:05
//! ```
//!
//! The order of these questions is what makes it a proof: asking for both ends at once would claim
//! what the router had not written yet.
//!
//! While the routers are far behind, the first record that is not routed tells by its Kafka timestamp
//! how far they are, as a lagging partition does elsewhere. In the routed topic timestamps tell
//! nothing: it holds records of several topics in the order in which they were routed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::event::Timestamp;
use crate::kafka::client::{Consumer, Context, configuration, failure};
use crate::kafka::peek::{Peek, Peeked};
use crate::kafka::progress::Progress;
use crate::kafka::{Place, now};
use crate::telemetry::{Failure, Telemetry};

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often the partitions of the topics are looked up: what is in a new one is missed for so long.
const METADATA_EVERY: Duration = Duration::from_secs(2);
/// How often single records are looked at while routing is behind, and for how long.
const PEEK_EVERY: Duration = Duration::from_secs(5);
const PEEK: Duration = Duration::from_secs(2);
/// How long all of these looks may take together.
const PEEKS: Duration = Duration::from_secs(3);
/// Ends of a partition that wait to be reached, and claims that wait to be believed. When there are
/// more, every second is forgotten, which makes the steps coarser and nothing wrong.
const MOST_WAITING: usize = 64;
const NAP: Duration = Duration::from_millis(20);

/// Up to which instant a routed topic is complete, as far as it is applied.
#[derive(Debug, Default)]
pub struct Routed {
    claims: Mutex<Claims>,
}

#[derive(Debug, Default)]
struct Claims {
    /// In the order in which they were made.
    waiting: VecDeque<Claim>,
    believed: Option<Timestamp>,
}

/// Once these positions of the routed topic are applied, it is complete up to this instant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    until: Timestamp,
    ends: Vec<(Place, i64)>,
}

impl Routed {
    fn claim(&self, claim: Claim) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        push(&mut claims.waiting, claim);
    }

    /// Forgets all claims: other partitions are read from now on, of which they say nothing.
    pub fn forget(&self) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        *claims = Claims::default();
    }

    /// The instant up to which everything is applied, where all before these positions is. Claims that
    /// say nothing of one of them are not believed.
    #[must_use]
    pub fn complete_until(&self, applied: &[(Place, i64)]) -> Option<Timestamp> {
        let covers = |(place, end): &(Place, i64)| {
            let mut applied = applied.iter();
            applied.any(|(other, next)| other == place && next >= end)
        };
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(claim) = claims.waiting.front() {
            let speaks_of =
                |(place, _): &(Place, i64)| claim.ends.iter().any(|(of, _)| of == place);
            if !applied.iter().all(speaks_of) {
                claims.waiting.pop_front();
                continue;
            }
            if !claim.ends.iter().all(covers) {
                break;
            }
            claims.believed = claims.believed.max(Some(claim.until));
            claims.waiting.pop_front();
        }
        claims.believed
    }
}

/// One partition of a topic that is routed.
#[derive(Debug, Default)]
struct Source {
    /// Ends that are not routed yet, with the instant at which they were asked for; ascending.
    ends: VecDeque<(i64, Timestamp)>,
    /// The end that is known.
    end: i64,
    /// Everything before it is routed.
    routed: i64,
    routed_until: Option<Timestamp>,
}

impl Source {
    fn ends_at(&mut self, end: i64, asked_at: Timestamp) {
        self.end = end;
        push(&mut self.ends, (end, asked_at));
    }

    fn routed_to(&mut self, next: i64) {
        self.routed = next;
        while let Some((end, asked_at)) = self.ends.front()
            && *end <= next
        {
            self.routed_until = self.routed_until.max(Some(*asked_at));
            self.ends.pop_front();
        }
    }

    /// The first record that is not routed is of this instant. A clock that is ahead of ours proves
    /// nothing.
    fn waits_with(&mut self, recorded_at: Timestamp) {
        let asked_at = self.ends.front().map(|(_, asked_at)| *asked_at);
        if recorded_at >= Timestamp::FIRST && asked_at.is_some_and(|asked| recorded_at <= asked) {
            self.routed_until = self.routed_until.max(Some(recorded_at));
        }
    }

    fn lag(&self) -> i64 {
        (self.end - self.routed).max(0)
    }
}

/// Adds to a queue of bounded length.
fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= MOST_WAITING {
        let mut kept = false;
        // The first, which is due next, stays.
        queue.retain(|_| {
            kept = !kept;
            kept
        });
    }
    queue.push_back(item);
}

/// Asks how far the routers are, on the thread that runs it.
pub struct RoutedWatch {
    /// In the group of the routers, but no member of it.
    consumer: Consumer,
    settings: KafkaSettings,
    telemetry: Arc<Telemetry>,
    service: Option<Service>,
}

/// Who reads the routed topic, and is told of it.
pub struct Service {
    pub routed: Arc<Routed>,
    pub progress: Arc<Progress>,
    /// The routed topic.
    pub topic: String,
}

/// What is known from one round to the next.
struct Rounds {
    sources: Vec<(Place, Source)>,
    counted_at: Option<Instant>,
    peeked_at: Instant,
    peek: Option<Peek>,
    claimed: Option<Timestamp>,
}

impl RoutedWatch {
    /// A watch over the routers of these topics and this group.
    ///
    /// # Errors
    /// If the client does not take its configuration.
    pub fn new(
        settings: KafkaSettings,
        telemetry: Arc<Telemetry>,
        service: Option<Service>,
    ) -> KafkaResult<Self> {
        let context = Context::new(Arc::clone(&telemetry));
        Ok(Self {
            consumer: configuration(&settings).create_with_context(context)?,
            settings,
            telemetry,
            service,
        })
    }

    /// Asks until told to stop.
    pub fn run(self, stop: &AtomicBool) {
        let mut rounds = Rounds {
            sources: Vec::new(),
            counted_at: None,
            peeked_at: Instant::now(),
            peek: None,
            claimed: None,
        };
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let answer = self.round(&mut rounds);
            if self.service.is_none() {
                let up = answer
                    .as_ref()
                    .map_or_else(|error| failure(error) == Failure::UnknownTopic, |()| true);
                self.telemetry.kafka.up.set(i64::from(up));
            }
            if let Err(error) = answer {
                self.consumer.context().failed(&error);
            }
            nap(INTERVAL.max(asked.elapsed() * 3), stop);
        }
        // Closing the client can wait for brokers that are gone.
        std::mem::forget(self.consumer);
    }

    fn round(&self, rounds: &mut Rounds) -> KafkaResult<()> {
        let due = rounds
            .counted_at
            .is_none_or(|at| at.elapsed() > METADATA_EVERY);
        if due {
            self.look_for_partitions(&mut rounds.sources)?;
            rounds.counted_at = Some(Instant::now());
        }
        let places: Vec<Place> = rounds.sources.iter().map(|(place, _)| *place).collect();
        let asked_at = now();
        let ends = self.offsets(&places, Offset::End)?;
        for ((_, source), end) in rounds.sources.iter_mut().zip(ends) {
            source.ends_at(end, asked_at);
        }
        self.ask_for_commits(&places, &mut rounds.sources)?;
        if rounds.peeked_at.elapsed() > PEEK_EVERY {
            self.look_at_records(rounds, asked_at)?;
            rounds.peeked_at = Instant::now();
        }
        self.show_lag(&rounds.sources);
        let routed = rounds.sources.iter().map(|(_, source)| source.routed_until);
        let all: Option<Vec<Timestamp>> = routed.collect();
        let until = all.and_then(|all| all.into_iter().min());
        match until {
            Some(until) if rounds.claimed < Some(until) && self.claim(until)? => {
                rounds.claimed = Some(until);
            }
            _ => {}
        }
        Ok(())
    }

    fn look_for_partitions(&self, sources: &mut Vec<(Place, Source)>) -> KafkaResult<()> {
        for (topic, name) in self.settings.topics.iter().enumerate() {
            for partition in 0..self.partitions(name)? {
                let place = Place { topic, partition };
                if !sources.iter().any(|(known, _)| *known == place) {
                    sources.push((place, Source::default()));
                }
            }
        }
        Ok(())
    }

    fn partitions(&self, topic: &str) -> KafkaResult<i32> {
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let found = found.filter(|found| found.error().is_none());
        match found.map_or(0, |found| found.partitions().len()) {
            0 => Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::UnknownTopicOrPartition,
            )),
            count => Ok(i32::try_from(count).unwrap_or(i32::MAX)),
        }
    }

    /// The beginnings or the ends of partitions, in their order.
    fn offsets(&self, places: &[Place], bound: Offset) -> KafkaResult<Vec<i64>> {
        let name = |place: &Place| self.settings.topics[place.topic].clone();
        let partitions = places.iter().map(|place| (name(place), place.partition));
        self.bounds(&partitions.collect::<Vec<_>>(), bound)
    }

    fn bounds(&self, partitions: &[(String, i32)], bound: Offset) -> KafkaResult<Vec<i64>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition_offset(topic, *partition, bound)?;
        }
        let answer = self.consumer.offsets_for_times(list, PATIENCE)?;
        let offset = |(topic, partition): &(String, i32)| {
            let element = answer.find_partition(topic, *partition);
            match element.map(|element| element.error().map(|()| element.offset())) {
                Some(Ok(Offset::Offset(offset))) => Ok(offset),
                Some(Err(error)) => Err(error),
                _ => Err(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition)),
            }
        };
        partitions.iter().map(offset).collect()
    }

    /// How far the routers have committed; where they have not, they begin at the beginning.
    fn ask_for_commits(
        &self,
        places: &[Place],
        sources: &mut [(Place, Source)],
    ) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for place in places {
            list.add_partition(&self.settings.topics[place.topic], place.partition);
        }
        let committed = self.consumer.committed_offsets(list, PATIENCE)?;
        let mut missing = Vec::new();
        for (place, source) in sources.iter_mut() {
            let topic = &self.settings.topics[place.topic];
            let element = committed.find_partition(topic, place.partition);
            match element.map(|element| element.error().map(|()| element.offset())) {
                Some(Ok(Offset::Offset(offset))) => source.routed_to(offset),
                Some(Err(error)) => return Err(error),
                _ => missing.push((*place, source)),
            }
        }
        let places: Vec<Place> = missing.iter().map(|(place, _)| *place).collect();
        let beginnings = if places.is_empty() {
            Vec::new()
        } else {
            self.offsets(&places, Offset::Beginning)?
        };
        for ((_, source), beginning) in missing.into_iter().zip(beginnings) {
            source.routed_to(beginning);
        }
        Ok(())
    }

    /// Looks at the first record that is not routed, of each partition that has been behind for a
    /// while.
    fn look_at_records(&self, rounds: &mut Rounds, now: Timestamp) -> KafkaResult<()> {
        let long_ago = now.plus_millis(-i64::try_from(PEEK_EVERY.as_millis()).unwrap_or(0));
        let behind = |source: &Source| {
            let recent = source.routed_until.is_some_and(|until| until > long_ago);
            !recent && source.lag() > 0
        };
        let sources = rounds.sources.iter_mut();
        let mut behind: Vec<_> = sources.filter(|(_, source)| behind(source)).collect();
        // Those of which least is known come first, so that each has its turn.
        behind.sort_by_key(|(_, source)| source.routed_until);
        let until = Instant::now() + PEEKS;
        for (place, source) in behind {
            if Instant::now() > until {
                break;
            }
            let peek = match rounds.peek.take() {
                Some(peek) => peek,
                None => Peek::new(&self.settings)?,
            };
            let topic = &self.settings.topics[place.topic];
            let peeked = peek.record(topic, place.partition, source.routed, PEEK);
            rounds.peek = Some(peek);
            if let Peeked::Record {
                recorded_at: Some(recorded_at),
                ..
            } = peeked
            {
                source.waits_with(recorded_at);
            }
        }
        Ok(())
    }

    fn show_lag(&self, sources: &[(Place, Source)]) {
        for (topic, name) in self.settings.topics.iter().enumerate() {
            let of_topic = sources.iter().filter(|(place, _)| place.topic == topic);
            let lag = of_topic.map(|(_, source)| source.lag()).sum();
            self.telemetry.router.lags(name, lag);
        }
    }

    /// Says up to when everything is routed. What was routed by now is before the ends that the
    /// routed topic has now. False while it is not known yet which partitions that has.
    fn claim(&self, until: Timestamp) -> KafkaResult<bool> {
        if let Some(Service {
            routed,
            progress,
            topic,
        }) = &self.service
        {
            let positions = progress.positions();
            let places: Vec<Place> = positions.into_iter().map(|(place, _)| place).collect();
            if places.is_empty() {
                return Ok(false);
            }
            let named = places.iter().map(|place| (topic.clone(), place.partition));
            let ends = self.bounds(&named.collect::<Vec<_>>(), Offset::End)?;
            let ends = places.into_iter().zip(ends).collect();
            routed.claim(Claim { until, ends });
        }
        let seconds = until.as_millis() as f64 / 1000.0;
        self.telemetry.router.routed_until(seconds);
        Ok(true)
    }
}

fn nap(length: Duration, stop: &AtomicBool) {
    let until = Instant::now() + length;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(NAP.min(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_793_527_800_000 + second * 1000)
    }

    const fn place(partition: i32) -> Place {
        Place {
            topic: 0,
            partition,
        }
    }

    #[test]
    fn a_claim_is_believed_once_all_that_it_rests_on_is_applied() {
        let routed = Routed::default();
        let claim = |second, ends: [i64; 2]| {
            let ends = [0, 1].map(place).into_iter().zip(ends).collect();
            routed.claim(Claim {
                until: at(second),
                ends,
            });
        };
        let check = |applied: &[(i32, i64)], expected: Option<i64>| {
            let applied = applied.iter().map(|(number, next)| (place(*number), *next));
            let applied: Vec<_> = applied.collect();
            assert_eq!(
                routed.complete_until(&applied),
                expected.map(at),
                "{applied:?}"
            );
        };
        check(&[(0, 9), (1, 9)], None);
        claim(5, [10, 20]);
        claim(6, [10, 21]);
        check(&[(0, 10), (1, 19)], None);
        // A partition of which nothing is known yet, because it is restored, holds it back.
        check(&[(1, 30)], None);
        check(&[(0, 10), (1, 20)], Some(5));
        check(&[(0, 11), (1, 25)], Some(6));
        // Positions of which less is known take nothing back.
        check(&[], Some(6));
    }

    #[test]
    fn a_partition_is_routed_up_to_the_latest_end_that_was_reached() {
        let mut source = Source::default();
        source.ends_at(10, at(1));
        source.routed_to(5);
        assert_eq!((source.routed_until, source.lag()), (None, 5));
        source.ends_at(12, at(2));
        source.ends_at(20, at(3));
        source.routed_to(12);
        assert_eq!((source.routed_until, source.lag()), (Some(at(2)), 8));
        // Routed beyond the end that is known, and set back by somebody: neither is a lag below 0,
        // nor does what is known move back.
        source.routed_to(25);
        assert_eq!((source.routed_until, source.lag()), (Some(at(3)), 0));
        source.routed_to(0);
        assert_eq!(source.routed_until, Some(at(3)));
    }

    #[test]
    fn the_first_record_that_waits_tells_how_far_routing_is() {
        let mut source = Source::default();
        source.waits_with(at(-100));
        assert_eq!(source.routed_until, None, "nobody knows whether it waits");
        source.ends_at(10, at(1));
        source.routed_to(5);
        for (recorded_at, expected) in [
            (Timestamp::from_millis(0), None),
            (at(-100), Some(at(-100))),
            (at(-200), Some(at(-100))),
            (at(2), Some(at(-100))),
        ] {
            source.waits_with(recorded_at);
            assert_eq!(source.routed_until, expected, "{recorded_at}");
        }
    }

    #[test]
    fn what_waits_is_bounded_and_the_first_stays() {
        let mut queue = VecDeque::new();
        for number in 0..1000 {
            push(&mut queue, number);
        }
        assert!(queue.len() <= MOST_WAITING);
        assert_eq!((queue.front(), queue.back()), (Some(&0), Some(&999)));
    }
}

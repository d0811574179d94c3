//! Identity: are the topics still those that are read?
//!
//! A topic that is deleted and made anew has its old name and another identity, and the client reads
//! on in it without a word if it is long enough. So the identities are asked for again and again: between
//! an evaluation and its report, between the copy of a state and the moment at which it becomes
//! durable, and every few seconds besides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use tenure_librdkafka::{Described, TopicId, TopicIdsError, describe_topics, topic_ids};

use crate::kafka::client::Consumer;
use crate::kafka::progress::Progress;
use crate::kafka::{Place, sentence};
use crate::telemetry::partition::Degradation;

/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The identities of the topics at the start, by number of the topic.
pub struct Identity {
    consumer: Arc<Consumer>,
    topics: Vec<String>,
    known: OnceLock<Vec<Option<TopicId>>>,
    /// Up to where every record that was applied is of these topics for certain.
    confirmed: Mutex<BTreeMap<Place, i64>>,
    /// The brokers cannot tell, and are not asked.
    mute: bool,
}

/// What the brokers say of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// The one that was there at the start, as far as the brokers can tell.
    Same,
    /// None of this name.
    Missing,
    /// Another one of this name.
    Other,
    /// The same, with another number of partitions.
    Repartitioned,
    /// No answer, or none that says anything.
    Unknown,
}

impl Identity {
    #[must_use]
    pub fn new(consumer: Arc<Consumer>, topics: Vec<String>) -> Self {
        Self {
            consumer,
            topics,
            known: OnceLock::new(),
            confirmed: Mutex::default(),
            mute: false,
        }
    }

    /// For brokers that do not answer such questions, as the client's embedded ones.
    #[must_use]
    pub fn unknown(consumer: Arc<Consumer>, topics: Vec<String>) -> Self {
        let known = OnceLock::from(vec![None; topics.len()]);
        Self {
            consumer,
            topics,
            known,
            confirmed: Mutex::default(),
            mute: true,
        }
    }

    /// Asks for the identities, which are the known ones from now on.
    ///
    /// # Errors
    /// If the brokers do not answer, or know no such topic.
    pub fn learn(&self) -> Result<&[Option<TopicId>], TopicIdsError> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let ids = topic_ids(self.consumer.client(), &names, PATIENCE)?;
        Ok(self.known.get_or_init(|| ids))
    }

    /// Asks once more for each topic, in the order of the configuration.
    fn look(&self, partitions: i32) -> Vec<Found> {
        if self.mute {
            return vec![Found::Same; self.topics.len()];
        }
        let Some(known) = self.known.get() else {
            return vec![Found::Unknown; self.topics.len()];
        };
        let look = |(topic, known): (&String, &Option<TopicId>)| {
            let described = describe_topics(self.consumer.client(), &[topic], PATIENCE);
            match described.as_deref() {
                Ok(
                    [
                        Described {
                            id,
                            partitions: now,
                        },
                    ],
                ) if id == known => {
                    let as_known = partitions == 0 || usize::try_from(partitions) == Ok(*now);
                    if as_known {
                        Found::Same
                    } else {
                        Found::Repartitioned
                    }
                }
                Ok(_) => Found::Other,
                Err(TopicIdsError::UnknownTopic { .. }) => Found::Missing,
                Err(_) => Found::Unknown,
            }
        };
        self.topics.iter().zip(known).map(look).collect()
    }

    /// Asks once more, and degrades the partitions of every topic that is missing or another one. A
    /// topic that is missing may come back; one that was made anew has nothing to do with what was
    /// read. False if any of them is not the one that was there at the start, for all that is known, or
    /// has another number of partitions than was counted.
    #[must_use]
    pub fn check(&self, progress: &Progress) -> bool {
        let mut same = true;
        // Taken before the question: what is the same afterwards was the same while they were read.
        let positions = progress.positions();
        for (topic, found) in self
            .look(progress.partition_numbers())
            .into_iter()
            .enumerate()
        {
            if matches!(found, Found::Same | Found::Repartitioned) {
                let of_topic = positions.iter().filter(|(place, _)| place.topic == topic);
                self.confirmed().extend(of_topic.copied());
            }
            let reason = match found {
                Found::Same => None,
                Found::Repartitioned => {
                    // Events may be where nobody reads yet.
                    progress.count_again();
                    same = false;
                    None
                }
                Found::Missing => Some(Degradation::TopicMissing),
                Found::Other => Some(Degradation::Recreated),
                Found::Unknown => continue,
            };
            same &= reason.is_none();
            let places = progress.positions().into_iter();
            let mut told = false;
            for (place, _) in places.filter(|(place, _)| place.topic == topic) {
                match reason {
                    Some(reason) => told |= progress.degrade(place, reason),
                    None => progress.recover(place, Degradation::TopicMissing),
                }
            }
            if let Some(reason) = reason.filter(|_| told) {
                let topic = &self.topics[topic];
                tracing::error!(topic, reason = reason.name(), "{}", sentence(reason));
            }
        }
        same
    }

    /// Whether every record before an offset of a place is of the topic that was there at the start: a
    /// later look has found it there.
    #[must_use]
    pub fn vouches_for(&self, place: Place, next_offset: i64) -> bool {
        let confirmed = self.confirmed().get(&place).copied();
        self.mute || confirmed.is_some_and(|confirmed| next_offset <= confirmed)
    }

    fn confirmed(&self) -> MutexGuard<'_, BTreeMap<Place, i64>> {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

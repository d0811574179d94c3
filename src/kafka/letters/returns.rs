//! Returns: rejected records, written back to where they came from.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use tenure_librdkafka::{Header as Raw, Outgoing, produce};

use crate::config::KafkaSettings;
use crate::event::Timestamp;
use crate::kafka::client::producer_configuration;
use crate::kafka::letters::opening::Opened;
use crate::kafka::letters::producer::{Producer, code, producer};

/// How long the brokers may take to say which partitions a topic has.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one record may take, in milliseconds.
const TIMEOUT: &str = "60000";
/// Outcomes are taken in at least once every so many records.
const LOOK_EVERY: usize = 512;
const POLL: Duration = Duration::from_millis(10);

/// Writes records back.
pub struct Returns {
    producer: Producer,
    /// Names and numbers of partitions of the topics that may be written to.
    sources: Vec<(String, i32)>,
    handed: usize,
    written: u64,
}

/// Records could not be written back.
#[derive(Debug, thiserror::Error)]
pub enum ReturnError {
    #[error("the Kafka client refuses its configuration (kafka.properties): {0}")]
    Client(KafkaError),
    #[error("topic `{topic}` cannot be written to: {reason}")]
    Source { topic: String, reason: String },
    #[error("a record could not be written back: {code}; {written} were")]
    Refused {
        code: RDKafkaErrorCode,
        written: u64,
    },
}

impl Returns {
    /// Connects, and looks which partitions the topics have that are read.
    ///
    /// # Errors
    /// If the client does not take its configuration, or if one of the topics is not there.
    pub fn open(settings: &KafkaSettings) -> Result<Self, ReturnError> {
        let mut config = producer_configuration(settings);
        config.set("message.timeout.ms", TIMEOUT);
        let producer = producer(&config).map_err(ReturnError::Client)?;
        let partitions = |topic: &String| {
            let refused = |reason: String| ReturnError::Source {
                topic: topic.clone(),
                reason,
            };
            let metadata = producer.client().fetch_metadata(Some(topic), PATIENCE);
            let metadata = metadata.map_err(|error| refused(error.to_string()))?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let found = found.filter(|found| found.error().is_none());
            let count = found.map_or(0, |found| found.partitions().len());
            if count == 0 {
                return Err(refused("it does not exist".to_owned()));
            }
            Ok((topic.clone(), i32::try_from(count).unwrap_or(i32::MAX)))
        };
        let sources: Result<Vec<_>, _> = settings.topics.iter().map(partitions).collect();
        let sources = sources?;
        Ok(Self {
            producer,
            sources,
            handed: 0,
            written: 0,
        })
    }

    /// Whether there is such a partition among those that are read. The headers of a letter are not
    /// trusted: who may write to the dead-letter topic must not be able to write to others this way.
    #[must_use]
    pub fn takes(&self, topic: &str, partition: i32) -> bool {
        let of_topic = self.sources.iter().find(|(name, _)| name == topic);
        of_topic.is_some_and(|(_, count)| (0..*count).contains(&partition))
    }

    /// Writes a record to a partition, as it was before it was rejected.
    ///
    /// # Errors
    /// If this record or an earlier one was refused.
    pub fn give_back(
        &mut self,
        letter: &Opened,
        topic: &str,
        partition: i32,
    ) -> Result<(), ReturnError> {
        let headers: Vec<Raw<'_>> = letter
            .headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_deref()))
            .collect();
        let record = Outgoing {
            topic,
            partition: Some(partition),
            timestamp: letter.recorded_at.map(Timestamp::as_millis),
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &headers,
        };
        self.handed += 1;
        if self.handed.is_multiple_of(LOOK_EVERY) {
            self.take_in(Duration::ZERO)?;
        }
        loop {
            match produce(&self.producer, &record, self.handed) {
                Ok(()) => return Ok(()),
                Err(error) if code(&error) == RDKafkaErrorCode::QueueFull => self.take_in(POLL)?,
                Err(error) => return Err(self.refused(code(&error))),
            }
        }
    }

    /// Waits until every record is written, and answers how many are.
    ///
    /// # Errors
    /// If one of them was refused.
    pub fn finish(mut self) -> Result<u64, ReturnError> {
        while self.producer.in_flight_count() > 0 {
            self.take_in(POLL)?;
        }
        self.take_in(Duration::ZERO)?;
        Ok(self.written)
    }

    fn take_in(&mut self, wait: Duration) -> Result<(), ReturnError> {
        self.producer.poll(wait);
        for (_, outcome) in self.producer.client().context().take() {
            match outcome {
                Ok(()) => self.written += 1,
                Err(code) => return Err(self.refused(code)),
            }
        }
        if let Some((code, _)) = self.producer.client().fatal_error() {
            return Err(self.refused(code));
        }
        Ok(())
    }

    fn refused(&self, code: RDKafkaErrorCode) -> ReturnError {
        ReturnError::Refused {
            code,
            written: self.written,
        }
    }
}

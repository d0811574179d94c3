//! The goal of a router that is to end by itself: everything that was there at the start.
//!
//! Promises that it is reached only once the group has committed all of it, and so once all events of it
//! are acknowledged, whoever of the group has written them. Does not know what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::kafka::client::{Consumer, Context, configuration};
use crate::router::nap;
use crate::telemetry::Telemetry;

/// How long the brokers may take for one answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often they are asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// What is to be routed, as it was found first.
pub struct Goal {
    /// In the group of the routers, but no member of it.
    consumer: Consumer,
    topics: Vec<String>,
    /// Topic, partition and end of each that had records.
    ends: Option<Vec<(String, i32, i64)>>,
}

impl Goal {
    /// Everything that these topics hold when they are first seen, for routers of this group.
    ///
    /// # Errors
    /// If the client does not take its configuration.
    pub fn new(settings: &KafkaSettings, telemetry: Arc<Telemetry>) -> KafkaResult<Self> {
        Ok(Self {
            consumer: configuration(settings).create_with_context(Context::new(telemetry))?,
            topics: settings.topics.clone(),
            ends: None,
        })
    }

    /// Waits until it is reached; false if told to stop before. Brokers that do not answer, and topics
    /// that are not there, are waited for.
    pub fn wait(mut self, stop: &AtomicBool) -> bool {
        let mut reached = false;
        while !reached && !stop.load(Ordering::Relaxed) {
            match self.is_reached() {
                Ok(is_reached) => reached = is_reached,
                Err(error) => self.consumer.context().failed(&error),
            }
            if !reached {
                nap(INTERVAL, stop);
            }
        }
        // Closing the client can wait for brokers that are gone.
        std::mem::forget(self.consumer);
        reached
    }

    fn is_reached(&mut self) -> KafkaResult<bool> {
        if self.ends.is_none() {
            self.ends = Some(self.look()?);
        }
        let ends = self.ends.as_deref().unwrap_or_default();
        if ends.is_empty() {
            return Ok(true);
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition, _) in ends {
            list.add_partition(topic, *partition);
        }
        let committed = self.consumer.committed_offsets(list, PATIENCE)?;
        let is_routed = |(topic, partition, end): &(String, i32, i64)| {
            let element = committed.find_partition(topic, *partition);
            let offset = element.map(|element| element.offset());
            matches!(offset, Some(Offset::Offset(next)) if next >= *end)
        };
        Ok(ends.iter().all(is_routed))
    }

    /// The ends of all partitions that hold a record.
    fn look(&self) -> KafkaResult<Vec<(String, i32, i64)>> {
        let mut ends = Vec::new();
        for topic in &self.topics {
            for partition in 0..self.partitions(topic)? {
                let consumer = &self.consumer;
                let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
                if first < end {
                    ends.push((topic.clone(), partition, end));
                }
            }
        }
        let partitions = ends.len();
        tracing::info!(
            topics = self.topics.join(","),
            partitions,
            "routing what is there now, and then ending"
        );
        Ok(ends)
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
}

//! Commits: how far the service has come, told to the brokers.
//!
//! Nothing rests on a committed offset: it is for tools that show lag. Its metadata is a witness: it
//! says that there was a state once, from which offset on, and under which settings, so that a start
//! without a usable checkpoint is not taken for a first one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::kafka::Place;
use crate::kafka::client::Consumer;
use crate::kafka::letters::outbox::Outbox;
use crate::kafka::member::{Membership, passes};
use crate::kafka::progress::Progress;

/// Commits what was applied.
pub struct Commits {
    consumer: Arc<Consumer>,
    topics: Vec<String>,
    progress: Arc<Progress>,
    /// What is written beside each offset.
    marks: Mutex<HashMap<Place, String>>,
    /// Who is in the group, and may therefore commit.
    membership: Arc<Membership>,
    /// Where rejected records go, if they are kept.
    outbox: Option<Arc<Outbox>>,
}

impl Commits {
    #[must_use]
    pub fn new(
        consumer: Arc<Consumer>,
        topics: Vec<String>,
        progress: Arc<Progress>,
        membership: Arc<Membership>,
        outbox: Option<Arc<Outbox>>,
    ) -> Self {
        Self {
            consumer,
            topics,
            progress,
            marks: Mutex::default(),
            membership,
            outbox,
        }
    }

    /// What is written beside the offsets of these places from now on.
    pub fn mark(&self, marks: HashMap<Place, String>) {
        let mut known = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(marks);
    }

    /// Commits the position of every partition that is read and sound, but not past a rejected record
    /// that is not yet acknowledged by the dead-letter topic. With [`CommitMode::Sync`] the
    /// answer is waited for.
    pub fn commit(&self, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for (place, offset) in self.progress.sound_positions() {
            let topic = &self.topics[place.topic];
            // Asked after the positions: what was rejected before them is known by now.
            let outbox = self.outbox.as_ref();
            let offset = outbox.map_or(offset, |outbox| outbox.durable(place, offset));
            let offset = Offset::Offset(offset);
            if list
                .add_partition_offset(topic, place.partition, offset)
                .is_err()
            {
                return;
            }
        }
        if list.count() == 0 {
            return;
        }
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        for element in &mut list.elements() {
            let topic = self.topics.iter().position(|name| name == element.topic());
            let partition = element.partition();
            let mark = topic.and_then(|topic| marks.get(&Place { topic, partition }));
            if let Some(mark) = mark {
                element.set_metadata(mark);
            }
        }
        drop(marks);
        // A group with members takes commits of these alone.
        let committed = self.membership.commit(&list, mode);
        let committed = committed.unwrap_or_else(|| self.consumer.commit(&list, mode));
        if let Err(error) = committed
            && !passes(&error)
        {
            self.consumer.context().failed(&error);
        }
    }
}

//! Kafka: how records get from the brokers to the engine, in batches, by partition.
//!
//! Owns the client, its one polling thread, and what is known of each partition's end. Promises that
//! no offset is skipped without a word, that a full engine stops the reading instead of growing a
//! queue, and that nothing here waits for the engine but by that. Does not know events, shards,
//! measures or HTTP: records are bytes with an offset and a timestamp.
//!
//! ```text
//!  brokers <-- librdkafka --> reader (one thread: poll) --> Sink, batches by partition
//!                 ^
//!                 +---------- watch  (one thread: end offsets, metadata) --> Progress
//!  coordinator <-- librdkafka --> member (one thread: which partitions are this instance's)
//! ```

pub mod admission;
pub mod batch;
pub mod client;
pub mod commits;
pub mod headers;
pub mod identity;
pub mod letters;
pub mod member;
pub mod peek;
pub mod progress;
pub mod range;
pub mod reader;
pub mod routed;
pub mod tap;
pub mod watch;

use crate::event::Timestamp;
use crate::kafka::batch::Batch;
use crate::telemetry::partition::Degradation;

/// One partition of one configured topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the topic in the configuration.
    pub topic: usize,
    pub partition: i32,
}

/// What the reader tells about a partition, in the order in which it happened.
#[derive(Debug)]
pub enum Delivery {
    /// Reading begins at this later offset, the first that the log still has: of what was before it,
    /// nothing was read.
    Begin { place: Place, first_offset: i64 },
    /// Records, in ascending order of offsets.
    Records(Batch),
    /// There is nothing to apply before this offset: the rest were control records.
    SkipTo { place: Place, next_offset: i64 },
}

/// Where deliveries go.
pub trait Sink: Send {
    /// Takes a delivery; blocks while there is no room. False once nobody takes any more.
    fn deliver(&mut self, delivery: Delivery) -> bool;
}

/// The wall clock: when a question was asked, or an answer came.
fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// What happened to a partition, and what to do: the log line of an operator who is woken by it.
#[must_use]
pub fn sentence(reason: Degradation) -> &'static str {
    match reason {
        Degradation::TopicMissing => {
            "the topic is not there: the numbers are withheld until it is back"
        }
        Degradation::BadBatch => {
            "a batch of records is damaged, however often it is fetched: the numbers are withheld; \
             have the brokers' disks looked at, or restart with --accept-history-loss once the batch \
             is deleted"
        }
        Degradation::RecordsDeleted => {
            "records were deleted before they were read: the numbers are withheld; restart with \
             --accept-history-loss to go on with what there is"
        }
        Degradation::Truncated => {
            "the log ends before what was read, or holds other records there: the numbers are \
             withheld; a restart goes back to a checkpoint from before"
        }
        Degradation::Recreated => {
            "the topic was deleted and made anew: the numbers are withheld; restart with \
             --accept-history-loss to read the new one beside what is known"
        }
        Degradation::HistoryGone => {
            "the log no longer reaches back to where the lost state began: the numbers are withheld; \
             restart with --accept-history-loss to begin with what there is"
        }
    }
}

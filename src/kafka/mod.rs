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
//! ```

pub mod batch;
pub mod client;
pub mod progress;
pub mod reader;
pub mod watch;

use crate::event::Timestamp;
use crate::kafka::batch::Batch;

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
    /// Reading begins at this offset, the first that the log still has.
    Begin { place: Place, first_offset: i64 },
    /// Records, in ascending order of offsets.
    Records(Batch),
    /// There is nothing to apply before this offset: the rest were control records.
    SkipTo { place: Place, next_offset: i64 },
    /// Records are missing or cannot be read, so what is known can no longer be trusted.
    Lost,
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

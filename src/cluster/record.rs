//! What is in the report topic: the parts of shards, and who is there.

use crate::event::Timestamp;
use crate::measure::partial::Partial;

/// One shard's part of the report of one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    pub partition: i32,
    /// `T`: a grid instant.
    pub at: Timestamp,
    /// How many partitions each topic has.
    pub partitions: i32,
    /// How many each topic had when customers were assigned to shards, as far as the state tells.
    pub keyed_by: i32,
    /// By number of the topic: the first offset that is in the state, and the first that is not.
    pub offsets: Vec<Option<(i64, i64)>>,
    /// The digest of all facts of the shard.
    pub digest: u128,
    /// Of two owners of a partition, the later one has the greater.
    pub generation: u64,
    /// Of the question for all measures at `at`.
    pub partial: Partial,
}

/// An instance, and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The name of the member, or a random one of this process.
    pub instance: String,
    /// Where it answers questions of others.
    pub address: String,
    /// By its own clock.
    pub written_at: Timestamp,
    pub partitions: i32,
    /// Ascending by partition.
    pub shards: Vec<Held>,
}

/// A shard that an instance owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub partition: i32,
    pub generation: u64,
    /// The instant up to which the shard is complete.
    pub reached: Option<Timestamp>,
    /// Its numbers would be wrong.
    pub degraded: bool,
}

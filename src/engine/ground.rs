//! What a shard's answer rests on: which part of the log, and what came of it.

use std::sync::Arc;

use crate::ledger::Shard;
use crate::serve::{Basis, LogPosition, ShardDigest};

/// The state of one shard at the moment at which an answer was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    partition: i32,
    digest: u128,
    /// By number of the topic: the first offset that is in the state, and the first that is not.
    offsets: Vec<Option<(i64, i64)>>,
}

impl Ground {
    /// The state of a shard as it is now.
    #[must_use]
    pub fn of(shard: &Shard, partition: i32, topics: usize) -> Self {
        let offsets = (0..topics).map(|topic| {
            let position = shard.position(topic)?;
            Some((position.base_offset, position.next_offset))
        });
        Self {
            partition,
            digest: shard.digest(),
            offsets: offsets.collect(),
        }
    }

    /// The same as another instance told it.
    #[must_use]
    pub fn told(partition: i32, digest: u128, offsets: Vec<Option<(i64, i64)>>) -> Self {
        Self {
            partition,
            digest,
            offsets,
        }
    }

    /// By number of the topic: the first offset that is in the state, and the first that is not.
    #[must_use]
    pub fn offsets(&self) -> &[Option<(i64, i64)>] {
        &self.offsets
    }

    /// The digest of all facts.
    #[must_use]
    pub const fn digest(&self) -> u128 {
        self.digest
    }
}

/// What an answer of several shards rests on; `topics` are the names by number.
#[must_use]
pub fn basis(grounds: &[Ground], topics: &[Arc<str>]) -> Basis {
    let digest = |ground: &Ground| ShardDigest {
        partition: ground.partition,
        digest: ground.digest,
    };
    let mut positions: Vec<LogPosition> = grounds
        .iter()
        .flat_map(|ground| {
            let read = topics.iter().zip(&ground.offsets);
            read.filter_map(|(topic, offsets)| {
                let (base_offset, next_offset) = (*offsets)?;
                Some(LogPosition {
                    topic: Arc::clone(topic),
                    partition: ground.partition,
                    base_offset,
                    next_offset,
                })
            })
        })
        .collect();
    positions.sort_unstable();
    let mut digests: Vec<ShardDigest> = grounds.iter().map(digest).collect();
    digests.sort_unstable();
    Basis { positions, digests }
}

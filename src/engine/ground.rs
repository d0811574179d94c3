//! What a shard's answer rests on: which part of the log, and what came of it.

use std::sync::Arc;

use crate::cluster::asked::Known;
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

    /// Whether everything before these offsets is in it, each of the topic with this number.
    #[must_use]
    pub fn covers(&self, positions: &[(usize, i64)]) -> bool {
        positions.iter().all(|(topic, next)| {
            let known = self.offsets.get(*topic).copied().flatten();
            known.is_some_and(|(_, known)| known >= *next)
        })
    }
}

/// As another instance tells it.
impl From<Known> for Ground {
    fn from(known: Known) -> Self {
        Self {
            partition: known.partition,
            digest: known.digest,
            offsets: known.offsets,
        }
    }
}

/// As it is told to another instance.
impl From<Ground> for Known {
    fn from(ground: Ground) -> Self {
        Self {
            partition: ground.partition,
            digest: ground.digest,
            offsets: ground.offsets,
        }
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

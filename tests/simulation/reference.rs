//! What a shard has to be: the fold of exactly the records before its position, in one go.

use std::collections::HashMap;
use std::sync::Arc;

use tenure::engine::intake::take;
use tenure::event::decode::Decoder;
use tenure::ledger::Shard;
use tenure::ledger::hash::Hashes;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::shard::LastRecord;

use super::log::{PartitionLog, Record, Segment};

/// By topic, the stretches of the log that a state was folded from, one after the other: the next
/// one begins where an operator has accepted a loss.
pub type Lineage = Vec<Vec<Segment>>;

/// Folds as the service does, record by record.
pub struct Folding {
    pub settings: Arc<FoldSettings>,
    decoder: Decoder,
    hashes: Hashes,
}

impl Folding {
    pub fn new(settings: FoldSettings) -> Self {
        let decoder = Decoder::new(settings.decoding());
        Self {
            decoder,
            hashes: Hashes::new(settings.digest_key),
            settings: Arc::new(settings),
        }
    }

    /// Folds a record; false if the shard has it already.
    pub fn fold(&self, shard: &mut Shard, topic: usize, offset: i64, record: &Record) -> bool {
        if !shard.advance(topic, offset, record.recorded_at) {
            return false;
        }
        let value = record.value.as_deref();
        take(shard, &self.decoder, value, record.recorded_at);
        true
    }

    pub fn witness(&self, offset: i64, record: &Record) -> LastRecord {
        LastRecord {
            offset,
            hash: self
                .hashes
                .record(record.recorded_at, record.value.as_deref()),
            leader_epoch: Some(record.leader_epoch),
        }
    }

    /// The fold of all stretches, anew.
    pub fn reference(&self, logs: &[PartitionLog], lineage: &Lineage) -> Shard {
        let mut shard = Shard::new(Arc::clone(&self.settings), logs.len());
        for (topic, (log, segments)) in logs.iter().zip(lineage).enumerate() {
            for (number, segment) in segments.iter().enumerate() {
                if number == 0 {
                    shard.start_at(topic, segment.from);
                } else {
                    shard.accept_gap(topic, segment.from);
                }
                for offset in segment.from..segment.to {
                    if let Some(record) = log.ever(segment.timeline, offset) {
                        self.fold(&mut shard, topic, offset, record);
                        shard.saw(topic, self.witness(offset, record));
                    }
                }
                shard.skip_to(topic, segment.to);
            }
        }
        shard
    }
}

/// Digests of references, each record folded once for all who ask.
#[derive(Default)]
pub struct Digests {
    /// By topic, timeline and base.
    folds: HashMap<(usize, usize, i64), Fold>,
    /// Of states with an accepted loss.
    torn: HashMap<(usize, Vec<Segment>), u128>,
}

struct Fold {
    shard: Shard,
    /// By position, from the base on.
    digests: Vec<u128>,
}

impl Digests {
    /// The digest of all facts of a lineage. Facts of different topics are never the same, so the
    /// digests of the topics add up.
    pub fn of(&mut self, folding: &Folding, logs: &[PartitionLog], lineage: &Lineage) -> u128 {
        let mut sum = 0_u128;
        for (topic, segments) in lineage.iter().enumerate() {
            sum = sum.wrapping_add(match segments.as_slice() {
                [] => 0,
                [only] => self.single(folding, &logs[topic], topic, *only),
                _ => self.torn(folding, logs, topic, segments),
            });
        }
        sum
    }

    fn single(
        &mut self,
        folding: &Folding,
        log: &PartitionLog,
        topic: usize,
        segment: Segment,
    ) -> u128 {
        let segment = log.oldest(segment);
        let key = (topic, segment.timeline, segment.from);
        let fold = self.folds.entry(key).or_insert_with(|| {
            let mut shard = Shard::new(Arc::clone(&folding.settings), topic + 1);
            shard.start_at(topic, segment.from);
            Fold {
                shard,
                digests: vec![0],
            }
        });
        let length = (segment.to - segment.from) as usize;
        while fold.digests.len() <= length {
            let offset = segment.from + fold.digests.len() as i64 - 1;
            if let Some(record) = log.ever(segment.timeline, offset) {
                folding.fold(&mut fold.shard, topic, offset, record);
            }
            fold.digests.push(fold.shard.digest());
        }
        fold.digests[length]
    }

    fn torn(
        &mut self,
        folding: &Folding,
        logs: &[PartitionLog],
        topic: usize,
        segments: &[Segment],
    ) -> u128 {
        let key = (topic, segments.to_vec());
        *self.torn.entry(key).or_insert_with(|| {
            let mut lineage = vec![Vec::new(); logs.len()];
            lineage[topic] = segments.to_vec();
            folding.reference(logs, &lineage).digest()
        })
    }
}

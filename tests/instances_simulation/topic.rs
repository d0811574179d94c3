//! A virtual report topic: records in one order, of which compaction may take all but the last of each
//! key, at any time.

use std::collections::HashMap;

use super::dice::Dice;

pub struct Written {
    pub key: String,
    pub value: Option<Vec<u8>>,
    pub recorded_at: i64,
}

#[derive(Default)]
pub struct Topic {
    /// Nothing where compaction has been.
    records: Vec<Option<Written>>,
}

impl Topic {
    pub fn append(&mut self, key: &str, value: Option<Vec<u8>>, recorded_at: i64) {
        self.records.push(Some(Written {
            key: key.to_owned(),
            value,
            recorded_at,
        }));
    }

    pub fn end(&self) -> usize {
        self.records.len()
    }

    /// What is left from a position up to another one.
    pub fn read(&self, from: usize, to: usize) -> impl Iterator<Item = &Written> {
        self.records[from..to].iter().flatten()
    }

    /// Leaves the last record of each key in a part of the log that begins at its beginning.
    pub fn compact(&mut self, dice: &mut Dice) {
        let end = dice.below(self.records.len() + 1);
        let mut last: HashMap<String, usize> = HashMap::new();
        for (offset, record) in self.records[..end].iter().enumerate() {
            if let Some(record) = record {
                last.insert(record.key.clone(), offset);
            }
        }
        for (offset, place) in self.records[..end].iter_mut().enumerate() {
            let stays = |record: &Written| last[&record.key] == offset;
            if place.as_ref().is_some_and(|record| !stays(record)) {
                *place = None;
            }
        }
    }
}

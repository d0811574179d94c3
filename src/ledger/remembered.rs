//! Event ids that were seen lately: what tells a repeat from a conflict.
//!
//! A hash table of 16 bytes an id. Forgotten ids are swept out when the table is full, and it doubles
//! only if more than three quarters of it are still remembered; so sweeping costs a constant for each
//! id, and the table has room for the ids of two windows and two thirds at most. At its bound the older half is
//! forgotten early. All of that is a function of the log alone.
//!
//! ```text
//!  | tag 64 | seen 42, content 22 |      16 bytes, and one of the table's own
//! ```

use std::hint::black_box;

use hashbrown::HashTable;

use crate::event::Timestamp;
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};

/// Ids for which there is room at first, and at most: 17 bytes each, so 8.5 MiB for each shard.
const FIRST_IDS: usize = 448;
pub const MAX_IDS: usize = 458_752;
const CONTENT_BITS: u32 = 22;
const CONTENT_MASK: u64 = (1 << CONTENT_BITS) - 1;

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Never seen, or forgotten and swept out.
    New,
    /// Seen so long ago that it does not count any more.
    Forgotten,
    /// Seen with the same content.
    Same,
    /// Seen with other content.
    Other,
}

/// The ids of one shard that are remembered.
#[derive(Debug, Clone)]
pub struct RememberedIds {
    ids: HashTable<Entry>,
    /// How many ids there may be before the forgotten ones are swept out.
    room: usize,
    window: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Hash of customer and event id.
    tag: u64,
    /// When it was first seen, in milliseconds since 2000, and a hash of the content.
    seen_and_content: u64,
}

impl Entry {
    fn new(tag: u64, content: u64, seen: u64) -> Self {
        Self {
            tag,
            seen_and_content: seen << CONTENT_BITS | content & CONTENT_MASK,
        }
    }

    const fn seen(&self) -> u64 {
        self.seen_and_content >> CONTENT_BITS
    }

    /// Whether it still counts at `now`, the shard's own clock.
    const fn remembered(&self, now: u64, window: u64) -> bool {
        now < self.seen().saturating_add(window)
    }
}

impl RememberedIds {
    #[must_use]
    pub fn new(window_millis: i64) -> Self {
        let window = u64::try_from(window_millis).unwrap_or(0);
        Self {
            ids: HashTable::new(),
            room: FIRST_IDS,
            window,
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ids.allocation_size()
    }

    /// What is known of the id `tag` at `now`, the shard's own clock.
    #[must_use]
    pub fn recall(&self, tag: u64, content: u64, now: Timestamp) -> Memory {
        match self.ids.find(tag, |entry| entry.tag == tag) {
            Some(entry) if !entry.remembered(ticks(now), self.window) => Memory::Forgotten,
            None => Memory::New,
            Some(entry) if entry.seen_and_content & CONTENT_MASK == content & CONTENT_MASK => {
                Memory::Same
            }
            Some(_) => Memory::Other,
        }
    }

    /// Has a look at where an id is or would be, and does nothing with it; so it is fetched from
    /// memory before it is asked for.
    pub fn fetch(&self, tag: u64) {
        black_box(self.ids.find(tag, |entry| entry.tag == tag).is_some());
    }

    /// Remembers an id from `now` on; `memory` is what was known of it, as recalled just before.
    pub fn remember(&mut self, tag: u64, content: u64, now: Timestamp, memory: Memory) {
        let new = Entry::new(tag, content, ticks(now));
        // What was not there just before need not be looked for again.
        if memory != Memory::New
            && let Some(entry) = self.ids.find_mut(tag, |entry| entry.tag == tag)
        {
            *entry = new;
            return;
        }
        if self.ids.len() == self.room {
            self.make_room(ticks(now));
        }
        self.ids.insert_unique(tag, new, |entry| entry.tag);
    }

    #[cold]
    fn make_room(&mut self, now: u64) {
        let window = self.window;
        let remembered = self
            .ids
            .iter()
            .filter(|entry| entry.remembered(now, window))
            .count();
        let mut newer_than = None;
        if remembered * 4 > self.room * 3 {
            if self.room < MAX_IDS {
                self.room *= 2;
            } else {
                newer_than = Some(self.median_seen());
            }
        }
        // Made anew rather than thinned out: a table keeps the marks of what was taken from it, and
        // grows because of them.
        let old = std::mem::replace(&mut self.ids, HashTable::with_capacity(self.room));
        let kept = |entry: &Entry| {
            entry.remembered(now, window) && newer_than.is_none_or(|at| entry.seen() > at)
        };
        for entry in old.into_iter().filter(kept) {
            self.ids.insert_unique(entry.tag, entry, |entry| entry.tag);
        }
    }

    fn median_seen(&self) -> u64 {
        let mut seen: Vec<u64> = self.ids.iter().map(Entry::seen).collect();
        let middle = seen.len() / 2;
        *seen.select_nth_unstable(middle).1
    }
}

/// Milliseconds since 2000, within 42 bits.
fn ticks(at: Timestamp) -> u64 {
    let at = at.clamp(Timestamp::FIRST, Timestamp::LAST);
    (at.as_millis() - Timestamp::FIRST.as_millis()).cast_unsigned()
}

impl Part for RememberedIds {
    /// How long an id is remembered, in milliseconds.
    type Needs<'a> = i64;

    fn write(&self, out: &mut Writer) {
        let mut entries: Vec<Entry> = self.ids.iter().copied().collect();
        entries.sort_unstable_by_key(|entry| entry.tag);
        out.count(self.room);
        out.count(entries.len());
        for entry in entries {
            out.u64(entry.tag);
            out.u64(entry.seen_and_content);
        }
    }

    fn read(from: &mut Reader<'_>, window_millis: i64) -> Result<Self, Unusable> {
        let mut ids = Self::new(window_millis);
        ids.room = from.u32()? as usize;
        let count = from.count(16)?;
        if !(FIRST_IDS..=MAX_IDS).contains(&ids.room) || count > ids.room {
            return Err(Unusable::Damaged("there are too many ids"));
        }
        ids.ids = HashTable::with_capacity(ids.room);
        let mut last = None;
        for _ in 0..count {
            let (tag, seen_and_content) = (from.u64()?, from.u64()?);
            if last >= Some(tag) {
                return Err(Unusable::Damaged("its ids are in no order"));
            }
            last = Some(tag);
            let entry = Entry {
                tag,
                seen_and_content,
            };
            ids.ids.insert_unique(tag, entry, |entry| entry.tag);
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::FIRST.plus_millis(millis.cast_signed())
    }

    #[test]
    fn an_id_is_remembered_for_the_window_and_not_a_millisecond_longer() {
        let mut ids = RememberedIds::new(1000);
        ids.remember(7, 70, at(0), Memory::New);
        let before = ids.bytes();
        assert_eq!(ids.recall(7, 70, at(999)), Memory::Same);
        assert_eq!(ids.recall(7, 71, at(999)), Memory::Other);
        assert_eq!(ids.recall(7, 70, at(1000)), Memory::Forgotten);
        assert_eq!(ids.recall(8, 70, at(0)), Memory::New);
        ids.remember(7, 71, at(1000), Memory::Forgotten);
        assert_eq!(ids.bytes(), before);
        assert_eq!(ids.recall(7, 71, at(1999)), Memory::Same);
    }

    #[test]
    fn every_id_of_the_window_is_remembered_and_the_table_stays_small() {
        let mut ids = RememberedIds::new(1000);
        for tag in 0..100_000_u64 {
            ids.remember(
                tag.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                tag,
                at(tag),
                Memory::New,
            );
            if tag >= 999 && tag % 1000 == 0 {
                for old in tag - 999..=tag {
                    let hash = old.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    assert_eq!(
                        ids.recall(hash, old, at(tag)),
                        Memory::Same,
                        "{old} at {tag}"
                    );
                }
            }
        }
        assert!(ids.bytes() <= 4096 * 17 + 64, "{} bytes", ids.bytes());
    }

    #[test]
    fn at_its_bound_the_table_forgets_the_older_half() {
        let mut ids = RememberedIds::new(i64::MAX);
        let many = MAX_IDS as u64;
        for tag in 0..many {
            ids.remember(
                tag.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                tag,
                at(tag),
                Memory::New,
            );
        }
        let recall = |ids: &RememberedIds, tag: u64| {
            ids.recall(tag.wrapping_mul(0x9e37_79b9_7f4a_7c15), tag, at(many))
        };
        assert_eq!(recall(&ids, 0), Memory::Same);
        let before = ids.bytes();
        assert!(before <= (1 << 19) * 17 + 64, "{before} bytes");
        ids.remember(1, 1, at(many), Memory::New);
        assert_eq!(ids.bytes(), before);
        assert_eq!(recall(&ids, many / 2), Memory::New);
        assert_eq!(recall(&ids, many / 2 + 1), Memory::Same);
        assert_eq!(ids.recall(1, 1, at(many)), Memory::Same);
    }
}

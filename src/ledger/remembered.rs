//! Event ids that were seen lately: what tells a repeat from a conflict.
//!
//! A set-associative table. Each set is one cache line of four entries; a new id takes the place of
//! a forgotten one, else of the oldest in its set. The table doubles while it would have to drop an
//! id that is still remembered, up to [`MAX_SETS`]; so its content is a function of the log alone.
//!
//! ```text
//!  set       | tag 64 | seen 42, content 22 |   x 4     64 bytes
//! ```

use crate::event::Timestamp;

const WAYS: usize = 4;
const FIRST_SETS: usize = 64;
/// 2^17 sets of four: 524,288 ids in 8 MiB for each shard.
pub const MAX_SETS: usize = 1 << 17;
const CONTENT_BITS: u32 = 22;

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Never seen, or forgotten.
    New,
    /// Seen with the same content.
    Same,
    /// Seen with other content.
    Other,
}

/// The ids of one shard that are remembered.
#[derive(Debug, Clone)]
pub struct RememberedIds {
    sets: Vec<[Entry; WAYS]>,
    window_millis: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Entry {
    /// Hash of customer and event id; meaningless in an empty entry.
    tag: u64,
    /// When it was first seen, in milliseconds since 2000 plus one, and a hash of the content;
    /// 0 is an empty entry.
    seen_and_content: u64,
}

impl Entry {
    fn new(tag: u64, content: u64, seen: u64) -> Self {
        Self {
            tag,
            seen_and_content: (seen + 1) << CONTENT_BITS | content & CONTENT_MASK,
        }
    }

    const fn seen(self) -> Option<u64> {
        (self.seen_and_content >> CONTENT_BITS).checked_sub(1)
    }

    /// Whether it still counts at `now`, the shard's own clock.
    fn remembered(self, now: u64, window_millis: u64) -> bool {
        self.seen()
            .is_some_and(|seen| now < seen.saturating_add(window_millis))
    }
}

const CONTENT_MASK: u64 = (1 << CONTENT_BITS) - 1;

impl RememberedIds {
    #[must_use]
    pub fn new(window_millis: i64) -> Self {
        Self {
            sets: vec![[Entry::default(); WAYS]; FIRST_SETS],
            window_millis,
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.sets.capacity() * size_of::<[Entry; WAYS]>()
    }

    /// What is known of the id `tag` at `now`, the shard's own clock.
    #[must_use]
    pub fn recall(&self, tag: u64, content: u64, now: Timestamp) -> Memory {
        let (now, window) = (ticks(now), self.window());
        let set = &self.sets[self.set_of(tag)];
        let known = set
            .iter()
            .find(|entry| entry.tag == tag && entry.remembered(now, window));
        match known {
            None => Memory::New,
            Some(entry) if entry.seen_and_content & CONTENT_MASK == content & CONTENT_MASK => {
                Memory::Same
            }
            Some(_) => Memory::Other,
        }
    }

    /// Remembers an id from `now` on.
    pub fn remember(&mut self, tag: u64, content: u64, now: Timestamp) {
        let (now, window) = (ticks(now), self.window());
        loop {
            let (at, full) = (self.set_of(tag), self.sets.len() == MAX_SETS);
            let set = &mut self.sets[at];
            let same = set
                .iter()
                .position(|entry| entry.tag == tag && entry.seen().is_some());
            let free = same.or_else(|| set.iter().position(|entry| !entry.remembered(now, window)));
            if let Some(way) = free {
                set[way] = Entry::new(tag, content, now);
                return;
            }
            if full {
                if let Some(oldest) = set.iter_mut().min_by_key(|entry| entry.seen()) {
                    *oldest = Entry::new(tag, content, now);
                }
                return;
            }
            self.double(now);
        }
    }

    fn double(&mut self, now: u64) {
        let window = self.window();
        let bigger = vec![[Entry::default(); WAYS]; self.sets.len() * 2];
        for entry in std::mem::replace(&mut self.sets, bigger)
            .into_iter()
            .flatten()
        {
            if !entry.remembered(now, window) {
                continue;
            }
            let at = self.set_of(entry.tag);
            // A set of the smaller table spreads over two, so there is always room.
            if let Some(free) = self.sets[at]
                .iter_mut()
                .find(|entry| entry.seen().is_none())
            {
                *free = entry;
            }
        }
    }

    fn set_of(&self, tag: u64) -> usize {
        // The table's size is a power of two, and the tag is a hash.
        (tag as usize) & (self.sets.len() - 1)
    }

    fn window(&self) -> u64 {
        u64::try_from(self.window_millis).unwrap_or(0)
    }
}

/// Milliseconds since 2000, within 42 bits.
fn ticks(at: Timestamp) -> u64 {
    let at = at.clamp(Timestamp::FIRST, Timestamp::LAST);
    (at.as_millis() - Timestamp::FIRST.as_millis()).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::FIRST.plus_millis(millis)
    }

    #[test]
    fn an_id_is_remembered_for_the_window_and_not_a_millisecond_longer() {
        let mut ids = RememberedIds::new(1000);
        ids.remember(7, 70, at(0));
        assert_eq!(ids.recall(7, 70, at(999)), Memory::Same);
        assert_eq!(ids.recall(7, 71, at(999)), Memory::Other);
        assert_eq!(ids.recall(7, 70, at(1000)), Memory::New);
        assert_eq!(ids.recall(8, 70, at(0)), Memory::New);
    }

    #[test]
    fn the_table_grows_until_its_bound_and_then_drops_the_oldest() {
        let mut ids = RememberedIds::new(i64::MAX);
        let many = (MAX_SETS * WAYS) as u64;
        // Tags that fill every set in turn.
        for tag in 0..many {
            ids.remember(tag, tag, at(tag as i64));
        }
        assert_eq!(ids.bytes(), 8 << 20);
        for tag in 0..many {
            assert_eq!(ids.recall(tag, tag, at(0)), Memory::Same, "{tag}");
        }
        ids.remember(many, many, at(many as i64));
        assert_eq!(ids.recall(0, 0, at(0)), Memory::New);
        assert_eq!(ids.recall(many, many, at(0)), Memory::Same);
        assert_eq!(
            ids.recall(MAX_SETS as u64, MAX_SETS as u64, at(0)),
            Memory::Same
        );
        assert_eq!(ids.bytes(), 8 << 20);
    }

    #[test]
    fn forgotten_ids_make_room_before_the_table_grows() {
        let mut ids = RememberedIds::new(10);
        let before = ids.bytes();
        for tag in 0..100_000 {
            ids.remember(tag, tag, at(tag as i64));
        }
        assert_eq!(ids.bytes(), before);
    }
}

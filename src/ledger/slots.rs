//! Slots: room for the words of customers, close together.
//!
//! Owns the memory in which facts lie, and which of it is free. Promises that little of it is air: up
//! to 16 words a slot is exactly as large as its content, and beyond that by a sixteenth too large on
//! average; and that slots which nobody takes any more are given back. Deliberately does not know
//! what words mean, or whose they are: who owns a slot is told that it moves.
//!
//! ```text
//!  chunks    0: slots of 3 words | 1: slots of 5 words | 2: slots of 3 words | 3: nobody's | ..
//!            56 KiB each; a chunk belongs to one class of slots, and later perhaps to another
//!  slot      number of its chunk 19 bits | its first word in the chunk 13 bits
//!  free      a list for each class: a free slot's first word is the number of the next
//! ```

/// Words in a chunk; 56 KiB, of which the allocator lays nine side by side in 512 KiB. Of 64 KiB it
/// would lay seven, and an eighth of all memory would be air.
const CHUNK_WORDS: usize = 7 << 10;
/// Bits that number the words of a chunk.
const CHUNK_BITS: u32 = 13;
const MAX_CHUNKS: usize = 1 << (u32::BITS - CHUNK_BITS);

/// Up to here there is a class for every number of words.
const EXACT: usize = 16;
/// Beyond it there are so many classes until the size has doubled.
const STEPS: usize = 8;
const DOUBLINGS: usize = 6;
const CLASSES: usize = 1 + EXACT + STEPS * DOUBLINGS;

/// Words that a slot of each class holds. The first class holds nothing and takes no memory.
const SIZES: [u16; CLASSES] = sizes();

/// The most words that a slot can hold.
pub const MAX_WORDS: u16 = SIZES[CLASSES - 1];

/// The end of a list of free slots.
const NONE: u32 = u32::MAX;

/// How large a slot is: one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class(u8);

impl Class {
    /// Of slots that hold nothing.
    pub const EMPTY: Self = Self(0);
    /// Of no slot: for what does not fit into any.
    pub const NO_SLOT: Self = Self(CLASSES as u8);

    /// The smallest class that holds so many words; [`Class::NO_SLOT`] above [`MAX_WORDS`].
    #[must_use]
    pub fn of(words: usize) -> Self {
        if words <= EXACT {
            return Self(words as u8);
        }
        Self(SIZES.partition_point(|size| usize::from(*size) < words) as u8)
    }

    /// Whether there are slots of it.
    #[must_use]
    pub const fn has_slots(self) -> bool {
        self.0 < Self::NO_SLOT.0
    }

    /// Words that fit into a slot.
    #[must_use]
    pub const fn size(self) -> u16 {
        SIZES[self.0 as usize]
    }
}

/// The slots of one shard.
#[derive(Debug)]
pub struct Slots {
    /// As long as slots in them were ever taken: what is behind was never touched.
    chunks: Vec<Vec<u64>>,
    /// Chunks that no class has; they hold no memory.
    idle: Vec<u32>,
    classes: [OfClass; CLASSES],
    /// Words in slots that are free.
    free_words: usize,
    /// Words in slots, free ones included; behind the last slot of each class memory is untouched.
    laid_words: usize,
    /// With so many free words it pays to look for chunks that can be given back.
    crowd_at: usize,
}

/// The slots of one size.
#[derive(Debug, Clone)]
struct OfClass {
    chunks: Vec<u32>,
    first_free: u32,
    free: u32,
}

/// Which slots have to move so that their chunks can be given back, and where to.
#[derive(Debug)]
pub struct Crowding {
    /// By chunk.
    leaving: Vec<bool>,
    /// By class.
    holes: Vec<Vec<u32>>,
}

impl Default for Slots {
    fn default() -> Self {
        let none = OfClass {
            chunks: Vec::new(),
            first_free: NONE,
            free: 0,
        };
        Self {
            chunks: Vec::new(),
            idle: Vec::new(),
            classes: std::array::from_fn(|_| none.clone()),
            free_words: 0,
            laid_words: 0,
            crowd_at: 2 * CHUNK_WORDS,
        }
    }
}

impl Slots {
    /// The first `count` words of a slot.
    #[must_use]
    pub fn words(&self, slot: u32, count: u16) -> &[u64] {
        if count == 0 {
            return &[];
        }
        let (chunk, start) = place(slot);
        &self.chunks[chunk][start..start + usize::from(count)]
    }

    /// The same, to be changed.
    pub fn words_mut(&mut self, slot: u32, count: u16) -> &mut [u64] {
        if count == 0 {
            return &mut [];
        }
        let (chunk, start) = place(slot);
        &mut self.chunks[chunk][start..start + usize::from(count)]
    }

    /// A slot of this class, whatever it holds.
    ///
    /// # Panics
    /// Beyond 28 GiB in one shard.
    pub fn take(&mut self, class: Class) -> u32 {
        if class == Class::EMPTY {
            return 0;
        }
        let of_class = &mut self.classes[usize::from(class.0)];
        let size = usize::from(class.size());
        if of_class.first_free != NONE {
            let slot = of_class.first_free;
            let (chunk, start) = place(slot);
            of_class.first_free = self.chunks[chunk][start] as u32;
            of_class.free -= 1;
            self.free_words -= size;
            return slot;
        }
        let last = of_class.chunks.last().copied();
        let number = last.filter(|last| self.chunks[*last as usize].len() + size <= CHUNK_WORDS);
        let number = number.unwrap_or_else(|| self.begin_chunk(class));
        let chunk = &mut self.chunks[number as usize];
        let start = chunk.len();
        chunk.resize(start + size, 0);
        self.laid_words += size;
        number << CHUNK_BITS | start as u32
    }

    #[cold]
    fn begin_chunk(&mut self, class: Class) -> u32 {
        let memory = Vec::with_capacity(CHUNK_WORDS);
        let number = match self.idle.pop() {
            Some(number) => {
                self.chunks[number as usize] = memory;
                number
            }
            None => {
                let number = self.chunks.len();
                assert!(number < MAX_CHUNKS, "a shard holds at most 28 GiB of facts");
                self.chunks.push(memory);
                number as u32
            }
        };
        self.classes[usize::from(class.0)].chunks.push(number);
        number
    }

    /// Gives a slot back. What it holds is gone.
    pub fn free(&mut self, class: Class, slot: u32) {
        if class == Class::EMPTY {
            return;
        }
        let of_class = &mut self.classes[usize::from(class.0)];
        let (chunk, start) = place(slot);
        self.chunks[chunk][start] = u64::from(of_class.first_free);
        of_class.first_free = slot;
        of_class.free += 1;
        self.free_words += usize::from(class.size());
    }

    /// Puts the words of one slot into another, with some new ones between them, at `at`.
    pub fn copy_around(&mut self, from: (u32, u16), to: u32, at: usize, new: &[u64]) {
        let (slot, count) = (from.0, usize::from(from.1));
        let (chunk, start) = place(to);
        if count == 0 {
            self.chunks[chunk][start..start + new.len()].copy_from_slice(new);
            return;
        }
        let (old_chunk, old_start) = place(slot);
        // Slots of two sizes are in two chunks.
        let Ok([old, all]) = self.chunks.get_disjoint_mut([old_chunk, chunk]) else {
            return;
        };
        let old = &old[old_start..old_start + count];
        let all = &mut all[start..start + count + new.len()];
        all[..at].copy_from_slice(&old[..at]);
        all[at..at + new.len()].copy_from_slice(new);
        all[at + new.len()..].copy_from_slice(&old[at..]);
    }

    /// Whether so much is free that it is time to [`Slots::crowd`].
    #[must_use]
    pub const fn sparse(&self) -> bool {
        self.free_words >= self.crowd_at
    }

    /// Begins to put slots closer together. Until [`Slots::crowded`], every owner of a slot has to be
    /// asked [`Slots::move_in`], and nothing else is to be done.
    pub fn crowd(&mut self) -> Crowding {
        let mut crowding = Crowding {
            leaving: vec![false; self.chunks.len()],
            holes: vec![Vec::new(); CLASSES],
        };
        for number in 1..CLASSES {
            let class = Class(number as u8);
            let of_class = &mut self.classes[number];
            let full = in_chunk(class);
            let last = of_class.chunks.last();
            let begun = last.map_or(full, |last| {
                self.chunks[*last as usize].len() / usize::from(class.size())
            });
            let spare = (of_class.free as usize + full - begun) / full;
            if spare == 0 {
                continue;
            }
            let first = of_class.chunks.len() - spare;
            for chunk in &of_class.chunks[first..] {
                crowding.leaving[*chunk as usize] = true;
            }
            let mut next = std::mem::replace(&mut of_class.first_free, NONE);
            while next != NONE {
                let (chunk, start) = place(next);
                if !crowding.leaving[chunk] {
                    crowding.holes[number].push(next);
                }
                next = self.chunks[chunk][start] as u32;
            }
        }
        crowding
    }

    /// Where the words of this slot are from now on.
    pub fn move_in(&mut self, crowding: &mut Crowding, class: Class, slot: u32) -> u32 {
        let (chunk, start) = place(slot);
        if class == Class::EMPTY || !crowding.leaving[chunk] {
            return slot;
        }
        let Some(hole) = crowding.holes[usize::from(class.0)].pop() else {
            return slot;
        };
        let (new_chunk, new_start) = place(hole);
        if let Ok([from, to]) = self.chunks.get_disjoint_mut([chunk, new_chunk]) {
            let size = usize::from(class.size());
            to[new_start..new_start + size].copy_from_slice(&from[start..start + size]);
        }
        hole
    }

    /// Gives back the chunks that everybody has left.
    pub fn crowded(&mut self, crowding: Crowding) {
        let Crowding { leaving, holes } = crowding;
        for (number, holes) in holes.into_iter().enumerate() {
            let of_class = &mut self.classes[number];
            let before = of_class.chunks.len();
            of_class.chunks.retain(|chunk| !leaving[*chunk as usize]);
            if of_class.chunks.len() == before {
                continue;
            }
            of_class.free = 0;
            for hole in holes {
                let (chunk, start) = place(hole);
                self.chunks[chunk][start] = u64::from(of_class.first_free);
                of_class.first_free = hole;
                of_class.free += 1;
            }
        }
        for (chunk, leaving) in (0..).zip(leaving) {
            if leaving {
                self.chunks[chunk as usize] = Vec::new();
                self.idle.push(chunk);
            }
        }
        self.count();
    }

    fn count(&mut self) {
        self.laid_words = self.chunks.iter().map(Vec::len).sum();
        let free = |(number, of_class): (usize, &OfClass)| {
            usize::from(SIZES[number]) * of_class.free as usize
        };
        self.free_words = self.classes.iter().enumerate().map(free).sum();
        // A pass over all customers is made once a thirty-second of all words became free since.
        self.crowd_at = self.free_words + (self.laid_words / 32).max(2 * CHUNK_WORDS);
    }

    /// Bytes held; what of a chunk was never touched is not there.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.laid_words * size_of::<u64>() + self.chunks.capacity() * size_of::<Vec<u64>>()
    }
}

const fn sizes() -> [u16; CLASSES] {
    let mut sizes = [0; CLASSES];
    let mut number = 1;
    let (mut size, mut step) = (0, 1);
    while number < CLASSES {
        if number > EXACT && (number - 1 - EXACT).is_multiple_of(STEPS) {
            step *= 2;
        }
        size += step;
        sizes[number] = size;
        number += 1;
    }
    sizes
}

/// How many slots there are in a chunk.
fn in_chunk(class: Class) -> usize {
    CHUNK_WORDS / usize::from(class.size().max(1))
}

/// Where a slot begins: the number of its chunk, and a place in it.
const fn place(slot: u32) -> (usize, usize) {
    (
        (slot >> CHUNK_BITS) as usize,
        slot as usize % (1 << CHUNK_BITS),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_exact_at_first_and_at_most_an_eighth_too_large_later() {
        assert_eq!(MAX_WORDS, 1024);
        assert!(SIZES.is_sorted_by(|a, b| a < b));
        for words in 0..=1024_usize {
            let size = usize::from(Class::of(words).size());
            assert!(size >= words && (size - words) * 8 <= words.saturating_sub(16) + 8);
            assert!(words > 16 || size == words);
        }
        assert_eq!(Class::of(1025), Class::NO_SLOT);
        assert!(!Class::NO_SLOT.has_slots() && Class::of(1024).has_slots());
    }

    #[test]
    fn slots_keep_their_words_while_others_come_go_and_move() {
        let mut slots = Slots::default();
        let mut held: Vec<(Class, u32, u64)> = Vec::new();
        let fill = |slots: &mut Slots, class: Class, mark: u64| {
            let slot = slots.take(class);
            slots.words_mut(slot, class.size()).fill(mark);
            (class, slot, mark)
        };
        for mark in 0..60_000_u64 {
            held.push(fill(&mut slots, Class::of(mark as usize % 7), mark));
        }
        let full = slots.bytes();
        // Three of four go; those that stay are found where they are said to be.
        let mut number = 0;
        held.retain(|(class, slot, _)| {
            number += 1;
            if number % 4 != 0 {
                slots.free(*class, *slot);
            }
            number % 4 == 0
        });
        assert!(slots.sparse());
        let mut crowding = slots.crowd();
        for (class, slot, _) in &mut held {
            *slot = slots.move_in(&mut crowding, *class, *slot);
        }
        slots.crowded(crowding);
        assert!(!slots.sparse());
        assert!(slots.bytes() < full / 2, "{} of {full}", slots.bytes());
        for mark in 60_000..70_000 {
            held.push(fill(&mut slots, Class::of(mark as usize % 30), mark));
        }
        for (class, slot, mark) in held {
            let words = slots.words(slot, class.size());
            assert!(words.iter().all(|word| *word == mark), "{mark}");
        }
    }
}

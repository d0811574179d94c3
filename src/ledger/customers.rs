//! The table of customers and their facts.
//!
//! ```text
//!  index   digest -> row number, open addressing, seeded at random     about 5-10 bytes a customer
//!  rows    digest 16 | slot 4 | words 2 | class 1 | flags 1            24 bytes, in chunks
//!  slabs   one for each size class; a slot holds the sorted words of one customer
//!  giants  customers with more than 1,024 words: a tree each, so that insertion stays cheap
//!  bases   only for customers with facts older than the prune line
//! ```
//!
//! Chunks are never moved or doubled, so growing costs no copy and no peak of memory; only the index
//! doubles. Row order is arrival order: nothing that can be seen depends on the index or its seed.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;

use crate::ledger::base::Base;
use crate::ledger::fact::{Fact, Facts, Kind, Word};
use crate::ledger::hash::CustomerDigest;
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};

/// Words a slot of each class holds; at most a third of a slot is air, beyond the smallest.
const CLASSES: [u16; 17] = [
    4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024,
];
/// Words in a chunk of a slab, at least; 64 KiB.
const CHUNK_WORDS: usize = 8192;
const ROWS_IN_CHUNK: usize = 2048;

/// The number of a customer's row in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(u32);

impl Row {
    /// Customers are numbered in the order in which they came, from 0.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }
}

/// What an insertion found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    New,
    /// The very same fact was there.
    Present,
}

/// The customers of one shard.
#[derive(Debug)]
pub struct Customers {
    index: HashTable<u32>,
    seed: u64,
    rows: Vec<Vec<Entry>>,
    count: u32,
    slabs: [Slab; CLASSES.len()],
    giants: Vec<BTreeSet<Fact>>,
    bases: HashMap<u32, Base>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    digest_low: u64,
    digest_high: u64,
    /// Slot in the slab of the class, or number of the giant.
    slot: u32,
    /// Words in the slot; of a giant, nothing.
    words: u16,
    class: Class,
    based: bool,
}

/// Where the facts of a customer lie: in a slab, or in a tree of their own. One byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class(u8);

impl Class {
    const GIANT: Self = Self(CLASSES.len() as u8);

    const fn slab(self) -> Option<u8> {
        if self.0 < Self::GIANT.0 {
            Some(self.0)
        } else {
            None
        }
    }
}

/// Slots of one size.
#[derive(Debug, Default)]
struct Slab {
    chunks: Vec<Box<[u64]>>,
    free: Vec<u32>,
    used: u32,
}

impl Entry {
    fn digest(&self) -> u128 {
        u128::from(self.digest_high) << 64 | u128::from(self.digest_low)
    }
}

impl Default for Customers {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            seed: RandomState::new().hash_one(0_u8) | 1,
            rows: Vec::new(),
            count: 0,
            slabs: std::array::from_fn(|_| Slab::default()),
            giants: Vec::new(),
            bases: HashMap::new(),
        }
    }
}

impl Customers {
    /// How many customers there are, active or not.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The row of a customer, if anything is known of it.
    #[must_use]
    pub fn find(&self, customer: CustomerDigest) -> Option<Row> {
        let hash = self.hash(customer.0);
        self.index
            .find(hash, |row| self.entry(Row(*row)).digest() == customer.0)
            .copied()
            .map(Row)
    }

    /// The row of a customer, a new one if there was none.
    ///
    /// # Panics
    /// Beyond 4,294,967,295 customers in one shard.
    pub fn find_or_add(&mut self, customer: CustomerDigest) -> Row {
        if let Some(row) = self.find(customer) {
            return row;
        }
        let slot = self.slabs[0].take(0);
        let row = self.push(customer, Class(0), slot, 0);
        let (rows, seed) = (&self.rows, self.seed);
        self.index
            .insert_unique(mix(customer.0, seed), row.0, |row| {
                mix(entry_in(rows, *row).digest(), seed)
            });
        row
    }

    /// A new row, which the index does not know yet.
    fn push(&mut self, customer: CustomerDigest, class: Class, slot: u32, words: u16) -> Row {
        let row = self.count;
        assert!(row < u32::MAX, "a shard holds at most 2^32 - 1 customers");
        let entry = Entry {
            digest_low: customer.0 as u64,
            digest_high: (customer.0 >> 64) as u64,
            slot,
            words,
            class,
            based: false,
        };
        if self
            .rows
            .last()
            .is_none_or(|chunk| chunk.len() == ROWS_IN_CHUNK)
        {
            self.rows.push(Vec::with_capacity(ROWS_IN_CHUNK));
        }
        if let Some(chunk) = self.rows.last_mut() {
            chunk.push(entry);
        }
        self.count += 1;
        Row(row)
    }

    /// Every customer in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (Row, CustomerDigest)> {
        let entries = self.rows.iter().flatten();
        entries
            .zip(0..)
            .map(|(entry, row)| (Row(row), CustomerDigest(entry.digest())))
    }

    /// The rows of all customers that are there now.
    pub fn rows(&self) -> impl Iterator<Item = Row> + use<> {
        (0..self.count).map(Row)
    }

    /// The rows with these numbers, the end not included.
    pub fn rows_between(&self, start: usize, end: usize) -> impl Iterator<Item = Row> + use<> {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX).min(self.count);
        (number(start)..number(end)).map(Row)
    }

    #[must_use]
    pub fn digest(&self, row: Row) -> CustomerDigest {
        CustomerDigest(self.entry(row).digest())
    }

    /// The facts of a customer in order. `scratch` is used for giants only.
    pub fn facts<'a>(&'a self, row: Row, scratch: &'a mut Vec<u64>) -> Facts<'a> {
        let entry = self.entry(row);
        match entry.class.slab() {
            Some(class) => Facts::new(self.words(class, entry)),
            None => {
                scratch.clear();
                for fact in &self.giants[entry.slot as usize] {
                    scratch.extend(stored(*fact));
                }
                Facts::new(scratch)
            }
        }
    }

    /// The first word of a customer's facts: a load that does not wait for another, by which facts of
    /// several customers can be fetched from memory at the same time.
    #[must_use]
    pub fn first_word(&self, row: Row) -> Option<u64> {
        let entry = self.entry(row);
        let class = entry.class.slab()?;
        self.words(class, entry).first().copied()
    }

    /// The latest fact before `word` that opens a spell or closes one: whether the customer was
    /// active then as far as its kept facts tell, or nothing if they do not.
    #[must_use]
    pub fn active_before(&self, row: Row, word: Word) -> Option<bool> {
        let opens = |fact: Fact| match fact.word.kind() {
            Kind::Signup | Kind::Order => Some(true),
            Kind::Churn => Some(false),
            Kind::Nps | Kind::Csat | Kind::Ces | Kind::Attributes => None,
        };
        let entry = self.entry(row);
        match entry.class.slab() {
            Some(class) => Facts::new(self.words(class, entry))
                .take_while(|fact| fact.word < word)
                .fold(None, |active, fact| opens(fact).or(active)),
            None => self.giants[entry.slot as usize]
                .range(..Fact::least(word))
                .rev()
                .find_map(|fact| opens(*fact)),
        }
    }

    /// Adds a fact to the set of a customer's facts.
    pub fn insert(&mut self, row: Row, fact: Fact) -> Insertion {
        let entry = *self.entry(row);
        let Some(class) = entry.class.slab() else {
            let new = self.giants[entry.slot as usize].insert(fact);
            return if new {
                Insertion::New
            } else {
                Insertion::Present
            };
        };
        let words = self.words(class, &entry);
        let Some(at) = place(words, fact) else {
            return Insertion::Present;
        };
        let length = entry.words + width(fact);
        if length > CLASSES[CLASSES.len() - 1] {
            self.make_giant(row, fact);
        } else if length > CLASSES[usize::from(class)] {
            self.move_up(row, length);
            self.insert_at(row, at, fact);
        } else {
            self.insert_at(row, at, fact);
        }
        Insertion::New
    }

    #[must_use]
    pub fn base(&self, row: Row) -> Option<&Base> {
        if self.entry(row).based {
            self.bases.get(&row.0)
        } else {
            None
        }
    }

    /// The base of a customer, an empty one if there was none.
    pub fn base_mut(&mut self, row: Row) -> &mut Base {
        self.entry_mut(row).based = true;
        self.bases.entry(row.0).or_default()
    }

    /// Takes the facts before `line` out of a customer's set, in order.
    pub fn prune(&mut self, row: Row, line: Word) -> Vec<Fact> {
        let entry = *self.entry(row);
        match entry.class.slab() {
            Some(class) => {
                let old: Vec<Fact> = Facts::new(self.words(class, &entry))
                    .take_while(|fact| fact.word < line)
                    .collect();
                let gone: u16 = old.iter().map(|fact| width(*fact)).sum();
                if gone > 0 {
                    let slot = self.slabs[usize::from(class)].slot_mut(class, entry.slot);
                    slot.copy_within(usize::from(gone)..usize::from(entry.words), 0);
                    self.entry_mut(row).words -= gone;
                    self.move_down(row);
                }
                old
            }
            None => {
                let facts = &mut self.giants[entry.slot as usize];
                let kept = facts.split_off(&Fact::least(line));
                std::mem::replace(facts, kept).into_iter().collect()
            }
        }
    }

    /// Bytes held, the index and its air included; of giants an estimate.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // One control byte beside each bucket; a table is filled to seven eighths.
        let index = self.index.capacity() * 8 / 7 * (size_of::<u32>() + 1);
        let rows = self.rows.len() * ROWS_IN_CHUNK * size_of::<Entry>();
        let slabs: usize = self.slabs.iter().map(Slab::bytes).sum();
        let giants: usize = self.giants.iter().map(|facts| facts.len() * 24).sum();
        let bases = self.bases.capacity() * (size_of::<(u32, Base)>() + 1);
        index + rows + slabs + giants + bases
    }

    fn hash(&self, digest: u128) -> u64 {
        mix(digest, self.seed)
    }

    fn entry(&self, row: Row) -> &Entry {
        entry_in(&self.rows, row.0)
    }

    fn entry_mut(&mut self, row: Row) -> &mut Entry {
        &mut self.rows[row.0 as usize / ROWS_IN_CHUNK][row.0 as usize % ROWS_IN_CHUNK]
    }

    fn words(&self, class: u8, entry: &Entry) -> &[u64] {
        &self.slabs[usize::from(class)].slot(class, entry.slot)[..usize::from(entry.words)]
    }

    fn insert_at(&mut self, row: Row, at: usize, fact: Fact) {
        let entry = *self.entry(row);
        let Some(class) = entry.class.slab() else {
            return;
        };
        let slot = self.slabs[usize::from(class)].slot_mut(class, entry.slot);
        let wide = usize::from(width(fact));
        slot.copy_within(at..usize::from(entry.words), at + wide);
        for (place, word) in slot[at..at + wide].iter_mut().zip(stored(fact)) {
            *place = word;
        }
        self.entry_mut(row).words += width(fact);
    }

    /// Moves a customer to the smallest class that holds `length` words.
    fn move_up(&mut self, row: Row, length: u16) {
        let class = CLASSES.partition_point(|words| *words < length);
        self.move_to(row, class);
    }

    /// Moves a customer down once its slot is more than three quarters empty.
    fn move_down(&mut self, row: Row) {
        let entry = *self.entry(row);
        if let Some(class) = entry.class.slab()
            && class > 0
            && entry.words * 4 < CLASSES[usize::from(class)]
        {
            self.move_to(row, CLASSES.partition_point(|words| *words < entry.words));
        }
    }

    fn move_to(&mut self, row: Row, class: usize) {
        let entry = *self.entry(row);
        let (Some(old), Ok(new)) = (entry.class.slab(), u8::try_from(class)) else {
            return;
        };
        let Ok([from, to]) = self.slabs.get_disjoint_mut([usize::from(old), class]) else {
            return;
        };
        let (slot, count) = (to.take(new), usize::from(entry.words));
        to.slot_mut(new, slot)[..count].copy_from_slice(&from.slot(old, entry.slot)[..count]);
        from.free.push(entry.slot);
        let entry = self.entry_mut(row);
        entry.class = Class(new);
        entry.slot = slot;
    }

    #[cold]
    fn make_giant(&mut self, row: Row, fact: Fact) {
        let entry = *self.entry(row);
        let Some(class) = entry.class.slab() else {
            return;
        };
        let mut facts: BTreeSet<Fact> = Facts::new(self.words(class, &entry)).collect();
        facts.insert(fact);
        self.slabs[usize::from(class)].free.push(entry.slot);
        let number = u32::try_from(self.giants.len()).unwrap_or(u32::MAX);
        self.giants.push(facts);
        let entry = self.entry_mut(row);
        entry.class = Class::GIANT;
        entry.slot = number;
        entry.words = 0;
    }
}

impl Slab {
    const fn slot_words(class: u8) -> usize {
        CLASSES[class as usize] as usize
    }

    const fn slots_in_chunk(class: u8) -> usize {
        CHUNK_WORDS / Self::slot_words(class)
    }

    fn take(&mut self, class: u8) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if self.used as usize == self.chunks.len() * Self::slots_in_chunk(class) {
            self.chunks.push(vec![0; CHUNK_WORDS].into_boxed_slice());
        }
        self.used += 1;
        self.used - 1
    }

    fn range(class: u8, slot: u32) -> (usize, std::ops::Range<usize>) {
        let (slot, in_chunk) = (slot as usize, Self::slots_in_chunk(class));
        let start = slot % in_chunk * Self::slot_words(class);
        (slot / in_chunk, start..start + Self::slot_words(class))
    }

    fn slot(&self, class: u8, slot: u32) -> &[u64] {
        let (chunk, range) = Self::range(class, slot);
        &self.chunks[chunk][range]
    }

    fn slot_mut(&mut self, class: u8, slot: u32) -> &mut [u64] {
        let (chunk, range) = Self::range(class, slot);
        &mut self.chunks[chunk][range]
    }

    fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_WORDS * size_of::<u64>() + self.free.capacity() * 4
    }
}

fn entry_in(rows: &[Vec<Entry>], row: u32) -> &Entry {
    &rows[row as usize / ROWS_IN_CHUNK][row as usize % ROWS_IN_CHUNK]
}

/// Where a fact belongs among sorted words; nothing if it is there.
fn place(words: &[u64], fact: Fact) -> Option<usize> {
    let mut at = 0;
    for other in Facts::new(words) {
        match other.cmp(&fact) {
            std::cmp::Ordering::Less => at += usize::from(width(other)),
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => break,
        }
    }
    Some(at)
}

fn width(fact: Fact) -> u16 {
    1 + u16::from(fact.word.kind().has_detail())
}

/// The words of a fact as they are stored.
fn stored(fact: Fact) -> impl Iterator<Item = u64> {
    let words = [fact.word.0, fact.detail];
    words.into_iter().take(usize::from(width(fact)))
}

/// Spreads a digest over the index, by a seed that no input knows.
fn mix(digest: u128, seed: u64) -> u64 {
    let product = u128::from(digest as u64 ^ seed) * u128::from(seed | 1);
    (product >> 64) as u64 ^ product as u64
}

/// What a snapshot takes of a customer beside its facts and its base.
const WRITTEN_BYTES: usize = 16 + 1 + 4;
/// A base with some orders in it.
const WRITTEN_BASE: usize = 256;

/// The hashes whose sum is the digest of a state.
pub struct Hashing<F, B> {
    pub fact: F,
    pub base: B,
}

impl Customers {
    /// In the order in which they came, which is that of their numbers.
    pub fn write(&self, out: &mut Writer) {
        out.u32(self.count);
        let mut scratch = Vec::new();
        for (row, digest) in self.iter() {
            out.u128(digest.0);
            let base = self.base(row);
            out.u8(u8::from(base.is_some()));
            let words = self.facts(row, &mut scratch).words();
            out.count(words.len());
            out.words(words);
            if let Some(base) = base {
                base.write(out);
            }
        }
    }

    /// About how many bytes [`Customers::write`] makes.
    pub fn written_bytes(&self) -> usize {
        let entries = self.rows.iter().flatten();
        let words: usize = entries.map(|entry| usize::from(entry.words)).sum();
        let giants: usize = self.giants.iter().map(|facts| 2 * facts.len()).sum();
        let customers = self.len() * WRITTEN_BYTES + self.bases.len() * WRITTEN_BASE;
        customers + 8 * (words + giants)
    }

    /// What [`Customers::write`] has written, and the sum of the hashes of all of it.
    ///
    /// # Errors
    /// If the bytes are not what it makes.
    pub fn read(
        from: &mut Reader<'_>,
        hashing: &Hashing<
            impl Fn(CustomerDigest, Fact) -> u128,
            impl Fn(CustomerDigest, &Base) -> u128,
        >,
    ) -> Result<(Self, u128), Unusable> {
        let count = from.count(WRITTEN_BYTES)?;
        let mut customers = Self::default();
        customers.rows.reserve(count / ROWS_IN_CHUNK + 1);
        let mut words = Vec::new();
        let mut sum = 0_u128;
        for _ in 0..count {
            let digest = CustomerDigest(from.u128()?);
            let based = from.flag()?;
            let length = from.count(8)?;
            from.words(length, &mut words)?;
            let mut last = None;
            let mut wide = 0;
            for fact in Facts::new(&words) {
                if last >= Some(fact) {
                    return Err(Unusable::Damaged("facts are in no order"));
                }
                last = Some(fact);
                wide += usize::from(width(fact));
                sum = sum.wrapping_add((hashing.fact)(digest, fact));
            }
            if wide != words.len() {
                return Err(Unusable::Damaged("facts are in no order"));
            }
            let row = customers.push_with(digest, &words);
            if based {
                let base = Base::read(from, ())?;
                sum = sum.wrapping_add((hashing.base)(digest, &base));
                *customers.base_mut(row) = base;
            }
        }
        customers.make_index()?;
        Ok((customers, sum))
    }

    /// A new row with these facts, which the index does not know yet.
    fn push_with(&mut self, customer: CustomerDigest, words: &[u64]) -> Row {
        let class = CLASSES.partition_point(|most| usize::from(*most) < words.len());
        let (Some(slab), Ok(number), Ok(length)) = (
            self.slabs.get_mut(class),
            u8::try_from(class),
            u16::try_from(words.len()),
        ) else {
            let giant = u32::try_from(self.giants.len()).unwrap_or(u32::MAX);
            self.giants.push(Facts::new(words).collect());
            return self.push(customer, Class::GIANT, giant, 0);
        };
        let slot = slab.take(number);
        slab.slot_mut(number, slot)[..words.len()].copy_from_slice(words);
        self.push(customer, Class(number), slot, length)
    }

    /// Makes the index of all rows at once: each step waits for memory, and next to each other the
    /// steps wait together.
    fn make_index(&mut self) -> Result<(), Unusable> {
        let (rows, seed) = (&self.rows, self.seed);
        let hash = |row: &u32| mix(entry_in(rows, *row).digest(), seed);
        self.index.reserve(self.count as usize, hash);
        for (row, entry) in (0..).zip(rows.iter().flatten()) {
            let digest = entry.digest();
            let same = |row: &u32| entry_in(rows, *row).digest() == digest;
            match self.index.entry(mix(digest, seed), same, hash) {
                TableEntry::Vacant(vacant) => vacant.insert(row),
                TableEntry::Occupied(_) => {
                    return Err(Unusable::Damaged("a customer is there twice"));
                }
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Survey, Timestamp};

    fn fact(millis: i64, kind: Kind, id: u64) -> Fact {
        let at = Timestamp::FIRST.plus_millis(millis);
        match kind {
            Kind::Order => Fact::order(at, 1, id * 10, id),
            Kind::Nps => Fact::answer(at, Survey::Nps, 1, 1, id),
            kind => Fact::new(at, kind, 1, id),
        }
    }

    #[test]
    fn a_customer_of_any_size_is_a_sorted_set_of_facts() {
        let kinds = [
            Kind::Order,
            Kind::Churn,
            Kind::Nps,
            Kind::Signup,
            Kind::Order,
        ];
        let mut expected = BTreeSet::new();
        let mut customers = Customers::default();
        let row = customers.find_or_add(CustomerDigest(1));
        let other = customers.find_or_add(CustomerDigest(2));
        for step in 0..3000_u64 {
            let millis = (step * 7919 % 1000) as i64;
            let fact = fact(millis, kinds[step as usize % kinds.len()], step / 2);
            let before = customers.active_before(row, fact.word);
            let by_hand = expected
                .range(..Fact::least(fact.word))
                .rev()
                .find_map(|fact: &Fact| match fact.word.kind() {
                    Kind::Signup | Kind::Order => Some(true),
                    Kind::Churn => Some(false),
                    _ => None,
                });
            assert_eq!(before, by_hand);
            let new = expected.insert(fact);
            assert_eq!(customers.insert(row, fact) == Insertion::New, new);
            let mut scratch = Vec::new();
            assert!(
                customers
                    .facts(row, &mut scratch)
                    .eq(expected.iter().copied()),
                "step {step}"
            );
        }
        assert!(customers.facts(other, &mut Vec::new()).next().is_none());
        let line = Word::first_at(Timestamp::FIRST.plus_millis(500));
        let kept = expected.split_off(&Fact::least(line));
        assert!(customers.prune(row, line).into_iter().eq(expected));
        assert!(customers.facts(row, &mut Vec::new()).eq(kept));
    }

    #[test]
    fn pruning_a_small_customer_leaves_the_rest_in_order() {
        let mut customers = Customers::default();
        let row = customers.find_or_add(CustomerDigest(1));
        for millis in 0..40 {
            customers.insert(row, fact(millis, Kind::Order, 1));
        }
        let line = Word::first_at(Timestamp::FIRST.plus_millis(37));
        assert_eq!(customers.prune(row, line).len(), 37);
        let left: Vec<_> = customers.facts(row, &mut Vec::new()).collect();
        assert_eq!(
            left,
            [37, 38, 39].map(|millis| fact(millis, Kind::Order, 1))
        );
    }

    #[test]
    fn customers_are_found_again() {
        let mut customers = Customers::default();
        let digest = |n: u64| CustomerDigest(u128::from(n) << 64 | u128::from(n * 31));
        let rows: Vec<Row> = (0..10_000)
            .map(|n| customers.find_or_add(digest(n)))
            .collect();
        assert_eq!(customers.len(), 10_000);
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(customers.find(digest(n as u64)), Some(*row));
        }
        assert_eq!(customers.find(digest(10_000)), None);
        assert!(customers.iter().map(|(row, _)| row).eq(rows));
    }

    #[test]
    fn an_entry_has_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
    }
}

//! The table of customers and their facts.
//!
//! ```text
//!  index   digest -> row number, open addressing, seeded at random     about 6-11 bytes a customer
//!  rows    digest 16 | slot 4 | words 2 | class 1 | flags 1            24 bytes, in chunks
//!  slots   the sorted words of one customer each                       8 bytes a word, hardly any air
//!  giants  customers with more than 1,024 words: a tree each, so that insertion stays cheap
//!  bases   only for customers with facts older than the prune line
//! ```
//!
//! Memory is never doubled, so growing makes no peak: the index alone is made anew when it is full,
//! from the rows, after the old one is gone. Row order is arrival order: nothing that can be seen
//! depends on the index or its seed, nor on where a slot is.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;

use crate::ledger::base::Base;
use crate::ledger::fact::{Fact, Facts, Kind, Word};
use crate::ledger::hash::CustomerDigest;
use crate::ledger::slots::{Class, MAX_WORDS, Slots};
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};

/// 24 KiB, of which the allocator lays 21 side by side in 512 KiB.
const ROWS_IN_CHUNK: usize = 1024;
/// Customers for whom the first index has room.
const FIRST_ROWS: usize = 448;

/// Customers whose memory is fetched at the same time.
pub const FETCHED_TOGETHER: usize = 16;

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
    slots: Slots,
    giants: Vec<BTreeSet<Fact>>,
    bases: HashMap<u32, Base>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    digest_low: u64,
    digest_high: u64,
    /// Slot of the class, or number of the giant.
    slot: u32,
    /// Words in the slot; of a giant, nothing.
    words: u16,
    /// [`Class::NO_SLOT`] of a giant.
    class: Class,
    based: bool,
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
            slots: Slots::default(),
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
        let row = self.push(customer, Class::EMPTY, 0, 0);
        if self.index.len() == self.index.capacity() {
            self.widen_index();
        }
        // There is room, so that nothing has to be hashed again.
        self.index
            .insert_unique(self.hash(customer.0), row.0, |_| 0);
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
        if entry.class.has_slots() {
            return Facts::new(self.words(entry));
        }
        scratch.clear();
        for fact in &self.giants[entry.slot as usize] {
            scratch.extend(stored(*fact));
        }
        Facts::new(scratch)
    }

    /// The first and the last word of a customer's facts: loads that do not wait for others, by which
    /// facts of several customers can be fetched from memory at the same time. Slots begin anywhere,
    /// so most lie on two lines of the caches.
    #[must_use]
    pub fn outer_words(&self, row: Row) -> Option<(u64, u64)> {
        let words = self.words(self.entry(row));
        Some((*words.first()?, *words.last()?))
    }

    /// Has a look at what folding an event of each of these customers will need, and does nothing
    /// with it. What is far away in memory is so fetched for all of them together, while folding one
    /// after the other would wait for each anew.
    pub fn fetch(&self, customers: impl Iterator<Item = CustomerDigest> + Clone) {
        let mut rows = [None; FETCHED_TOGETHER];
        for (row, customer) in rows.iter_mut().zip(customers) {
            *row = self.find(customer);
        }
        for row in rows.into_iter().flatten() {
            let words = self.words(self.entry(row));
            black_box((words.first(), words.last()));
        }
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
        if !entry.class.has_slots() {
            return self.giants[entry.slot as usize]
                .range(..Fact::least(word))
                .rev()
                .find_map(|fact| opens(*fact));
        }
        Facts::new(self.words(entry))
            .take_while(|fact| fact.word < word)
            .fold(None, |active, fact| opens(fact).or(active))
    }

    /// Adds a fact to the set of a customer's facts.
    pub fn insert(&mut self, row: Row, fact: Fact) -> Insertion {
        let entry = *self.entry(row);
        if !entry.class.has_slots() {
            let new = self.giants[entry.slot as usize].insert(fact);
            return if new {
                Insertion::New
            } else {
                Insertion::Present
            };
        }
        let Some(at) = place(self.words(&entry), fact) else {
            return Insertion::Present;
        };
        let length = entry.words + width(fact);
        if length > MAX_WORDS {
            self.make_giant(row, fact);
        } else if length > entry.class.size() {
            self.insert_elsewhere(row, at, fact);
        } else {
            self.insert_here(row, at, fact);
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
        if !entry.class.has_slots() {
            let facts = &mut self.giants[entry.slot as usize];
            let kept = facts.split_off(&Fact::least(line));
            return std::mem::replace(facts, kept).into_iter().collect();
        }
        let old: Vec<Fact> = Facts::new(self.words(&entry))
            .take_while(|fact| fact.word < line)
            .collect();
        let gone: u16 = old.iter().map(|fact| width(*fact)).sum();
        if gone > 0 {
            let words = self.slots.words_mut(entry.slot, entry.words);
            words.copy_within(usize::from(gone).., 0);
            self.entry_mut(row).words -= gone;
            self.shrink(row);
        }
        old
    }

    /// Bytes held, the index and its air included; of giants an estimate.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let index = self.index.allocation_size();
        // Of the last chunk, what is not filled was never touched, so it is not there.
        let rows = self.len() * size_of::<Entry>();
        let giants: usize = self.giants.iter().map(|facts| facts.len() * 24).sum();
        let bases = self.bases.capacity() * (size_of::<(u32, Base)>() + 1);
        index + rows + self.slots.bytes() + giants + bases
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

    /// The words of a customer; none of a giant.
    fn words(&self, entry: &Entry) -> &[u64] {
        self.slots.words(entry.slot, entry.words)
    }

    /// Puts a fact between the others of a customer whose slot has room for it.
    fn insert_here(&mut self, row: Row, at: usize, fact: Fact) {
        let entry = *self.entry(row);
        let wide = usize::from(width(fact));
        let words = self.slots.words_mut(entry.slot, entry.words + width(fact));
        words.copy_within(at..usize::from(entry.words), at + wide);
        for (place, word) in words[at..at + wide].iter_mut().zip(stored(fact)) {
            *place = word;
        }
        self.entry_mut(row).words += width(fact);
    }

    /// The same in another slot, of which nothing else is known than that it is large enough.
    fn insert_elsewhere(&mut self, row: Row, at: usize, fact: Fact) {
        let entry = *self.entry(row);
        let words = entry.words + width(fact);
        let class = Class::of(usize::from(words));
        let slot = self.slots.take(class);
        let new = [fact.word.0, fact.detail];
        let new = &new[..usize::from(width(fact))];
        self.slots
            .copy_around((entry.slot, entry.words), slot, at, new);
        *self.entry_mut(row) = Entry {
            slot,
            words,
            class,
            ..entry
        };
        self.leave(entry.class, entry.slot);
    }

    /// Moves a customer who lost words into a slot of their size.
    fn shrink(&mut self, row: Row) {
        let entry = *self.entry(row);
        let class = Class::of(usize::from(entry.words));
        if class == entry.class {
            return;
        }
        let slot = self.slots.take(class);
        if entry.words > 0 {
            let from = (entry.slot, entry.words);
            self.slots.copy_around(from, slot, 0, &[]);
        }
        *self.entry_mut(row) = Entry {
            slot,
            class,
            ..entry
        };
        self.leave(entry.class, entry.slot);
    }

    /// Gives a slot back, and all free ones that are worth it.
    fn leave(&mut self, class: Class, slot: u32) {
        self.slots.free(class, slot);
        if self.slots.sparse() {
            self.crowd();
        }
    }

    /// Puts the slots closer together, in a pass over all customers.
    #[cold]
    fn crowd(&mut self) {
        let mut crowding = self.slots.crowd();
        for entry in self.rows.iter_mut().flatten() {
            if entry.class.has_slots() {
                entry.slot = self.slots.move_in(&mut crowding, entry.class, entry.slot);
            }
        }
        self.slots.crowded(crowding);
    }

    #[cold]
    fn make_giant(&mut self, row: Row, fact: Fact) {
        let entry = *self.entry(row);
        let mut facts: BTreeSet<Fact> = Facts::new(self.words(&entry)).collect();
        facts.insert(fact);
        let number = u32::try_from(self.giants.len()).unwrap_or(u32::MAX);
        self.giants.push(facts);
        *self.entry_mut(row) = Entry {
            slot: number,
            words: 0,
            class: Class::NO_SLOT,
            ..entry
        };
        self.leave(entry.class, entry.slot);
    }

    /// Makes room for twice as many customers in the index. The old index goes first: the rows tell
    /// all that it does, and in their order they are read fast.
    #[cold]
    fn widen_index(&mut self) {
        let capacity = (2 * self.index.capacity()).max(FIRST_ROWS);
        self.index = HashTable::new();
        self.index.reserve(capacity, |_| 0);
        for (row, entry) in (0..)
            .zip(self.rows.iter().flatten())
            .take(self.count as usize - 1)
        {
            let hash = mix(entry.digest(), self.seed);
            self.index.insert_unique(hash, row, |_| 0);
        }
    }
}

fn entry_in(rows: &[Vec<Entry>], row: u32) -> &Entry {
    &rows[row as usize / ROWS_IN_CHUNK][row as usize % ROWS_IN_CHUNK]
}

/// Where a fact belongs among sorted words; nothing if it is there.
fn place(words: &[u64], fact: Fact) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let other = Word(*word);
        if other > fact.word {
            break;
        }
        let detailed = other.kind().has_detail();
        if other == fact.word {
            let detail = if detailed {
                words.get(at + 1).copied()
            } else {
                None
            };
            match detail.unwrap_or_default().cmp(&fact.detail) {
                Ordering::Less => {}
                Ordering::Equal => return None,
                Ordering::Greater => break,
            }
        }
        at += 1 + usize::from(detailed);
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
        let class = Class::of(words.len());
        let length = u16::try_from(words.len()).unwrap_or(u16::MAX);
        if !class.has_slots() {
            let giant = u32::try_from(self.giants.len()).unwrap_or(u32::MAX);
            self.giants.push(Facts::new(words).collect());
            return self.push(customer, class, giant, 0);
        }
        let slot = self.slots.take(class);
        self.slots.words_mut(slot, length).copy_from_slice(words);
        self.push(customer, class, slot, length)
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

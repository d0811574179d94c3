//! A shard: the fold of one partition's log, up to its position.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Body, Event, Timestamp};
use crate::ledger::attributes::Attributes;
use crate::ledger::base::{Base, Codes, Span};
use crate::ledger::clock::LogClock;
use crate::ledger::customers::{Customers, Hashing, Insertion, Row};
use crate::ledger::fact::{Fact, Kind, Word};
use crate::ledger::hash::{CustomerDigest, EventHashes, Hashes};
use crate::ledger::remembered::{Memory, RememberedIds};
use crate::ledger::settings::FoldSettings;
use crate::ledger::snapshot::{Part, Reader, Unusable, Writer};
use crate::ledger::texts::{Texts, UNSPECIFIED};

/// Texts of each kind that have a code of their own in one shard.
const MAX_REASONS: u8 = 255;
const MAX_CURRENCIES: u8 = 255;
const MAX_CHANNELS: u8 = 255;

/// The prune line moves in steps of a week, so that customers are looked through rarely.
const PRUNE_STEP: i64 = 7 * 86_400_000;

/// A shard of fewer customers is in the processor's caches anyway.
const FETCHED_FROM: usize = 5_000;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Kept, and it may change numbers.
    Applied,
    /// Kept: a sign-up of somebody active, or a churn of somebody who is not, as known on arrival
    /// and without a timeout. A late event may make it matter.
    Redundant,
    /// Known already.
    Duplicate,
    /// Dropped: the id is known with other content.
    Conflicting,
}

impl Outcome {
    /// Whether the event is among the facts because of this record.
    #[must_use]
    pub const fn kept(self) -> bool {
        matches!(self, Self::Applied | Self::Redundant)
    }
}

/// An outcome, and whether the event came late: more than `late_after` behind the newest of its
/// shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    pub outcome: Outcome,
    pub late: bool,
}

/// A position in one topic's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The first offset that is in the state; what was before it is not known.
    pub base_offset: i64,
    /// The first offset that is not in the state.
    pub next_offset: i64,
    /// The Kafka timestamp of the first record that is in the state.
    pub first_record_at: Option<Timestamp>,
    /// The Kafka timestamp of the last record applied.
    pub last_record_at: Option<Timestamp>,
    /// The last record applied, by which it can be told later whether the log is still the same one.
    pub last: Option<LastRecord>,
    /// Records before the base, and behind others that are in the state, were lost.
    torn: bool,
    clock: LogClock,
}

/// What witnesses a position: the record before it, and which leader it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRecord {
    pub offset: i64,
    /// Of its timestamp and its value, see [`Hashes::record`].
    pub hash: u128,
    /// The epoch of the leader that it was fetched from, if the broker tells it.
    pub leader_epoch: Option<i32>,
}

impl Position {
    /// How far the log has come in time, as far as its timestamps can be trusted: one record with a
    /// wrong timestamp proves nothing.
    #[must_use]
    pub const fn reached_at(&self) -> Option<Timestamp> {
        self.clock.confirmed()
    }
}

/// Where the known part of a log begins. The latest of several is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum LogStart {
    /// At its very beginning: nothing was deleted before it was read.
    #[default]
    Whole,
    /// What was recorded before this instant is not known.
    At(Timestamp),
    /// The head is gone, and no record tells when what is left begins.
    Unknown,
}

/// One partition's customers and their facts: a function of the log from its base to its position.
#[derive(Debug)]
pub struct Shard {
    settings: Arc<FoldSettings>,
    hashes: Hashes,
    customers: Customers,
    reasons: Texts,
    currencies: Texts,
    channels: Texts,
    attributes: Attributes,
    ids: RememberedIds,
    clock: LogClock,
    newest_event_at: Option<Timestamp>,
    first_churn_at: Option<Timestamp>,
    prune_line: Option<Timestamp>,
    /// No kept fact is older; nothing while there is none.
    oldest_fact_at: Option<Timestamp>,
    digest: u128,
    /// By topic, in the order of the configuration.
    positions: Vec<Option<Position>>,
}

impl Shard {
    /// An empty shard that reads this many topics.
    #[must_use]
    pub fn new(settings: Arc<FoldSettings>, topics: usize) -> Self {
        let hashes = Hashes::new(settings.digest_key);
        Self {
            hashes,
            customers: Customers::default(),
            reasons: Texts::new(MAX_REASONS, UNSPECIFIED, &hashes),
            currencies: Texts::new(MAX_CURRENCIES, "", &hashes),
            channels: Texts::new(MAX_CHANNELS, UNSPECIFIED, &hashes),
            attributes: Attributes::default(),
            ids: RememberedIds::new(settings.duplicate_window_millis),
            clock: LogClock::default(),
            newest_event_at: None,
            first_churn_at: None,
            prune_line: None,
            oldest_fact_at: None,
            digest: 0,
            positions: vec![None; topics],
            settings,
        }
    }

    /// Where reading a topic begins; the offset of the first record that can be known.
    pub fn start_at(&mut self, topic: usize, offset: i64) {
        self.positions[topic] = Some(Position {
            base_offset: offset,
            next_offset: offset,
            first_record_at: None,
            last_record_at: None,
            last: None,
            torn: false,
            clock: LogClock::default(),
        });
    }

    #[must_use]
    pub fn position(&self, topic: usize) -> Option<Position> {
        self.positions.get(topic).copied().flatten()
    }

    /// Moves past a record, whatever it held, and lets the shard's clock see its timestamp.
    ///
    /// False for a record that is in the state already: it must not be folded again. Gaps upwards
    /// are legal, compaction and transactions make them. To be called before the record is folded.
    pub fn advance(&mut self, topic: usize, offset: i64, recorded_at: Option<Timestamp>) -> bool {
        let Some(position) = self.positions.get_mut(topic).and_then(Option::as_mut) else {
            return false;
        };
        if offset < position.next_offset {
            return false;
        }
        position.next_offset = offset + 1;
        if let Some(at) = recorded_at {
            position.first_record_at = position.first_record_at.or(Some(at));
            position.last_record_at = Some(at);
            position.clock.observe(at);
            self.clock.observe(at);
            self.move_prune_line();
        }
        true
    }

    /// Moves the position of a topic over offsets that hold no records, up to `next_offset`.
    pub fn skip_to(&mut self, topic: usize, next_offset: i64) {
        if let Some(Some(position)) = self.positions.get_mut(topic) {
            position.next_offset = position.next_offset.max(next_offset);
        }
    }

    /// Takes note of the last record that was applied. To be called before a position is used as one
    /// to go on from; once for each batch is enough.
    pub fn saw(&mut self, topic: usize, last: LastRecord) {
        if let Some(Some(position)) = self.positions.get_mut(topic) {
            position.last = Some(last);
        }
    }

    /// Goes back to just behind the last record that was applied, but not before `low`: what was
    /// stepped over since were no records, and if the log was cut off there, others may be by now.
    pub fn step_back(&mut self, topic: usize, low: i64) {
        if let Some(Some(position)) = self.positions.get_mut(topic) {
            let behind = position
                .last
                .map_or(position.base_offset, |last| last.offset + 1);
            position.next_offset = position.next_offset.min(behind.max(low));
        }
    }

    /// What a witness would hold of a record with this timestamp and value.
    #[must_use]
    pub fn record_hash(&self, recorded_at: Option<Timestamp>, value: Option<&[u8]>) -> u128 {
        self.hashes.record(recorded_at, value)
    }

    /// Goes on at another offset although records are lost for good: what is between the position
    /// and `next_offset`, or, if that is smaller, what a new log of the same name does not tell.
    ///
    /// The facts stay. The known part of the log begins anew there, so that whatever needs a whole
    /// log is told that it has none.
    pub fn accept_gap(&mut self, topic: usize, next_offset: i64) {
        if let Some(Some(position)) = self.positions.get_mut(topic) {
            if next_offset < position.next_offset {
                // How far the other log had come in time says nothing about this one.
                position.clock = LogClock::default();
            }
            position.base_offset = next_offset;
            position.next_offset = next_offset;
            position.first_record_at = None;
            position.last_record_at = None;
            position.last = None;
            position.torn = true;
        }
    }

    /// Where the part of the log begins that is in the state: the latest of all topics.
    #[must_use]
    pub fn log_start(&self) -> LogStart {
        let start = |position: &Position| {
            if position.base_offset == 0 && !position.torn {
                return LogStart::Whole;
            }
            position
                .first_record_at
                .map_or(LogStart::Unknown, LogStart::At)
        };
        self.positions
            .iter()
            .flatten()
            .map(start)
            .max()
            .unwrap_or_default()
    }

    /// What folding this event will need of it. It can be made before its turn comes: it depends on
    /// nothing but the event and the digest key.
    #[must_use]
    pub fn hash(&self, event: &Event<'_>) -> EventHashes {
        self.hashes.event(event)
    }

    /// Fetches from memory what folding these events will need, for all of them at the same time;
    /// nothing changes. Of more than [`FETCHED_TOGETHER`](crate::ledger::customers::FETCHED_TOGETHER) the rest is left where it is.
    pub fn fetch(&self, events: impl Iterator<Item = EventHashes> + Clone) {
        if self.customers.len() < FETCHED_FROM {
            return;
        }
        for hashes in events.clone() {
            self.ids.fetch(hashes.id);
        }
        self.customers.fetch(events.map(|hashes| hashes.customer));
    }

    /// Inserts an event into the set of facts.
    pub fn fold(&mut self, event: &Event<'_>) -> Folded {
        self.fold_hashed(event, self.hash(event))
    }

    /// The same of an event whose hashes [`Shard::hash`] has made.
    pub fn fold_hashed(&mut self, event: &Event<'_>, hashes: EventHashes) -> Folded {
        let late = self.newest_event_at.is_some_and(|newest| {
            event.occurred_at < newest.minus_millis(self.settings.late_after_millis)
        });
        let now = self
            .clock
            .newest()
            .or(self.newest_event_at)
            .unwrap_or(event.occurred_at);
        let memory = self.ids.recall(hashes.id, hashes.content, now);
        match memory {
            Memory::New | Memory::Forgotten => {}
            Memory::Same => {
                return Folded {
                    outcome: Outcome::Duplicate,
                    late: false,
                };
            }
            Memory::Other => {
                return Folded {
                    outcome: Outcome::Conflicting,
                    late: false,
                };
            }
        }
        let fact = self.fact(event, hashes.id);
        let told = self.attributes.code(&event.attributes, &self.hashes);
        let row = self.customers.find_or_add(hashes.customer);
        let mut outcome = self.keep(row, hashes.customer, fact);
        if let Some(told) = told {
            let told = Fact::attributes(event.occurred_at, told);
            if self.insert(row, hashes.customer, told) == Insertion::New && !outcome.kept() {
                outcome = Outcome::Applied;
            }
        }
        if outcome.kept() {
            self.newest_event_at = self.newest_event_at.max(Some(event.occurred_at));
            let now = self
                .clock
                .newest()
                .or(self.newest_event_at)
                .unwrap_or(event.occurred_at);
            self.ids.remember(hashes.id, hashes.content, now, memory);
        }
        Folded {
            outcome,
            late: late && outcome.kept(),
        }
    }

    fn fact(&mut self, event: &Event<'_>, id: u64) -> Fact {
        let at = event.occurred_at;
        match &event.body {
            Body::Signup => Fact::new(at, Kind::Signup, 0, id),
            Body::Purchase { amount, currency } => {
                let code = self.currencies.code(currency, &self.hashes);
                Fact::order(at, code, amount.millionths(), id)
            }
            Body::Churn { reason } => {
                let reason = reason.as_deref().unwrap_or(UNSPECIFIED);
                Fact::new(at, Kind::Churn, self.reasons.code(reason, &self.hashes), id)
            }
            Body::Survey {
                survey,
                score,
                channel,
            } => {
                let channel = channel.as_deref().unwrap_or(UNSPECIFIED);
                let channel = self.channels.code(channel, &self.hashes);
                Fact::answer(at, *survey, *score, channel, id)
            }
        }
    }

    fn keep(&mut self, row: Row, customer: CustomerDigest, fact: Fact) -> Outcome {
        let at = fact.word.at();
        let kind = fact.word.kind();
        let redundant = match kind {
            Kind::Signup => self.active_before(row, fact.word),
            Kind::Churn => !self.active_before(row, fact.word),
            Kind::Order | Kind::Nps | Kind::Csat | Kind::Ces | Kind::Attributes => false,
        };
        if self.insert(row, customer, fact) == Insertion::Present {
            return Outcome::Duplicate;
        }
        if kind == Kind::Churn && self.first_churn_at.is_none_or(|first| at < first) {
            self.first_churn_at = Some(at);
        }
        if redundant {
            Outcome::Redundant
        } else {
            Outcome::Applied
        }
    }

    /// Adds a fact to the customer's set, or to its base if it is older than what is kept as facts.
    fn insert(&mut self, row: Row, customer: CustomerDigest, fact: Fact) -> Insertion {
        let at = fact.word.at();
        if self.prune_line.is_some_and(|line| at < line) {
            return self.fold_into_base(row, customer, &[fact]);
        }
        if self.customers.insert(row, fact) == Insertion::Present {
            return Insertion::Present;
        }
        self.digest = self.digest.wrapping_add(self.fact_hash(customer, fact));
        self.oldest_fact_at = Some(self.oldest_fact_at.map_or(at, |oldest| oldest.min(at)));
        Insertion::New
    }

    fn active_before(&self, row: Row, word: Word) -> bool {
        self.customers.active_before(row, word).unwrap_or_else(|| {
            self.customers.base(row).is_some_and(|base| {
                let last = |span: Option<Span>| span.map(|span| span.last);
                let opened = last(base.signups).max(last(base.orders));
                opened.is_some() && opened >= base.last_churn_at
            })
        })
    }

    fn move_prune_line(&mut self) {
        let Some(now) = self.clock.confirmed() else {
            return;
        };
        let line = now.minus_millis(self.settings.history_millis).as_millis();
        let line = Timestamp::from_millis(line.div_euclid(PRUNE_STEP) * PRUNE_STEP);
        if line > Timestamp::FIRST {
            self.prune_before(line);
        }
    }

    /// Moves the prune line to where that of another shard is: for shards whose records have no
    /// timestamps to go by. It never moves back.
    pub fn prune_before(&mut self, line: Timestamp) {
        if self.prune_line.is_none_or(|before| before < line) {
            self.prune_line = Some(line);
            self.prune(line);
        }
    }

    /// Folds every fact before the line into its customer's base.
    ///
    /// Costs a pass over all customers, so it is not made while nothing can be that old.
    fn prune(&mut self, line: Timestamp) {
        if self.oldest_fact_at.is_none_or(|oldest| line <= oldest) {
            return;
        }
        self.oldest_fact_at = Some(line);
        let line = Word::first_at(line);
        for row in self.customers.rows() {
            let customer = self.customers.digest(row);
            let old = self.customers.prune(row, line);
            if old.is_empty() {
                continue;
            }
            for fact in &old {
                self.digest = self.digest.wrapping_sub(self.fact_hash(customer, *fact));
            }
            self.fold_into_base(row, customer, &old);
        }
    }

    /// Folds facts into a customer's base; `Present` if none of them said anything new.
    fn fold_into_base(&mut self, row: Row, customer: CustomerDigest, facts: &[Fact]) -> Insertion {
        let fingerprints: Vec<u32> = facts
            .iter()
            .map(|fact| self.fact_hash(customer, *fact) as u32)
            .collect();
        let before = self.base_hash_of(row, customer);
        let codes = Codes {
            currencies: &self.currencies,
            attributes: &self.attributes,
        };
        let base = self.customers.base_mut(row);
        let mut insertion = Insertion::Present;
        for (fact, fingerprint) in facts.iter().zip(fingerprints) {
            if base.fold(*fact, fingerprint, codes) {
                insertion = Insertion::New;
            }
        }
        let after = self.base_hash_of(row, customer);
        self.digest = self.digest.wrapping_sub(before).wrapping_add(after);
        insertion
    }

    fn base_hash_of(&self, row: Row, customer: CustomerDigest) -> u128 {
        let base = self.customers.base(row);
        base.map_or(0, |base| self.base_hash(customer, base))
    }

    fn fact_hash(&self, customer: CustomerDigest, fact: Fact) -> u128 {
        let text = match fact.word.kind() {
            Kind::Churn => self.reasons.hash(fact.word.payload()),
            Kind::Order => self.currencies.hash(fact.word.payload()),
            Kind::Nps | Kind::Csat | Kind::Ces => self.channels.hash(fact.word.channel()),
            Kind::Attributes => self.attributes.hash(fact.word.attributes()),
            Kind::Signup => 0,
        };
        self.hashes.fact([
            customer.0 as u64,
            (customer.0 >> 64) as u64,
            fact.word.without_codes(),
            text,
            fact.detail,
        ])
    }

    fn base_hash(&self, customer: CustomerDigest, base: &Base) -> u128 {
        let codes = Codes {
            currencies: &self.currencies,
            attributes: &self.attributes,
        };
        self.hashes
            .words(&base.words(customer.0, codes, &self.hashes))
    }

    /// The running digest: the sum modulo 2^128 of keyed hashes of all facts and bases.
    ///
    /// Equal digests of two shards with one digest key mean equal facts, whatever the order in
    /// which they arrived.
    #[must_use]
    pub const fn digest(&self) -> u128 {
        self.digest
    }

    /// The digest computed anew from what the shard holds: a check of the running one.
    #[must_use]
    pub fn digest_recomputed(&self) -> u128 {
        let mut scratch = Vec::new();
        let mut digest = 0_u128;
        for (row, customer) in self.customers.iter() {
            for fact in self.customers.facts(row, &mut scratch) {
                digest = digest.wrapping_add(self.fact_hash(customer, fact));
            }
            if let Some(base) = self.customers.base(row) {
                digest = digest.wrapping_add(self.base_hash(customer, base));
            }
        }
        digest
    }

    #[must_use]
    pub const fn customers(&self) -> &Customers {
        &self.customers
    }

    /// The texts of churn reasons, by code.
    #[must_use]
    pub const fn reasons(&self) -> &Texts {
        &self.reasons
    }

    /// The texts of currencies, by code.
    #[must_use]
    pub const fn currencies(&self) -> &Texts {
        &self.currencies
    }

    /// The texts of channels, by code.
    #[must_use]
    pub const fn channels(&self) -> &Texts {
        &self.channels
    }

    /// What events told of the configured dimensions, by code.
    #[must_use]
    pub const fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The digest that stands for the customer with this id.
    #[must_use]
    pub fn customer(&self, id: &str) -> CustomerDigest {
        self.hashes.customer(id)
    }

    /// Facts before this instant are folded into bases.
    #[must_use]
    pub const fn prune_line(&self) -> Option<Timestamp> {
        self.prune_line
    }

    /// The latest instant at which anything happened, as far as known.
    #[must_use]
    pub const fn newest_event_at(&self) -> Option<Timestamp> {
        self.newest_event_at
    }

    /// The earliest churn event, pruned ones included.
    #[must_use]
    pub const fn first_churn_at(&self) -> Option<Timestamp> {
        self.first_churn_at
    }

    #[must_use]
    pub fn settings(&self) -> &FoldSettings {
        &self.settings
    }

    /// About how many bytes a snapshot takes, rather too many.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.customers.written_bytes() + self.ids.bytes() + self.attributes.bytes()
    }

    /// Bytes held, air included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.customers.bytes() + self.ids.bytes() + self.attributes.bytes()
    }
}

impl Part for Position {
    type Needs<'a> = ();

    fn write(&self, out: &mut Writer) {
        out.u64(self.base_offset.cast_unsigned());
        out.u64(self.next_offset.cast_unsigned());
        out.instant(self.first_record_at);
        out.instant(self.last_record_at);
        out.u8(u8::from(self.torn));
        out.u8(u8::from(self.last.is_some()));
        if let Some(last) = &self.last {
            last.write(out);
        }
        self.clock.write(out);
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Result<Self, Unusable> {
        let (base_offset, next_offset) = (from.offset()?, from.offset()?);
        if next_offset < base_offset {
            return Err(Unusable::Damaged("a position lies before its base"));
        }
        Ok(Self {
            base_offset,
            next_offset,
            first_record_at: from.instant()?,
            last_record_at: from.instant()?,
            torn: from.flag()?,
            last: from
                .flag()?
                .then(|| LastRecord::read(from, ()))
                .transpose()?,
            clock: LogClock::read(from, ())?,
        })
    }
}

impl Part for LastRecord {
    type Needs<'a> = ();

    fn write(&self, out: &mut Writer) {
        out.u64(self.offset.cast_unsigned());
        out.u128(self.hash);
        out.u8(u8::from(self.leader_epoch.is_some()));
        out.u32(self.leader_epoch.unwrap_or(0).cast_unsigned());
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Result<Self, Unusable> {
        let (offset, hash) = (from.offset()?, from.u128()?);
        let (known, epoch) = (from.flag()?, from.u32()?.cast_signed());
        Ok(Self {
            offset,
            hash,
            leader_epoch: known.then_some(epoch),
        })
    }
}

impl Part for Shard {
    type Needs<'a> = Arc<FoldSettings>;

    fn write(&self, out: &mut Writer) {
        out.count(self.positions.len());
        for position in &self.positions {
            out.u8(u8::from(position.is_some()));
            if let Some(position) = position {
                position.write(out);
            }
        }
        self.clock.write(out);
        out.instant(self.newest_event_at);
        out.instant(self.first_churn_at);
        out.instant(self.prune_line);
        out.instant(self.oldest_fact_at);
        for texts in [&self.reasons, &self.currencies, &self.channels] {
            texts.write(out);
        }
        self.attributes.write(out);
        self.ids.write(out);
        self.customers.write(out);
    }

    fn read(from: &mut Reader<'_>, settings: Arc<FoldSettings>) -> Result<Self, Unusable> {
        let topics = from.count(1)?;
        let mut shard = Self::new(settings, 0);
        for _ in 0..topics {
            let position = from.flag()?.then(|| Position::read(from, ())).transpose()?;
            shard.positions.push(position);
        }
        shard.clock = LogClock::read(from, ())?;
        shard.newest_event_at = from.instant()?;
        shard.first_churn_at = from.instant()?;
        shard.prune_line = from.instant()?;
        shard.oldest_fact_at = from.instant()?;
        let hashes = shard.hashes;
        shard.reasons = Texts::read(from, (MAX_REASONS, &hashes))?;
        shard.currencies = Texts::read(from, (MAX_CURRENCIES, &hashes))?;
        shard.channels = Texts::read(from, (MAX_CHANNELS, &hashes))?;
        shard.attributes = Attributes::read(from, &hashes)?;
        shard.ids = RememberedIds::read(from, shard.settings.duplicate_window_millis)?;
        let hashing = Hashing {
            fact: |customer, fact| shard.fact_hash(customer, fact),
            base: |customer, base: &Base| shard.base_hash(customer, base),
        };
        (shard.customers, shard.digest) = Customers::read(from, &hashing)?;
        Ok(shard)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::event::Attributes;

    const DAY: i64 = 86_400_000;

    /// An event of June 2026, at a day and an hour.
    fn event(id: &str, customer: &str, day: i64, body: Body<'static>) -> Event<'static> {
        let june = Timestamp::from_rfc3339("2026-06-01T00:00:00Z").unwrap();
        Event {
            id: Cow::Owned(id.to_owned()),
            customer: Cow::Owned(customer.to_owned()),
            occurred_at: june.plus_millis((day - 1) * DAY),
            body,
            attributes: Attributes::default(),
        }
    }

    fn shard() -> Shard {
        let mut shard = Shard::new(Arc::new(FoldSettings::default()), 1);
        shard.start_at(0, 0);
        shard
    }

    fn check(events: &[(Event<'static>, Outcome)]) {
        let mut shard = shard();
        for (number, (event, expected)) in events.iter().enumerate() {
            assert_eq!(shard.fold(event).outcome, *expected, "event {number}");
        }
        assert_eq!(shard.digest(), shard.digest_recomputed());
    }

    #[test]
    fn outcomes_tell_what_became_of_an_event() {
        use Outcome::{Applied, Conflicting, Duplicate, Redundant};
        let churn = |reason: &'static str| Body::Churn {
            reason: Some(Cow::Borrowed(reason)),
        };
        check(&[
            (event("1", "a", 2, Body::Signup), Applied),
            (event("1", "a", 2, Body::Signup), Duplicate),
            (event("1", "a", 3, Body::Signup), Conflicting),
            (event("1", "b", 3, Body::Signup), Applied),
            (event("2", "a", 3, Body::Signup), Redundant),
            (event("3", "a", 1, churn("price")), Redundant),
            (event("4", "a", 4, churn("price")), Applied),
            (event("5", "a", 5, churn("price")), Redundant),
            (event("6", "nobody", 5, churn("price")), Redundant),
            // At one instant the churn comes first.
            (event("7", "a", 4, Body::Signup), Applied),
        ]);
    }

    #[test]
    fn a_repeat_does_not_renew_what_is_remembered_of_an_id() {
        use Outcome::{Applied, Duplicate};
        check(&[
            (event("x", "c", 1, Body::Signup), Applied),
            (event("y", "other", 11, Body::Signup), Applied),
            (event("x", "c", 1, Body::Signup), Duplicate),
            (event("x", "c", 11, Body::Churn { reason: None }), Applied),
        ]);
    }

    #[test]
    fn late_is_what_lies_behind_the_newest_event_by_more_than_a_day() {
        let mut shard = shard();
        let mut late = |id: &str, day| shard.fold(&event(id, "c", day, Body::Signup)).late;
        assert!(!late("1", 5));
        assert!(!late("2", 4));
        assert!(late("3", 3));
        assert!(!late("3", 3), "a repeat is not applied, so it is not late");
    }

    #[test]
    fn an_offset_is_taken_once_and_gaps_are_legal() {
        let mut shard = shard();
        assert!(shard.advance(0, 0, None));
        assert!(!shard.advance(0, 0, None));
        assert!(shard.advance(0, 7, Some(Timestamp::FIRST)));
        shard.skip_to(0, 9);
        assert!(!shard.advance(0, 8, None));
        let position = shard.position(0).unwrap();
        assert_eq!((position.base_offset, position.next_offset), (0, 9));
        assert_eq!(position.last_record_at, Some(Timestamp::FIRST));
        assert_eq!(position.reached_at(), None, "one record proves nothing");
        assert!(!shard.advance(1, 0, None), "nobody reads such a topic");
    }

    #[test]
    fn a_gap_that_was_accepted_leaves_the_facts_and_takes_the_head_of_the_log() {
        let last = LastRecord {
            offset: 0,
            hash: 7,
            leader_epoch: Some(1),
        };
        for next_offset in [0, 100] {
            let mut shard = shard();
            assert!(shard.advance(0, 0, Some(Timestamp::FIRST)));
            shard.fold(&event("1", "a", 2, Body::Signup));
            shard.saw(0, last);
            assert_eq!(shard.position(0).unwrap().last, Some(last));
            assert_eq!(shard.log_start(), LogStart::Whole);
            let digest = shard.digest();
            shard.accept_gap(0, next_offset);
            let position = shard.position(0).unwrap();
            assert_eq!(
                (position.base_offset, position.next_offset),
                (next_offset, next_offset)
            );
            assert_eq!(position.last, None);
            assert_eq!(shard.log_start(), LogStart::Unknown);
            assert_eq!(shard.digest(), digest);
            let at = Timestamp::FIRST.plus_millis(9);
            assert!(shard.advance(0, next_offset, Some(at)));
            assert_eq!(shard.log_start(), LogStart::At(at));
        }
    }

    #[test]
    fn a_log_begins_where_its_topics_latest_head_is() {
        let mut shard = Shard::new(Arc::new(FoldSettings::default()), 2);
        shard.start_at(0, 0);
        assert_eq!(shard.log_start(), LogStart::Whole);
        shard.start_at(1, 5);
        assert_eq!(shard.log_start(), LogStart::Unknown);
        let at = Timestamp::FIRST.plus_millis(5);
        assert!(shard.advance(1, 5, Some(at)));
        assert!(shard.advance(1, 6, Some(at.plus_millis(1))));
        assert_eq!(shard.log_start(), LogStart::At(at));
    }
}

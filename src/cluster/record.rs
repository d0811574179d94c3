//! What is in the report topic: the parts of shards, and who is there.
//!
//! Owns the bytes of both. Promises that what is read is what was written under the same definition,
//! whatever else is in the topic: a record that was cut, altered, or written by another version or
//! under other settings is refused, and reading it costs no more than its own size. Does not know
//! Kafka, nor what follows from a record.
//!
//! ```text
//!  key    c/<group>/<definition>/<partition>/<slot>        a contribution
//!         p/<group>/<definition>/<instance>                a presence
//!
//!  value  "TENR" | format | kind | definition |   body   | checksum of all before
//!            4       1        1        16       postcard       16 bytes
//! ```
//!
//! Numbers in the body are of variable length, and maps are in the order of their keys, so that one
//! state has one form.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::ledger::hash::checksum;
use crate::measure::partial::Partial;

/// Raised with every change of the bytes.
const FORMAT: u8 = 1;
const MAGIC: [u8; 4] = *b"TENR";
const CONTRIBUTION: u8 = b'c';
const PRESENCE: u8 = b'p';
const CHECKSUM: usize = 16;
/// Up to where the body begins.
const HEAD: usize = MAGIC.len() + 2 + 16;

/// So many customers of a shard are enough to find ones who live in two.
const SAMPLED: usize = 512;

/// How many records of a partition are kept by compaction, each of an instant of its own.
pub const SLOTS: u8 = 4;

/// What decides the numbers, as a hash: instances that differ in it do not hear each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Definition(u128);

impl Definition {
    /// The definition of these texts in this order, and of the form of the records.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = vec![FORMAT];
        for part in parts {
            // A byte that no text holds tells where the next one begins.
            all.push(0xff);
            all.extend_from_slice(part.as_bytes());
        }
        Self(checksum(&all))
    }

    fn read(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then_some(())?;
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// One shard's part of the report of one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    pub partition: i32,
    /// `T`: a grid instant.
    pub at: Timestamp,
    /// How many partitions each topic has.
    pub partitions: i32,
    /// How many each topic had when customers were assigned to shards, as far as the state tells.
    pub keyed_by: i32,
    /// By number of the topic: the first offset that is in the state, and the first that is not.
    pub offsets: Vec<Option<(i64, i64)>>,
    /// The digest of all facts of the shard.
    pub digest: u128,
    /// Of two owners of a partition, the later one has the greater.
    pub generation: u64,
    /// Of the question for all measures at `at`.
    pub partial: Partial,
}

/// An instance, and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The name of the member, or a random one of this process.
    pub instance: String,
    /// Where it answers questions of others.
    pub address: String,
    /// By its own clock.
    pub written_at: Timestamp,
    pub partitions: i32,
    /// Ascending by partition.
    pub shards: Vec<Held>,
}

/// A shard that an instance owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub partition: i32,
    pub generation: u64,
    /// The instant up to which the shard is complete.
    pub reached: Option<Timestamp>,
    /// Its numbers would be wrong.
    pub degraded: bool,
}

/// The key of a record: of two records with one key, compaction keeps the one written later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The consumer group that shares the work.
    pub group: String,
    pub definition: Definition,
    pub subject: Subject,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One of the contributions of a partition, by slot: less than [`SLOTS`].
    Partition { partition: i32, slot: u8 },
    /// An instance, by its name, which has no slash.
    Instance(String),
}

/// Why a record is not heard: the closed list of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A former owner's, and what others have said since is newer or more.
    OldGeneration,
    /// Of instances whose settings, topics or version differ.
    Definition,
    /// It is not what was written, or something else.
    Decode,
    /// Of an instant that had not come when it was written: a clock is wrong.
    Future,
}

impl Refused {
    pub const ALL: [Self; 4] = [
        Self::OldGeneration,
        Self::Definition,
        Self::Decode,
        Self::Future,
    ];

    /// The value of the label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OldGeneration => "old_generation",
            Self::Definition => "definition",
            Self::Decode => "decode",
            Self::Future => "future",
        }
    }
}

/// A record has no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record cannot be written as bytes: {0}")]
pub struct Unwritable(#[from] postcard::Error);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, definition) = (&self.group, self.definition);
        match &self.subject {
            Subject::Partition { partition, slot } => {
                write!(f, "c/{group}/{definition}/{partition:05}/{slot}")
            }
            Subject::Instance(instance) => write!(f, "p/{group}/{definition}/{instance}"),
        }
    }
}

impl Key {
    /// The key that these bytes are; nothing if they are none. Groups may have slashes in their names.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (rest, subject) = if let Some(rest) = text.strip_prefix("c/") {
            let (rest, slot) = rest.rsplit_once('/')?;
            let (rest, partition) = rest.rsplit_once('/')?;
            let slot = slot.parse().ok().filter(|slot| *slot < SLOTS)?;
            let partition = partition.parse().ok().filter(|number| *number >= 0)?;
            (rest, Subject::Partition { partition, slot })
        } else {
            let (rest, instance) = text.strip_prefix("p/")?.rsplit_once('/')?;
            (rest, Subject::Instance(instance.to_owned()))
        };
        let (group, definition) = rest.rsplit_once('/')?;
        let key = Self {
            group: group.to_owned(),
            definition: Definition::read(definition)?,
            subject,
        };
        // One key has one form.
        (key.to_string() == text).then_some(key)
    }
}

impl Contribution {
    /// Its bytes, with a thinner sample of customers if it has many.
    ///
    /// # Errors
    /// Never, as far as is known: the form has no limits.
    pub fn encode(mut self, definition: Definition) -> Result<Vec<u8>, Unwritable> {
        self.partial.thin(SAMPLED);
        encode(CONTRIBUTION, definition, &self)
    }

    /// What was written.
    ///
    /// # Errors
    /// If it was not, or not under this definition.
    pub fn decode(bytes: &[u8], definition: Definition) -> Result<Self, Refused> {
        let read: Self = decode(CONTRIBUTION, definition, bytes)?;
        let mut offsets = read.offsets.iter().flatten();
        let sound = (0..read.partitions).contains(&read.partition)
            && read.at.plausible()
            && offsets.all(|(first, next)| (0..=*next).contains(first))
            && read.partial.is_of_one_instant();
        sound.then_some(read).ok_or(Refused::Decode)
    }

    /// What decides between two contributions of one partition and instant: the greater one holds. The
    /// one that knows more of the log's beginning, then of its end, then the later owner's.
    #[must_use]
    pub fn rank(&self) -> impl Ord + use<> {
        let known = self.offsets.iter().flatten();
        let (base, next) = known.fold((0_i128, 0_i128), |(base, next), (first, end)| {
            (base + i128::from(*first), next + i128::from(*end))
        });
        (-base, next, self.generation)
    }
}

impl Presence {
    /// Its bytes.
    ///
    /// # Errors
    /// Never, as far as is known: the form has no limits.
    pub fn encode(&self, definition: Definition) -> Result<Vec<u8>, Unwritable> {
        encode(PRESENCE, definition, self)
    }

    /// What was written.
    ///
    /// # Errors
    /// If it was not, or not under this definition.
    pub fn decode(bytes: &[u8], definition: Definition) -> Result<Self, Refused> {
        let read: Self = decode(PRESENCE, definition, bytes)?;
        let there = |held: &Held| (0..read.partitions).contains(&held.partition);
        let sound = read.shards.iter().all(there);
        sound.then_some(read).ok_or(Refused::Decode)
    }
}

fn encode(kind: u8, definition: Definition, body: &impl Serialize) -> Result<Vec<u8>, Unwritable> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([FORMAT, kind]);
    bytes.extend(definition.0.to_be_bytes());
    let mut bytes = postcard::to_extend(body, bytes)?;
    bytes.extend(checksum(&bytes).to_le_bytes());
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(
    kind: u8,
    definition: Definition,
    bytes: &[u8],
) -> Result<T, Refused> {
    let (rest, sum) = bytes
        .split_last_chunk::<CHECKSUM>()
        .ok_or(Refused::Decode)?;
    let (head, body) = rest.split_at_checked(HEAD).ok_or(Refused::Decode)?;
    let (magic, head) = head.split_at(MAGIC.len());
    if magic != MAGIC || checksum(rest) != u128::from_le_bytes(*sum) {
        return Err(Refused::Decode);
    }
    if head[0] != FORMAT || head[2..] != definition.0.to_be_bytes() {
        return Err(Refused::Definition);
    }
    match postcard::take_from_bytes(body) {
        Ok((read, [])) if head[1] == kind => Ok(read),
        _ => Err(Refused::Decode),
    }
}

//! The bytes of a checkpoint: what it is of, the state, and a checksum over all of it.
//!
//! Owns the header and the layout. Promises that no damage goes unnoticed, that any bytes whatever
//! are read without a panic and without reserving more than they are, and that a checkpoint of
//! another format is told from a damaged one: the checksum is the same in every format. Does not know
//! stores, and of the state nothing but that it is a [`snapshot`].
//!
//! ```text
//!  magic 8 | format 4 | length of the header 4 | header, JSON | body, a snapshot | checksum 16
//! ```
//!
//! All numbers are little-endian. The checksum is of everything before it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name::{Name, Standing, first_half, topics};
use crate::event::Timestamp;
use crate::ledger::Shard;
use crate::ledger::hash::{Hashes, checksum};
use crate::ledger::settings::FoldSettings;
use crate::ledger::shard::LastRecord;
use crate::ledger::snapshot::{self, fingerprint};
use crate::ledger::sources::Sources;

/// A line end among it: a transfer as text does not go unnoticed.
const MAGIC: &[u8; 8] = b"tenure\x00\n";
/// Raised when the layout or the header changes so that older versions cannot read it.
pub const FORMAT: u32 = 1;
/// Magic, format, length of the header.
const PREAMBLE_BYTES: usize = 16;
/// At the very end of a checkpoint.
pub(super) const CHECKSUM_BYTES: usize = 16;
/// A hundred topics with long names take a tenth of it.
const MOST_HEADER_BYTES: usize = 1 << 20;

/// Why a checkpoint cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Whole, and not ours.
    #[error("it is no checkpoint of Tenure")]
    Foreign,
    /// Whole, and of another version.
    #[error("it has format {0}, and this version reads {FORMAT}")]
    Format(u32),
    /// Whole, and of another state.
    #[error(
        "it was made under other settings: digest key, dimensions, history, duplicate window, future skew, currencies, survey scales, sources or corrections"
    )]
    OtherSettings,
    /// Not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl Unusable {
    /// The value of the label `reason` of metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Format(_) => "format",
            Self::OtherSettings => "other_settings",
            Self::Damaged(_) => "damaged",
        }
    }
}

impl From<snapshot::Unusable> for Unusable {
    fn from(unusable: snapshot::Unusable) -> Self {
        match unusable {
            snapshot::Unusable::Foreign => Self::Foreign,
            snapshot::Unusable::Format(format) => Self::Format(format),
            snapshot::Unusable::OtherSettings => Self::OtherSettings,
            snapshot::Unusable::Damaged(what) => Self::Damaged(what),
        }
    }
}

/// What a checkpoint is of. Fields that are not known are ignored, so more can be told later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub partition: i32,
    /// How many partitions each topic had.
    pub partitions: i32,
    /// In the order of the configuration.
    pub topics: Vec<TopicPosition>,
    /// The fingerprint of the fold settings.
    pub fold: Hex,
    /// A keyed hash by which digest keys are told apart, and from which none can be told.
    pub digest_key: Hex,
    /// The digest of all facts.
    pub digest: Hex,
    pub customers: u64,
    /// Bytes of the body.
    pub bytes: u64,
    /// The instant up to which the state was complete when it was copied, in milliseconds since 1970.
    pub complete_until: Option<i64>,
    /// The version of Tenure that wrote it.
    pub written_by: String,
    /// When it was copied, in milliseconds since 1970, by the clock of the writer; decides nothing.
    pub created_at: i64,
    /// Losses of records that an operator accepted, the first one first.
    #[serde(default)]
    pub accepted: Vec<Accepted>,
    /// Those of the fold settings under which others may go on.
    #[serde(default)]
    pub settings: Option<Changeable>,
    /// Under which settings it was folded before, the first ones first.
    #[serde(default)]
    pub changed: Vec<Changed>,
}

/// Fold settings that may change between two records, see [`FoldSettings::continues`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changeable {
    /// In milliseconds, as the other two.
    pub history: i64,
    pub duplicate_window: i64,
    pub max_future_skew: i64,
    pub currencies: BTreeSet<String>,
    pub dimensions: Vec<String>,
    /// The fingerprint of the mappings; none if all topics hold native events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Hex>,
}

/// Settings that were changed while the log could no longer be read again from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The fingerprint of the settings before.
    pub fold: Hex,
    /// The sum of the next offsets up to which they were in force.
    pub until: i64,
}

impl Changeable {
    fn of(settings: &FoldSettings) -> Self {
        Self {
            history: settings.history_millis,
            duplicate_window: settings.duplicate_window_millis,
            max_future_skew: settings.max_future_skew_millis,
            currencies: settings.currencies.clone(),
            dimensions: settings.dimensions.clone(),
            sources: settings.sources.fingerprint().map(Hex),
        }
    }
}

/// How far one topic was folded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPosition {
    pub name: String,
    /// Of the topic itself, whatever its name; none if the broker does not tell.
    pub id: Option<TopicId>,
    /// The first offset that is in the state; none of both while the topic was not read.
    pub base_offset: Option<i64>,
    /// The first offset that is not in the state.
    pub next_offset: Option<i64>,
    pub last: Option<Last>,
}

/// The last record that was applied, see [`LastRecord`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    pub offset: i64,
    pub hash: Hex,
    pub leader_epoch: Option<i32>,
}

impl From<LastRecord> for Last {
    fn from(last: LastRecord) -> Self {
        Self {
            offset: last.offset,
            hash: Hex(last.hash),
            leader_epoch: last.leader_epoch,
        }
    }
}

impl From<Last> for LastRecord {
    fn from(last: Last) -> Self {
        Self {
            offset: last.offset,
            hash: last.hash.0,
            leader_epoch: last.leader_epoch,
        }
    }
}

/// A loss that an operator accepted: of this topic nothing is known between the two offsets, or, if
/// `to` is the smaller one, the log of that name began anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub topic: String,
    /// The offset that would have been next.
    pub from: i64,
    /// The offset with which reading went on.
    pub to: i64,
    /// As in the metrics: `records_deleted`, `truncated`, `recreated` or `history_gone`.
    pub reason: String,
}

/// What a header says beside what the shard knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances<'a> {
    pub partition: i32,
    pub partitions: i32,
    /// Names and ids, in the order of the configuration.
    pub topics: &'a [(String, Option<TopicId>)],
    pub complete_until: Option<Timestamp>,
    pub created_at: Timestamp,
    /// What the checkpoint had that the state goes back to, and what was accepted since.
    pub accepted: &'a [Accepted],
    /// Under which settings it was folded before.
    pub changed: &'a [Changed],
}

impl Header {
    /// The header of the checkpoint of a shard as it is now. Costs nothing to speak of.
    #[must_use]
    pub fn of(shard: &Shard, circumstances: &Circumstances<'_>) -> Self {
        let position = |(place, (name, id)): (usize, &(String, Option<TopicId>))| {
            let position = shard.position(place);
            TopicPosition {
                name: name.clone(),
                id: *id,
                base_offset: position.map(|position| position.base_offset),
                next_offset: position.map(|position| position.next_offset),
                last: position.and_then(|position| position.last).map(Last::from),
            }
        };
        let topics = circumstances.topics.iter().enumerate();
        Self {
            partition: circumstances.partition,
            partitions: circumstances.partitions,
            topics: topics.map(position).collect(),
            fold: Hex(fingerprint(shard.settings())),
            digest_key: Hex(Hashes::new(shard.settings().digest_key).mark_of_key()),
            digest: Hex(shard.digest()),
            customers: shard.customers().len() as u64,
            bytes: 0,
            complete_until: circumstances.complete_until.map(Timestamp::as_millis),
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: circumstances.created_at.as_millis(),
            accepted: circumstances.accepted.to_vec(),
            settings: Some(Changeable::of(shard.settings())),
            changed: circumstances.changed.to_vec(),
        }
    }

    /// Whether these settings can go on with the state, though it was made under others.
    #[must_use]
    pub fn continued_by(&self, settings: &FoldSettings) -> bool {
        let Some(Changeable {
            history,
            duplicate_window,
            max_future_skew,
            currencies,
            dimensions,
            sources,
        }) = self.settings.clone()
        else {
            return false;
        };
        let before = FoldSettings {
            history_millis: history,
            duplicate_window_millis: duplicate_window,
            max_future_skew_millis: max_future_skew,
            currencies,
            dimensions,
            sources: Arc::new(Sources::known_by(sources.map(|Hex(hash)| hash))),
            ..settings.clone()
        };
        // The fingerprint vouches for all that the header does not say.
        fingerprint(&before) == self.fold.0 && settings.continues(&before)
    }

    /// The sum of the next offsets, by which checkpoints of one partition are ordered.
    #[must_use]
    pub fn offset(&self) -> i64 {
        let next = self.topics.iter().filter_map(|topic| topic.next_offset);
        next.fold(0, i64::saturating_add)
    }

    /// The name under which this checkpoint belongs.
    #[must_use]
    pub fn name(&self) -> Name {
        let names: Vec<&str> = self
            .topics
            .iter()
            .map(|topic| topic.name.as_str())
            .collect();
        Name {
            topics: topics(&names),
            fold: first_half(self.fold.0),
            partition: self.partition,
            offset: self.offset(),
            digest: first_half(self.digest.0),
            standing: Standing::Listed,
        }
    }

    /// Whether a shard is what this header says.
    pub(super) fn describes(&self, shard: &Shard) -> bool {
        let place = |(place, topic): (usize, &TopicPosition)| {
            let position = shard.position(place);
            topic.base_offset == position.map(|position| position.base_offset)
                && topic.next_offset == position.map(|position| position.next_offset)
                && topic.last == position.and_then(|position| position.last).map(Last::from)
        };
        self.digest.0 == shard.digest()
            && self.customers == shard.customers().len() as u64
            && self.topics.iter().enumerate().all(place)
            && shard.position(self.topics.len()).is_none()
    }
}

/// A checkpoint as bytes. The header's `bytes` are set to what the body has.
#[must_use]
pub fn encode(header: &Header, body: &[u8]) -> Vec<u8> {
    seal(header.clone(), body.to_vec())
}

/// The same without a second copy of the body, which is moved to make room for the header.
#[must_use]
pub fn seal(mut header: Header, mut body: Vec<u8>) -> Vec<u8> {
    header.bytes = body.len() as u64;
    // A struct of texts and numbers always has a JSON.
    let header = serde_json::to_vec(&header).unwrap_or_default();
    let mut head = Vec::with_capacity(PREAMBLE_BYTES + header.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&FORMAT.to_le_bytes());
    head.extend_from_slice(&(header.len() as u32).to_le_bytes());
    head.extend_from_slice(&header);
    body.reserve_exact(head.len() + CHECKSUM_BYTES);
    body.splice(0..0, head);
    let sum = checksum(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    body
}

/// The header and the body of a checkpoint.
///
/// # Errors
/// If the bytes are not, to the last bit, what [`encode`] made in this format.
pub fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), Unusable> {
    let (sealed, sum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(Unusable::Damaged("it ends too early"))?;
    if checksum(sealed) != u128::from_le_bytes(*sum) {
        return Err(Unusable::Damaged("its checksum differs"));
    }
    let (header, body) = decode_start(sealed)?;
    if header.bytes != body.len() as u64 {
        return Err(Unusable::Damaged("its body has another length"));
    }
    Ok((header, body))
}

/// The header from the first bytes of a checkpoint, and what follows of them; nothing is checked
/// against damage. [`HEAD_BYTES`] are enough for most.
///
/// # Errors
/// If the bytes are no checkpoint of this format, or too few.
pub fn decode_start(bytes: &[u8]) -> Result<(Header, &[u8]), Unusable> {
    let early = Unusable::Damaged("it ends too early");
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(early)?;
    if magic != MAGIC {
        return Err(Unusable::Foreign);
    }
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(early)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(Unusable::Format(format));
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(early)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MOST_HEADER_BYTES {
        return Err(Unusable::Damaged("its header is too long"));
    }
    let (header, body) = rest.split_at_checked(length).ok_or(early)?;
    let header = serde_json::from_slice(header)
        .map_err(|_| Unusable::Damaged("its header cannot be read"))?;
    Ok((header, body))
}

/// As many of the first bytes hold the header of a checkpoint of a few topics.
pub const HEAD_BYTES: usize = 64 << 10;

/// A number of 128 bits, in 32 hexadecimal digits where it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hex(pub u128);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        hex.to_string()
    }
}

impl TryFrom<String> for Hex {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.len() == 32 && !text.starts_with('+');
        digits
            .then(|| u128::from_str_radix(&text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or("no 32 hexadecimal digits")
    }
}

/// What Kafka calls a topic by, whatever its name: it differs once a topic was made anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TopicId(pub [u8; 16]);

/// The digits of base64 for URLs, without padding, as Kafka's own tools print ids.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 128 bits and four more that are nothing, six bits each.
const ID_DIGITS: u32 = 22;

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        for place in (0..ID_DIGITS).rev() {
            // The last digit holds two bits and four zeros.
            let six = match place {
                0 => (bits << 4) & 63,
                place => (bits >> (6 * place - 4)) & 63,
            };
            write!(f, "{}", char::from(BASE64[six as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for TopicId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = "no topic id of 22 digits of base64";
        if text.len() != ID_DIGITS as usize {
            return Err(error);
        }
        let mut bits = 0_u128;
        for (place, digit) in text.bytes().enumerate() {
            let six = BASE64
                .iter()
                .position(|known| *known == digit)
                .ok_or(error)? as u128;
            if place + 1 < ID_DIGITS as usize {
                bits = bits << 6 | six;
            } else if six.trailing_zeros() >= 4 {
                bits = bits << 2 | six >> 4;
            } else {
                return Err(error);
            }
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

impl From<TopicId> for String {
    fn from(id: TopicId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TopicId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            partition: 3,
            partitions: 12,
            topics: vec![TopicPosition {
                name: "customer-events".to_owned(),
                id: Some(TopicId([7; 16])),
                base_offset: Some(0),
                next_offset: Some(42),
                last: Some(Last {
                    offset: 41,
                    hash: Hex(1),
                    leader_epoch: Some(2),
                }),
            }],
            fold: Hex(0xf0),
            digest_key: Hex(3),
            digest: Hex(u128::MAX),
            customers: 5,
            bytes: 4,
            complete_until: None,
            written_by: "0.1.0".to_owned(),
            created_at: 1_780_000_000_000,
            accepted: Vec::new(),
            settings: None,
            changed: Vec::new(),
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let header = header();
        let bytes = encode(&header, b"body");
        assert_eq!(decode(&bytes), Ok((header.clone(), b"body".as_slice())));
        assert_eq!(seal(header.clone(), b"body".to_vec()), bytes);
        let (start, rest) = decode_start(&bytes).unwrap();
        assert_eq!((start, &rest[..4]), (header, b"body".as_slice()));
    }

    #[test]
    fn other_formats_are_told_from_damage() {
        let check = |change: &dyn Fn(&mut Vec<u8>), expected: Unusable| {
            let mut bytes = encode(&header(), b"body");
            change(&mut bytes);
            assert_eq!(decode(&bytes), Err(expected));
        };
        let sealed_again = |at: usize| {
            move |bytes: &mut Vec<u8>| {
                bytes[at] += 1;
                bytes.truncate(bytes.len() - CHECKSUM_BYTES);
                let sum = checksum(bytes);
                bytes.extend_from_slice(&sum.to_le_bytes());
            }
        };
        check(&sealed_again(0), Unusable::Foreign);
        check(&sealed_again(8), Unusable::Format(2));
        check(
            &|bytes| bytes[8] += 1,
            Unusable::Damaged("its checksum differs"),
        );
        check(
            &|bytes| bytes.clear(),
            Unusable::Damaged("it ends too early"),
        );
        check(
            &sealed_again(PREAMBLE_BYTES),
            Unusable::Damaged("its header cannot be read"),
        );
        check(
            &sealed_again(15),
            Unusable::Damaged("its header is too long"),
        );
    }

    #[test]
    fn a_header_of_a_later_version_is_read() {
        let mut json = serde_json::to_value(header()).unwrap();
        json["new"] = "thing".into();
        json.as_object_mut().unwrap().remove("accepted");
        assert_eq!(serde_json::from_value::<Header>(json).unwrap(), header());
    }

    #[test]
    fn topic_ids_are_written_as_kafka_writes_them() {
        // Printed by `kafka-storage random-uuid` and by Java's Base64 of the bytes.
        for (bytes, text) in [
            ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA"),
            ([255; 16], "_____________________w"),
            (*b"0123456789abcdef", "MDEyMzQ1Njc4OWFiY2RlZg"),
        ] {
            assert_eq!(TopicId(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(TopicId(bytes)));
        }
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAA+",
        ] {
            assert!(text.parse::<TopicId>().is_err(), "{text}");
        }
    }
}

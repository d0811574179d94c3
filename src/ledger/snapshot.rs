//! A snapshot: the whole state of a shard as bytes, and back.
//!
//! Promises that one state has one form, so that two instances that folded the same records write the
//! same bytes; that what is read back goes on exactly as the original would; that no bytes whatever
//! make reading panic; and that no damage to a fact goes unnoticed: the digest is computed anew. A
//! checksum of every byte is for who keeps the bytes, and can be made while the shard goes on
//! folding. Deliberately knows nothing of files, of time, or of where the bytes go.
//!
//! ```text
//!  magic 8 | format 4 | fingerprint of the fold settings 16
//!  positions by topic | clock | instants | texts | attributes | ids by tag | customers in their order
//!  digest 16
//! ```
//!
//! All numbers are little-endian. A missing instant is the smallest number.

use std::sync::Arc;

use crate::event::Timestamp;
use crate::event::attributes::MAX_DIMENSIONS;
use crate::ledger::Shard;
use crate::ledger::hash::checksum;
use crate::ledger::settings::FoldSettings;

const MAGIC: &[u8; 8] = b"tenure\x00\x01";
/// Raised when the form changes: older ones are refused, and the log is read again.
pub const FORMAT: u32 = 1;

/// Bytes for a header and a checksum.
const ROOM_AROUND: usize = 16 << 10;

/// Why bytes are no snapshot that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("this is no snapshot of a shard")]
    Foreign,
    #[error("the snapshot has format {0}, and this version reads {FORMAT}")]
    Format(u32),
    #[error(
        "the snapshot was made under other settings: digest key, dimensions, history, duplicate window, future skew, currencies, survey scales or corrections"
    )]
    OtherSettings,
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
}

/// Bytes in the making.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u128(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A number of things that follow.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub fn words(&mut self, words: &[u64]) {
        let start = self.bytes.len();
        self.bytes.resize(start + 8 * words.len(), 0);
        let places = self.bytes[start..].chunks_exact_mut(8);
        for (place, word) in places.zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }

    pub fn instant(&mut self, at: Option<Timestamp>) {
        let millis = at.map_or(i64::MIN, Timestamp::as_millis);
        self.u64(millis.cast_unsigned());
    }
}

/// Bytes being read. Nothing is believed before it is there: a count never reserves more than the
/// bytes that are left could hold.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unusable> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(Unusable::Damaged("it ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unusable> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| Unusable::Damaged("it ends too early"))
    }

    pub fn u8(&mut self) -> Result<u8, Unusable> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, Unusable> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Unusable> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn u128(&mut self) -> Result<u128, Unusable> {
        self.array().map(u128::from_le_bytes)
    }

    /// So many words, into a buffer that is emptied before.
    pub fn words(&mut self, count: usize, into: &mut Vec<u64>) -> Result<(), Unusable> {
        let taken = self.take(count.saturating_mul(8))?;
        into.clear();
        let (words, _) = taken.as_chunks::<8>();
        into.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
        Ok(())
    }

    /// A number of things, each of at least so many bytes.
    pub fn count(&mut self, bytes_each: usize) -> Result<usize, Unusable> {
        let count = self.u32()? as usize;
        if count.saturating_mul(bytes_each) > self.bytes.len() {
            return Err(Unusable::Damaged("it ends too early"));
        }
        Ok(count)
    }

    pub fn text(&mut self) -> Result<&'a str, Unusable> {
        let length = self.count(1)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Unusable::Damaged("a text is none"))
    }

    pub fn instant(&mut self) -> Result<Option<Timestamp>, Unusable> {
        let millis = self.u64()?.cast_signed();
        Ok((millis != i64::MIN).then(|| Timestamp::from_millis(millis)))
    }

    /// An offset that another one can follow.
    pub fn offset(&mut self) -> Result<i64, Unusable> {
        let offset = self.u64()?.cast_signed();
        if (0..i64::MAX).contains(&offset) {
            Ok(offset)
        } else {
            Err(Unusable::Damaged("an offset is none"))
        }
    }

    /// A yes or a no.
    pub fn flag(&mut self) -> Result<bool, Unusable> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unusable::Damaged("a mark is none")),
        }
    }
}

/// A part of a shard's state that has a form of its own.
pub trait Part: Sized {
    /// What has to be known to read it back.
    type Needs<'a>;

    fn write(&self, out: &mut Writer);

    /// # Errors
    /// If the bytes are not what [`Part::write`] makes.
    fn read(from: &mut Reader<'_>, needs: Self::Needs<'_>) -> Result<Self, Unusable>;
}

/// The whole state of a shard, without a checksum.
#[must_use]
pub fn write(shard: &Shard) -> Vec<u8> {
    // Room for all of it at once, and for what is put before and behind it: doubling would copy.
    let mut out = Writer {
        bytes: Vec::with_capacity(shard.written_bytes() + ROOM_AROUND),
    };
    out.bytes.extend_from_slice(MAGIC);
    out.u32(FORMAT);
    out.u128(fingerprint(shard.settings()));
    shard.write(&mut out);
    out.u128(shard.digest());
    out.bytes
}

/// The shard that [`write()`] has written.
///
/// # Errors
/// If the bytes are foreign, made under other settings of the fold, or so damaged that they are no
/// snapshot or hold other facts. Whether every byte is as it was written is for a checksum to tell.
pub fn read(bytes: &[u8], settings: Arc<FoldSettings>) -> Result<Shard, Unusable> {
    let written_under = fingerprint(&settings);
    read_under(bytes, written_under, settings)
}

/// The shard that was written under the settings of a fingerprint, to go on under others from its
/// next record on. What was folded stays as it is, so this is right only for settings of which no
/// fact and no hash depends: see [`FoldSettings::continues`].
///
/// # Errors
/// As [`read`].
pub fn read_under(
    bytes: &[u8],
    written_under: u128,
    settings: Arc<FoldSettings>,
) -> Result<Shard, Unusable> {
    let mut from = Reader { bytes };
    if &from.array().map_err(|_| Unusable::Foreign)? != MAGIC {
        return Err(Unusable::Foreign);
    }
    let format = from.u32()?;
    if format != FORMAT {
        return Err(Unusable::Format(format));
    }
    if from.u128()? != written_under {
        return Err(Unusable::OtherSettings);
    }
    let shard = Shard::read(&mut from, settings)?;
    if from.u128()? != shard.digest() {
        return Err(Unusable::Damaged("its facts do not have its digest"));
    }
    if !from.bytes.is_empty() {
        return Err(Unusable::Damaged("something follows it"));
    }
    Ok(shard)
}

/// A hash of all settings on which a fold depends, and of nothing else. The key itself cannot be told
/// from it.
#[must_use]
pub fn fingerprint(settings: &FoldSettings) -> u128 {
    let mut out = Writer::default();
    out.bytes.extend_from_slice(&settings.digest_key.0);
    out.u64(settings.history_millis.cast_unsigned());
    out.u64(settings.duplicate_window_millis.cast_unsigned());
    out.u64(settings.max_future_skew_millis.cast_unsigned());
    out.u8(settings.ces.max.rating());
    out.text(settings.ces.better.name());
    out.count(settings.currencies.len());
    for currency in &settings.currencies {
        out.text(currency);
    }
    out.count(settings.dimensions.len().min(MAX_DIMENSIONS));
    for dimension in &settings.dimensions {
        out.text(dimension);
    }
    if !settings.corrections.is_empty() {
        out.u128(settings.corrections.fingerprint());
    }
    if let Some(sources) = settings.sources.fingerprint() {
        out.text("sources");
        out.u128(sources);
    }
    checksum(&out.bytes)
}

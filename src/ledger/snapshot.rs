//! A snapshot: the whole state of a shard as bytes, and back.
//!
//! Promises that one state has one form, so that two instances that folded the same records write the
//! same bytes; that what is read back goes on exactly as the original would; and that no damage goes
//! unnoticed: a checksum of 128 bits covers every byte, and the digest is computed anew from the
//! facts. Deliberately knows nothing of files, of time, or of where the bytes go.
//!
//! ```text
//!  magic 8 | format 4 | fingerprint of the fold settings 16
//!  positions by topic | clock | instants | texts | attributes | ids by tag | customers in their order
//!  digest 16 | checksum 16
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
const CHECKSUM_BYTES: usize = 16;

/// Why bytes are no snapshot that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("this is no snapshot of a shard")]
    Foreign,
    #[error("the snapshot has format {0}, and this version reads {FORMAT}")]
    Format(u32),
    #[error(
        "the snapshot was made under other settings: digest key, dimensions, history, duplicate window, future skew, currencies or survey scales"
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

/// The whole state of a shard.
#[must_use]
pub fn write(shard: &Shard) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes.extend_from_slice(MAGIC);
    out.u32(FORMAT);
    out.u128(fingerprint(shard.settings()));
    shard.write(&mut out);
    out.u128(shard.digest());
    let sum = checksum(&out.bytes);
    out.u128(sum);
    out.bytes
}

/// The shard that [`write`] has written.
///
/// # Errors
/// If the bytes are foreign or damaged in any way, or were made under other settings of the fold.
pub fn read(bytes: &[u8], settings: Arc<FoldSettings>) -> Result<Shard, Unusable> {
    let mut from = Reader { bytes };
    if &from.array().map_err(|_| Unusable::Foreign)? != MAGIC {
        return Err(Unusable::Foreign);
    }
    let format = from.u32()?;
    if format != FORMAT {
        return Err(Unusable::Format(format));
    }
    let end = bytes.len().saturating_sub(CHECKSUM_BYTES);
    let (body, sum) = bytes.split_at(end);
    let sum: [u8; CHECKSUM_BYTES] = sum
        .try_into()
        .map_err(|_| Unusable::Damaged("it ends too early"))?;
    if checksum(body) != u128::from_le_bytes(sum) {
        return Err(Unusable::Damaged("its checksum differs"));
    }
    if from.u128()? != fingerprint(&settings) {
        return Err(Unusable::OtherSettings);
    }
    let shard = Shard::read(&mut from, settings)?;
    if from.u128()? != shard.digest() || from.bytes.len() != CHECKSUM_BYTES {
        return Err(Unusable::Damaged("its facts do not have its digest"));
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
    checksum(&out.bytes)
}

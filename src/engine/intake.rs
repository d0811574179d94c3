//! Intake: one record to what becomes of each of its parts, and the counts of outcomes.
//!
//! ```text
//!  records   r1 r2 .. r16 | r17 ..
//!  prepare   decode and hash each, fetch what they will need     nothing changes
//!  take      r1, r2, .. r16 in their order                       as if each came alone
//! ```

use smallvec::SmallVec;

use crate::event::decode::Decoder;
use crate::event::record::Record;
use crate::event::source::{Decoded, Source};
use crate::event::{Event, EventType, Reason, Rejection, Timestamp};
use crate::ledger::corrections::Whence;
use crate::ledger::customers::FETCHED_TOGETHER;
use crate::ledger::hash::EventHashes;
use crate::ledger::shard::Folded;
use crate::ledger::{Outcome, Shard};
use crate::telemetry::FoldTelemetry;

/// What became of a record, or of one of the parts that a mapping made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A null value: no error, and nothing changes.
    Tombstone,
    /// A correction or a mapping says that it must not count; nothing changes.
    Skipped,
    Rejected(Rejection),
    Folded {
        event: EventType,
        occurred_at: Timestamp,
        folded: Folded,
        /// Values of configured dimensions that were arrays or objects.
        ignored_attributes: u8,
    },
}

/// Decodes the value of a record of native events and folds it, unless a correction skips it.
///
/// A record that stands nowhere, such as a line of a file, is skipped by its id alone: a line has no
/// offset, and its number is none.
pub fn take(
    shard: &mut Shard,
    decoder: &Decoder,
    value: Option<&[u8]>,
    recorded_at: Option<Timestamp>,
) -> Fate {
    match value.map(|value| decoder.decode(value, recorded_at)) {
        None => Fate::Tombstone,
        Some(Err(rejection)) => Fate::Rejected(rejection),
        Some(Ok(event)) => {
            let hashes = shard.hash(&event);
            fold(shard, None, &event, hashes, &mut |_, _| {})
        }
    }
}

/// Makes events of a record by its source and folds them, unless a correction skips them; tells the
/// fate of each part of the record, at least one.
///
/// Corrections also look at where the record stands, if it stands anywhere; one that skips it as a
/// whole is told once.
pub fn take_from(
    shard: &mut Shard,
    source: &Source,
    whence: Option<Whence<'_>>,
    record: Record<'_>,
    each: impl FnMut(Fate),
) {
    take_after(shard, source, whence, record, |_, _| {}, each);
}

/// The same, for who has to look at a customer before anything of it changes: `before` is called
/// with the shard as it is and each event that is about to be folded.
pub fn take_after(
    shard: &mut Shard,
    source: &Source,
    whence: Option<Whence<'_>>,
    record: Record<'_>,
    mut before: impl FnMut(&Shard, &Event<'_>),
    mut each: impl FnMut(Fate),
) {
    if record.value.is_some() && skipped(shard, whence) {
        return each(Fate::Skipped);
    }
    source.decode(record, |decoded| {
        each(match decoded {
            Decoded::Event(event) => {
                let hashes = shard.hash(&event);
                fold(shard, whence, &event, hashes, &mut before)
            }
            Decoded::Tombstone => Fate::Tombstone,
            Decoded::Skipped => Fate::Skipped,
            Decoded::Rejected(rejection) => Fate::Rejected(rejection),
        });
    });
}

/// A record of native events that was decoded and hashed before its turn came. Both depend on nothing
/// that other records change.
#[derive(Debug)]
pub struct Prepared<'a>(Option<Result<(Event<'a>, EventHashes), Rejection>>);

/// Up to [`FETCHED_TOGETHER`] records in their order.
pub type Group<'a> = SmallVec<[Prepared<'a>; FETCHED_TOGETHER]>;

/// Decodes records of native events into a group, in the place of what it held, and has all that
/// folding them will need fetched from memory: so that the group waits for memory once, and not each
/// of its records for itself. Nothing changes.
pub fn prepare<'a>(
    group: &mut Group<'a>,
    shard: &Shard,
    decoder: &Decoder,
    records: impl Iterator<Item = (Option<&'a [u8]>, Option<Timestamp>)>,
) {
    group.clear();
    for (value, recorded_at) in records {
        group.push(Prepared(value.map(|value| {
            let event = decoder.decode(value, recorded_at)?;
            let hashes = shard.hash(&event);
            Ok((event, hashes))
        })));
    }
    let events = group
        .iter()
        .filter_map(|prepared| prepared.0.as_ref()?.as_ref().ok());
    shard.fetch(events.map(|(_, hashes)| *hashes));
}

/// [`take_after`] for a record that is prepared.
pub fn take_prepared(
    shard: &mut Shard,
    whence: Whence<'_>,
    prepared: &Prepared<'_>,
    mut before: impl FnMut(&Shard, &Event<'_>),
) -> Fate {
    match &prepared.0 {
        None => Fate::Tombstone,
        Some(_) if skipped(shard, Some(whence)) => Fate::Skipped,
        Some(Err(rejection)) => Fate::Rejected(*rejection),
        Some(Ok((event, hashes))) => fold(shard, Some(whence), event, *hashes, &mut before),
    }
}

/// Whether a correction skips the record that stands there, whatever it holds.
fn skipped(shard: &Shard, whence: Option<Whence<'_>>) -> bool {
    let corrections = &shard.settings().corrections;
    !corrections.is_empty() && whence.is_some_and(|whence| corrections.skip_record(whence))
}

fn fold(
    shard: &mut Shard,
    whence: Option<Whence<'_>>,
    event: &Event<'_>,
    hashes: EventHashes,
    before: &mut impl FnMut(&Shard, &Event<'_>),
) -> Fate {
    let corrections = &shard.settings().corrections;
    if !corrections.is_empty() && corrections.skip_event(whence, event) {
        return Fate::Skipped;
    }
    before(shard, event);
    Fate::Folded {
        event: event.body.event_type(),
        occurred_at: event.occurred_at,
        folded: shard.fold_hashed(event, hashes),
        ignored_attributes: event.attributes.ignored,
    }
}

/// Parts of records by outcome; their sum is what was received after splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub tombstones: u64,
    pub skipped: u64,
    pub duplicates: u64,
    pub conflicting: u64,
    pub redundant: u64,
    pub applied: u64,
    /// Among the applied and the redundant.
    pub late: u64,
    /// Values of configured dimensions that were arrays or objects, in events of any outcome.
    pub ignored_attributes: u64,
    rejected: [u64; Reason::ALL.len()],
    kept: [u64; EventType::ALL.len()],
}

impl Tally {
    pub fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Tombstone => self.tombstones += 1,
            Fate::Skipped => self.skipped += 1,
            Fate::Rejected(rejection) => self.rejected[rejection.reason as usize] += 1,
            Fate::Folded {
                event,
                folded,
                ignored_attributes,
                ..
            } => {
                match folded.outcome {
                    Outcome::Applied => self.applied += 1,
                    Outcome::Redundant => self.redundant += 1,
                    Outcome::Duplicate => self.duplicates += 1,
                    Outcome::Conflicting => self.conflicting += 1,
                }
                self.late += u64::from(folded.late);
                self.ignored_attributes += u64::from(ignored_attributes);
                self.kept[event as usize] += u64::from(folded.outcome.kept());
            }
        }
    }

    /// Records rejected, by reason, of those reasons that came up.
    pub fn rejected(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL
            .into_iter()
            .zip(self.rejected)
            .filter(|(_, count)| *count > 0)
    }

    /// All of them.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.tombstones
            + self.skipped
            + self.duplicates
            + self.conflicting
            + self.redundant
            + self.applied
            + self.rejected.iter().sum::<u64>()
    }

    /// Adds the counts to those of the process.
    pub fn flush(&self, telemetry: &FoldTelemetry) {
        let outcomes = &telemetry.outcomes;
        for (counter, count) in [
            (&outcomes.tombstone, self.tombstones),
            (&outcomes.skipped, self.skipped),
            (&outcomes.rejected, self.rejected.iter().sum()),
            (&outcomes.duplicate, self.duplicates),
            (&outcomes.conflicting, self.conflicting),
            (&outcomes.redundant, self.redundant),
            (&outcomes.applied, self.applied),
            (&telemetry.late, self.late),
            (&telemetry.ignored_attributes, self.ignored_attributes),
        ] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
        for (reason, count) in self.rejected() {
            telemetry.rejected(reason).inc_by(count);
        }
        for (event, count) in EventType::ALL.into_iter().zip(self.kept) {
            if count > 0 {
                telemetry.applied(event).inc_by(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::decode::DecodeSettings;
    use crate::ledger::settings::FoldSettings;
    use crate::telemetry::Telemetry;

    #[test]
    fn ignored_attributes_are_counted_whatever_becomes_of_their_event() {
        let decoder = Decoder::new(DecodeSettings {
            dimensions: vec!["plan".to_owned(), "country".to_owned()],
            ..DecodeSettings::default()
        });
        let mut shard = Shard::new(Arc::new(FoldSettings::default()), 1);
        shard.start_at(0, 0);
        let record = br#"{"event_id":"1","type":"signup","customer_id":"c","occurred_at":"2026-11-01T00:00:00Z","attributes":{"plan":[],"country":{},"other":[]}}"#;
        let mut tally = Tally::default();
        for value in [Some(&record[..]), Some(&record[..]), Some(b"{"), None] {
            tally.add(take(&mut shard, &decoder, value, None));
        }
        assert_eq!((tally.applied, tally.duplicates), (1, 1));
        assert_eq!((tally.received(), tally.ignored_attributes), (4, 4));
        let telemetry = Telemetry::new().expect("the catalogue has no clash");
        tally.flush(&telemetry.fold);
        assert_eq!(telemetry.fold.ignored_attributes.get(), 4);
    }
}

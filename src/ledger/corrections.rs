//! Corrections: records that are in the log and must not count.
//!
//! Owns which records those are: by a range of offsets of one partition, or by event id. Promises
//! that a record is skipped or not whatever came before it, that the order in which corrections are
//! given does not matter, and that an event id is kept as a keyed hash alone: ids can be personal.
//! Does not know files, the configuration, or who asks.
//!
//! ```text
//!  as given, for people          as looked up, for each record
//!  note | offsets or ids | type  (partition, topic) -> ranges without overlaps, for each type
//!                                hash of an id      -> types
//! ```
//!
//! What is looked up is a normal form, so the fingerprint is the same whatever the order of the
//! corrections, their notes, and how their ranges and ids are divided among them.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use crate::event::{Event, EventType};
use crate::ledger::hash::{Hashes, checksum};
use crate::ledger::settings::DigestKey;

/// Types of events, and one bit more for records that need not be events.
const KINDS: usize = EventType::ALL.len() + 1;
const ANY_RECORD: usize = EventType::ALL.len();
const ANY_EVENT: u8 = (1 << EventType::ALL.len()) - 1;

/// Where a record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whence<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
}

/// One correction, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Why, for people.
    pub note: String,
    pub skip: Skip,
    /// Of those, events of this type alone.
    pub event: Option<EventType>,
}

/// The records that a correction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    Offsets(Offsets),
    Ids(EventIds),
}

/// A range of one partition of a topic; the first and the last offset belong to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offsets {
    pub topic: String,
    pub partition: i32,
    pub first: i64,
    pub last: i64,
}

/// What it skips, in words, as in `offsets 1200..41200 of customer-events partition 3, churn only`.
impl std::fmt::Display for Correction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.skip {
            Skip::Offsets(Offsets {
                topic,
                partition,
                first,
                last,
            }) => write!(
                f,
                "offsets {first}..{last} of {topic} partition {partition}"
            )?,
            Skip::Ids(ids) if ids.len() == 1 => f.write_str("1 event id")?,
            Skip::Ids(ids) => write!(f, "{} event ids", ids.len())?,
        }
        match self.event {
            Some(event) => write!(f, ", {} only", event.name()),
            None => Ok(()),
        }
    }
}

impl Offsets {
    fn hold(&self, whence: Whence<'_>) -> bool {
        self.partition == whence.partition
            && (self.first..=self.last).contains(&whence.offset)
            && self.topic == whence.topic
    }
}

/// Event ids as keyed hashes, from which no id can be told. Sixteen bytes each.
#[derive(Clone, PartialEq, Eq)]
pub struct EventIds(Vec<u128>);

impl EventIds {
    /// The hashes of ids under this key, each once.
    #[must_use]
    pub fn new<'a>(ids: impl IntoIterator<Item = &'a str>, key: DigestKey) -> Self {
        let hashes = Hashes::new(key);
        let mut ids: Vec<u128> = ids.into_iter().map(|id| hashes.event_id(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.shrink_to_fit();
        Self(ids)
    }

    /// How many different ids there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for EventIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventIds({})", self.len())
    }
}

/// All corrections of a fold.
#[derive(Debug, Clone)]
pub struct Corrections {
    given: Vec<Correction>,
    hashes: Hashes,
    /// Ascending by partition and topic.
    places: Vec<Ranges>,
    /// By hash of the event id: a bit for each type.
    ids: HashTable<(u128, u8)>,
    fingerprint: u128,
}

/// The ranges of one partition of a topic.
#[derive(Debug, Clone)]
struct Ranges {
    partition: i32,
    topic: String,
    of_kind: ByKind,
}

/// By kind, ascending, without overlaps: first and last offset.
type ByKind = [Vec<(i64, i64)>; KINDS];

impl Ranges {
    fn hold(&self, kind: usize, offset: i64) -> bool {
        let ranges = &self.of_kind[kind];
        let after = ranges.partition_point(|(first, _)| *first <= offset);
        after > 0 && offset <= ranges[after - 1].1
    }
}

impl Default for Corrections {
    fn default() -> Self {
        Self::new(Vec::new(), DigestKey::BUILT_IN)
    }
}

impl PartialEq for Corrections {
    fn eq(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl Eq for Corrections {}

impl Corrections {
    /// Corrections whose event ids were hashed under this key.
    #[must_use]
    pub fn new(given: Vec<Correction>, key: DigestKey) -> Self {
        let places = places(&given);
        let ids = ids(&given);
        let fingerprint = fingerprint(&places, &ids);
        let mut table = HashTable::with_capacity(ids.len());
        for (id, types) in ids {
            table.insert_unique(id as u64, (id, types), |(id, _)| *id as u64);
        }
        Self {
            given,
            hashes: Hashes::new(key),
            places,
            ids: table,
            fingerprint,
        }
    }

    /// All of them, in the order in which they were given.
    #[must_use]
    pub fn given(&self) -> &[Correction] {
        &self.given
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// A hash of which records are skipped, and of nothing else.
    #[must_use]
    pub const fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// Whether the record that stands there is skipped whatever it holds.
    #[must_use]
    pub fn skip_record(&self, whence: Whence<'_>) -> bool {
        self.ranges(whence)
            .is_some_and(|ranges| ranges.hold(ANY_RECORD, whence.offset))
    }

    /// Whether the event is skipped: by its id, or by where it stands, if it stands anywhere.
    #[must_use]
    pub fn skip_event(&self, whence: Option<Whence<'_>>, event: &Event<'_>) -> bool {
        let kind = event.body.event_type() as usize;
        if !self.ids.is_empty() {
            let hash = self.hashes.event_id(&event.id);
            let found = self.ids.find(hash as u64, |(id, _)| *id == hash);
            if found.is_some_and(|(_, types)| types >> kind & 1 == 1) {
                return true;
            }
        }
        whence.is_some_and(|whence| {
            self.ranges(whence)
                .is_some_and(|ranges| ranges.hold(kind, whence.offset))
        })
    }

    /// The numbers of all corrections, in the order given, that skip a record; `event` is what it
    /// decodes to. Looks through all of them: for who wants to know which, not whether.
    pub fn skipping<'a>(
        &'a self,
        whence: Option<Whence<'a>>,
        event: Option<&'a Event<'_>>,
    ) -> impl Iterator<Item = usize> + 'a {
        let hash = event.map(|event| self.hashes.event_id(&event.id));
        let skips = move |correction: &Correction| {
            let typed = correction
                .event
                .is_none_or(|wanted| event.is_some_and(|event| event.body.event_type() == wanted));
            typed
                && match &correction.skip {
                    Skip::Offsets(offsets) => whence.is_some_and(|whence| offsets.hold(whence)),
                    Skip::Ids(ids) => hash.is_some_and(|hash| ids.0.binary_search(&hash).is_ok()),
                }
        };
        let given = self.given.iter().enumerate();
        given.filter_map(move |(number, correction)| skips(correction).then_some(number))
    }

    fn ranges(&self, whence: Whence<'_>) -> Option<&Ranges> {
        let wanted = (whence.partition, whence.topic);
        let order = |ranges: &Ranges| (ranges.partition, ranges.topic.as_str()).cmp(&wanted);
        let at = self.places.binary_search_by(order).ok()?;
        self.places.get(at)
    }
}

/// The bits of the types that a correction is about.
fn types(event: Option<EventType>) -> u8 {
    event.map_or(ANY_EVENT, |event| 1 << event as usize)
}

fn ids(given: &[Correction]) -> Vec<(u128, u8)> {
    let mut all: Vec<(u128, u8)> = Vec::new();
    for correction in given {
        if let Skip::Ids(ids) = &correction.skip {
            all.extend(ids.0.iter().map(|id| (*id, types(correction.event))));
        }
    }
    all.sort_unstable();
    all.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 |= later.1;
        }
        same
    });
    all
}

fn places(given: &[Correction]) -> Vec<Ranges> {
    let mut places: BTreeMap<(i32, &str), ByKind> = BTreeMap::new();
    for correction in given {
        if let Skip::Offsets(offsets) = &correction.skip {
            let place = (offsets.partition, offsets.topic.as_str());
            let kind = correction.event.map_or(ANY_RECORD, |event| event as usize);
            places.entry(place).or_default()[kind].push((offsets.first, offsets.last));
        }
    }
    let mut all = Vec::new();
    for ((partition, topic), of_kind) in places {
        all.push(Ranges {
            partition,
            topic: topic.to_owned(),
            of_kind: of_kind.map(joined),
        });
    }
    all
}

/// Ranges in their order, those that overlap or touch as one.
fn joined(mut ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    ranges.dedup_by(|later, kept| {
        let one = later.0 <= kept.1.saturating_add(1);
        if one {
            kept.1 = kept.1.max(later.1);
        }
        one
    });
    ranges
}

fn fingerprint(places: &[Ranges], ids: &[(u128, u8)]) -> u128 {
    let mut bytes = Vec::new();
    for Ranges {
        partition,
        topic,
        of_kind,
    } in places
    {
        for (kind, ranges) in of_kind.iter().enumerate() {
            for (first, last) in ranges {
                bytes.extend_from_slice(&(topic.len() as u64).to_le_bytes());
                bytes.extend_from_slice(topic.as_bytes());
                bytes.extend_from_slice(&partition.to_le_bytes());
                bytes.push(kind as u8);
                bytes.extend_from_slice(&first.to_le_bytes());
                bytes.extend_from_slice(&last.to_le_bytes());
            }
        }
    }
    // No topic has a name of that length, so here the ids begin.
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    for (id, types) in ids {
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.push(*types);
    }
    checksum(&bytes)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::event::{Attributes, Body, Timestamp};

    const KEY: DigestKey = DigestKey(*b"a key of a test.");

    fn event(id: &str, body: Body<'static>) -> Event<'static> {
        Event {
            id: Cow::Owned(id.to_owned()),
            customer: Cow::Borrowed("c"),
            occurred_at: Timestamp::FIRST,
            body,
            attributes: Attributes::default(),
        }
    }

    fn churn(id: &str) -> Event<'static> {
        event(id, Body::Churn { reason: None })
    }

    const fn at(partition: i32, offset: i64) -> Whence<'static> {
        Whence {
            topic: "events",
            partition,
            offset,
        }
    }

    fn offsets(note: &str, partition: i32, first: i64, last: i64) -> Correction {
        Correction {
            note: note.to_owned(),
            skip: Skip::Offsets(Offsets {
                topic: "events".to_owned(),
                partition,
                first,
                last,
            }),
            event: None,
        }
    }

    fn ids(note: &str, ids: &[&str]) -> Correction {
        Correction {
            note: note.to_owned(),
            skip: Skip::Ids(EventIds::new(ids.iter().copied(), KEY)),
            event: None,
        }
    }

    fn only(event: EventType, correction: Correction) -> Correction {
        Correction {
            event: Some(event),
            ..correction
        }
    }

    fn new(given: &[Correction]) -> Corrections {
        Corrections::new(given.to_vec(), KEY)
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it_and_other_places_do_not() {
        let corrections = new(&[offsets("", 3, 10, 20), offsets("", 3, 25, 25)]);
        for (whence, skipped) in [
            (at(3, 9), false),
            (at(3, 10), true),
            (at(3, 20), true),
            (at(3, 21), false),
            (at(3, 25), true),
            (at(3, 26), false),
            (at(2, 15), false),
        ] {
            assert_eq!(corrections.skip_record(whence), skipped, "{whence:?}");
        }
        let elsewhere = Whence {
            topic: "orders",
            ..at(3, 15)
        };
        assert!(!corrections.skip_record(elsewhere));
    }

    #[test]
    fn an_id_is_skipped_wherever_it_stands() {
        let corrections = new(&[ids("", &["a", "b"])]);
        assert!(corrections.skip_event(None, &churn("a")));
        assert!(corrections.skip_event(Some(at(0, 7)), &event("b", Body::Signup)));
        assert!(!corrections.skip_event(None, &churn("c")));
        assert!(!corrections.skip_record(at(0, 7)));
    }

    #[test]
    fn a_type_narrows_ids_and_ranges() {
        let narrowed = [ids("", &["a"]), offsets("", 0, 5, 6)];
        let corrections = new(&narrowed.map(|one| only(EventType::Churn, one)));
        assert!(corrections.skip_event(None, &churn("a")));
        assert!(!corrections.skip_event(None, &event("a", Body::Signup)));
        assert!(corrections.skip_event(Some(at(0, 5)), &churn("x")));
        assert!(!corrections.skip_event(Some(at(0, 5)), &event("x", Body::Signup)));
        assert!(!corrections.skip_record(at(0, 5)), "it may be another type");
    }

    #[test]
    fn every_correction_that_skips_a_record_is_named() {
        let corrections = new(&[
            offsets("", 0, 0, 9),
            ids("", &["a"]),
            only(EventType::Signup, ids("", &["a"])),
            ids("", &["b"]),
        ]);
        let skipping = |whence, event: &Event<'_>| -> Vec<usize> {
            corrections.skipping(Some(whence), Some(event)).collect()
        };
        assert_eq!(skipping(at(0, 4), &churn("a")), [0, 1]);
        assert_eq!(skipping(at(0, 10), &event("a", Body::Signup)), [1, 2]);
        assert_eq!(skipping(at(0, 10), &churn("x")), [0_usize; 0]);
        let undecoded: Vec<usize> = corrections.skipping(Some(at(0, 4)), None).collect();
        assert_eq!(undecoded, [0]);
    }

    #[test]
    fn the_fingerprint_is_of_what_is_skipped_and_of_nothing_else() {
        let [a, b] = [offsets("one", 0, 1, 5), ids("two", &["a", "b"])];
        let expected = new(&[a.clone(), b.clone()]).fingerprint();
        for same in [
            vec![b.clone(), a.clone()],
            vec![a.clone(), a.clone(), b.clone()],
            vec![offsets("else", 0, 1, 3), offsets("", 0, 4, 5), b.clone()],
            vec![offsets("", 0, 2, 5), offsets("", 0, 1, 3), b.clone()],
            vec![a.clone(), ids("", &["b"]), ids("", &["a", "b", "a"])],
            vec![a.clone(), only(EventType::Churn, b.clone()), b.clone()],
        ] {
            assert_eq!(new(&same).fingerprint(), expected, "{same:?}");
        }
        for other in [
            vec![],
            vec![a.clone()],
            vec![a.clone(), ids("", &["a"])],
            vec![offsets("", 0, 1, 6), b.clone()],
            vec![offsets("", 1, 1, 5), b.clone()],
            vec![only(EventType::Churn, a.clone()), b.clone()],
            vec![a, only(EventType::Churn, b)],
        ] {
            assert_ne!(new(&other).fingerprint(), expected, "{other:?}");
        }
    }

    #[test]
    fn an_id_is_not_hashed_as_a_customer_is() {
        let hashes = Hashes::new(KEY);
        assert_ne!(hashes.event_id("c-42"), hashes.customer("c-42").0);
        let shown = format!("{:?}", ids("", &["c-42", "c-43"]));
        assert!(shown.contains("EventIds(2)"), "{shown}");
    }
}

//! A short log out of bytes: few customers, few texts, every kind of event, and a log clock that
//! goes, leaps and stands still.
//!
//! ```text
//!  header 4: settings | where to cut | order and split | instant
//!  steps of 6: kind and flags | customer | when, 2 | content | log time
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use tenure::event::{Amount, Attributes, Body, Event, Survey, Timestamp};
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::shard::LastRecord;

/// More steps than this find nothing that fewer would not.
const MAX_STEPS: usize = 200;
const HEADER: usize = 4;
const STEP: usize = 6;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2026-01-01, in milliseconds since 1970.
const MIDDLE: i64 = 1_767_225_600_000;

/// What becomes of bytes.
#[derive(Debug)]
pub struct Script {
    pub settings: Arc<FoldSettings>,
    /// Some ids come again with other content, so that the order of arrival matters.
    pub conflicting: bool,
    /// Before which step a snapshot is taken, or an evaluation begins.
    pub cut: usize,
    /// Decides the order of arrival and the split over shards.
    pub shuffle: u8,
    /// What is asked about.
    pub at: Timestamp,
    pub steps: Vec<Step>,
}

/// One record.
#[derive(Debug)]
pub struct Step {
    /// None: a tombstone.
    pub event: Option<Event<'static>>,
    pub recorded_at: Option<Timestamp>,
}

impl Script {
    /// Nothing if there are not even bytes for the header.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let mut log_time = MIDDLE;
        let conflicting = header[0] & 1 != 0;
        let steps: Vec<Step> = rest
            .chunks_exact(STEP)
            .take(MAX_STEPS)
            .map(|step| Step::read(step, conflicting, &mut log_time))
            .collect();
        let history = [800, 40, 2, 365][usize::from(header[0] >> 1 & 3)] * DAY;
        let window = [7 * DAY, HOUR][usize::from(header[0] >> 3 & 1)];
        Some(Self {
            settings: Arc::new(FoldSettings {
                history_millis: history,
                duplicate_window_millis: window,
                dimensions: vec!["plan".to_owned(), "country".to_owned()],
                ..FoldSettings::default()
            }),
            conflicting,
            cut: usize::from(header[1]) % (steps.len() + 1),
            shuffle: header[2],
            at: instant(i64::from(header[3].cast_signed()) * 5 * DAY),
            steps,
        })
    }

    /// A shard that has read nothing.
    #[must_use]
    pub fn empty(&self) -> Shard {
        let mut shard = Shard::new(Arc::clone(&self.settings), 2);
        shard.start_at(0, 0);
        shard
    }
}

impl Step {
    /// Advances a shard over the record and folds it; false if the shard had it already.
    pub fn fold(&self, shard: &mut Shard, offset: i64) -> bool {
        if !shard.advance(0, offset, self.recorded_at) {
            return false;
        }
        if let Some(event) = &self.event {
            shard.fold(event);
        }
        shard.saw(
            0,
            LastRecord {
                offset,
                hash: u128::from(
                    self.recorded_at
                        .map_or(0, Timestamp::as_millis)
                        .unsigned_abs(),
                ),
                leader_epoch: (offset % 2 == 0).then_some(7),
            },
        );
        true
    }

    fn read(step: &[u8], conflicting: bool, log_time: &mut i64) -> Self {
        let [flags, customer, days, hours, content, clock] = step else {
            unreachable!("a step has {STEP} bytes");
        };
        let recorded_at = match clock {
            0 => None,
            1..=200 => {
                *log_time += i64::from(clock - 1) * HOUR;
                Some(instant(*log_time - MIDDLE))
            }
            // Leaps, of which a single one must not be believed.
            201..=254 => Some(instant((i64::from(*clock) - 227) * 100 * DAY)),
            255 => Some(Timestamp::from_millis(i64::MAX)),
        };
        let kind = flags & 7;
        if kind == 7 {
            return Self {
                event: None,
                recorded_at,
            };
        }
        let about = [kind, customer % 5, *days, *hours, *content, flags >> 3 & 3];
        let id = if conflicting && flags & 0x80 != 0 {
            format!("shared {}", flags >> 3 & 3)
        } else {
            // Whoever has the same id has the same content.
            format!("{about:?}")
        };
        let offset =
            i64::from(days.cast_signed()) * 10 * DAY + i64::from(hours.cast_signed()) * 6 * HOUR;
        let event = Event {
            id: id.into(),
            customer: format!("customer {}", customer % 5).into(),
            occurred_at: instant(offset),
            body: body(kind, *content),
            attributes: attributes(flags >> 3 & 3, *content),
        };
        Self {
            event: Some(event),
            recorded_at,
        }
    }
}

fn instant(from_middle: i64) -> Timestamp {
    let at = Timestamp::from_millis(MIDDLE.saturating_add(from_middle));
    at.clamp(Timestamp::FIRST, Timestamp::LAST)
}

fn body(kind: u8, content: u8) -> Body<'static> {
    let text = |few: &[&'static str]| {
        let found = few.get(usize::from(content >> 4) % (few.len() + 1));
        found.map(|text| Cow::Borrowed(*text))
    };
    let survey = |survey, lowest, steps| Body::Survey {
        survey,
        score: lowest + content % steps,
        channel: text(&["email", "in-app", "unspecified"]),
    };
    match kind {
        0 => Body::Signup,
        1 | 2 => Body::Purchase {
            amount: Amount::from_millionths(match content & 15 {
                15 => Amount::MAX.millionths(),
                14 => (1 << 43) + 1,
                13 => (1 << 43) - 1,
                few => u64::from(few) * 1_000_000,
            })
            .unwrap_or_default(),
            currency: text(&["EUR", "USD"]).unwrap_or(Cow::Borrowed("TRY")),
        },
        3 => Body::Churn {
            reason: text(&["price", "moved", "unspecified"]),
        },
        4 => survey(Survey::Nps, 0, 11),
        5 => survey(Survey::Csat, 1, 5),
        _ => survey(Survey::Ces, 1, 5),
    }
}

fn attributes(which: u8, content: u8) -> Attributes<'static> {
    let mut attributes = Attributes::default();
    let value = |few: [&'static str; 3]| Some(Cow::Borrowed(few[usize::from(content) % 3]));
    if which & 1 != 0 {
        attributes.values[0] = value(["pro", "free", "ö"]);
    }
    if which & 2 != 0 {
        attributes.values[1] = value(["TR", "DE", "unknown"]);
    }
    attributes
}

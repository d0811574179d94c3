//! Which checkpoint to go on from, given what the log still has.
//!
//! Owns the decision at restore, and nothing of how it is carried out. Promises that a state is gone
//! on from only if the log is still the one it was made of and still has every record behind it; that
//! an empty start is never passed off as the truth where there was state once; and that a loss is
//! named, record by record, before anybody may accept it. Does not know Kafka: what the log has is
//! asked through [`Log`].
//!
//! ```text
//!  newest checkpoint -- damaged ------------------------------> set aside, the next older one
//!        |           -- other format, other settings ---------> left where it is, the next older one
//!        | whole
//!  the log ---------- another topic id -----------------------> recreated       }  the next older one;
//!        |           -- ends before the position -------------> truncated       }  none fits: degraded
//!        |           -- another record before the position ---> either          }
//!        |           -- begins behind the position -----------> records deleted: degraded
//!        | goes on
//!   resume
//!
//!  none left: a state under settings with which these can go on, if the log cannot give all again
//!             --------------------------------------------------------------> resume
//!             there was state once, of which the log has lost the beginning --> history gone: degraded
//!             else -----------------------------------------------------------> a fresh start
//! ```

use std::fmt;
use std::sync::Arc;

use super::format::{Accepted, Header, Hex, Last, TopicId, TopicPosition, Unusable};
use super::name;
use super::shelf::{Checkpoint, Entry, LoadError, Shelf};
use super::store::{StoreError, StoreErrorKind};
use crate::ledger::settings::FoldSettings;
use crate::ledger::shard::LastRecord;

/// What a partition of a log has: from the first offset to the one that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub low: i64,
    pub high: i64,
}

/// Whether the record before a position is the one that was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witnessed {
    /// The same record.
    Same,
    /// Another one lies at that offset: it is another log.
    Other,
    /// None lies there any more: compacted or deleted, which proves nothing.
    Gone,
    /// There was no answer, which proves nothing either.
    Unknown,
}

/// The log of one partition number, as it is now; topics by their place in the configuration.
pub trait Log {
    fn bounds(&mut self, topic: usize) -> Bounds;

    /// None if the broker has no ids.
    fn topic_id(&mut self, topic: usize) -> Option<TopicId>;

    /// Whether the record at the witness's offset is still the one that was folded.
    fn witness(&mut self, topic: usize, last: &LastRecord) -> Witnessed;
}

/// What was committed to Kafka beside an offset: a sign that there was state once.
///
/// ```
/// use tenure::checkpoint::CommitMark;
///
/// let text = "tenure/1 base=17 fold=00000000000000ab id=AAAAAAAAAAAAAAAAAAAAAA";
/// let mark: CommitMark = text.parse().unwrap();
/// assert_eq!((mark.base_offset, mark.fold), (17, 0xab));
/// assert_eq!(mark.to_string(), text);
/// assert!("something of another consumer".parse::<CommitMark>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitMark {
    /// The first offset that was in the state.
    pub base_offset: i64,
    /// The first half of the fingerprint of the fold settings.
    pub fold: u64,
    pub id: Option<TopicId>,
}

const MARK: &str = "tenure/1";

impl CommitMark {
    /// The mark of a topic's position in the state; nothing while the topic was not read.
    #[must_use]
    pub fn of(header: &Header, topic: usize) -> Option<Self> {
        let position = header.topics.get(topic)?;
        Some(Self {
            base_offset: position.base_offset?,
            fold: name::first_half(header.fold.0),
            id: position.id,
        })
    }
}

impl fmt::Display for CommitMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MARK} base={} fold={:016x}",
            self.base_offset, self.fold
        )?;
        self.id.map_or(Ok(()), |id| write!(f, " id={id}"))
    }
}

impl std::str::FromStr for CommitMark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = "no mark of Tenure";
        let mut words = text.split(' ');
        if words.next() != Some(MARK) {
            return Err(error);
        }
        let (mut base_offset, mut fold, mut id) = (None, None, None);
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "base" => base_offset = value.parse().ok(),
                "fold" => fold = u64::from_str_radix(value, 16).ok(),
                "id" => id = value.parse().ok(),
                // Later versions may say more.
                _ => {}
            }
        }
        Ok(Self {
            base_offset: base_offset.ok_or(error)?,
            fold: fold.ok_or(error)?,
            id,
        })
    }
}

/// What an operator said at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accept {
    /// To go on although records are lost.
    pub history_loss: bool,
}

/// What is to be restored, and what is known beside the log.
pub struct Situation<'a> {
    pub partition: i32,
    /// How many partitions each topic has now.
    pub partitions: i32,
    pub settings: &'a Arc<FoldSettings>,
    /// By topic what was committed, if it was committed by Tenure.
    pub committed: &'a [Option<CommitMark>],
    pub accept: Accept,
}

/// Why the log does not lead on from a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// There was state once; it is gone, and so are the records it began with.
    HistoryGone,
    /// Records behind the position were deleted before they were read.
    RecordsDeleted,
    /// The log lost its end, records that are in the state among it.
    Truncated,
    /// The topic was deleted and made anew.
    Recreated,
}

impl Loss {
    pub const ALL: [Self; 4] = [
        Self::HistoryGone,
        Self::RecordsDeleted,
        Self::Truncated,
        Self::Recreated,
    ];

    /// The value of the label `reason` of metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HistoryGone => "history_gone",
            Self::RecordsDeleted => "records_deleted",
            Self::Truncated => "truncated",
            Self::Recreated => "recreated",
        }
    }
}

/// With what to go on.
#[derive(Debug)]
pub enum Choice {
    /// With nothing, from the beginning of the log as it is: a first start, or a log that still has
    /// everything. With losses only where an operator accepted them just now.
    Fresh { accepted: Vec<Accepted> },
    /// With this state, from just behind the last records that were applied, see
    /// [`step_back`](crate::ledger::Shard::step_back): what was stepped over since was no record, and
    /// may be one by now. Losses that were accepted are in its header, those of
    /// just now too; of those the positions have been moved already.
    Resume(Box<Checkpoint>),
    /// Not before an operator has accepted what is lost.
    Degraded {
        loss: Loss,
        /// What would be accepted, topic by topic.
        gaps: Vec<Accepted>,
        /// The state as it was, and with which it would go on.
        resume: Option<Box<Checkpoint>>,
    },
}

/// The choice, and what is worth telling about how it came about.
#[derive(Debug)]
pub struct Chosen {
    pub choice: Choice,
    pub notes: Vec<Note>,
}

/// Something that happened on the way to a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A damaged checkpoint was set aside; or could not be, which does not make it better.
    SetAside {
        key: String,
        why: Unusable,
        renamed: bool,
    },
    /// A checkpoint was left where it is: another version or other settings made it.
    Left { key: String, why: Unusable },
    /// A checkpoint was passed over because the log does not lead on from it.
    PassedOver { key: String, loss: Loss },
    /// A checkpoint was set aside, since the log it was made of is gone and an older one fits.
    Superseded { key: String, renamed: bool },
    /// Nobody could tell whether the record before the position is the same.
    NotWitnessed { topic: String },
    /// The log cannot be read again from its beginning, so the state goes on that was made under
    /// other settings; the present ones count from its next record on.
    SettingsChanged { key: String, before: Hex },
    /// The topics had another number of partitions: customers may have moved to other shards.
    PartitionsChanged { was: i32, now: i32 },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetAside {
                key,
                why,
                renamed: true,
            } => write!(f, "set {key} aside: {why}"),
            Self::SetAside { key, why, .. } => write!(f, "could not set {key} aside: {why}"),
            Self::Left { key, why } => write!(f, "left {key} as it is: {why}"),
            Self::PassedOver { key, loss } => {
                write!(
                    f,
                    "passed over {key}: the log does not lead on from it ({})",
                    loss.name()
                )
            }
            Self::Superseded { key, renamed: true } => {
                write!(f, "set {key} aside: its log is gone")
            }
            Self::Superseded { key, .. } => {
                write!(f, "could not set {key} aside: its log is gone")
            }
            Self::NotWitnessed { topic } => write!(
                f,
                "could not look at the last record of topic {topic}, and took it for the same"
            ),
            Self::SettingsChanged { key, .. } => write!(
                f,
                "the settings changed and the log no longer reaches back, so {key} goes on: the new \
                 settings count from its next record on"
            ),
            Self::PartitionsChanged { was, now } => {
                write!(f, "the topics had {was} partitions and have {now}")
            }
        }
    }
}

/// Chooses what to go on from.
///
/// # Errors
/// If the store does not answer: then nothing is known, and it has to be asked again. Never an empty
/// start because of a store.
pub fn choose(
    shelf: &Shelf,
    situation: &Situation<'_>,
    log: &mut dyn Log,
) -> Result<Chosen, StoreError> {
    let now = (0..shelf.topics().len())
        .map(|topic| TopicNow {
            name: shelf.topics()[topic].clone(),
            bounds: log.bounds(topic),
            id: log.topic_id(topic),
        })
        .collect();
    let mut choosing = Choosing {
        shelf,
        situation,
        log,
        now,
        notes: Vec::new(),
        unfit: Vec::new(),
        damaged: false,
    };
    let choice = choosing.choice()?;
    Ok(Chosen {
        choice,
        notes: choosing.notes,
    })
}

struct TopicNow {
    name: String,
    bounds: Bounds,
    id: Option<TopicId>,
}

/// A whole checkpoint from which the log does not lead on.
struct Unfit {
    entry: Entry,
    losses: Vec<(usize, Loss)>,
}

impl Unfit {
    /// The worst of the topics.
    fn loss(&self) -> Loss {
        let worst = self.losses.iter().map(|(_, loss)| *loss).max();
        worst.unwrap_or(Loss::RecordsDeleted)
    }
}

struct Choosing<'a> {
    shelf: &'a Shelf,
    situation: &'a Situation<'a>,
    log: &'a mut dyn Log,
    now: Vec<TopicNow>,
    notes: Vec<Note>,
    unfit: Vec<Unfit>,
    /// Whether one of this partition was damaged, so that nothing is known of it.
    damaged: bool,
}

impl Choosing<'_> {
    fn choice(&mut self) -> Result<Choice, StoreError> {
        for entry in self.shelf.newest_first(self.situation.partition)? {
            let Some(opened) = self.readable(&entry, self.shelf.open(&entry))? else {
                continue;
            };
            let losses = self.losses(&opened.header);
            if losses.is_empty() {
                let restored = opened.restore(self.situation.settings);
                let restored = restored.map_err(LoadError::from);
                let Some(checkpoint) = self.readable(&entry, restored)? else {
                    continue;
                };
                self.pass_over_for_good();
                return Ok(self.resume(checkpoint));
            }
            let unfit = Unfit { entry, losses };
            let loss = unfit.loss();
            self.notes.push(Note::PassedOver {
                key: unfit.entry.key.clone(),
                loss,
            });
            self.unfit.push(unfit);
            if loss == Loss::RecordsDeleted {
                // An older one needs the deleted records too, and more.
                break;
            }
        }
        let lost = self.unfit.first().map(Unfit::loss);
        if lost == Some(Loss::RecordsDeleted)
            && let Some(checkpoint) = self.made_under_others()?
        {
            return Ok(self.resume(checkpoint));
        }
        match self.degraded()? {
            Some(choice) => Ok(choice),
            None => self.without_any(),
        }
    }

    /// What was read, unless it is of no use; then that has been seen to.
    fn readable<T>(
        &mut self,
        entry: &Entry,
        outcome: Result<T, LoadError>,
    ) -> Result<Option<T>, StoreError> {
        let key = entry.key.clone();
        match outcome {
            Ok(read) => Ok(Some(read)),
            // Somebody else deleted it since it was listed, because there are newer ones.
            Err(LoadError::Store(error)) if error.kind == StoreErrorKind::Missing => Ok(None),
            Err(LoadError::Store(error)) => Err(error),
            Err(LoadError::Unusable(why @ Unusable::Damaged(_))) => {
                self.damaged = true;
                let renamed = self.shelf.set_aside(entry).is_ok();
                self.notes.push(Note::SetAside { key, why, renamed });
                Ok(None)
            }
            Err(LoadError::Unusable(why)) => {
                self.notes.push(Note::Left { key, why });
                Ok(None)
            }
        }
    }

    /// What the log lacks, by topic.
    fn losses(&mut self, header: &Header) -> Vec<(usize, Loss)> {
        let mut losses = Vec::new();
        for (topic, position) in header.topics.iter().enumerate() {
            if let Some(loss) = self.loss(topic, position) {
                losses.push((topic, loss));
            }
        }
        losses
    }

    fn loss(&mut self, topic: usize, position: &TopicPosition) -> Option<Loss> {
        let next_offset = position.next_offset?;
        let now = &self.now[topic];
        let same_id = now.id.zip(position.id).map(|(now, then)| now == then);
        if same_id == Some(false) {
            return Some(Loss::Recreated);
        }
        // Without ids nobody knows whether the log was cut or made anew.
        let another = if same_id.is_some() {
            Loss::Truncated
        } else {
            Loss::Recreated
        };
        // Markers behind the last record may be cut off: nothing of the state is theirs.
        let behind = position
            .last
            .map_or(position.base_offset, |last| Some(last.offset + 1));
        if now.bounds.high < behind.unwrap_or(next_offset) {
            return Some(Loss::Truncated);
        }
        if now.bounds.low > next_offset {
            return Some(Loss::RecordsDeleted);
        }
        let last = position.last.filter(|last| last.offset >= now.bounds.low)?;
        match self.log.witness(topic, &Last::into(last)) {
            Witnessed::Same | Witnessed::Gone => None,
            Witnessed::Other => Some(another),
            Witnessed::Unknown => {
                let topic = self.now[topic].name.clone();
                self.notes.push(Note::NotWitnessed { topic });
                None
            }
        }
    }

    /// Sets aside what the log was shown to contradict, now that an older state fits: once the log has
    /// grown, nothing might tell any more. Where the topic's id differs it always tells.
    fn pass_over_for_good(&mut self) {
        for unfit in std::mem::take(&mut self.unfit) {
            let told_by_id = unfit
                .losses
                .iter()
                .any(|(topic, loss)| *loss == Loss::Recreated && self.now[*topic].id.is_some());
            if !told_by_id {
                let renamed = self.shelf.supersede(&unfit.entry).is_ok();
                let key = unfit.entry.key;
                self.notes.push(Note::Superseded { key, renamed });
            }
        }
    }

    fn resume(&mut self, checkpoint: Checkpoint) -> Choice {
        let (was, now) = (checkpoint.header.partitions, self.situation.partitions);
        if was != now {
            self.notes.push(Note::PartitionsChanged { was, now });
        }
        Choice::Resume(Box::new(checkpoint))
    }

    /// The newest state that is whole and does not fit: what its log has lost.
    fn degraded(&mut self) -> Result<Option<Choice>, StoreError> {
        for unfit in std::mem::take(&mut self.unfit) {
            let loaded = self.shelf.load(&unfit.entry, self.situation.settings);
            let Some(mut checkpoint) = self.readable(&unfit.entry, loaded)? else {
                continue;
            };
            let gaps = self.gaps(&checkpoint.header, &unfit.losses);
            if !self.situation.accept.history_loss {
                return Ok(Some(Choice::Degraded {
                    loss: unfit.loss(),
                    gaps,
                    resume: Some(Box::new(checkpoint)),
                }));
            }
            for (topic, _) in &unfit.losses {
                let low = self.now[*topic].bounds.low;
                checkpoint.shard.accept_gap(*topic, low);
            }
            checkpoint.header.accepted.extend(gaps);
            return Ok(Some(self.resume(checkpoint)));
        }
        Ok(None)
    }

    /// From where to where nothing is known. Reading goes on with the first record there is: what is in
    /// the state already does not count twice.
    fn gaps(&self, header: &Header, losses: &[(usize, Loss)]) -> Vec<Accepted> {
        losses
            .iter()
            .map(|(topic, loss)| Accepted {
                topic: self.now[*topic].name.clone(),
                from: header.topics[*topic].next_offset.unwrap_or(0),
                to: self.now[*topic].bounds.low,
                reason: loss.name().to_owned(),
            })
            .collect()
    }

    /// There is no state to go on with: a first start, unless there was one and it cannot be made anew.
    fn without_any(&mut self) -> Result<Choice, StoreError> {
        let bases = self.bases()?;
        let mut gaps = Vec::new();
        let mut worst = None;
        for (topic, now) in self.now.iter().enumerate() {
            let low = now.bounds.low;
            let marks = bases.iter().filter(|base| base.topic == topic);
            let lost = marks
                .filter_map(|base| {
                    let same_id = now.id.zip(base.id).is_none_or(|(now, then)| now == then);
                    if !same_id {
                        Some((Loss::Recreated, base.offset))
                    } else if base.offset < low {
                        Some((Loss::HistoryGone, base.offset))
                    } else {
                        None
                    }
                })
                .max_by_key(|(loss, base)| (*loss, std::cmp::Reverse(*base)));
            if let Some((loss, base)) = lost {
                worst = worst.max(Some(loss));
                gaps.push(Accepted {
                    topic: now.name.clone(),
                    from: base,
                    to: low,
                    reason: loss.name().to_owned(),
                });
            }
        }
        if worst == Some(Loss::HistoryGone)
            && let Some(checkpoint) = self.made_under_others()?
        {
            return Ok(self.resume(checkpoint));
        }
        Ok(match worst {
            Some(loss) if !self.situation.accept.history_loss => Choice::Degraded {
                loss,
                gaps,
                resume: None,
            },
            _ => Choice::Fresh { accepted: gaps },
        })
    }

    /// The newest state that was made under settings with which these can go on, if the log leads on
    /// from it: what was folded under them cannot be folded again.
    fn made_under_others(&mut self) -> Result<Option<Checkpoint>, StoreError> {
        let others = self.shelf.others()?;
        let mut entries: Vec<Entry> = others
            .into_iter()
            .flat_map(|others| others.entries)
            .collect();
        entries.retain(|entry| entry.partition == self.situation.partition);
        entries.sort_by(|a, b| b.offset.cmp(&a.offset).then_with(|| a.key.cmp(&b.key)));
        for entry in entries {
            let opened = match self.shelf.open_other(&entry) {
                Ok(opened) => opened,
                Err(LoadError::Store(error)) if error.kind == StoreErrorKind::Missing => continue,
                Err(LoadError::Store(error)) => return Err(error),
                // It is others' to set aside.
                Err(LoadError::Unusable(_)) => continue,
            };
            if !self.losses(&opened.header).is_empty() {
                continue;
            }
            let before = opened.header.fold;
            if let Ok(checkpoint) = opened.go_on_under(self.situation.settings) {
                let key = entry.key;
                self.notes.push(Note::SettingsChanged { key, before });
                return Ok(Some(checkpoint));
            }
        }
        Ok(None)
    }

    /// All that tells of state that was there once: what was committed, checkpoints under other
    /// settings, and damaged ones, of which nothing is known but that they were.
    fn bases(&mut self) -> Result<Vec<Base>, StoreError> {
        let mut bases = Vec::new();
        for (topic, mark) in self.situation.committed.iter().enumerate() {
            bases.extend(mark.map(|mark| Base {
                topic,
                offset: mark.base_offset,
                id: mark.id,
            }));
        }
        // The log has its beginning: whatever there was can be made anew.
        if self.now.iter().all(|now| now.bounds.low == 0) {
            return Ok(bases);
        }
        for others in self.shelf.others()? {
            let mine = |entry: &&Entry| entry.partition == self.situation.partition;
            let newest = others.entries.iter().find(mine);
            let header = newest.and_then(|entry| self.shelf.peek(entry).ok());
            for (topic, position) in header
                .iter()
                .flat_map(|header| header.topics.iter().enumerate())
            {
                bases.extend(position.base_offset.map(|offset| Base {
                    topic,
                    offset,
                    id: position.id,
                }));
            }
        }
        let damaged = self.damaged || self.shelf.has_damaged(self.situation.partition)?;
        for topic in 0..self.now.len() {
            let known = bases.iter().any(|base| base.topic == topic);
            if damaged && !known {
                bases.push(Base {
                    topic,
                    offset: 0,
                    id: None,
                });
            }
        }
        Ok(bases)
    }
}

/// Where a state once began.
struct Base {
    topic: usize,
    offset: i64,
    id: Option<TopicId>,
}

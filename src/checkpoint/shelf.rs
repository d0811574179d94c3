//! The checkpoints of one service: those of its topics and its fold settings.
//!
//! Owns what lies where, and what may go. Promises that the newest is the one that folded furthest,
//! never the one that was written last; that nothing is deleted but what lies strictly below the
//! newest whole ones of its partition, as many as are to be kept; and that two services that write at
//! once can do no harm to each other, since each can add true checkpoints only and looks for those to
//! keep among its own offsets and below. Does not know how a choice between them is made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::format::{self, Accepted, CHECKSUM_BYTES, Changed, HEAD_BYTES, Header, Hex, Unusable};
use super::name::{self, Name, Standing};
use super::store::{Listed, Storage, StoreError, StoreErrorKind};
use crate::ledger::Shard;
use crate::ledger::settings::FoldSettings;
use crate::ledger::snapshot::{self, fingerprint};

/// A checkpoint as its name tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub partition: i32,
    /// The sum of the next offsets over the topics.
    pub offset: i64,
    /// The first half of the digest of the state.
    pub digest16: u64,
    /// Of the whole checkpoint.
    pub bytes: u64,
}

/// A state that was read back, with what is said about it.
#[derive(Debug)]
pub struct Checkpoint {
    pub header: Header,
    pub shard: Shard,
}

/// A checkpoint whose bytes are whole and whose header fits its name; the state is not made yet.
#[derive(Debug)]
pub struct Opened {
    pub header: Header,
    bytes: Vec<u8>,
    /// Where the body begins in the bytes.
    body: usize,
}

impl Opened {
    /// Bytes of the whole checkpoint.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The state in it.
    ///
    /// # Errors
    /// If it was made under other settings, or its facts do not have its digest.
    pub fn restore(self, settings: &Arc<FoldSettings>) -> Result<Checkpoint, Unusable> {
        let written_under = fingerprint(settings);
        self.restored(written_under, settings)
    }

    /// The state in it, to go on under these settings although it was made under others.
    ///
    /// # Errors
    /// If these cannot go on with it, or its facts do not have its digest.
    pub fn go_on_under(self, settings: &Arc<FoldSettings>) -> Result<Checkpoint, Unusable> {
        if !self.header.continued_by(settings) {
            return Err(Unusable::OtherSettings);
        }
        let written_under = self.header.fold.0;
        let until = self.header.offset();
        let mut checkpoint = self.restored(written_under, settings)?;
        checkpoint.header.changed.push(Changed {
            fold: Hex(written_under),
            until,
        });
        Ok(checkpoint)
    }

    fn restored(
        self,
        written_under: u128,
        settings: &Arc<FoldSettings>,
    ) -> Result<Checkpoint, Unusable> {
        let end = self.body + usize::try_from(self.header.bytes).unwrap_or(usize::MAX);
        let body = self.bytes.get(self.body..end);
        let body = body.ok_or(Unusable::Damaged("its body has another length"))?;
        let shard = snapshot::read_under(body, written_under, Arc::clone(settings))?;
        if !self.header.describes(&shard) {
            return Err(Unusable::Damaged("its header tells of another state"));
        }
        let header = self.header;
        Ok(Checkpoint { header, shard })
    }
}

/// Why a checkpoint was not loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// It was not read: another attempt may help.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was read, and is of no use.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// A checkpoint that was written.
#[derive(Debug, Clone)]
pub struct Saved {
    pub entry: Entry,
    /// What was deleted because there are enough newer ones.
    pub deleted: Vec<Entry>,
    /// What was found to be damaged meanwhile, and was set aside.
    pub damaged: Vec<Entry>,
    /// What was made of a log that has been given up, and was set aside.
    pub superseded: Vec<Entry>,
    /// Why older ones could not be looked through; they are the next time.
    pub not_thinned: Option<StoreError>,
}

/// What is not needed of one partition.
#[derive(Debug, Clone, Default)]
pub struct Surplus {
    /// Below the newest whole ones.
    pub below: Vec<Entry>,
    /// Among those to be kept, and no good.
    pub damaged: Vec<Entry>,
}

/// Checkpoints of the same topics, made under other fold settings.
#[derive(Debug, Clone)]
pub struct Others {
    /// The first half of the fingerprint of those settings.
    pub fold: u64,
    /// The newest first of each partition.
    pub entries: Vec<Entry>,
    /// What the newest of them says, as far as it could be read.
    pub header: Option<Header>,
}

/// The checkpoints of one service in a store.
pub struct Shelf {
    storage: Arc<dyn Storage>,
    topics: Vec<String>,
    /// The topics as they stand in names.
    family: String,
    fingerprint: u128,
    keep: usize,
    /// Of the checkpoints that were read or written by this process: whether they are whole. Bounded
    /// by what is listed.
    known: Mutex<BTreeMap<String, bool>>,
}

impl Shelf {
    /// The shelf of these topics and fold settings; of each partition `keep` whole checkpoints are
    /// kept, at least one.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        topics: &[String],
        fingerprint: u128,
        keep: usize,
    ) -> Self {
        Self {
            storage,
            family: name::topics(topics),
            topics: topics.to_vec(),
            fingerprint,
            keep: keep.max(1),
            known: Mutex::default(),
        }
    }

    /// The names of the topics, in the order of the configuration.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// The checkpoints of a partition, the one that folded furthest first.
    pub fn newest_first(&self, partition: i32) -> Result<Vec<Entry>, StoreError> {
        let folder = name::partition(&self.family, self.fold(), partition);
        let mut entries = self.entries(&folder)?;
        entries.retain(|entry| entry.partition == partition);
        Ok(entries)
    }

    /// The same of all partitions, in one listing.
    pub fn all(&self) -> Result<BTreeMap<i32, Vec<Entry>>, StoreError> {
        let mut all: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
        for entry in self.entries(&name::fold(&self.family, self.fold()))? {
            all.entry(entry.partition).or_default().push(entry);
        }
        Ok(all)
    }

    /// Whether any checkpoint of a partition was ever set aside as damaged.
    pub fn has_damaged(&self, partition: i32) -> Result<bool, StoreError> {
        let folder = name::partition(&self.family, self.fold(), partition);
        let listed = self.storage.list(&folder)?;
        Ok(listed.iter().any(|object| {
            Name::of_key(&object.key).is_some_and(|name| name.standing == Standing::Damaged)
        }))
    }

    /// Checkpoints of the same topics that were made under other settings.
    pub fn others(&self) -> Result<Vec<Others>, StoreError> {
        let mut folds: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
        for object in self.storage.list(&name::family(&self.family))? {
            if let Some((name, entry)) = entry(object)
                && name.fold != self.fold()
            {
                folds.entry(name.fold).or_default().push(entry);
            }
        }
        Ok(folds
            .into_iter()
            .map(|(fold, mut entries)| {
                sort(&mut entries);
                let header = entries.iter().find_map(|entry| self.peek(entry).ok());
                Others {
                    fold,
                    entries,
                    header,
                }
            })
            .collect())
    }

    /// What the header of a checkpoint says, without a look at the rest: nothing vouches for it.
    pub fn peek(&self, entry: &Entry) -> Result<Header, LoadError> {
        peek(&*self.storage, &entry.key)
    }

    /// Reads a checkpoint: every byte is checked, the state is not made yet.
    pub fn open(&self, entry: &Entry) -> Result<Opened, LoadError> {
        let opened = self.opened(entry);
        match &opened {
            Ok(_) => self.remember(&entry.key, true),
            Err(LoadError::Unusable(_)) => self.remember(&entry.key, false),
            Err(LoadError::Store(_)) => {}
        }
        opened
    }

    /// Reads a checkpoint of the same topics that was made under other settings.
    pub fn open_other(&self, entry: &Entry) -> Result<Opened, LoadError> {
        let opened = open(&*self.storage, &entry.key)?;
        let topics = opened.header.topics.iter().map(|topic| &topic.name);
        if topics.eq(&self.topics) {
            Ok(opened)
        } else {
            Err(Unusable::Damaged("it is of other topics").into())
        }
    }

    fn opened(&self, entry: &Entry) -> Result<Opened, LoadError> {
        let opened = open(&*self.storage, &entry.key)?;
        let topics = opened.header.topics.iter().map(|topic| &topic.name);
        if !topics.eq(&self.topics) {
            return Err(Unusable::Damaged("it is of other topics").into());
        }
        if opened.header.fold.0 != self.fingerprint {
            return Err(Unusable::OtherSettings.into());
        }
        Ok(opened)
    }

    /// Reads a checkpoint and makes its state.
    pub fn load(
        &self,
        entry: &Entry,
        settings: &Arc<FoldSettings>,
    ) -> Result<Checkpoint, LoadError> {
        let checkpoint = self.open(entry)?.restore(settings);
        if checkpoint.is_err() {
            self.remember(&entry.key, false);
        }
        Ok(checkpoint?)
    }

    /// Puts a damaged checkpoint aside: it is renamed, and not looked at again.
    pub fn set_aside(&self, entry: &Entry) -> Result<(), StoreError> {
        self.rename(entry, name::DAMAGED)
    }

    /// Puts a checkpoint aside whose log has been given up.
    pub fn supersede(&self, entry: &Entry) -> Result<(), StoreError> {
        self.rename(entry, name::SUPERSEDED)
    }

    fn rename(&self, entry: &Entry, suffix: &str) -> Result<(), StoreError> {
        let to = format!("{}{suffix}", entry.key);
        match self.storage.rename(&entry.key, &to) {
            // Somebody else was faster.
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(()),
            other => other,
        }
    }

    /// Writes a checkpoint, and deletes those that are not needed any more.
    ///
    /// A failure to thin out is no failure to save. See [`Shelf::add`].
    pub fn save(&self, header: Header, body: Vec<u8>) -> Result<Saved, StoreError> {
        let accepted = header.accepted.clone();
        let mut saved = Saved {
            entry: self.add(header, body)?,
            deleted: Vec::new(),
            damaged: Vec::new(),
            superseded: Vec::new(),
            not_thinned: None,
        };
        if let Err(error) = self.thin(&mut saved, &accepted) {
            saved.not_thinned = Some(error);
        }
        Ok(saved)
    }

    /// Writes a checkpoint and leaves all others as they are, which is faster where there is no time.
    ///
    /// After an error the checkpoint may be there; it is looked for, since it is the same whoever
    /// wrote it.
    pub fn add(&self, header: Header, body: Vec<u8>) -> Result<Entry, StoreError> {
        let name = header.name();
        let key = name.key();
        let bytes = format::seal(header, body);
        let entry = Entry {
            key: key.clone(),
            partition: name.partition,
            offset: name.offset,
            digest16: name.digest,
            bytes: bytes.len() as u64,
        };
        if let Err(error) = self.storage.put(&key, bytes) {
            let folder = name::partition(&name.topics, name.fold, name.partition);
            let listed = self.storage.list(&folder).unwrap_or_default();
            let there = listed
                .iter()
                .any(|object| object.key == key && object.bytes == entry.bytes);
            if !there {
                return Err(error);
            }
        }
        self.remember(&key, true);
        Ok(entry)
    }

    /// Deletes what lies below the newest whole checkpoints, this one and others at lower offsets.
    fn thin(&self, saved: &mut Saved, accepted: &[Accepted]) -> Result<(), StoreError> {
        let entries = self.newest_first(saved.entry.partition)?;
        self.forget_unlisted(saved.entry.partition, &entries);
        let (above, below): (Vec<Entry>, Vec<Entry>) = entries
            .into_iter()
            .partition(|entry| entry.offset > saved.entry.offset);
        if !accepted.is_empty() {
            self.supersede_among(above, accepted, saved)?;
        }
        let surplus = self.surplus(below)?;
        for entry in surplus.damaged {
            self.set_aside(&entry)?;
            saved.damaged.push(entry);
        }
        for entry in surplus.below {
            self.delete(&entry)?;
            saved.deleted.push(entry);
        }
        Ok(())
    }

    /// What is not needed among the checkpoints of one partition, the newest first: each of those to
    /// be kept is read, unless this process knows that it is whole.
    pub fn surplus(&self, entries: Vec<Entry>) -> Result<Surplus, StoreError> {
        let mut surplus = Surplus::default();
        let mut whole = 0;
        let mut last_kept = i64::MIN;
        for entry in entries {
            if whole == self.keep {
                if entry.offset < last_kept {
                    surplus.below.push(entry);
                }
                continue;
            }
            match self.whole(&entry) {
                Ok(true) => whole += 1,
                Err(LoadError::Unusable(Unusable::Damaged(_))) => {
                    surplus.damaged.push(entry.clone());
                }
                Ok(false) | Err(LoadError::Unusable(_)) => {}
                Err(LoadError::Store(error)) if error.kind == StoreErrorKind::Missing => {}
                Err(LoadError::Store(error)) => return Err(error),
            }
            last_kept = entry.offset;
        }
        Ok(surplus)
    }

    /// Sets aside what was folded further before a loss was accepted that the saved one knows of.
    fn supersede_among(
        &self,
        above: Vec<Entry>,
        accepted: &[Accepted],
        saved: &mut Saved,
    ) -> Result<(), StoreError> {
        for entry in above {
            let before = match self.peek(&entry) {
                Ok(header) => header.accepted,
                Err(LoadError::Unusable(_)) => continue,
                Err(LoadError::Store(error)) if error.kind == StoreErrorKind::Missing => continue,
                Err(LoadError::Store(error)) => return Err(error),
            };
            if before.len() < accepted.len() && accepted.starts_with(&before) {
                self.supersede(&entry)?;
                saved.superseded.push(entry);
            }
        }
        Ok(())
    }

    /// Takes a checkpoint away for good.
    pub fn delete(&self, entry: &Entry) -> Result<(), StoreError> {
        match self.storage.delete(&entry.key) {
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(()),
            other => other,
        }
    }

    /// Whether a checkpoint is whole; read once if this process has not seen it.
    fn whole(&self, entry: &Entry) -> Result<bool, LoadError> {
        let known = self.known().get(&entry.key).copied();
        match known {
            Some(whole) => Ok(whole),
            None => self.open(entry).map(|_| true),
        }
    }

    fn fold(&self) -> u64 {
        name::first_half(self.fingerprint)
    }

    /// The checkpoints of this shelf under a folder, by partition, the newest first.
    fn entries(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let listed = self.storage.list(folder)?;
        let mut entries: Vec<Entry> = listed
            .into_iter()
            .filter_map(entry)
            .filter(|(name, _)| name.topics == self.family && name.fold == self.fold())
            .map(|(_, entry)| entry)
            .collect();
        sort(&mut entries);
        Ok(entries)
    }

    fn remember(&self, key: &str, whole: bool) {
        self.known().insert(key.to_owned(), whole);
    }

    fn forget_unlisted(&self, partition: i32, entries: &[Entry]) {
        let folder = name::partition(&self.family, self.fold(), partition);
        self.known().retain(|key, _| {
            !key.starts_with(&folder) || entries.iter().any(|entry| entry.key == *key)
        });
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, bool>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the header of the checkpoint under a key says; nothing vouches for it.
///
/// # Errors
/// If it cannot be read, or does not begin like a checkpoint.
pub fn peek(storage: &dyn Storage, key: &str) -> Result<Header, LoadError> {
    let start = storage.get_start(key, HEAD_BYTES)?;
    match format::decode_start(&start) {
        Ok((header, _)) => Ok(header),
        Err(Unusable::Damaged(_)) if start.len() == HEAD_BYTES => {
            let whole = storage.get(key)?;
            Ok(format::decode(&whole).map(|(header, _)| header)?)
        }
        Err(unusable) => Err(unusable.into()),
    }
}

/// Reads the checkpoint under a key, and checks every byte, and the header against the name.
///
/// # Errors
/// If it cannot be read, or is not what was written under that name.
pub fn open(storage: &dyn Storage, key: &str) -> Result<Opened, LoadError> {
    let bytes = storage.get(key)?;
    let (header, body) = format::decode(&bytes)?;
    let body = bytes.len() - CHECKSUM_BYTES - body.len();
    let name = Name::of_key(key).map(|name| Name {
        standing: Standing::Listed,
        ..name
    });
    if name.is_some_and(|name| name != header.name()) {
        return Err(Unusable::Damaged("it has the name of another one").into());
    }
    Ok(Opened {
        header,
        bytes,
        body,
    })
}

/// Every checkpoint in a store, of whatever service, those that were set aside among them; by name.
///
/// # Errors
/// If the store does not tell.
pub fn census(storage: &dyn Storage) -> Result<Vec<(Name, Listed)>, StoreError> {
    let mut found: Vec<(Name, Listed)> = storage
        .list(name::ROOT)?
        .into_iter()
        .filter_map(|object| Some((Name::of_key(&object.key)?, object)))
        .collect();
    found.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
    Ok(found)
}

/// A listed object as an entry, if it is a checkpoint that is in use.
fn entry(object: Listed) -> Option<(Name, Entry)> {
    let name = Name::of_key(&object.key)?;
    let entry = Entry {
        partition: name.partition,
        offset: name.offset,
        digest16: name.digest,
        bytes: object.bytes,
        key: object.key,
    };
    (name.standing == Standing::Listed).then_some((name, entry))
}

/// By partition, then the one that folded furthest first; of equals in an order that is always the
/// same.
fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| {
        let furthest = b.offset.cmp(&a.offset);
        a.partition
            .cmp(&b.partition)
            .then(furthest)
            .then_with(|| a.key.cmp(&b.key))
    });
}

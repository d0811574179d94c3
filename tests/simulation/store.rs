//! A store that fails in every way a folder or a bucket can.
//!
//! Owns the objects, and what becomes of each operation: an error before or after it was carried out,
//! no answer in time and the work done later or never, a list that is behind, damage while nobody
//! looks, and with the power the loss of what was never synced. Promises that an operation is carried
//! out as a whole or not at all, as renames and object stores do, and fails at once when a deletion
//! leaves less than was to be kept. Does not know what the bytes are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenure::checkpoint::store::StoreErrorKind;
use tenure::checkpoint::{Listed, Storage, StoreError};

use super::dice::Dice;
use super::tally::Tally;

/// How much goes wrong: one in so many operations, never if it is zero.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    pub refused: usize,
    pub answer_lost: usize,
    pub hanging: usize,
    /// The newest objects that a list does not show.
    pub hidden: usize,
}

/// The objects, seen by everybody.
pub struct Store(Mutex<Inner>);

struct Inner {
    objects: BTreeMap<String, Object>,
    /// What is under a key on the disk itself, where that is something else than in `objects`.
    on_disk: BTreeMap<String, Option<Object>>,
    fsync: bool,
    keep: usize,
    trouble: Trouble,
    /// Puts without an answer that are carried out later: when, and what.
    late: Vec<(u32, String, Vec<u8>)>,
    now: u32,
    written: u64,
    /// By process, after how many more operations it dies, and those that have died so.
    dying: BTreeMap<u32, u32>,
    dead: BTreeSet<u32>,
    dice: Dice,
    tally: Tally,
}

#[derive(Debug, Clone)]
struct Object {
    bytes: Vec<u8>,
    /// In the order of writing.
    number: u64,
    /// Another one for every content.
    version: u64,
    condition: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Whole,
    /// It was whole when it was written, and is not any more.
    Rotten,
    /// It was never whole, or is of somebody else.
    Useless,
}

impl Store {
    pub fn new(fsync: bool, keep: usize, dice: Dice) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner {
            objects: BTreeMap::new(),
            on_disk: BTreeMap::new(),
            fsync,
            keep,
            trouble: Trouble::default(),
            late: Vec::new(),
            now: 0,
            written: 0,
            dying: BTreeMap::new(),
            dead: BTreeSet::new(),
            dice,
            tally: Tally::default(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time goes by: what was given up may happen now.
    pub fn tick(&self) {
        let mut inner = self.inner();
        inner.now += 1;
        let now = inner.now;
        let (due, later) = std::mem::take(&mut inner.late)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        inner.late = later;
        for (_, key, bytes) in due {
            inner.tally.fault("put carried out after its deadline");
            inner.write(&key, Some((bytes, Condition::Whole)), true);
        }
    }

    pub fn set_trouble(&self, trouble: Trouble) {
        self.inner().trouble = trouble;
    }

    /// Everything that was to happen happens, and nothing goes wrong any more.
    pub fn heal(&self) {
        let mut inner = self.inner();
        inner.trouble = Trouble::default();
        inner.dying.clear();
        for (_, key, bytes) in std::mem::take(&mut inner.late) {
            inner.write(&key, Some((bytes, Condition::Whole)), true);
        }
    }

    /// The process dies in the operation after so many more.
    pub fn let_die(&self, process: u32, after: u32) {
        self.inner().dying.insert(process, after);
    }

    pub fn died(&self, process: u32) -> bool {
        self.inner().dead.contains(&process)
    }

    /// What was never synced is there, or gone, or half there.
    pub fn lose_power(&self) {
        let mut inner = self.inner();
        inner.late.clear();
        for (key, on_disk) in std::mem::take(&mut inner.on_disk) {
            match inner.dice.below(3) {
                0 => {}
                1 => {
                    inner.tally.fault("unsynced change lost with the power");
                    match on_disk {
                        Some(object) => inner.objects.insert(key, object),
                        None => inner.objects.remove(&key),
                    };
                }
                _ => {
                    inner.written += 1;
                    let version = inner.written;
                    let Inner { objects, dice, .. } = &mut *inner;
                    if let Some(object) = objects.get_mut(&key)
                        && on_disk.is_none()
                        && !object.bytes.is_empty()
                    {
                        object.bytes.truncate(dice.below(object.bytes.len()));
                        object.condition = Condition::Useless;
                        object.version = version;
                        inner.tally.fault("unsynced object torn with the power");
                    }
                }
            }
        }
    }

    /// Damages one object while nobody looks.
    pub fn rot(&self) {
        let mut inner = self.inner();
        inner.written += 1;
        let version = inner.written;
        let Inner { objects, dice, .. } = &mut *inner;
        if objects.is_empty() {
            return;
        }
        let place = dice.below(objects.len());
        let Some(object) = objects.values_mut().nth(place) else {
            return;
        };
        if object.bytes.is_empty() || object.condition != Condition::Whole {
            return;
        }
        object.condition = Condition::Rotten;
        object.version = version;
        let name = if dice.one_in(3) {
            object.bytes.truncate(dice.below(object.bytes.len()));
            "object truncated"
        } else {
            let at = dice.below(object.bytes.len());
            object.bytes[at] ^= 1 << dice.below(8);
            "bit flipped"
        };
        inner.on_disk.clear();
        inner.tally.fault(name);
    }

    /// Puts something there that no process of ours wrote.
    pub fn litter(&self, key: &str, bytes: Vec<u8>) {
        let mut inner = self.inner();
        if !inner.objects.contains_key(key) {
            inner.tally.fault("foreign object");
            inner.write(key, Some((bytes, Condition::Useless)), true);
        }
    }

    /// The keys of all objects as they are, with a number for each content: for who checks, not for
    /// who is checked.
    pub fn truth(&self) -> Vec<(String, u64)> {
        let inner = self.inner();
        let objects = inner.objects.iter();
        objects
            .map(|(key, object)| (key.clone(), object.version))
            .collect()
    }

    pub fn content(&self, key: &str) -> Vec<u8> {
        let inner = self.inner();
        let object = inner.objects.get(key);
        object.map_or_else(Vec::new, |object| object.bytes.clone())
    }

    /// Whether a list shows everything.
    pub fn hides(&self) -> bool {
        self.inner().trouble.hidden > 0
    }

    pub fn take_tally(&self) -> Tally {
        std::mem::take(&mut self.inner().tally)
    }
}

impl Inner {
    /// What becomes of an operation: it is carried out or not, and answered or not.
    fn fate(&mut self, process: u32, tried: &str) -> Fate {
        if self.dead.contains(&process) {
            return Fate::Refused(error(StoreErrorKind::Failed, tried));
        }
        match self.dying.get_mut(&process) {
            Some(0) => {
                self.dying.remove(&process);
                self.dead.insert(process);
                self.tally
                    .fault("process killed in an operation of the store");
                // The work may be done although nobody is there to see it.
                let error = error(StoreErrorKind::Failed, tried);
                return if self.dice.one_in(2) {
                    Fate::AnswerLost(error)
                } else {
                    Fate::Refused(error)
                };
            }
            Some(more) => *more -= 1,
            None => {}
        }
        let Trouble {
            refused,
            answer_lost,
            hanging,
            ..
        } = self.trouble;
        let mut happens = |one_in: usize| one_in > 0 && self.dice.one_in(one_in);
        if happens(refused) {
            self.tally.fault("operation refused");
            Fate::Refused(error(StoreErrorKind::Failed, tried))
        } else if happens(answer_lost) {
            self.tally.fault("answer lost");
            Fate::AnswerLost(error(StoreErrorKind::Failed, tried))
        } else if happens(hanging) {
            self.tally.fault("no answer within the deadline");
            Fate::Hanging(error(StoreErrorKind::Deadline, tried))
        } else {
            Fate::Done
        }
    }

    fn write(&mut self, key: &str, content: Option<(Vec<u8>, Condition)>, synced: bool) {
        self.written += 1;
        let number = self.written;
        let before = match content {
            Some((bytes, condition)) => self.objects.insert(
                key.to_owned(),
                Object {
                    bytes,
                    number,
                    version: number,
                    condition,
                },
            ),
            None => self.objects.remove(key),
        };
        if synced {
            self.on_disk.remove(key);
        } else {
            self.on_disk.entry(key.to_owned()).or_insert(before);
        }
    }

    fn check_deletion(&self, key: &str) {
        let Some((folder, offset)) = place(key) else {
            panic!("{key} was deleted, which is no checkpoint");
        };
        let newer = self.objects.iter().filter(|(other, object)| {
            place(other).is_some_and(|(home, at)| home == folder && at > offset)
                && object.condition != Condition::Useless
        });
        let newer = newer.count();
        assert!(
            newer >= self.keep,
            "{key} was deleted with {newer} newer ones, {} are to be kept",
            self.keep
        );
    }
}

/// The folder and the offset of a checkpoint in use.
fn place(key: &str) -> Option<(&str, &str)> {
    let (folder, file) = key.rsplit_once('/')?;
    let (offset, _) = file.strip_suffix(".ckpt")?.split_once('-')?;
    Some((folder, offset))
}

enum Fate {
    Done,
    Refused(StoreError),
    AnswerLost(StoreError),
    Hanging(StoreError),
}

fn error(kind: StoreErrorKind, tried: &str) -> StoreError {
    StoreError::new(kind, tried, "the simulation wants it so")
}

fn missing(tried: &str) -> StoreError {
    error(StoreErrorKind::Missing, tried)
}

/// The store as one process sees it.
pub struct Seen {
    pub store: Arc<Store>,
    pub process: u32,
}

impl Storage for Seen {
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut inner = self.store.inner();
        match inner.fate(self.process, "list checkpoints") {
            Fate::Done => {}
            Fate::Refused(error) | Fate::AnswerLost(error) | Fate::Hanging(error) => {
                return Err(error);
            }
        }
        let folder = format!("{prefix}/");
        let objects = inner.objects.iter();
        let mut found: Vec<(u64, Listed)> = objects
            .filter(|(key, _)| key.starts_with(&folder))
            .map(|(key, object)| {
                let key = key.clone();
                let bytes = object.bytes.len() as u64;
                (object.number, Listed { key, bytes })
            })
            .collect();
        found.sort_by_key(|(number, _)| *number);
        let hidden = inner.trouble.hidden.min(found.len());
        if hidden > 0 {
            inner.tally.fault("list without the newest");
            found.truncate(found.len() - hidden);
        }
        // In no order.
        let first = inner.dice.below(found.len().max(1));
        found.rotate_left(first);
        Ok(found.into_iter().map(|(_, listed)| listed).collect())
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let mut inner = self.store.inner();
        match inner.fate(self.process, "read a checkpoint") {
            Fate::Done => {}
            Fate::Refused(error) | Fate::AnswerLost(error) | Fate::Hanging(error) => {
                return Err(error);
            }
        }
        let object = inner.objects.get(key);
        object
            .map(|object| object.bytes.clone())
            .ok_or_else(|| missing("read a checkpoint"))
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let mut inner = self.store.inner();
        let synced = inner.fsync;
        let content = |bytes| Some((bytes, Condition::Whole));
        match inner.fate(self.process, "write a checkpoint") {
            Fate::Done => {
                inner.write(key, content(bytes), synced);
                Ok(())
            }
            Fate::Refused(error) => Err(error),
            Fate::AnswerLost(error) => {
                inner.write(key, content(bytes), synced);
                Err(error)
            }
            Fate::Hanging(error) => {
                let at = inner.now + 1 + inner.dice.below(40) as u32;
                if inner.dice.one_in(2) {
                    inner.late.push((at, key.to_owned(), bytes));
                }
                Err(error)
            }
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut inner = self.store.inner();
        let tried = "rename a checkpoint";
        let fate = inner.fate(self.process, tried);
        if matches!(fate, Fate::Done | Fate::AnswerLost(_)) {
            let synced = inner.fsync;
            let Some(object) = inner.objects.get(from).cloned() else {
                return Err(missing(tried));
            };
            inner.write(to, Some((object.bytes, object.condition)), synced);
            inner.write(from, None, synced);
        }
        answer(fate)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        let mut inner = self.store.inner();
        let tried = "delete a checkpoint";
        let fate = inner.fate(self.process, tried);
        if matches!(fate, Fate::Done | Fate::AnswerLost(_)) {
            if !inner.objects.contains_key(key) {
                return Err(missing(tried));
            }
            inner.check_deletion(key);
            inner.write(key, None, false);
        }
        answer(fate)
    }
}

fn answer(fate: Fate) -> Result<(), StoreError> {
    match fate {
        Fate::Done => Ok(()),
        Fate::Refused(error) | Fate::AnswerLost(error) | Fate::Hanging(error) => Err(error),
    }
}

//! The schema registry: schemas by their ids, asked for once and kept.
//!
//! Owns what is known of schemas, the one thread that asks for them, and how long a schema is waited
//! for. A schema never changes under its id, so what is known stays known. Promises that looking up a
//! known schema takes no lock, that a registry that does not answer makes nothing unknown, and that
//! nothing of a record goes to the registry but the id in front of it. Reads no records: who has a
//! record with an unknown schema says so with [`Registry::want`], and holds the record back until it
//! [is settled](Registry::settled).
//!
//! ```text
//!  want(7) --> wanted --thread--> GET /schemas/ids/7 --+--> a schema: kept for ever
//!                ^                                     +--> no such id: asked again for a while,
//!                |                                     |    then settled as none
//!                +------- a little later --------------+--> no answer
//! ```

mod client;
mod patient;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::config::SchemaRegistrySettings;
use crate::event::schema::{Found, Schema, SchemaText, Schemas};
use crate::telemetry::Telemetry;

pub use client::{Client, Unanswered};
pub use patient::Patient;

/// How long an id of which the registry knows nothing is asked for again and again: a follower can be
/// behind its leader.
const GRACE: Duration = Duration::from_secs(10);
/// After an id was given up, further ones that the registry does not know are given up at once for so
/// long, or garbage would be waited for record by record.
const NO_FURTHER_GRACE: Duration = Duration::from_mins(1);
/// Between two questions for an id that the registry did not know, within the grace.
const ONCE_MORE: Duration = Duration::from_millis(500);
/// How often what was given up is asked for again.
const AGAIN: Duration = Duration::from_mins(1);
/// Ids that are asked for again; garbage can have any number of them.
const MOST_GIVEN_UP: usize = 256;
/// Pauses while the registry does not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the log says that it still does not.
const SAY_AGAIN: Duration = Duration::from_mins(5);
/// How soon a stop is noticed.
const PULSE: Duration = Duration::from_millis(100);

/// What is known of one id.
#[derive(Debug, Clone)]
enum Entry {
    Schema(Arc<Schema>),
    None,
    Unreadable,
}

/// The schemas of a registry, as far as anybody wanted them.
pub struct Registry {
    client: Client,
    known: ArcSwap<HashMap<u32, Entry>>,
    wanted: Mutex<Wanted>,
    changed: Condvar,
    /// Whether the last question was not answered.
    failing: AtomicBool,
    telemetry: Arc<Telemetry>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Wanted {
    /// With the instant at which the registry first said that it does not know the id.
    ids: BTreeMap<u32, Option<Instant>>,
    /// When an id was given up last.
    given_up: Option<Instant>,
    /// When the log said last that there is no answer.
    said: Option<Instant>,
}

/// What became of a question.
enum Asked {
    Settled,
    /// The registry does not know the id, which may change.
    Unknown,
    Unanswered,
}

impl Registry {
    /// A registry, if one is configured; an error if it cannot be asked as configured.
    pub fn new(
        settings: &SchemaRegistrySettings,
        telemetry: Arc<Telemetry>,
    ) -> Result<Option<Self>, String> {
        if settings.urls.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            client: Client::new(settings)?,
            known: ArcSwap::default(),
            wanted: Mutex::default(),
            changed: Condvar::new(),
            failing: AtomicBool::new(false),
            telemetry,
        }))
    }

    /// Asks for the schema with an id as soon as possible.
    pub fn want(&self, id: u32) {
        let mut wanted = self.wanted();
        if self.settled(id) {
            return;
        }
        wanted.ids.entry(id).or_insert(None);
        self.count(&wanted);
        self.changed.notify_all();
    }

    /// Whether nothing more is to be waited for: there is a schema, or it is certain that there is
    /// none that records can be read by.
    #[must_use]
    pub fn settled(&self, id: u32) -> bool {
        self.known.load().contains_key(&id)
    }

    /// Waits a little for an id that is wanted; false if it is not settled by then, at once if the
    /// registry does not answer anyhow.
    #[must_use]
    pub fn wait(&self, id: u32, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut wanted = self.wanted();
        while !self.settled(id) {
            let left = until.saturating_duration_since(Instant::now());
            let hopeless = self.failing.load(Ordering::Relaxed);
            if left.is_zero() || hopeless || wanted.ids.get(&id).is_some_and(Option::is_some) {
                return false;
            }
            let waited = self.changed.wait_timeout(wanted, left);
            wanted = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// How many schemas are wanted that are not known yet.
    #[must_use]
    pub fn awaited(&self) -> usize {
        self.waited_for(&self.wanted())
    }

    /// Asks for what is wanted until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        let mut pause = Duration::ZERO;
        let mut again_at = Instant::now() + AGAIN;
        while !stop.load(Ordering::Relaxed) {
            self.rest(pause, stop);
            if Instant::now() >= again_at {
                again_at = Instant::now() + AGAIN;
                self.ask_again();
            }
            let ids: Vec<u32> = self.wanted().ids.keys().copied().collect();
            let mut unanswered = false;
            let mut unknown = false;
            for id in ids {
                match self.ask(id) {
                    Asked::Settled => {}
                    Asked::Unknown => unknown = true,
                    Asked::Unanswered => {
                        unanswered = true;
                        break;
                    }
                }
            }
            pause = match (unanswered, unknown) {
                (true, _) => (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
                (false, true) => ONCE_MORE,
                (false, false) => Duration::ZERO,
            };
        }
    }

    /// Sleeps for the pause, and beyond it until something is wanted.
    fn rest(&self, pause: Duration, stop: &AtomicBool) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(PULSE.min(until.saturating_duration_since(Instant::now())));
        }
        let wanted = self.wanted();
        if wanted.ids.is_empty() {
            // Whoever wants something wakes it.
            drop(self.changed.wait_timeout(wanted, PULSE));
        }
    }

    fn ask(&self, id: u32) -> Asked {
        match self.client.schema(id) {
            Ok(written) => {
                self.telemetry.schemas.answered.inc();
                self.answers();
                self.settle(id, read(id, &written));
                Asked::Settled
            }
            Err(Unanswered::Unknown) => {
                self.telemetry.schemas.unknown.inc();
                self.answers();
                self.unknown(id)
            }
            Err(Unanswered::Half(reason)) => {
                self.telemetry.schemas.unknown.inc();
                self.answers();
                tracing::error!(
                    schema = id,
                    reason,
                    "records with this schema are rejected: the registry does not know all of it"
                );
                self.settle(id, Entry::Unreadable);
                Asked::Settled
            }
            Err(failed @ (Unanswered::Refused(_) | Unanswered::Failed(_))) => {
                match failed {
                    Unanswered::Refused(_) => self.telemetry.schemas.refused.inc(),
                    _ => self.telemetry.schemas.failed.inc(),
                }
                self.does_not_answer(id, &failed);
                Asked::Unanswered
            }
        }
    }

    /// The registry does not know an id: it is given up after a while.
    fn unknown(&self, id: u32) -> Asked {
        let now = Instant::now();
        let mut wanted = self.wanted();
        let first = *wanted.ids.entry(id).or_insert(None).get_or_insert(now);
        let spent = wanted
            .given_up
            .is_some_and(|at| now - at < NO_FURTHER_GRACE);
        // What was given up before is still so.
        let before = self.settled(id);
        if now - first < GRACE && !spent && !before {
            // Nobody has to wait in vain for it to come at once.
            self.changed.notify_all();
            return Asked::Unknown;
        }
        if !before {
            wanted.given_up = Some(now);
            tracing::warn!(
                schema = id,
                "records with this schema are rejected: the registry does not know it"
            );
        }
        drop(wanted);
        self.settle(id, Entry::None);
        Asked::Settled
    }

    /// Wants again what was given up, without holding anything back for it.
    fn ask_again(&self) {
        let known = self.known.load();
        let doubtful = known.iter().filter(|(_, entry)| !entry.is_schema());
        let doubtful: Vec<u32> = doubtful.map(|(id, _)| *id).collect();
        let mut wanted = self.wanted();
        for id in doubtful {
            wanted.ids.entry(id).or_insert(None);
        }
    }

    fn settle(&self, id: u32, entry: Entry) {
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            let given_up = known.values().filter(|entry| !entry.is_schema()).count();
            if given_up >= MOST_GIVEN_UP && !entry.is_schema() {
                known.retain(|_, entry| entry.is_schema());
            }
            known.insert(id, entry.clone());
            known
        });
        let known = self.known.load();
        let schemas = known.values().filter(|entry| entry.is_schema()).count();
        self.telemetry.schemas.known.set(schemas as i64);
        let mut wanted = self.wanted();
        wanted.ids.remove(&id);
        self.count(&wanted);
        self.changed.notify_all();
    }

    fn answers(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            self.wanted().said = None;
            tracing::info!("the schema registry answers again");
        }
    }

    fn does_not_answer(&self, id: u32, reason: &Unanswered) {
        self.failing.store(true, Ordering::Relaxed);
        self.changed.notify_all();
        let mut wanted = self.wanted();
        if wanted.said.is_none_or(|at| at.elapsed() > SAY_AGAIN) {
            wanted.said = Some(Instant::now());
            tracing::warn!(
                schema = id,
                %reason,
                "the schema registry does not answer: partitions whose next record has a schema that \
                 is not known yet wait for it (schema_registry.url)"
            );
        }
    }

    fn count(&self, wanted: &Wanted) {
        let awaited = self.waited_for(wanted);
        self.telemetry.schemas.awaited.set(awaited as i64);
    }

    /// What was given up is wanted again now and then, but nobody waits for it.
    fn waited_for(&self, wanted: &Wanted) -> usize {
        let known = self.known.load();
        let awaited = wanted.ids.keys().filter(|id| !known.contains_key(id));
        awaited.count()
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    const fn is_schema(&self) -> bool {
        matches!(self, Self::Schema(_))
    }
}

impl Schemas for Registry {
    fn find(&self, id: u32) -> Found {
        match self.known.load().get(&id) {
            Some(Entry::Schema(schema)) => Found::Schema(Arc::clone(schema)),
            Some(Entry::None) => Found::None,
            Some(Entry::Unreadable) => Found::Unreadable,
            None => Found::NotYet,
        }
    }
}

fn read(id: u32, written: &SchemaText) -> Entry {
    match Schema::read(written) {
        Ok(schema) => {
            tracing::debug!(schema = id, "a schema is known");
            Entry::Schema(Arc::new(schema))
        }
        Err(error) => {
            tracing::error!(
                schema = id,
                %error,
                "records with this schema are rejected: it cannot be read"
            );
            Entry::Unreadable
        }
    }
}

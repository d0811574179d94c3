//! A question to all partitions, wherever they are: who is asked for which, and who once more.
//!
//! Owns the rounds. Promises that each partition answers a question exactly once, by one instance, or
//! that the question is refused with the partition and the instance that stood in the way. A partition
//! that moves meanwhile is looked for again, for some seconds. Does not know what is asked.
//!
//! ```text
//!  partitions left   0 1 2 3 4 5 6 7 8
//!                    own    | tenure-1 | tenure-2
//!  round 1           0 1 2    3 4 5      "not mine: 8"      side by side
//!  partitions left                       6 7 8
//!  owners, asked again: 6 7 tenure-2, 8 own
//!  round 2           8                   6 7
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::cluster::asked::{Refused, Terms};
use crate::cluster::peers::{Elsewhere, Line, Owner, Peers, Unanswered};
use crate::engine::inquiry::waiting::Waiting;
use crate::engine::live::Live;
use crate::event::Timestamp;
use crate::measure::pass::HistoryGone;
use crate::serve::api::refusal::{Fits, Missing, Refusal, Trouble};

/// How long a partition that moves is looked for.
pub(super) const MOVING: Duration = Duration::from_secs(5);
/// How often it is looked whether whoever was asked still has what was asked for.
const LOOK: Duration = Duration::from_millis(100);
/// The other instance's time is over first, so that what it says is heard.
const LATER: Duration = Duration::from_secs(1);

/// What other instances have, and how they are asked.
#[derive(Default)]
pub(super) struct Others {
    /// Nothing where there are none, so that this instance has all there is.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    /// Nothing without a token.
    pub peers: Option<Arc<Peers>>,
}

/// A question as it is asked of partitions.
pub(super) trait Asking {
    /// What another instance says.
    type Answer: Send + 'static;

    /// Asks partitions of this instance; those that have answered, each in full.
    fn own(
        &mut self,
        partitions: &BTreeSet<i32>,
        waiting: &Waiting<'_>,
    ) -> Result<BTreeSet<i32>, Refusal>;

    /// How to ask partitions of another instance, on a thread of its own.
    fn call(&self, terms: Terms, of: Vec<i32>) -> Call<Self::Answer>;

    /// Takes what another instance says of all these partitions, or nothing of it.
    fn take(&mut self, of: &BTreeSet<i32>, answer: Self::Answer) -> Result<(), Trouble>;
}

/// Asks at an address, for a limited time.
pub(super) type Call<A> = Box<dyn FnOnce(&Line, &str, Duration) -> Result<A, Unanswered> + Send>;

/// The line of a question, of which nothing is left once this is dropped.
struct Held(Line);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.clone().hang_up();
    }
}

/// What one instance is asked for.
struct Part {
    owner: Owner,
    /// At least the first.
    of: BTreeSet<i32>,
    first: i32,
}

/// What becomes of a question that another instance has not answered.
enum Outlook {
    /// It may be answered if it is asked again.
    Again(Missing),
    Never(Refusal),
}

impl Part {
    fn missing(&self, trouble: Trouble) -> Missing {
        self.missing_of(self.first, trouble)
    }

    fn missing_of(&self, partition: i32, trouble: Trouble) -> Missing {
        Missing {
            partition,
            instance: Some(self.owner.instance.clone()),
            trouble,
        }
    }

    fn outlook(&self, unanswered: Unanswered) -> Outlook {
        match unanswered {
            Unanswered::Refused(refused) => self.outlook_of(refused),
            Unanswered::Unreached(why) => {
                Outlook::Again(self.missing(Trouble::Unreachable { why }))
            }
            Unanswered::NoAddress => Outlook::Never(self.missing(Trouble::NoAddress).into()),
            Unanswered::Unlike => Outlook::Never(self.missing(Trouble::Unlike).into()),
            Unanswered::Token => Outlook::Never(self.missing(Trouble::TokenRefused).into()),
            Unanswered::OtherVersion => Outlook::Never(self.missing(Trouble::OtherVersion).into()),
            Unanswered::TooLarge => Outlook::Never(too_much(1)),
            Unanswered::Busy => Outlook::Never(Refusal::Busy),
        }
    }

    /// The other instance has the same bounds, so most of what it says can be said as it is.
    fn outlook_of(&self, refused: Refused) -> Outlook {
        let never = |trouble| Outlook::Never(self.missing(trouble).into());
        let again = |partition, trouble| Outlook::Again(self.missing_of(partition, trouble));
        let first = self.first;
        match refused {
            Refused::NotMine { partitions } => again(
                partitions.first().copied().unwrap_or(first),
                Trouble::Moving,
            ),
            Refused::NotReached { partition, reached } => {
                again(partition, Trouble::NotReached { reached })
            }
            Refused::OtherPartitions { partitions } => {
                again(first, Trouble::OtherPartitions { partitions })
            }
            Refused::Stopping => again(first, Trouble::Stopping),
            Refused::OtherDefinition => never(Trouble::OtherDefinition),
            Refused::NotUnderstood => never(Trouble::Unlike),
            Refused::Degraded | Refused::Incomplete => never(Trouble::NotWhole),
            Refused::CustomersOff => never(Trouble::CustomersOff),
            Refused::Failed => never(Trouble::Failed),
            Refused::HistoryGone { needed, kept_since } => {
                Outlook::Never(HistoryGone { needed, kept_since }.into())
            }
            Refused::TooMuch { fits } => Outlook::Never(too_much(fits)),
            Refused::TimedOut { seconds } => Outlook::Never(Refusal::TimedOut { seconds }),
            Refused::Busy => Outlook::Never(Refusal::Busy),
            Refused::SplitCustomer => Outlook::Never(Refusal::SplitCustomer),
        }
    }
}

/// A question that is too large for some instance.
pub(super) fn too_much(fits: u64) -> Refusal {
    Refusal::TooMuch {
        fits: Fits(fits),
        way: "a longer step, a shorter time or a single period",
    }
}

impl Others {
    /// The partitions of which an answer has to be made: all there are.
    pub fn everything(&self, live: &Live) -> Result<BTreeSet<i32>, Refusal> {
        let partitions = match &self.elsewhere {
            Some(elsewhere) => elsewhere.partitions().ok_or(Refusal::NotReady)?,
            None if live.is_placed() => live.progress().partition_numbers(),
            None => return Ok(live.shards()),
        };
        Ok((0..partitions).collect())
    }

    /// Refuses where there are partitions that others read, and nobody tells which.
    pub fn known(&self, live: &Live) -> Result<(), Missing> {
        if self.elsewhere.is_some() || !live.is_placed() || live.progress().has_all() {
            return Ok(());
        }
        let here = live.shards();
        let mut all = 0..live.progress().partition_numbers();
        let away = all.find(|partition| !here.contains(partition));
        away.map_or(Ok(()), |partition| Err(self.ownerless(partition)))
    }

    fn ownerless(&self, partition: i32) -> Missing {
        let trouble = match self.elsewhere {
            Some(_) => Trouble::NoOwner,
            None => Trouble::NoReportTopic,
        };
        Missing {
            partition,
            instance: None,
            trouble,
        }
    }

    /// The instant that all partitions have reached, wherever they are.
    pub fn reached(&self, live: &Live) -> Result<Timestamp, Refusal> {
        let elsewhere = self.elsewhere.as_ref();
        let owners = elsewhere.map(|elsewhere| elsewhere.owners());
        let owners = owners.unwrap_or_default();
        let here = live.shards();
        let all = self.everything(live)?.into_iter();
        let reached = all.map(|partition| {
            let owner = owners.get(&partition);
            let (instance, reached) = if here.contains(&partition) {
                (None, live.shard_complete_until(partition))
            } else {
                let owner = owner.ok_or_else(|| self.ownerless(partition))?;
                (Some(&owner.instance), owner.reached)
            };
            reached.ok_or_else(|| Missing {
                partition,
                instance: instance.cloned(),
                trouble: Trouble::NotReached { reached: None },
            })
        });
        let reached: Result<Vec<Timestamp>, Missing> = reached.collect();
        reached?.into_iter().min().ok_or(Refusal::NotReady)
    }

    /// On what this instance and those that it asks have to agree.
    pub fn terms(&self, partitions: i32) -> Result<Terms, Refusal> {
        let elsewhere = self.elsewhere.as_ref();
        let definition = elsewhere.and_then(|elsewhere| elsewhere.definition());
        Ok(Terms {
            definition: definition.ok_or(Refusal::NotReady)?.to_string(),
            partitions,
        })
    }

    /// Asks all partitions, until each has answered.
    pub fn ask<A: Asking>(&self, asking: &mut A, waiting: &Waiting<'_>) -> Result<(), Refusal> {
        let mut left = self.everything(waiting.live)?;
        let line = self.peers.as_ref().map(|peers| Held(peers.line()));
        let mut moving_since = None;
        while let Some(missing) = self.round(asking, &mut left, waiting, line.as_ref())? {
            let since = moving_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= MOVING {
                return Err(missing.into());
            }
            waiting.moment()?;
        }
        Ok(())
    }

    /// Asks all that are left side by side, and says what has to be asked again, if anything.
    fn round<A: Asking>(
        &self,
        asking: &mut A,
        left: &mut BTreeSet<i32>,
        waiting: &Waiting<'_>,
        line: Option<&Held>,
    ) -> Result<Option<Missing>, Refusal> {
        let mut missing = None;
        let here = waiting.live.shards();
        let here: BTreeSet<i32> = left.intersection(&here).copied().collect();
        let (parts, ownerless) = self.parts(left.difference(&here));
        missing = missing.or(ownerless);
        let mut calls = Vec::new();
        for part in parts {
            let no_token = || part.missing(Trouble::TokenMissing);
            let Held(line) = line.ok_or_else(no_token)?;
            let answered = self.begin(&part, asking, waiting, line)?;
            calls.push((part, answered));
        }
        if !here.is_empty() {
            let answered = asking.own(&here, waiting)?;
            missing = missing.or_else(|| here.difference(&answered).next().map(|own| moving(*own)));
            left.retain(|partition| !answered.contains(partition));
        }
        for (part, answered) in calls {
            match self.hear(&part, &answered, waiting)? {
                Ok(answer) => {
                    let taken = asking.take(&part.of, answer);
                    taken.map_err(|trouble| part.missing(trouble))?;
                    left.retain(|partition| !part.of.contains(partition));
                }
                Err(Outlook::Again(again)) => missing = missing.or(Some(again)),
                Err(Outlook::Never(refusal)) => return Err(refusal),
            }
        }
        Ok(missing)
    }

    /// Waits for an answer, as long as whoever was asked has the partitions.
    fn hear<T>(
        &self,
        part: &Part,
        answered: &Receiver<Result<T, Unanswered>>,
        waiting: &Waiting<'_>,
    ) -> Result<Result<T, Outlook>, Refusal> {
        loop {
            match answered.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer.map_err(|unanswered| part.outlook(unanswered))),
                Err(RecvTimeoutError::Disconnected) => return Err(Refusal::Busy),
                Err(RecvTimeoutError::Timeout) => {}
            }
            waiting.over().map_err(|refusal| match refusal {
                Refusal::TimedOut { seconds } => part.missing(Trouble::Silent { seconds }).into(),
                refusal => refusal,
            })?;
            // Else it may be gone, and the next owner knows as much.
            let (now, ownerless) = self.parts(part.of.iter());
            if ownerless.is_some() || now.iter().any(|now| !now.owner.is_same(&part.owner)) {
                return Ok(Err(Outlook::Again(part.missing(Trouble::Moving))));
            }
        }
    }

    /// Who is asked for which of these partitions; and one that nobody has, if there is one.
    fn parts<'a>(&self, partitions: impl Iterator<Item = &'a i32>) -> (Vec<Part>, Option<Missing>) {
        let owners = self.elsewhere.as_ref().map(|elsewhere| elsewhere.owners());
        let owners = owners.unwrap_or_default();
        let mut parts: BTreeMap<(String, String), Part> = BTreeMap::new();
        let mut missing = None;
        for partition in partitions {
            let Some(owner) = owners.get(partition) else {
                missing = missing.or_else(|| Some(self.ownerless(*partition)));
                continue;
            };
            let whom = (owner.instance.clone(), owner.address.clone());
            let part = parts.entry(whom).or_insert_with(|| Part {
                owner: owner.clone(),
                of: BTreeSet::new(),
                first: *partition,
            });
            part.of.insert(*partition);
        }
        (parts.into_values().collect(), missing)
    }

    /// Begins to ask another instance, on a thread that ends by itself.
    fn begin<A: Asking>(
        &self,
        part: &Part,
        asking: &A,
        waiting: &Waiting<'_>,
        line: &Line,
    ) -> Result<Receiver<Result<A::Answer, Unanswered>>, Refusal> {
        let line = line.clone();
        let partitions = self.everything(waiting.live)?.len();
        let terms = self.terms(i32::try_from(partitions).unwrap_or(i32::MAX))?;
        let call = asking.call(terms, part.of.iter().copied().collect());
        let address = part.owner.address.clone();
        let time = waiting.until.saturating_duration_since(Instant::now()) + LATER;
        let (answer, answered) = bounded(1);
        let ask = move || {
            // Who asked may have given up.
            let _ = answer.send(call(&line, &address, time));
        };
        let begun = std::thread::Builder::new()
            .name("peer".to_owned())
            .spawn(ask);
        begun.map_err(|_| Refusal::Busy)?;
        Ok(answered)
    }
}

/// A partition of this instance that it has let go of meanwhile.
fn moving(partition: i32) -> Missing {
    Missing {
        partition,
        instance: None,
        trouble: Trouble::Moving,
    }
}

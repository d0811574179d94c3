//! What this instance says when another one asks.
//!
//! Promises that an answer is of exactly the partitions that were asked, each owned by this instance
//! and complete up to the latest instant of the question, and that it is by the same bounds and
//! conditions as an answer to anybody else. Whatever stands in the way is said by its name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::cluster::asked::{
    CustomerAnswer, CustomerQuestion, Known, PartialAnswer, PartialQuestion, Refused, Terms, read,
    written,
};
use crate::cluster::peers::{LARGEST_ANSWER, LARGEST_QUESTION};
use crate::engine::inquiry::{Inquiry, LOOK_UP_TIME, TIME, only};
use crate::event::Timestamp;
use crate::measure::period::Period;
use crate::measure::question::{Question, Sections};
use crate::serve::api::archive::{Asker, MOST_INSTANTS};
use crate::serve::api::refusal::Refusal;
use crate::serve::peers::Peers;

impl Peers for Inquiry {
    fn largest_question(&self) -> usize {
        LARGEST_QUESTION
    }

    fn partial(&self, question: &[u8], asker: &Asker) -> Option<Vec<u8>> {
        let question: PartialQuestion = read(question).ok()?;
        let instants = question.instants.len();
        let answer = answered(&self.contribution(&question, asker))?;
        if answer.len() <= LARGEST_ANSWER {
            return Some(answer);
        }
        let fits = (instants as u64 * LARGEST_ANSWER as u64 / answer.len() as u64).max(1);
        answered::<PartialAnswer>(&Err(Refused::TooMuch { fits }))
    }

    fn customer(&self, question: &[u8], asker: &Asker) -> Option<Vec<u8>> {
        let question: CustomerQuestion = read(question).ok()?;
        answered(&self.known(question, asker))
    }
}

fn answered<A: Serialize>(answer: &Result<A, Refused>) -> Option<Vec<u8>> {
    written(answer).or_else(|| written(&Err::<(), Refused>(Refused::Failed)))
}

impl Inquiry {
    fn contribution(
        &self,
        asked: &PartialQuestion,
        asker: &Asker,
    ) -> Result<PartialAnswer, Refused> {
        self.agree(&asked.terms)?;
        let question = Arc::new(self.rebuilt(asked)?);
        let of = self.all_here(&asked.of, question.latest())?;
        self.fits(&question).map_err(refused)?;
        let waiting = self.waiting(asker, TIME, out_of_time(TIME));
        let mut findings = self.nothing_found(&question);
        let answered = self
            .ask_here(&of, &question, &waiting, &mut findings)
            .map_err(refused)?;
        not_mine(of.difference(&answered))?;
        self.whole().map_err(refused)?;
        Ok(PartialAnswer {
            partial: findings.partial,
            grounds: findings.grounds.into_iter().map(Known::from).collect(),
            prune_line: findings.prune_line,
            rekeyed: findings.rekeyed,
        })
    }

    fn known(&self, asked: CustomerQuestion, asker: &Asker) -> Result<CustomerAnswer, Refused> {
        self.agree(&asked.terms)?;
        if !self.customers {
            return Err(Refused::CustomersOff);
        }
        if !(1..=256).contains(&asked.id.len()) {
            return Err(Refused::NotUnderstood);
        }
        let of = self.all_here(&asked.of, asked.at)?;
        let waiting = self.waiting(asker, LOOK_UP_TIME, out_of_time(LOOK_UP_TIME));
        let id: Arc<str> = asked.id.into();
        let mut found = Vec::new();
        let answered = self
            .search_here(&of, (&id, asked.at), &waiting, &mut found)
            .map_err(refused)?;
        not_mine(of.difference(&answered))?;
        Ok(CustomerAnswer {
            of: answered.into_iter().collect(),
            found: only(found).map_err(refused)?,
        })
    }

    /// Refuses whoever means other numbers.
    fn agree(&self, terms: &Terms) -> Result<(), Refused> {
        let (definition, partitions) = match &self.others.elsewhere {
            Some(elsewhere) => (
                elsewhere.definition().map(|known| known.to_string()),
                elsewhere.partitions(),
            ),
            None => {
                let partitions = self.live.shards().len();
                (
                    Some(self.definition.clone()),
                    i32::try_from(partitions).ok(),
                )
            }
        };
        if definition.as_ref() != Some(&terms.definition) {
            return Err(Refused::OtherDefinition);
        }
        match partitions {
            Some(partitions) if partitions == terms.partitions => Ok(()),
            partitions => Err(Refused::OtherPartitions {
                partitions: partitions.unwrap_or(0),
            }),
        }
    }

    /// The question as it was meant, or not at all.
    fn rebuilt(&self, asked: &PartialQuestion) -> Result<Question, Refused> {
        let ascending = asked.instants.is_sorted_by(|one, next| one < next);
        let possible = |at: &Timestamp| (Timestamp::FIRST..=Timestamp::LAST).contains(at);
        let instants = asked.instants.len() as u64;
        if !(1..=MOST_INSTANTS).contains(&instants)
            || !ascending
            || !asked.instants.iter().all(possible)
        {
            return Err(Refused::NotUnderstood);
        }
        let periods: Option<Vec<Period>> = asked.periods.iter().map(|text| period(text)).collect();
        let periods = periods.ok_or(Refused::NotUnderstood)?;
        if periods.iter().collect::<BTreeSet<_>>().len() != periods.len() {
            return Err(Refused::NotUnderstood);
        }
        let settings = if periods == self.settings.periods {
            Arc::clone(&self.settings)
        } else {
            self.with_periods(periods)
        };
        let sections = Sections::from_bits(asked.sections);
        Ok(Question::of(
            asked.instants.iter().copied(),
            sections,
            settings,
        ))
    }

    /// The partitions that are asked, if all of them are here and have reached an instant.
    fn all_here(&self, of: &[i32], at: Timestamp) -> Result<BTreeSet<i32>, Refused> {
        if self.live.is_stopping() {
            return Err(Refused::Stopping);
        }
        self.whole().map_err(refused)?;
        let asked: BTreeSet<i32> = of.iter().copied().collect();
        if asked.is_empty() || asked.len() != of.len() {
            return Err(Refused::NotUnderstood);
        }
        not_mine(asked.difference(&self.live.shards()))?;
        for &partition in &asked {
            let reached = self.live.shard_complete_until(partition);
            if reached.is_none_or(|reached| reached < at) {
                return Err(Refused::NotReached { partition, reached });
            }
        }
        Ok(asked)
    }
}

/// A period by its name, exactly as it is written back.
fn period(text: &str) -> Option<Period> {
    let period: Period = text.parse().ok()?;
    (period.to_string() == text).then_some(period)
}

fn not_mine<'a>(partitions: impl Iterator<Item = &'a i32>) -> Result<(), Refused> {
    let partitions: Vec<i32> = partitions.copied().collect();
    if partitions.is_empty() {
        return Ok(());
    }
    Err(Refused::NotMine { partitions })
}

fn out_of_time(time: Duration) -> Refusal {
    Refusal::TimedOut {
        seconds: time.as_secs(),
    }
}

/// What the other instance is told, for what somebody here would be told.
fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::HistoryGone(gone) => Refused::HistoryGone {
            needed: gone.needed,
            kept_since: gone.kept_since,
        },
        Refusal::TooMuch { fits, .. } => Refused::TooMuch { fits: fits.0 },
        Refusal::TimedOut { seconds } => Refused::TimedOut { seconds },
        Refusal::Busy => Refused::Busy,
        Refusal::Stopping => Refused::Stopping,
        Refusal::Degraded => Refused::Degraded,
        Refusal::Incomplete => Refused::Incomplete,
        Refusal::SplitCustomer => Refused::SplitCustomer,
        Refusal::Disabled => Refused::CustomersOff,
        Refusal::BadParameter { .. }
        | Refusal::UnknownParameter { .. }
        | Refusal::UnknownMetric { .. }
        | Refusal::NotReached { .. }
        | Refusal::NotReady
        | Refusal::Unauthorized
        | Refusal::UnknownUser
        | Refusal::Elsewhere
        | Refusal::OtherName
        | Refusal::NoPeer
        | Refusal::NoPeers
        | Refusal::TooManyRequests
        | Refusal::UnknownCustomer
        | Refusal::OtherInstances(_)
        | Refusal::Unwritable => Refused::Failed,
    }
}

//! What the kept facts are asked, and what they answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::event::Timestamp;
use crate::measure::catalogue::Measure;
use crate::measure::customer::Customer;
use crate::measure::period::Period;
use crate::measure::report::{Family, WithheldReason};
use crate::serve::api::refusal::Refusal;
use crate::serve::{Basis, Published};

/// Instants of one question, at most.
pub const MOST_INSTANTS: u64 = 2_000;

/// Where questions about the past are answered. Every answer can take a minute, so nobody may ask
/// on a thread that has anything else to do.
pub trait Archive: Send + Sync + 'static {
    /// The latest instant that every partition has reached.
    fn latest(&self) -> Result<Timestamp, Refusal>;

    /// The reports of some instants, all of one state of the log: ascending, each once.
    fn reports(&self, instants: &[Timestamp], asker: &Asker) -> Result<Vec<Published>, Refusal>;

    /// One measure at some instants.
    fn series(&self, question: &SeriesQuestion, asker: &Asker) -> Result<Series, Refusal>;

    /// What is known of the customer with this id.
    fn customer(&self, id: &str, asker: &Asker) -> Result<Customer, Refusal>;
}

/// One measure at some instants.
#[derive(Debug, Clone)]
pub struct SeriesQuestion {
    pub measure: &'static Measure,
    /// Of the periods this one alone, whether it is configured or not; else all configured ones.
    pub period: Option<Period>,
    /// Ascending, each once.
    pub instants: Vec<Timestamp>,
}

/// The answer to a question for one measure.
#[derive(Debug)]
pub struct Series {
    /// In the order of the instants.
    pub moments: Vec<Moment>,
    pub basis: Basis,
    /// From when on every event is kept one by one; `None` while nothing was pruned.
    pub history_start: Option<Timestamp>,
}

/// One measure at one instant, as a report of that instant has it.
#[derive(Debug)]
pub struct Moment {
    pub at: Timestamp,
    /// Of all periods that were evaluated, those that were asked for.
    pub family: Family,
    /// Why it is withheld, at least for one of the periods asked for.
    pub withheld: Vec<WithheldReason>,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Default)]
pub struct Asker(Arc<AtomicBool>);

impl Asker {
    /// Whether nobody waits any more, so that there is no need to go on.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What has to be kept while somebody waits.
    pub(in crate::serve) fn waiting(&self) -> Waiting {
        Waiting(self.clone())
    }
}

/// Somebody waits until this is dropped.
pub(in crate::serve) struct Waiting(Asker);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

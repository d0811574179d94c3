//! Retention and churn: what became of the customers of a period, and who departed, why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::texts::Texts;
use crate::measure::counts::Counts;
use crate::measure::life::{Life, Standing, Status};
use crate::measure::spell::{Cause, End};
use crate::measure::windows::Panes;

/// How departures without a churn event are labelled.
pub const INACTIVITY: &str = "inactivity";

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetentionSums {
    /// In the order of [`Status::ALL`].
    pub customers: [u64; 4],
    /// Customers whose first spell ever opened in the period.
    pub joined: u64,
    /// Of these, the ones who are not active at its end.
    pub early_churn: u64,
    /// Spells that opened in the period.
    pub opened: u64,
    /// Spells that ended in the period, by reason as text.
    pub departures: BTreeMap<String, u64>,
    /// Lost customers, by the reason for which their last spell ended.
    pub lost_by_reason: BTreeMap<String, u64>,
}

impl RetentionSums {
    #[must_use]
    pub const fn of(&self, status: Status) -> u64 {
        self.customers[status as usize]
    }

    /// `|S|`: customers active at the start.
    #[must_use]
    pub const fn at_start(&self) -> u64 {
        self.of(Status::Retained) + self.of(Status::Lost)
    }

    /// `|E|`: customers active at the end.
    #[must_use]
    pub const fn at_end(&self) -> u64 {
        self.of(Status::Retained) + self.of(Status::New) + self.of(Status::Reactivated)
    }

    /// All spells that ended in the period.
    #[must_use]
    pub fn departed(&self) -> u64 {
        self.departures.values().sum()
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.customers.iter_mut().zip(other.customers) {
            *mine += theirs;
        }
        self.joined += other.joined;
        self.early_churn += other.early_churn;
        self.opened += other.opened;
        add_up(&mut self.departures, &other.departures);
        add_up(&mut self.lost_by_reason, &other.lost_by_reason);
    }
}

fn add_up(mine: &mut BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>) {
    for (reason, count) in theirs {
        *mine.entry(reason.clone()).or_default() += count;
    }
}

/// The sums of the windows of a block while an evaluation is under way: reasons by code instead of
/// text.
#[derive(Debug, Default)]
pub struct RetentionTally {
    /// In the order of [`Status::ALL`].
    customers: [Counts; 4],
    joined: Counts,
    early_churn: Counts,
    opened: Counts,
    departures: ByCause,
    lost: ByCause,
}

#[derive(Debug, Default)]
struct ByCause {
    /// By code of the reason.
    by_reason: Vec<Counts>,
    by_inactivity: Counts,
}

impl RetentionTally {
    /// Counts what became of a customer.
    pub fn standing(&mut self, standing: &Standing) {
        self.customers[Status::Retained as usize].add(standing.retained);
        if standing.all_retained() {
            return;
        }
        for status in [Status::Lost, Status::New, Status::Reactivated] {
            self.customers[status as usize].add(standing.of(status));
        }
    }

    /// Counts what a customer's spells say beside its status.
    pub fn spells(&mut self, panes: &Panes, life: &Life, standing: &Standing) {
        let mut lost = standing.lost;
        // From the newest on, so that the first end that lies in a window is the last one there.
        for spell in life.spells.iter().rev() {
            self.opened.add(panes.at(spell.from).inside());
            let Some(end) = spell.end else {
                continue;
            };
            let inside = panes.at(end.at).inside();
            self.departures.of(end).add(inside);
            self.lost.of(end).add(inside & lost);
            lost = lost.without(inside);
        }
        if let Some(first) = life.spells.first() {
            let joined = panes.at(first.from).inside();
            self.joined.add(joined);
            self.early_churn.add(joined.without(standing.at_end()));
        }
    }

    /// The sums of a window by text.
    #[must_use]
    pub fn finish(&self, place: usize, reasons: &Texts) -> RetentionSums {
        RetentionSums {
            customers: self.customers.each_ref().map(|counts| counts.of(place)),
            joined: self.joined.of(place),
            early_churn: self.early_churn.of(place),
            opened: self.opened.of(place),
            departures: self.departures.by_text(place, reasons),
            lost_by_reason: self.lost.by_text(place, reasons),
        }
    }
}

impl ByCause {
    fn of(&mut self, end: End) -> &mut Counts {
        let Cause::Churn(reason) = end.cause else {
            return &mut self.by_inactivity;
        };
        let place = usize::from(reason);
        if self.by_reason.len() <= place {
            self.by_reason.resize(place + 1, Counts::default());
        }
        &mut self.by_reason[place]
    }

    fn by_text(&self, place: usize, reasons: &Texts) -> BTreeMap<String, u64> {
        let mut by_text = BTreeMap::new();
        let by_reason = reasons.iter().zip(&self.by_reason);
        for (reason, counts) in by_reason.chain([(INACTIVITY, &self.by_inactivity)]) {
            let count = counts.of(place);
            if count > 0 {
                *by_text.entry(reason.to_owned()).or_default() += count;
            }
        }
        by_text
    }
}

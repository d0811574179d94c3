//! The first reading of the file: is every line right, and what does it cover?
//!
//! Owns the counts and the list of bad lines. Promises that a line counts as good only if every event
//! that becomes of it would be taken by the service, and that nothing of a line's content is kept but
//! a hash of the customer. Writes nothing.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::command::import::facts::{self, Told, What, Writer};
use crate::command::import::row::{Row, Rows, Trouble};
use crate::command::import::table::{Column, Line};
use crate::event::decode::Decoder;
use crate::event::{EventType, Rejection, Timestamp};
use crate::measure::settings::{CustomerStart, EvaluationSettings};

/// So many bad lines are named one by one.
const NAMED: usize = 10;

/// Reads lines, and tells good ones from bad ones. The same lines give the same answers each time.
pub struct Checker<'a> {
    pub rows: Rows<'a>,
    pub decoder: Decoder,
    /// From when on the topic tells everything itself.
    pub until: Timestamp,
    /// Hashes of the customers that were there: 16 bytes each. Two of a billion customers share one
    /// with a probability of some percent, of ten million with one of a millionth.
    seen: HashSet<u64>,
    buffer: Vec<u8>,
}

/// What the lines have in common.
#[derive(Debug, Default)]
pub struct Checked {
    pub good: u64,
    /// By reason and column.
    pub bad: BTreeMap<Trouble, u64>,
    /// The first of them, with their line.
    pub named: Vec<(u64, Trouble)>,
    /// Events to be written, in the order of [`EventType::ALL`].
    pub events: [u64; 4],
    /// Customers of whom nothing is written, since the topic tells everything itself.
    pub left_to_the_topic: u64,
    /// Customers who left and are there again.
    pub came_back: u64,
    pub newest_at: Option<Timestamp>,
    /// Customers whose timeout cannot be told, and until when.
    pub unsure: Option<(u64, Timestamp)>,
}

impl<'a> Checker<'a> {
    pub fn new(rows: Rows<'a>, decoder: Decoder, until: Timestamp) -> Self {
        Self {
            rows,
            decoder,
            until,
            seen: HashSet::new(),
            buffer: Vec::new(),
        }
    }

    /// Forgets which customers were there, to read the file once more.
    pub fn begin_anew(&mut self) {
        self.seen = HashSet::new();
    }

    /// What the line says, if every event of it can be written.
    pub fn row(&mut self, line: &Line<'_>) -> Result<Row, Trouble> {
        let row = self.rows.row(line.cells)?;
        for told in facts::of(&row, self.until) {
            self.accepted(&row, &told)?;
        }
        let mut hasher = SipHasher13::new();
        hasher.write(row.customer.as_bytes());
        if !self.seen.insert(hasher.finish()) {
            return Err(Trouble {
                reason: "repeated_customer",
                column: Some(self.rows.names.theirs(Column::CustomerId.name()).to_owned()),
                help: "an earlier line has this customer; one line for each is expected",
            });
        }
        Ok(row)
    }

    /// Whether the service would take the event.
    fn accepted(&mut self, row: &Row, told: &Told<'_>) -> Result<(), Trouble> {
        // Attributes are read where the service asks for them; any text will do.
        Writer { attributes: &[] }.write(row, told, &mut self.buffer);
        let decoded = self.decoder.decode(&self.buffer, Some(self.rows.now));
        decoded.map_or_else(
            |rejection| Err(self.trouble(row, told, rejection)),
            |_| Ok(()),
        )
    }

    fn trouble(&self, row: &Row, told: &Told<'_>, rejection: Rejection) -> Trouble {
        let first = match told.what {
            What::Purchase(order) => row.first_order.as_ref() == Some(order),
            What::Signup | What::Nps(_) | What::Churn(_) => true,
        };
        let column = match (rejection.field, first) {
            (Some("customer_id"), _) => Some(Column::CustomerId),
            (Some("currency"), true) => Some(Column::FirstOrderCurrency),
            (Some("currency"), false) => Some(Column::LastOrderCurrency),
            (Some("amount"), true) => Some(Column::FirstOrderAmount),
            (Some("amount"), false) => Some(Column::LastOrderAmount),
            _ => None,
        };
        let column = column.map(|column| self.rows.names.theirs(column.name()).to_owned());
        Trouble {
            reason: rejection.reason.name(),
            column,
            help: rejection.hint.unwrap_or("see docs/events.md"),
        }
    }
}

impl Checked {
    /// Counts a line.
    pub fn add(
        &mut self,
        number: u64,
        row: Result<&Row, Trouble>,
        until: Timestamp,
        evaluation: &EvaluationSettings,
    ) {
        let row = match row {
            Ok(row) => row,
            Err(trouble) => {
                if self.named.len() < NAMED {
                    self.named.push((number, trouble.clone()));
                }
                *self.bad.entry(trouble).or_default() += 1;
                return;
            }
        };
        self.good += 1;
        let events = facts::of(row, until);
        self.left_to_the_topic += u64::from(events.is_empty());
        for told in &events {
            let kinds = EventType::ALL.iter().zip(&mut self.events);
            kinds.for_each(|(kind, count)| *count += u64::from(*kind == told.what.event_type()));
        }
        self.newest_at = self.newest_at.max(row.instants().max());
        self.came_back += u64::from(came_back(row));
        if let Some(at) = unsure_until(row, &events, until, evaluation) {
            let (customers, latest) = self.unsure.unwrap_or((0, at));
            self.unsure = Some((customers + 1, latest.max(at)));
        }
    }

    pub fn bad_lines(&self) -> u64 {
        self.bad.values().sum()
    }

    pub fn events(&self) -> u64 {
        self.events.iter().sum()
    }
}

/// Whether an opening comes after the churn.
fn came_back(row: &Row) -> bool {
    let Some(left_at) = row.churned_at else {
        return false;
    };
    let orders = [&row.first_order, &row.last_order];
    let orders = orders.map(|order| order.as_ref().map(|order| order.at));
    let opened = [row.active_since, row.last_activity, orders[0], orders[1]];
    opened.into_iter().flatten().any(|at| at > left_at)
}

/// Until when nobody can tell whether the timeout had passed: the line names an activity that the
/// topic has itself, and not the one before, after which the customer may have been gone.
fn unsure_until(
    row: &Row,
    events: &[Told<'_>],
    until: Timestamp,
    evaluation: &EvaluationSettings,
) -> Option<Timestamp> {
    let timeout = evaluation.inactivity_timeout_millis?;
    row.began_at().filter(|began| *began < until)?;
    let orders = [&row.first_order, &row.last_order];
    let orders = orders.map(|order| order.as_ref().map(|order| order.at));
    let hidden = [row.last_activity, orders[0], orders[1]];
    let hidden = hidden
        .into_iter()
        .flatten()
        .filter(|at| *at >= until)
        .max()?;
    let activity = events.iter().filter(|event| match event.what {
        What::Signup => evaluation.customer_starts_with == CustomerStart::Signup,
        What::Purchase(_) => true,
        What::Nps(_) | What::Churn(_) => false,
    });
    let known = activity.map(|event| event.at).max();
    let covered = known.is_some_and(|known| known.plus_millis(timeout) > hidden);
    (!covered).then_some(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::FIRST.plus_millis(day * 86_400_000)
    }

    #[test]
    fn a_last_activity_in_the_topic_s_time_hides_the_one_before() {
        let check =
            |since: i64, active: Option<i64>, timeout: Option<i64>, expected: Option<i64>| {
                let row = Row {
                    active_since: Some(at(since)),
                    last_activity: active.map(at),
                    ..Row::default()
                };
                let evaluation = EvaluationSettings {
                    inactivity_timeout_millis: timeout.map(|days| days * 86_400_000),
                    ..EvaluationSettings::default()
                };
                let events = facts::of(&row, at(100));
                let got = unsure_until(&row, &events, at(100), &evaluation);
                assert_eq!(got, expected.map(at), "{row:?}");
            };
        check(1, Some(105), None, None);
        check(1, Some(105), Some(90), Some(105));
        check(20, Some(105), Some(90), None);
        check(1, Some(99), Some(30), None);
        check(1, None, Some(30), None);
        check(101, Some(105), Some(3), None);
    }
}

//! Spells: when a customer was one.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact};
use super::period::Interval;
use super::settings::{Settings, StartsWith};

pub type Customers<'a> = BTreeSet<&'a str>;

/// One interval `[from, to)` during which a customer is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spell {
    pub from: i64,
    /// When and why it ended; none while no end is known.
    pub end: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub to: i64,
    /// The event's reason, `unspecified` or `inactivity`.
    pub reason: String,
}

/// Whether some spell `[from, to)` has `from < t <= to`.
pub fn active(spells: &[Spell], t: i64) -> bool {
    spells.iter().any(|spell| {
        let not_over = match &spell.end {
            Some(end) => t <= end.to,
            None => true,
        };
        spell.from < t && not_over
    })
}

/// What an event can do to a spell, in the order in which it does so at one instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Churn { reason: String },
    Activity,
}

/// The spells of one customer, from all its events in any order.
pub fn spells<'a>(facts: impl Iterator<Item = &'a Fact>, settings: &Settings) -> Vec<Spell> {
    let mut steps: Vec<(i64, Step)> = facts
        .filter_map(|fact| Some((fact.at, step(&fact.body, settings)?)))
        .collect();
    // By time; at one instant churn before activity, and of two churns the smaller reason text.
    steps.sort();

    let mut spells = Vec::new();
    let mut open: Option<Open> = None;
    for (at, step) in steps {
        // A timeout at the instant of an event takes effect before it.
        if let Some(spell) = &open
            && let Some(end) = timed_out(spell, settings)
            && end.to <= at
        {
            spells.push(spell.closed(end));
            open = None;
        }
        match (step, open) {
            (Step::Activity, None) => {
                open = Some(Open {
                    from: at,
                    last_activity: at,
                });
            }
            (Step::Activity, Some(spell)) => {
                open = Some(Open {
                    from: spell.from,
                    last_activity: at,
                });
            }
            (Step::Churn { reason }, Some(spell)) => {
                spells.push(spell.closed(End { to: at, reason }));
                open = None;
            }
            (Step::Churn { .. }, None) => open = None,
        }
    }
    if let Some(spell) = open {
        spells.push(Spell {
            from: spell.from,
            end: timed_out(&spell, settings),
        });
    }
    spells
}

/// A spell that no event has closed.
struct Open {
    from: i64,
    last_activity: i64,
}

impl Open {
    fn closed(&self, end: End) -> Spell {
        Spell {
            from: self.from,
            end: Some(end),
        }
    }
}

/// When the spell ends if nothing more happens.
fn timed_out(spell: &Open, settings: &Settings) -> Option<End> {
    let timeout = settings.inactivity_timeout?;
    Some(End {
        to: spell.last_activity + timeout,
        reason: "inactivity".to_owned(),
    })
}

fn step(body: &Body, settings: &Settings) -> Option<Step> {
    match body {
        Body::Signup if settings.customer_starts_with == StartsWith::Purchase => None,
        Body::Signup | Body::Purchase { .. } => Some(Step::Activity),
        Body::Churn { reason } => Some(Step::Churn {
            reason: reason.clone().unwrap_or("unspecified".to_owned()),
        }),
        Body::Survey { .. } => None,
    }
}

/// The spells of everybody of whom there is an event.
pub struct Lives<'a> {
    pub spells: BTreeMap<&'a str, Vec<Spell>>,
}

impl<'a> Lives<'a> {
    pub fn new(facts: &'a [Fact], settings: &Settings) -> Self {
        let customers: Customers = facts.iter().map(|fact| fact.customer.as_str()).collect();
        let mut lives = BTreeMap::new();
        for customer in customers {
            let theirs = facts.iter().filter(|fact| fact.customer == customer);
            lives.insert(customer, spells(theirs, settings));
        }
        Self { spells: lives }
    }

    fn those(&self, which: impl Fn(&[Spell]) -> bool) -> Customers<'a> {
        self.spells
            .iter()
            .filter(|(_, spells)| which(spells))
            .map(|(customer, _)| *customer)
            .collect()
    }

    pub fn active_at(&self, t: i64) -> Customers<'a> {
        self.those(|spells| active(spells, t))
    }

    /// Whose first spell ever opened at an instant that `when` accepts.
    pub fn first_opened(&self, when: impl Fn(i64) -> bool) -> Customers<'a> {
        self.those(|spells| {
            let first = spells.iter().map(|spell| spell.from).min();
            first.is_some_and(&when)
        })
    }

    pub fn opened_in(&self, interval: Interval) -> usize {
        let spells = self.spells.values().flatten();
        spells.filter(|spell| interval.contains(spell.from)).count()
    }

    /// The reason of every spell that ended in the interval.
    pub fn ended_in(&self, interval: Interval) -> Vec<&str> {
        let ends = self
            .spells
            .values()
            .flatten()
            .filter_map(|spell| spell.end.as_ref());
        ends.filter(|end| interval.contains(end.to))
            .map(|end| end.reason.as_str())
            .collect()
    }

    /// The end of the customer's last spell that opened before `t`.
    pub fn last_end(&self, customer: &str, t: i64) -> Option<i64> {
        let opened = self.spells[customer].iter().filter(|spell| spell.from < t);
        let last = opened.max_by_key(|spell| spell.from)?;
        last.end.as_ref().map(|end| end.to)
    }

    /// What became of those who were customers at the start or at the end.
    pub fn parts(&self, interval: Interval) -> Parts<'a> {
        let at_start = self.active_at(interval.t0);
        let at_end = self.active_at(interval.t1);
        let first_since_start = self.first_opened(|from| from >= interval.t0);
        let arrived: Customers = at_end.difference(&at_start).copied().collect();
        Parts {
            retained: at_start.intersection(&at_end).copied().collect(),
            lost: at_start.difference(&at_end).copied().collect(),
            new: arrived.intersection(&first_since_start).copied().collect(),
            reactivated: arrived.difference(&first_since_start).copied().collect(),
        }
    }
}

/// The customers of a period, each in one part.
pub struct Parts<'a> {
    pub retained: Customers<'a>,
    pub lost: Customers<'a>,
    pub new: Customers<'a>,
    pub reactivated: Customers<'a>,
}

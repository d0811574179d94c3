//! Spells: when a customer was one.

use super::log::{Body, Fact};
use super::settings::{Settings, StartsWith};

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

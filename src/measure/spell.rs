//! Spells: the intervals during which a customer is active.
//!
//! ```text
//!            from             to
//!  ------------|==============]------------[===========>   active(c, t): from < t <= to
//!            signup         churn       purchase
//!                                        from, to unknown
//!
//!  with a timeout:
//!  ------------|====o====o------ timeout -----]------   ends at the last activity + timeout,
//!            signup  purchases                to         before anything at that instant
//! ```
//!
//! A spell is a function of the set of facts: the facts come sorted, a churn before the events that
//! open a spell at the same instant, so a change of plan that is sent as an end and a start leaves
//! no gap.

use crate::event::Timestamp;
use crate::ledger::base::{Base, Span};
use crate::ledger::fact::Kind;
use crate::measure::settings::CustomerStart;

/// What a customer's spells depend on beside its facts.
#[derive(Debug, Clone, Copy)]
pub struct SpellRules<'a> {
    pub starts_with: CustomerStart,
    pub timeout_millis: Option<i64>,
    /// By code of a reason, its place among the reasons in the order of their texts.
    pub reason_ranks: &'a [u8],
}

/// One interval of activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    pub from: Timestamp,
    pub end: Option<End>,
}

/// How a spell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub at: Timestamp,
    pub cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A churn event, with the code of its reason.
    Churn(u8),
    Inactivity,
}

impl Spell {
    /// Whether the customer is active at `t`, by the left limit: `from < t <= to`.
    #[must_use]
    pub fn active_at(&self, t: Timestamp) -> bool {
        self.from < t && self.end.is_none_or(|end| t <= end.at)
    }
}

/// Finds the spells of one customer from its facts, which must come in order.
///
/// A spell that times out in the future has that end already: nothing before it can tell.
pub struct Walk<'a> {
    rules: SpellRules<'a>,
    open: Option<Open>,
    spells: &'a mut Vec<Spell>,
}

#[derive(Clone, Copy)]
struct Open {
    from: Timestamp,
    last_activity: Timestamp,
}

impl<'a> Walk<'a> {
    /// Begins with a customer; `spells` is what will hold its spells in order of time.
    pub fn new(rules: SpellRules<'a>, base: Option<&Base>, spells: &'a mut Vec<Spell>) -> Self {
        spells.clear();
        let mut walk = Self {
            rules,
            open: None,
            spells,
        };
        if let Some(base) = base {
            walk.begin_with(base);
        }
        walk
    }

    /// Takes the next fact of the customer. What is neither a sign-up, an order nor a churn says
    /// nothing here.
    pub fn take(&mut self, instant: Timestamp, kind: Kind, payload: u8) {
        match kind {
            Kind::Churn => self.churn(instant, payload),
            Kind::Signup => self.signup(instant),
            Kind::Order => self.order(instant),
            Kind::Nps | Kind::Csat | Kind::Ces | Kind::Attributes => {}
        }
    }

    /// Takes a sign-up, in place of [`Walk::take`].
    #[inline]
    pub fn signup(&mut self, instant: Timestamp) {
        if self.rules.starts_with == CustomerStart::Signup {
            self.activity(instant);
        }
    }

    /// Takes an order, in place of [`Walk::take`].
    #[inline]
    pub fn order(&mut self, instant: Timestamp) {
        self.activity(instant);
    }

    /// Takes a churn, in place of [`Walk::take`]. Of two churns at one instant the smaller text of a
    /// reason counts.
    pub fn churn(&mut self, instant: Timestamp, reason: u8) {
        self.time_out(instant);
        if self.open.is_some() {
            self.close(instant, Cause::Churn(reason));
            return;
        }
        let rank = |code: u8| self.rules.reason_ranks.get(usize::from(code));
        if let Some(Spell { end: Some(end), .. }) = self.spells.last_mut()
            && let Cause::Churn(other) = end.cause
            && end.at == instant
            && rank(reason) < rank(other)
        {
            end.cause = Cause::Churn(reason);
        }
    }

    /// The spell that was open at the prune line, or the fact that there was one before.
    fn begin_with(&mut self, base: &Base) {
        let signups = match self.rules.starts_with {
            CustomerStart::Signup => base.signups,
            CustomerStart::Purchase => None,
        };
        let opened = match (signups, base.orders) {
            (Some(a), Some(b)) => Some(Span {
                first: a.first.min(b.first),
                last: a.last.max(b.last),
            }),
            (a, b) => a.or(b),
        };
        let Some(Span { first, last }) = opened else {
            return;
        };
        match base.last_churn_at {
            Some(churn) if churn > last => {
                let end = End {
                    at: churn,
                    cause: Cause::Churn(0),
                };
                self.spells.push(Spell {
                    from: first,
                    end: Some(end),
                });
            }
            _ => {
                self.open = Some(Open {
                    from: first,
                    last_activity: last,
                });
            }
        }
    }

    #[inline]
    fn activity(&mut self, instant: Timestamp) {
        self.time_out(instant);
        let from = self.open.map_or(instant, |open| open.from);
        self.open = Some(Open {
            from,
            last_activity: instant,
        });
    }

    /// A timeout at the instant of an event takes effect before it.
    #[inline]
    fn time_out(&mut self, instant: Timestamp) {
        if let (Some(open), Some(timeout)) = (self.open, self.rules.timeout_millis) {
            let ends_at = open.last_activity.plus_millis(timeout);
            if ends_at <= instant {
                self.close(ends_at, Cause::Inactivity);
            }
        }
    }

    fn close(&mut self, at: Timestamp, cause: Cause) {
        if let Some(open) = self.open.take() {
            self.spells.push(Spell {
                from: open.from,
                end: Some(End { at, cause }),
            });
        }
    }

    /// Ends with the spell that no fact has closed, if there is one.
    pub fn finish(mut self) {
        self.time_out(Timestamp::from_millis(i64::MAX));
        if let Some(open) = self.open {
            self.spells.push(Spell {
                from: open.from,
                end: None,
            });
        }
    }
}

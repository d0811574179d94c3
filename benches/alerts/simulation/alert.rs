//! One alert as Prometheus keeps it: inactive, pending, firing, and firing on.

use super::{Step, steps};

/// Its state, from one evaluation of its rule to the next.
#[derive(Debug, Clone)]
pub struct Alert {
    wait: Step,
    keep: Step,
    since: Option<Step>,
    /// The last evaluation at which the condition held.
    held_at: Step,
    firing: bool,
}

impl Alert {
    /// An alert with this `for` and this `keep_firing_for`, in milliseconds.
    pub fn new(for_millis: i64, keep_firing_millis: i64) -> Self {
        Self {
            wait: steps(for_millis),
            keep: steps(keep_firing_millis),
            since: None,
            held_at: 0,
            firing: false,
        }
    }

    /// Evaluates the rule; true if somebody is paged, which is when the alert begins to fire.
    pub fn evaluate(&mut self, at: Step, holds: bool) -> bool {
        if !holds {
            // The first evaluation without the condition begins the time for which it fires on.
            if !self.firing || at > self.held_at + self.keep {
                (self.since, self.firing) = (None, false);
            }
            return false;
        }
        self.held_at = at;
        let since = *self.since.get_or_insert(at);
        let begins = !self.firing && at >= since + self.wait;
        self.firing |= begins;
        begins
    }

    pub fn firing(&self) -> bool {
        self.firing
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::MINUTES;

    /// Evaluates with what holds at each step, `1` or `0`; says when the alert fired and paged.
    fn check(held: &str, fired: &str, paged: &str) {
        let millis = MINUTES as i64 * 60_000;
        let mut alert = Alert::new(2 * millis, 3 * millis);
        let flag = |flag: bool| if flag { '1' } else { '0' };
        let (mut firing, mut pages) = (String::new(), String::new());
        for (at, holds) in held.chars().enumerate() {
            pages.push(flag(alert.evaluate(at, holds == '1')));
            firing.push(flag(alert.firing()));
        }
        assert_eq!((firing.as_str(), pages.as_str()), (fired, paged), "{held}");
    }

    #[test]
    fn an_alert_waits_and_goes_on_as_in_prometheus() {
        check("1111", "0011", "0010");
        check("110110", "000000", "000000");
        // Fires on until three steps after the first without the condition.
        check("11100000", "00111100", "00100000");
        check("1110011000000", "0011111111000", "0010000000000");
        check("111000011111", "001111000111", "001000000100");
    }
}

//! Since when everybody is known: what the file and the topic cover together.
//!
//! Owns the rule and its words. Promises an instant that is never earlier than what the two of them
//! can show. Knows neither file nor topic, only what was found in them.
//!
//! ```text
//!        the file: everybody's past            the topic: everything that happens
//!  -----------------------------------------|=============================================>
//!                                       begins_at     written_at
//!                                           |             |
//!   the file names who left:       since here             |
//!   it does not: who left between the two is in neither,  since here
//! ```

use crate::event::Timestamp;

/// What is known of file and topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    pub now: Timestamp,
    /// From when on the topic holds everything; now, if it holds nothing.
    pub begins_at: Timestamp,
    /// The file tells of nothing that happened later.
    pub written_at: Timestamp,
    /// The newest instant in the file.
    pub newest_at: Option<Timestamp>,
    /// Whether the file has a column for customers who left.
    pub names_the_lost: bool,
    /// Customers of whom the file names an activity in the topic's time alone, so that nobody knows
    /// whether the timeout had passed before, and the latest of these activities.
    pub unsure: Option<(u64, Timestamp)>,
}

/// Since when everybody is known, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    pub at: Timestamp,
    pub why: String,
}

impl Evidence {
    /// The instant that was given, if it can be true, else the earliest that is.
    ///
    /// # Errors
    /// With what speaks against the instant that was given.
    pub fn since(&self, given: Option<Timestamp>) -> Result<Since, String> {
        let Some(at) = given else {
            return Ok(self.earliest());
        };
        if at > self.now {
            return Err(format!("--complete-since {at} lies in the future"));
        }
        if at < self.begins_at {
            return Err(format!(
                "--complete-since {at}: the records of the topic begin at {}; what happened between \
                 the two is in neither the file nor the topic",
                self.begins_at
            ));
        }
        let newest = self.newest_at.filter(|newest| *newest >= at);
        if let Some(newest) = newest.filter(|_| !self.names_the_lost) {
            return Err(format!(
                "--complete-since {at}: the file tells of {newest}, so it was written later, and has no \
                 column churned_at: whoever left in between is in neither the file nor the topic's sign-ups; \
                 add the customers who left, with churned_at, or give a later time ({})",
                self.earliest().at
            ));
        }
        if let Some((customers, until)) = self.unsure.filter(|(_, until)| *until >= at) {
            return Err(format!(
                "--complete-since {at}: of {customers} customers the file names a last activity after \
                 {} alone, so nobody knows whether inactivity_timeout had passed before; export the last \
                 activity before {at}, or give a time after {until}",
                self.begins_at
            ));
        }
        let why = format!(
            "as given: the file is taken to hold everybody who was a customer then, and the topic holds \
             everything since {}",
            self.begins_at
        );
        Ok(Since { at, why })
    }

    fn earliest(&self) -> Since {
        let (at, why) = if self.names_the_lost || self.begins_at >= self.written_at {
            let why = "the beginning of what the topic holds; everybody from before is in the file"
                .to_owned();
            (self.begins_at, why)
        } else {
            let why = format!(
                "when the file was written; it does not name who left before (no column churned_at), \
                 though the topic begins at {}",
                self.begins_at
            );
            (self.written_at, why)
        };
        match self.unsure {
            Some((customers, until)) if until >= at => Since {
                at: until.plus_millis(1),
                why: format!(
                    "the latest last_activity of {customers} customers of whom the file tells no activity \
                     from before {}: until then nobody knows whether inactivity_timeout had passed",
                    self.begins_at
                ),
            },
            _ => Since { at, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::FIRST.plus_millis(day * 86_400_000)
    }

    fn evidence() -> Evidence {
        Evidence {
            now: at(30),
            begins_at: at(20),
            written_at: at(28),
            newest_at: Some(at(27)),
            names_the_lost: true,
            unsure: None,
        }
    }

    #[test]
    fn the_earliest_instant_that_is_true_is_taken() {
        let check = |evidence: Evidence, expected: Timestamp| {
            let since = evidence.since(None).unwrap();
            assert_eq!(since.at, expected, "{evidence:?}: {}", since.why);
            // What is taken by itself may be given, too, or later.
            for given in [since.at, at(30)] {
                let since = evidence.since(Some(given));
                assert_eq!(since.map(|since| since.at), Ok(given), "{evidence:?}");
            }
        };
        check(evidence(), at(20));
        let silent = Evidence {
            names_the_lost: false,
            ..evidence()
        };
        check(silent, at(28));
        // An export from before the topic began says nothing of later.
        check(
            Evidence {
                newest_at: Some(at(19)),
                ..silent
            },
            at(28),
        );
        check(
            Evidence {
                begins_at: at(29),
                ..silent
            },
            at(29),
        );
        check(
            Evidence {
                unsure: Some((3, at(25))),
                ..evidence()
            },
            at(25).plus_millis(1),
        );
        check(
            Evidence {
                unsure: Some((3, at(27))),
                ..silent
            },
            at(28),
        );
    }

    #[test]
    fn an_instant_that_cannot_be_true_is_refused_in_words() {
        let check = |evidence: Evidence, given: i64, word: &str| {
            let refused = evidence.since(Some(at(given))).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        };
        check(evidence(), 31, "future");
        check(evidence(), 19, "neither the file nor the topic");
        check(
            Evidence {
                names_the_lost: false,
                ..evidence()
            },
            27,
            "churned_at",
        );
        check(
            Evidence {
                unsure: Some((3, at(25))),
                ..evidence()
            },
            25,
            "inactivity_timeout",
        );
    }

    #[test]
    fn a_file_without_the_lost_can_be_of_an_earlier_instant_if_it_tells_of_nothing_later() {
        let filtered = Evidence {
            names_the_lost: false,
            newest_at: Some(at(19)),
            ..evidence()
        };
        assert_eq!(
            filtered.since(Some(at(20))).map(|since| since.at),
            Ok(at(20))
        );
    }
}

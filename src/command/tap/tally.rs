//! What was seen, counted, and the way on from it.

use std::collections::BTreeMap;

use crate::command::becoming::Became;
use crate::event::Reason;

/// Counts of records and of what they became.
#[derive(Debug, Default)]
pub struct Tally {
    records: u64,
    /// By the type of the event, or what else a record became.
    became: BTreeMap<&'static str, u64>,
    /// By reason and field.
    rejected: BTreeMap<(Reason, Option<&'static str>), u64>,
}

impl Tally {
    pub fn add(&mut self, parts: &[Became]) {
        self.records += 1;
        for part in parts {
            *self.became.entry(part.word()).or_default() += 1;
            if let Became::Rejected(rejection) = part {
                let why = (rejection.reason, rejection.field);
                *self.rejected.entry(why).or_default() += 1;
            }
        }
    }

    /// Some lines for people.
    #[must_use]
    pub fn sentences(&self, shown: u64, values: bool) -> String {
        if self.records == 0 {
            return "no records came: look at older ones with --from beginning\n".to_owned();
        }
        let counts = |counts: Vec<String>| counts.join(", ");
        let became = self.became.iter();
        let became = became.map(|(word, count)| format!("{count} {word}"));
        let mut lines = vec![format!(
            "{} records, of which {shown} are shown: {}",
            self.records,
            counts(became.collect())
        )];
        if !self.rejected.is_empty() {
            let rejected = self.rejected.iter().map(|((reason, field), count)| {
                let field = field.map_or_else(String::new, |field| format!(" {field}"));
                format!("{count} {}{field}", reason.name())
            });
            lines.push(format!("rejected: {}", counts(rejected.collect())));
        }
        if self
            .rejected
            .keys()
            .any(|(reason, _)| *reason == Reason::Unmapped)
        {
            lines.push(
                "unmapped: write a rule for them, a condition under `skip`, or `otherwise: skipped`"
                    .to_owned(),
            );
        }
        if !self.rejected.is_empty() && !values {
            lines.push(
                "what stands in the records is hidden: --show-values shows it (personal data)"
                    .to_owned(),
            );
        }
        lines.join("\n") + "\n"
    }
}

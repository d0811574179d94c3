//! What the rules about numbers look at: one series for all instances, bridged over restarts.
//!
//! Owns the recording rules. Every instance serves the same numbers, so one of them is taken
//! (`max`, `min` or, over a label, `sum`), and what is missing counts as its last value for ten
//! minutes. The bridge is over the one series and not over those of the instances, or the last value
//! of an instance that is gone would hide that of the one that is there. Does not know what the
//! numbers mean.

use super::guards::BRIDGE_MILLIS;
use super::rules::{Length, Record, quoted};

/// The recording rules that are needed so far, each once, in the order of their need.
#[derive(Debug)]
pub(super) struct Inputs<'a> {
    job: &'a str,
    records: Vec<Record>,
}

/// The name of a bridged series.
#[derive(Debug, Clone)]
pub(super) struct Input {
    record: String,
    job: String,
}

impl<'a> Inputs<'a> {
    pub fn new(job: &'a str) -> Self {
        Self {
            job,
            records: Vec::new(),
        }
    }

    /// The series of that name, which is what the expression says; `fold` is how the instances, or
    /// the values of a label, become one.
    pub fn need(&mut self, name: &str, fold: &str, expression: String) -> Input {
        let one = format!("{name}:{fold}");
        let bridge = Length(BRIDGE_MILLIS);
        let bridged = format!("{name}:last{bridge}");
        if !self.records.iter().any(|record| record.name == one) {
            let selected = format!("{one}{{job={}}}", quoted(self.job));
            self.records.push(Record {
                name: one,
                expression,
            });
            self.records.push(Record {
                name: bridged.clone(),
                expression: format!("last_over_time({selected}[{bridge}])"),
            });
        }
        Input {
            record: bridged,
            job: self.job.to_owned(),
        }
    }

    pub fn into_records(self) -> Vec<Record> {
        self.records
    }
}

impl Input {
    /// The name, for texts that ask for it.
    pub fn name(&self) -> &str {
        &self.record
    }

    /// All its series of the job.
    pub fn all(&self) -> String {
        self.of("")
    }

    /// Those of one period.
    pub fn period(&self, period: impl std::fmt::Display) -> String {
        self.of(&format!("period=\"{period}\""))
    }

    /// Those that match further labels, written as in PromQL.
    pub fn of(&self, matchers: &str) -> String {
        let job = quoted(&self.job);
        let separator = if matchers.is_empty() { "" } else { ", " };
        format!("{}{{job={job}{separator}{matchers}}}", self.record)
    }
}

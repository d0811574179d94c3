//! What was simulated: counted by kind, and written as a table.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<(Column, &'static str), u64>);

/// What a count is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// How much was simulated.
    Volume,
    /// A fault that happened.
    Fault,
    /// What restores and batches came to.
    Outcome,
    /// Comparisons with the reference.
    Check,
}

impl Tally {
    pub fn volume(&mut self, name: &'static str, count: u64) {
        self.add(Column::Volume, name, count);
    }

    pub fn fault(&mut self, name: &'static str) {
        self.add(Column::Fault, name, 1);
    }

    pub fn outcome(&mut self, name: &'static str) {
        self.add(Column::Outcome, name, 1);
    }

    pub fn check(&mut self, name: &'static str) {
        self.add(Column::Check, name, 1);
    }

    fn add(&mut self, column: Column, name: &'static str, count: u64) {
        *self.0.entry((column, name)).or_default() += count;
    }

    pub fn merge(&mut self, other: &Self) {
        for ((column, name), count) in &other.0 {
            self.add(*column, name, *count);
        }
    }

    /// How many different faults there were.
    pub fn faults(&self) -> usize {
        let columns = self.0.keys().map(|(column, _)| *column);
        columns.filter(|column| *column == Column::Fault).count()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | kind | count |")?;
        writeln!(f, "| --- | --- | ---: |")?;
        for ((column, name), count) in &self.0 {
            let column = match column {
                Column::Volume => "simulated",
                Column::Fault => "fault",
                Column::Outcome => "came to",
                Column::Check => "checked",
            };
            writeln!(f, "| {column} | {name} | {count} |")?;
        }
        Ok(())
    }
}

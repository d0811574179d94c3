//! What went out, in one line.
//!
//! Owns the counts of a run and their wording. Does not know time: the duration is an argument.

use std::time::Duration;

use crate::event::EventType;
use crate::generate::Record;

/// Counts of records sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// By type, in the order of [`EventType::ALL`].
    by_type: [u64; 4],
    /// Of these, events that had been delivered before.
    repeats: u64,
    /// Payload bytes.
    bytes: u64,
}

impl Tally {
    /// Counts a record.
    pub fn add(&mut self, record: &Record) {
        let counted = EventType::ALL.iter().zip(&mut self.by_type);
        for (event_type, count) in counted {
            *count += u64::from(*event_type == record.event_type);
        }
        self.repeats += u64::from(record.repeat);
        self.bytes += record.payload.len() as u64;
    }

    /// Records sent, repeats included.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.by_type.iter().sum()
    }

    /// The run in one line.
    #[must_use]
    pub fn summary(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let rate = if seconds > 0.0 {
            format!(", {:.0} events/s", self.events() as f64 / seconds)
        } else {
            String::new()
        };
        let types: Vec<String> = EventType::ALL
            .iter()
            .zip(self.by_type)
            .map(|(event_type, count)| format!("{count} {}", event_type.name()))
            .collect();
        format!(
            "{} events ({}; {} of them repeats), {} bytes, {seconds:.1} s{rate}",
            self.events(),
            types.join(", "),
            self.repeats,
            self.bytes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_type_and_the_rate() {
        let mut tally = Tally::default();
        let mut record = Record::buffer();
        record.payload = b"{}".to_vec();
        tally.add(&record);
        record.event_type = EventType::Churn;
        record.repeat = true;
        tally.add(&record);
        assert_eq!(
            tally.summary(Duration::from_millis(500)),
            "2 events (1 signup, 0 purchase, 1 churn, 0 survey_submitted; 1 of them repeats), \
             4 bytes, 0.5 s, 4 events/s"
        );
    }
}

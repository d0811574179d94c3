//! The table that is printed: figures with their units, in Markdown.

use std::fmt;
use std::time::Duration;

/// Rows in the order in which they were put in.
pub struct Table {
    title: String,
    rows: Vec<(String, String)>,
}

impl Table {
    pub fn new(title: String) -> Self {
        Self {
            title,
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, what: &str, figure: String) {
        self.rows.push((what.to_owned(), figure));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}.\n\n| figure | value |\n| --- | --- |", self.title)?;
        for (what, figure) in &self.rows {
            writeln!(f, "| {what} | {figure} |")?;
        }
        Ok(())
    }
}

/// The value below which a share of the values lie, by the nearest rank.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let at = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

pub fn seconds(durations: &[Duration]) -> Vec<f64> {
    durations.iter().map(Duration::as_secs_f64).collect()
}

/// `p50 / p99` in milliseconds.
pub fn latencies(durations: &[Duration]) -> String {
    let seconds = seconds(durations);
    format!(
        "{:.1} ms / {:.1} ms ({} scrapes)",
        quantile(&seconds, 0.5) * 1e3,
        quantile(&seconds, 0.99) * 1e3,
        seconds.len()
    )
}

/// A count with its thousands apart.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

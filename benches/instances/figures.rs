//! What was measured, and the table with a column for each case.

use std::fmt::Write as _;
use std::time::Duration;

use crate::installation::Case;
use crate::table::{grouped, median, quantile};

/// One run of a case.
pub struct Figures {
    pub reading: Reading,
    pub live: Span,
    pub idle: Span,
}

/// Reading the whole topic, from the start of the processes to new numbers at all of them.
pub struct Reading {
    /// In the topic.
    pub events: f64,
    /// By all instances together; more than there are, if a partition changed hands meanwhile.
    pub applied: f64,
    pub took: Duration,
    pub cpu_seconds: f64,
}

/// A while after that.
pub struct Span {
    /// That came into the topic.
    pub events: f64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// Of the report at each scrape of each instance, in seconds.
    pub ages: Vec<f64>,
    pub report_records_per_second: f64,
    pub report_bytes_per_second: f64,
}

type Row = (&'static str, fn(&Figures) -> f64, fn(f64) -> String);

const ROWS: [Row; 12] = [
    (
        "reading the topic: CPU seconds per million events, all processes",
        |run| run.reading.cpu_seconds * 1e6 / run.reading.events,
        fine,
    ),
    (
        "reading the topic: events a second, until everybody has numbers",
        |run| run.reading.events / run.reading.took.as_secs_f64(),
        grouped,
    ),
    (
        "reading the topic: events applied for each one in it",
        |run| run.reading.applied / run.reading.events,
        fine,
    ),
    (
        "live: events a second",
        |run| run.live.events / run.live.seconds,
        grouped,
    ),
    (
        "live: CPU seconds per million events, evaluations included",
        |run| run.live.cpu_seconds * 1e6 / run.live.events,
        fine,
    ),
    (
        "live: CPU seconds a second",
        |run| run.live.cpu_seconds / run.live.seconds,
        fine,
    ),
    (
        "live: age of the report, median, seconds",
        |run| median(&run.live.ages),
        fine,
    ),
    (
        "live: age of the report, most, seconds",
        |run| quantile(&run.live.ages, 1.0),
        fine,
    ),
    (
        "live: bytes a second into the report topic",
        |run| run.live.report_bytes_per_second,
        grouped,
    ),
    (
        "live: records a second into the report topic",
        |run| run.live.report_records_per_second,
        fine,
    ),
    (
        "idle: CPU seconds a second",
        |run| run.idle.cpu_seconds / run.idle.seconds,
        fine,
    ),
    (
        "idle: bytes a second into the report topic",
        |run| run.idle.report_bytes_per_second,
        grouped,
    ),
];

/// In Markdown, medians of all runs.
pub fn table(columns: &[(Case, Vec<Figures>)]) -> String {
    let mut text = "| figure |".to_owned();
    // Writing into a text cannot fail.
    for (case, _) in columns {
        let _ = write!(text, " {case} |");
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(columns.len()));
    for (what, figure, shown) in ROWS {
        let _ = write!(text, "\n| {what} |");
        for (_, runs) in columns {
            let figures: Vec<f64> = runs.iter().map(figure).collect();
            let _ = write!(text, " {} |", shown(median(&figures)));
        }
    }
    text
}

fn fine(figure: f64) -> String {
    format!("{figure:.2}")
}

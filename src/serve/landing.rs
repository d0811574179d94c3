//! The page for people: what Tenure is doing, its headline numbers, and why any are missing.
//!
//! One page without scripts and without further requests. Promises that each text in it is escaped.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use crate::measure::report::{Report, WithheldReason};
use crate::serve::Published;
use crate::serve::readiness::{Obstacle, Readiness};
use crate::telemetry::{REVISION, VERSION};

const STYLE: &str = include_str!("landing.css");

/// A column of the table: its heading and the measures it shows.
struct Column {
    heading: &'static str,
    measure: &'static str,
    /// The measures of the lower and the upper bound.
    bounds: Option<(&'static str, &'static str)>,
    show: fn(f64) -> String,
}

const COLUMNS: [Column; 6] = [
    Column {
        heading: "Customers at end",
        measure: "tenure_customers_at_end",
        bounds: None,
        show: count,
    },
    Column {
        heading: "Retention",
        measure: "tenure_retention_ratio",
        bounds: None,
        show: percent,
    },
    Column {
        heading: "Churn",
        measure: "tenure_churn_ratio",
        bounds: None,
        show: percent,
    },
    Column {
        heading: "NPS",
        measure: "tenure_nps_score",
        bounds: Some(("tenure_nps_score_lower", "tenure_nps_score_upper")),
        show: score,
    },
    Column {
        heading: "CSAT",
        measure: "tenure_csat_ratio",
        bounds: Some(("tenure_csat_ratio_lower", "tenure_csat_ratio_upper")),
        show: percent,
    },
    Column {
        heading: "CES (mean)",
        measure: "tenure_ces_mean_score",
        bounds: None,
        show: mean,
    },
];

/// The page as of the latest report, if there is one.
pub(super) fn render(published: Option<&Published>, readiness: &Readiness) -> String {
    let body = Page {
        report: published.map(|published| &*published.report),
        readiness,
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"10\">\n\
         <title>Tenure</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

struct Page<'a> {
    report: Option<&'a Report>,
    readiness: &'a Readiness,
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<h1>Tenure <small title=\"revision {}\">{}</small></h1>\n\
             <p class=\"soft\">Retention and satisfaction from customer events, for Prometheus.</p>\n\
             <nav><a href=\"/metrics\">Metrics</a> \
             <a href=\"/api/v1/report\">Report as JSON</a> <a href=\"/-/ready\">Readiness</a> \
             <a href=\"/-/healthy\">Health</a></nav>",
            Escaped(REVISION),
            Escaped(VERSION),
        )?;
        self.state(f)?;
        let Some(report) = self.report else {
            return writeln!(
                f,
                "<p>There is no report yet: the first one follows as soon as the log was read.</p>"
            );
        };
        let at = report.at;
        writeln!(
            f,
            "<p>Report of <time datetime=\"{at}\">{at}</time>: exactly the events before this \
             instant are in the numbers.</p>"
        )?;
        headline(f, report)?;
        table(f, report)?;
        withheld(f, report)
    }
}

impl Page<'_> {
    fn state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.readiness.ready() {
            return writeln!(f, "<p class=\"state ready\">Ready</p>");
        }
        writeln!(f, "<p class=\"state waiting\">Not ready yet</p>\n<ul>")?;
        for obstacle in &self.readiness.obstacles {
            writeln!(f, "<li>{}</li>", Escaped(&sentence(obstacle)))?;
        }
        writeln!(f, "</ul>")
    }
}

fn sentence(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::KafkaUnreachable => {
            "Kafka does not answer: look at kafka.bootstrap_servers and at the log.".to_owned()
        }
        Obstacle::CatchingUp {
            topic,
            partition,
            percent: Some(percent),
        } => format!("Partition {partition} of {topic} is being read: {percent} %."),
        Obstacle::CatchingUp {
            topic, partition, ..
        } => format!("Partition {partition} of {topic} is being read."),
        Obstacle::Restoring { partition } => {
            format!("Partition {partition} is restored from its checkpoint.")
        }
        Obstacle::Degraded {
            topic,
            partition,
            because,
        } => format!("The log of {topic} partition {partition} is not what it was: {because}."),
        Obstacle::NoReport => "Nothing was evaluated yet.".to_owned(),
        Obstacle::Withheld { because } => format!("The numbers are withheld: {because}."),
    }
}

fn headline(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let customers = cell(report, "tenure_customers", None, count);
    writeln!(
        f,
        "<h2>Customers</h2>\n<p class=\"big\">{customers}</p>\n<h2>By period</h2>"
    )
}

fn table(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    writeln!(
        f,
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Period</th>"
    )?;
    for column in &COLUMNS {
        writeln!(f, "<th scope=\"col\">{}</th>", column.heading)?;
    }
    writeln!(f, "</tr></thead>\n<tbody>")?;
    for (period, _) in &report.periods {
        let period = period.to_string();
        write!(f, "<tr><th scope=\"row\">{}</th>", Escaped(&period))?;
        for column in &COLUMNS {
            let shown = cell(report, column.measure, Some(&period), column.show);
            write!(f, "<td>{shown}{}</td>", bounds(report, column, &period))?;
        }
        writeln!(f, "</tr>")?;
    }
    writeln!(
        f,
        "</tbody></table></div>\n<p><small>Small figures are 95 % bounds. – means that there is \
         nothing to divide by.</small></p>"
    )
}

/// The number, or why there is none.
fn cell(report: &Report, measure: &str, period: Option<&str>, show: fn(f64) -> String) -> String {
    if let Some(value) = value(report, measure, period) {
        return show(value);
    }
    let reason = report
        .withheld
        .iter()
        .find(|withheld| withheld.measure == measure);
    match reason {
        Some(_) => "<a class=\"withheld\" href=\"#withheld\">withheld</a>".to_owned(),
        None => "–".to_owned(),
    }
}

fn bounds(report: &Report, column: &Column, period: &str) -> String {
    let shown = || {
        let (lower, upper) = column.bounds?;
        let lower = value(report, lower, Some(period))?;
        let upper = value(report, upper, Some(period))?;
        let (lower, upper) = ((column.show)(lower), (column.show)(upper));
        Some(format!("<br><small>{lower} to {upper}</small>"))
    };
    shown().unwrap_or_default()
}

fn value(report: &Report, measure: &str, period: Option<&str>) -> Option<f64> {
    let family = report
        .families
        .iter()
        .find(|family| family.measure.name == measure)?;
    let sample = family.samples.iter().find(|sample| {
        let of = family.labelled(sample).find(|(name, _)| *name == "period");
        of.map(|(_, value)| value) == period
    })?;
    Some(sample.value)
}

fn withheld(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if report.withheld.is_empty() {
        return Ok(());
    }
    let mut reasons: BTreeMap<WithheldReason, Vec<&str>> = BTreeMap::new();
    for withheld in &report.withheld {
        let measures = reasons.entry(withheld.reason).or_default();
        measures.push(withheld.measure);
    }
    writeln!(f, "<h2 id=\"withheld\">Withheld, and what to do</h2>\n<dl>")?;
    for (reason, measures) in reasons {
        let (why, what_to_do) = advice(reason);
        writeln!(
            f,
            "<dt>{}</dt>\n<dd>{} {}<br><small>{}</small></dd>",
            reason.name(),
            Escaped(why),
            Escaped(what_to_do),
            Codes(&measures),
        )?;
    }
    writeln!(f, "</dl>")
}

/// Why numbers are withheld, and what ends it.
fn advice(reason: WithheldReason) -> (&'static str, &'static str) {
    match reason {
        WithheldReason::CatchingUp => (
            "The newest instant that every partition has reached is older than max_staleness.",
            "Wait until the log has been read; if that does not end, look for a partition that \
             makes no progress.",
        ),
        WithheldReason::Incomplete => (
            "A partition is missing from the report.",
            "Look in the log for why it is not read.",
        ),
        WithheldReason::Degraded => (
            "A part of the history was lost.",
            "Look in the log for the partition and read it again from a complete log.",
        ),
        WithheldReason::SplitCustomers => (
            "Customers were found in two partitions, so they would count twice.",
            "Key the records by the customer id, with the same partitioner in every producer.",
        ),
        WithheldReason::NoChurnSource => (
            "There was no churn event and no inactivity timeout is set, so retention is unknown, \
             not 100 %.",
            "Send churn events, set inactivity_timeout, or set churn_events: complete if really \
             nobody left.",
        ),
        WithheldReason::BaseIncomplete => (
            "The log did not begin at the beginning, so customers from before it are unknown.",
            "Set customer_base_complete_since if you know it, or set inactivity_timeout and wait \
             until it has passed since the beginning of the log.",
        ),
        WithheldReason::HistoryTooShort => (
            "What the period is compared with lies before the history that is kept event by event.",
            "Raise history, and let the topic be read again; or leave out the longest periods.",
        ),
    }
}

/// With thin spaces between the thousands.
fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let rest = digits.len() - at;
        if at > 0 && rest.is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

fn score(value: f64) -> String {
    format!("{value:.1}")
}

fn mean(value: f64) -> String {
    format!("{value:.2}")
}

/// A list of names, each as code.
struct Codes<'a>(&'a [&'a str]);

impl Display for Codes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let separator = if at > 0 { ", " } else { "" };
            write!(f, "{separator}<code>{}</code>", Escaped(name))?;
        }
        Ok(())
    }
}

/// A text between tags or in a quoted attribute.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::Timestamp;
    use crate::measure::period::{Interval, Period};
    use crate::measure::report::Withheld;
    use crate::serve::exposition::tests::report;

    fn page(report: Report, readiness: &Readiness) -> String {
        let published = Published::new(Arc::new(report), 1.0, None);
        render(Some(&published), readiness)
    }

    fn of_30_days(mut report: Report) -> Report {
        let period: Period = "30d".parse().expect("a period");
        let interval = Interval {
            start: Timestamp::from_millis(0),
            end: report.at,
        };
        report.periods = vec![(period, interval)];
        report
    }

    fn check(page: &str, expected: &[&str]) {
        for text in expected {
            assert!(page.contains(text), "{text:?} is missing from {page}");
        }
    }

    #[test]
    fn the_headline_numbers_stand_by_period_with_their_bounds() {
        let report = of_30_days(report(&[
            ("tenure_customers", &[], 1_234_567.0),
            ("tenure_customers_at_end", &["30d"], 900.0),
            ("tenure_retention_ratio", &["30d"], 0.7),
            ("tenure_churn_ratio", &["30d"], 0.3),
            ("tenure_nps_score", &["30d"], 25.0),
            ("tenure_nps_score_lower", &["30d"], -10.04),
            ("tenure_nps_score_upper", &["30d"], 60.0),
            ("tenure_ces_mean_score", &["30d"], 2.345),
        ]));
        let page = page(report, &Readiness::default());
        check(
            &page,
            &[
                "1\u{202f}234\u{202f}567",
                "<th scope=\"row\">30d</th><td>900</td><td>70.0 %</td><td>30.0 %</td>\
                 <td>25.0<br><small>-10.0 to 60.0</small></td><td>–</td><td>2.35</td>",
                "2026-11-18T11:06:40.123Z",
                "<p class=\"state ready\">Ready</p>",
            ],
        );
        assert!(!page.contains("id=\"withheld\""));
    }

    #[test]
    fn a_withheld_number_says_why_and_what_to_do() {
        let mut report = of_30_days(report(&[]));
        report.withheld = vec![Withheld {
            measure: "tenure_retention_ratio",
            reason: WithheldReason::NoChurnSource,
        }];
        let page = page(report, &Readiness::default());
        check(
            &page,
            &[
                "<td><a class=\"withheld\" href=\"#withheld\">withheld</a></td>",
                "<dt>no_churn_source</dt>",
                "set inactivity_timeout",
                "<code>tenure_retention_ratio</code>",
            ],
        );
    }

    #[test]
    fn before_the_first_report_the_page_says_what_it_waits_for() {
        let readiness = Readiness {
            obstacles: vec![
                Obstacle::KafkaUnreachable,
                Obstacle::CatchingUp {
                    topic: "<orders & co>".to_owned(),
                    partition: 3,
                    percent: Some(66.6),
                },
                Obstacle::NoReport,
            ],
        };
        let page = render(None, &readiness);
        check(
            &page,
            &[
                "Not ready yet",
                "Kafka does not answer",
                "Partition 3 of &lt;orders &amp; co&gt; is being read: 66.6 %.",
                "There is no report yet",
            ],
        );
        assert!(!page.contains("<table>"));
    }

    #[test]
    fn the_page_asks_for_nothing_else() {
        let page = render(None, &Readiness::default());
        for outside in ["http:", "https:", "<script", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        check(&page, &["prefers-color-scheme:dark", "name=\"viewport\""]);
    }
}

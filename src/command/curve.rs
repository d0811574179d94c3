//! The curve of inactivity timeouts: what each of several would make of the same log.
//!
//! Owns the table. Promises that the log is read once and that every row is what the page would say
//! with that timeout. Chooses nothing: it shows what an analyst needs to choose.

use crate::command::paper::{Paper, emphasis, number, print};
use crate::command::replay::ReplayArgs;
use crate::command::{Failure, file};
use crate::config::{Override, Settings};
use crate::measure::explain::moment;
use crate::measure::report::Report;
use crate::measure::retention::INACTIVITY;

const HINT: &str = "\
With a short timeout many time out who were only slow, and come back; with a long \
one nearly nobody comes back, but those who left are noticed late. Choose about where `share`, the \
spells opened again by departures, stops falling.";

/// Prints a table for each period, with a row for each timeout.
///
/// # Errors
/// If a timeout is none, or the file cannot be read.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let mut all = Vec::new();
    for (at, text) in args.inactivity_timeout.iter().enumerate() {
        let own = Override {
            key: "inactivity_timeout".to_owned(),
            text: text.clone(),
            flag: "--inactivity-timeout".to_owned(),
        };
        let settings = args.configuration.load_with(Some(own))?;
        if at == 0 {
            eprint!("{}", settings.warnings);
        }
        if settings.evaluation.inactivity_timeout_millis.is_none() {
            return Err(Failure::usage(
                "--inactivity-timeout: give lengths of time, as in 30d,60d,90d",
            ));
        }
        all.push(settings);
    }
    all.sort_by_key(|settings| settings.evaluation.inactivity_timeout_millis);
    all.dedup_by_key(|settings| settings.evaluation.inactivity_timeout_millis);
    let Some(first) = all.first() else {
        return Err(Failure::usage(
            "--inactivity-timeout: give at least one length of time",
        ));
    };
    let (shard, _) = file::read(&args.file, &args.lines, first)?;
    let at = file::instant_or_newest(args.at, &shard)?;
    let evaluated = all.iter().map(|settings| {
        let report = file::evaluate_at(&shard, at, &settings.evaluation)?;
        Ok((timeout(settings), report))
    });
    let rows = evaluated.collect::<Result<Vec<_>, Failure>>()?;
    print(&drawn(&rows, first))
}

fn timeout(settings: &Settings) -> String {
    let described = settings.describe().into_iter();
    let mut described = described.filter(|setting| setting.key == "inactivity_timeout");
    described
        .next()
        .map(|setting| setting.value)
        .unwrap_or_default()
}

fn drawn(rows: &[(String, Report)], settings: &Settings) -> String {
    let mut paper = Paper::new(emphasis());
    let zone = &settings.evaluation.time_zone;
    let Some((_, report)) = rows.first() else {
        return String::new();
    };
    for (period, bounds) in &report.periods {
        let name = period.to_string();
        let [start, end] = [bounds.start, bounds.end].map(|at| moment(at, zone).local);
        paper.heading(&format!("{name}: {start} to {end}"));
        let heading = [
            "timeout", "start", "end", "retained", "churn", "inactive", "events", "back", "share",
            "joined",
        ];
        let mut table = vec![heading.map(str::to_owned).to_vec()];
        table.extend(
            rows.iter()
                .map(|(timeout, report)| row(timeout, report, &name)),
        );
        paper.table(0, &table);
    }
    paper.heading("Columns");
    paper.line("start, end     customers at the start and at the end of the period");
    paper
        .line("retained       share of those at the start who are there at the end; churn: 1 - it");
    paper.line("inactive       departures by the timeout; events: by churn events");
    paper.line("back           spells opened again in the period by customers who had left");
    paper.line("share          back / all departures: how often leaving was not for good");
    paper.line("joined         customers whose first spell opened in the period");
    paper.heading("How to read it");
    paper.paragraph(HINT);
    paper.finish()
}

fn row(timeout: &str, report: &Report, period: &str) -> Vec<String> {
    let of_period = [("period", period)];
    let value = |name: &str| report.value(name, &of_period);
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let ratio =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let departures = departures(report, period);
    let inactive = departures.iter().filter(|(reason, _)| reason == INACTIVITY);
    let inactive: f64 = inactive.map(|(_, count)| count).sum();
    let all = departures.iter().fold(0.0, |sum, (_, count)| sum + count);
    let back = came_back(report, period);
    vec![
        timeout.to_owned(),
        shown(value("tenure_customers_at_start")),
        shown(value("tenure_customers_at_end")),
        ratio(value("tenure_retention_ratio")),
        ratio(value("tenure_churn_ratio")),
        number(inactive),
        number(all - inactive),
        shown(back),
        ratio(back.filter(|_| all > 0.0).map(|back| back / all)),
        shown(value("tenure_joined_customers")),
    ]
}

fn departures(report: &Report, period: &str) -> Vec<(String, f64)> {
    let family = report.family("tenure_departures");
    let samples = family.into_iter().flat_map(|family| &family.samples);
    let samples = samples.filter(|sample| sample.labels[0] == period);
    samples
        .map(|sample| (sample.labels[1].to_string(), sample.value))
        .collect()
}

/// Spells opened in the period that are not the first of their customer.
fn came_back(report: &Report, period: &str) -> Option<f64> {
    let of_period = [("period", period)];
    let joined = report.value("tenure_joined_customers", &of_period)?;
    let start = report.value("tenure_customers_at_start", &of_period)?;
    match report.sample("tenure_departure_ratio", &of_period) {
        Some(sample) => Some((sample.parts[1] - start - joined).max(0.0)),
        // Nobody there and nobody came; else the ratio is withheld, and with it what it is made of.
        None if start == 0.0 && joined == 0.0 => Some(0.0),
        None => None,
    }
}

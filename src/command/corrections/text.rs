//! The effect of corrections, for people.

use crate::command::corrections::{Difference, Effect, Withheld};
use crate::command::paper::{Paper, difference, emphasis, number, short};

const HINT: &str = "\
To use the corrections, name their files under `corrections` in the configuration and restart: the \
state is folded anew from the log, without these records.";

/// The whole of it.
#[must_use]
pub fn drawn(effect: &Effect) -> String {
    let mut paper = Paper::new(emphasis());
    paper.heading(&format!("Corrections, as of {}", effect.at));
    let mut rows = vec![row(["skips", "note", "records"])];
    for skipped in &effect.corrections {
        rows.push(row([
            &skipped.skips,
            &short(&skipped.note),
            &skipped.records.to_string(),
        ]));
    }
    paper.table(2, &rows);
    paper.line(&format!(
        "{} of {} records are skipped.",
        effect.skipped, effect.read
    ));
    paper.heading("Numbers that differ");
    if effect.differences.is_empty() {
        paper.line("None.");
    } else {
        let mut rows = vec![row(["", "", "before", "after", "difference"])];
        rows.extend(effect.differences.iter().map(series));
        paper.table(2, &rows);
    }
    let only = |these: &[Withheld], those: &[Withheld]| -> Vec<Withheld> {
        let only = these.iter().filter(|one| !those.contains(one));
        only.cloned().collect()
    };
    let (before, after) = (&effect.withheld_before, &effect.withheld_after);
    for (heading, names) in [
        ("Withheld with the corrections alone", only(after, before)),
        (
            "Withheld without the corrections alone",
            only(before, after),
        ),
    ] {
        if !names.is_empty() {
            paper.heading(heading);
            for Withheld { measure, reason } in names {
                paper.line(&format!("{measure} ({reason})"));
            }
        }
    }
    paper.heading("How to use them");
    paper.paragraph(HINT);
    paper.finish()
}

fn series(series: &Difference) -> Vec<String> {
    let labels: Vec<String> = series
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let both = series.before.zip(series.after);
    vec![
        series.measure.to_owned(),
        labels.join(" "),
        shown(series.before),
        shown(series.after),
        both.map_or_else(String::new, |(before, after)| difference(after - before)),
    ]
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

//! An explanation as text of 80 columns.

use crate::command::paper::{Paper, difference, number, per_cent, plain, short};
use crate::measure::explain::movers::{Breakdown, Kind, Mover};
use crate::measure::explain::{
    Before, Explanation, Observation, Outcome, Part, Reason, Records, Setting,
};

/// The whole explanation; the value comes first, for who wants no more.
pub fn drawn(explanation: &Explanation, emphasis: bool) -> String {
    let mut paper = Paper::new(emphasis);
    let labels = explanation.labels.iter();
    let labels = labels.map(|(name, value)| format!(" {name}=\"{}\"", plain(value)));
    let labels: String = labels.collect();
    paper.heading(&format!("{}{labels}", explanation.metric));
    paper.line(&format!("as of {}", explanation.now.at.utc));
    answer(&mut paper, &explanation.now.outcome);
    paper.heading("What it means");
    paper.paragraph(&explanation.definition);
    paper.paragraph(&format!("Formula: {}.", explanation.formula));
    windows(&mut paper, explanation);
    comparison(&mut paper, explanation);
    for breakdown in &explanation.breakdowns {
        moved(&mut paper, breakdown);
    }
    if !explanation.notes.is_empty() {
        paper.heading("Note");
        for note in &explanation.notes {
            paper.paragraph(&format!("{note}."));
        }
    }
    settings(&mut paper, &explanation.settings);
    if let Some(records) = &explanation.records {
        paper.heading(&format!("Records since {}", records.since));
        records_read(&mut paper, records);
    }
    paper.finish()
}

fn answer(paper: &mut Paper, outcome: &Outcome) {
    match outcome {
        Outcome::Published { value, parts } => {
            let text = format!("{} {}", number(*value), made_of(parts));
            paper.line(text.trim_end());
        }
        Outcome::Absent { why } => paper.paragraph(&format!("No value: {why}.")),
        Outcome::Withheld { reasons } => {
            for reason in reasons {
                withheld(paper, reason);
            }
        }
    }
}

/// Why a number is kept back, and what to do.
pub fn withheld(paper: &mut Paper, reason: &Reason) {
    paper.paragraph(&format!(
        "Withheld ({}): {}.",
        reason.reason, reason.meaning
    ));
    paper.paragraph(&format!("What to do: {}.", reason.way_out));
}

fn made_of(parts: &[Part]) -> String {
    let part = |part: &Part| format!("{} {}", number(part.value), part.name);
    match parts {
        [numerator, denominator] => format!("= {} / {}", part(numerator), part(denominator)),
        [] => String::new(),
        parts => {
            let parts: Vec<String> = parts.iter().map(part).collect();
            format!("from {}", parts.join(", "))
        }
    }
}

fn windows(paper: &mut Paper, explanation: &Explanation) {
    let period = explanation.labels.iter().find(|(name, _)| name == "period");
    let Some((_, period)) = period else {
        return;
    };
    let zone = &explanation.time_zone;
    let utc = zone == "UTC";
    let zones = if utc {
        "UTC".to_owned()
    } else {
        format!("{} and in UTC", plain(zone))
    };
    paper.heading(&format!("Period {}, in {zones}", plain(period)));
    bounds(paper, "now", &explanation.now, utc);
    if let Before::Known(before) = &explanation.before {
        bounds(paper, "before", before, utc);
    }
}

fn bounds(paper: &mut Paper, name: &str, observation: &Observation, utc: bool) {
    let Some(span) = &observation.period else {
        return;
    };
    let ends = [(name, "from", &span.start), ("", "to", &span.end)];
    for (name, end, moment) in ends {
        let local = if utc { "" } else { moment.local.as_str() };
        let gap = if utc { "" } else { "  " };
        paper.line(&format!("{name:6}  {end:4}  {local}{gap}{}", moment.utc));
    }
}

fn comparison(paper: &mut Paper, explanation: &Explanation) {
    let (at, before) = match &explanation.before {
        Before::Known(before) => (&before.at, Ok(&before.outcome)),
        Before::Unknown { at, why } => (at, Err(why)),
    };
    paper.heading(&format!(
        "Compared with the window before, as of {}",
        at.utc
    ));
    match before {
        Err(why) => paper.paragraph(&format!("Not known: {why}.")),
        Ok(Outcome::Absent { why }) => paper.paragraph(&format!("No value then: {why}.")),
        Ok(Outcome::Withheld { reasons }) => {
            for reason in reasons {
                paper.paragraph(&format!(
                    "Withheld then ({}): {}.",
                    reason.reason, reason.meaning
                ));
            }
        }
        Ok(Outcome::Published { value, parts }) => {
            table_of(paper, explanation, *value, parts);
        }
    }
}

fn table_of(paper: &mut Paper, explanation: &Explanation, before: f64, parts: &[Part]) {
    let row = |name: &str, before: f64, now: Option<f64>| {
        let change = now.map(|now| difference(now - before));
        let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            name.to_owned(),
            number(before),
            cell(now.map(number)),
            cell(change),
        ]
    };
    let heading = ["", "before", "now", "change"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let (now, now_parts) = match &explanation.now.outcome {
        Outcome::Published { value, parts } => (Some(*value), parts.as_slice()),
        _ => (None, [].as_slice()),
    };
    rows.push(row("value", before, now));
    for (at, part) in parts.iter().enumerate() {
        rows.push(row(
            &part.name,
            part.value,
            now_parts.get(at).map(|part| part.value),
        ));
    }
    paper.table(1, &rows);
}

fn moved(paper: &mut Paper, breakdown: &Breakdown) {
    let change = difference(breakdown.now - breakdown.before);
    let Breakdown { of, by, .. } = breakdown;
    let [before, now] = [breakdown.before, breakdown.now].map(number);
    paper.heading(&format!("What moved it, by {by}"));
    paper.line(&format!("{of}: {before} -> {now}, that is {change}"));
    let rates = breakdown.kind == Kind::Rates;
    let mut rows = Vec::new();
    rows.push(if rates {
        let heading = ["", "weight before", "now", "value before", "now", "effect"];
        heading.map(str::to_owned).to_vec()
    } else {
        ["", "before", "now", "effect"].map(str::to_owned).to_vec()
    });
    rows.extend(breakdown.movers.iter().map(|mover| slice(mover, rates)));
    if let Some(others) = breakdown.others {
        let mut row = vec![format!("the others ({})", others.slices)];
        row.resize(rows[0].len() - 1, String::new());
        row.push(difference(others.effect));
        rows.push(row);
    }
    paper.table(1, &rows);
}

fn slice(mover: &Mover, rates: bool) -> Vec<String> {
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let weight = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), per_cent);
    let mut row = vec![short(&mover.slice.join(", "))];
    if rates {
        row.extend([weight(mover.weight_before), weight(mover.weight_now)]);
    }
    row.extend([
        cell(mover.before),
        cell(mover.now),
        difference(mover.effect),
    ]);
    row
}

/// The settings, each on its line.
pub fn settings(paper: &mut Paper, settings: &[Setting]) {
    if settings.is_empty() {
        return;
    }
    paper.heading("Settings in force");
    let longest = settings.iter().map(|setting| setting.key.len()).max();
    let width = longest.unwrap_or(0);
    for Setting { key, value, origin } in settings {
        paper.line(&format!(
            "{key:width$}  {}  ({})",
            plain(value),
            plain(origin)
        ));
    }
}

/// What became of the records, in two or three lines.
pub fn records_read(paper: &mut Paper, records: &Records) {
    let Records {
        read,
        applied,
        redundant,
        late,
        repeated,
        conflicting,
        ..
    } = records;
    let rejected: u64 = records.rejected.values().sum();
    let skipped = match records.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    paper.paragraph(&format!(
        "{read} read: {applied} applied, {redundant} redundant, of these {late} late; {repeated} \
         repeated, {conflicting} conflicting, {rejected} rejected{skipped}."
    ));
    if rejected > 0 {
        let reasons = records.rejected.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        paper.paragraph(&format!("Rejected: {}.", reasons.join(", ")));
    }
    if records.ignored_attributes > 0 {
        paper.paragraph(&format!(
            "Attributes that cannot be labels: {}.",
            records.ignored_attributes
        ));
    }
}

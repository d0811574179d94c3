//! What stands on the page of a statement.

use crate::command::paper::number;
use crate::command::statement::Format;
use crate::command::statement::figures::{Check, Customers, Figure, Figures, Origin};
use crate::command::statement::page::Page;
use crate::measure::explain::{Setting, moment};
use crate::telemetry::{REVISION, VERSION};

pub fn drawn(figures: &Figures, checks: &[Check], format: Format) -> String {
    let mut page = Page::new(
        format,
        &format!("Statement of customers: {}", figures.period),
    );
    when(&mut page, figures);
    page.heading("Customers");
    match figures.customers() {
        Some(customers) => {
            count(&mut page, &customers);
            reasons(&mut page, figures);
            formulas(&mut page, figures, &customers);
        }
        None => withheld(
            &mut page,
            "customers",
            figures.of("tenure_customers_at_start"),
        ),
    }
    if !checks.is_empty() {
        page.heading("Checks");
        let mut rows = vec![row(["rule", "numbers", ""])];
        rows.extend(checks.iter().map(|check| {
            let verdict = if check.holds() {
                "holds"
            } else {
                "DOES NOT HOLD"
            };
            row([check.rule, &check.filled, verdict])
        }));
        page.table(3, &rows);
    }
    settings(&mut page, &figures.settings);
    log(&mut page, figures);
    again(&mut page, figures);
    page.finish()
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn value_of<'a>(settings: &'a [Setting], key: &str) -> Option<&'a str> {
    let mut settings = settings.iter();
    let setting = settings.find(|setting| setting.key == key)?;
    Some(&setting.value)
}

fn when(page: &mut Page, figures: &Figures) {
    let zone = value_of(&figures.settings, "time_zone").unwrap_or("UTC");
    let clock = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let instants = [
        ("start", figures.bounds.start),
        ("end", figures.bounds.end),
        ("as of", figures.at),
    ];
    let mut rows = vec![row(["", zone, "UTC"])];
    rows.extend(instants.map(|(name, at)| {
        let moment = moment(at, &clock);
        row([name, &moment.local, &moment.utc])
    }));
    if zone == "UTC" {
        for row in &mut rows {
            row.remove(1);
        }
    }
    page.table(3, &rows);
}

fn count(page: &mut Page, customers: &Customers) {
    let counts = [
        ("S: active at the start", customers.start),
        ("retained: at the start and at the end", customers.retained),
        ("lost: at the start, not at the end", customers.lost),
        ("new: first spell in the period", customers.new),
        ("reactivated: were gone before", customers.reactivated),
        ("E: active at the end", customers.end),
        ("joined in the period", customers.joined),
        ("of these, gone at the end", customers.early_churn),
    ];
    let mut rows = vec![row(["", "customers"])];
    rows.extend(counts.map(|(name, count)| row([name, &number(count)])));
    page.table(1, &rows);
}

fn reasons(page: &mut Page, figures: &Figures) {
    let lost = figures.lost_by_reason.iter().flatten();
    let mut by_reason: std::collections::BTreeMap<&str, [f64; 2]> = lost
        .map(|(reason, count)| (reason.as_str(), [*count as f64, 0.0]))
        .collect();
    for (reason, count) in figures.departures() {
        by_reason.entry(reason).or_default()[1] = count;
    }
    page.heading("Lost customers and all departures, by reason");
    if by_reason.is_empty() {
        page.paragraph("Nobody left.");
        return;
    }
    let mut rows = vec![row(["reason", "lost", "departures"])];
    let mut total = [0.0; 2];
    for (reason, counts) in by_reason {
        total[0] += counts[0];
        total[1] += counts[1];
        rows.push(row([reason, &number(counts[0]), &number(counts[1])]));
    }
    rows.push(row(["in all", &number(total[0]), &number(total[1])]));
    page.table(1, &rows);
}

fn formulas(page: &mut Page, figures: &Figures, customers: &Customers) {
    page.heading("Retention and churn");
    let Customers {
        start,
        end,
        lost,
        new,
        reactivated,
        ..
    } = customers;
    let fresh = customers.fresh();
    let [s, e, l, n] = [*start, *end, *lost, fresh].map(number);
    let ratios = [
        (
            "tenure_retention_ratio",
            "retention",
            format!("(E - N) / S = ({e} - {n}) / {s}"),
        ),
        (
            "tenure_churn_ratio",
            "churn",
            format!("lost / S = {l} / {s}"),
        ),
        (
            "tenure_departure_ratio",
            "departure ratio",
            exposed(figures, *start),
        ),
    ];
    let mut rows = vec![
        row(["", "formula", "value"]),
        row([
            "N",
            &format!(
                "new + reactivated = {} + {}",
                number(*new),
                number(*reactivated)
            ),
            &n,
        ]),
    ];
    let mut kept_back = Vec::new();
    for (measure, name, filled) in ratios {
        match figures.of(measure) {
            Figure::Known(value) => rows.push(row([name, &filled, &number(value)])),
            Figure::Absent => rows.push(row([name, "nobody to divide by", "-"])),
            Figure::Withheld(_) if *start == 0.0 && measure != "tenure_departure_ratio" => {
                rows.push(row([name, "nobody to divide by", "-"]));
            }
            figure @ Figure::Withheld(_) => {
                rows.push(row([name, "withheld, see below", "-"]));
                kept_back.push((name, figure));
            }
        }
    }
    page.table(2, &rows);
    let same =
        |(_, figure): &(&str, Figure)| kept_back.first().is_some_and(|(_, first)| first == figure);
    if kept_back.len() > 1 && kept_back.iter().all(same) {
        let names: Vec<&str> = kept_back.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        if let Some((_, figure)) = kept_back.pop() {
            withheld(page, &names, figure);
        }
        return;
    }
    for (name, figure) in kept_back {
        withheld(page, name, figure);
    }
}

/// Departures by what could have departed. The spells opened are no measure of their own, but follow
/// from the ratio: all are counts.
fn exposed(figures: &Figures, start: f64) -> String {
    let departures: f64 = figures.departures().map(|(_, count)| count).sum();
    let formula = "departures / (S + opened)";
    match figures.of("tenure_departure_ratio") {
        Figure::Known(ratio) if ratio > 0.0 => {
            let opened = (departures / ratio).round() - start;
            let [departures, start, opened] = [departures, start, opened].map(number);
            format!("{formula} = {departures} / ({start} + {opened})")
        }
        _ => formula.to_owned(),
    }
}

fn withheld(page: &mut Page, name: &str, figure: Figure) {
    let Figure::Withheld(reasons) = figure else {
        page.paragraph(&format!("{name}: not in the report."));
        return;
    };
    for reason in reasons {
        page.paragraph(&format!(
            "Withheld: {name} ({}): {}. What to do: {}.",
            reason.reason, reason.meaning, reason.way_out
        ));
    }
}

fn settings(page: &mut Page, settings: &[Setting]) {
    page.heading("Settings in force");
    let mut rows = vec![row(["setting", "value (from)"])];
    let all = settings.iter();
    rows.extend(
        all.map(|Setting { key, value, origin }| row([key, &format!("{value} ({origin})")])),
    );
    page.table(2, &rows);
}

fn log(page: &mut Page, figures: &Figures) {
    match &figures.origin {
        Origin::File {
            lines,
            digest,
            records,
            ..
        } => {
            page.heading("The file");
            let rejected: u64 = records.rejected.values().sum();
            let mut rows = vec![row(["", "count"]), row(["lines read", &lines.to_string()])];
            let counts = [
                ("applied", records.applied),
                ("redundant", records.redundant),
                ("late, among these", records.late),
                ("repeated", records.repeated),
                ("conflicting", records.conflicting),
                ("rejected", rejected),
            ];
            rows.extend(counts.map(|(name, count)| row([name, &count.to_string()])));
            if records.skipped > 0 {
                rows.push(row(["skipped", &records.skipped.to_string()]));
            }
            let reasons = records.rejected.iter();
            rows.extend(
                reasons.map(|(reason, count)| {
                    row([&format!("rejected: {reason}"), &count.to_string()])
                }),
            );
            page.table(1, &rows);
            page.paragraph(&format!("Digest of the facts: {digest}."));
        }
        Origin::Service {
            positions, digests, ..
        } => {
            page.heading("The log");
            let mut rows = vec![row(["topic", "partition", "from", "up to, without"])];
            rows.extend(positions.iter().map(|position| {
                row([
                    &position.topic,
                    &position.partition.to_string(),
                    &position.base_offset.to_string(),
                    &position.next_offset.to_string(),
                ])
            }));
            page.table(1, &rows);
            let mut rows = vec![row(["partition", "digest of the facts"])];
            rows.extend(
                digests
                    .iter()
                    .map(|digest| row([&digest.partition.to_string(), &digest.digest])),
            );
            page.table(2, &rows);
        }
    }
}

fn again(page: &mut Page, figures: &Figures) {
    page.heading("Run it again");
    let Figures { at, period, .. } = figures;
    let begin = format!("tenure statement --period {period} --at {at}");
    let changed = figures.settings.iter();
    let changed = changed.filter(|setting| setting.origin != "default");
    let sets: Vec<String> = changed
        .map(|Setting { key, value, .. }| {
            // Lists are shown in brackets and given without.
            let value = value.strip_prefix('[').unwrap_or(value);
            let value = value.strip_suffix(']').unwrap_or(value).replace(", ", ",");
            format!("--set {}", quoted(&format!("{key}={value}")))
        })
        .collect();
    let mut parts = vec![begin.clone()];
    match &figures.origin {
        Origin::File { path, .. } => {
            parts.extend(sets);
            parts.push(quoted(path));
            page.code(&continued(&parts));
        }
        Origin::Service { url, .. } => {
            parts.push(format!("--url {}", quoted(url)));
            page.code(&continued(&parts));
            page.paragraph("Or from the records between the offsets above, in a file:");
            let mut parts = vec![begin];
            parts.extend(sets);
            parts.push("events.ndjson".to_owned());
            page.code(&continued(&parts));
        }
    }
    page.paragraph(&format!(
        "Evaluated by tenure {}, definition {}; written by tenure {VERSION} (revision {REVISION}). \
         With one digest key, equal definitions and equal digests mean equal numbers.",
        figures.version, figures.definition_hash
    ));
}

/// A command over several lines.
fn continued(parts: &[String]) -> Vec<String> {
    let last = parts.len().saturating_sub(1);
    let line = |(at, part): (usize, &String)| {
        let indent = if at == 0 { "" } else { "    " };
        let end = if at == last { "" } else { " \\" };
        format!("{indent}{part}{end}")
    };
    parts.iter().enumerate().map(line).collect()
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_are_quoted_where_they_must() {
        assert_eq!(quoted("time_zone=Europe/Berlin"), "time_zone=Europe/Berlin");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("churn_reasons=too dear"), "'churn_reasons=too dear'");
    }
}

//! How good the alerts are: the simulation reaches the aims, and the document shows what it prints.
//!
//! The tables are made in minutes by an optimized build; what is made again here are rows of them,
//! which have draws of their own.

#![cfg(test)]

#[path = "../benches/alerts/simulation/mod.rs"]
#[expect(dead_code, reason = "the tables as a whole are made by the benchmark")]
mod simulation;

use std::fs;
use std::path::Path;

use simulation::{ANSWERS, DOCUMENTED, Found, Quiet, Size};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alert-quality.md");
    fs::read_to_string(path).expect("the document")
}

/// The cells of the rows that begin with these, without them.
fn rows(document: &str, first: &[&str]) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim_matches('|').split('|');
        line.map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = document.lines().filter(|line| line.starts_with("| "));
    rows.map(cells)
        .filter(|row| first.iter().zip(row).all(|(first, cell)| first == cell))
        .map(|row| row[first.len()..].to_vec())
        .collect()
}

/// A delay in days, as the document writes it.
fn days(cell: &str) -> f64 {
    match cell.split_once(' ') {
        Some((hours, "h")) => hours.parse::<f64>().expect("hours") / 24.0,
        Some((days, "d")) => days.parse().expect("days"),
        _ => f64::INFINITY,
    }
}

/// Rates, in answers a day, at which the alert pages more than once a year for nothing.
const MISSED: [&str; 1] = ["30"];

#[test]
fn the_document_tells_of_less_than_one_false_page_a_year() {
    let document = document();
    for answers in ANSWERS.map(|answers| answers.to_string()) {
        let rows = rows(&document, &[&answers, "alike"]);
        let [row] = rows.as_slice() else {
            panic!("{} rows of {answers} answers a day", rows.len());
        };
        let pages: f64 = row[0].parse().expect("false pages a year");
        assert_eq!(
            pages >= 1.0,
            MISSED.contains(&answers.as_str()),
            "{answers} answers a day: {pages}"
        );
    }
}

#[test]
fn the_document_tells_of_a_fall_by_25_points_at_100_answers_a_day_found_within_two_days() {
    let rows = rows(&document(), &["100", "25, at once"]);
    let [row] = rows.as_slice() else {
        panic!("{} rows of such a drop", rows.len());
    };
    assert_eq!(row[0], "100 %", "found");
    assert!(days(&row[1]) <= 2.0, "the median delay is {}", row[1]);
}

#[test]
fn the_document_shows_what_the_simulation_prints() {
    let document = document();
    for row in [
        simulation::drop_row(DOCUMENTED, 10, 25, 0),
        simulation::spike_row(DOCUMENTED, 3, 3.0),
    ] {
        assert!(
            document.contains(&row),
            "the document lacks\n{row}\nmake its tables again: ./scripts/bench alerts --document docs/alert-quality.md"
        );
    }
}

#[test]
fn another_seed_tells_the_same_apart_from_chance() {
    let size = Size {
        seed: 2,
        years: 20,
        runs: 40,
    };
    for answers in ANSWERS {
        let quiet = Quiet::of(size, answers, 0.0);
        let pages = quiet.a_year(quiet.watched.pages);
        // Twenty years with one page a year each have 20, give or take 4.5.
        assert!(
            pages < 1.7,
            "{answers} answers a day: {pages} false pages a year"
        );
    }
    let found = Found::drops(size, 100, 25, 0);
    assert!(found.delay(0.5) <= 2.5, "{:?}", found.delays);
    assert!(found.delay(0.95) <= 6.0, "{:?}", found.delays);
}

//! How good the alerts are: the simulation reaches the aims, and the document shows what it prints.
//!
//! The tables are made in minutes by an optimized build; what is made again here are rows of them,
//! which have draws of their own.

#![cfg(test)]

#[path = "../benches/alerts/simulation/mod.rs"]
#[expect(dead_code, reason = "the tables as a whole are made by the benchmark")]
mod simulation;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use simulation::alert::Alert;
use simulation::chance::Chance;
use simulation::{
    ANSWERS, DAY, DEPARTURES, DOCUMENTED, Found, MINUTES, Quiet, Size, Step, churn, nps,
};
use tenure::measure::scores::{Group, Groups};

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

/// False pages a year, as the document writes them.
fn check_pages(what: &str, cell: &str) {
    let pages: f64 = cell.parse().expect("false pages a year");
    assert!(pages < 1.0, "{what}: {pages} false pages a year");
}

#[test]
fn the_document_tells_of_less_than_one_false_page_a_year() {
    let document = document();
    for answers in ANSWERS.map(|answers| answers.to_string()) {
        let rows = rows(&document, &[&answers, "alike"]);
        let [row] = rows.as_slice() else {
            panic!("{} rows of {answers} answers a day", rows.len());
        };
        check_pages(&format!("{answers} answers a day"), &row[0]);
        check_pages(&format!("{answers} answers a day, critical"), &row[1]);
    }
    for departures in DEPARTURES.map(|departures| departures.to_string()) {
        let rows = rows(&document, &[&departures]);
        // The rows of spikes, and of answers, are longer.
        let of_quiet: Vec<_> = rows.iter().filter(|row| row.len() == 2).collect();
        let [row] = of_quiet.as_slice() else {
            panic!("{} rows of {departures} departures a day", of_quiet.len());
        };
        check_pages(&format!("{departures} departures a day"), &row[0]);
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

/// Evaluates with what holds at each step, `1` or `0`; says when the alert fired and paged.
fn check(held: &str, fired: &str, paged: &str) {
    let millis = MINUTES as i64 * 60_000;
    let mut alert = Alert::new(2 * millis, 3 * millis);
    let flag = |flag: bool| if flag { '1' } else { '0' };
    let (mut firing, mut pages) = (String::new(), String::new());
    for (at, holds) in held.chars().enumerate() {
        pages.push(flag(alert.evaluate(at, holds == '1')));
        firing.push(flag(alert.firing()));
    }
    assert_eq!((firing.as_str(), pages.as_str()), (fired, paged), "{held}");
}

#[test]
fn an_alert_waits_and_goes_on_as_in_prometheus() {
    check("1111", "0011", "0010");
    check("110110", "000000", "000000");
    // Fires on until three steps after the first without the condition.
    check("11100000", "00111100", "00100000");
    check("1110011000000", "0011111111000", "0010000000000");
    check("111000011111", "001111000111", "001000000100");
}

/// What the windows of a span show, by looking at every answer.
fn recount(answers: &[(Step, usize, Group)], span: nps::Span, now: Step) -> Groups {
    let mut latest = BTreeMap::new();
    for (at, customer, group) in answers {
        if at + span.from < now && now <= at + span.to {
            latest.insert(customer, *group);
        }
    }
    let mut groups = Groups::default();
    for group in latest.into_values() {
        groups.add(match group {
            Group::Promoter => 10,
            Group::Passive => 8,
            Group::Detractor => 0,
        });
    }
    groups
}

#[test]
fn windows_count_each_customer_once_by_the_latest_answer() {
    let mut dice = Chance::of(1, 2, 3);
    let mut shop = nps::Shop::new(40, nps::Course::STEADY, Chance::of(0, 0, 0));
    let mut answers = Vec::new();
    for _ in 0..120 * DAY {
        // Five a day of forty customers: most answer again within each window but the shortest.
        for _ in 0..dice.count(5.0 / DAY as f64) {
            let customer = dice.below(40);
            let group = [Group::Promoter, Group::Passive, Group::Detractor][dice.below(3)];
            answers.push((shop.now(), customer, group));
            shop.answer(customer, group);
        }
        shop.pass();
        if shop.now().is_multiple_of(97) {
            for (window, span) in nps::spans().into_iter().enumerate() {
                let expected = recount(&answers, span, shop.now());
                assert_eq!(shop.groups(window), expected, "{span:?} at {}", shop.now());
            }
        }
    }
}

#[test]
fn departures_are_set_against_those_of_the_same_windows_weeks_before() {
    let mut dice = Chance::of(1, 2, 3);
    let mut shop = churn::Shop::new(1, churn::Course::STEADY, Chance::of(0, 0, 0));
    let mut all = vec![0; churn::REACH];
    for _ in 0..80 * DAY {
        let leave = dice.count(0.5) as u32;
        all.push(leave);
        shop.pass(leave);
        let now = all.len();
        assert_eq!(shop.now(), now);
        if !now.is_multiple_of(97) {
            continue;
        }
        for (window, days) in shop.windows.iter().zip([1, 7]) {
            let sum = |weeks: usize| -> u32 {
                let end = now - 7 * weeks * DAY;
                all[end.saturating_sub(days * DAY)..end].iter().sum()
            };
            assert_eq!(window.departures, sum(0), "{days} days at {now}");
            let earlier: u32 = (1..=churn::WEEKS).map(sum).sum();
            assert_eq!(window.earlier, earlier, "before {days} days at {now}");
        }
    }
}

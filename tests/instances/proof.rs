//! The verdict over everything that was scraped, and the table that is printed.
//!
//! Owns what counts as wrong: a number that was never true, one that is missing without the page
//! saying so, numbers without an instant, and an instant that goes back while a process lives.
//! Promises that nothing that was scraped is left out but pages of instants of which chance decided,
//! which are counted. Knows pages, not where they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::fleet::Standstill;
use super::reference::{Reference, WITHHELD, name};
use super::scrapes::{Scrape, Scrapes};

/// How many wrong numbers a failure shows.
const SHOWN: usize = 20;

/// What was found.
#[derive(Default)]
pub struct Proof {
    scrapes: usize,
    without_numbers: usize,
    unsettled: usize,
    withheld: usize,
    compared: usize,
    families: BTreeSet<String>,
    instants: BTreeSet<i64>,
    lives: usize,
    wrong: Vec<String>,
    /// By address: the longest times without numbers, and with numbers that stood still, in milliseconds.
    gaps: BTreeMap<String, (i64, i64)>,
    faults: Vec<(String, Standstill)>,
}

impl Proof {
    /// Judges all pages of one address.
    pub fn add(
        &mut self,
        address: &str,
        scrapes: &Scrapes,
        reference: &mut Reference,
        settled: impl Fn(i64) -> bool,
    ) {
        let mut life = None;
        let mut newest = 0;
        for (time, scrape) in scrapes {
            if life != Some(scrape.began.to_bits()) {
                life = Some(scrape.began.to_bits());
                newest = 0;
                self.lives += 1;
            }
            if let Some(instant) = scrape.instant {
                if instant < newest {
                    self.wrong
                        .push(format!("{address} at {time}: {newest}, then {instant}"));
                }
                newest = newest.max(instant);
            }
            self.judge(&format!("{address} at {time}"), scrape, reference, &settled);
        }
        let mut line = Line::default();
        for (time, scrape) in scrapes {
            line.see(*time, shown(scrape));
        }
        self.gaps
            .insert(address.to_owned(), (line.dark, line.still));
    }

    /// Judges one page.
    pub fn judge(
        &mut self,
        whose: &str,
        scrape: &Scrape,
        reference: &mut Reference,
        settled: impl Fn(i64) -> bool,
    ) {
        self.scrapes += 1;
        let measures = scrape.numbers.keys().map(|series| name(series));
        let measures: BTreeSet<&str> = measures.filter(|name| *name != WITHHELD).collect();
        let Some(instant) = scrape.instant else {
            self.without_numbers += 1;
            if !measures.is_empty() {
                self.wrong
                    .push(format!("{whose}: {measures:?} of no instant"));
            }
            return;
        };
        if !settled(instant) {
            self.unsettled += 1;
            return;
        }
        if measures.is_empty() {
            self.without_numbers += 1;
        }
        let verdict = reference.judge(instant, &scrape.numbers);
        self.compared += verdict.right;
        self.withheld += verdict.withheld;
        self.instants.insert(instant);
        self.families
            .extend(measures.into_iter().map(str::to_owned));
        let wrong = verdict.wrong.into_iter();
        self.wrong
            .extend(wrong.map(|wrong| format!("{whose}: {wrong}")));
    }

    /// Judges what all addresses together showed, as `max` over them does.
    pub fn add_all(&mut self, all: &[(String, Scrapes)]) {
        let mut seen: Vec<(i64, i64)> = all
            .iter()
            .flat_map(|(_, scrapes)| scrapes.iter())
            .filter_map(|(time, scrape)| Some((*time, shown(scrape)?)))
            .collect();
        seen.sort_unstable();
        let mut line = Line::default();
        for (time, instant) in seen {
            line.see(time, Some(instant));
        }
        self.gaps
            .insert("all together".to_owned(), (line.dark, line.still));
    }

    pub fn fault(&mut self, what: String, standstill: Standstill) {
        eprintln!("{what}: {standstill:?}");
        self.faults.push((what, standstill));
    }

    /// The longest standstill of everybody, in milliseconds: without numbers, and with old ones.
    pub fn gap_of_all(&self) -> (i64, i64) {
        self.gaps["all together"]
    }

    pub fn compared(&self) -> usize {
        self.compared
    }

    pub fn instants(&self) -> Vec<i64> {
        self.instants.iter().copied().collect()
    }

    /// Shares of the scrapes that could not be judged.
    pub fn share_unsettled(&self) -> f64 {
        self.unsettled as f64 / self.scrapes.max(1) as f64
    }

    #[track_caller]
    pub fn nothing_is_wrong(&self) {
        let shown = &self.wrong[..self.wrong.len().min(SHOWN)];
        assert!(
            self.wrong.is_empty(),
            "{} wrong, of {} compared: {shown:#?}",
            self.wrong.len(),
            self.compared
        );
    }
}

/// The instant of a page that has numbers.
fn shown(scrape: &Scrape) -> Option<i64> {
    let numbers = scrape.numbers.keys().any(|series| name(series) != WITHHELD);
    scrape.instant.filter(|_| numbers)
}

/// One line of time: when there were numbers, and when they were new.
#[derive(Default)]
struct Line {
    /// The last scrape with numbers.
    last: Option<i64>,
    /// The newest instant, and when it was first seen.
    newest: Option<(i64, i64)>,
    dark: i64,
    still: i64,
}

impl Line {
    fn see(&mut self, time: i64, instant: Option<i64>) {
        if let Some((newest, since)) = self.newest {
            self.still = self.still.max(time - since);
            if instant.is_some_and(|instant| instant > newest) {
                self.newest = instant.map(|instant| (instant, time));
            }
        } else {
            self.newest = instant.map(|instant| (instant, time));
        }
        if instant.is_some() {
            if let Some(last) = self.last {
                self.dark = self.dark.max(time - last);
            }
            self.last = Some(time);
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: i64| format!("{:.1} s", millis as f64 / 1000.0);
        writeln!(f, "| what | how much |\n| --- | ---: |")?;
        for (what, count) in [
            ("pages", self.scrapes),
            (
                "of them without numbers, and saying so",
                self.without_numbers,
            ),
            ("of them of instants that chance decided", self.unsettled),
            ("lives of processes", self.lives),
            ("instants", self.instants.len()),
            ("families", self.families.len()),
            ("families withheld, and saying so", self.withheld),
            ("numbers compared", self.compared),
            ("wrong", self.wrong.len()),
        ] {
            writeln!(f, "| {what} | {count} |")?;
        }
        writeln!(
            f,
            "\n| whose pages | longest without numbers | longest without newer ones |"
        )?;
        writeln!(f, "| --- | ---: | ---: |")?;
        for (whose, (dark, still)) in &self.gaps {
            writeln!(f, "| {whose} | {} | {} |", seconds(*dark), seconds(*still))?;
        }
        writeln!(
            f,
            "\n| fault | no instance had numbers for | numbers stood still for |"
        )?;
        writeln!(f, "| --- | ---: | ---: |")?;
        for (what, Standstill { still, dark }) in &self.faults {
            writeln!(
                f,
                "| {what} | {:.1} s | {:.1} s |",
                dark.as_secs_f64(),
                still.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::reference::Numbers;

    const BEGIN: i64 = 1_790_000_000_000;

    fn reference() -> Reference {
        let events = (0..20).map(|number| {
            format!(
                r#"{{"event_id":"{number}","type":"signup","customer_id":"c-{number}","occurred_at":{}}}"#,
                BEGIN + number * 1000
            )
        });
        Reference::of(events.collect::<Vec<_>>().join("\n"))
    }

    /// What is found wrong with pages of one process, at these instants.
    fn found(pages: impl IntoIterator<Item = (Option<i64>, Numbers)>) -> Vec<String> {
        let scrapes = (0..).zip(pages).map(|(time, (instant, numbers))| {
            let page = Scrape {
                began: 1.0,
                instant,
                numbers,
            };
            (time, page)
        });
        let scrapes: Scrapes = scrapes.collect();
        let mut proof = Proof::default();
        proof.add("somebody", &scrapes, &mut reference(), |_| true);
        proof.wrong
    }

    #[test]
    fn every_way_to_be_wrong_is_noticed() {
        let (early, late) = (BEGIN + 5_500, BEGIN + 15_500);
        let truth = |at: i64| reference().at(at).clone();
        let customers = "tenure_customers{}".to_owned();
        let without = |series: &str| -> Numbers {
            let mut numbers = truth(early);
            assert!(numbers.remove(series).is_some(), "{series}");
            numbers
        };
        let with = |series: &str, value: f64| -> Numbers {
            let mut numbers = truth(early);
            numbers.insert(series.to_owned(), value);
            numbers
        };
        let nothing = BTreeMap::new();
        for right in [
            vec![(Some(early), truth(early)), (Some(late), truth(late))],
            vec![(None, nothing.clone()), (Some(early), truth(early))],
        ] {
            assert_eq!(found(right), [""; 0]);
        }
        let two_ulps = truth(early)[&customers].next_up();
        for (wrong, what) in [
            (
                vec![(Some(late), truth(early))],
                "numbers of another instant",
            ),
            (
                vec![(Some(early), with(&customers, two_ulps))],
                "the last digit",
            ),
            (
                vec![(Some(early), without(&customers))],
                "a number that is missing",
            ),
            (vec![(Some(early), nothing)], "all of them"),
            (
                vec![(Some(early), with("tenure_departures{x=\"1\"}", 1.0))],
                "one that should not be there",
            ),
            (vec![(None, truth(early))], "numbers of no instant"),
            (
                vec![(Some(late), truth(late)), (Some(early), truth(early))],
                "an instant that goes back",
            ),
        ] {
            assert!(!found(wrong).is_empty(), "{what}");
        }
    }

    #[test]
    fn a_standstill_is_as_long_as_nothing_newer_was_seen() {
        let mut line = Line::default();
        for (time, instant) in [
            (0, Some(10)),
            (2, Some(10)),
            (4, None),
            (6, None),
            (9, Some(10)),
            (12, Some(20)),
            (13, Some(20)),
        ] {
            line.see(time, instant);
        }
        assert_eq!((line.dark, line.still), (7, 12));
    }
}

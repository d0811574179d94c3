//! Cohorts: customers by the calendar month of their first spell ever.

use std::collections::{BTreeMap, BTreeSet};

use super::log::Fact;
use super::page::Page;
use super::period::Month;
use super::settings::Settings;
use super::spell::{self, Lives};
use super::withheld;

pub fn publish(facts: &[Fact], lives: &Lives, settings: &Settings, at: i64, page: &mut Page) {
    let months = months(lives, settings);
    for cohort in shown(lives, settings) {
        let members: Vec<&str> = months
            .iter()
            .filter(|(_, month)| **month == cohort)
            .map(|(customer, _)| *customer)
            .collect();
        let name = cohort.name();
        let labels = [("cohort", name.as_str())];
        page.count("tenure_cohort_customers", &labels, members.len());

        if !withheld::reasons(facts, cohort.start(settings), settings).is_empty() {
            continue;
        }
        let mut month = cohort;
        for months_after in 0.. {
            month = month.next();
            let end = month.start(settings);
            if end > at {
                break;
            }
            let active = members
                .iter()
                .filter(|customer| spell::active(&lives.spells[**customer], end))
                .count();
            let months_after = format!("{months_after:02}");
            let labels = [("cohort", name.as_str()), ("months_after", &months_after)];
            let metric = "tenure_cohort_retention_ratio";
            page.ratio(metric, &labels, active as f64, members.len());
        }
    }
}

/// The newest months in which somebody became a customer, the oldest of them first.
pub fn shown(lives: &Lives, settings: &Settings) -> Vec<Month> {
    let all: BTreeSet<Month> = months(lives, settings).into_values().collect();
    let too_old = all.len().saturating_sub(settings.cohorts);
    all.into_iter().skip(too_old).collect()
}

/// The month of each customer's first spell ever; the others never were customers.
fn months<'a>(lives: &Lives<'a>, settings: &Settings) -> BTreeMap<&'a str, Month> {
    let mut months = BTreeMap::new();
    for (customer, spells) in &lives.spells {
        if let Some(first) = spells.iter().map(|spell| spell.from).min() {
            months.insert(*customer, Month::of(first, settings));
        }
    }
    months
}

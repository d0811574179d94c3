//! What was measured of each size, and the table that holds it against the goals.
//!
//! Ratios are taken within one run, between figures that were measured one after the other.

use std::fmt::Write as _;
use std::time::Duration;

use crate::service::{Live, Reading};
use crate::table::{Table, grouped, median, quantile, seconds};
use crate::topic::Drain;

/// What was measured with one number of customers.
#[derive(Default)]
pub struct Measured {
    customers: f64,
    pub runs: Vec<(Drain, Reading)>,
    pub resident_bytes: f64,
    pub live: Option<Live>,
    /// Seconds of restoring, and until numbers were served.
    pub restart: Option<(f64, f64)>,
}

impl Measured {
    pub fn of(customers: u32) -> Self {
        Self {
            customers: f64::from(customers),
            ..Self::default()
        }
    }

    fn figures(&self, figure: impl Fn(&Drain, &Reading) -> f64) -> Vec<f64> {
        let runs = self.runs.iter();
        runs.map(|(drain, reading)| figure(drain, reading))
            .collect()
    }

    fn shares(&self) -> Vec<f64> {
        self.figures(|drain, reading| {
            reading.events_per_second() / drain.by_lists.records_per_second
        })
    }

    /// Of the speed at which the bare client gives out records one by one.
    fn shares_of_one_by_one(&self) -> Vec<f64> {
        self.figures(|drain, reading| {
            reading.events_per_second() / drain.one_by_one.records_per_second
        })
    }

    fn scrapes(&self) -> Vec<f64> {
        let busy = self.runs.iter().flat_map(|(_, reading)| &reading.scrapes);
        let live = self.live.iter().flat_map(|live| &live.scrapes);
        let all: Vec<Duration> = busy.chain(live).copied().collect();
        seconds(&all)
    }

    /// Figures of all runs: the median, with the least and the most.
    pub fn describe_runs(&self, table: &mut Table) {
        let rate = |figures: &[f64]| spread(figures, grouped);
        table.row(
            "events from the topic to the state, a second",
            rate(&self.figures(|_, reading| reading.events_per_second())),
        );
        table.row(
            "the same over the last tenth of the topic",
            rate(&self.figures(|_, reading| reading.last_events_per_second)),
        );
        table.row(
            "records drained by the bare client, a second",
            rate(&self.figures(|drain, _| drain.by_lists.records_per_second)),
        );
        table.row(
            "the same by one poll for each record",
            rate(&self.figures(|drain, _| drain.one_by_one.records_per_second)),
        );
        table.row(
            "share of the bare client's speed",
            spread(&self.shares(), |share| format!("{share:.2}")),
        );
        table.row(
            "share of its speed by one poll for each record",
            spread(&self.shares_of_one_by_one(), |share| format!("{share:.2}")),
        );
        let cpu = |figures: &[f64]| spread(figures, |cpu| format!("{cpu:.2} s"));
        table.row(
            "CPU of tenure per million events",
            cpu(&self.figures(|_, reading| reading.cpu_per_million())),
        );
        table.row(
            "CPU of the broker per million events",
            cpu(&self.figures(|_, reading| reading.broker_cpu_per_million())),
        );
        table.row(
            "CPU of the bare client per million events",
            cpu(&self.figures(|drain, _| drain.by_lists.cpu_per_million)),
        );
        table.row(
            "the same by one poll for each record",
            cpu(&self.figures(|drain, _| drain.one_by_one.cpu_per_million)),
        );
        table.row(
            "from the start of the process to its numbers",
            cpu(&self.figures(|_, reading| reading.until_numbers.as_secs_f64())),
        );
        let scrapes: Vec<f64> = self
            .runs
            .iter()
            .flat_map(|(_, reading)| seconds(&reading.scrapes))
            .collect();
        table.row(
            "scrape while catching up, p50 / p99",
            format!(
                "{:.1} ms / {:.1} ms ({} scrapes)",
                median(&scrapes) * 1e3,
                quantile(&scrapes, 0.99) * 1e3,
                scrapes.len()
            ),
        );
    }
}

/// `median (least to most of n)`.
fn spread(figures: &[f64], text: impl Fn(f64) -> String) -> String {
    format!(
        "{} ({} to {} of {})",
        text(median(figures)),
        text(quantile(figures, 0.0)),
        text(quantile(figures, 1.0)),
        figures.len()
    )
}

/// The table of goals; sizes in ascending order, and evaluations in nanoseconds a customer.
pub fn table(sizes: &[Measured], evaluations: &[f64]) -> String {
    let mut rows = Rows::default();
    let (Some(small), Some(large)) = (sizes.first(), sizes.last()) else {
        return String::new();
    };
    for size in sizes {
        let of = format!("{} customers", grouped(size.customers));
        rows.at_least(
            &format!("events a second / bare client, {of}"),
            0.6,
            &size.shares(),
            "",
        );
        rows.at_least(
            &format!("the same / bare client by one poll for each record, {of}"),
            0.6,
            &size.shares_of_one_by_one(),
            "",
        );
        rows.at_least(
            &format!("events a second, {of}"),
            1e6,
            &size.figures(|_, reading| reading.events_per_second()),
            "",
        );
        rows.at_most(
            &format!("CPU seconds of tenure per million events, {of}"),
            1.3,
            &size.figures(|_, reading| reading.cpu_per_million()),
            " s",
        );
    }
    let each = (large.resident_bytes - small.resident_bytes) / (large.customers - small.customers);
    rows.at_most(
        "resident bytes for each further customer",
        90.0,
        &[each],
        " B",
    );
    rows.at_most(
        "one evaluation of all measures on one core, ns a customer",
        150.0,
        evaluations,
        " ns",
    );
    let last = |size: &Measured| size.figures(|_, reading| reading.last_events_per_second);
    let whole = small.figures(|_, reading| reading.events_per_second());
    let of_most: Vec<f64> = last(large)
        .iter()
        .zip(&whole)
        .map(|(many, few)| many / few)
        .collect();
    rows.at_least(
        "events a second over the last tenth of the topic with most customers / with fewest",
        0.6,
        &of_most,
        "",
    );
    for size in sizes {
        let of = format!("{} customers", grouped(size.customers));
        if let Some(live) = &size.live {
            let rate = grouped(live.events_per_second);
            let (age, delay) = if size.customers > 1e6 {
                (20.0, 20.0)
            } else {
                (2.0, 2.0)
            };
            rows.at_most(
                &format!("age of the report at {rate} events a second, most, {of}"),
                age,
                &[quantile(&live.ages, 1.0)],
                " s",
            );
            rows.at_most(
                &format!("an event's arrival to the page at {rate} events a second, p99, {of}"),
                delay,
                &[quantile(&live.delays, 0.99)],
                " s",
            );
        }
        rows.at_most(
            &format!("scrape under load, p99, {of}"),
            10.0,
            &[quantile(&size.scrapes(), 0.99) * 1e3],
            " ms",
        );
        if let Some((restored, _)) = size.restart {
            rows.at_most(&format!("restore of {of}"), 10.0, &[restored], " s");
        }
    }
    rows.0
}

fn number(goal: f64) -> String {
    if goal >= 1000.0 {
        grouped(goal)
    } else {
        goal.to_string()
    }
}

/// Rows of the table: what, goal, figure, and whether the median meets the goal.
struct Rows(String);

impl Default for Rows {
    fn default() -> Self {
        Self("| what | goal | measured | met |\n| --- | --- | --- | --- |\n".to_owned())
    }
}

impl Rows {
    fn at_least(&mut self, what: &str, goal: f64, figures: &[f64], unit: &str) {
        let met = median(figures) >= goal;
        self.row(
            what,
            &format!("at least {}{unit}", number(goal)),
            figures,
            unit,
            met,
        );
    }

    fn at_most(&mut self, what: &str, goal: f64, figures: &[f64], unit: &str) {
        let met = median(figures) <= goal;
        self.row(
            what,
            &format!("at most {}{unit}", number(goal)),
            figures,
            unit,
            met,
        );
    }

    fn row(&mut self, what: &str, goal: &str, figures: &[f64], unit: &str, met: bool) {
        let text = |figure: f64| {
            if figure >= 20.0 {
                format!("{}{unit}", grouped(figure))
            } else {
                format!("{figure:.2}{unit}")
            }
        };
        let figures = match figures {
            [only] => text(*only),
            several => spread(several, text),
        };
        let met = if met { "yes" } else { "**no**" };
        // Writing into a text cannot fail.
        let _ = writeln!(self.0, "| {what} | {goal} | {figures} | {met} |");
    }
}

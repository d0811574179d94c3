//! What Prometheus has scraped: every sample of every instance, put together again to pages.
//!
//! Owns the question and the reading of its answer. Promises that samples are one page only if they
//! have the same time stamp, which is how Prometheus marks what came in one scrape. Knows nothing of
//! what is right.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use tenure::measure::MEASURES;

use super::reference::{Numbers, WITHHELD, is_measure, written};
use crate::real::http;
use crate::real::prometheus::Prometheus;
use crate::service::now;

/// The instant that a page names.
const INSTANT: &str = "tenure_report_timestamp_seconds";
/// When the process began that was scraped.
const BEGAN: &str = "process_start_time_seconds";

/// One page, as Prometheus got it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scrape {
    /// Of the process, in seconds since 1970.
    pub began: f64,
    /// In milliseconds since 1970.
    pub instant: Option<i64>,
    pub numbers: Numbers,
}

/// The pages of one address by the time of their scrape, in milliseconds since 1970.
pub type Scrapes = BTreeMap<i64, Scrape>;

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

/// Everything that was scraped from this address within the last minutes.
pub fn of(prometheus: &Prometheus, address: SocketAddr, minutes: u64) -> Scrapes {
    let measures = MEASURES.iter().map(|measure| measure.name);
    let names: Vec<&str> = measures.chain([INSTANT, BEGAN, WITHHELD]).collect();
    let mut scrapes = Scrapes::new();
    // The same for all questions, or the last scrapes would come in parts.
    let now = format!("{:.3}", now());
    // One question for all would be a longer address than servers take.
    for names in names.chunks(40) {
        let selector = format!(
            r#"{{__name__=~"{}",instance="{address}"}}[{minutes}m]"#,
            names.join("|")
        );
        let url = format!("{}/api/v1/query", prometheus.url());
        let parameters = [("query", selector.as_str()), ("time", &now)];
        let body = http::get_ok(&url, &parameters).unwrap();
        let answer: Answer = serde_json::from_str(&body).unwrap();
        for series in answer.data.result {
            take(&mut scrapes, series);
        }
    }
    // Without the start of a process it was no scrape of one.
    scrapes.retain(|_, scrape| scrape.began > 0.0);
    scrapes
}

fn take(scrapes: &mut Scrapes, series: Series) {
    let metric = series.metric["__name__"].clone();
    let target = ["__name__", "instance", "job"];
    let labels = series.metric.iter();
    let labels = labels.filter(|(name, _)| !target.contains(&name.as_str()));
    let written = written(
        &metric,
        labels.map(|(name, value)| (name.as_str(), value.as_str())),
    );
    for (time, value) in series.values {
        let scrape = scrapes.entry((time * 1000.0).round() as i64).or_default();
        let value: f64 = value.parse().unwrap();
        match metric.as_str() {
            INSTANT => scrape.instant = Some((value * 1000.0).round() as i64),
            BEGAN => scrape.began = value,
            _ => {
                assert!(is_measure(&metric), "{metric} was not asked for");
                scrape.numbers.insert(written.clone(), value);
            }
        }
    }
}

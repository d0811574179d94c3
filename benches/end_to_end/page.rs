//! Scrapes over one kept connection, as Prometheus does them, and the numbers on the page.

use std::time::{Duration, Instant};

use ureq::Agent;

/// A client of one page, and how long its scrapes took.
pub struct Scraper {
    agent: Agent,
    url: String,
    pub took: Vec<Duration>,
}

/// One page.
pub struct Page(String);

impl Scraper {
    pub fn new(url: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
        Self {
            agent: config.build().into(),
            url: url.to_owned(),
            took: Vec::new(),
        }
    }

    /// Fetches the page; panics if it is refused, because then there is nothing to measure.
    pub fn scrape(&mut self) -> Page {
        let started = Instant::now();
        let fetched = self.agent.get(&self.url).call();
        let text = fetched.and_then(|mut response| response.body_mut().read_to_string());
        self.took.push(started.elapsed());
        Page(text.unwrap_or_else(|error| panic!("{}: {error}", self.url)))
    }
}

impl Page {
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The sum of all series of a metric; nothing if the page has none.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.of(name, &[])
    }

    /// The sum of the series that have all of these labels.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            if !rest.starts_with(['{', ' ']) || !labels.iter().all(|label| rest.contains(label)) {
                return None;
            }
            rest.rsplit_once(' ')?.1.parse::<f64>().ok()
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// The same for a metric that every page has, 0 at the start.
    pub fn total(&self, name: &str) -> f64 {
        self.sum(name).unwrap_or(0.0)
    }
}

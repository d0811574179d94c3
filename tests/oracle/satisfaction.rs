//! Satisfaction: the answers of each window, counted one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact, Survey};
use super::page::Page;
use super::period::{Interval, rolling};
use super::settings::{DAY, Settings};
use super::spell::Lives;

/// The 97.5th percentile of the normal distribution, as it is used everywhere.
const Z: f64 = 1.959_964;

pub fn publish(
    facts: &[Fact],
    lives: &Lives,
    periods: &[(String, Interval)],
    settings: &Settings,
    page: &mut Page,
) {
    for (name, interval) in periods {
        publish_change(facts, name, *interval, page);
        publish_share(facts, lives, name, *interval, page);
        publish_nps(&answers(facts, Survey::Nps, *interval), name, page);
        publish_csat(&answers(facts, Survey::Csat, *interval), name, page);
        publish_ces(
            &answers(facts, Survey::Ces, *interval),
            name,
            settings,
            page,
        );
    }
    publish_scales(settings, page);
}

pub struct Answer<'a> {
    customer: &'a str,
    at: i64,
    score: i64,
}

/// Every answer to that survey in the window.
pub fn answers(facts: &[Fact], wanted: Survey, interval: Interval) -> Vec<Answer<'_>> {
    let mut answers = Vec::new();
    for fact in facts {
        if let Body::Survey { survey, score, .. } = fact.body
            && survey == wanted
            && interval.contains(fact.at)
        {
            answers.push(Answer {
                customer: &fact.customer,
                at: fact.at,
                score,
            });
        }
    }
    answers
}

fn count(scores: &[i64], which: impl Fn(i64) -> bool) -> usize {
    scores.iter().filter(|score| which(**score)).count()
}

fn publish_nps(answers: &[Answer], name: &str, page: &mut Page) {
    let every: Vec<i64> = answers.iter().map(|answer| answer.score).collect();
    let period = [("period", name)];

    let responses = Groups::of(&every);
    responses.publish("tenure_nps_responses", name, page);
    if let Some(score) = responses.score() {
        page.put("tenure_nps_response_score", &period, score);
    }

    let customers = Groups::of(&latest(answers));
    customers.publish("tenure_nps_customers", name, page);
    if let Some(score) = customers.score() {
        let (lower, upper) = customers.bounds(score);
        page.put("tenure_nps_score", &period, score);
        page.put("tenure_nps_score_lower", &period, lower);
        page.put("tenure_nps_score_upper", &period, upper);
    }
}

/// The score of each customer's latest answer; of two at one instant the larger.
pub fn latest_by_customer<'a>(answers: &[Answer<'a>]) -> BTreeMap<&'a str, i64> {
    let mut latest: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for answer in answers {
        let this = (answer.at, answer.score);
        let newest = latest.entry(answer.customer).or_insert(this);
        if this > *newest {
            *newest = this;
        }
    }
    let scores = latest.into_iter();
    scores
        .map(|(customer, (_, score))| (customer, score))
        .collect()
}

fn latest(answers: &[Answer]) -> Vec<i64> {
    latest_by_customer(answers).into_values().collect()
}

/// With what a rolling period is compared: at least four weeks, at least twice its length.
pub fn baseline(name: &str, interval: Interval) -> Option<Interval> {
    let length = interval.t1 - interval.t0;
    rolling(name).then(|| Interval {
        t0: interval.t0 - (28 * DAY).max(2 * length),
        t1: interval.t0,
    })
}

fn publish_change(facts: &[Fact], name: &str, interval: Interval, page: &mut Page) {
    let Some(baseline) = baseline(name, interval) else {
        return;
    };
    let groups = |window| Groups::of(&latest(&answers(facts, Survey::Nps, window)));
    let (now, before) = (groups(interval), groups(baseline));
    if let (Some(score), Some(score_before)) = (now.score(), before.score()) {
        let (error, error_before) = (now.standard_error(), before.standard_error());
        let change = score - score_before;
        let error = 100.0 * (error * error + error_before * error_before).sqrt();
        page.put("tenure_nps_change_score", &[("period", name)], change);
        page.put(
            "tenure_nps_change_standard_error",
            &[("period", name)],
            error,
        );
    }
}

/// How many of the customers at the end answered in the window.
fn publish_share(facts: &[Fact], lives: &Lives, name: &str, interval: Interval, page: &mut Page) {
    let at_end = lives.active_at(interval.t1);
    for survey in [Survey::Nps, Survey::Csat, Survey::Ces] {
        let answered: BTreeSet<&str> = answers(facts, survey, interval)
            .iter()
            .map(|answer| answer.customer)
            .collect();
        let share = at_end.intersection(&answered).count() as f64;
        let labels = [("period", name), ("survey", survey.name())];
        page.ratio(
            "tenure_survey_customers_ratio",
            &labels,
            share,
            at_end.len(),
        );
    }
}

/// Promoters, passives and detractors.
pub struct Groups {
    promoters: usize,
    passives: usize,
    detractors: usize,
}

impl Groups {
    pub fn of(scores: &[i64]) -> Self {
        Self {
            promoters: count(scores, |score| score == 9 || score == 10),
            passives: count(scores, |score| score == 7 || score == 8),
            detractors: count(scores, |score| score <= 6),
        }
    }

    pub fn counts(&self) -> [(&'static str, usize); 3] {
        [
            ("promoter", self.promoters),
            ("passive", self.passives),
            ("detractor", self.detractors),
        ]
    }

    fn publish(&self, metric: &str, name: &str, page: &mut Page) {
        for (group, count) in self.counts() {
            page.count(metric, &[("period", name), ("group", group)], count);
        }
    }

    pub fn score(&self) -> Option<f64> {
        let all = self.promoters + self.passives + self.detractors;
        let difference = self.promoters as f64 - self.detractors as f64;
        (all > 0).then(|| 100.0 * difference / all as f64)
    }

    /// The number of answers, and the shares of promoters and detractors, adjusted.
    fn adjusted(&self) -> (f64, f64, f64) {
        let promoters = self.promoters as f64 + 0.75;
        let passives = self.passives as f64 + 1.5;
        let detractors = self.detractors as f64 + 0.75;
        let n = promoters + passives + detractors;
        (n, promoters / n, detractors / n)
    }

    /// From 0 to 1, not in points.
    fn standard_error(&self) -> f64 {
        let (n, p, d) = self.adjusted();
        ((p + d - (p - d) * (p - d)) / n).sqrt()
    }

    /// Adjusted Wald, clipped to the scale, widened to contain the score.
    fn bounds(&self, score: f64) -> (f64, f64) {
        let (_, p, d) = self.adjusted();
        let lower = 100.0 * (p - d - Z * self.standard_error());
        let upper = 100.0 * (p - d + Z * self.standard_error());
        (lower.max(-100.0).min(score), upper.min(100.0).max(score))
    }
}

fn publish_csat(answers: &[Answer], name: &str, page: &mut Page) {
    let scores: Vec<i64> = answers.iter().map(|answer| answer.score).collect();
    publish_ratings("tenure_csat_responses", &scores, 5, name, page);

    let period = [("period", name)];
    let satisfied = count(&scores, |score| score >= 4);
    if let Some((lower, upper)) = wilson(satisfied, scores.len()) {
        page.put("tenure_csat_ratio_lower", &period, lower);
        page.put("tenure_csat_ratio_upper", &period, upper);
    }
    let sum: i64 = scores.iter().sum();
    page.ratio("tenure_csat_ratio", &period, satisfied as f64, scores.len());
    page.ratio("tenure_csat_mean_score", &period, sum as f64, scores.len());
}

/// Wilson's 95 % bounds of the share `part / whole`, without continuity correction.
fn wilson(part: usize, whole: usize) -> Option<(f64, f64)> {
    if whole == 0 {
        return None;
    }
    let n = whole as f64;
    let p = part as f64 / n;
    let middle = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    let lower = (middle - spread) / scale;
    let upper = (middle + spread) / scale;
    Some((lower.clamp(0.0, 1.0), upper.clamp(0.0, 1.0)))
}

fn publish_ces(answers: &[Answer], name: &str, settings: &Settings, page: &mut Page) {
    let scores: Vec<i64> = answers.iter().map(|answer| answer.score).collect();
    publish_ratings(
        "tenure_ces_responses",
        &scores,
        settings.ces_max,
        name,
        page,
    );

    let low_effort = match (settings.ces_max, settings.ces_high_is_better) {
        (5, false) => 1..=2,
        (5, true) => 4..=5,
        (7, true) => 5..=7,
        (7, false) => 1..=3,
        (max, _) => panic!("no scale of customer effort: 1 to {max}"),
    };
    let low = count(&scores, |score| low_effort.contains(&score));
    let sum: i64 = scores.iter().sum();
    let period = [("period", name)];
    page.ratio("tenure_ces_mean_score", &period, sum as f64, scores.len());
    page.ratio(
        "tenure_ces_low_effort_ratio",
        &period,
        low as f64,
        scores.len(),
    );
}

/// The answers of each rating, also of those that nobody gave.
fn publish_ratings(metric: &str, scores: &[i64], max: u8, name: &str, page: &mut Page) {
    for rating in 1..=i64::from(max) {
        let labels = [("period", name), ("rating", &rating.to_string())];
        page.count(metric, &labels, count(scores, |score| score == rating));
    }
}

fn publish_scales(settings: &Settings, page: &mut Page) {
    let ces_max = settings.ces_max.to_string();
    let ces_better = if settings.ces_high_is_better {
        "high"
    } else {
        "low"
    };
    let scales = [
        ("nps", "0", "10", "high"),
        ("csat", "1", "5", "high"),
        ("ces", "1", ces_max.as_str(), ces_better),
    ];
    for (survey, min, max, better) in scales {
        let labels = [
            ("survey", survey),
            ("min", min),
            ("max", max),
            ("better", better),
        ];
        page.count("tenure_survey_scale_info", &labels, 1);
    }
}

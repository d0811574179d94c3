//! What moved a number: its change between two reports, split up exactly.
//!
//! Owns the arithmetic of contributions and which families split up which measure. Promises that the
//! effects of a [`Breakdown`] add up to the change it names; where the slices of the reports do not
//! add up to the number, there is no breakdown. Does not know why anything happened: an effect is
//! arithmetic and claims no cause.
//!
//! ```text
//!  rate of all     R = sum of w * r       w: share of the denominator, r: rate of a slice
//!  effect          w1 * (r1 - r0)         its own rate moved
//!                + (w1 - w0) * (r0 - R0)  its weight moved, towards or away from better than all
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::measure::explain::Series;
use crate::measure::report::{Family, Report, Sample};

/// At most so many slices are named; the rest is summed up.
const NAMED: usize = 10;

/// The change of one number, by the slices that it is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// What is split up.
    pub of: String,
    /// Into what: segments, reasons, channels.
    pub by: String,
    pub kind: Kind,
    /// The whole before and now; their difference is the sum of all effects.
    pub before: f64,
    pub now: f64,
    /// By absolute effect, the largest first; slices without an effect are left out.
    pub movers: Vec<Mover>,
    /// The sum of what is not named.
    pub others: Option<Others>,
}

/// How to read the numbers of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `before` and `now` are rates within the slice; weights are shares of the denominator.
    Rates,
    /// `before` and `now` are what the slice adds to the whole.
    Shares,
}

/// One slice and what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mover {
    /// The values that name the slice, in the order of `by`.
    pub slice: Vec<String>,
    /// None where the slice was not there: nothing to divide by.
    pub before: Option<f64>,
    pub now: Option<f64>,
    /// Shares of the denominator, 0 to 1; none where the whole is a sum.
    pub weight_before: Option<f64>,
    pub weight_now: Option<f64>,
    pub effect: f64,
}

/// The slices that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Others {
    pub slices: usize,
    pub effect: f64,
}

/// Numerator and denominator of each slice.
type Rates = BTreeMap<Vec<String>, (f64, f64)>;
/// What each slice adds.
type Shares = BTreeMap<Vec<String>, f64>;

/// Every way to split up what moved the series, as far as the reports hold it.
#[must_use]
pub fn breakdowns(series: &Series, now: &Report, before: &Report) -> Vec<Breakdown> {
    let split = Split {
        series,
        period: series.label("period").unwrap_or_default(),
        now,
        before,
    };
    let all = split.all().into_iter().flatten();
    all.filter(|breakdown| !breakdown.movers.is_empty())
        .collect()
}

struct Split<'a> {
    series: &'a Series,
    period: &'a str,
    now: &'a Report,
    before: &'a Report,
}

/// Values that a label may have to be counted; a label not named may have any.
type Fixed<'a> = [(&'a str, &'a [&'a str])];

const AT_START: &[&str] = &["retained", "lost"];
const AT_END: &[&str] = &["retained", "new", "reactivated"];

impl Split<'_> {
    fn all(&self) -> Vec<Option<Breakdown>> {
        let own = |label: &str| self.series.label(label).unwrap_or_default();
        match self.series.measure.name {
            "tenure_customers" => vec![self.flow(), self.segments_at_the_instant()],
            "tenure_customers_at_start" => vec![self.customers_by_segment(self.period, AT_START)],
            "tenure_customers_at_end" => {
                vec![self.flow(), self.customers_by_segment(self.period, AT_END)]
            }
            "tenure_period_customers" => {
                let status = own("status");
                let by_reason = (status == "lost").then(|| self.lost_by_reason(|_| Some(1.0)));
                let by_segment = self.customers_by_segment(self.period, &[status]);
                vec![by_reason.flatten(), by_segment]
            }
            "tenure_retention_ratio" => vec![
                self.lost_by_reason(|start| (start > 0.0).then(|| -1.0 / start)),
                self.segment_rates("tenure_segment_retention_ratio", quotient),
                self.group_rates(quotient),
            ],
            "tenure_churn_ratio" => vec![
                self.lost_by_reason(|start| (start > 0.0).then(|| 1.0 / start)),
                self.segment_rates("tenure_segment_retention_ratio", complement),
                self.group_rates(complement),
            ],
            "tenure_departures" => vec![self.shares(
                "departures of the period",
                "departure reason",
                "tenure_departures",
                &[],
                &["reason"],
            )],
            "tenure_departure_ratio" => vec![self.departures_by_reason()],
            "tenure_nps_customers" => {
                let fixed: &Fixed<'_> = &[("group", &[own("group")])];
                vec![self.by_segment("tenure_segment_nps_customers", fixed)]
            }
            "tenure_nps_score" => vec![self.segment_rates("tenure_segment_nps_score", score)],
            "tenure_nps_responses" => vec![self.shares(
                self.of(),
                "channel",
                "tenure_channel_nps_responses",
                &[("group", &[own("group")])],
                &["channel"],
            )],
            "tenure_nps_response_score" => {
                vec![self.channel_rates("tenure_channel_nps_response_score", score)]
            }
            "tenure_csat_ratio" => vec![self.channel_rates("tenure_channel_csat_ratio", quotient)],
            "tenure_ces_mean_score" => {
                vec![self.channel_rates("tenure_channel_ces_mean_score", quotient)]
            }
            "tenure_csat_responses" => vec![self.answers_by_channel("csat")],
            "tenure_ces_responses" => vec![self.answers_by_channel("ces")],
            "tenure_channel_responses" => vec![self.answers_by_channel(own("survey"))],
            "tenure_orders" => {
                let fixed: &Fixed<'_> = &[("currency", &[own("currency")])];
                vec![self.by_segment("tenure_segment_orders", fixed)]
            }
            "tenure_revenue" => {
                let fixed: &Fixed<'_> = &[("currency", &[own("currency")])];
                vec![self.by_segment("tenure_segment_revenue", fixed)]
            }
            "tenure_average_order_value" => vec![self.order_values(own("currency"))],
            _ => Vec::new(),
        }
    }

    /// The asked measure, for a heading.
    fn of(&self) -> &str {
        self.series.measure.name
    }

    /// The series itself, before and now; 0 where a sum has none.
    fn whole(&self) -> [f64; 2] {
        [self.before, self.now].map(|report| {
            let sample = self.series.sample(report);
            sample.map_or(0.0, |sample| sample.value)
        })
    }

    fn dimensions(&self) -> Vec<&str> {
        self.now
            .family("tenure_segment_retention_ratio")
            .map(|family| family.label_names.iter().map(AsRef::as_ref))
            .into_iter()
            .flatten()
            .filter(|name| *name != "period")
            .collect()
    }

    fn segment(&self) -> String {
        format!("segment ({})", self.dimensions().join(", "))
    }

    /// Who came and who went, where the one report begins its period as the other ends.
    fn flow(&self) -> Option<Breakdown> {
        let fits = |(period, bounds): &&(crate::measure::period::Period, _)| {
            let bounds: &crate::measure::period::Interval = bounds;
            match self.series.period {
                Some(asked) => {
                    let before = self.before.periods.iter();
                    let mut before = before.filter(|(period, _)| *period == asked);
                    let follows = before.any(|(_, earlier)| earlier.end == bounds.start);
                    *period == asked && follows
                }
                None => bounds.start == self.before.at && bounds.end == self.now.at,
            }
        };
        let (period, _) = self.now.periods.iter().find(fits)?;
        let period = period.to_string();
        let moved = |status: &str, sign: f64| {
            let labels = [("period", period.as_str()), ("status", status)];
            let count = self.now.value("tenure_period_customers", &labels)?;
            Some((vec![status.to_owned()], sign * count))
        };
        let now: Option<Shares> = [("new", 1.0), ("reactivated", 1.0), ("lost", -1.0)]
            .into_iter()
            .map(|(status, sign)| moved(status, sign))
            .collect();
        let breakdown = added_up(self.of(), "who came and who went", &Shares::new(), &now?);
        let [before, now] = self.whole();
        adds_up(breakdown, before, now)
    }

    fn segments_at_the_instant(&self) -> Option<Breakdown> {
        let ends = |report: &Report, period| {
            let mut periods = report.periods.iter();
            periods.any(|(other, bounds)| *other == period && bounds.end == report.at)
        };
        let mut periods = self.now.periods.iter().map(|(period, _)| *period);
        let period =
            periods.find(|period| ends(self.now, *period) && ends(self.before, *period))?;
        self.customers_by_segment(&period.to_string(), AT_END)
    }

    fn customers_by_segment(&self, period: &str, statuses: &[&str]) -> Option<Breakdown> {
        let fixed: &Fixed<'_> = &[("period", &[period]), ("status", statuses)];
        self.by_segment("tenure_segment_customers", fixed)
    }

    fn by_segment(&self, family: &str, fixed: &Fixed<'_>) -> Option<Breakdown> {
        self.shares(
            self.of(),
            &self.segment(),
            family,
            fixed,
            &self.dimensions(),
        )
    }

    fn answers_by_channel(&self, survey: &str) -> Option<Breakdown> {
        self.shares(
            &format!("all {survey} answers of the period"),
            "channel",
            "tenure_channel_responses",
            &[("survey", &[survey])],
            &["channel"],
        )
    }

    /// A sum by its slices. One that claims to be of the series itself must add up to it.
    fn shares(
        &self,
        of: &str,
        by: &str,
        family: &str,
        fixed: &Fixed<'_>,
        names: &[&str],
    ) -> Option<Breakdown> {
        if names.is_empty() {
            return None;
        }
        let period = [self.period];
        let mut all = vec![("period", period.as_slice())];
        all.retain(|(name, _)| fixed.iter().all(|(other, _)| other != name));
        all.extend_from_slice(fixed);
        let [before, now] =
            [self.before, self.now].map(|report| shares_of(report, family, &all, names));
        let breakdown = added_up(of, by, &before, &now);
        let [before, now] = self.whole();
        if of == self.of() {
            adds_up(breakdown, before, now)
        } else {
            Some(breakdown)
        }
    }

    /// The lost customers by the reason for which each left, times what one of them weighs.
    fn lost_by_reason(&self, weight: impl Fn(f64) -> Option<f64>) -> Option<Breakdown> {
        let lost = |report: &Report| -> Option<Shares> {
            let labels = [("period", self.period)];
            let start = report.value("tenure_customers_at_start", &labels)?;
            let weight = weight(start)?;
            let names = report.periods.iter().map(|(period, _)| period.to_string());
            let at = names.into_iter().position(|name| name == self.period)?;
            let reasons = report.lost_by_reason.get(at)?.iter();
            let share =
                reasons.map(|(reason, count)| (vec![reason.to_string()], weight * *count as f64));
            Some(share.collect())
        };
        let (before, now) = (lost(self.before)?, lost(self.now)?);
        let mut breakdown = added_up(self.of(), "reason of those lost", &before, &now);
        let [before, now] = self.whole();
        if self.series.measure.name == "tenure_retention_ratio" {
            // What is lost is missing from 1.
            breakdown.before += 1.0;
            breakdown.now += 1.0;
        }
        adds_up(breakdown, before, now)
    }

    fn departures_by_reason(&self) -> Option<Breakdown> {
        let departures = |report: &Report| -> Option<Shares> {
            let exposed = self.series.sample(report)?.parts[1];
            let fixed: &Fixed<'_> = &[("period", &[self.period])];
            let counts = shares_of(report, "tenure_departures", fixed, &["reason"]);
            let share = counts
                .into_iter()
                .map(|(reason, count)| (reason, count / exposed));
            Some(share.collect())
        };
        let (before, now) = (departures(self.before)?, departures(self.now)?);
        let breakdown = added_up(self.of(), "departure reason", &before, &now);
        let [before, now] = self.whole();
        adds_up(breakdown, before, now)
    }

    fn segment_rates(&self, family: &str, fraction: Fraction) -> Option<Breakdown> {
        self.rates(&self.segment(), family, fraction, &self.dimensions())
    }

    fn channel_rates(&self, family: &str, fraction: Fraction) -> Option<Breakdown> {
        self.rates("channel", family, fraction, &["channel"])
    }

    fn group_rates(&self, fraction: Fraction) -> Option<Breakdown> {
        let family = "tenure_nps_group_retention_ratio";
        self.rates("NPS group known at the start", family, fraction, &["group"])
    }

    fn rates(
        &self,
        by: &str,
        family: &str,
        fraction: Fraction,
        names: &[&str],
    ) -> Option<Breakdown> {
        let fixed: &Fixed<'_> = &[("period", &[self.period])];
        let of = |report: &Report| -> Rates {
            let samples = samples_of(report, family, fixed);
            let slice =
                |(family, sample)| (slice_of(family, sample, names), fraction(sample.parts));
            samples.map(slice).collect()
        };
        let breakdown = weighed(self.of(), by, &of(self.before), &of(self.now))?;
        let [before, now] = self.whole();
        adds_up(breakdown, before, now)
    }

    fn order_values(&self, currency: &str) -> Option<Breakdown> {
        let fixed: &Fixed<'_> = &[("period", &[self.period]), ("currency", &[currency])];
        let names = self.dimensions();
        let of = |report: &Report| -> Rates {
            let revenue = shares_of(report, "tenure_segment_revenue", fixed, &names);
            let orders = shares_of(report, "tenure_segment_orders", fixed, &names);
            let rate = |(slice, orders)| {
                let revenue = revenue.get(&slice).copied().unwrap_or_default();
                (slice, (revenue, orders))
            };
            orders.into_iter().map(rate).collect()
        };
        let segment = self.segment();
        let breakdown = weighed(self.of(), &segment, &of(self.before), &of(self.now))?;
        let [before, now] = self.whole();
        adds_up(breakdown, before, now)
    }
}

/// Numerator and denominator from the parts of a value.
type Fraction = fn([f64; 3]) -> (f64, f64);

const fn quotient(parts: [f64; 3]) -> (f64, f64) {
    (parts[0], parts[1])
}

const fn complement(parts: [f64; 3]) -> (f64, f64) {
    (parts[1] - parts[0], parts[1])
}

const fn score([promoters, passives, detractors]: [f64; 3]) -> (f64, f64) {
    (
        100.0 * (promoters - detractors),
        promoters + passives + detractors,
    )
}

fn samples_of<'a>(
    report: &'a Report,
    family: &str,
    fixed: &'a Fixed<'a>,
) -> impl Iterator<Item = (&'a Family, &'a Sample)> {
    let family = report.family(family);
    let samples = family.map(|family| family.samples.iter().map(move |sample| (family, sample)));
    samples
        .into_iter()
        .flatten()
        .filter(move |(family, sample)| {
            fixed.iter().all(|(name, values)| {
                let mut labels = family.labelled(sample);
                labels.any(|(label, value)| label == *name && values.contains(&value))
            })
        })
}

fn slice_of(family: &Family, sample: &Sample, names: &[&str]) -> Vec<String> {
    let value = |name: &&str| {
        let mut labels = family.labelled(sample);
        let found = labels.find(|(label, _)| label == name);
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    names.iter().map(value).collect()
}

fn shares_of(report: &Report, family: &str, fixed: &Fixed<'_>, names: &[&str]) -> Shares {
    let mut shares = Shares::new();
    for (family, sample) in samples_of(report, family, fixed) {
        *shares.entry(slice_of(family, sample, names)).or_default() += sample.value;
    }
    shares
}

/// What each slice did to a sum.
fn added_up(of: &str, by: &str, before: &Shares, now: &Shares) -> Breakdown {
    let slices = before.keys().chain(now.keys());
    let slices: BTreeSet<&Vec<String>> = slices.collect();
    let mover = |slice: &Vec<String>| {
        let of = |shares: &Shares| shares.get(slice).copied();
        let (before, now) = (of(before), of(now));
        Mover {
            slice: slice.clone(),
            before,
            now,
            weight_before: None,
            weight_now: None,
            effect: now.unwrap_or_default() - before.unwrap_or_default(),
        }
    };
    let total = |shares: &Shares| shares.values().fold(0.0, |sum, share| sum + share);
    Breakdown {
        of: of.to_owned(),
        by: by.to_owned(),
        kind: Kind::Shares,
        before: total(before),
        now: total(now),
        ..named(slices.into_iter().map(mover).collect())
    }
}

/// What each slice did to a quotient; None where one of the two has nothing to divide by, or there
/// is but one slice.
fn weighed(of: &str, by: &str, before: &Rates, now: &Rates) -> Option<Breakdown> {
    let sum = |rates: &Rates| {
        rates
            .values()
            .fold((0.0, 0.0), |sum, (numerator, denominator)| {
                (sum.0 + numerator, sum.1 + denominator)
            })
    };
    let (whole_before, whole_now) = (sum(before), sum(now));
    if whole_before.1 <= 0.0 || whole_now.1 <= 0.0 {
        return None;
    }
    let rate = whole_before.0 / whole_before.1;
    let slices = before.keys().chain(now.keys());
    let slices: BTreeSet<&Vec<String>> = slices.collect();
    if slices.len() < 2 {
        // The one slice is the whole.
        return None;
    }
    let mover = |slice: &Vec<String>| {
        let of = |rates: &Rates, whole: f64| {
            let (numerator, denominator) = rates.get(slice).copied().unwrap_or_default();
            let rate = (denominator > 0.0).then(|| numerator / denominator);
            (denominator / whole, rate)
        };
        let (w0, r0) = of(before, whole_before.1);
        let (w1, r1) = of(now, whole_now.1);
        // A slice that was not there weighed as all did; one that is gone kept its rate.
        let from = r0.unwrap_or(rate);
        let to = r1.unwrap_or(from);
        Mover {
            slice: slice.clone(),
            before: r0,
            now: r1,
            weight_before: Some(w0),
            weight_now: Some(w1),
            effect: w1 * (to - from) + (w1 - w0) * (from - rate),
        }
    };
    Some(Breakdown {
        of: of.to_owned(),
        by: by.to_owned(),
        kind: Kind::Rates,
        before: rate,
        now: whole_now.0 / whole_now.1,
        ..named(slices.into_iter().map(mover).collect())
    })
}

/// The largest movers, and the sum of the others.
fn named(mut movers: Vec<Mover>) -> Breakdown {
    movers.retain(|mover| mover.effect != 0.0);
    movers.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    let rest = movers.split_off(NAMED.min(movers.len()));
    let others = (!rest.is_empty()).then(|| Others {
        slices: rest.len(),
        effect: rest.iter().map(|mover| mover.effect).sum(),
    });
    Breakdown {
        of: String::new(),
        by: String::new(),
        kind: Kind::Shares,
        before: 0.0,
        now: 0.0,
        movers,
        others,
    }
}

/// The breakdown, if its slices add up to the change from `before` to `now`.
///
/// They do not where the slices are withheld or not configured.
fn adds_up(breakdown: Breakdown, before: f64, now: f64) -> Option<Breakdown> {
    let largest = before.abs().max(now.abs()).max(1.0);
    let change = breakdown.now - breakdown.before;
    let exact = (change - (now - before)).abs() <= 1e-9 * largest;
    exact.then_some(Breakdown {
        before,
        now,
        ..breakdown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(slices: &[(&str, f64, f64)]) -> Rates {
        let rate = |(name, numerator, denominator): &(&str, f64, f64)| {
            (vec![(*name).to_owned()], (*numerator, *denominator))
        };
        slices.iter().map(rate).collect()
    }

    fn effects(breakdown: &Breakdown) -> Vec<(&str, f64)> {
        let effect = |mover: &Mover| (mover.effect * 1e6).round() / 1e6;
        let mut movers: Vec<&Mover> = breakdown.movers.iter().collect();
        // Equal effects differ in their last digits.
        movers.sort_by(|a, b| a.slice.cmp(&b.slice));
        movers
            .into_iter()
            .map(|mover| (mover.slice[0].as_str(), effect(mover)))
            .collect()
    }

    #[test]
    fn a_rate_moves_by_the_rates_and_the_weights_of_its_slices() {
        // Pro fell from 0.9 to 0.8 at half of the weight; nothing else happened.
        let before = rates(&[("basic", 5.0, 10.0), ("pro", 9.0, 10.0)]);
        let now = rates(&[("basic", 5.0, 10.0), ("pro", 8.0, 10.0)]);
        let fell = weighed("retention", "plan", &before, &now).unwrap();
        assert_eq!(effects(&fell), [("pro", -0.05)]);
        // Rates as they were, but basic weighs three quarters: each moves the mean alike.
        let now = rates(&[("basic", 15.0, 30.0), ("pro", 9.0, 10.0)]);
        let mixed = weighed("retention", "plan", &before, &now).unwrap();
        assert_eq!(effects(&mixed), [("basic", -0.05), ("pro", -0.05)]);
    }

    #[test]
    fn slices_that_come_and_go_keep_the_sum_exact() {
        let before = rates(&[("gone", 9.0, 10.0), ("kept", 5.0, 10.0)]);
        let now = rates(&[("kept", 5.0, 10.0), ("new", 2.0, 10.0)]);
        let moved = weighed("retention", "plan", &before, &now).unwrap();
        // 0.7 to 0.35: new weighs half and is 0.5 below all; gone was 0.2 above all.
        assert_eq!(effects(&moved), [("gone", -0.1), ("new", -0.25)]);
        assert_eq!((moved.before, moved.now), (0.7, 0.35));
        assert_eq!(moved.movers[0].before, None);
        assert_eq!(moved.movers[1].now, None);
    }

    #[test]
    fn effects_add_up_to_the_change_for_random_slices() {
        // A plain congruential generator: the numbers need no quality, only variety.
        let mut state = 7_u64;
        let mut below = |limit: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % limit
        };
        for case in 0..2_000 {
            let mut side = || -> Rates {
                let mut slices = Rates::new();
                for slice in 0..below(25) {
                    let denominator = below(50);
                    let numerator = below(denominator + 1);
                    if below(4) > 0 {
                        let key = vec![format!("slice {slice}")];
                        slices.insert(key, (numerator as f64, denominator as f64));
                    }
                }
                slices
            };
            let (before, now) = (side(), side());
            let Some(moved) = weighed("x", "slice", &before, &now) else {
                continue;
            };
            let named: f64 = moved.movers.iter().map(|mover| mover.effect).sum();
            let all = named + moved.others.map_or(0.0, |others| others.effect);
            let change = moved.now - moved.before;
            assert!(
                (all - change).abs() < 1e-9,
                "case {case}: {all} is not {change}"
            );
            assert!(moved.movers.len() <= NAMED);
            let shares = |rates: &Rates| -> Shares {
                let share = |(slice, (numerator, _)): (&Vec<String>, &(f64, f64))| {
                    (slice.clone(), *numerator)
                };
                rates.iter().map(share).collect()
            };
            let moved = added_up("x", "slice", &shares(&before), &shares(&now));
            let named: f64 = moved.movers.iter().map(|mover| mover.effect).sum();
            let all = named + moved.others.map_or(0.0, |others| others.effect);
            assert!(
                (all - (moved.now - moved.before)).abs() < 1e-9,
                "case {case}"
            );
        }
    }

    #[test]
    fn the_largest_are_named_and_the_rest_is_summed_up() {
        let share = |slice: u32| (vec![format!("{slice:02}")], f64::from(slice));
        let now: Shares = (1..=13).map(share).collect();
        let moved = added_up("customers", "plan", &Shares::new(), &now);
        assert_eq!(moved.movers.len(), NAMED);
        assert_eq!(moved.movers[0].slice, ["13"]);
        assert_eq!(
            moved.others,
            Some(Others {
                slices: 3,
                effect: 6.0
            })
        );
        assert_eq!((moved.before, moved.now), (0.0, 91.0));
    }

    #[test]
    fn slices_that_do_not_add_up_explain_nothing() {
        let moved = added_up("customers", "plan", &Shares::new(), &Shares::new());
        assert_eq!(adds_up(moved.clone(), 3.0, 4.0), None);
        assert!(adds_up(moved, 4.0, 4.0).is_some());
    }
}

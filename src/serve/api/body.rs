//! The bodies of the API: written from what they are about, without a copy of it in between.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::event::Timestamp;
use crate::measure::catalogue::Measure;
use crate::measure::customer::Customer;
use crate::measure::explain::compared_with;
use crate::measure::report::{Family, Label, Report, Sample};
use crate::serve::api::archive::Series;
use crate::serve::api::{Api, Setting};
use crate::serve::{LogPosition, Published, ShardDigest};
use crate::telemetry::VERSION;

/// The body of `/api/v1/report`.
#[derive(Serialize)]
pub(super) struct ReportBody<'a> {
    at: Time,
    history_start: Option<Time>,
    coverage: f64,
    periods: Vec<PeriodBody>,
    settings: &'a [Setting],
    definition_hash: &'a str,
    version: &'static str,
    positions: &'a [LogPosition],
    digests: &'a [ShardDigest],
    measures: Measures<'a>,
    withheld: Vec<WithheldBody>,
    lost_by_reason: Vec<LostBody<'a>>,
}

/// An instant, in RFC 3339.
pub(super) struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct PeriodBody {
    period: String,
    start: Time,
    end: Time,
    /// Whose report has the window before.
    compared_with: Time,
}

#[derive(Serialize)]
struct WithheldBody {
    measure: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct LostBody<'a> {
    period: String,
    reasons: &'a BTreeMap<Label, u64>,
}

impl<'a> ReportBody<'a> {
    pub fn of(published: &'a Published, api: &'a Api) -> Self {
        let report: &Report = &published.report;
        let periods = report.periods.iter();
        let lost = periods.clone().zip(&report.lost_by_reason);
        let withheld = report.withheld.iter();
        Self {
            at: Time(report.at),
            history_start: published.history_start.map(Time),
            coverage: published.coverage,
            periods: periods
                .map(|(period, bounds)| PeriodBody {
                    period: period.to_string(),
                    start: Time(bounds.start),
                    end: Time(bounds.end),
                    compared_with: Time(compared_with(Some(*period), report.at, &api.evaluation)),
                })
                .collect(),
            settings: &api.settings,
            definition_hash: &api.definition_hash,
            version: VERSION,
            positions: &published.basis.positions,
            digests: &published.basis.digests,
            measures: Measures(&report.families),
            withheld: withheld
                .map(|withheld| WithheldBody {
                    measure: withheld.measure,
                    reason: withheld.reason.name(),
                })
                .collect(),
            lost_by_reason: lost
                .map(|((period, _), reasons)| LostBody {
                    period: period.to_string(),
                    reasons,
                })
                .collect(),
        }
    }
}

struct Measures<'a>(&'a [Family]);

impl Serialize for Measures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|family| MeasureBody {
            name: family.measure.name,
            help: family.measure.help,
            labels: &family.label_names,
            series: SamplesBody(family),
        }))
    }
}

#[derive(Serialize)]
struct MeasureBody<'a> {
    name: &'static str,
    help: &'static str,
    labels: &'a [Label],
    series: SamplesBody<'a>,
}

struct SamplesBody<'a>(&'a Family);

impl Serialize for SamplesBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let family = self.0;
        serializer.collect_seq(family.samples.iter().map(|sample| SampleBody {
            labels: Labels(&family.label_names, &sample.labels),
            value: sample.value,
        }))
    }
}

#[derive(Serialize)]
struct SampleBody<'a> {
    labels: Labels<'a, Label>,
    value: f64,
}

/// Names and values.
struct Labels<'a, N>(&'a [N], &'a [Label]);

impl<N: AsRef<str>> Serialize for Labels<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.0.iter().map(AsRef::as_ref);
        serializer.collect_map(names.zip(self.1.iter().map(|value| -> &str { value })))
    }
}

/// The body of `/api/v1/series`.
#[derive(Serialize)]
pub(super) struct SeriesBody<'a> {
    metric: &'static str,
    help: &'static str,
    history_start: Option<Time>,
    settings: &'a [Setting],
    positions: Vec<LogPosition>,
    digests: Vec<ShardDigest>,
    series: Lines,
    withheld: Vec<WithheldAt>,
}

#[derive(Serialize)]
struct WithheldAt {
    at: Time,
    reason: &'static str,
}

/// By the values of the labels, the points of each series.
struct Lines {
    names: Vec<String>,
    lines: BTreeMap<Vec<Label>, Vec<Point>>,
}

/// Seconds since 1970, and the value.
#[derive(Serialize)]
struct Point(f64, f64);

impl<'a> SeriesBody<'a> {
    /// Those series whose labels have the values asked for; `filter` goes by the names.
    pub fn of(
        measure: &'static Measure,
        names: Vec<String>,
        filter: &[Option<String>],
        series: Series,
        settings: &'a [Setting],
    ) -> Self {
        let mut lines: BTreeMap<Vec<Label>, Vec<Point>> = BTreeMap::new();
        let mut withheld = Vec::new();
        let asked = |sample: &Sample| {
            let mut labels = filter.iter().zip(&sample.labels);
            labels.all(|(asked, label)| asked.as_deref().is_none_or(|asked| asked == label))
        };
        for moment in series.moments {
            let samples = moment.family.samples.into_iter();
            for sample in samples.filter(asked) {
                let point = Point(moment.at.as_seconds(), sample.value);
                lines.entry(sample.labels).or_default().push(point);
            }
            withheld.extend(moment.withheld.into_iter().map(|reason| WithheldAt {
                at: Time(moment.at),
                reason: reason.name(),
            }));
        }
        Self {
            metric: measure.name,
            help: measure.help,
            history_start: series.history_start.map(Time),
            settings,
            positions: series.basis.positions,
            digests: series.basis.digests,
            series: Lines { names, lines },
            withheld,
        }
    }
}

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            labels: Labels<'a, String>,
            points: &'a [Point],
        }
        serializer.collect_seq(self.lines.iter().map(|(labels, points)| Line {
            labels: Labels(&self.names, labels),
            points,
        }))
    }
}

/// The body of `/api/v1/customers`: never the id itself.
#[derive(Serialize)]
pub(super) struct CustomerBody<'a> {
    at: Time,
    active: bool,
    known_since: Option<Time>,
    history_start: Option<Time>,
    spells: Vec<SpellBody<'a>>,
    first_order_at: Option<Time>,
    orders_total: u64,
    orders: Vec<OrderBody<'a>>,
    revenue: Vec<RevenueBody<'a>>,
    answers: Vec<AnswerBody<'a>>,
    attributes: AttributesBody<'a>,
}

#[derive(Serialize)]
struct SpellBody<'a> {
    from: Time,
    to: Option<Time>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct OrderBody<'a> {
    at: Time,
    amount: Money,
    currency: &'a str,
}

#[derive(Serialize)]
struct RevenueBody<'a> {
    currency: &'a str,
    orders: u64,
    amount: Money,
}

#[derive(Serialize)]
struct AnswerBody<'a> {
    survey: &'static str,
    score: u8,
    channel: Option<&'a str>,
    at: Time,
}

struct AttributesBody<'a>(&'a [String], &'a Customer);

impl Serialize for AttributesBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Known<'a> {
            value: &'a str,
            since: Time,
        }
        let mut map = serializer.serialize_map(None)?;
        for (dimension, known) in self.0.iter().zip(&self.1.attributes) {
            if let Some(known) = known {
                let (value, since) = (known.value.as_str(), Time(known.since));
                map.serialize_entry(dimension, &Known { value, since })?;
            }
        }
        map.end()
    }
}

/// An exact decimal number of units, as a text.
struct Money(u128);

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let text = format!("{whole}.{rest:06}");
        serializer.serialize_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl<'a> CustomerBody<'a> {
    pub fn of(customer: &'a Customer, dimensions: &'a [String]) -> Self {
        Self {
            at: Time(customer.at),
            active: customer.active,
            known_since: customer.known_since.map(Time),
            history_start: customer.history_start.map(Time),
            spells: customer
                .spells
                .iter()
                .map(|spell| SpellBody {
                    from: Time(spell.from),
                    to: spell.to.map(Time),
                    reason: spell.reason.as_deref(),
                })
                .collect(),
            first_order_at: customer.first_order_at.map(Time),
            orders_total: customer.orders_total,
            orders: customer
                .orders
                .iter()
                .map(|order| OrderBody {
                    at: Time(order.at),
                    amount: Money(order.millionths.into()),
                    currency: &order.currency,
                })
                .collect(),
            revenue: customer
                .revenue
                .iter()
                .map(|revenue| RevenueBody {
                    currency: &revenue.currency,
                    orders: revenue.orders,
                    amount: Money(revenue.millionths),
                })
                .collect(),
            answers: customer
                .answers
                .iter()
                .map(|answer| AnswerBody {
                    survey: answer.survey.name(),
                    score: answer.score,
                    channel: answer.channel.as_deref(),
                    at: Time(answer.at),
                })
                .collect(),
            attributes: AttributesBody(dimensions, customer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact() {
        for (millionths, expected) in [
            (0, "0"),
            (1, "0.000001"),
            (119_970_000, "119.97"),
            (10_000_000, "10"),
            (u128::from(u64::MAX) * 1_000_000, "18446744073709551615"),
        ] {
            let written = serde_json::to_string(&Money(millionths)).unwrap();
            assert_eq!(written, format!("\"{expected}\""));
        }
    }
}

//! Which number is meant: from a name and some labels to one series.
//!
//! Owns the questions back. Promises that a series can be meant that has no value, since why it has
//! none is what is asked then, and that no text of the asker gets into a question back.

use std::fmt;

use crate::event::EventType;
use crate::measure::catalogue::{Measure, measure};
use crate::measure::expected::Source;
use crate::measure::life::Status;
use crate::measure::now::DORMANT_FOR;
use crate::measure::period::Period;
use crate::measure::report::{Family, Report, Sample};

/// At most so many series are listed in a question back.
const LISTED: usize = 20;

/// One series of a measure, whether it has a value or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub measure: &'static Measure,
    /// In the order of the page; what can be left out is missing where there is no value.
    pub labels: Vec<(String, String)>,
    pub period: Option<Period>,
}

/// Why it is not clear which number is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    UnknownMetric,
    /// The labels that there are.
    UnknownLabel {
        labels: Vec<String>,
    },
    /// The values that the label can have.
    UnknownValue {
        label: String,
        values: Vec<String>,
    },
    /// The labels still to be given, with the values there are, and the series to choose from.
    Incomplete {
        missing: Vec<(String, Vec<String>)>,
        series: Vec<(Vec<(String, String)>, f64)>,
        /// Series beyond those listed.
        more: usize,
    },
}

impl Series {
    /// Finds the series in a report. The name may lack its `tenure_`; labels may come in any order,
    /// each once, and those that are clear from the others can be left out.
    ///
    /// # Errors
    /// If the name or a label is unknown, or several series fit.
    pub fn find(report: &Report, metric: &str, labels: &[(&str, &str)]) -> Result<Self, Choice> {
        let measure = named(metric).ok_or(Choice::UnknownMetric)?;
        let family = report.family(measure.name).ok_or(Choice::UnknownMetric)?;
        let names: Vec<&str> = family.label_names.iter().map(AsRef::as_ref).collect();
        if labels.iter().any(|(name, _)| !names.contains(name)) {
            let labels = names.into_iter().map(str::to_owned).collect();
            return Err(Choice::UnknownLabel { labels });
        }
        for (name, value) in labels {
            check_value(report, family, name, value)?;
        }
        let given = |name: &str| {
            let mut labels = labels.iter();
            labels
                .find(|(given, _)| *given == name)
                .map(|(_, value)| *value)
        };
        if names.contains(&"period") && given("period").is_none() {
            return Err(Choice::Incomplete {
                missing: vec![("period".to_owned(), periods(report))],
                series: Vec::new(),
                more: 0,
            });
        }
        let fits = |sample: &&Sample| {
            let mut labels = family.labelled(sample);
            labels.all(|(name, value)| given(name).is_none_or(|given| given == value))
        };
        let fitting: Vec<&Sample> = family.samples.iter().filter(fits).collect();
        let labels = match fitting.as_slice() {
            [] => {
                let label = |name: &&str| Some(((*name).to_owned(), given(name)?.to_owned()));
                names.iter().filter_map(label).collect()
            }
            [sample] => owned(family, sample),
            several => return Err(incomplete(family, several, |name| given(name).is_some())),
        };
        let period = given("period").and_then(|period| period.parse().ok());
        Ok(Self {
            measure,
            labels,
            period,
        })
    }

    /// The value of one of its labels.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels
            .find(|(label, _)| label == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a value of a label is known without being asked for: a period of the report, one of a
    /// closed list, or one that some series of the measure has.
    #[must_use]
    pub fn may_show(&self, report: &Report, label: &str, value: &str) -> bool {
        let known = |known: &str| known == value;
        if label == "period" {
            return periods(report).iter().any(|period| known(period));
        }
        if closed(self.measure, label).into_iter().any(known) {
            return true;
        }
        let family = report.family(self.measure.name);
        family.is_some_and(|family| {
            let mut samples = family.samples.iter();
            samples.any(|sample| {
                let mut labels = family.labelled(sample);
                labels.any(|(name, of)| name == label && known(of))
            })
        })
    }

    /// The series in a report, if it is published there.
    #[must_use]
    pub fn sample<'a>(&self, report: &'a Report) -> Option<&'a Sample> {
        let labels = self.labels.iter();
        let labels: Vec<(&str, &str)> = labels
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        report.sample(self.measure.name, &labels)
    }
}

/// The measure of a name, with or without the `tenure_` that all have.
#[must_use]
pub fn named(metric: &str) -> Option<&'static Measure> {
    measure(metric).or_else(|| measure(&format!("tenure_{metric}")))
}

fn periods(report: &Report) -> Vec<String> {
    let periods = report.periods.iter();
    periods.map(|(period, _)| period.to_string()).collect()
}

/// Refuses what a label can never be; an open label can be anything.
fn check_value(report: &Report, family: &Family, name: &str, value: &str) -> Result<(), Choice> {
    let values = if name == "period" {
        periods(report)
    } else {
        closed(family.measure, name)
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let open = name != "period" && values.is_empty();
    if open || values.iter().any(|known| known == value) {
        return Ok(());
    }
    Err(Choice::UnknownValue {
        label: name.to_owned(),
        values,
    })
}

/// The values of a label that has a closed list of them; none for an open one.
fn closed(measure: &Measure, label: &str) -> Vec<&'static str> {
    let beside = measure.name.starts_with("tenure_nps_group_");
    match label {
        "status"
            if beside || measure.has_label("score") || !measure.name.ends_with("_customers") =>
        {
            vec![Status::Retained.name(), Status::Lost.name()]
        }
        "status" => Status::ALL.map(Status::name).to_vec(),
        "group" if beside => vec!["promoter", "passive", "detractor", "none"],
        "group" => vec!["promoter", "passive", "detractor"],
        "survey" => crate::event::Survey::ALL
            .map(crate::event::Survey::name)
            .to_vec(),
        "buyer" => vec!["first_time", "returning"],
        "score" => vec!["low", "fine"],
        "for" => DORMANT_FOR.map(|(name, _)| name).to_vec(),
        "source" => Source::ALL.map(Source::name).to_vec(),
        "event" => EventType::ALL.map(EventType::name).to_vec(),
        "better" => vec!["high", "low"],
        "rating" => vec!["1", "2", "3", "4", "5", "6", "7"],
        _ => Vec::new(),
    }
}

fn owned(family: &Family, sample: &Sample) -> Vec<(String, String)> {
    let labels = family.labelled(sample);
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn incomplete(family: &Family, samples: &[&Sample], given: impl Fn(&str) -> bool) -> Choice {
    let mut missing: Vec<(String, Vec<String>)> = Vec::new();
    let names = family.label_names.iter().enumerate();
    for (at, name) in names.filter(|(_, name)| !given(name)) {
        let values = samples.iter().map(|sample| sample.labels[at].to_string());
        let mut values: Vec<String> = values.collect();
        values.sort_unstable();
        values.dedup();
        if values.len() > 1 {
            missing.push((name.to_string(), values));
        }
    }
    let listed = samples.iter().take(LISTED);
    Choice::Incomplete {
        missing,
        series: listed
            .map(|sample| (owned(family, sample), sample.value))
            .collect(),
        more: samples.len().saturating_sub(LISTED),
    }
}

/// The values of a label as a list that does not get long.
fn list(values: &[String]) -> String {
    let shown = values.iter().take(LISTED).map(String::as_str);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if values.len() > LISTED {
        text.push_str(", ..");
    }
    text
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMetric => f.write_str("there is no such metric"),
            Self::UnknownLabel { labels } if labels.is_empty() => {
                f.write_str("the metric has no labels")
            }
            Self::UnknownLabel { labels } => {
                write!(f, "the metric has no such label; it has {}", list(labels))
            }
            Self::UnknownValue { label, values } => {
                write!(f, "there is no such {label}; there are {}", list(values))
            }
            Self::Incomplete {
                missing,
                series,
                more,
            } => {
                let missing = missing.iter();
                let missing =
                    missing.map(|(label, values)| format!("{label}=..: {}", list(values)));
                write!(f, "give {}", missing.collect::<Vec<_>>().join("; and "))?;
                for (labels, value) in series {
                    let labels = labels
                        .iter()
                        .map(|(name, value)| format!("{name}={value:?}"));
                    let labels = labels.collect::<Vec<_>>().join(" ");
                    write!(f, "\n  {labels}  {value}")?;
                }
                if *more > 0 {
                    write!(f, "\n  and {more} more")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;
    use crate::measure::MEASURES;
    use crate::measure::period::Interval;

    fn report() -> Report {
        let mut report = Report::empty(Timestamp::FIRST);
        let bounds = Interval {
            start: Timestamp::FIRST,
            end: Timestamp::FIRST,
        };
        report.periods = vec![
            ("7d".parse().unwrap(), bounds),
            ("30d".parse().unwrap(), bounds),
        ];
        report.families = MEASURES
            .iter()
            .map(|measure| Family::empty(measure, &[]))
            .collect();
        let mut put = |name: &str, labels: &[&str], value: f64| {
            let mut families = report.families.iter_mut();
            let family = families.find(|family| family.measure.name == name).unwrap();
            let labels: Vec<_> = labels
                .iter()
                .map(|label| (*label).to_owned().into())
                .collect();
            family.samples.push(Sample::new(labels, value));
        };
        put("tenure_retention_ratio", &["7d"], 0.5);
        put("tenure_departures", &["7d", "moved"], 1.0);
        put("tenure_departures", &["7d", "price"], 2.0);
        put("tenure_departures", &["30d", "price"], 2.0);
        report
    }

    fn check(metric: &str, labels: &[(&str, &str)], expected: &str) {
        let told = match Series::find(&report(), metric, labels) {
            Ok(series) => format!("{} {:?}", series.measure.name, series.labels),
            Err(choice) => choice.to_string(),
        };
        assert_eq!(told, expected, "{metric} {labels:?}");
    }

    #[test]
    fn a_series_is_found_by_what_is_enough_of_its_labels() {
        let week = ("period", "7d");
        check(
            "retention_ratio",
            &[week],
            r#"tenure_retention_ratio [("period", "7d")]"#,
        );
        check(
            "tenure_departures",
            &[("period", "30d")],
            r#"tenure_departures [("period", "30d"), ("reason", "price")]"#,
        );
        check(
            "departures",
            &[("reason", "moved"), week],
            r#"tenure_departures [("period", "7d"), ("reason", "moved")]"#,
        );
        // Not seen, but it could have been: why not is worth an answer.
        check(
            "departures",
            &[("reason", "rain"), week],
            r#"tenure_departures [("period", "7d"), ("reason", "rain")]"#,
        );
    }

    #[test]
    fn what_is_missing_is_asked_for_with_what_there_is() {
        check("retention_ratio", &[], "give period=..: 7d, 30d");
        check(
            "departures",
            &[("period", "7d")],
            "give reason=..: moved, price\n  period=\"7d\" reason=\"moved\"  1\n  period=\"7d\" \
             reason=\"price\"  2",
        );
    }

    #[test]
    fn what_cannot_be_is_refused_without_repeating_it() {
        check("nonsense", &[], "there is no such metric");
        check(
            "retention_ratio",
            &[("reason", "x")],
            "the metric has no such label; it has period",
        );
        check("customers", &[("period", "7d")], "the metric has no labels");
        check(
            "retention_ratio",
            &[("period", "8d")],
            "there is no such period; there are 7d, 30d",
        );
        check(
            "period_customers",
            &[("period", "7d"), ("status", "gone")],
            "there is no such status; there are retained, lost, new, reactivated",
        );
        check(
            "low_score_ratio",
            &[("period", "7d"), ("status", "new")],
            "there is no such status; there are retained, lost",
        );
    }
}

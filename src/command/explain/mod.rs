//! `tenure explain`: where a number comes from, and what moved it.
//!
//! Owns the arguments and the questions back. What is explained, of a file or of a running service,
//! is decided by [`crate::measure::explain`].

mod text;

use std::path::PathBuf;

use crate::command::configuration::ConfigurationArgs;
use crate::command::paper::{emphasis, print};
use crate::command::service::ServiceArgs;
use crate::command::{Failure, file};
use crate::config::Settings;
use crate::event::Timestamp;
use crate::measure::Measure;
use crate::measure::catalogue::nearest;
use crate::measure::explain::series::named;
use crate::measure::explain::{Choice, Evidence, Explanation, Series, Setting, compared_with};
use crate::measure::period::Period;

const EXAMPLES: &str = "\
Examples:
  # Why is retention what it is, right now, on the running service?
  tenure explain retention_ratio period=30d --url http://localhost:9736

  # Of a file, as of an instant; `tenure_` can be left out
  tenure explain revenue period=last_month currency=EUR \\
    --at 2026-11-01T00:00:00Z events.ndjson

  # For another program
  tenure explain nps_score period=90d --json events.ndjson
";

const NOTES: &str = "\
Labels that are not clear from the others are asked for. A file can also be asked about a period
that is not configured. An argument with `=` is a label; write a file of such a name as ./a=b.";

/// Explain a number: its definition, its parts, its settings, and what moved it
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES,
          override_usage = "tenure explain [OPTIONS] METRIC [LABEL=VALUE]... <FILE|--url URL>")]
pub struct ExplainArgs {
    /// The metric, with or without `tenure_`
    #[arg(value_name = "METRIC")]
    pub metric: String,

    /// The labels of the series, and the file of events; `-` is standard input
    #[arg(value_name = "LABEL=VALUE|FILE")]
    pub rest: Vec<String>,

    /// The instant, RFC 3339 [default: the latest]
    #[arg(long, value_name = "TIME", value_parser = file::instant)]
    pub at: Option<Timestamp>,

    /// Print the explanation as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub service: ServiceArgs,

    #[command(flatten)]
    pub lines: file::LinesArgs,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// What the arguments mean.
struct Asked {
    measure: &'static Measure,
    labels: Vec<(String, String)>,
    file: Option<PathBuf>,
}

/// Prints the explanation to stdout.
///
/// # Errors
/// If it is not clear what is asked for, or the file or the service fails.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let asked = asked(args)?;
    let explanation = match (&asked.file, &args.service.url) {
        (Some(path), None) => of_file(args, &asked, path)?,
        (None, Some(url)) => of_service(args, &asked, url)?,
        (Some(_), Some(_)) => {
            return Err(Failure::usage("give either a file or --url, not both"));
        }
        (None, None) => {
            return Err(Failure::usage(
                "give a file of events, or the running service with --url http://HOST:PORT",
            ));
        }
    };
    if args.json {
        let json = serde_json::to_string_pretty(&explanation)
            .map_err(|error| Failure::work(format!("could not write JSON: {error}")))?;
        return print(&format!("{json}\n"));
    }
    print(&text::drawn(&explanation, emphasis()))
}

fn asked(args: &ExplainArgs) -> Result<Asked, Failure> {
    let measure = named(&args.metric).ok_or_else(|| unknown(&args.metric))?;
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut file = None;
    for argument in &args.rest {
        match label(argument) {
            Some((name, _)) if labels.iter().any(|(known, _)| *known == name) => {
                return Err(Failure::usage(format!("the label {name} is given twice")));
            }
            Some(label) => labels.push(label),
            None if file.is_none() => file = Some(PathBuf::from(argument)),
            None => {
                return Err(Failure::usage(format!(
                    "`{argument}` is neither a label as in period=30d nor the only file"
                )));
            }
        }
    }
    Ok(Asked {
        measure,
        labels,
        file,
    })
}

/// A label has a name of the kind that labels have; anything else is a file.
fn label(argument: &str) -> Option<(String, String)> {
    let (name, value) = argument.split_once('=')?;
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let named = !name.is_empty() && name.bytes().all(letter);
    named.then(|| (name.to_owned(), value.to_owned()))
}

fn unknown(metric: &str) -> Failure {
    let near: Vec<&str> = nearest(metric)
        .into_iter()
        .map(|measure| measure.name.trim_start_matches("tenure_"))
        .collect();
    let hint = if near.is_empty() {
        "docs/measures.md names all".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    Failure::usage(format!("there is no metric `{metric}`; {hint}"))
}

fn of_file(
    args: &ExplainArgs,
    asked: &Asked,
    path: &std::path::Path,
) -> Result<Explanation, Failure> {
    let settings = args.configuration.load()?;
    let described = plain_settings(&settings);
    let mut evaluation = settings.evaluation.clone();
    let period = asked.labels.iter().find(|(name, _)| name == "period");
    let period: Option<Period> = period
        .filter(|_| asked.measure.has_label("period"))
        .map(|(_, text)| text.parse())
        .transpose()
        .map_err(|error: crate::measure::period::UnknownPeriod| {
            Failure::usage(error.to_string())
        })?;
    evaluation
        .periods
        .extend(period.filter(|period| !evaluation.periods.contains(period)));
    let (shard, tally) = file::read(path, &args.lines, &settings)?;
    let at = file::instant_or_newest(args.at, &shard)?;
    let before = compared_with(period, at, &evaluation);
    let reports = file::evaluate_each(&shard, &[before, at], &evaluation)?;
    let [before, now] = reports.as_slice() else {
        return Err(Failure::work(
            "the evaluation gave no report to compare with",
        ));
    };
    let labels = asked.labels.iter();
    let labels: Vec<(&str, &str)> = labels
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let series = Series::find(now, asked.measure.name, &labels)
        .map_err(|choice: Choice| Failure::usage(format!("{}: {choice}", asked.measure.name)))?;
    let records = file::records(&tally);
    Ok(Explanation::of(
        &series,
        Evidence {
            now,
            before: Ok(before),
            settings: &described,
            evaluation: &evaluation,
            records: Some(&records),
        },
    ))
}

fn of_service(args: &ExplainArgs, asked: &Asked, url: &str) -> Result<Explanation, Failure> {
    let mut query = vec![("metric".to_owned(), asked.measure.name.to_owned())];
    query.extend(asked.labels.iter().cloned());
    query.extend(args.at.map(|at| ("at".to_owned(), at.to_string())));
    args.service.get(url, "/api/v1/explain", &query)
}

/// The settings that decide the numbers, as plain texts.
#[must_use]
pub fn plain_settings(settings: &Settings) -> Vec<Setting> {
    let deciding = settings.deciding().into_iter();
    deciding
        .map(|described| Setting {
            key: described.key,
            value: described.value,
            origin: described.origin.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_a_name_and_a_value_are_labels() {
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(label("period=30d"), pair("period", "30d"));
        assert_eq!(label("reason=a=b"), pair("reason", "a=b"));
        assert_eq!(label("reason="), pair("reason", ""));
        for file in ["events.ndjson", "-", "./a=b", "=x", "A=b"] {
            assert_eq!(label(file), None, "{file}");
        }
    }

    #[test]
    fn a_misspelt_metric_is_answered_with_its_neighbours() {
        let told = |metric: &str| unknown(metric).to_string();
        assert!(told("retention_rat").contains("did you mean retention_ratio"));
        assert!(told("tenure_nps_scor").contains("did you mean nps_score"));
        assert!(told("cohort").contains("cohort_customers, cohort_retention_ratio"));
        assert!(told("zzzzzz").contains("docs/measures.md"));
    }
}

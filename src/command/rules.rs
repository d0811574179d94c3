//! `tenure rules`: the alert rules that fit a configuration.

use std::collections::BTreeMap;

use crate::alert::rules::groups;
use crate::alert::yaml::{Object, prometheus_rule, rule_file};
use crate::command::Failure;
use crate::command::configuration::ConfigurationArgs;
use crate::command::paper::print;
use crate::config::{Settings, length_of_time};

const EXAMPLES: &str = "\
Examples:
  # A rule file for Prometheus, checked before it is used
  tenure rules --config tenure.yaml > tenure-rules.yaml && promtool check rules tenure-rules.yaml

  # With targets, where the configuration has none
  tenure rules --set alerts.retention_target=0.9 --set alerts.nps_target=30

  # For the Prometheus operator
  tenure rules --config tenure.yaml --format kubernetes --labels release=prometheus |
    kubectl apply --namespace shop -f -

  # To see alerts fire without the wait
  tenure rules --for 0s
";

const NOTES: &str = "\
The rules look at the periods, topics, intervals and targets of the configuration, so make them
again when it changes. What each alert means stands in docs/runbook.md, how rules are installed and
tuned in docs/alerts.md. What cannot be there because a period is not configured is said on stderr.";

/// The longest wait of an alert that can be asked for: none is as long.
const LONGEST_FOR_MILLIS: i64 = 365 * 86_400_000;

/// Print the alert rules for Prometheus that fit a configuration
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct RulesArgs {
    /// Form of the rules
    #[arg(long, value_enum, default_value_t = RulesFormat::Prometheus)]
    pub format: RulesFormat,

    /// No alert waits, or goes on firing, for longer than this; for trying out
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    pub longest_for_millis: Option<i64>,

    /// Labels beside `instance` and `pod` in which instances differ, such as `node`; comma-separated
    #[arg(long, value_name = "LABEL", value_delimiter = ',', value_parser = label_name)]
    pub drop_labels: Vec<String>,

    /// Name of the PrometheusRule
    #[arg(long, default_value = "tenure")]
    pub name: String,

    /// Namespace of the PrometheusRule [default: that of whoever applies it]
    #[arg(long)]
    pub namespace: Option<String>,

    /// Labels of the PrometheusRule, by which Prometheus selects it; comma-separated
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// The form in which rules are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RulesFormat {
    /// A rule file of Prometheus
    Prometheus,
    /// A PrometheusRule (monitoring.coreos.com/v1) of the Prometheus operator
    Kubernetes,
}

/// Prints the rules to stdout, and what is missing among them to stderr.
pub fn run(args: &RulesArgs) -> Result<(), Failure> {
    let of_object = args.namespace.is_some() || !args.labels.is_empty();
    if args.format == RulesFormat::Prometheus && of_object {
        let message =
            "--namespace and --labels belong to a PrometheusRule: add --format kubernetes";
        return Err(Failure::usage(message));
    }
    let settings = args.configuration.load()?;
    let mut setup = settings.alert_setup();
    setup.longest_for_millis = args.longest_for_millis;
    setup.instance_labels.clone_from(&args.drop_labels);
    for sentence in setup.missing() {
        eprintln!("note: {sentence}");
    }
    let groups = groups(&setup);
    let text = match args.format {
        RulesFormat::Prometheus => rule_file(&groups),
        RulesFormat::Kubernetes => {
            let object = Object {
                name: args.name.clone(),
                namespace: args.namespace.clone(),
                labels: args.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
            };
            prometheus_rule(&object, &groups)
        }
    };
    print(&format!("{}{text}", header(&settings)))
}

/// How the rules were made; the same for the same command line, configuration and version.
fn header(settings: &Settings) -> String {
    let version = crate::telemetry::VERSION;
    let arguments: Vec<String> = std::env::args().skip(1).map(|word| shell(&word)).collect();
    let periods: Vec<String> = (settings.evaluation.periods.iter())
        .map(ToString::to_string)
        .collect();
    format!(
        "# Alert rules of Tenure {version}, made by\n#   tenure {}\n\
         # They fit the periods {}, and the topics {}.\n\
         # Make them again instead of editing them: the settings are under `alerts`.\n",
        arguments.join(" "),
        periods.join(", "),
        settings.kafka.topics.join(", "),
    )
}

/// A word as a shell would take it, on one line.
fn shell(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=,:@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let word: String = word
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn length(text: &str) -> Result<i64, String> {
    length_of_time(text, 0..=LONGEST_FOR_MILLIS)
}

fn label_name(text: &str) -> Result<String, String> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = text
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    if begins && text.bytes().all(letter) {
        Ok(text.to_owned())
    } else {
        Err("a label has the characters a-z, A-Z, 0-9 and _, and begins with no digit".to_owned())
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give it as NAME=VALUE, as in release=prometheus".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_a_shell_takes_them() {
        for (word, expected) in [
            ("--for", "--for"),
            ("alerts.nps_target=-5", "alerts.nps_target=-5"),
            ("a b", "'a b'"),
            ("it's\nnew", "'it'\\''s new'"),
            ("", "''"),
        ] {
            assert_eq!(shell(word), expected);
        }
    }
}

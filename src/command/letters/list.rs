//! `tenure dead-letters list`: one line for each letter, without what is in it.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::command::Failure;
use crate::command::configuration::ConfigurationArgs;
use crate::command::letters::{bar, open, reasons, unreadable};
use crate::command::paper::{Paper, emphasis, plain, print};
use crate::event::Timestamp;
use crate::kafka::letters::opening::{Letters, Opened};

const EXAMPLES: &str = "\
Examples:
  tenure dead-letters list --config tenure.yaml

  # All with an unknown currency, for a machine
  tenure dead-letters list --reason unknown_currency --limit 1000000 --format json

  # With the records themselves: personal data
  tenure dead-letters list --reason invalid_json --limit 5 --show-values
";

const NOTES: &str = "\
One line for each letter: the Kafka timestamp of the record, why it was rejected, the field that is
to blame, and the place it was read from. A record that was read and rejected twice, for instance
because the state was made anew, has two letters. What is in a record is not shown, because it is
personal data, unless --show-values asks for it.";

/// List rejected records
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct ListArgs {
    /// Only those that were rejected for this reason
    #[arg(long, value_name = "REASON", value_parser = reasons())]
    pub reason: Option<String>,

    /// Letters to show, at most, the oldest of each partition first
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub limit: u32,

    /// Text for people or one JSON object a line
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,

    /// Show the values of the records too: personal data
    #[arg(long)]
    pub show_values: bool,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// How letters are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// A letter as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Shown {
    time: Option<String>,
    /// Nothing for a record that Tenure did not write.
    reason: Option<String>,
    field: Option<String>,
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    letter: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// Where the letter itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Place {
    partition: i32,
    offset: i64,
}

impl Shown {
    fn of(letter: Opened, values: bool) -> Self {
        let value = letter.value.filter(|_| values);
        let origin = letter.origin;
        Self {
            time: letter.recorded_at.map(|at: Timestamp| at.to_string()),
            reason: origin.as_ref().map(|origin| origin.reason.clone()),
            field: origin.as_ref().and_then(|origin| origin.field.clone()),
            topic: origin.as_ref().map(|origin| origin.topic.clone()),
            partition: origin.as_ref().map(|origin| origin.partition),
            offset: origin.as_ref().map(|origin| origin.offset),
            letter: Place {
                partition: letter.partition,
                offset: letter.offset,
            },
            value: value.map(|value| String::from_utf8_lossy(&value).into_owned()),
        }
    }

    fn row(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let number = |number: Option<i64>| number.map_or("-".to_owned(), |n| n.to_string());
        vec![
            text(&self.time),
            text(&self.reason),
            text(&self.field),
            text(&self.topic),
            number(self.partition.map(i64::from)),
            number(self.offset),
        ]
    }
}

/// Writes the letters to stdout.
pub fn run(args: &ListArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    let (topic, consumer) = open(&settings)?;
    let refused = |error| unreadable(&error, &settings);
    let letters = Letters::find(&consumer, &topic).map_err(refused)?;
    let about = letters.about();
    let bar = bar(about);
    let (mut shown, mut more) = (Vec::new(), false);
    let mut outcome = Ok(());
    let read = letters.read(|letter| {
        bar.inc(1);
        let reason = letter.origin.as_ref().map(|origin| &origin.reason);
        if args.reason.is_some() && reason != args.reason.as_ref() {
            return ControlFlow::Continue(());
        }
        if shown.len() >= args.limit as usize {
            more = true;
            return ControlFlow::Break(());
        }
        let letter = Shown::of(letter, args.show_values);
        if args.format == Format::Json {
            outcome = line(&letter).and_then(|line| print(&line));
            if outcome.is_err() {
                return ControlFlow::Break(());
            }
        }
        // Of what was printed only the number counts from here on.
        shown.push((args.format == Format::Text).then_some(letter));
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    read.map_err(refused)?;
    outcome?;
    if args.format == Format::Text {
        print(&table(shown.into_iter().flatten(), args.show_values))?;
    }
    if more {
        eprintln!("there are more, of about {about} in all: see --limit and --reason");
    }
    Ok(())
}

fn line(letter: &Shown) -> Result<String, Failure> {
    let line = serde_json::to_string(letter).map_err(|error| Failure::work(error.to_string()))?;
    Ok(line + "\n")
}

fn table(letters: impl Iterator<Item = Shown>, values: bool) -> String {
    let heading = ["time", "reason", "field", "topic", "partition", "offset"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let mut texts = Vec::new();
    for letter in letters {
        rows.push(letter.row());
        texts.push(letter.value);
    }
    if rows.len() == 1 {
        return "no letters\n".to_owned();
    }
    let mut paper = Paper::new(emphasis());
    if !values {
        paper.table(4, &rows);
        return paper.finish();
    }
    // With values each letter is a block of its own: rows do not fit beside them.
    for (row, value) in rows.iter().skip(1).zip(texts) {
        paper.heading(
            &row.iter()
                .map(|cell| plain(cell))
                .collect::<Vec<_>>()
                .join("  "),
        );
        paper.line(&plain(&value.unwrap_or_default()));
    }
    paper.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::letters::Origin;

    fn opened(origin: Option<Origin>) -> Opened {
        Opened {
            partition: 1,
            offset: 7,
            recorded_at: Timestamp::from_rfc3339("2026-11-01T09:30:00Z"),
            key: Some(b"c-42".to_vec()),
            value: Some(b"{\"customer_id\":\"c-42\"\x1b\xff".to_vec()),
            headers: Vec::new(),
            origin,
        }
    }

    fn origin() -> Origin {
        Origin {
            reason: "invalid_json".to_owned(),
            field: None,
            topic: "orders".to_owned(),
            partition: 3,
            offset: 41,
        }
    }

    #[test]
    fn what_is_in_a_record_is_shown_only_to_who_asks() {
        for origin in [Some(origin()), None] {
            let silent = Shown::of(opened(origin.clone()), false);
            for text in [line(&silent).unwrap(), table([silent].into_iter(), false)] {
                assert!(!text.contains("c-42") && !text.contains("value"), "{text}");
            }
            let open = Shown::of(opened(origin), true);
            for text in [line(&open).unwrap(), table([open].into_iter(), true)] {
                assert!(text.contains("c-42"), "{text}");
                assert!(!text.contains('\u{1b}'), "{text}");
            }
        }
    }

    #[test]
    fn a_letter_is_a_row_of_a_table_or_an_object() {
        let shown = Shown::of(opened(Some(origin())), false);
        assert_eq!(
            line(&shown).unwrap(),
            "{\"time\":\"2026-11-01T09:30:00.000Z\",\"reason\":\"invalid_json\",\"field\":null,\
             \"topic\":\"orders\",\"partition\":3,\"offset\":41,\
             \"letter\":{\"partition\":1,\"offset\":7}}\n"
        );
        assert_eq!(
            table([shown].into_iter(), false),
            "  time                      reason        field  topic   partition  offset\n  \
               2026-11-01T09:30:00.000Z  invalid_json  -      orders          3      41\n"
        );
        assert_eq!(table(std::iter::empty(), false), "no letters\n");
    }
}

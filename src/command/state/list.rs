//! `tenure state list`: what is there.

use serde::Serialize;

use super::{Fit, Place, PlaceArgs};
use crate::checkpoint::name::Name;
use crate::checkpoint::shelf::peek;
use crate::checkpoint::{Header, Listed, LoadError};
use crate::command::paper::{Paper, emphasis, print};
use crate::command::{Failure, Form, state::unanswered};
use crate::event::Timestamp;

const NOTES: &str = "\
A restart uses the first of a partition that `fits`. Customers and age are what its header says;
`tenure state inspect` checks every byte.";

/// Show all checkpoints: partition, offset, age, size, and whether they fit the configuration
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = NOTES)]
pub struct ListArgs {
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Form,

    #[command(flatten)]
    pub place: PlaceArgs,
}

/// A checkpoint as it is listed.
#[derive(Serialize)]
struct Line {
    key: String,
    topics: String,
    partition: i32,
    offset: i64,
    bytes: u64,
    state: &'static str,
    customers: Option<u64>,
    created_at: Option<String>,
    complete_until: Option<String>,
    written_by: Option<String>,
    #[serde(skip)]
    created_millis: Option<i64>,
    #[serde(skip)]
    order: (Fit, i32, std::cmp::Reverse<i64>),
}

/// Prints the list to stdout.
pub fn run(args: &ListArgs) -> Result<(), Failure> {
    let place = Place::open(&args.place)?;
    let mut lines = Vec::new();
    for (fit, name, listed) in place.census()? {
        let header = match peek(&*place.storage, &listed.key) {
            Ok(header) => Some(header),
            Err(LoadError::Unusable(_)) => None,
            Err(LoadError::Store(error)) => return Err(unanswered(error)),
        };
        lines.push(line(fit, name, listed, header));
    }
    lines.sort_by_key(|line| line.order);
    print(&match args.format {
        Form::Text => text(&place, &lines),
        Form::Json => json(&lines)?,
    })
}

fn line(fit: Fit, name: Name, listed: Listed, header: Option<Header>) -> Line {
    let instant = |millis: i64| Timestamp::from_millis(millis).to_string();
    // Under a good name there should be a header.
    let fit = match fit {
        Fit::Fits | Fit::OtherSettings if header.is_none() => Fit::Damaged,
        fit => fit,
    };
    let header = header.as_ref();
    Line {
        key: listed.key,
        partition: name.partition,
        offset: name.offset,
        bytes: listed.bytes,
        state: fit.name(),
        customers: header.map(|header| header.customers),
        created_at: header.map(|header| instant(header.created_at)),
        complete_until: header.and_then(|header| header.complete_until).map(instant),
        written_by: header.map(|header| header.written_by.clone()),
        created_millis: header.map(|header| header.created_at),
        order: (fit, name.partition, std::cmp::Reverse(name.offset)),
        topics: name.topics,
    }
}

fn json(lines: &[Line]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(lines);
    text.map(|text| text + "\n")
        .map_err(|error| Failure::work(error.to_string()))
}

fn text(place: &Place, lines: &[Line]) -> String {
    let mut paper = Paper::new(emphasis());
    paper.heading(&place.url.to_string());
    if lines.is_empty() {
        paper.line("no checkpoints");
        return paper.finish();
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let heading = ["state", "partition", "offset", "age", "bytes", "customers"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|line| {
        let unknown = || "?".to_owned();
        vec![
            line.state.to_owned(),
            line.partition.to_string(),
            line.offset.to_string(),
            line.created_millis
                .map_or_else(unknown, |created| age(now - created)),
            line.bytes.to_string(),
            line.customers
                .map_or_else(unknown, |count| count.to_string()),
        ]
    }));
    paper.table(1, &rows);
    paper.finish()
}

/// A length of time in its largest unit.
fn age(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        for (seconds, expected) in [
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(seconds * 1000), expected);
        }
    }
}

//! `tenure state inspect`: what a checkpoint says, and whether it is whole.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use super::{Place, PlaceArgs, unanswered};
use crate::checkpoint::shelf::open;
use crate::checkpoint::{Header, LoadError, StoreError, Unusable};
use crate::command::paper::{Paper, emphasis, print};
use crate::command::{Failure, Form};
use crate::event::Timestamp;
use crate::ledger::snapshot::fingerprint;

const NOTES: &str = "\
Every byte is read and checked against the checksum. If it fits the configuration, the state is made
as well, and its digest computed anew from the facts; under other settings that cannot be done. Exit
code 1 if one of them is damaged.";

/// Check checkpoints to the last byte, and print their headers
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = NOTES)]
pub struct InspectArgs {
    /// Names as `tenure state list --format json` has them [default: the newest of each partition]
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,

    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Form,

    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What was found out about one checkpoint.
#[derive(Serialize)]
struct Finding {
    key: String,
    bytes: Option<u64>,
    /// `whole`, or what is wrong.
    verdict: String,
    damaged: bool,
    /// Whether the digest was computed anew from the facts.
    digest_checked: bool,
    header: Option<Header>,
}

/// Prints what was found to stdout.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let place = Place::open(&args.place)?;
    let keys = if args.keys.is_empty() {
        newest(&place)?
    } else {
        args.keys.clone()
    };
    let mut findings = Vec::new();
    for key in keys {
        findings.push(inspect(&place, key).map_err(unanswered)?);
    }
    let text = match args.format {
        Form::Text => text(&findings),
        Form::Json => serde_json::to_string_pretty(&findings)
            .map(|text| text + "\n")
            .map_err(|error| Failure::work(error.to_string()))?,
    };
    print(&text)?;
    match findings.iter().filter(|finding| finding.damaged).count() {
        0 => Ok(()),
        1 => Err(Failure::work("one checkpoint is damaged")),
        count => Err(Failure::work(format!("{count} checkpoints are damaged"))),
    }
}

/// The names of the newest of each partition that fit the configuration.
fn newest(place: &Place) -> Result<Vec<String>, Failure> {
    let all = place.shelf(1).all().map_err(unanswered)?;
    let newest = all
        .into_values()
        .filter_map(|entries| entries.into_iter().next());
    let keys: Vec<String> = newest.map(|entry| entry.key).collect();
    if !keys.is_empty() {
        return Ok(keys);
    }
    let others = place.census()?.len();
    Err(Failure::work(format!(
        "no checkpoint in {} fits the configuration{}",
        place.url,
        match others {
            0 => "; there are none at all".to_owned(),
            others => format!("; of the {others} there, `tenure state list` says why"),
        }
    )))
}

fn inspect(place: &Place, key: String) -> Result<Finding, StoreError> {
    let opened = match open(&*place.storage, &key) {
        Ok(opened) => opened,
        Err(LoadError::Store(error)) => return Err(error),
        Err(LoadError::Unusable(unusable)) => {
            return Ok(Finding {
                key,
                bytes: None,
                verdict: unusable.to_string(),
                damaged: matches!(unusable, Unusable::Damaged(_)),
                digest_checked: false,
                header: None,
            });
        }
    };
    let header = opened.header.clone();
    let settings = Arc::new(place.settings.fold.clone());
    let mut finding = Finding {
        key,
        bytes: Some(opened.length()),
        verdict: "whole".to_owned(),
        damaged: false,
        digest_checked: false,
        header: Some(header.clone()),
    };
    if header.fold.0 != fingerprint(&settings) {
        finding.verdict = format!("whole; {}", Unusable::OtherSettings);
        return Ok(finding);
    }
    match opened.restore(&settings) {
        Ok(_) => finding.digest_checked = true,
        Err(unusable) => {
            finding.verdict = unusable.to_string();
            finding.damaged = matches!(unusable, Unusable::Damaged(_));
        }
    }
    Ok(finding)
}

fn text(findings: &[Finding]) -> String {
    let mut paper = Paper::new(emphasis());
    for finding in findings {
        paper.heading(&finding.key);
        paper.paragraph(&if finding.digest_checked {
            format!("{}, and its facts have its digest", finding.verdict)
        } else {
            finding.verdict.clone()
        });
        if let Some(header) = &finding.header {
            describe(&mut paper, header);
        }
    }
    paper.finish()
}

fn describe(paper: &mut Paper, header: &Header) {
    let instant = |millis: i64| Timestamp::from_millis(millis).to_string();
    let complete = header.complete_until.map_or("unknown".to_owned(), instant);
    let mut lines = vec![
        format!(
            "partition       {} of {}",
            header.partition, header.partitions
        ),
        format!("customers       {}", header.customers),
        format!("complete until  {complete}"),
        format!("copied at       {}", instant(header.created_at)),
        format!("written by      tenure {}", header.written_by),
        format!("digest          {}", header.digest),
        format!("fold settings   {}", header.fold),
        format!("digest key      {}", header.digest_key),
    ];
    for topic in &header.topics {
        let offset = |offset: Option<i64>| offset.map_or("?".to_owned(), |at| at.to_string());
        let (base, next) = (offset(topic.base_offset), offset(topic.next_offset));
        let mut line = format!(
            "topic           {}: offsets {base} up to {next}",
            topic.name
        );
        if let Some(id) = topic.id {
            let _ = write!(line, ", id {id}");
        }
        lines.push(line);
    }
    for gap in &header.accepted {
        lines.push(format!(
            "accepted loss   {}: offsets {} up to {} ({})",
            gap.topic, gap.from, gap.to, gap.reason
        ));
    }
    for line in lines {
        paper.line(&line);
    }
}

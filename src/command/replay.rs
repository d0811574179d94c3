//! `tenure replay`: the metrics page of a file of events.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::command::Failure;
use crate::command::configuration::ConfigurationArgs;
use crate::config::Settings;
use crate::engine::intake::{Tally, take};
use crate::event::Timestamp;
use crate::event::decode::{Decoder, MAX_BYTES};
use crate::ledger::Shard;
use crate::measure::pass::evaluate;
use crate::measure::publish::{Context, reports};
use crate::measure::question::Question;
use crate::measure::report::Report;
use crate::serve::exposition::Format;
use crate::serve::page;

const EXAMPLES: &str = "\
Examples:
  # As of one millisecond after the newest event
  tenure replay events.ndjson

  # The end of October in Berlin, with an inactivity timeout
  tenure replay --at 2026-11-01T00:00:00+01:00 --set time_zone=Europe/Berlin \\
    --set inactivity_timeout=90d events.ndjson

  # Straight from Kafka, with kcat
  kcat -C -b localhost:9092 -t customer-events -e -q | tenure replay -
";

const NOTES: &str = "\
A file counts as complete history, so nothing is withheld because of its beginning. Lines have no
Kafka timestamps: nothing is too far in the future and nothing is pruned. Rejected lines are counted
by reason on stderr.";

/// Read events from a file and print the metrics page as of an instant
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct ReplayArgs {
    /// Newline-delimited events; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The instant, RFC 3339 [default: one millisecond after the newest event]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Timestamp>,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// Prints the page to stdout and the counts to stderr.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    let failed = |error: io::Error| {
        Failure::work(format!("could not read {}: {error}", args.file.display()))
    };
    let bar = progress(&args.file);
    let folded = if args.file == Path::new("-") {
        fold(&mut bar.wrap_read(io::stdin().lock()), &settings)
    } else {
        let file = File::open(&args.file).map_err(failed)?;
        fold(&mut bar.wrap_read(file), &settings)
    };
    bar.finish_and_clear();
    let (shard, tally) = folded.map_err(failed)?;
    tell(&tally);
    let at = match (args.at, shard.newest_event_at()) {
        (Some(at), _) => at,
        (None, Some(newest)) => {
            let at = newest.plus_millis(1);
            eprintln!("as of {at}, one millisecond after the newest event (--at {at})");
            at
        }
        (None, None) => {
            return Err(Failure::work(
                "there is no event to go by: give an instant with --at, or look at the rejections \
                 above",
            ));
        }
    };
    let report = evaluate_at(&shard, at, &settings)?;
    let text = page::render(&report, Format::Text004);
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::work(format!("could not write the page: {error}")))
        }
        _ => Ok(()),
    }
}

/// The report of one shard that holds everything.
pub fn evaluate_at(shard: &Shard, at: Timestamp, settings: &Settings) -> Result<Report, Failure> {
    let question = Arc::new(Question::at(at, Arc::new(settings.evaluation.clone())));
    let partial =
        evaluate(shard, 0, &question).map_err(|error| Failure::work(error.to_string()))?;
    let context = Context {
        ces: settings.fold.ces,
        dimensions: &settings.fold.dimensions,
    };
    reports(&partial, &question, context)
        .pop()
        .ok_or_else(|| Failure::work("the evaluation gave no report"))
}

/// Folds newline-delimited events into one shard. Blank lines are no records.
pub fn fold(input: &mut dyn Read, settings: &Settings) -> io::Result<(Shard, Tally)> {
    let mut shard = Shard::new(Arc::new(settings.fold.clone()), 1);
    shard.start_at(0, 0);
    let decoder = Decoder::new(settings.fold.decoding());
    let mut tally = Tally::default();
    let mut lines = Lines {
        input: BufReader::with_capacity(1 << 20, input),
        line: Vec::new(),
    };
    let mut offset = 0;
    while let Some(line) = lines.next()? {
        if line.iter().all(u8::is_ascii_whitespace) && line.len() <= MAX_BYTES {
            continue;
        }
        shard.advance(0, offset, None);
        offset += 1;
        tally.add(take(&mut shard, &decoder, Some(line), None));
    }
    Ok((shard, tally))
}

/// Lines without their ends; of a line that is too long, as much as shows that it is.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let limit = MAX_BYTES as u64 + 2;
        if self
            .input
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.line)?
            == 0
        {
            return Ok(None);
        }
        if self.line.ends_with(b"\n") {
            self.line.pop();
        } else if self.line.len() as u64 == limit {
            self.input.skip_until(b'\n')?;
        }
        if self.line.ends_with(b"\r") {
            self.line.pop();
        }
        Ok(Some(&self.line))
    }
}

fn tell(tally: &Tally) {
    let late = if tally.late > 0 {
        format!(", {} of them late", tally.late)
    } else {
        String::new()
    };
    eprintln!(
        "read {} lines: {} applied, {} redundant{late}, {} repeated, {} conflicting, {} rejected",
        tally.received(),
        tally.applied,
        tally.redundant,
        tally.duplicates,
        tally.conflicting,
        tally.rejected().map(|(_, count)| count).sum::<u64>(),
    );
    for (reason, count) in tally.rejected() {
        eprintln!("  rejected: {} {count}", reason.name());
    }
    if tally.ignored_attributes > 0 {
        eprintln!("  attributes ignored: {}", tally.ignored_attributes);
    }
}

/// Bytes of a file, or what came so far; shown on a terminal only.
fn progress(file: &Path) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = std::fs::metadata(file)
        .ok()
        .filter(std::fs::Metadata::is_file);
    let (bar, template) = match length {
        Some(metadata) => (
            ProgressBar::new(metadata.len()),
            "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {bytes}  {bytes_per_sec}",
        ),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text)
        .ok_or_else(|| "give an instant with its zone, as in 2026-11-01T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_or_without_a_carriage_return_and_long_ones_are_cut() {
        let long = "x".repeat(MAX_BYTES * 3);
        let text = format!("one\r\n\ntwo\n{long}\nthree");
        let mut lines = Lines {
            input: BufReader::new(text.as_bytes()),
            line: Vec::new(),
        };
        let mut lengths = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [3, 0, 3, MAX_BYTES + 2, 5]);
    }
}

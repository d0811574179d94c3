//! A file of events: from lines to one shard, and from a shard to reports.
//!
//! Owns how a file is read by every command that takes one, and what is said on stderr meanwhile.
//! Promises that a file counts as complete history of one partition. Knows no pages and no tables.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::command::Failure;
use crate::config::Settings;
use crate::engine::intake::{Tally, take_from};
use crate::event::Timestamp;
use crate::event::decode::MAX_BYTES;
use crate::event::record::Record;
use crate::event::source::Source;
use crate::ledger::Shard;
use crate::ledger::corrections::Skip;
use crate::measure::explain::Records;
use crate::measure::pass::evaluate;
use crate::measure::publish::{Context, reports};
use crate::measure::question::{Question, Sections};
use crate::measure::report::Report;
use crate::measure::settings::EvaluationSettings;

/// What the lines of a file hold.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LinesArgs {
    /// The topic of which each line is a value, without key and headers [default: native events]
    #[arg(long, value_name = "TOPIC")]
    pub source: Option<String>,
}

/// How lines become events.
#[derive(Debug)]
pub struct OfLines {
    topic: String,
    source: Source,
}

impl LinesArgs {
    /// The source of the topic, or of native events.
    ///
    /// # Errors
    /// If the topic is none of those that are read.
    pub fn source(&self, settings: &Settings) -> Result<OfLines, Failure> {
        let Some(topic) = self.source.clone() else {
            return Ok(OfLines {
                topic: String::new(),
                source: Source::native(settings.fold.decoding()),
            });
        };
        if !settings.router.from.contains(&topic) {
            return Err(Failure::usage(format!(
                "--source {topic}: this is none of kafka.topics, which are {}",
                settings.router.from.join(", ")
            )));
        }
        let source = settings.source_of(&topic);
        Ok(OfLines { topic, source })
    }
}

/// Reads a whole file, `-` being standard input, and tells on stderr what became of the lines.
///
/// # Errors
/// If it cannot be read.
pub fn read(
    file: &Path,
    lines: &LinesArgs,
    settings: &Settings,
) -> Result<(Shard, Tally), Failure> {
    let of_lines = lines.source(settings)?;
    let corrections = settings.fold.corrections.given().iter();
    let by_offset = corrections.filter(|one| matches!(one.skip, Skip::Offsets(_)));
    let by_offset = by_offset.count();
    if by_offset > 0 {
        eprintln!(
            "warning: lines of a file have no offsets, so corrections by offset skip nothing here \
             ({by_offset} of them)"
        );
    }
    let (shard, tally) = with_input(file, &mut |input| fold(input, &of_lines, settings))?;
    tell(&tally);
    Ok((shard, tally))
}

/// Folds newline-delimited events into one shard. Blank lines are no records.
pub fn fold(
    input: &mut dyn Read,
    of_lines: &OfLines,
    settings: &Settings,
) -> io::Result<(Shard, Tally)> {
    let mut shard = Shard::new(Arc::new(settings.fold.clone()), 1);
    shard.start_at(0, 0);
    let mut tally = Tally::default();
    each_line_of(input, &mut |number, line| {
        shard.advance(0, number, None);
        let record = Record {
            topic: &of_lines.topic,
            offset: number,
            ..Record::of_value(line)
        };
        // A line stands nowhere: its number is no offset that a correction could mean.
        take_from(&mut shard, &of_lines.source, None, record, |fate| {
            tally.add(fate)
        });
    })?;
    Ok((shard, tally))
}

/// Hands on each line that is not blank, with its number among those, from 0; `-` is standard input.
///
/// # Errors
/// If it cannot be read.
pub fn each_line(file: &Path, each: &mut dyn FnMut(i64, &[u8])) -> Result<(), Failure> {
    with_input(file, &mut |input| each_line_of(input, each))
}

/// Does something with the bytes of a file, with a bar on a terminal meanwhile.
fn with_input<T>(
    file: &Path,
    work: &mut dyn FnMut(&mut dyn Read) -> io::Result<T>,
) -> Result<T, Failure> {
    let failed =
        |error: io::Error| Failure::work(format!("could not read {}: {error}", file.display()));
    let bar = progress(file);
    let done = if file == Path::new("-") {
        work(&mut bar.wrap_read(io::stdin().lock()))
    } else {
        let file = File::open(file).map_err(failed)?;
        work(&mut bar.wrap_read(file))
    };
    bar.finish_and_clear();
    done.map_err(failed)
}

/// The instant that was asked for, else one millisecond after the newest event, which is told on
/// stderr.
///
/// # Errors
/// If there is neither.
pub fn instant_or_newest(at: Option<Timestamp>, shard: &Shard) -> Result<Timestamp, Failure> {
    match (at, shard.newest_event_at()) {
        (Some(at), _) => Ok(at),
        (None, Some(newest)) => {
            let at = newest.plus_millis(1);
            eprintln!("as of {at}, one millisecond after the newest event (--at {at})");
            Ok(at)
        }
        (None, None) => Err(Failure::work(
            "there is no event to go by: give an instant with --at, or look at the rejections above",
        )),
    }
}

/// The report of one shard that holds everything.
///
/// # Errors
/// If the facts before a period are gone.
pub fn evaluate_at(
    shard: &Shard,
    at: Timestamp,
    evaluation: &EvaluationSettings,
) -> Result<Report, Failure> {
    let mut reports = evaluate_each(shard, &[at], evaluation)?;
    reports
        .pop()
        .ok_or_else(|| Failure::work("the evaluation gave no report"))
}

/// The reports of several instants, in one pass: ascending, each once.
///
/// # Errors
/// If the facts before a period are gone.
pub fn evaluate_each(
    shard: &Shard,
    instants: &[Timestamp],
    evaluation: &EvaluationSettings,
) -> Result<Vec<Report>, Failure> {
    let question = Question::of(
        instants.iter().copied(),
        Sections::ALL,
        Arc::new(evaluation.clone()),
    );
    let question = Arc::new(question);
    let partial =
        evaluate(shard, 0, &question).map_err(|error| Failure::work(error.to_string()))?;
    let context = Context {
        ces: shard.settings().ces,
        dimensions: &shard.settings().dimensions,
        rekeyed: false,
    };
    Ok(reports(&partial, &question, context))
}

fn each_line_of(input: &mut dyn Read, each: &mut dyn FnMut(i64, &[u8])) -> io::Result<()> {
    let mut lines = Lines {
        input: BufReader::with_capacity(1 << 20, input),
        line: Vec::new(),
    };
    let mut number = 0;
    while let Some(line) = lines.next()? {
        if line.iter().all(u8::is_ascii_whitespace) && line.len() <= MAX_BYTES {
            continue;
        }
        each(number, line);
        number += 1;
    }
    Ok(())
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

/// The counts as an explanation and a statement have them.
#[must_use]
pub fn records(tally: &Tally) -> Records {
    let rejected = tally.rejected();
    Records {
        since: "the beginning of the file".to_owned(),
        read: tally.received(),
        applied: tally.applied,
        redundant: tally.redundant,
        late: tally.late,
        repeated: tally.duplicates,
        conflicting: tally.conflicting,
        skipped: tally.skipped,
        rejected: rejected
            .map(|(reason, count)| (reason.name().to_owned(), count))
            .collect(),
        ignored_attributes: tally.ignored_attributes,
    }
}

fn tell(tally: &Tally) {
    let late = if tally.late > 0 {
        format!(", {} of them late", tally.late)
    } else {
        String::new()
    };
    let skipped = match tally.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    eprintln!(
        "read {} lines: {} applied, {} redundant{late}, {} repeated, {} conflicting, {} rejected{skipped}",
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

/// Reads an instant of the command line.
pub fn instant(text: &str) -> Result<Timestamp, String> {
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

//! `tenure corrections`: what the corrections change, before they are used.
//!
//! Owns the arguments and the two folds. Promises that both are of the same records, read once, so
//! that every difference is due to the corrections. Changes nothing anywhere.

mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::command::configuration::ConfigurationArgs;
use crate::command::paper::print;
use crate::command::schemas::KnownSchemas;
use crate::command::topics::{Topics, failed};
use crate::command::{Failure, Form, file};
use crate::config::Settings;
use crate::engine::intake::{Fate, take_from};
use crate::event::Timestamp;
use crate::event::record::Record;
use crate::event::source::{Decoded, Source};
use crate::kafka::range::Range;
use crate::ledger::Shard;
use crate::ledger::corrections::{Corrections, Skip, Whence};
use crate::ledger::settings::FoldSettings;
use crate::measure::partial::Partial;
use crate::measure::pass::evaluate;
use crate::measure::publish::{Context, reports};
use crate::measure::question::{Question, Sections};
use crate::measure::report::{Family, Label, Report, Sample};

const EXAMPLES: &str = "\
Examples:
  # What would these corrections change, in what the topics hold?
  tenure corrections --config tenure.yaml --set corrections=nightly-job.yaml

  # As of an instant, of a file of events, for another program
  tenure corrections --set corrections=nightly-job.yaml \\
    --at 2026-11-01T00:00:00Z --format json events.ndjson

  # What such a file looks like
  cat nightly-job.yaml
  corrections:
    - note: the nightly job churned 40,000 customers by mistake
      skip: { topic: customer-events, partition: 3, offsets: 1200..41200 }
    - note: events of the load test
      skip: { event_ids: ids.txt, type: purchase }
";

const NOTES: &str = "\
A dry run: everything is read once and folded twice, without and with the corrections of the
configuration, and every number that differs is shown. Nothing is written, and no running service is
touched. Of a range both offsets are skipped too. A file of ids holds one event id on each line. Lines
of a file of events have no offsets, so there only ids are skipped.

Exit codes: 0 done, 2 no corrections are configured, 69 Kafka or a topic is unavailable, 78 the
configuration or a file of corrections is wrong.";

/// Show what the configured corrections change, before they are used
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct CorrectionsArgs {
    /// Newline-delimited events, `-` being standard input [default: the topics, up to their ends]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// The instant, RFC 3339 [default: now; of a file one millisecond after the newest event]
    #[arg(long, value_name = "TIME", value_parser = file::instant)]
    pub at: Option<Timestamp>,

    /// The form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Form,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// What the corrections change.
#[derive(Debug, Serialize)]
pub struct Effect {
    /// The instant of both reports.
    pub at: String,
    /// Records that were read; of one that a mapping splits, each part.
    pub read: u64,
    /// Those that are skipped, by however many corrections.
    pub skipped: u64,
    pub corrections: Vec<Skipped>,
    pub differences: Vec<Difference>,
    /// Measures that are withheld without the corrections, and why.
    pub withheld_before: Vec<Withheld>,
    /// And with them.
    pub withheld_after: Vec<Withheld>,
}

/// How many records a correction skips.
#[derive(Debug, Serialize)]
pub struct Skipped {
    pub note: String,
    /// What it says, in words.
    pub skips: String,
    pub records: u64,
}

/// A series whose value is another one with the corrections.
#[derive(Debug, Serialize)]
pub struct Difference {
    pub measure: &'static str,
    #[serde(serialize_with = "as_map")]
    pub labels: Vec<(String, String)>,
    /// Nothing where there is no such series.
    pub before: Option<f64>,
    pub after: Option<f64>,
}

/// A measure that is kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withheld {
    pub measure: &'static str,
    pub reason: &'static str,
}

/// Prints the effect to stdout.
pub fn run(args: &CorrectionsArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    let corrections = &settings.fold.corrections;
    if corrections.is_empty() {
        return Err(Failure::usage(
            "there are no corrections: name a file of them, as in --set corrections=FILE",
        ));
    }
    let effect = match &args.file {
        Some(path) => of_file(path, args.at, &settings)?,
        None => of_topics(args.at, &settings)?,
    };
    warn(&effect, corrections, args.file.is_some());
    let shown = match args.format {
        Form::Text => text::drawn(&effect),
        Form::Json => {
            serde_json::to_string_pretty(&effect)
                .map_err(|error| Failure::work(error.to_string()))?
                + "\n"
        }
    };
    print(&shown)
}

fn of_file(path: &Path, at: Option<Timestamp>, settings: &Settings) -> Result<Effect, Failure> {
    let mut counts = Counts::new(&settings.fold.corrections);
    let mut twins = Twins::new(settings, vec![Source::native(settings.fold.decoding())]);
    twins.begin(0, 0);
    file::each_line(path, &mut |number, line| {
        let record = Record {
            offset: number,
            ..Record::of_value(line)
        };
        twins.take(0, None, record, &mut counts);
    })?;
    let at = file::instant_or_newest(at, &twins.before)?;
    let question = question(at, settings);
    let [before, after] = twins.evaluate(0, &question)?;
    Ok(counts.effect(settings, &question, &before, &after))
}

/// Partition by partition: what is held at a time is one shard, twice.
fn of_topics(at: Option<Timestamp>, settings: &Settings) -> Result<Effect, Failure> {
    let mut topics = Topics::open(settings)?;
    let now = jiff::Timestamp::now().as_millisecond();
    let question = question(at.unwrap_or(Timestamp::from_millis(now)), settings);
    let mut sums = [Partial::empty(&question), Partial::empty(&question)];
    let mut counts = Counts::new(&settings.fold.corrections);
    let schemas = KnownSchemas::of(settings)?;
    topics.show_progress(topics.offsets());
    for partition in 0..topics.partitions() {
        let sources = settings.fold.sources_of(&settings.kafka.topics);
        let mut twins = Twins::new(settings, schemas.given_to_all(sources));
        for start in topics.starts_of(partition) {
            let topic = start.place.topic;
            twins.begin(topic, start.first_offset);
            let range = Range {
                place: start.place,
                from: start.first_offset,
                until: start.end_offset,
            };
            let mut each = |record: Record<'_>| {
                let whence = Whence {
                    topic: &start.topic,
                    partition,
                    offset: record.offset,
                };
                twins.take(topic, Some(whence), record, &mut counts);
            };
            topics
                .read(range, &mut each)
                .map_err(|error| failed(&error))?;
            schemas.complete()?;
        }
        let number = usize::try_from(partition).unwrap_or(0);
        let partials = twins.evaluate(number, &question)?;
        for (sum, partial) in sums.iter_mut().zip(&partials) {
            sum.merge(partial);
        }
    }
    topics.finish();
    Ok(counts.effect(settings, &question, &sums[0], &sums[1]))
}

fn question(at: Timestamp, settings: &Settings) -> Arc<Question> {
    let evaluation = Arc::new(settings.evaluation.clone());
    Arc::new(Question::of([at], Sections::ALL, evaluation))
}

/// One shard without the corrections, and one with them.
struct Twins {
    before: Shard,
    after: Shard,
    /// In the order of the topics.
    sources: Vec<Source>,
}

impl Twins {
    fn new(settings: &Settings, sources: Vec<Source>) -> Self {
        let topics = sources.len();
        let plain = FoldSettings {
            corrections: Arc::default(),
            ..settings.fold.clone()
        };
        Self {
            before: Shard::new(Arc::new(plain), topics),
            after: Shard::new(Arc::new(settings.fold.clone()), topics),
            sources,
        }
    }

    fn begin(&mut self, topic: usize, offset: i64) {
        self.before.start_at(topic, offset);
        self.after.start_at(topic, offset);
    }

    fn take(
        &mut self,
        topic: usize,
        whence: Option<Whence<'_>>,
        record: Record<'_>,
        counts: &mut Counts,
    ) {
        let source = &self.sources[topic];
        let mut skipped = false;
        self.before
            .advance(topic, record.offset, record.recorded_at);
        take_from(&mut self.before, source, whence, record, |_| {
            counts.read += 1;
        });
        self.after.advance(topic, record.offset, record.recorded_at);
        take_from(&mut self.after, source, whence, record, |fate| {
            skipped |= fate == Fate::Skipped;
        });
        if skipped {
            source.decode(record, |part| counts.skip(whence, &part));
        }
    }

    /// Before and after.
    fn evaluate(&self, number: usize, question: &Arc<Question>) -> Result<[Partial; 2], Failure> {
        let evaluate = |shard| {
            evaluate(shard, number, question).map_err(|error| Failure::work(error.to_string()))
        };
        Ok([evaluate(&self.before)?, evaluate(&self.after)?])
    }
}

/// What was counted on the way.
struct Counts {
    corrections: Arc<Corrections>,
    read: u64,
    skipped: u64,
    by_correction: Vec<u64>,
}

impl Counts {
    fn new(corrections: &Arc<Corrections>) -> Self {
        Self {
            corrections: Arc::clone(corrections),
            read: 0,
            skipped: 0,
            by_correction: vec![0; corrections.given().len()],
        }
    }

    /// Counts a part of a record of which some part is skipped, if it is one that a correction skips.
    fn skip(&mut self, whence: Option<Whence<'_>>, part: &Decoded<'_>) {
        let event = match part {
            Decoded::Event(event) => Some(event),
            Decoded::Rejected(_) => None,
            // A mapping passes it over whatever corrections say.
            Decoded::Tombstone | Decoded::Skipped => return,
        };
        let mut by_any = false;
        for number in self.corrections.skipping(whence, event) {
            self.by_correction[number] += 1;
            by_any = true;
        }
        self.skipped += u64::from(by_any);
    }

    fn effect(
        self,
        settings: &Settings,
        question: &Question,
        before: &Partial,
        after: &Partial,
    ) -> Effect {
        let context = Context {
            ces: settings.fold.ces,
            dimensions: &settings.fold.dimensions,
            rekeyed: false,
        };
        let at = question.latest();
        let report = |partial| {
            let report = reports(partial, question, context).pop();
            report.unwrap_or(Report::empty(at))
        };
        let (before, after) = (report(before), report(after));
        let counted = self.corrections.given().iter().zip(&self.by_correction);
        let corrections = counted.map(|(correction, records)| Skipped {
            note: correction.note.clone(),
            skips: correction.to_string(),
            records: *records,
        });
        Effect {
            at: at.to_string(),
            read: self.read,
            skipped: self.skipped,
            corrections: corrections.collect(),
            differences: differences(&before, &after),
            withheld_before: withheld(&before),
            withheld_after: withheld(&after),
        }
    }
}

/// Every series that is not the same in both, in the order of the catalogue.
fn differences(before: &Report, after: &Report) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (before, after) in before.families.iter().zip(&after.families) {
        let [old, new] = [before, after].map(values);
        let further = |sample: &&Sample| !old.contains_key(sample.labels.as_slice());
        let further = after.samples.iter().filter(further);
        for sample in before.samples.iter().chain(further) {
            let labels = sample.labels.as_slice();
            let [before_value, after_value] =
                [&old, &new].map(|values| values.get(labels).copied());
            if before_value == after_value {
                continue;
            }
            let labels = before.labelled(sample);
            differences.push(Difference {
                measure: before.measure.name,
                labels: labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                before: before_value,
                after: after_value,
            });
        }
    }
    differences
}

fn values(family: &Family) -> HashMap<&[Label], f64> {
    let samples = family.samples.iter();
    samples
        .map(|sample| (sample.labels.as_slice(), sample.value))
        .collect()
}

fn as_map<S: Serializer>(labels: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter().map(|(name, value)| (name, value)))
}

fn withheld(report: &Report) -> Vec<Withheld> {
    let withheld = report.withheld.iter().map(|withheld| Withheld {
        measure: withheld.measure,
        reason: withheld.reason.name(),
    });
    withheld.collect()
}

/// Says on stderr which corrections do nothing.
fn warn(effect: &Effect, corrections: &Corrections, of_file: bool) {
    for (skipped, correction) in effect.corrections.iter().zip(corrections.given()) {
        if skipped.records > 0 {
            continue;
        }
        let why = match correction.skip {
            Skip::Offsets(_) if of_file => ": lines of a file have no offsets",
            Skip::Offsets(_) | Skip::Ids(_) => "",
        };
        eprintln!(
            "warning: the correction `{}` ({}) skips no record{why}",
            skipped.note, skipped.skips
        );
    }
}

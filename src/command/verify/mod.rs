//! `tenure verify`: are the checkpoints what the log says?
//!
//! Owns the arguments, what is compared with what, and the exit code. Promises to change nothing: it
//! commits nothing, joins no group, and leaves damaged checkpoints where they are.

mod line;
mod refold;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::checkpoint::store::StoreErrorKind;
use crate::checkpoint::{Entry, LoadError, Objects, Shelf, StoreError};
use crate::command::configuration::ConfigurationArgs;
use crate::command::paper::print;
use crate::command::schemas::KnownSchemas;
use crate::command::topics::Topics;
use crate::command::verify::line::Line;
use crate::command::verify::refold::{Comparison, Refold, Target, Verdict};
use crate::command::{Failure, Form, file};
use crate::config::{Settings, StateUrl};
use crate::event::Timestamp;
use crate::ledger::Shard;
use crate::ledger::corrections::{Correction, Skip};
use crate::ledger::settings::FoldSettings;
use crate::ledger::snapshot::fingerprint;

const EXAMPLES: &str = "\
Examples:
  # Refold the log from the oldest checkpoints, and compare with the newer ones
  tenure verify --config tenure.yaml

  # One partition, from the first record that is in the state
  tenure verify --config tenure.yaml --partition 3 --from-beginning

  # Is an archive of the topic complete?
  tenure verify --config tenure.yaml archive.ndjson
";

const NOTES: &str = "\
The state is a function of the log: whoever folds the same records gets the same digest. Of each
partition the oldest checkpoint that the log still leads on from is loaded, the log is folded on to
the positions of each newer one, and both are compared. Where there is one checkpoint only, the log is
folded from where the state begins, if it still has that.

With FILE, the digests of the newest checkpoints are added up over the partitions and compared with
the digest of the file. They are equal only if the file holds all records up to the positions of these
checkpoints and no other, and was folded under the same settings. Lines have no Kafka timestamps: no
line may have been rejected as too far in the future. And of two records with one id and different
content the first stays, so lines of one customer must be in the order of the topic.

Nothing is changed, and a service may go on meanwhile: checkpoints that it deletes are left out.

Exit codes: 0 all are equal, 1 one differs, 2 there is no such partition, 69 nothing could be
compared, or Kafka or the store is unavailable, 78 wrong configuration.";

/// Refold the log, and compare with the checkpoints
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct VerifyArgs {
    /// Newline-delimited events that hold the same records, `-` being standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["partition", "from_beginning"])]
    pub file: Option<PathBuf>,

    /// One partition alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,

    /// Begin with the first record that is in the state, not with the oldest checkpoint
    #[arg(long)]
    pub from_beginning: bool,

    /// The form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Form,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// Prints one line for each comparison.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    let shelf = shelf(&settings)?;
    let mut told = Told::new(args.format);
    match &args.file {
        Some(file) => verify_file(file, &settings, &shelf, &mut told)?,
        None => verify_topics(args, &settings, &shelf, &mut told)?,
    }
    told.finish(&shelf)
}

fn shelf(settings: &Settings) -> Result<Shelf, Failure> {
    let nothing = |why: String| Failure::unavailable(format!("nothing to compare with: {why}"));
    let Some(url) = &settings.state.url else {
        return Err(nothing(
            "`state.url` is null, so there are no checkpoints".to_owned(),
        ));
    };
    if let StateUrl::Folder(folder) = url
        && !folder.is_dir()
    {
        let folder = folder.display();
        return Err(nothing(format!(
            "there is no folder {folder} (`state.url`)"
        )));
    }
    let objects = Objects::open(url).map_err(|error| Failure::unavailable(error.to_string()))?;
    let print = fingerprint(&settings.fold);
    let topics = &settings.kafka.topics;
    Ok(Shelf::new(
        Arc::new(objects),
        topics,
        print,
        settings.state.keep,
    ))
}

fn store_failed(error: StoreError) -> Failure {
    Failure::unavailable(error.to_string())
}

/// What has been said so far.
struct Told {
    form: Form,
    lines: Vec<Line>,
    equal: u64,
    differ: u64,
}

#[derive(Serialize)]
struct All<'a> {
    equal: u64,
    differ: u64,
    not_compared: u64,
    comparisons: &'a [Line],
}

impl Told {
    const fn new(form: Form) -> Self {
        Self {
            form,
            lines: Vec::new(),
            equal: 0,
            differ: 0,
        }
    }

    fn tell(
        &mut self,
        line: Line,
        verdict: &Verdict,
        topics: Option<&Topics>,
    ) -> Result<(), Failure> {
        self.equal += u64::from(*verdict == Verdict::Equal);
        self.differ += u64::from(matches!(verdict, Verdict::Differs(_)));
        if self.form == Form::Text {
            let text = format!("{line}\n");
            match topics {
                Some(topics) => topics.beside_the_bar(|| print(&text))?,
                None => print(&text)?,
            }
        }
        self.lines.push(line);
        Ok(())
    }

    fn finish(self, shelf: &Shelf) -> Result<(), Failure> {
        let Self {
            equal,
            differ,
            lines,
            ..
        } = &self;
        if self.form == Form::Json {
            let all = All {
                equal: *equal,
                differ: *differ,
                not_compared: lines.len() as u64 - equal - differ,
                comparisons: lines,
            };
            let json = serde_json::to_string_pretty(&all);
            let json = json.map_err(|error| Failure::work(error.to_string()))?;
            print(&(json + "\n"))?;
        }
        if *differ > 0 {
            return Err(Failure::work(format!(
                "{differ} of {} comparisons found a difference: what is published is not what the \
                 log says; keep the checkpoints and report it, then start anew without them",
                equal + differ
            )));
        }
        if *equal > 0 {
            return Ok(());
        }
        let others = shelf.others().unwrap_or_default();
        let hint = match others
            .iter()
            .map(|other| other.entries.len())
            .sum::<usize>()
        {
            0 => String::new(),
            count => format!(
                "; there are {count} checkpoints of these topics under other settings (digest key, \
                 history, dimensions, corrections and so on)"
            ),
        };
        Err(Failure::unavailable(format!(
            "nothing could be compared{hint}"
        )))
    }
}

fn verify_topics(
    args: &VerifyArgs,
    settings: &Settings,
    shelf: &Shelf,
    told: &mut Told,
) -> Result<(), Failure> {
    let mut topics = Topics::open(settings)?;
    if let Some(partition) = args.partition
        && partition >= topics.partitions()
    {
        return Err(Failure::usage(format!(
            "there is no partition {partition}: there are {}",
            topics.partitions()
        )));
    }
    let schemas = KnownSchemas::of(settings)?;
    topics.show_progress(topics.offsets());
    let fold = Arc::new(settings.fold.clone());
    for (partition, mut entries) in shelf.all().map_err(store_failed)? {
        if args.partition.is_none_or(|only| only == partition) {
            entries.reverse();
            let partition = Partition {
                number: partition,
                settings,
                fold: &fold,
                shelf,
                topics: &topics,
                schemas: &schemas,
            };
            partition.verify(&entries, args.from_beginning, told)?;
        }
    }
    topics.finish();
    Ok(())
}

/// One partition and what there is to verify it with.
struct Partition<'a> {
    number: i32,
    settings: &'a Settings,
    fold: &'a Arc<FoldSettings>,
    shelf: &'a Shelf,
    topics: &'a Topics,
    schemas: &'a KnownSchemas,
}

impl Partition<'_> {
    /// `entries` are the checkpoints, the oldest first.
    fn verify(
        &self,
        entries: &[Entry],
        from_beginning: bool,
        told: &mut Told,
    ) -> Result<(), Failure> {
        let mut targets = Vec::new();
        for entry in entries {
            match target(self.shelf, entry, self.fold)? {
                Ok(target) => targets.push((entry, target)),
                Err(Some(why)) => self.tell(None, entry, &Comparison::none(why), told)?,
                // The service has deleted it meanwhile.
                Err(None) => {}
            }
        }
        let mut targets = targets.into_iter().peekable();
        // What the log no longer leads on from can neither be a beginning nor be refolded.
        while !from_beginning
            && let Some((entry, target)) = targets.peek()
            && let Err(why) = target.led_on_from(self.number, self.topics)
        {
            self.tell(None, entry, &Comparison::none(why), told)?;
            targets.next();
        }
        let Some((first, target)) = targets.peek().cloned() else {
            return Ok(());
        };
        let whole = target.led_up_to(self.number, self.topics);
        let from_checkpoint = !from_beginning && targets.len() > 1;
        let mut refold = match whole {
            _ if from_checkpoint => {
                targets.next();
                let loaded = self.shelf.load(first, self.fold);
                let loaded = loaded.map_err(|error| Failure::work(error.to_string()))?;
                self.refold(loaded.shard, Some(target.clone()))
            }
            Ok(()) => self.refold(target.beginning(self.settings), None),
            Err(why) => {
                for (entry, _) in targets {
                    self.tell(None, entry, &Comparison::none(why.clone()), told)?;
                }
                return Ok(());
            }
        };
        let mut from = from_checkpoint.then_some(first.offset);
        let same_log = refold.witnessed()?;
        for (entry, target) in targets {
            let comparison = if same_log {
                refold.compare(&target)?
            } else {
                Comparison::none(
                    "the log is no longer the one that was folded: truncated, or made anew"
                        .to_owned(),
                )
            };
            self.tell(from, entry, &comparison, told)?;
            if comparison.refolded.is_some() {
                from = Some(entry.offset);
            }
        }
        Ok(())
    }

    fn refold(&self, shard: Shard, from: Option<Target>) -> Refold<'_> {
        let (topics, schemas) = (self.topics, self.schemas);
        Refold::new(self.settings, topics, schemas, self.number, shard, from)
    }

    fn tell(
        &self,
        from: Option<i64>,
        entry: &Entry,
        comparison: &Comparison,
        told: &mut Told,
    ) -> Result<(), Failure> {
        let line = Line::of(self.number, from, entry, comparison);
        told.tell(line, &comparison.verdict, Some(self.topics))
    }
}

/// A checkpoint as something to compare with; else why it is none, or nothing if it is gone.
fn target(
    shelf: &Shelf,
    entry: &Entry,
    fold: &Arc<FoldSettings>,
) -> Result<Result<Target, Option<String>>, Failure> {
    match shelf.load(entry, fold) {
        Ok(checkpoint) => Ok(Ok(Target::of(&checkpoint))),
        Err(LoadError::Unusable(unusable)) => Ok(Err(Some(unusable.to_string()))),
        Err(LoadError::Store(error)) if error.kind == StoreErrorKind::Missing => Ok(Err(None)),
        Err(LoadError::Store(error)) => Err(store_failed(error)),
    }
}

/// Compares a file with the newest checkpoints of all partitions.
fn verify_file(
    path: &Path,
    settings: &Settings,
    shelf: &Shelf,
    told: &mut Told,
) -> Result<(), Failure> {
    let fold = Arc::new(settings.fold.clone());
    let newest = match Newest::of(shelf, &fold)? {
        Ok(newest) => newest,
        Err(why) => {
            let comparison = Comparison::none(why);
            let line = Line::of_file(path, 0, &comparison, None);
            return told.tell(line, &comparison.verdict, None);
        }
    };
    let corrections = settings.fold.corrections.given();
    let by_offset = |correction: &Correction| matches!(correction.skip, Skip::Offsets(_));
    let comparison = if corrections.iter().any(by_offset) {
        Comparison::none("corrections skip records by offset, and lines have none".to_owned())
    } else {
        let started = Instant::now();
        let (mut shard, tally) = file::read(path, &file::LinesArgs::default(), settings)?;
        if let Some(line) = newest.prune_line {
            shard.prune_before(line);
        }
        let equal = shard.digest() == newest.digest;
        Comparison {
            verdict: if equal {
                Verdict::Equal
            } else {
                Verdict::Differs("the facts")
            },
            records: tally.received(),
            took: started.elapsed(),
            refolded: Some(shard.digest()),
        }
    };
    let line = Line::of_file(path, newest.offsets, &comparison, Some(newest.digest));
    told.tell(line, &comparison.verdict, None)
}

/// The newest checkpoints of all partitions, added up.
struct Newest {
    digest: u128,
    /// The sum of their offsets.
    offsets: i64,
    /// The same in all of them.
    prune_line: Option<Timestamp>,
}

impl Newest {
    /// The sums, or why there are none.
    fn of(shelf: &Shelf, fold: &Arc<FoldSettings>) -> Result<Result<Self, String>, Failure> {
        let mut sums: Option<Self> = None;
        let all = shelf.all().map_err(store_failed)?;
        let mut partitions = 0;
        for (number, entries) in &all {
            let mut found = None;
            for entry in entries {
                if let Ok(loaded) = shelf.load(entry, fold) {
                    partitions = partitions.max(loaded.header.partitions);
                    found = Some(Target::of(&loaded));
                    break;
                }
            }
            let Some(target) = found else {
                return Ok(Err(format!(
                    "no checkpoint of partition {number} can be used"
                )));
            };
            match &mut sums {
                None => {
                    sums = Some(Self {
                        digest: target.digest,
                        offsets: target.offset,
                        prune_line: target.prune_line,
                    });
                }
                Some(sums) if sums.prune_line != target.prune_line => {
                    return Ok(Err(
                        "the partitions are pruned up to different days".to_owned()
                    ));
                }
                Some(sums) => {
                    sums.digest = sums.digest.wrapping_add(target.digest);
                    sums.offsets += target.offset;
                }
            }
        }
        let there = i32::try_from(all.len()).unwrap_or(i32::MAX);
        Ok(match sums {
            Some(sums) if there >= partitions => Ok(sums),
            Some(_) => Err(format!(
                "{} of {partitions} partitions have no checkpoint",
                partitions - there
            )),
            None => Err("there are no checkpoints".to_owned()),
        })
    }
}

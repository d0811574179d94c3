//! `tenure test`: records of files of tests, and whether they become what was expected.

mod compare;
mod untested;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::command::Failure;
use crate::command::becoming::{Account, Reading};
use crate::command::paper::print;
use crate::config::sources::trials::{Sample, Trial, trials};
use crate::event::record::{Header, Record};
use crate::event::schema::Room;
use compare::mismatch;
use untested::Touched;

const EXAMPLES: &str = "\
Examples:
  # Do the records of a file become the events that it expects?
  tenure test tests/orders.yaml

  # All of a folder, for instance in CI, and what they leave out
  tenure test --untested tests/*.yaml
";

const NOTES: &str = "\
A file of tests names a source as it stands below a topic in `sources:`, or a configuration and
one of its topics, and has records with what is expected of them:

  source: shopify
  tests:
    - name: a paid order is one purchase
      record:
        headers: { X-Shopify-Topic: orders/paid }
        value_file: samples/order.json
      events:
        - { type: purchase, customer_id: \"42\", amount: \"129.90\", currency: TRY }
    - name: a change of an order is skipped
      record: { headers: { X-Shopify-Topic: orders/updated }, value: '{}' }
      skipped: true

Of an event only the fields that are given are compared.

Exit codes: 0 all tests pass, 1 a test fails, 78 a file of tests, its mapping or its
configuration is wrong.";

/// Run the tests of mappings: do records become the events that they should?
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct TestArgs {
    /// Files of tests (YAML)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Say which rules and conditions no test of a file reaches
    #[arg(long)]
    pub untested: bool,
}

/// How many of something, and of how many.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    files: usize,
    wrong_files: usize,
    tests: usize,
    failed: usize,
}

/// Writes a line about each file to stdout, and what is to be said of tests that fail.
pub fn run(args: &TestArgs) -> Result<(), Failure> {
    let mut tally = Tally::default();
    for file in &args.files {
        tally.files += 1;
        run_file(file, args.untested, &mut tally)?;
    }
    tally.verdict()
}

fn run_file(file: &Path, untested: bool, tally: &mut Tally) -> Result<(), Failure> {
    let read = match trials(file) {
        Ok(read) => read,
        Err(complaints) => {
            tally.wrong_files += 1;
            print(&format!("wrong   {}\n", file.display()))?;
            eprintln!("{complaints}");
            return Ok(());
        }
    };
    let reading = Reading::of_json(&read.settings, &read.topic);
    let mut touched = Touched::of(reading.rules());
    let mut said = String::new();
    let mut failed = 0;
    for trial in &read.trials {
        if let Some(lines) = run_trial(&reading, trial, &mut touched) {
            failed += 1;
            let _ = write!(said, "\n{}: {}\n{lines}", trial.place, trial.name);
        }
    }
    let count = read.trials.len();
    tally.tests += count;
    tally.failed += failed;
    let line = match failed {
        0 => format!("ok      {}: {}\n", file.display(), counted(count, "test")),
        _ => format!(
            "FAILED  {}: {failed} of {}\n",
            file.display(),
            counted(count, "test")
        ),
    };
    let untested = touched
        .sentence()
        .filter(|_| untested)
        .map_or_else(String::new, |sentence| format!("        {sentence}\n"));
    let end = if failed > 0 { "\n" } else { "" };
    print(&format!("{line}{untested}{said}{end}"))
}

/// What is wrong, in lines; nothing if the test passes.
fn run_trial(reading: &Reading, trial: &Trial, touched: &mut Touched) -> Option<String> {
    let headers: Vec<Vec<Header<'_>>> = trial.samples.iter().map(headers).collect();
    let mut rooms = vec![Room::default(); trial.samples.len()];
    let accounts: Vec<Account<'_>> = trial
        .samples
        .iter()
        .zip(&headers)
        .zip(&mut rooms)
        .map(|((sample, headers), room)| reading.account(record(sample, headers), room))
        .collect();
    for why in accounts.iter().filter_map(Account::why) {
        touched.add(why);
    }
    mismatch(&trial.expected, &accounts)
}

fn headers(sample: &Sample) -> Vec<Header<'_>> {
    let headers = sample.headers.iter();
    headers
        .map(|(name, value)| (name.as_bytes(), value.as_deref().map(str::as_bytes)))
        .collect()
}

fn record<'a>(sample: &'a Sample, headers: &'a [Header<'a>]) -> Record<'a> {
    Record {
        topic: &sample.topic,
        partition: sample.partition,
        offset: sample.offset,
        recorded_at: sample.recorded_at,
        key: sample.key.as_deref(),
        headers,
        value: sample.value.as_deref(),
    }
}

impl Tally {
    fn verdict(self) -> Result<(), Failure> {
        if self.wrong_files > 0 {
            return Err(Failure::configuration(format!(
                "{} of {} cannot be used: see above",
                self.wrong_files,
                counted(self.files, "file")
            )));
        }
        if self.failed > 0 {
            return Err(Failure::work(format!(
                "{} of {} failed: see above",
                self.failed,
                counted(self.tests, "test")
            )));
        }
        if self.files > 1 {
            print(&format!("all {} pass\n", counted(self.tests, "test")))?;
        }
        Ok(())
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

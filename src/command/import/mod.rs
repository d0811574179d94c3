//! `tenure import`: the customers from before the topic, as ordinary events.
//!
//! Owns the arguments, the order of the steps, and what is said. Promises that nothing is written
//! before the whole file and the topic were looked at, that importing twice changes nothing, and that
//! no cell of the file gets into a message. Does not know how lines are read and what becomes of them.
//!
//! ```text
//!  topics --- destination ---+                              +--> topic      the events
//!                            +--> checked ---> since -------+
//!  file ----- table, row ----+    facts                     +--> configured
//!             every line once, then once more for writing
//! ```

mod checked;
mod configured;
mod destination;
mod facts;
mod placing;
mod row;
mod since;
mod table;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;

use crate::command::Failure;
use crate::command::configuration::ConfigurationArgs;
use crate::command::file::instant;
use crate::config::Settings;
use crate::event::decode::Decoder;
use crate::event::{EventType, Timestamp};
use crate::generate::Record;
use crate::generate::sink::tally::Tally;
use crate::generate::sink::topic::{Topic, TopicSettings};
use crate::generate::sink::{Sink, SinkError};
use crate::kafka::client::producer_properties;
use crate::measure::settings::CustomerStart;
use checked::{Checked, Checker};
use configured::{Configured, configure};
use destination::Destination;
use facts::Writer;
use placing::Partitioner;
use row::Rows;
use since::{Evidence, Since};
use table::{Column, Form, Head, Names, TableError, each_line, listing};

const EXAMPLES: &str = "\
Examples:
  # What would happen? Every line is checked, the topic is looked at, nothing is written
  tenure import customers.csv --config tenure.yaml --dry-run

  # All customers; afterwards tenure.yaml says since when they are known
  tenure import customers.csv --config tenure.yaml

  # A file with other names, semicolons, and times without a zone
  tenure import kunden.csv --config tenure.yaml --delimiter ';' --time-zone Europe/Berlin \\
    --column customer_id=kundennummer --column active_since=angelegt

  # Straight from a database, as it was when the topic's records begin, into a topic of its own
  psql -qc \"\\copy (SELECT ...) TO STDOUT CSV HEADER\" | tenure import - --config tenure.yaml \\
    --topic customer-base --complete-since 2026-11-01T00:00:00Z
";

const NOTES: &str = "\
Columns, of which customer_id and one that says since when are needed:
  customer_id             as in the events: it is the key of the records
  active_since            since when this is a customer, the first time ever
  last_activity           the last sign-up or order, for inactivity_timeout
  first_order_at, first_order_amount, first_order_currency
  last_order_at, last_order_amount, last_order_currency
  last_nps_at, last_nps_score
  churned_at, reason      of customers who left: give these, too
  attributes.NAME         or the name of a configured dimension
JSON lines have the same names as keys. Times are RFC 3339, or as databases write them, or Unix
seconds or milliseconds. What happened after the topic's records begin is left to the topic.

Every line is read twice, and nothing is written before the first time is over. If any line is bad,
nothing is written at all (exit code 1), unless --skip-bad leaves such lines out. A repeated or
interrupted import does no harm: the same line makes the same events.

Exit codes: 0 imported, 1 lines are bad or the file could not be read, 2 wrong usage, 69 Kafka or a
topic is unavailable, 78 the configuration is wrong, or the topic cannot take the base.";

/// Standard input is read into memory, up to this size.
const MAX_STDIN_BYTES: u64 = 1 << 30;
/// Records between two steps of the bar.
const STEP: u64 = 1024;

/// Write the customers from before the topic as events
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct ImportArgs {
    /// Customers, one a line: CSV with a head, or JSON lines; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How the file is written [default: by its name; of standard input csv]
    #[arg(long, value_enum)]
    pub format: Option<FileFormat>,

    /// Between the cells of CSV: one character, or `tab`
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    pub delimiter: u8,

    /// A column that has another name in the file; may be repeated
    #[arg(long = "column", value_name = "NAME=FILE'S", value_parser = column)]
    pub columns: Vec<(String, String)>,

    /// IANA name of the zone of times that are written without one
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub time_zone: Option<TimeZone>,

    /// Currency of orders that have none in the file
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,

    /// Topic that takes the events, one that the service reads [default: the only one]
    #[arg(long)]
    pub topic: Option<String>,

    /// How the topic's other producers place keys [default: as the records that are there]
    #[arg(long, value_enum)]
    pub partitioner: Option<Partitioner>,

    /// The instant since which everybody is known, RFC 3339: the one of which the file tells
    /// [default: the earliest that file and topic can show]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub complete_since: Option<Timestamp>,

    /// Leave bad lines out instead of writing nothing
    #[arg(long)]
    pub skip_bad: bool,

    /// Look at everything, write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Leave the configuration file alone, and print the line for it
    #[arg(long)]
    pub print_only: bool,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    /// Cells separated by commas, with a head
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Imports the file; what was done goes to stdout, everything else to stderr.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    let names = Names::new(&args.columns, &settings.fold.dimensions).map_err(Failure::usage)?;
    let input = Input::open(&args.file)?;
    let destination = Destination::open(&settings, args.topic.as_deref(), args.partitioner)?;
    let now = now();
    let until = destination.begins_at.map_or(now, |at| at.min(now));
    let rows = Rows {
        names: &names,
        zone: args.time_zone.clone(),
        currency: args.currency.clone(),
        now,
    };
    let import = Import {
        args,
        settings: &settings,
        names: &names,
        input: &input,
        until,
    };
    let mut checker = Checker::new(rows, Decoder::new(settings.fold.decoding()), until);
    let (head, checked) = import.check(&mut checker)?;
    let evidence = Evidence {
        now,
        begins_at: until,
        written_at: input.written_at.min(now),
        newest_at: checked.newest_at,
        names_the_lost: head.columns.contains(&Column::ChurnedAt),
        unsure: checked.unsure,
    };
    tell(&destination, &head, &checked, &import);
    let since = evidence
        .since(args.complete_since)
        .map_err(Failure::usage)?;
    println!("the base is complete since {}: {}", since.at, since.why);
    if args.dry_run {
        println!("nothing was written (--dry-run)");
        return refused_for_bad_lines(&checked, args);
    }
    refused_for_bad_lines(&checked, args)?;
    import.write(&mut checker, &head, &checked, &destination)?;
    import.configure(&since)
}

/// Bad lines stop everything, unless they are to be left out.
fn refused_for_bad_lines(checked: &Checked, args: &ImportArgs) -> Result<(), Failure> {
    let bad = checked.bad_lines();
    if bad > 0 && !args.skip_bad {
        return Err(Failure::work(format!(
            "{bad} of {} lines of {} are bad, so nothing was written; repair them, or leave them out \
             with --skip-bad",
            bad + checked.good,
            args.file.display()
        )));
    }
    if checked.good == 0 {
        return Err(Failure::work(format!(
            "{} holds no customers",
            args.file.display()
        )));
    }
    Ok(())
}

/// What all steps need.
struct Import<'a> {
    args: &'a ImportArgs,
    settings: &'a Settings,
    names: &'a Names,
    input: &'a Input,
    until: Timestamp,
}

impl Import<'_> {
    fn form(&self) -> Form {
        let jsonl = |file: &Path| {
            let end = file.extension().unwrap_or_default();
            ["jsonl", "ndjson", "json"]
                .iter()
                .any(|known| end == *known)
        };
        match self.args.format {
            Some(FileFormat::Jsonl) => Form::JsonLines,
            None if jsonl(&self.args.file) => Form::JsonLines,
            Some(FileFormat::Csv) | None => Form::Csv {
                delimiter: self.args.delimiter,
            },
        }
    }

    fn check(&self, checker: &mut Checker<'_>) -> Result<(Head, Checked), Failure> {
        let mut checked = Checked::default();
        let bar = bar(
            self.input.bytes,
            "checking {bar:40} {bytes}/{total_bytes}  {eta} left",
        );
        let mut input = bar.wrap_read(self.input.read()?);
        let evaluation = &self.settings.evaluation;
        let head = each_line(&mut input, self.form(), self.names, &mut |line| {
            let row = checker.row(&line);
            checked.add(
                line.number,
                row.as_ref().map_err(Clone::clone),
                self.until,
                evaluation,
            );
        });
        bar.finish_and_clear();
        let head = head.map_err(|error| self.failed(error))?;
        self.check_head(&head)?;
        Ok((head, checked))
    }

    /// Whether the columns fit the settings.
    fn check_head(&self, head: &Head) -> Result<(), Failure> {
        let there = |column| head.columns.contains(&column);
        let opens = [
            Column::ActiveSince,
            Column::FirstOrderAt,
            Column::LastOrderAt,
            Column::LastActivity,
        ];
        let file = self.args.file.display();
        if !opens.into_iter().any(there) {
            return Err(Failure::work(format!(
                "{file}: no column says since when somebody is a customer: one of {} is needed",
                listing(opens.map(Column::name))
            )));
        }
        let evaluation = &self.settings.evaluation;
        let by_orders = evaluation.customer_starts_with == CustomerStart::Purchase;
        if by_orders && !there(Column::FirstOrderAt) && !there(Column::LastOrderAt) {
            return Err(Failure::work(format!(
                "{file}: under customer_starts_with: purchase only orders make customers: first_order_at \
                 or last_order_at is needed, with amount and currency"
            )));
        }
        if by_orders
            && evaluation.inactivity_timeout_millis.is_some()
            && !there(Column::LastOrderAt)
        {
            return Err(Failure::work(format!(
                "{file}: under customer_starts_with: purchase only orders are activity, so \
                 inactivity_timeout needs last_order_at, last_order_amount and last_order_currency"
            )));
        }
        Ok(())
    }

    fn failed(&self, error: TableError) -> Failure {
        let file = self.args.file.display();
        match error {
            TableError::Read(error) => Failure::work(format!("could not read {file}: {error}")),
            TableError::Head(message) => Failure::work(format!("{file}: {message}")),
        }
    }

    fn write(
        &self,
        checker: &mut Checker<'_>,
        head: &Head,
        checked: &Checked,
        destination: &Destination,
    ) -> Result<(), Failure> {
        let mut properties: BTreeMap<String, String> = producer_properties(&self.settings.kafka)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        properties.insert("client.id".to_owned(), "tenure-import".to_owned());
        properties.insert(
            "partitioner".to_owned(),
            destination.partitioner.property().to_owned(),
        );
        let topic = Topic::open(&TopicSettings {
            bootstrap_servers: self.settings.kafka.bootstrap_servers.clone(),
            topic: destination.topic.clone(),
            create_with_partitions: None,
            properties,
        });
        let started = Instant::now();
        let mut writing = Writing {
            topic: topic.map_err(undelivered)?,
            writer: Writer {
                attributes: &head.attributes,
            },
            record: Record::buffer(),
            tally: Tally::default(),
            customers: 0,
            failure: None,
            bar: bar(
                Some(checked.good),
                "writing {bar:40} {pos}/{len} customers  {per_sec}  {eta} left",
            ),
        };
        checker.begin_anew();
        let mut input = self.input.read()?;
        let read = each_line(&mut input, self.form(), self.names, &mut |line| {
            if let Ok(row) = checker.row(&line) {
                writing.send(&row, self.until);
            }
        });
        let finished = writing.finish();
        writing.bar.finish_and_clear();
        read.map_err(|error| self.failed(error))?;
        finished.map_err(undelivered)?;
        if writing.customers != checked.good {
            return Err(Failure::work(format!(
                "{} changed while it was read: import it again, which does no harm",
                self.args.file.display()
            )));
        }
        println!(
            "wrote {} customers to topic {}: {}",
            writing.customers,
            destination.topic,
            writing.tally.summary(started.elapsed())
        );
        Ok(())
    }

    fn configure(&self, since: &Since) -> Result<(), Failure> {
        let line = format!("customer_base_complete_since: {}", since.at);
        if self.args.print_only {
            println!("for the configuration:\n  {line}");
            return Ok(());
        }
        let given = self.args.complete_since.is_some();
        match configure(&self.args.configuration, self.settings, since.at, given) {
            Configured::Changed { file, old } => {
                let old = old.map_or_else(|| "nothing".to_owned(), |old| old.to_string());
                println!("{}: {line} (it said {old})", file.display());
                println!("restart the service, so that it reads this");
                Ok(())
            }
            Configured::Kept { old } => {
                println!(
                    "the configuration says customer_base_complete_since: {old}, and stays as it is"
                );
                Ok(())
            }
            Configured::ByHand { why } => Err(Failure::configuration(format!(
                "the customers are imported, but {why}; say it there by hand, and restart the service:\n  {line}"
            ))),
        }
    }
}

/// The topic while it is written.
struct Writing<'a> {
    topic: Topic,
    writer: Writer<'a>,
    record: Record,
    tally: Tally,
    customers: u64,
    failure: Option<SinkError>,
    bar: ProgressBar,
}

impl Writing<'_> {
    fn send(&mut self, row: &row::Row, until: Timestamp) {
        if self.failure.is_some() {
            return;
        }
        self.record.key.clone_from(&row.customer);
        // The arrival is the Kafka timestamp: with the time of the event, the topic's retention would
        // delete it at once.
        self.record.arrives_at = now();
        for told in facts::of(row, until) {
            self.writer.write(row, &told, &mut self.record.payload);
            self.record.event_type = told.what.event_type();
            self.record.occurred_at = told.at;
            if let Err(error) = self.topic.send(&self.record) {
                self.failure = Some(error);
                return;
            }
            self.tally.add(&self.record);
        }
        self.customers += 1;
        if self.customers.is_multiple_of(STEP) {
            self.bar.set_position(self.customers);
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.topic.finish(),
        }
    }
}

fn undelivered(error: SinkError) -> Failure {
    match error {
        SinkError::Undelivered { .. } => Failure::unavailable(format!(
            "{error}; a part may have been written: import again, which does no harm"
        )),
        SinkError::Closed | SinkError::Write(_) | SinkError::Refused(_) => {
            Failure::configuration(error.to_string())
        }
    }
}

/// What was found, before anything is written.
fn tell(destination: &Destination, head: &Head, checked: &Checked, import: &Import<'_>) {
    if !head.unknown.is_empty() {
        eprintln!(
            "warning: these columns mean nothing here and are ignored: {}",
            listing(head.unknown.iter().map(String::as_str))
        );
    }
    for (number, trouble) in &checked.named {
        let column = trouble.column.as_ref();
        let column = column.map_or_else(String::new, |column| format!(", column {column}"));
        eprintln!(
            "bad: {} line {number}{column}: {}: {}",
            import.args.file.display(),
            trouble.reason,
            trouble.help
        );
    }
    for (trouble, count) in &checked.bad {
        let column = trouble.column.as_deref().unwrap_or("the whole line");
        eprintln!("  bad lines: {} {column} {count}", trouble.reason);
    }
    for warning in &destination.warnings {
        eprintln!("warning: {warning}");
    }
    if import.args.skip_bad && checked.bad_lines() > 0 {
        eprintln!("warning: the customers of the bad lines are missing in the base");
    }
    println!(
        "topic {}: {}",
        destination.topic,
        destination.notes.join("; ")
    );
    if destination.begins_at.is_some() {
        let at = import.until;
        println!("the topic's records begin at {at}: what happened since is left to them");
    } else {
        println!("the topics hold no records yet");
    }
    let kinds = EventType::ALL.iter().zip(checked.events);
    let kinds: Vec<String> = kinds
        .map(|(kind, count)| format!("{count} {}", kind.name()))
        .collect();
    println!(
        "{} customers in {}: {} events ({})",
        checked.good,
        import.args.file.display(),
        checked.events(),
        kinds.join(", ")
    );
    if checked.left_to_the_topic > 0 {
        println!(
            "{} of them began later, and are left to the topic",
            checked.left_to_the_topic
        );
    }
    if checked.came_back > 0 {
        println!(
            "{} of them were active after churned_at: they count as customers who came back",
            checked.came_back
        );
    }
}

/// The file, which is read twice.
struct Input {
    file: PathBuf,
    /// Standard input as a whole.
    memory: Option<Vec<u8>>,
    bytes: Option<u64>,
    /// It tells of nothing that happened later.
    written_at: Timestamp,
}

impl Input {
    fn open(file: &Path) -> Result<Self, Failure> {
        let failed =
            |error: io::Error| Failure::work(format!("could not read {}: {error}", file.display()));
        if file == Path::new("-") {
            let mut memory = Vec::new();
            let mut input = io::stdin().lock().take(MAX_STDIN_BYTES + 1);
            input.read_to_end(&mut memory).map_err(failed)?;
            if memory.len() as u64 > MAX_STDIN_BYTES {
                return Err(Failure::usage(
                    "standard input is larger than 1 GiB: write it to a file, and import that",
                ));
            }
            return Ok(Self {
                file: file.to_owned(),
                bytes: Some(memory.len() as u64),
                memory: Some(memory),
                written_at: now(),
            });
        }
        let metadata = fs::metadata(file).map_err(failed)?;
        if !metadata.is_file() {
            return Err(Failure::usage(format!(
                "{} is no file, which is read twice; standard input is `-`",
                file.display()
            )));
        }
        Ok(Self {
            file: file.to_owned(),
            memory: None,
            bytes: Some(metadata.len()),
            written_at: metadata.modified().map_or_else(|_| now(), timestamp),
        })
    }

    fn read(&self) -> Result<Box<dyn Read + '_>, Failure> {
        if let Some(memory) = &self.memory {
            return Ok(Box::new(Cursor::new(memory)));
        }
        let opened = File::open(&self.file).map_err(|error| {
            Failure::work(format!("could not read {}: {error}", self.file.display()))
        })?;
        Ok(Box::new(opened))
    }
}

/// A bar on a terminal.
fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if matches!(text, "tab" | "\\t") => Ok(b'\t'),
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err("one ASCII character is expected, or `tab`".to_owned()),
    }
}

fn column(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((ours, theirs)) if !ours.is_empty() && !theirs.is_empty() => {
            Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
        }
        _ => Err("give it as NAME=FILE'S, as in customer_id=email".to_owned()),
    }
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| "an IANA name is expected, like Europe/Istanbul or UTC".to_owned())
}

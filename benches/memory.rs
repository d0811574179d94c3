//! Memory: how many bytes a customer and a further event take of the process, by the kernel's account.
//!
//! Owns the sizes and the order of things. Promises that every size is folded in a process of its own,
//! which holds nothing else: the events come through a pipe from this one. The slope between two sizes
//! is what a customer takes; what a process takes anyway cancels out. Needs neither Kafka nor the
//! network, and Linux, or no figure comes out.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.
//!
//! ```text
//!  this process      generator --> length 4 | arrival 8 | shard 4 | payload .. --> pipe
//!  for each size     pipe --> decode --> shards --> resident memory after the year, and after more
//! ```

#[expect(
    dead_code,
    reason = "shards are many here, and folded in another process"
)]
mod history;
#[path = "end_to_end/table.rs"]
#[expect(dead_code, reason = "there are no scrapes to time")]
mod table;

use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use clap::Parser;

use history::{UNTIL, history};
use table::{Table, grouped};
use tenure::engine::intake::{Fate, take};
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::generate::Record;
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;

/// The program's own; what it keeps is part of what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures resident memory by the number of customers, one process for each size
#[derive(Debug, Parser)]
#[command(name = "memory")]
struct Args {
    /// Customers of all shards together, each with a year of events, about 3.8
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [100_000, 1_000_000, 10_000_000])]
    customers: Vec<u32>,

    /// Shards among which they are
    #[arg(long, value_name = "N", default_value_t = 12)]
    shards: u32,

    /// Folds what comes in and says what it takes; what this program starts
    #[arg(long, hide = true)]
    fold: bool,

    /// Passed by cargo bench; without it nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a process holds at some moment.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    customers: f64,
    events: f64,
    /// By the kernel's account.
    resident: f64,
    /// By the state's own account.
    counted: f64,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        println!("memory: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let done = if args.fold {
        fold(args.shards).and_then(|lines| io::stdout().write_all(lines.as_bytes()))
    } else {
        measure(&args)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memory: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> io::Result<()> {
    let title = format!("a year of customers in {} shards", args.shards);
    let mut table = Table::new(title);
    let mut smallest: Option<Held> = None;
    for customers in &args.customers {
        let [year, later] = size(*customers, args.shards)?;
        let slope = smallest.map_or(f64::NAN, |small| {
            (year.resident - small.resident) / (year.customers - small.customers)
        });
        table.row(
            &format!("{} customers", grouped(year.customers)),
            format!(
                "{:.0} MiB resident, {slope:.1} bytes a customer beyond the first size ({:.1} by the \
                 state's own account); {:.1} bytes a further event",
                year.resident / f64::from(1 << 20),
                year.counted / year.customers,
                (later.counted - year.counted) / (later.events - year.events),
            ),
        );
        smallest = smallest.or(Some(year));
    }
    println!("\n{table}");
    Ok(())
}

/// What a process holds after the year of so many customers, and after one further event of each.
fn size(customers: u32, shards: u32) -> io::Result<[Held; 2]> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--bench", "--fold", "--shards", &shards.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // Whatever happens to the pipe, the process is waited for.
    let fed = child.stdin.take().map_or(Ok(()), |pipe| {
        feed(customers, shards, BufWriter::with_capacity(1 << 16, pipe))
    });
    let output = child.wait_with_output()?;
    fed?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut moments = text.lines().map(|line| {
        let mut numbers = line
            .split(' ')
            .map(|number| number.parse().unwrap_or(f64::NAN));
        let mut next = || numbers.next().unwrap_or(f64::NAN);
        Held {
            customers: next(),
            events: next(),
            resident: next(),
            counted: next(),
        }
    });
    let mut next = || moments.next().unwrap_or_default();
    Ok([next(), next()])
}

fn feed(customers: u32, shards: u32, mut pipe: impl Write) -> io::Result<()> {
    let mut generator = history(customers, UNTIL, Some(1000.0));
    let mut record = Record::buffer();
    let mut further = 0;
    while further < customers && generator.next_into(&mut record) {
        further += u32::from(record.arrives_at >= UNTIL);
        let length = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
        pipe.write_all(&length.to_le_bytes())?;
        pipe.write_all(&record.arrives_at.as_millis().to_le_bytes())?;
        pipe.write_all(&shard_of(&record.key, shards).to_le_bytes())?;
        pipe.write_all(&record.payload)?;
    }
    pipe.flush()
}

/// Any division that keeps a customer together; FNV-1a.
fn shard_of(key: &str, shards: u32) -> u32 {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    ((u64::from(hash) * u64::from(shards)) >> 32) as u32
}

/// Folds what comes in: a line for the moment at which the year is over, and one for the end.
fn fold(shards: u32) -> io::Result<String> {
    let settings = Arc::new(FoldSettings::default());
    let decoder = Decoder::new(settings.decoding());
    let mut shards: Vec<Shard> = (0..shards)
        .map(|_| {
            let mut shard = Shard::new(Arc::clone(&settings), 1);
            shard.start_at(0, 0);
            shard
        })
        .collect();
    let mut pipe = BufReader::with_capacity(1 << 16, io::stdin().lock());
    let (mut head, mut payload, mut lines) = ([0; 16], Vec::new(), String::new());
    let mut events = 0_i64;
    while pipe.read_exact(&mut head).is_ok() {
        let number = |range: Range<usize>| {
            head[range]
                .iter()
                .rev()
                .fold(0, |n, byte| n << 8 | i64::from(*byte))
        };
        let arrives_at = Timestamp::from_millis(number(4..12));
        if arrives_at >= UNTIL && lines.is_empty() {
            lines = held(&shards, events);
        }
        payload.resize(number(0..4) as usize, 0);
        pipe.read_exact(&mut payload)?;
        let shard = &mut shards[number(12..16) as usize];
        shard.advance(0, events, Some(arrives_at));
        events += 1;
        let fate = take(shard, &decoder, Some(&payload), Some(arrives_at));
        assert!(matches!(fate, Fate::Folded { .. }), "{fate:?}");
    }
    Ok(lines + &held(&shards, events))
}

fn held(shards: &[Shard], events: i64) -> String {
    let customers: usize = shards.iter().map(|shard| shard.customers().len()).sum();
    let counted: usize = shards.iter().map(Shard::bytes).sum();
    format!("{customers} {events} {} {counted}\n", resident())
}

/// The resident memory of this process in bytes.
fn resident() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0
}

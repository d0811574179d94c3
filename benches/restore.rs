//! Checkpoints: how long folding waits for one, how large it is, and how fast a state is back.
//!
//! Owns the sizes and the order of things. Promises that restoring reads files and makes whole shards,
//! as the service does; the files were just written, so the disk itself is mostly not asked. Needs
//! neither Kafka nor the network.
//!
//! Cargo's tests run benchmarks too; without `--bench`, which `cargo bench` passes, nothing happens.

#[expect(dead_code, reason = "nothing is folded event by event here")]
mod history;
#[path = "end_to_end/table.rs"]
#[expect(dead_code, reason = "there are no scrapes to time")]
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use clap::Parser;

use history::{Folding, UNTIL};
use table::{Table, grouped, median};
use tenure::checkpoint::{Circumstances, Entry, Header, Objects, Shelf, Storage};
use tenure::config::StateUrl;
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::snapshot::{fingerprint, read, write};

/// The program's own; allocation is part of what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOPIC: &str = "customer-events";
const MIB: f64 = (1 << 20) as f64;

/// Measures checkpoints in a local folder: the pause of a copy, size, saving, restoring
#[derive(Debug, Parser)]
#[command(name = "restore")]
struct Args {
    /// Customers of all shards together, each with a year of events, about 3.8
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    customers: u32,

    /// Shards among which they are
    #[arg(long, value_name = "N", default_value_t = 1)]
    shards: u32,

    /// Threads that restore
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,

    /// Where the checkpoints go meanwhile [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// Passed by cargo bench; without it nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        println!("restore: nothing to do without --bench; see ./scripts/bench --help");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let place = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let place = match tempfile::tempdir_in(&place) {
        Ok(place) => place,
        Err(error) => {
            eprintln!(
                "restore: could not make a folder in {}: {error}",
                place.display()
            );
            return ExitCode::FAILURE;
        }
    };
    let url = StateUrl::Folder(place.path().join("state"));
    let storage: Arc<dyn Storage> = match Objects::open(&url) {
        Ok(objects) => Arc::new(objects),
        Err(error) => {
            eprintln!("restore: {error}");
            return ExitCode::FAILURE;
        }
    };
    let settings = Arc::new(FoldSettings::default());
    let topics = [TOPIC.to_owned()];
    let shelf = Shelf::new(storage, &topics, fingerprint(&settings), 1);
    let mut table = Table::new(format!(
        "{} customers in {} shards, {} threads restore",
        grouped(f64::from(args.customers)),
        args.shards,
        args.threads
    ));
    save(&args, &shelf, &settings, &mut table);
    restore(&args, &shelf, &settings, &mut table);
    println!("\n{table}");
    ExitCode::SUCCESS
}

fn header(shard: &Shard, partition: i32) -> Header {
    Header::of(
        shard,
        &Circumstances {
            partition,
            partitions: 1,
            topics: &[(TOPIC.to_owned(), None)],
            complete_until: None,
            created_at: UNTIL,
            accepted: &[],
            changed: &[],
        },
    )
}

/// Writes as many checkpoints as there are shards; all are of one shard, which is as good as any.
fn save(args: &Args, shelf: &Shelf, settings: &Arc<FoldSettings>, table: &mut Table) {
    let each = (args.customers / args.shards.max(1)).max(1);
    let Folding { shard, .. } = Folding::of_history(each);
    let (mut pauses, mut saves, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut copying = 0.0;
    let mut alone = f64::NAN;
    for partition in 0..args.shards {
        let header = header(&shard, partition.cast_signed());
        let (started, taken) = (Instant::now(), processor());
        let body = write(&shard);
        pauses.push(started.elapsed().as_secs_f64());
        copying += processor() - taken;
        if partition == 0 {
            let started = Instant::now();
            let again = read(&body, Arc::clone(settings));
            alone = started.elapsed().as_secs_f64();
            assert!(again.is_ok_and(|again| again.digest() == shard.digest()));
        }
        let started = Instant::now();
        let saved = shelf
            .save(header, body)
            .unwrap_or_else(|error| panic!("{error}"));
        saves.push(started.elapsed().as_secs_f64());
        bytes += saved.entry.bytes;
    }
    let count = shard.customers().len() as f64;
    table.row(
        "pause of folding for the copy of one shard, median",
        format!(
            "{:.0} ms, {:.0} ns a customer; {:.0} ns of processor time",
            median(&pauses) * 1e3,
            median(&pauses) * 1e9 / count,
            copying * 1e9 / count / f64::from(args.shards)
        ),
    );
    table.row(
        "size of all checkpoints",
        format!(
            "{:.0} MiB, {:.0} bytes a customer (in memory {:.0})",
            bytes as f64 / MIB,
            bytes as f64 / count / f64::from(args.shards),
            shard.bytes() as f64 / count
        ),
    );
    table.row(
        "saving one: checksum, write, fsync, rename, median",
        format!("{:.0} ms", median(&saves) * 1e3),
    );
    table.row(
        "a shard from bytes in memory, one thread",
        format!(
            "{:.0} ms, {:.0} ns a customer",
            alone * 1e3,
            alone * 1e9 / count
        ),
    );
}

/// Reads all of them back at once, by so many threads.
fn restore(args: &Args, shelf: &Shelf, settings: &Arc<FoldSettings>, table: &mut Table) {
    let all = shelf.all().unwrap_or_else(|error| panic!("{error}"));
    let entries: Vec<Entry> = all.into_values().flatten().collect();
    forget_peak();
    let before = memory("VmRSS");
    let (next, shards) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let (started, taken) = (Instant::now(), processor());
    thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let loaded = shelf.load(entry, settings);
                    let loaded = loaded.unwrap_or_else(|error| panic!("{}: {error}", entry.key));
                    if let Ok(mut shards) = shards.lock() {
                        shards.push(loaded.shard);
                    }
                }
            });
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let taken = processor() - taken;
    let shards = shards.into_inner().unwrap_or_default();
    let customers: usize = shards.iter().map(|shard| shard.customers().len()).sum();
    table.row(
        "restoring all, every byte and every digest checked",
        format!(
            "{seconds:.1} s, {:.0} ns a customer; {taken:.1} s of processor time",
            seconds * 1e9 / customers as f64
        ),
    );
    table.row(
        "resident memory before, at the peak, and after",
        format!(
            "{:.0} MiB, {:.0} MiB, {:.0} MiB; the state itself {:.0} MiB",
            before / MIB,
            memory("VmHWM") / MIB,
            memory("VmRSS") / MIB,
            shards.iter().map(Shard::bytes).sum::<usize>() as f64 / MIB
        ),
    );
}

/// Seconds of processor time that this process has taken, where the kernel tells; these say more than
/// the clock on a machine that others use too.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold anything: user and system time are the 14th and 15th field.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = |place| fields.split_whitespace().nth(place)?.parse::<f64>().ok();
    let both = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    both.map_or(f64::NAN, |ticks| ticks / 100.0)
}

/// Lets the kernel's peak begin at what is used now, where that can be had.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// A line of the kernel's account of this process, in bytes.
fn memory(line: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|text| text.starts_with(line));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0
}

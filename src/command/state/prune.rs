//! `tenure state prune`: what is not needed any more goes.

use super::{Fit, Place, PlaceArgs, entry, unanswered};
use crate::checkpoint::{Entry, Shelf};
use crate::command::Failure;
use crate::command::paper::print;

const EXAMPLES: &str = "\
Examples:
  # Keep the two newest whole ones of each partition
  tenure state prune --config tenure.yaml --keep 2

  # What was set aside, and what other settings have left; nothing is deleted yet
  tenure state prune --config tenure.yaml --damaged --other-settings --dry-run
";

const NOTES: &str = "\
Looked at are checkpoints of the topics of the configuration alone. What is kept is read to the last
byte first, so a damaged one never counts. A running service may go on meanwhile.";

/// Delete checkpoints that are not needed any more
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
#[group(id = "what", required = true, multiple = true,
        args = ["keep", "other_settings", "damaged"])]
pub struct PruneArgs {
    /// All but the newest N whole ones of each partition
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub keep: Option<u16>,

    /// Those that were made under other settings
    #[arg(long)]
    pub other_settings: bool,

    /// Those that were set aside: damaged, or of a log that was given up
    #[arg(long)]
    pub damaged: bool,

    /// Only say what would be deleted
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Deletes, and prints each name to stdout.
pub fn run(args: &PruneArgs) -> Result<(), Failure> {
    let place = Place::open(&args.place)?;
    let shelf = place.shelf(args.keep.map_or(1, usize::from));
    let mut going = Vec::new();
    if args.keep.is_some() {
        for entries in shelf.all().map_err(unanswered)?.into_values() {
            going.extend(shelf.surplus(entries).map_err(unanswered)?.below);
        }
    }
    if args.other_settings || args.damaged {
        going.extend(not_in_use(args, &place)?);
    }
    delete(args, &shelf, &going)
}

fn not_in_use(args: &PruneArgs, place: &Place) -> Result<Vec<Entry>, Failure> {
    let census = place.census()?;
    let any = |wanted: Fit| census.iter().any(|(fit, ..)| *fit == wanted);
    if args.other_settings && any(Fit::OtherSettings) && !any(Fit::Fits) {
        return Err(Failure::usage(format!(
            "no checkpoint in {} fits the configuration, so all of them would go: is it the \
             configuration of the service, with its digest key?",
            place.url
        )));
    }
    let goes = |fit: Fit| match fit {
        Fit::OtherSettings => args.other_settings,
        Fit::Damaged | Fit::Superseded => args.damaged,
        Fit::Fits | Fit::OtherTopics => false,
    };
    let going = census.iter().filter(|(fit, ..)| goes(*fit));
    Ok(going.map(|(_, name, listed)| entry(name, listed)).collect())
}

fn delete(args: &PruneArgs, shelf: &Shelf, going: &[Entry]) -> Result<(), Failure> {
    let verb = if args.dry_run {
        "would delete"
    } else {
        "deleted"
    };
    for entry in going {
        if !args.dry_run {
            shelf.delete(entry).map_err(unanswered)?;
        }
        print(&format!("{verb} {} ({} bytes)\n", entry.key, entry.bytes))?;
    }
    let bytes: u64 = going.iter().map(|entry| entry.bytes).sum();
    eprintln!("{verb} {} checkpoints, {bytes} bytes", going.len());
    Ok(())
}

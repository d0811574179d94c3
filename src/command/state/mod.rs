//! `tenure state`: the checkpoints of a service, for who operates it.
//!
//! Owns what is shown of them and what may be deleted by hand. Promises to change nothing unless asked
//! to delete, and to delete nothing that a restart would use. There is nothing personal in what it
//! shows: names, numbers and keyed hashes.

mod inspect;
mod list;
mod prune;

use std::sync::Arc;

use clap::Subcommand;

use crate::checkpoint::name::{Name, Standing, topics};
use crate::checkpoint::shelf::census;
use crate::checkpoint::{Entry, Listed, Objects, Shelf, Storage, StoreError, name};
use crate::command::Failure;
use crate::command::configuration::ConfigurationArgs;
use crate::config::{Override, Settings, StateUrl};
use crate::ledger::snapshot::fingerprint;

const EXAMPLES: &str = "\
Examples:
  # What is there, and what of it would a restart use?
  tenure state list --config tenure.yaml

  # Is the newest of each partition whole, and what does it say?
  tenure state inspect --config tenure.yaml --format json

  # What is left of other settings? Nothing is deleted yet
  tenure state prune --config tenure.yaml --other-settings --dry-run
";

/// List, inspect and delete checkpoints
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct StateArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    List(list::ListArgs),
    Inspect(inspect::InspectArgs),
    Prune(prune::PruneArgs),
}

/// Where the checkpoints are, and which settings they should fit.
#[derive(Debug, Clone, clap::Args)]
pub struct PlaceArgs {
    /// The place of the state: a path, or the address of a bucket (state.url)
    #[arg(long, value_name = "URL")]
    pub state: Option<String>,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// Runs the command that the arguments name.
///
/// # Errors
/// If the place cannot be read, or as the command says.
pub fn run(args: &StateArgs) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Prune(args) => prune::run(args),
    }
}

/// What a checkpoint is to the service with these settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// A restart may use it.
    Fits,
    OtherSettings,
    OtherTopics,
    /// Set aside.
    Damaged,
    /// Set aside.
    Superseded,
}

impl Fit {
    const fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::OtherSettings => "other settings",
            Self::OtherTopics => "other topics",
            Self::Damaged => "damaged",
            Self::Superseded => "superseded",
        }
    }
}

/// An opened place, and the settings of the service whose state it holds.
struct Place {
    settings: Settings,
    url: StateUrl,
    storage: Arc<dyn Storage>,
}

impl Place {
    fn open(args: &PlaceArgs) -> Result<Self, Failure> {
        let own = args.state.clone().map(|text| Override {
            key: "state.url".to_owned(),
            text,
            flag: "--state".to_owned(),
        });
        let settings = args.configuration.load_with(own)?;
        let Some(url) = settings.state.url.clone() else {
            return Err(Failure::configuration(
                "`state.url` is null, so there are no checkpoints: give a place with --state",
            ));
        };
        let storage =
            Objects::look(&url).map_err(|error| Failure::unavailable(error.to_string()))?;
        Ok(Self {
            settings,
            url,
            storage: Arc::new(storage),
        })
    }

    /// The checkpoints of the service, of which so many are to be kept.
    fn shelf(&self, keep: usize) -> Shelf {
        let topics = &self.settings.kafka.topics;
        let fold = fingerprint(&self.settings.fold);
        Shelf::new(Arc::clone(&self.storage), topics, fold, keep)
    }

    /// Everything in the place, by name, and what each is to the service.
    fn census(&self) -> Result<Vec<(Fit, Name, Listed)>, Failure> {
        let all = census(&*self.storage).map_err(unanswered)?;
        let family = topics(&self.settings.kafka.topics);
        let fold = name::first_half(fingerprint(&self.settings.fold));
        let fit = |name: &Name| match name.standing {
            _ if name.topics != family => Fit::OtherTopics,
            Standing::Damaged => Fit::Damaged,
            Standing::Superseded => Fit::Superseded,
            Standing::Listed if name.fold != fold => Fit::OtherSettings,
            Standing::Listed => Fit::Fits,
        };
        let with_fit = all
            .into_iter()
            .map(|(name, listed)| (fit(&name), name, listed));
        Ok(with_fit.collect())
    }
}

/// The store did not do what it was asked.
fn unanswered(error: StoreError) -> Failure {
    Failure::unavailable(error.to_string())
}

fn entry(name: &Name, listed: &Listed) -> Entry {
    Entry {
        key: listed.key.clone(),
        partition: name.partition,
        offset: name.offset,
        digest16: name.digest,
        bytes: listed.bytes,
    }
}

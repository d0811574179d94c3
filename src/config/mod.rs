//! Configuration: settings as written -> settings as used.
//!
//! Owns every key, its default, its meaning and its checks, and the precedence of the sources: flags
//! over the environment (`TENURE_*`) over the file over the defaults. Promises that all complaints
//! come at once, each with its place and a way out, that a [`Settings`] is sound as a whole, and that
//! no complaint and no description shows a secret. Deliberately does not know the clock, Kafka, or
//! what the parts do with their settings.
//!
//! ```text
//! file --- document ---+
//! environment ---------+--- layers ---- reading ----- parts ----------> Settings | Complaints
//! flags ---------------+   who says     key by key,   passthrough
//! defaults ---- keys --+   what         with values   checks against
//!                                                     each other
//! ```

mod alerts;
mod api;
mod cluster;
mod complaint;
mod corrections;
mod document;
mod duration;
pub mod edit;
mod history;
mod keys;
mod layers;
mod nearest;
mod parts;
mod passthrough;
mod properties;
mod reading;
mod redaction;
mod registry;
mod router;
mod settings;
pub mod sources;
mod state;
mod values;
pub mod web;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use complaint::{Complaint, Complaints, Severity};
pub use keys::{Key, Shape};
pub use settings::{
    ApiSettings, BucketKind, ClusterSettings, DeadLetterSettings, Described, KafkaSettings,
    LogFormat, LogSettings, Origin, Ownership, Property, RouterSettings, SchemaRegistrySettings,
    Secret, Settings, StateSettings, StateUrl,
};

use complaint::{Source, Span};
use layers::Layers;

/// Reads a whole file of at most so many bytes, or says why not.
pub type ReadFile<'a> = dyn Fn(&Path, u64) -> io::Result<Vec<u8>> + 'a;

/// Where settings come from; the weakest source, the defaults, is always there.
pub struct Sources<'a> {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Environment variables; those of other programs are not looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// What the command line says.
    pub flags: Vec<Override>,
    /// Reads the configuration file, and the files that it names.
    pub read_file: &'a ReadFile<'a>,
}

/// A value from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The dotted path of the key, as in `kafka.topics`.
    pub key: String,
    /// The value as the environment would have it: lists separated by commas.
    pub text: String,
    /// The flag as the user wrote it, as in `--topics`.
    pub flag: String,
}

/// A larger file is no configuration, no password and no key.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

impl Sources<'static> {
    /// The defaults alone.
    #[must_use]
    pub fn none() -> Self {
        Self {
            file: None,
            environment: Vec::new(),
            flags: Vec::new(),
            read_file: &read_file,
        }
    }

    /// A file, the environment of this process, and flags.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Override>) -> Self {
        Self {
            file,
            environment: std::env::vars_os().collect(),
            flags,
            ..Self::none()
        }
    }
}

/// Reads the settings from all sources.
///
/// Warnings come with the settings. An error comes with all other complaints: nothing is used of
/// settings that are wrong in one place.
///
/// ```
/// use tenure::config::{Override, Sources, load};
///
/// let flag = |text: &str| Override {
///     key: "history".to_owned(),
///     text: text.to_owned(),
///     flag: "--history".to_owned(),
/// };
/// let sources = Sources { flags: vec![flag("400d")], ..Sources::none() };
/// assert_eq!(load(&sources).unwrap().fold.history_millis, 400 * 86_400_000);
///
/// let sources = Sources { flags: vec![flag("400 days")], ..Sources::none() };
/// assert_eq!(
///     load(&sources).unwrap_err().to_string(),
///     "error: `history`: `400 days` is no length of time
///   --> flag --history
///    |
///    | --history 400 days
///    |           ^^^^^^^^
///    = help: did you mean `400d`?
/// "
/// );
/// ```
pub fn load(sources: &Sources<'_>) -> Result<Settings, Complaints> {
    let mut complaints = Complaints::default();
    let name = sources.file.as_ref().map(|file| file.display().to_string());
    let mut layers = Layers::of_defaults(name.as_deref().unwrap_or_default());
    if let Some(file) = &sources.file {
        match read_document(file, sources.read_file) {
            Ok(root) => layers.add_file(root, &mut complaints),
            Err(complaint) => complaints.add(complaint),
        }
    }
    layers.add_environment(&sources.environment, &mut complaints);
    layers.add_flags(&sources.flags, &mut complaints);
    let folder = sources.file.as_deref().and_then(Path::parent);
    let folder = folder.unwrap_or(Path::new(""));
    let settings = parts::settings(layers, folder, sources.read_file, &mut complaints);
    complaints.sort();
    match settings {
        Some(settings) if !complaints.has_errors() => Ok(Settings {
            warnings: complaints,
            ..settings
        }),
        _ => Err(complaints),
    }
}

/// A length of time in milliseconds as settings have it, such as `90s`, within bounds; or what is
/// wrong with the text.
pub fn length_of_time(text: &str, bounds: RangeInclusive<i64>) -> Result<i64, String> {
    let length = values::length(text, bounds);
    length.map_err(|trouble| format!("{}; {}", trouble.message, trouble.help))
}

fn read_document(file: &Path, read_file: &ReadFile<'_>) -> Result<document::Node, Complaint> {
    let name = file.display().to_string();
    let bytes = read_file(file, MAX_FILE_BYTES).map_err(|error| {
        Complaint::error(format!("could not read the configuration {name}: {error}"))
            .help("give the path of the file with --config; without a file, defaults are used")
    })?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => document::read(&name, text),
        Err(error) => {
            let source = Source::file(name, &String::from_utf8_lossy(&bytes));
            Err(not_utf8(&source, &bytes, error.valid_up_to()))
        }
    }
}

/// What is said about the first byte that is none of a text.
fn not_utf8(source: &Arc<Source>, bytes: &[u8], valid: usize) -> Complaint {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let span = Span {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
        width: 1,
    };
    let place = source.place(span);
    Complaint::error("the file is not UTF-8")
        .at(Some(&place))
        .help("save it as UTF-8")
}

/// Reads a file of at most so many bytes.
fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!("it is larger than {} MiB", most >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(bytes)
}

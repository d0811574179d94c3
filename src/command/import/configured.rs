//! `customer_base_complete_since` in the configuration file.
//!
//! Owns the decision whether it is to be changed there, and how the file is replaced. Promises that
//! the file says the same as before but for this one key, which is seen by reading it anew, that it is
//! replaced in one step with the permissions it had, and that it is left alone otherwise. Does not
//! know why the base is complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::command::configuration::ConfigurationArgs;
use crate::config::{Origin, Settings, edit};
use crate::event::Timestamp;

const KEY: &str = "customer_base_complete_since";

/// What became of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configured {
    Changed {
        file: PathBuf,
        old: Option<Timestamp>,
    },
    /// It says an instant that is as early, or earlier.
    Kept { old: Timestamp },
    /// Somebody has to do it, for this reason.
    ByHand { why: String },
}

/// Says in the configuration file since when everybody is known; `given` is whether a person named
/// the instant, so that an earlier one that stands there is replaced.
pub fn configure(
    args: &ConfigurationArgs,
    settings: &Settings,
    since: Timestamp,
    given: bool,
) -> Configured {
    let old = settings.evaluation.customer_base_complete_since;
    if let Some(old) = old.filter(|old| *old == since || (*old < since && !given)) {
        return Configured::Kept { old };
    }
    let by_hand = |why: String| Configured::ByHand { why };
    let mut described = settings.describe().into_iter();
    match described
        .find(|setting| setting.key == KEY)
        .map(|setting| setting.origin)
    {
        Some(Origin::Environment(name)) => {
            return by_hand(format!("the environment variable {name} says otherwise"));
        }
        Some(Origin::Flag(flag)) => return by_hand(format!("the flag {flag} says otherwise")),
        Some(Origin::File { .. } | Origin::Default) | None => {}
    }
    let Some(file) = &args.config else {
        return by_hand("there is no configuration file (--config)".to_owned());
    };
    match change(args, settings, file, since) {
        Ok(true) => Configured::Changed {
            file: file.clone(),
            old,
        },
        Ok(false) => by_hand(format!(
            "no place for one more line was found in {}",
            file.display()
        )),
        Err(error) => by_hand(format!("could not change {}: {error}", file.display())),
    }
}

/// False if no text could be found that differs in the key alone.
fn change(
    args: &ConfigurationArgs,
    settings: &Settings,
    file: &Path,
    since: Timestamp,
) -> io::Result<bool> {
    let text = fs::read_to_string(file)?;
    let proposals = edit::proposals(&text, KEY, &since.to_string());
    let says_it = |text: &&String| {
        args.load_as_if(text).is_ok_and(|then| {
            then.evaluation.customer_base_complete_since == Some(since)
                && others(&then) == others(settings)
        })
    };
    match proposals.iter().find(says_it) {
        Some(text) => replace(file, text).map(|()| true),
        None => Ok(false),
    }
}

/// All other settings, as they are shown.
fn others(settings: &Settings) -> Vec<(String, String)> {
    let described = settings.describe().into_iter();
    described
        .filter(|setting| setting.key != KEY)
        .map(|setting| (setting.key, setting.value))
        .collect()
}

/// Replaces a file in one step: whoever reads it sees the old one or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    // Of a link, what it leads to.
    let file = fs::canonicalize(file)?;
    let before = fs::metadata(&file)?;
    if before.permissions().readonly() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is read-only",
        ));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = write_beside(&beside, text, &before).and_then(|()| fs::rename(&beside, &file));
    if written.is_err() {
        // What is left of the attempt; there may be nothing.
        let _ = fs::remove_file(&beside);
    }
    written?;
    // The new name lasts once the folder is on the disk; where folders cannot be synced, it does so
    // a little later.
    if let Some(folder) = file.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn write_beside(beside: &Path, text: &str, before: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};

    let mut new = File::options().write(true).create_new(true).open(beside)?;
    new.write_all(text.as_bytes())?;
    // Only root can give a file away; whoever owned the old one owns the new one then.
    let _ = chown(beside, Some(before.uid()), Some(before.gid()));
    new.set_permissions(before.permissions())?;
    new.sync_all()
}

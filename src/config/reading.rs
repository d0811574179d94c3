//! From settings as written to settings as used: one key at a time.
//!
//! Owns the way from a key to its value: by the shape of the key, with a complaint at the right place
//! and the origin on record. Promises to go on after a complaint. Does not know single keys; those
//! are in [`parts`](super::parts) and [`passthrough`](super::passthrough).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::complaint::{Complaint, Complaints, Place, quoted};
use super::keys::Key;
use super::layers::{Entry, Given, Item, Layers, Value};
use super::settings::Origins;
use super::values::{self, Parsed, Trouble};
use super::{MAX_FILE_BYTES, ReadFile};
use crate::measure::period::Period;

/// The reading of all settings, and what it left behind.
pub(super) struct Reading<'a> {
    pub layers: Layers,
    /// Files named in the configuration file are relative to it.
    pub folder: &'a Path,
    pub read_file: &'a ReadFile<'a>,
    pub complaints: &'a mut Complaints,
    pub origins: Origins,
    /// Where the values stand that have been read.
    pub places: BTreeMap<Key, Place>,
    pub checked: Checked,
}

/// What is checked against each other, as far as they could be read.
#[derive(Default)]
pub(super) struct Checked {
    pub history_millis: Option<i64>,
    pub inactivity_timeout_millis: Option<i64>,
    pub cohorts: Option<usize>,
    pub periods: Vec<(Period, Option<Place>)>,
}

impl Reading<'_> {
    /// Paths in the configuration file are relative to its folder.
    pub fn located(&self, path: PathBuf, from_file: bool) -> PathBuf {
        if from_file {
            self.folder.join(path)
        } else {
            path
        }
    }

    /// The bytes of a file that a setting names; `shown` is how a complaint calls it.
    pub fn content(
        &mut self,
        key: Key,
        file: &Path,
        shown: &dyn Display,
        place: Option<&Place>,
    ) -> Option<Vec<u8>> {
        match (self.read_file)(file, MAX_FILE_BYTES) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let message = format!("`{}`: could not read {shown}: {error}", key.path());
                let help = "Tenure reads the file at its start, with its own user's permissions";
                self.complaints
                    .add(Complaint::error(message).at(place).help(help));
                None
            }
        }
    }

    pub fn take(&mut self, key: Key) -> Given {
        let given = self.layers.take(key);
        self.origins.keys.insert(key, given.origin.clone());
        if let Some(place) = &given.place {
            self.places.insert(key, place.clone());
        }
        given
    }

    pub fn scalar<T>(&mut self, key: Key, parse: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        let given = self.take(key);
        let Value::Text(text) = &given.value else {
            let message = format!("`{}` has no value", key.path());
            let help = format!(
                "remove the key to get the default, `{}`",
                key.default_text()
            );
            let complaint = Complaint::error(message).at(given.place.as_ref());
            self.complaints.add(complaint.help(help));
            return None;
        };
        self.parsed(key, given.place.as_ref(), parse(text))
    }

    /// The outer option is a complaint, the inner one a value that is not set.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it set"
    )]
    pub fn optional<T>(
        &mut self,
        key: Key,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<Option<T>> {
        let given = self.take(key);
        match &given.value {
            Value::Text(text) => self
                .parsed(key, given.place.as_ref(), parse(text))
                .map(Some),
            Value::Nothing | Value::List(_) | Value::Map(_) | Value::Tree(_) => Some(None),
        }
    }

    pub fn choice<T: Copy>(&mut self, key: Key, choices: &[(&'static str, T)]) -> Option<T> {
        self.scalar(key, |text| values::choice(text, choices))
    }

    /// A length in milliseconds, from the one to the other.
    pub fn length(&mut self, key: Key, least: i64, most: i64) -> Option<i64> {
        self.scalar(key, |text| values::length(text, least..=most))
    }

    /// The items, each once; None after a complaint about any of them.
    pub fn list<T>(
        &mut self,
        key: Key,
        most: usize,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<Vec<(T, Option<Place>)>> {
        let given = self.take(key);
        let Value::List(items) = given.value else {
            return Some(Vec::new());
        };
        if items.len() > most {
            let message = format!("`{}` has {} items", key.path(), items.len());
            let complaint = Complaint::error(message).at(given.place.as_ref());
            self.complaints
                .add(complaint.help(format!("write at most {most}")));
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut values = Vec::new();
        let mut whole = true;
        for Item { text, place } in items {
            if !seen.insert(text.clone()) {
                let message = format!("`{}`: {} is given twice", key.path(), quoted(&text));
                let complaint = Complaint::error(message).at(place.as_ref());
                self.complaints.add(complaint.help("remove one of them"));
                whole = false;
                continue;
            }
            match self.parsed(key, place.as_ref(), parse(&text)) {
                Some(value) => values.push((value, place)),
                None => whole = false,
            }
        }
        whole.then_some(values)
    }

    pub fn not_empty<T>(&mut self, key: Key, items: Option<&[T]>, help: &str) {
        if items.is_some_and(<[T]>::is_empty) {
            let message = format!("`{}` is empty", key.path());
            self.error(&[key], message, help);
        }
    }

    pub fn entries(&mut self, key: Key) -> Vec<Entry> {
        match self.take(key).value {
            Value::Map(entries) => entries,
            Value::Nothing | Value::Text(_) | Value::List(_) | Value::Tree(_) => Vec::new(),
        }
    }

    pub fn parsed<T>(&mut self, key: Key, place: Option<&Place>, parsed: Parsed<T>) -> Option<T> {
        parsed
            .map_err(|trouble| self.trouble(key, place, trouble))
            .ok()
    }

    pub fn trouble(&mut self, key: Key, place: Option<&Place>, trouble: Trouble) {
        let message = format!("`{}`: {}", key.path(), trouble.message);
        self.complaints
            .add(Complaint::error(message).at(place).help(trouble.help));
    }

    /// An error about several keys, at the first of them that is not a default.
    pub fn error(&mut self, keys: &[Key], message: String, help: impl Into<String>) {
        let place = keys.iter().find_map(|key| self.places.get(key));
        self.complaints
            .add(Complaint::error(message).at(place).help(help));
    }
}

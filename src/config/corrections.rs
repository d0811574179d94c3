//! The files of corrections: which records of the log must not count, and why.
//!
//! Owns their form, and the files of event ids that they name. Promises complaints like those of
//! every other setting, each at its place in its own file, and that none of them shows an event id.
//! Does not know how records are skipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::complaint::{Complaint, Place, Source, quoted};
use super::document::{self, Content, Name, Node};
use super::keys::Key;
use super::layers::{given_twice, listed};
use super::nearest::nearest;
use super::reading::Reading;
use super::settings::Origin;
use super::values::{self, Parsed, Trouble};
use crate::event::EventType;
use crate::event::decode::MAX_TEXT_BYTES;
use crate::ledger::corrections::{Correction, Corrections, EventIds, Offsets, Skip};
use crate::ledger::settings::DigestKey;

/// Ranges are looked up by halving, and ids by hash, so this bounds what people look through.
const MOST_FILES: usize = 100;
const MOST_CORRECTIONS: usize = 10_000;
/// Some seven million ids of 36 characters, which take 112 MiB of memory as hashes.
const MAX_IDS_BYTES: u64 = 256 << 20;
/// A note is shown in lines of the log.
const LONGEST_NOTE: usize = 200;

const OF_FILE: [&str; 1] = ["corrections"];
const OF_CORRECTION: [&str; 2] = ["note", "skip"];
const OF_SKIP: [&str; 5] = ["topic", "partition", "offsets", "event_ids", "type"];

const EXAMPLE: &str = "write for instance `skip: { topic: customer-events, partition: 3, offsets: \
                       1200..41200 }` or `skip: { event_ids: ids.txt }`";

const TYPES: [(&str, EventType); EventType::ALL.len()] = {
    let [a, b, c, d] = EventType::ALL;
    [(a.name(), a), (b.name(), b), (c.name(), c), (d.name(), d)]
};

/// What the checks of a correction need to know.
struct Known<'a> {
    key: DigestKey,
    /// The topics that are read; unknown after a complaint about them.
    topics: Option<&'a [String]>,
}

impl Reading<'_> {
    /// All corrections and the files that they are from; None after a complaint.
    pub fn corrections(
        &mut self,
        digest_key: Option<DigestKey>,
        topics: Option<&[String]>,
    ) -> Option<(Corrections, Vec<PathBuf>)> {
        let from_file = matches!(
            self.layers.origin(Key::Corrections),
            Some(Origin::File { .. })
        );
        let files = self.list(Key::Corrections, MOST_FILES, |text| match text {
            "" => Err(Trouble {
                message: "an empty text is no path".to_owned(),
                help: "write the path of a file of corrections".to_owned(),
            }),
            text => Ok(PathBuf::from(text)),
        })?;
        let known = Known {
            // Only to go on after a complaint about the key: nothing is used then.
            key: digest_key.unwrap_or(DigestKey::BUILT_IN),
            topics,
        };
        let (mut all, mut paths, mut whole) = (Vec::new(), Vec::new(), true);
        for (file, place) in files {
            let file = self.located(file, from_file);
            match self.corrections_in(&file, place.as_ref(), &known) {
                Some(corrections) => all.extend(corrections),
                None => whole = false,
            }
            paths.push(file);
        }
        if all.len() > MOST_CORRECTIONS {
            let message = format!("`corrections`: there are {} of them", all.len());
            let help = format!(
                "write at most {MOST_CORRECTIONS}: one file of event ids can stand for millions of \
                 records"
            );
            self.error(&[Key::Corrections], message, help);
            return None;
        }
        whole.then(|| (Corrections::new(all, known.key), paths))
    }

    fn corrections_in(
        &mut self,
        file: &Path,
        place: Option<&Place>,
        known: &Known<'_>,
    ) -> Option<Vec<Correction>> {
        let shown = quoted(&file.to_string_lossy());
        let bytes = self.content(Key::Corrections, file, &shown, place)?;
        let name = file.display().to_string();
        let source = Source::corrections(name, &String::from_utf8_lossy(&bytes));
        let read = std::str::from_utf8(&bytes)
            .map_err(|error| super::not_utf8(&source, &bytes, error.valid_up_to()))
            .and_then(|text| document::read_source(Arc::clone(&source), text));
        let root = match read {
            Ok(root) => root,
            Err(complaint) => {
                self.complaints.add(complaint);
                return None;
            }
        };
        if matches!(root.content, Content::Nothing) {
            return Some(Vec::new());
        }
        let mut fields = self.fields(root, "a file of corrections", &OF_FILE)?;
        let list = fields.take("corrections");
        let items = match list.map(|node| (node.content, node.place)) {
            None | Some((Content::Nothing, _)) => return fields.sound.then(Vec::new),
            Some((Content::List(items), _)) => items,
            Some((_, place)) => {
                let help = "begin each correction with a dash: `- note: why`";
                self.complain(&place, "`corrections` takes a list", help);
                return None;
            }
        };
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut all = Vec::new();
        let mut sound = fields.sound;
        for item in items {
            match self.correction(item, folder, known) {
                Some(correction) => all.push(correction),
                None => sound = false,
            }
        }
        sound.then_some(all)
    }

    fn correction(&mut self, node: Node, folder: &Path, known: &Known<'_>) -> Option<Correction> {
        let place = node.place.clone();
        let mut fields = self.fields(node, "a correction", &OF_CORRECTION)?;
        let note = match fields.take("note") {
            Some(node) => self.text(node, "note", note),
            None => {
                let help = "write `note: why`, for who reads the log later";
                self.complain(&place, "the correction has no `note`", help);
                None
            }
        };
        let skip = match fields.take("skip") {
            Some(node) => self.skip(node, folder, known),
            None => {
                self.complain(&place, "the correction has no `skip`", EXAMPLE);
                None
            }
        };
        let (note, (skip, event)) = (note?, skip?);
        fields.sound.then_some(Correction { note, skip, event })
    }

    fn skip(
        &mut self,
        node: Node,
        folder: &Path,
        known: &Known<'_>,
    ) -> Option<(Skip, Option<EventType>)> {
        let place = node.place.clone();
        let mut fields = self.fields(node, "`skip`", &OF_SKIP)?;
        let event = fields
            .take("type")
            .map(|node| self.text(node, "type", |text| values::choice(text, &TYPES)));
        let of_range = ["topic", "partition", "offsets"].map(|name| fields.take(name));
        let skip = match (fields.take("event_ids"), of_range) {
            (Some(ids), [None, None, None]) => self.event_ids(ids, folder, known).map(Skip::Ids),
            (None, [Some(topic), Some(partition), Some(offsets)]) => {
                let topic = self.text(topic, "topic", |text| topic_of(text, known.topics));
                let partition = self.text(partition, "partition", |text| {
                    let most = usize::try_from(i32::MAX).unwrap_or(usize::MAX);
                    values::count(text, 0..=most)
                });
                let offsets = self.text(offsets, "offsets", offsets_of);
                (|| {
                    let (first, last) = offsets?;
                    Some(Skip::Offsets(Offsets {
                        topic: topic?,
                        partition: i32::try_from(partition?).ok()?,
                        first,
                        last,
                    }))
                })()
            }
            (Some(_), _) => {
                let help = "a correction is about the one or the other: write two of them";
                let message = "`skip` has `event_ids`, and a place in a topic too";
                self.complain(&place, message, help);
                None
            }
            (None, [None, None, None]) => {
                self.complain(&place, "`skip` names no records", EXAMPLE);
                None
            }
            (None, [topic, partition, _]) => {
                let missing = match (topic, partition) {
                    (None, _) => "topic",
                    (_, None) => "partition",
                    _ => "offsets",
                };
                let message = format!("`skip` has no `{missing}`");
                self.complain(&place, message, EXAMPLE);
                None
            }
        };
        let event = match event {
            Some(event) => Some(event?),
            None => None,
        };
        skip.filter(|_| fields.sound).map(|skip| (skip, event))
    }

    fn event_ids(&mut self, node: Node, folder: &Path, known: &Known<'_>) -> Option<EventIds> {
        let place = node.place;
        match node.content {
            Content::Text(path) => self.event_ids_in(&path, &place, folder, known.key),
            Content::List(items) => {
                let (mut ids, mut sound) = (Vec::new(), !items.is_empty());
                if !sound {
                    self.no_ids(&place, "`event_ids` is empty");
                }
                for item in items {
                    match item.content {
                        Content::Text(id) if is_event_id(&id) => ids.push(id),
                        _ => {
                            let help = format!("write texts of 1 to {MAX_TEXT_BYTES} bytes");
                            let message = "`event_ids`: this is no event id";
                            self.complain(&item.place, message, help);
                            sound = false;
                        }
                    }
                }
                sound.then(|| EventIds::new(ids.iter().map(String::as_str), known.key))
            }
            Content::Nothing | Content::Map(_) => {
                self.no_ids(&place, "`event_ids` takes the path of a file, or a list");
                None
            }
        }
    }

    /// The ids of a file, one on each line.
    fn event_ids_in(
        &mut self,
        path: &str,
        place: &Place,
        folder: &Path,
        key: DigestKey,
    ) -> Option<EventIds> {
        // Any other text may be an id, in the wrong place.
        let shown = if path.contains(['.', '/', '\\']) {
            quoted(path)
        } else {
            "that file".to_owned()
        };
        let bytes = match (self.read_file)(&folder.join(path), MAX_IDS_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("`event_ids`: could not read {shown}: {error}");
                let help = "write the path of a file with one event id on each line, relative to \
                            this file; or a list, as in [id-1, id-2]";
                self.complain(place, message, help);
                return None;
            }
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let lines = || {
            let lines = bytes.split(|byte| *byte == b'\n');
            lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        };
        let text = |line| std::str::from_utf8(line).ok();
        let wrong =
            lines().position(|line| !line.is_empty() && !text(line).is_some_and(is_event_id));
        if let Some(wrong) = wrong {
            let message = format!("`event_ids`: line {} of {shown} is no event id", wrong + 1);
            let help =
                format!("write one id on each line, as UTF-8, of 1 to {MAX_TEXT_BYTES} bytes");
            self.complain(place, message, help);
            return None;
        }
        let ids = EventIds::new(lines().filter_map(text).filter(|id| !id.is_empty()), key);
        if ids.is_empty() {
            self.no_ids(place, &format!("`event_ids`: {shown} holds no event id"));
            return None;
        }
        Some(ids)
    }

    fn no_ids(&mut self, place: &Place, message: &str) {
        let help = "write `event_ids: ids.txt`, a file with one id on each line, or `event_ids: \
                    [id-1, id-2]`";
        self.complain(place, message, help);
    }

    /// A text, checked.
    fn text<T>(
        &mut self,
        node: Node,
        name: &str,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        let Content::Text(text) = node.content else {
            let message = format!("`{name}` takes one value");
            self.complain(&node.place, message, "write a single value");
            return None;
        };
        match parse(&text) {
            Ok(value) => Some(value),
            Err(Trouble { message, help }) => {
                self.complain(&node.place, format!("`{name}`: {message}"), help);
                None
            }
        }
    }

    /// The values by the names that there can be; None if there are no names at all.
    fn fields(&mut self, node: Node, what: &str, known: &'static [&'static str]) -> Option<Fields> {
        let Content::Map(entries) = node.content else {
            let message = format!("{what} holds keys, not a value");
            let help = format!("its keys are {}", listed(known));
            self.complain(&node.place, message, help);
            return None;
        };
        let mut fields = Fields {
            found: Vec::new(),
            sound: true,
        };
        for (name, value) in entries {
            let twin = fields
                .found
                .iter()
                .find(|(found, _)| found.text == name.text);
            let complaint = if let Some((first, _)) = twin {
                given_twice(&name, &first.place)
            } else if known.contains(&name.text.as_str()) {
                fields.found.push((name, value));
                continue;
            } else {
                stranger(&name, what, known)
            };
            self.complaints.add(complaint);
            fields.sound = false;
        }
        Some(fields)
    }

    fn complain(&mut self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.complaints
            .add(Complaint::error(message).at(Some(place)).help(help));
    }
}

/// The values of a map by their names.
struct Fields {
    found: Vec<(Name, Node)>,
    /// No name was unknown or given twice.
    sound: bool,
}

impl Fields {
    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self
            .found
            .iter()
            .position(|(found, _)| found.text == name)?;
        Some(self.found.swap_remove(at).1)
    }
}

fn stranger(name: &Name, what: &str, known: &[&str]) -> Complaint {
    let homes = [("inside of", &OF_SKIP[..]), ("beside", &OF_CORRECTION[..])];
    let home = homes
        .iter()
        .find(|(_, names)| names.contains(&name.text.as_str()));
    let help = match (home, nearest(&name.text, known.iter().copied())) {
        (Some((home, _)), _) => format!("write `{}` {home} `skip`", name.text),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("the keys here are {}", listed(known)),
    };
    Complaint::error(format!("unknown key {} in {what}", quoted(&name.text)))
        .at(Some(&name.place))
        .help(help)
}

fn is_event_id(text: &str) -> bool {
    (1..=MAX_TEXT_BYTES).contains(&text.len())
}

fn note(text: &str) -> Parsed<String> {
    let note = text.trim();
    let fits = (1..=LONGEST_NOTE).contains(&note.chars().count());
    if fits && !note.chars().any(char::is_control) {
        return Ok(note.to_owned());
    }
    Err(Trouble {
        message: "this is no note".to_owned(),
        help: format!("write why, on one line of at most {LONGEST_NOTE} characters"),
    })
}

fn topic_of(text: &str, topics: Option<&[String]>) -> Parsed<String> {
    let Some(topics) = topics else {
        return Ok(text.to_owned());
    };
    if topics.iter().any(|topic| topic == text) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    Err(Trouble {
        message: format!("{} is not read, so nothing could be skipped", quoted(text)),
        help: match nearest(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`kafka.topics` has {}", listed(&names)),
        },
    })
}

/// `first..last`, both included, or one offset.
fn offsets_of(text: &str) -> Parsed<(i64, i64)> {
    let number = |text: &str| {
        let text = text.trim();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let bounds = match text.split_once("..") {
        Some((first, last)) => number(first).zip(number(last)),
        None => number(text).map(|offset| (offset, offset)),
    };
    match bounds {
        Some((first, last)) if first <= last => Ok((first, last)),
        Some((first, last)) => Err(Trouble {
            message: format!("{} ends before it begins", quoted(text)),
            help: format!("did you mean `{last}..{first}`?"),
        }),
        None => Err(Trouble {
            message: format!("{} is no range of offsets", quoted(text)),
            help: "write the first and the last offset, both included, as in `1200..41200`"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_of_its_ends() {
        for (text, expected) in [
            ("1200..41200", Some((1200, 41200))),
            ("0 .. 5", Some((0, 5))),
            ("7", Some((7, 7))),
            ("7..7", Some((7, 7))),
            ("9223372036854775807", Some((i64::MAX, i64::MAX))),
            ("8..7", None),
            ("1-2", None),
            ("1..", None),
            ("..2", None),
            ("1...2", None),
            ("1..=2", None),
            ("-1..2", None),
            ("+1", None),
            ("9223372036854775808", None),
            ("", None),
        ] {
            assert_eq!(offsets_of(text).ok(), expected, "{text}");
        }
    }
}

//! The web config file: who may connect to the endpoint, and how.
//!
//! Owns the format, which is that of the Prometheus exporter toolkit, and what it names: certificates,
//! keys, authorities, headers, users. Promises complaints like those of every other setting, each at
//! its place, that none of them shows a key, a password or a hash, and that nothing in the file is
//! passed over in silence: what cannot be done is refused. Does not know sockets or requests.
//!
//! ```text
//! file --- section ---+--- tls ------- clients      certificates, keys, authorities
//!                     +--- headers
//!                     +--- password                 users
//!                     +--- rate
//!                                  ----> WebSettings | Complaints, and the trace of what was read
//! ```

mod clients;
mod password;
mod section;
mod tls;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use siphasher::sip::SipHasher13;

pub use password::{COSTS, PasswordHash};

use super::complaint::{Complaint, Complaints, Source, quoted};
use super::document::{self, Content, Node};
use super::keys::Key;
use super::reading::Reading;
use super::settings::Origin;
use super::values::{self, Trouble};
use super::{MAX_FILE_BYTES, ReadFile, duration};
use section::{Section, complain};

/// What a web config file says.
#[derive(Clone, Default)]
pub struct WebSettings {
    /// Without it connections are not encrypted.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether nobody gets through without a certificate that a configured authority vouches for.
    pub clients_verified: bool,
    /// Headers of every answer, by name, with values that can be sent.
    pub headers: Vec<(&'static str, String)>,
    /// Who has a password; where there is nobody, none is asked for.
    pub users: BTreeMap<String, PasswordHash>,
    pub rate: Option<Rate>,
}

/// How many requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One more in each of these; never zero.
    pub interval: Duration,
    /// At once, at least one.
    pub burst: u32,
}

/// A web config file in use: where it is, what it says, and which files it was read from.
#[derive(Debug, Clone)]
pub struct WebFile {
    pub path: PathBuf,
    pub settings: WebSettings,
    pub trace: Trace,
}

/// Which files were read, and a fingerprint of what was in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    files: Vec<PathBuf>,
    fingerprint: u64,
}

impl fmt::Debug for WebSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSettings")
            .field("tls", &self.tls.is_some())
            .field("clients_verified", &self.clients_verified)
            .field("headers", &self.headers)
            .field("users", &self.users.len())
            .field("rate", &self.rate)
            .finish()
    }
}

impl WebSettings {
    /// Whether nobody gets through who has not shown who they are.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        self.clients_verified || !self.users.is_empty()
    }
}

impl Trace {
    /// The same files as they are now.
    #[must_use]
    pub fn now(&self) -> Self {
        let mut hasher = SipHasher13::new();
        for file in &self.files {
            note(&mut hasher, file, &super::read_file(file, MAX_FILE_BYTES));
        }
        Self {
            files: self.files.clone(),
            fingerprint: hasher.finish(),
        }
    }
}

/// Reads a web config file, with what it names. The trace also tells of files that were missing.
///
/// # Errors
/// With every complaint at once, each at its place.
pub fn load(path: &Path) -> (Result<WebSettings, Complaints>, Trace) {
    let mut complaints = Complaints::default();
    let unreadable = |error: io::Error| {
        let file = quoted(&path.to_string_lossy());
        Complaint::error(format!("could not read {file}: {error}"))
    };
    let (settings, trace) = read(path, &super::read_file, &mut complaints, unreadable);
    complaints.sort();
    match settings {
        Some(settings) if !complaints.has_errors() => (Ok(settings), trace),
        _ => (Err(complaints), trace),
    }
}

impl Reading<'_> {
    /// The web config file, if one is configured; None after a complaint.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it set"
    )]
    pub(super) fn web(&mut self) -> Option<Option<WebFile>> {
        let key = Key::WebConfigFile;
        let from_file = matches!(self.layers.origin(key), Some(Origin::File { .. }));
        let path = self.optional(key, |text| match text {
            "" => Err(Trouble {
                message: "an empty text is no path".to_owned(),
                help: "write the path of a web config file, or null".to_owned(),
            }),
            text => Ok(PathBuf::from(text)),
        })?;
        let Some(path) = path else {
            return Some(None);
        };
        let path = self.located(path, from_file);
        let place = self.places.get(&key).cloned();
        let unreadable = |error: io::Error| {
            let file = quoted(&path.to_string_lossy());
            let message = format!("`web.config_file`: could not read {file}: {error}");
            let help = "Tenure reads the file with its own user's permissions";
            Complaint::error(message).at(place.as_ref()).help(help)
        };
        let (settings, trace) = read(&path, self.read_file, self.complaints, unreadable);
        Some(Some(WebFile {
            settings: settings?,
            path,
            trace,
        }))
    }
}

fn read(
    path: &Path,
    read_file: &ReadFile<'_>,
    complaints: &mut Complaints,
    unreadable: impl FnOnce(io::Error) -> Complaint,
) -> (Option<WebSettings>, Trace) {
    let files = Files {
        folder: path.parent().unwrap_or(Path::new("")),
        read_file,
        read: RefCell::default(),
    };
    let settings = match files.content(path) {
        Ok(bytes) => settings_in(path, &bytes, &files, complaints),
        Err(error) => {
            complaints.add(unreadable(error));
            None
        }
    };
    (settings, files.trace())
}

fn settings_in(
    path: &Path,
    bytes: &[u8],
    files: &Files<'_>,
    complaints: &mut Complaints,
) -> Option<WebSettings> {
    let name = path.display().to_string();
    let source = Source::web(name, &String::from_utf8_lossy(bytes));
    let read = std::str::from_utf8(bytes)
        .map_err(|error| super::not_utf8(&source, bytes, error.valid_up_to()))
        .and_then(|text| document::read_source(Arc::clone(&source), text));
    match read {
        Ok(root) => settings_of(root, files, complaints),
        Err(complaint) => {
            complaints.add(complaint);
            None
        }
    }
}

const OF_FILE: [&str; 4] = [
    "tls_server_config",
    "http_server_config",
    "basic_auth_users",
    "rate_limit",
];
const OF_HTTP: [&str; 2] = ["http2", "headers"];
const OF_RATE: [&str; 2] = ["interval", "burst"];

/// The headers that can be set, and the values that some of them are limited to.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

fn settings_of(root: Node, files: &Files<'_>, complaints: &mut Complaints) -> Option<WebSettings> {
    if matches!(root.content, Content::Nothing) {
        return Some(WebSettings::default());
    }
    let mut file = Section::of(root, "the web config file", &OF_FILE, complaints)?;
    // All of them are read before the first complaint ends it.
    let tls = match file.take("tls_server_config") {
        Some(node) => tls::tls(node, files, complaints),
        None => Some((None, false)),
    };
    let headers = match file.take("http_server_config") {
        Some(node) => http(node, complaints),
        None => Some(Vec::new()),
    };
    let users = match file.take("basic_auth_users") {
        Some(node) => users(node, complaints),
        None => Some(BTreeMap::new()),
    };
    let rate = match file.take("rate_limit") {
        Some(node) => rate(node, complaints),
        None => Some(None),
    };
    let (tls, clients_verified) = tls?;
    Some(WebSettings {
        tls,
        clients_verified,
        headers: headers?,
        users: users?,
        rate: rate?,
    })
}

/// The headers; whether HTTP/2 is wished for makes no difference, since HTTP/1.1 is all there is.
fn http(node: Node, complaints: &mut Complaints) -> Option<Vec<(&'static str, String)>> {
    let mut section = Section::of(node, "`http_server_config`", &OF_HTTP, complaints)?;
    let http2 = section.switch("http2", complaints);
    let Some(node) = section.take("headers") else {
        return http2.map(|_| Vec::new());
    };
    let known = HEADERS.map(|(name, _)| name);
    let mut section = Section::of(node, "`headers`", &known, complaints)?;
    let read = HEADERS.map(|(name, values)| {
        let value = section.text(name, complaints, |text| header(text, values))?;
        Some(value.map(|value| (name, value)))
    });
    let headers: Option<Vec<_>> = read.into_iter().collect();
    http2?;
    Some(headers?.into_iter().flatten().collect())
}

fn header(text: &str, values: &[&str]) -> values::Parsed<String> {
    let sendable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if sendable && (values.is_empty() || values.contains(&text)) {
        return Ok(text.to_owned());
    }
    Err(Trouble {
        message: format!("{} is no value of this header", quoted(text)),
        help: match values {
            [] => "write printable ASCII characters on one line".to_owned(),
            values => format!("write {}", values.join(" or ")),
        },
    })
}

fn users(node: Node, complaints: &mut Complaints) -> Option<BTreeMap<String, PasswordHash>> {
    let what = "`basic_auth_users`";
    let help = "write `name: hash` on each line, with the output of `tenure hash-password`";
    let Content::Map(entries) = node.content else {
        complain(
            complaints,
            &node.place,
            format!("{what} holds names with hashes"),
            help,
        );
        return None;
    };
    let (count, mut users) = (entries.len(), BTreeMap::new());
    for (name, node) in entries {
        let user = quoted(&name.text);
        let hash = match &node.content {
            _ if users.contains_key(&name.text) => {
                Err((format!("{user} is given twice"), "remove one of them"))
            }
            _ if name.text.is_empty() || name.text.contains(':') => Err((
                format!("{user} cannot be the name of a user"),
                "write a name without a colon",
            )),
            Content::Text(text) => text
                .parse::<PasswordHash>()
                .map_err(|fault| (format!("{user}: {fault}"), fault.help())),
            Content::Nothing | Content::List(_) | Content::Map(_) => {
                Err((format!("{user} has no hash"), help))
            }
        };
        match hash {
            Ok(hash) => drop(users.insert(name.text.clone(), hash)),
            Err((message, help)) => {
                complain(complaints, &name.place, format!("{what}: {message}"), help);
            }
        }
    }
    (users.len() == count).then_some(users)
}

/// The outer option is a complaint, the inner one a rate that is not limited.
#[expect(
    clippy::option_option,
    reason = "two questions: is it right, and is it set"
)]
fn rate(node: Node, complaints: &mut Complaints) -> Option<Option<Rate>> {
    const LONGEST_MILLIS: i64 = 3_600_000;
    let place = node.place.clone();
    let mut section = Section::of(node, "`rate_limit`", &OF_RATE, complaints)?;
    let interval = section.text("interval", complaints, |text| match duration::parse(text) {
        Some(0) => Ok(0),
        _ => values::length(text, 1..=LONGEST_MILLIS),
    });
    let burst = section.text("burst", complaints, |text| {
        values::count(text, 0..=1_000_000)
    });
    let interval = u64::try_from(interval?.unwrap_or(0)).ok()?;
    let burst = u32::try_from(burst?.unwrap_or(0)).ok()?;
    if interval > 0 && burst == 0 {
        let message = "`rate_limit` lets nobody through: `burst` is 0";
        complain(
            complaints,
            &place,
            message,
            "write for instance `burst: 20`",
        );
        return None;
    }
    Some((interval > 0).then_some(Rate {
        interval: Duration::from_millis(interval),
        burst,
    }))
}

/// Reads files on behalf of the web config file, and notes what was in them.
struct Files<'a> {
    /// Relative paths begin here.
    folder: &'a Path,
    read_file: &'a ReadFile<'a>,
    read: RefCell<(Vec<PathBuf>, SipHasher13)>,
}

impl Files<'_> {
    fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = (self.read_file)(path, MAX_FILE_BYTES);
        let (files, hasher) = &mut *self.read.borrow_mut();
        note(hasher, path, &content);
        files.push(path.to_owned());
        content
    }

    /// The bytes of a file named in the web config file.
    fn named(&self, path: &str) -> io::Result<Vec<u8>> {
        self.content(&self.folder.join(path))
    }

    fn trace(self) -> Trace {
        let (files, hasher) = self.read.into_inner();
        Trace {
            files,
            fingerprint: hasher.finish(),
        }
    }
}

fn note(hasher: &mut SipHasher13, path: &Path, content: &io::Result<Vec<u8>>) {
    let parts: [&[u8]; 2] = match content {
        Ok(bytes) => [b"read", bytes],
        Err(_) => [b"unreadable", b""],
    };
    for part in [path.as_os_str().as_encoded_bytes(), parts[0], parts[1]] {
        hasher.write(&part.len().to_le_bytes());
        hasher.write(part);
    }
}

#[cfg(test)]
mod tests;

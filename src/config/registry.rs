//! Where schemas are known.
//!
//! Owns the addresses of the schema registry, and what it wants to see. Promises that whoever reads a
//! topic that needs schemas has somebody to ask, and that no complaint shows a password. Does not
//! know the registry.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complaint::{Complaint, quoted};
use super::keys::Key;
use super::reading::Reading;
use super::settings::{Origin, SchemaRegistrySettings, Secret};
use super::values::{self, Parsed, Trouble};
use crate::event::mapping::rule::Format;
use crate::ledger::sources::Sources;

const SECOND: i64 = 1000;
/// Addresses of one registry, asked one after the other.
const MOST_URLS: usize = 16;

impl Reading<'_> {
    /// The settings of the schema registry, if one is configured or not.
    pub fn schema_registry(&mut self) -> Option<SchemaRegistrySettings> {
        let urls = self.optional(Key::SchemaRegistryUrl, urls);
        let user = self.optional(Key::SchemaRegistryUser, user);
        let password = self.file_of(Key::SchemaRegistryPasswordFile);
        let authorities = self.file_of(Key::SchemaRegistryCaFile);
        let timeout = self.length(Key::SchemaRegistryTimeout, 100, 60 * SECOND);
        let (password_file, password) = password?.unzip();
        let (ca_file, authorities) = authorities?.unzip();
        let password = match password {
            Some(bytes) => {
                Some(self.parsed(Key::SchemaRegistryPasswordFile, None, password_in(&bytes))?)
            }
            None => None,
        };
        let settings = SchemaRegistrySettings {
            urls: urls?.unwrap_or_default(),
            user: user?,
            password,
            authorities,
            timeout: Duration::from_millis(u64::try_from(timeout?).ok()?),
            password_file,
            ca_file,
        };
        self.check_registry(&settings);
        Some(settings)
    }

    fn check_registry(&mut self, settings: &SchemaRegistrySettings) {
        let keys = [Key::SchemaRegistryUser, Key::SchemaRegistryPasswordFile];
        if settings.user.is_some() != settings.password.is_some() {
            let message = "`schema_registry.user` and `schema_registry.password_file` go together";
            self.error(&keys, message.to_owned(), "set both of them, or neither");
        }
        let plain = |url: &String| url.starts_with("http://") && !is_of_this_machine(url);
        if settings.password.is_some() && settings.urls.iter().any(plain) {
            let place = self.places.get(&Key::SchemaRegistryUrl);
            let message = "`schema_registry.url`: the password is sent without encryption";
            let help = "write https:// if the registry has it";
            self.complaints
                .add(Complaint::warning(message).at(place).help(help));
        }
    }

    /// Checks that there is a registry if a topic cannot be read without it.
    pub fn check_formats(&mut self, sources: &Sources, registry: &SchemaRegistrySettings) {
        let needs = |topic: &&str| {
            let rules = sources.of(topic);
            rules.is_some_and(|rules| {
                [rules.format, rules.key_format]
                    .iter()
                    .any(|format| matches!(format, Format::Avro | Format::Protobuf))
            })
        };
        if !registry.urls.is_empty() {
            return;
        }
        if let Some(topic) = sources.topics().find(needs) {
            let message = format!(
                "the records of {} have schemas, and `schema_registry.url` names nobody who knows them",
                quoted(topic)
            );
            let help = "write for instance `schema_registry: { url: http://localhost:8081 }`";
            self.error(&[Key::SchemaRegistryUrl, Key::Sources], message, help);
        }
    }

    /// The content of a file that a key may name.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it set"
    )]
    pub fn file_of(&mut self, key: Key) -> Option<Option<(PathBuf, Vec<u8>)>> {
        let from_file = matches!(self.layers.origin(key), Some(Origin::File { .. }));
        let Some(path) = self.optional(key, |text| Ok(PathBuf::from(text)))? else {
            return Some(None);
        };
        let place = self.places.get(&key).cloned();
        let file = self.located(path.clone(), from_file);
        let bytes = self.content(key, &file, &shown(key, &path, &file), place.as_ref())?;
        Some(Some((file, bytes)))
    }
}

/// How a complaint calls a file: what is no path may be the password itself, in the wrong place.
fn shown(key: Key, written: &Path, file: &Path) -> String {
    let path = written.components().count() > 1 || written.has_root();
    if key == Key::SchemaRegistryPasswordFile && !path {
        return "that file".to_owned();
    }
    quoted(&file.to_string_lossy())
}

fn password_in(bytes: &[u8]) -> Parsed<Secret> {
    let text = std::str::from_utf8(values::without_newline(bytes));
    match text {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text.to_owned())),
        _ => Err(Trouble {
            message: "the file holds no password".to_owned(),
            help: "write the password into it as one line of text".to_owned(),
        }),
    }
}

fn user(text: &str) -> Parsed<String> {
    if text.contains(':') || text.chars().any(char::is_control) {
        return Err(Trouble {
            message: format!("{} is no name of a user", quoted(text)),
            help: "write the name alone; the password goes to a file, see `password_file`"
                .to_owned(),
        });
    }
    Ok(text.to_owned())
}

/// Addresses, several separated by commas, without what would follow them.
fn urls(text: &str) -> Parsed<Vec<String>> {
    let urls: Vec<&str> = text.split(',').map(str::trim).collect();
    let trouble = |message: String, help: &str| {
        let help = help.to_owned();
        Err(Trouble { message, help })
    };
    // It may hold a password, and then it is not shown.
    if text.contains('@') {
        return trouble(
            "the address holds a user or a password".to_owned(),
            "write `user` and `password_file` beside it",
        );
    }
    if urls.len() > MOST_URLS {
        let message = format!("{} addresses", urls.len());
        return trouble(message, "write at most 16 of one registry");
    }
    let mut cleaned = Vec::new();
    for url in urls {
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
        if host.is_none_or(str::is_empty) || url.contains(['?', '#', ' ']) {
            let message = format!("{} is no address of a registry", quoted(url));
            let help = "write http://HOST:PORT or https://HOST:PORT, with the path if there is one, \
                        for instance http://localhost:8080/apis/ccompat/v7";
            return trouble(message, help);
        }
        cleaned.push(url.trim_end_matches('/').to_owned());
    }
    Ok(cleaned)
}

fn is_of_this_machine(url: &str) -> bool {
    let rest = url.trim_start_matches("http://");
    ["localhost", "127.", "[::1]"]
        .iter()
        .any(|host| rest.starts_with(host))
}

//! Configuration: any text is settings or complaints, and neither shows a secret.
//!
//! ```text
//!  0 | text                       a file; every file that it names holds the secret
//!  1 | texts, ended by a zero     one for each environment variable, in the order of the keys
//!  2.. | an edit of 3 bytes        of a file that holds secrets: where, how many bytes go, what comes
//! ```

use std::path::Path;

use tenure::config::{Key, Override, Settings, Sources, load};

/// Stands in every place where a secret may stand.
const CANARY: &str = "hunter2";
/// As the canary, and right for a token.
const SECRET_FILE: &str = "hunter2-hunter2!";
const FILE: &str = "tenure.yaml";
/// What an edit puts in: whatever has a meaning in a file, and no letters, which could make a
/// harmless name of a secret's.
const SIGNS: &[u8] = b":{}[]#&*!|>'\"%@`,?\n\t -=.\r\\~^<$;()/+_0";

const WITH_SECRETS: &str = "kafka:\n  topics: [orders]\n  properties:\n    sasl.password: hunter2\n    client.id: shop\n    ssl.key.pem: |\n      hunter2\n      hunter2\n    ssl.key.password: \"hunter2\"\n  group_id: tenure\nhistory: 800d\n";

/// Loads what the bytes say.
///
/// # Panics
/// If a complaint or a description shows a secret, or an error goes without a complaint.
pub fn check(bytes: &[u8]) {
    match bytes {
        [] => {}
        [0, text @ ..] => check_file(text),
        [1, texts @ ..] => check_environment(texts),
        [_, edit @ ..] => check_edited(edit),
    }
}

fn check_file(text: &[u8]) {
    let shown = shown(text, Vec::new(), Vec::new());
    let own = text
        .windows(CANARY.len())
        .any(|word| word == CANARY.as_bytes());
    assert!(own || !shown.contains(CANARY), "{shown}");
}

fn check_environment(texts: &[u8]) {
    let mut environment = Vec::new();
    let mut flags = Vec::new();
    for (key, text) in Key::ALL.into_iter().zip(texts.split(|byte| *byte == 0)) {
        let Ok(text) = std::str::from_utf8(text) else {
            continue;
        };
        environment.push((key.variable().into(), text.into()));
        if text.len() % 2 == 1 {
            flags.push(Override {
                key: key.path().to_owned(),
                text: text.to_owned(),
                flag: format!("--{}", key.name()),
            });
        }
    }
    let own = texts
        .windows(CANARY.len())
        .any(|word| word == CANARY.as_bytes());
    let shown = shown(b"", environment, flags);
    assert!(own || !shown.contains(CANARY), "{shown}");
}

fn check_edited(edit: &[u8]) {
    let mut text = WITH_SECRETS.as_bytes().to_vec();
    // A second one could turn a secret into the value of another key.
    if let [at, length, put, ..] = edit {
        let at = usize::from(*at) % text.len();
        let end = (at + usize::from(length % 4)).min(text.len());
        let put = SIGNS.get(usize::from(*put) % (SIGNS.len() + 1));
        text.splice(at..end, put.copied());
    }
    let shown = shown(&text, Vec::new(), Vec::new());
    let text = String::from_utf8_lossy(&text);
    assert!(!shown.contains(CANARY), "{text}\n=>\n{shown}");
}

/// All that may be shown or logged of settings, or of the complaints about them.
fn shown(
    file: &[u8],
    environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    flags: Vec<Override>,
) -> String {
    let read_file = |path: &Path, _: u64| {
        Ok(if path == Path::new(FILE) {
            file.to_vec()
        } else {
            SECRET_FILE.as_bytes().to_vec()
        })
    };
    let sources = Sources {
        file: Some(FILE.into()),
        environment,
        flags,
        read_file: &read_file,
    };
    match load(&sources) {
        Ok(settings) => of_settings(&settings),
        Err(complaints) => {
            assert!(complaints.has_errors());
            format!("{complaints}{complaints:?}")
        }
    }
}

fn of_settings(settings: &Settings) -> String {
    assert!(!settings.warnings.has_errors());
    let described = settings.describe();
    format!("{settings:?}{described:?}{}", settings.warnings)
}

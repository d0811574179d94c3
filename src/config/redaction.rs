//! Hides secrets in the lines that complaints show.
//!
//! Owns one decision: from where on a line of settings must not be shown. It works on text alone, so
//! that it also covers files that are no YAML, keys that are misspelt and values in the wrong place.
//! Hides rather too much than too little. Does not know the structure of a file.

use std::collections::BTreeSet;

use super::keys::Key;
use super::nearest::nearest;
use super::properties;
use crate::alert::Alert;

/// What stands for the hidden rest of a line.
const HIDDEN: &str = "***";

/// A value whose name has one of these in it is a secret.
const WORDS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "private",
    "jaas",
    "oauthbearer",
    "sasl.username",
    "pem",
];

/// Hexadecimal digits in a row that look like a key.
const KEY_DIGITS: usize = 32;

/// The lines of a text, with every value hidden that may be a secret.
///
/// Shown are the values of harmless names, and what belongs to a list. Hidden are other values, the
/// deeper indented lines below them, and whatever stands alone on its line, as the value of a name
/// above it does. Sources hold names of any kind and no secrets, so below them only what looks like a
/// secret is hidden.
pub fn redacted_lines(text: &str) -> Vec<String> {
    let mut hidden_below: Option<usize> = None;
    let mut list_open = false;
    let mut of_sources = false;
    let redact = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        if indent == 0 && !line.trim_end().is_empty() && !line.starts_with('#') {
            let name = line.split(':').next().unwrap_or_default();
            of_sources = plain(name) == Key::Sources.path();
        }
        if of_sources {
            (hidden_below, list_open) = (None, false);
            let starts = [after_word(line), after_scheme(line), key_digits(line)];
            return hide(line, starts.into_iter().flatten().min());
        }
        let alone = separators(line).next().is_none();
        let goes_on = |above| indent > above || alone;
        if hidden_below.is_some_and(goes_on) {
            return hide(line, Some(indent));
        }
        if alone && !may_stand_alone(line) && !(list_open && may_be_item(line)) {
            // It may be the damaged name of a secret, which follows.
            hidden_below = Some(indent);
            return hide(line, Some(indent));
        }
        let start = secret_start(line);
        hidden_below = start.map(|_| indent);
        list_open = (list_open || line.contains('[')) && start.is_none() && !line.contains(']');
        hide(line, start)
    };
    text.lines().map(redact).collect()
}

/// The names in a file of corrections whose values are no event ids.
const OF_CORRECTIONS: [&str; 7] = [
    "corrections",
    "note",
    "skip",
    "topic",
    "partition",
    "offsets",
    "type",
];

/// The lines of a file of corrections, with everything hidden that may be an event id: the values of
/// all names but the known ones with the deeper indented lines below them, single values where there
/// must be several, and what has no name on its line.
pub fn lines_without_ids(text: &str) -> Vec<String> {
    let mut hidden_below: Option<usize> = None;
    let redact = |line: &str| {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let blanks = line.len() - line.trim_start().len();
        let structure = line.trim().bytes().all(|byte| b"[]{}-,.".contains(&byte));
        let alone = separators(line).next().is_none() && !structure;
        if hidden_below.is_some_and(|above| indent > above) || alone {
            return hide(line, Some(blanks));
        }
        let known = |name: &str| OF_CORRECTIONS.contains(&plain(name));
        let stranger = after_stranger(line, &known);
        hidden_below = stranger.map(|_| indent);
        let starts = [stranger, after_anchor(line), single_value(line)];
        hide(line, starts.into_iter().flatten().min())
    };
    text.lines().map(redact).collect()
}

/// The names in a web config file whose values are no secrets: not `key`, and not the users, below
/// whom everything is hidden.
const OF_WEB_CONFIG: [&str; 22] = [
    "tls_server_config",
    "http_server_config",
    "rate_limit",
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
    "http2",
    "headers",
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
    "interval",
    "burst",
];

/// The lines of a web config file, with everything hidden that may be a key, a password or its hash:
/// the values of all names but the known ones with the deeper indented lines below them, and what
/// has no name on its line but is no item of a list below a known one.
pub fn lines_of_web_config(text: &str) -> Vec<String> {
    let mut hidden_below: Option<usize> = None;
    let redact = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let structure = line.trim().bytes().all(|byte| b"[]{}-,.".contains(&byte));
        let item = line.trim_start().starts_with("- ");
        let alone = separators(line).next().is_none() && !structure && !item;
        if hidden_below.is_some_and(|above| indent > above || alone || item && indent == above)
            || alone
        {
            return hide(line, Some(indent));
        }
        let known = |name: &str| OF_WEB_CONFIG.contains(&plain(name));
        let stranger = after_stranger(line, &known);
        hidden_below = stranger.map(|_| indent);
        hide(
            line,
            [stranger, after_anchor(line)].into_iter().flatten().min(),
        )
    };
    text.lines().map(redact).collect()
}

/// Where a single value begins that stands in the place of several.
fn single_value(line: &str) -> Option<usize> {
    let at = separators(line).next()?;
    let several = ["corrections", "skip"].contains(&plain(&line[..at]));
    let single = !line[at + 1..].trim_start().starts_with(['{', '[', '#']);
    (several && single).then_some(at + 1)
}

/// Whether a line without a name is an item of a list, the border of something, or a key that lacks
/// its colon.
fn may_stand_alone(line: &str) -> bool {
    let line = line.trim();
    let word = line.split_whitespace().next().unwrap_or_default();
    word == "-" || harmless(word) || line.bytes().all(|byte| b"[]{}.-,".contains(&byte))
}

/// Whether a line in a list that is open can be one of its items, and not the damaged name of a
/// property with its value.
fn may_be_item(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let dotted = words.next().is_some_and(|word| word.contains('.'));
    !(dotted && words.next().is_some())
}

/// A text in a message: hidden from where on it may hold a secret. A single word is taken for a
/// name, however secret it sounds, unless it looks like a key.
pub fn redacted_text(text: &str) -> String {
    let single = !text.contains([':', '=', ' ', '\t', '\n']);
    hide(
        text,
        if single {
            key_digits(text)
        } else {
            secret_start(text)
        },
    )
}

/// One line that stands alone, with what may be a secret hidden.
pub fn redacted_line(line: &str) -> String {
    hide(line, secret_start(line))
}

fn hide(line: &str, start: Option<usize>) -> String {
    match start {
        Some(start) if !line[start..].trim().is_empty() => {
            let value = start + line[start..].len() - line[start..].trim_start().len();
            format!("{}{HIDDEN}", &line[..value])
        }
        _ => line.to_owned(),
    }
}

/// The byte from which on the line may hold a secret.
fn secret_start(line: &str) -> Option<usize> {
    [
        after_word(line),
        after_stranger(line, &harmless),
        after_anchor(line),
        after_scheme(line),
        key_digits(line),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// After the `://` of an address that goes on with an `@`: credentials come before it.
fn after_scheme(line: &str) -> Option<usize> {
    let at = line.find("://")? + 3;
    line[at..].contains('@').then_some(at)
}

/// After the separator that follows the first telling word, else after the word.
fn after_word(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let end = WORDS
        .iter()
        .filter_map(|word| lower.find(word).map(|at| at + word.len()))
        .min()?;
    let name = line[end..]
        .bytes()
        .take_while(|byte| is_name(*byte) || *byte == b'"' || *byte == b'\'')
        .count();
    let after_name = &line[end + name..];
    let separated = after_name.trim_start().starts_with([':', '=']);
    let blanks = after_name.len() - after_name.trim_start().len();
    Some(if separated {
        end + name + blanks + 1
    } else {
        end
    })
}

/// After the separator of the first name that is not known to be harmless.
fn after_stranger(line: &str, harmless: &dyn Fn(&str) -> bool) -> Option<usize> {
    let mut from = 0;
    for at in separators(line) {
        let name = line[from..at].rsplit(['{', '[', ',']).next()?;
        if !harmless(plain(name)) {
            return Some(at + 1);
        }
        from = at + 1;
    }
    None
}

/// Where names end: at colons before a blank or a quote, and at the equals sign of properties.
fn separators(line: &str) -> impl Iterator<Item = usize> {
    let ends = |at: usize| {
        line[at + 1..]
            .chars()
            .next()
            .is_none_or(|next| " \t\"'".contains(next))
    };
    let dotted = |at: usize| {
        let name = line[..at].rsplit(|letter: char| !letter.is_ascii() || !is_name(letter as u8));
        name.take(1).any(|name| name.contains('.'))
    };
    line.char_indices()
        .filter_map(move |(at, letter)| match letter {
            ':' if ends(at) => Some(at),
            '=' if dotted(at) => Some(at),
            _ => None,
        })
}

/// A name without the dash of a list, blanks and quotes.
fn plain(name: &str) -> &str {
    let name = name.trim();
    let name = name.strip_prefix("- ").unwrap_or(name);
    name.trim_matches([' ', '\t', '"', '\''])
}

/// Whether a name is that of a plain property or a key, or that of a key misspelt.
fn harmless(name: &str) -> bool {
    let known = || Key::of_path(name).is_some() || Alert::of_name(name).is_some();
    if properties::printable(name) || known() {
        return true;
    }
    let parts = || Key::ALL.into_iter().flat_map(|key| key.path().split('.'));
    let one_word = || name.bytes().all(is_name);
    let misspelt = || one_word() && nearest(name, parts().collect::<BTreeSet<_>>()).is_some();
    !name.contains('.') && (parts().any(|part| part == name) || misspelt())
}

/// After the name of an anchor: it may be the value of a secret elsewhere.
fn after_anchor(line: &str) -> Option<usize> {
    let at = line.find('&')?;
    let name = line[at + 1..]
        .bytes()
        .take_while(|byte| is_name(*byte))
        .count();
    (name > 0).then_some(at + 1 + name)
}

/// Where digits begin that look like a key.
fn key_digits(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    bytes
        .windows(KEY_DIGITS)
        .position(|window| window.iter().all(u8::is_ascii_hexdigit))
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        assert_eq!(redacted_line(line), expected, "{line}");
        if separators(line).next().is_some() {
            assert_eq!(redacted_lines(line).concat(), expected, "{line}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_hidden() {
        check("    sasl.password: hunter2", "    sasl.password: ***");
        check(
            "    \"sasl.password\" : hunter2",
            "    \"sasl.password\" : ***",
        );
        check(
            "properties: { sasl.password: hunter2 }",
            "properties: { sasl.password: ***",
        );
        check(
            "properties: [sasl.password=hunter2]",
            "properties: [sasl.password=***",
        );
        check("    sasl.pasword: hunter2", "    sasl.pasword: ***");
        check("    my.own.thing: hunter2", "    my.own.thing: ***");
        check("    ssl.key.pem: |", "    ssl.key.pem: ***");
        check("    sasl_password: hunter2", "    sasl_password: ***");
        check("KafkaPassword: hunter2", "KafkaPassword: ***");
        check("    saslassword: hunter2", "    saslassword: ***");
        check("    sasl: { pw: hunter2 }", "    sasl: ***");
        check("# pw: hunter2", "# pw: ***");
        check("password hunter2", "password ***");
        check("log: &secretive hunter2", "log: &secret***");
        check("log: &a hunter2", "log: &a ***");
        check("x: hunter2", "x: ***");
        check(
            "properties*   sas'assword: hunter2",
            "properties*   sas'assword: ***",
        );
        check("- sasl.username=hunter2", "- sasl.username=***");
        check(
            "TENURE_CUSTOMER_DIGEST_KEY_FILE=00112233445566778899aabbccddeeff",
            "TENURE_CUSTOMER_DIGEST_KEY_FILE=***",
        );
    }

    #[test]
    fn what_is_harmless_is_shown() {
        for line in [
            "",
            "listen: 0.0.0.0:9736x",
            "kafka:",
            "    sasl.mechanism: PLAIN",
            "    ssl.ca.location: /etc/ssl/ca.crt",
            "    enable.auto.commit: true",
            "  bootstrap_servers: kafka-1.example.com:9092,kafka-2.example.com:9092",
            "customer_digest_key_file: /run/keys/digest",
            "kafka.group_id: tenure",
            "inactivty_timeout: 90d",
            "surveys: { ces: { max: 5, better: low } }",
            "TENURE_HISTORY=800 days",
            "time_zone: Europe/Istanbul # where the shop is",
        ] {
            check(line, line);
        }
    }

    #[test]
    fn a_name_in_a_message_is_shown_and_a_secret_is_not() {
        for (text, expected) in [
            ("secret-santa", "secret-santa"),
            ("sasl.jaas.config", "sasl.jaas.config"),
            ("password: hunter2", "password: ***"),
            ("00112233445566778899aabbccddeeff", "***"),
        ] {
            assert_eq!(redacted_text(text), expected, "{text}");
        }
    }

    #[test]
    fn of_a_web_config_file_nothing_is_shown_that_opens_a_door() {
        let text = "\
tls_server_config:
  cert_file: server.crt
  key: |
    hunter2
  cert: hunter2
  cipher_suites:
    - TLS_AES_128_GCM_SHA256
  keyy: hunter2
    hunter2
http_server_config: { headers: { X-Frame-Options: deny } }
basic_auth_users:
  alice: hunter2
  bob:
    hunter2
  - hunter2
  hunter2
basic_auth_user:
- hunter2
rate_limit: {interval: 1s}
basic_auth_users: { alice: hunter2 }
hunter2
";
        let expected = "\
tls_server_config:
  cert_file: server.crt
  key: ***
    ***
  cert: ***
  cipher_suites:
    - TLS_AES_128_GCM_SHA256
  keyy: ***
    ***
http_server_config: { headers: { X-Frame-Options: deny } }
basic_auth_users:
  ***
  ***
    ***
  ***
  ***
basic_auth_user:
***
rate_limit: {interval: 1s}
basic_auth_users: ***
***";
        assert_eq!(lines_of_web_config(text).join("\n"), expected);
    }

    #[test]
    fn the_items_of_a_list_are_shown() {
        for text in [
            "periods:\n  - 24h\n  - 30 days",
            "periods: [24h,\n  30 days,\n  ]\nhistory: 1d",
            "history 800d",
        ] {
            assert_eq!(redacted_lines(text).join("\n"), text);
        }
    }

    #[test]
    fn a_value_that_slipped_to_the_next_line_is_hidden_too() {
        let text = "kafka:\n  properties:\n    sasl.password:\nhunter2\nlisten: :1\n";
        let expected = "kafka:\n  properties:\n    sasl.password:\n***\nlisten: :1";
        assert_eq!(redacted_lines(text).join("\n"), expected);
    }

    #[test]
    fn what_stands_below_a_name_that_is_damaged_is_hidden_too() {
        let text = "kafka:\n  properties:\n    ssl.key.pe{|\n      hunter2:    hunter2\n    \
                    client.id: shop\nlisten: :1\n";
        let expected = "kafka:\n  properties:\n    ***\n      ***\n    client.id: shop\nlisten: :1";
        assert_eq!(redacted_lines(text).join("\n"), expected);
    }

    #[test]
    fn a_list_that_is_never_closed_does_not_show_what_is_no_item() {
        let text = "topics: [first\nsecond.one,\n    sasl.passwo{ hunter2\n30 days";
        let expected = "topics: [first\nsecond.one,\n    ***\n30 days";
        assert_eq!(
            redacted_lines(text).join("\n"),
            expected.replace("30 days", "***")
        );
    }

    #[test]
    fn the_lines_of_a_long_secret_are_hidden_with_it() {
        let text = "kafka:\n  properties:\n    ssl.key.pem: |\n      hunter2\n\n      hunter2\n    \
                    client.id: shop\nlisten: :1\n";
        let expected = "kafka:\n  properties:\n    ssl.key.pem: ***\n      ***\n\n      ***\n    \
                        client.id: shop\nlisten: :1";
        assert_eq!(redacted_lines(text).join("\n"), expected);
    }
}

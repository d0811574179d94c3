//! Hides secrets in the lines that complaints show.
//!
//! Owns one decision: from where on a line of settings must not be shown. It works on text alone, so
//! that it also covers files that are no YAML, keys that are misspelt and values in the wrong place.
//! Hides rather too much than too little. Does not know the structure of a file.

use super::keys::Key;
use super::properties;

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

/// The lines of a text, with every value hidden that may be a secret, on its own line and where it
/// may go on: on deeper indented lines below it, and on lines that are no `name: value`.
pub fn redacted_lines(text: &str) -> Vec<String> {
    let mut hidden_below: Option<usize> = None;
    let redact = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let goes_on = |above| indent > above || !names_value(line);
        if hidden_below.is_some_and(goes_on) {
            return format!("{}{HIDDEN}", &line[..indent]);
        }
        let start = secret_start(line);
        hidden_below = start.map(|_| indent);
        hide(line, start)
    };
    text.lines().map(redact).collect()
}

fn names_value(line: &str) -> bool {
    line.contains(": ") || line.trim_end().ends_with(':')
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
        after_property(line),
        after_anchor(line),
        key_digits(line),
    ]
    .into_iter()
    .flatten()
    .min()
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

/// After the colon of the first dotted name that is not known to be harmless.
fn after_property(line: &str) -> Option<usize> {
    let mut start = 0;
    while let Some(found) = line[start..].find(|letter: char| letter.is_ascii_alphabetic()) {
        let from = start + found;
        let length = line[from..]
            .bytes()
            .take_while(|byte| is_name(*byte))
            .count();
        let end = from + length;
        let rest = line[end..].trim_start_matches(['"', '\'']);
        let separator = line.len() - rest.trim_start().len();
        let separated = rest.trim_start().starts_with('=')
            || rest
                .trim_start()
                .strip_prefix(':')
                .is_some_and(|value| value.is_empty() || value.starts_with([' ', '\t', '"', '\'']));
        let name = &line[from..end];
        let shown = properties::printable(name) || Key::of_path(name).is_some();
        if separated && name.contains('.') && !shown {
            return Some(separator + 1);
        }
        start = end;
    }
    None
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
        check("password hunter2", "password ***");
        check("x: &secretive hunter2", "x: &secret***");
        check("x: &a hunter2", "x: &a ***");
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
    fn a_value_that_slipped_to_the_next_line_is_hidden_too() {
        let text = "kafka:\n  properties:\n    sasl.password:\nhunter2\nlisten: :1\n";
        let expected = "kafka:\n  properties:\n    sasl.password:\n***\nlisten: :1";
        assert_eq!(redacted_lines(text).join("\n"), expected);
    }

    #[test]
    fn the_lines_of_a_long_secret_are_hidden_with_it() {
        let text = "kafka:\n  properties:\n    ssl.key.pem: |\n      hunter2\n\n      hunter2\n    \
                    client.id: shop\nlisten: :1\n";
        let expected = "kafka:\n  properties:\n    ssl.key.pem: ***\n      ***\n***\n      ***\n    \
                        client.id: shop\nlisten: :1";
        assert_eq!(redacted_lines(text).join("\n"), expected);
    }
}

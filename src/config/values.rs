//! From the text of one value to the value.
//!
//! Owns the syntax and the range of every single value. Does not know other settings, nor where a
//! text comes from.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::complaint::quoted;
use super::duration::{self, Written};
use super::nearest::nearest;
use crate::event::Timestamp;
use crate::event::decode::MAX_TEXT_BYTES;
use crate::ledger::settings::DigestKey;
use crate::measure::period::Period;

/// What is wrong with a text, and a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub message: String,
    pub help: String,
}

pub type Parsed<T> = Result<T, Trouble>;

fn trouble<T>(message: impl Into<String>, help: impl Into<String>) -> Parsed<T> {
    Err(Trouble {
        message: message.into(),
        help: help.into(),
    })
}

/// An address to listen on: `0.0.0.0:9736`, `[::]:9736`, `:9736` or `localhost:9736`.
pub fn listen(text: &str) -> Parsed<SocketAddr> {
    let help = "write an IP address with a port: 0.0.0.0:9736, [::]:9736, :9736 (all addresses) or \
                localhost:9736";
    let on = |address: Ipv4Addr, port: &str| port.parse::<u16>().ok().map(|port| (address, port));
    let short = match text.rsplit_once(':') {
        Some(("", port)) => on(Ipv4Addr::UNSPECIFIED, port),
        Some(("localhost", port)) => on(Ipv4Addr::LOCALHOST, port),
        _ => None,
    };
    match (short, text.parse::<SocketAddr>()) {
        (Some(short), _) => Ok(SocketAddr::from(short)),
        (None, Ok(address)) => Ok(address),
        (None, Err(_)) if text.parse::<u16>().is_ok() => trouble(
            format!("{} is no address", quoted(text)),
            format!("did you mean `:{text}`?"),
        ),
        (None, Err(_)) => trouble(format!("{} is no address with a port", quoted(text)), help),
    }
}

/// A time zone by its IANA name; the system's data first, the built-in second.
pub fn time_zone(text: &str) -> Parsed<TimeZone> {
    let built_in = TimeZoneDatabase::bundled();
    let found = TimeZone::get(text).or_else(|_| built_in.get(text));
    match found.ok().filter(|zone| !zone.is_unknown()) {
        Some(zone) => Ok(zone),
        None => trouble(
            format!("{} is no time zone", quoted(text)),
            match nearest_zones(text, &built_in).as_slice() {
                [] => {
                    "write an IANA name such as UTC, Europe/Istanbul or America/New_York".to_owned()
                }
                near => format!("did you mean `{}`?", near.join("` or `")),
            },
        ),
    }
}

/// The zone of a misspelt name, or the few zones of a city without its continent.
fn nearest_zones(text: &str, built_in: &TimeZoneDatabase) -> Vec<String> {
    let mut names: Vec<String> = built_in.available().map(|name| name.to_string()).collect();
    names.sort();
    let city = text.replace(' ', "_");
    let in_city = |name: &&String| {
        let last = name.rsplit('/').next().unwrap_or(name);
        last.eq_ignore_ascii_case(&city)
    };
    let of_city: Vec<String> = names.iter().filter(in_city).take(3).cloned().collect();
    if of_city.is_empty() {
        let near = nearest(text, names.iter().map(String::as_str));
        return near.map(str::to_owned).into_iter().collect();
    }
    of_city
}

/// One of a few words.
pub fn choice<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Parsed<T> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<String> = choices
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let near = nearest(text, choices.iter().map(|(name, _)| *name));
    trouble(
        match near {
            Some(_) => format!("{} is not one of {}", quoted(text), names.join(", ")),
            None => format!("{} is not possible here", quoted(text)),
        },
        match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.len() == 1 => format!("write {}, or leave the key out", names.join("")),
            None => format!("write one of {}", names.join(", ")),
        },
    )
}

/// A length of time within bounds, both in milliseconds and included.
pub fn length(text: &str, bounds: RangeInclusive<i64>) -> Parsed<i64> {
    match duration::parse(text) {
        Some(millis) if bounds.contains(&millis) => Ok(millis),
        Some(_) => trouble(
            format!("{} is out of range", quoted(text)),
            format!(
                "write a length from {} to {}",
                Written(*bounds.start()),
                Written(*bounds.end())
            ),
        ),
        None => trouble(
            format!("{} is no length of time", quoted(text)),
            match duration::suggestion(text) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write {}", duration::FORMS),
            },
        ),
    }
}

/// A whole number within bounds, both included.
pub fn count(text: &str, bounds: RangeInclusive<usize>) -> Parsed<usize> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    match text
        .parse()
        .ok()
        .filter(|number| plain && bounds.contains(number))
    {
        Some(number) => Ok(number),
        None => trouble(
            format!(
                "{} is no whole number from {} to {}",
                quoted(text),
                bounds.start(),
                bounds.end()
            ),
            "write a whole number within these bounds, in digits",
        ),
    }
}

/// A number within bounds, both included, in decimal digits.
pub fn number(text: &str, bounds: RangeInclusive<f64>) -> Parsed<f64> {
    let plain = |byte: u8| byte.is_ascii_digit() || b".-".contains(&byte);
    let number = text.parse().ok().filter(|_| text.bytes().all(plain));
    match number.filter(|number| bounds.contains(number)) {
        Some(number) => Ok(number),
        None => trouble(
            format!(
                "{} is no number from {} to {}",
                quoted(text),
                bounds.start(),
                bounds.end()
            ),
            "write a number within these bounds, in decimal digits",
        ),
    }
}

/// The value of the label `job`.
pub fn job(text: &str) -> Parsed<String> {
    if (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    trouble(
        format!("{} is no name of a job of Prometheus", quoted(text)),
        "write the `job_name` under which Prometheus scrapes Tenure",
    )
}

/// An address that people follow from an alert, to which more is appended.
pub fn address(text: &str) -> Parsed<String> {
    let odd =
        |letter: char| letter.is_control() || letter.is_whitespace() || "#{}".contains(letter);
    if !text.is_empty() && text.len() <= 2048 && !text.contains(odd) {
        return Ok(text.to_owned());
    }
    trouble(
        format!("{} is no address", quoted(text)),
        "write an address such as https://wiki.example.com/tenure, without blanks, braces and `#`",
    )
}

/// The name of a period.
pub fn period(text: &str) -> Parsed<Period> {
    let parsed = text.parse::<Period>();
    parsed.map_err(|unknown| {
        let message = unknown.to_string();
        let (what, forms) = message.split_once(": ").unwrap_or((&message, ""));
        let calendar = [
            "today",
            "yesterday",
            "this_week",
            "this_month",
            "this_quarter",
            "this_year",
            "last_week",
            "last_month",
            "last_quarter",
            "last_year",
        ];
        let near = duration::suggestion(text)
            .filter(|meant| meant.parse::<Period>().is_ok())
            .or_else(|| nearest(text, calendar).map(str::to_owned));
        Trouble {
            message: what.replace(&format!("`{text}`"), &quoted(text)),
            help: match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write {forms}"),
            },
        }
    })
}

/// An instant in RFC 3339 at which an event can happen.
pub fn instant(text: &str) -> Parsed<Timestamp> {
    match Timestamp::from_rfc3339(text) {
        Some(at) if at.plausible() => Ok(at),
        Some(_) => trouble(
            format!("{} is not within 2000 and 2069", quoted(text)),
            "no event can have happened then",
        ),
        None => trouble(
            format!("{} is no time in RFC 3339", quoted(text)),
            "write date, time and zone, for instance 2024-07-01T00:00:00Z or \
             2024-07-01T00:00:00+03:00",
        ),
    }
}

/// The code of a currency, beyond those of ISO 4217.
pub fn currency(text: &str) -> Parsed<String> {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=12).contains(&text.len()) && text.bytes().all(letter) {
        return Ok(text.to_owned());
    }
    let upper = text.to_ascii_uppercase();
    trouble(
        format!("{} is no code of a currency", quoted(text)),
        if upper != text && currency(&upper).is_ok() {
            format!("did you mean `{upper}`?")
        } else {
            "write 1 to 12 of the characters A-Z, 0-9 and _".to_owned()
        },
    )
}

/// A reason as events have it.
pub fn churn_reason(text: &str) -> Parsed<String> {
    match text.len() {
        1..=256 => Ok(text.to_owned()),
        _ => trouble(
            format!("{} is no reason of a churn event", quoted(text)),
            "write a text of 1 to 256 bytes",
        ),
    }
}

/// A channel as answers have it.
pub fn channel(text: &str) -> Parsed<String> {
    match text.len() {
        1..=MAX_TEXT_BYTES => Ok(text.to_owned()),
        _ => trouble(
            format!("{} is no channel of a survey", quoted(text)),
            format!("write a text of 1 to {MAX_TEXT_BYTES} bytes"),
        ),
    }
}

/// Labels that stand beside those of the dimensions, or that Prometheus gives a meaning of its own.
const TAKEN_LABELS: [&str; 22] = [
    "period",
    "status",
    "currency",
    "group",
    "survey",
    "channel",
    "reason",
    "rating",
    "cohort",
    "months_after",
    "buyer",
    "score",
    "for",
    "job",
    "instance",
    "le",
    "quantile",
    "min",
    "max",
    "better",
    "source",
    "event",
];

/// Labels that scrape configurations often give to their targets.
const TARGET_LABELS: [&str; 6] = ["type", "customer", "service", "owner", "zone", "env"];

/// Names of what tells who somebody is, in lower case and without underscores.
const PERSONAL: [&str; 37] = [
    "id",
    "uuid",
    "guid",
    "customerid",
    "customeruuid",
    "userid",
    "useruuid",
    "accountid",
    "personid",
    "clientid",
    "memberid",
    "buyerid",
    "shopperid",
    "contactid",
    "subscriberid",
    "visitorid",
    "deviceid",
    "sessionid",
    "orderid",
    "eventid",
    "email",
    "emailaddress",
    "mail",
    "phone",
    "phonenumber",
    "name",
    "firstname",
    "lastname",
    "fullname",
    "username",
    "customername",
    "login",
    "address",
    "ip",
    "ipaddress",
    "birthday",
    "dateofbirth",
];

/// The name of an attribute that becomes a label of the same name.
pub fn dimension(text: &str) -> Parsed<String> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = text.starts_with(|first: char| !first.is_ascii_digit());
    let legal = (1..=64).contains(&text.len()) && text.bytes().all(letter) && begins;
    if !legal || text.starts_with("__") {
        return trouble(
            format!("{} cannot be the name of a label", quoted(text)),
            "write the name of an attribute that has 1 to 64 of the characters a-z, A-Z, 0-9 and _, \
             and does not begin with a digit or with __",
        );
    }
    if TAKEN_LABELS.contains(&text) {
        return trouble(
            format!("there is a label `{text}` already"),
            format!("send the attribute under another name, for instance `customer_{text}`"),
        );
    }
    Ok(text.to_owned())
}

/// Why a dimension should probably not be one.
pub fn risk_of_dimension(name: &str) -> Option<Trouble> {
    let plain = name.replace('_', "").to_ascii_lowercase();
    let risk = |message: &str, help: String| {
        Some(Trouble {
            message: format!("`{name}` {message}"),
            help,
        })
    };
    if PERSONAL.contains(&plain.as_str()) {
        return risk(
            "sounds like personal data",
            "its values would be labels that everybody can read, thousands of them, and nearly all \
             would be `other`; choose what many customers share, such as a plan or a country"
                .to_owned(),
        );
    }
    if TARGET_LABELS.contains(&name) {
        return risk(
            "is often a label of the target that Prometheus scrapes",
            format!(
                "Prometheus would store Tenure's as `exported_{name}`; if your targets have such a \
                 label, send the attribute under another name"
            ),
        );
    }
    None
}

/// `host:port`, several separated by commas, as librdkafka has it.
pub fn bootstrap_servers(text: &str) -> Parsed<String> {
    let servers: Vec<&str> = text.split(',').map(str::trim).collect();
    match servers.iter().find(|server| !is_server(server)) {
        None => Ok(servers.join(",")),
        Some(wrong) => trouble(
            format!("{} is no host with a port", quoted(wrong)),
            "write host:port, several separated by commas: kafka-1:9092,kafka-2:9092",
        ),
    }
}

/// Whether the text is `[protocol://]host[:port]`.
fn is_server(text: &str) -> bool {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let (host, port) = match address.rsplit_once(':') {
        // An IPv6 address without a port ends in its bracket.
        Some((host, port)) if !address.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let letter = |letter: char| letter.is_alphanumeric() || "-._".contains(letter);
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let named = !host.is_empty() && host.chars().all(letter);
    let ported = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (named || bracketed) && ported
}

/// The name of a topic that Kafka allows.
pub fn topic(text: &str) -> Parsed<String> {
    let what = format!("{} is no name of a topic", quoted(text));
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.starts_with('^') {
        let help = "list the topics one by one: patterns are refused, because a new topic that \
                    matches would change the numbers";
        return trouble(what, help);
    }
    let legal = (1..=249).contains(&text.len()) && text.bytes().all(letter);
    if legal && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    trouble(
        what,
        "write 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`",
    )
}

/// The name of a consumer group.
pub fn group_id(text: &str) -> Parsed<String> {
    let padded = text.trim() != text;
    if (1..=255).contains(&text.len()) && !padded && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    trouble(
        format!("{} is no name of a consumer group", quoted(text)),
        "write 1 to 255 bytes without blanks around them",
    )
}

/// The 128 bits of a digest key, from the bytes of its file: raw, or as hexadecimal digits.
pub fn digest_key(bytes: &[u8]) -> Parsed<DigestKey> {
    let help = "it must hold 32 hexadecimal digits or 16 bytes: `openssl rand -hex 16` makes a key";
    let text = without_newline(bytes);
    let digits = text.iter().all(u8::is_ascii_hexdigit) && !text.is_empty();
    if digits && text.len() == 32 {
        return Ok(DigestKey(hexadecimal(text)));
    }
    if digits {
        let count = text.len();
        return trouble(format!("the key has {count} hexadecimal digits"), help);
    }
    match <[u8; 16]>::try_from(bytes).or_else(|_| <[u8; 16]>::try_from(text)) {
        Ok(key) => Ok(DigestKey(key)),
        Err(_) => trouble(format!("the key has {} bytes", text.len()), help),
    }
}

/// Shorter tokens could be guessed.
const SHORTEST_TOKEN: usize = 16;
/// Longer tokens would not fit into the headers of a request.
const LONGEST_TOKEN: usize = 4096;

/// A bearer token, from the bytes of its file.
pub fn token(bytes: &[u8]) -> Parsed<String> {
    let help = "it must hold 16 to 4096 printable ASCII characters without blanks: `openssl rand -hex \
                32` makes a token";
    let text = without_newline(bytes);
    if !(SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&text.len()) {
        return trouble(format!("the token has {} bytes", text.len()), help);
    }
    match std::str::from_utf8(text) {
        Ok(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(token.to_owned()),
        _ => trouble(
            "the token holds blanks or other bytes that cannot be sent",
            help,
        ),
    }
}

/// Pairs of digits as bytes.
fn hexadecimal(digits: &[u8]) -> [u8; 16] {
    let digit = |at: usize| match digits.get(at) {
        Some(digit @ b'0'..=b'9') => digit - b'0',
        Some(digit) => (digit | 0x20).saturating_sub(b'a') + 10,
        None => 0,
    };
    std::array::from_fn(|index| digit(2 * index) << 4 | digit(2 * index + 1))
}

/// Bytes without the one line end that editors and `echo` leave.
pub fn without_newline(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_listen_on_are_read() {
        for (text, expected) in [
            ("0.0.0.0:9736", Some("0.0.0.0:9736")),
            (":9736", Some("0.0.0.0:9736")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("[::]:9736", Some("[::]:9736")),
            ("9736", None),
            ("localhost", None),
            ("example.com:9736", None),
            (":65536", None),
            ("::1:9736", None),
            ("", None),
        ] {
            let read = listen(text).map(|address| address.to_string());
            assert_eq!(read.ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn servers_are_told_from_other_texts() {
        for (text, expected) in [
            ("localhost:9092", true),
            ("localhost", true),
            ("SSL://kafka-1.example.com:9093", true),
            ("[::1]:9092", true),
            ("[fe80::1]", true),
            ("10.0.0.1:9092", true),
            ("", false),
            (":9092", false),
            ("kafka:0", false),
            ("kafka:port", false),
            ("kafka 1:9092", false),
            ("kafka:9092/path", false),
        ] {
            assert_eq!(is_server(text), expected, "{text}");
        }
        let joined = bootstrap_servers("a:1, b:2");
        assert_eq!(joined, Ok("a:1,b:2".to_owned()));
    }

    #[test]
    fn digest_keys_are_read_as_digits_or_as_bytes() {
        let digits =
            DigestKey(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        let raw = DigestKey(*b"0123456789abcde\n");
        let cases: [(&[u8], Option<DigestKey>); 9] = [
            (b"00112233445566778899aAbBcCdDeEfF", Some(digits)),
            (b"00112233445566778899aabbccddeeff\n", Some(digits)),
            (b"00112233445566778899aabbccddeeff\r\n", Some(digits)),
            (&digits.0, Some(digits)),
            (b"an orderly key 1\n", Some(DigestKey(*b"an orderly key 1"))),
            (b"0123456789abcdef", None),
            (b"", None),
            (b"00112233445566778899aabbccddeeff\n\n", None),
            (b"too short", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(digest_key(bytes).ok(), expected, "{bytes:?}");
        }
        // Fifteen digits and a line end are fifteen digits, not sixteen bytes.
        assert!(digest_key(&raw.0).is_err());
    }

    #[test]
    fn topics_follow_the_rules_of_kafka() {
        let long = "a".repeat(250);
        for (text, expected) in [
            ("customer-events", true),
            ("shop.orders_v2", true),
            ("", false),
            (".", false),
            ("..", false),
            ("^customer.*", false),
            ("two words", false),
            ("größe", false),
            (&long[1..], true),
            (&long, false),
        ] {
            assert_eq!(topic(text).is_ok(), expected, "{text}");
        }
    }
}

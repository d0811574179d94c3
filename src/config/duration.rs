//! Lengths of time as people write them.
//!
//! Owns the syntax: whole numbers with units, largest first, such as `90d` or `1h30m`. Lengths are
//! fixed: a day is 24 hours, whatever the calendar says. Does not know which setting is read.

use std::fmt;

/// The forms, for the help of complaints.
pub const FORMS: &str = "whole numbers with one of the units ms, s, m, h, d, w: for instance 500ms, \
                         90s, 36h, 90d or 1h30m";

/// A unit by its name and its length in milliseconds, largest first.
const UNITS: [(&str, i64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Words that people write for units.
const WORDS: [(&str, &[&str]); 6] = [
    ("w", &["week", "weeks", "wk", "wks"]),
    ("d", &["day", "days"]),
    ("h", &["hour", "hours", "hr", "hrs"]),
    ("m", &["minute", "minutes", "min", "mins"]),
    ("s", &["second", "seconds", "sec", "secs"]),
    ("ms", &["millisecond", "milliseconds", "millis", "msec"]),
];

/// Reads a length in milliseconds; `0` needs no unit. None where the text is no length, or one
/// beyond 64 bits.
pub fn parse(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut millis: i64 = 0;
    let mut smaller = UNITS.as_slice();
    while !rest.is_empty() {
        let (count, after_count) = leading(rest, |byte| byte.is_ascii_digit());
        let (name, after_name) = leading(after_count, |byte| byte.is_ascii_alphabetic());
        let at = smaller.iter().position(|(unit, _)| *unit == name)?;
        let part = count.parse::<i64>().ok()?.checked_mul(smaller[at].1)?;
        millis = millis.checked_add(part)?;
        smaller = &smaller[at + 1..];
        rest = after_name;
    }
    (!text.is_empty()).then_some(millis)
}

/// What the text probably means, where it is a single number with a unit in other words.
pub fn suggestion(text: &str) -> Option<String> {
    let (count, rest) = leading(text, |byte| byte.is_ascii_digit());
    let word = rest.trim().to_ascii_lowercase();
    let plain = UNITS.iter().find(|(unit, _)| *unit == word);
    let spelt = WORDS
        .iter()
        .find(|(_, words)| words.contains(&word.as_str()));
    let unit = plain
        .map(|(unit, _)| unit)
        .or(spelt.map(|(unit, _)| unit))?;
    let candidate = format!("{count}{unit}");
    parse(&candidate).map(|_| candidate)
}

/// A length in milliseconds as [`parse`] reads it; days are the largest unit.
pub struct Written(pub i64);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, length) in &UNITS[1..] {
            let count = rest / length;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            rest %= length;
        }
        Ok(())
    }
}

fn leading(text: &str, of: impl Fn(u8) -> bool) -> (&str, &str) {
    let length = text.bytes().take_while(|byte| of(*byte)).count();
    text.split_at(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written_back() {
        for (text, millis, written) in [
            ("0", 0, "0s"),
            ("0d", 0, "0s"),
            ("500ms", 500, "500ms"),
            ("1s", 1000, "1s"),
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("36h", 129_600_000, "1d12h"),
            ("2w", 1_209_600_000, "14d"),
            ("800d", 69_120_000_000, "800d"),
            ("1d1ms", 86_400_001, "1d1ms"),
        ] {
            assert_eq!(parse(text), Some(millis), "{text}");
            assert_eq!(Written(millis).to_string(), written, "{text}");
            assert_eq!(parse(written), Some(millis), "{written}");
        }
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in [
            "",
            "1",
            "d",
            "1.5h",
            "-1d",
            "+1d",
            " 1d",
            "1d ",
            "1 d",
            "1D",
            "1y",
            "1h1d",
            "1h1h",
            "1d 2h",
            "९d",
            "99999999999999999999d",
            "9999999999999w",
            "1d2",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_in_words_are_understood_well_enough_to_suggest_one() {
        for (text, expected) in [
            ("90 days", Some("90d")),
            ("1 Hour", Some("1h")),
            ("90D", Some("90d")),
            ("5 min", Some("5m")),
            ("days", None),
            ("2 years", None),
            ("90", None),
        ] {
            assert_eq!(suggestion(text).as_deref(), expected, "{text}");
        }
    }
}

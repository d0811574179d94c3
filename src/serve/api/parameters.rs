//! The parameters of a question: read strictly, and never shown again.

use std::str::FromStr;

use crate::event::Timestamp;
use crate::measure::period::Period;
use crate::serve::api::refusal::Refusal;

/// What stands behind the question mark, decoded.
pub(super) struct Parameters(Vec<(String, String)>);

/// The instants of a series as they were asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub step_millis: Option<i64>,
}

const TIME: &str = "give a time with its zone, as in 2026-11-01T00:00:00Z, or Unix seconds as in \
                    1793491200.5, from 2000 to 2069";
const STEP: &str = "give a fixed length: 15m, 6h, 1d, 1w, or seconds, at least 1";

impl Parameters {
    pub fn of(query: Option<&str>) -> Result<Self, Refusal> {
        let pairs = query.unwrap_or_default().split('&');
        let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        pairs.map(Self).ok_or_else(|| {
            let expected = "write bytes beyond letters and digits as %XX, in UTF-8";
            Refusal::bad("query", expected)
        })
    }

    /// Takes the one value of a parameter, if it is there.
    pub fn one(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let mut values = self.0.extract_if(.., |(given, _)| given == name);
        let value = values.next().map(|(_, value)| value);
        if values.next().is_some() {
            return Err(Refusal::bad(name, "give it once"));
        }
        Ok(value)
    }

    pub fn required(&mut self, name: &str, expected: &str) -> Result<String, Refusal> {
        let value = self.one(name)?;
        value.ok_or_else(|| Refusal::bad(name, expected))
    }

    pub fn instant(&mut self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let read = |text: String| instant(&text).ok_or_else(|| Refusal::bad(name, TIME));
        self.one(name)?.map(read).transpose()
    }

    /// A length in milliseconds.
    pub fn step(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        let read = |text: String| step(&text).ok_or_else(|| Refusal::bad(name, STEP));
        self.one(name)?.map(read).transpose()
    }

    /// Refuses what nobody has taken.
    pub fn none_left<'a>(self, known: impl IntoIterator<Item = &'a str>) -> Result<(), Refusal> {
        let Some((given, _)) = self.0.first() else {
            return Ok(());
        };
        let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
        // Comparing costs the product of the lengths.
        let distance = |name: &&String| {
            let short = given.len() <= 64;
            let wrong = short.then(|| strsim::damerau_levenshtein(given, name));
            wrong.filter(|wrong| *wrong <= 1 + name.len() / 4)
        };
        let near = known
            .iter()
            .filter_map(|name| Some((distance(&name)?, name)));
        let nearest = near.min().map(|(_, name)| name.clone());
        Err(Refusal::UnknownParameter { known, nearest })
    }
}

/// The period that is asked for, configured or not.
pub(super) fn period(text: Option<&str>) -> Result<Option<Period>, Refusal> {
    let expected = "give a length like 24h, 7d or 2w, or a name like this_month or last_quarter";
    let read = |text| Period::from_str(text).map_err(|_| Refusal::bad("period", expected));
    text.map(read).transpose()
}

/// Percent-decoded UTF-8, in which `+` is a blank.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn instant(text: &str) -> Option<Timestamp> {
    let at = unix_seconds(text).or_else(|| {
        // A plus that was not encoded arrives as a blank, and can be nothing else there.
        let zone = text.len().checked_sub(6)?;
        match text.split_at_checked(zone)? {
            (time, zone) if zone.starts_with(' ') && time.len() > 18 => {
                Timestamp::from_rfc3339(&format!("{time}+{}", &zone[1..]))
            }
            _ => Timestamp::from_rfc3339(text),
        }
    });
    at.filter(|at| at.plausible())
}

/// Decimal seconds; what is below a millisecond is cut off.
fn unix_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 10 {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    Some(Timestamp::from_millis(seconds * 1000 + millis))
}

/// A length in milliseconds, at least a second and at most 10,000 days.
fn step(text: &str) -> Option<i64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1000),
        b'm' => (&text[..text.len() - 1], 60_000),
        b'h' => (&text[..text.len() - 1], 3_600_000),
        b'd' => (&text[..text.len() - 1], 86_400_000),
        b'w' => (&text[..text.len() - 1], 7 * 86_400_000),
        _ => (text, 1000),
    };
    let plain = (1..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let count: i64 = digits.parse().ok().filter(|_| plain)?;
    let millis = count.checked_mul(unit)?;
    (1000..=10_000 * 86_400_000)
        .contains(&millis)
        .then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_a_zone_or_unix_seconds() {
        for (text, expected) in [
            ("2026-11-01T00:00:00Z", Some(1_793_491_200_000)),
            ("2026-11-01T01:00:00+01:00", Some(1_793_491_200_000)),
            ("2026-11-01T01:00:00 01:00", Some(1_793_491_200_000)),
            ("2026-11-01 00:00:00.25Z", Some(1_793_491_200_250)),
            ("1793491200", Some(1_793_491_200_000)),
            ("1793491200.5", Some(1_793_491_200_500)),
            ("1793491200.12399", Some(1_793_491_200_123)),
            ("2026-11-01T00:00:00", None),
            ("2026-11-01", None),
            ("1793491200000", None),
            ("-1", None),
            ("1", None),
            ("1e9", None),
            ("1793491200.", None),
            (".5", None),
            ("now", None),
            ("", None),
            ("ééééééééééé 01:00", None),
        ] {
            let read = instant(text).map(Timestamp::as_millis);
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn steps_are_fixed_lengths() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("90", Some(90_000)),
            ("30s", Some(30_000)),
            ("15m", Some(900_000)),
            ("6h", Some(21_600_000)),
            ("1d", Some(86_400_000)),
            ("2w", Some(1_209_600_000)),
            ("0", None),
            ("0d", None),
            ("-1d", None),
            ("1.5d", None),
            ("d", None),
            ("1M", None),
            ("20000d", None),
            ("99999999999", None),
            ("9999999999w", None),
            ("1é", None),
            ("", None),
        ] {
            assert_eq!(step(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_strictly() {
        for (text, expected) in [
            ("a%20b+c", Some("a b c")),
            ("%C3%B6", Some("ö")),
            ("100%25", Some("100%")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%FF", None),
        ] {
            assert_eq!(decoded(text).as_deref(), expected, "{text}");
        }
    }
}

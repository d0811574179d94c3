//! Which format and which encoding a client asks for, by its headers and their q-values.
//!
//! Promises an answer for anything a client may send: what cannot be read matches nothing, and when
//! nothing matches the answer is plain text 0.0.4.

use axum::http::{HeaderMap, HeaderName, header};

use crate::serve::exposition::Format;

/// How the body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
}

/// One element of a header: what is offered, its parameters, and how much it is wanted.
struct Offer<'a> {
    value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// 0 to 1; 0 is a refusal.
    quality: f32,
}

/// OpenMetrics when its 1.0.0 is asked for by name and no less than text, else text 0.0.4.
#[must_use]
pub fn format(headers: &HeaderMap) -> Format {
    let text = list(headers, &header::ACCEPT);
    let offers: Vec<Offer<'_>> = offers(&text).collect();
    let openmetrics = best(
        &offers,
        &["application/openmetrics-text", "application/*"],
        "1.0.0",
    );
    let plain = best(&offers, &["text/plain", "text/*", "*/*"], "0.0.4");
    if openmetrics > 0.0 && openmetrics >= plain {
        Format::OpenMetrics100
    } else {
        Format::Text004
    }
}

/// gzip when it is wanted, and no less than nothing at all.
#[must_use]
pub fn encoding(headers: &HeaderMap) -> Encoding {
    let text = list(headers, &header::ACCEPT_ENCODING);
    let quality = |names: &[&str]| {
        offers(&text)
            .filter(|offer| {
                names
                    .iter()
                    .any(|name| offer.value.eq_ignore_ascii_case(name))
            })
            .map(|offer| offer.quality)
            .reduce(f32::max)
    };
    let gzip = quality(&["gzip", "x-gzip"]).or_else(|| quality(&["*"]));
    let identity = quality(&["identity"]);
    match gzip {
        Some(gzip) if gzip > 0.0 && gzip >= identity.unwrap_or(0.0) => Encoding::Gzip,
        _ => Encoding::Identity,
    }
}

/// How much a type is wanted, by the most specific of its ranges that is offered in this version or
/// in none; 0 when it is not.
fn best(offers: &[Offer<'_>], ranges: &[&str], version: &str) -> f32 {
    ranges
        .iter()
        .find_map(|range| {
            offers
                .iter()
                .filter(|offer| offer.value.eq_ignore_ascii_case(range) && offer.fits(version))
                .map(|offer| offer.quality)
                .reduce(f32::max)
        })
        .unwrap_or(0.0)
}

impl Offer<'_> {
    fn fits(&self, version: &str) -> bool {
        self.parameters
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("version"))
            .all(|(_, value)| *value == version)
    }
}

/// All lines of a header as one list; a line that is not text is left out.
fn list(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    lines.join(",")
}

fn offers(list: &str) -> impl Iterator<Item = Offer<'_>> {
    list.split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let value = parts.next().filter(|value| !value.is_empty())?;
        let parameters: Vec<(&str, &str)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .collect();
        let quality = parameters
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("q"))
            .map_or(Some(1.0), |(_, value)| quality(value))?;
        Some(Offer {
            value,
            parameters,
            quality,
        })
    })
}

fn quality(text: &str) -> Option<f32> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let quality: f32 = text.parse().ok()?;
    (plain && (0.0..=1.0).contains(&quality)).then_some(quality)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).expect("a header value");
            headers.append(&name, value);
        }
        headers
    }

    fn check_format(accept: &[&str], expected: Format) {
        assert_eq!(
            format(&headers(header::ACCEPT, accept)),
            expected,
            "{accept:?}"
        );
    }

    #[test]
    fn openmetrics_is_for_those_who_ask_for_it() {
        use Format::{OpenMetrics100, Text004};
        for (accept, expected) in [
            // Prometheus 2.42, then 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics100,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                OpenMetrics100,
            ),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Text004),
            // A browser, and curl.
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Text004,
            ),
            ("*/*", Text004),
            ("", Text004),
            ("application/openmetrics-text", OpenMetrics100),
            (
                "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
                OpenMetrics100,
            ),
            ("application/*", OpenMetrics100),
            ("application/openmetrics-text;version=0.0.1", Text004),
            ("application/openmetrics-text;q=0", Text004),
            ("application/openmetrics-text;q=0, application/*", Text004),
            (
                "application/openmetrics-text;q=0.4, text/plain;q=0.5",
                Text004,
            ),
            (
                "application/openmetrics-text;q=0.5, text/plain;q=0.4",
                OpenMetrics100,
            ),
            ("application/openmetrics-text, text/plain", OpenMetrics100),
            (
                "text/plain;q=0.1, */*, application/openmetrics-text;q=0.5",
                OpenMetrics100,
            ),
            ("application/json", Text004),
            // What cannot be read is as if it were not there.
            ("application/openmetrics-text;q=2", Text004),
            ("application/openmetrics-text;q=nan", Text004),
            ("application/openmetrics-text;q=-1", Text004),
            (";;,,=;q,;q=1", Text004),
        ] {
            check_format(&[accept], expected);
        }
        check_format(&[], Text004);
        check_format(
            &["text/plain;q=0.2", "application/openmetrics-text;q=0.3"],
            OpenMetrics100,
        );
        check_format(
            &["application/openmetrics-text\u{e9}", "text/plain"],
            Text004,
        );
    }

    fn check_encoding(accept: &[&str], expected: Encoding) {
        let headers = headers(header::ACCEPT_ENCODING, accept);
        assert_eq!(encoding(&headers), expected, "{accept:?}");
    }

    #[test]
    fn pages_are_packed_for_those_who_ask_for_it() {
        use Encoding::{Gzip, Identity};
        for (accept, expected) in [
            ("gzip", Gzip),
            ("GZIP;q=0.001", Gzip),
            ("x-gzip", Gzip),
            ("deflate, br, gzip;q=0.5", Gzip),
            ("*", Gzip),
            ("gzip, identity", Gzip),
            ("gzip;q=0.5, identity;q=0.5", Gzip),
            ("gzip;q=0.5, identity;q=0.6", Identity),
            ("gzip;q=0", Identity),
            ("gzip;q=0, *", Identity),
            ("*;q=0", Identity),
            ("deflate, br, zstd", Identity),
            ("identity", Identity),
            ("", Identity),
            ("gzip;q=x", Identity),
        ] {
            check_encoding(&[accept], expected);
        }
        check_encoding(&[], Identity);
        check_encoding(&["br", "gzip"], Gzip);
    }
}

//! The console: the page for people at `/`, and the few files that it is made of.
//!
//! Owns the files and how they are served. Promises that the page needs nothing from elsewhere and
//! that no text can become code in it: scripts and styles come from here alone, and a browser refuses
//! to make markup out of texts. Does not know a single number: the page asks the API, as anybody could.
//!
//! ```text
//!  /                    index.html     the frame of the page
//!  /console/<file>      FILES          scripts, styles, the chart library; kept by the browser,
//!                                      which asks whether they are still the same
//! ```
//!
//! The scripts are plain modules without a build step. `console.js` is where they begin.

use std::hash::Hasher;
use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::serve::negotiation::{self, Encoding};

/// One file as it stands in the sources.
struct Source {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

macro_rules! files {
    ($($kind:ident $name:literal;)*) => {
        [$(Source { name: $name, kind: $kind, text: include_str!($name) }),*]
    };
}

const INDEX: Source = Source {
    name: "index.html",
    kind: "text/html; charset=utf-8",
    text: include_str!("index.html"),
};

/// What `/console/` has.
static FILES: [Source; 15] = files! {
    SCRIPT "theme.js";
    SCRIPT "console.js";
    SCRIPT "service.js";
    SCRIPT "dom.js";
    SCRIPT "format.js";
    SCRIPT "report.js";
    SCRIPT "address.js";
    SCRIPT "tiles.js";
    SCRIPT "trends.js";
    SCRIPT "tables.js";
    SCRIPT "health.js";
    SCRIPT "explanation.js";
    SCRIPT "uplot/uPlot.esm.js";
    STYLE "uplot/uPlot.min.css";
    STYLE "console.css";
};

/// Nothing from elsewhere, nothing inline, no texts as markup, no frames around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The routes of the console, with paths of their own: `/` and all below `/console/`.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/console/{*file}", get(file))
}

async fn page(headers: HeaderMap) -> Response {
    static PAGE: LazyLock<File> = LazyLock::new(|| File::of(&INDEX));
    PAGE.answer(&headers)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    static LOADED: LazyLock<Vec<File>> = LazyLock::new(|| FILES.iter().map(File::of).collect());
    match LOADED.iter().find(|file| file.source.name == name) {
        Some(file) => file.answer(&headers),
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}

/// A file as it is served.
struct File {
    source: &'static Source,
    zipped: Option<Vec<u8>>,
    /// Of the content, the same for both encodings and therefore weak.
    tag: String,
}

impl File {
    fn of(source: &'static Source) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(source.text.as_bytes());
        let hash = hasher.finish128().as_u128();
        Self {
            source,
            zipped: zipped(source.text),
            tag: format!("W/\"{hash:032x}\""),
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim() == self.tag);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.body(negotiation::encoding(headers))
        };
        let headers = response.headers_mut();
        let mut insert = |name, value| headers.insert(name, HeaderValue::from_static(value));
        insert(header::CONTENT_SECURITY_POLICY, POLICY);
        insert(header::REFERRER_POLICY, "no-referrer");
        insert(header::VARY, "Accept-Encoding");
        // Kept, and asked about before each use: a new version shows at once.
        insert(header::CACHE_CONTROL, "no-cache");
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }

    fn body(&self, encoding: Encoding) -> Response {
        let kind = [(header::CONTENT_TYPE, self.source.kind)];
        match (&self.zipped, encoding) {
            (Some(zipped), Encoding::Gzip) => {
                let packed = [(header::CONTENT_ENCODING, "gzip")];
                (kind, packed, zipped.as_slice().to_vec()).into_response()
            }
            _ => (kind, self.source.text).into_response(),
        }
    }
}

/// As small as it gets: this is done once.
fn zipped(text: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 3), Compression::best());
    encoder.write_all(text.as_bytes()).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::measure::catalogue::measure;

    /// The files that a text asks for: what is imported, and what the page names.
    fn asked_for(text: &str) -> BTreeSet<&str> {
        let quoted = |mark: &'static str, end: char| {
            let pieces = text.split(mark).skip(1);
            pieces.filter_map(move |rest| rest.split(end).next())
        };
        quoted("from './", '\'')
            .chain(quoted("src=\"console/", '"'))
            .chain(quoted("href=\"console/", '"'))
            .collect()
    }

    /// The names of metrics in a text.
    fn metrics(text: &str) -> impl Iterator<Item = &str> {
        let part_of_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let words = text.split(move |c: char| !part_of_a_name(c));
        words.filter(|word| word.starts_with("tenure_") && *word != "tenure_")
    }

    #[test]
    fn every_metric_that_is_named_exists() {
        let texts = FILES.iter().map(|file| file.text);
        let guide = include_str!("../../../docs/console.md");
        let named: BTreeSet<&str> = texts.chain([guide]).flat_map(metrics).collect();
        assert!(named.len() > 20, "{named:?}");
        for name in named {
            assert!(measure(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_file_is_asked_for_and_what_is_asked_for_is_there() {
        let sources = FILES.iter().chain([&INDEX]);
        let asked: BTreeSet<&str> = sources.flat_map(|source| asked_for(source.text)).collect();
        let there: BTreeSet<&str> = FILES.iter().map(|file| file.name).collect();
        assert_eq!(asked, there);
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_no_text_becomes_markup() {
        let own = FILES.iter().filter(|file| !file.name.starts_with("uplot/"));
        for source in own.chain([&INDEX]) {
            // The name of a vocabulary is no address.
            let text = source.text.replace("http://www.w3.org/2000/svg", "");
            for forbidden in [
                "http:",
                "https:",
                "@import",
                "url(",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " style=\"",
                " onclick=",
            ] {
                assert!(!text.contains(forbidden), "{}: {forbidden}", source.name);
            }
        }
        assert!(!INDEX.text.contains("<script>") && !INDEX.text.contains("<style"));
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let file = File::of(&INDEX);
        let asked = |tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, tag.parse().expect("a header"));
            file.answer(&headers).status()
        };
        assert_eq!(asked(&file.tag), StatusCode::NOT_MODIFIED);
        assert_eq!(
            asked(&format!("\"a\", {}", file.tag)),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(asked("\"another\""), StatusCode::OK);
    }
}

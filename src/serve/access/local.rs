//! Whether a request comes from this machine, and not merely by way of it.
//!
//! Owns the three signs: the address of the peer, the name that was asked for, and the traces of a
//! proxy. A browser here can be made to ask on behalf of a page from elsewhere whose name suddenly
//! stands for this machine, but it then asks for that name. Knows no settings.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::uri::Authority;

use crate::serve::api::refusal::Refusal;

/// Why a request is not taken for one of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    /// The peer is another machine, or a proxy speaks for one.
    Elsewhere,
    /// What was asked for is neither an address nor `localhost`.
    OtherName,
}

/// What a proxy adds to the requests that it passes on.
const TRACES: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// The peer's address has to be a canonical one.
pub(super) fn judge(peer: IpAddr, request: &Parts) -> Result<(), Stranger> {
    let passed_on = TRACES.iter().any(|name| request.headers.contains_key(name));
    if !peer.is_loopback() || passed_on {
        return Err(Stranger::Elsewhere);
    }
    if asks_for_this_machine(request) {
        Ok(())
    } else {
        Err(Stranger::OtherName)
    }
}

fn asks_for_this_machine(request: &Parts) -> bool {
    let mut values = request.headers.get_all(header::HOST).iter();
    let (Some(host), None) = (values.next(), values.next()) else {
        return false;
    };
    let host = host.to_str().ok().and_then(|host| host.parse().ok());
    let asked: Option<Authority> = request.uri.authority().cloned().or(host);
    asked.is_some_and(|asked| {
        let name = asked.host();
        let bracketed = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || bracketed.is_some_and(|name| name.parse::<Ipv6Addr>().is_ok())
    })
}

/// The refusal for who looks at it in a browser.
pub(super) fn page(refusal: &Refusal) -> String {
    let sentence = refusal
        .to_string()
        .replace('&', "&amp;")
        .replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Tenure: not for you yet\
         </title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;\
         padding:0 1em;color-scheme:light dark}}</style>\n<h1>Tenure</h1>\n<p>{sentence}.</p>\n\
         <p>The metrics are at <a href=\"/metrics\">/metrics</a>.</p>\n</html>\n"
    )
}

//! A running service, asked over HTTP.
//!
//! Owns the address, the request and what a refusal means for the exit code. Promises to end: every
//! answer has a time and a size that it may take. Speaks plain HTTP only, as the service does.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use crate::command::Failure;

/// A question about the past may take a minute on the service, after some seconds of waiting for
/// its turn.
const PATIENCE: Duration = Duration::from_secs(90);
const CONNECT: Duration = Duration::from_secs(5);
/// A report of all measures with all series that the limits allow stays below.
const LARGEST: u64 = 256 << 20;

/// The JSON that `path` of the service answers.
///
/// # Errors
/// If the service is not reached or not ready (something is unavailable), or refuses.
pub fn get<T: DeserializeOwned>(
    url: &str,
    path: &str,
    query: &[(String, String)],
) -> Result<T, Failure> {
    let base = base(url)?;
    let mut request = agent().get(format!("{base}{path}"));
    for (name, value) in query {
        request = request.query(name, value);
    }
    let unreachable = |error: ureq::Error| {
        Failure::unavailable(format!(
            "{base} does not answer: {error}; is this where `tenure run` listens?"
        ))
    };
    let mut response = request.call().map_err(unreachable)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(LARGEST);
    let text = body.read_to_string().map_err(unreachable)?;
    if status != 200 {
        return Err(refused(base, status, &text));
    }
    serde_json::from_str(&text).map_err(|error| {
        Failure::work(format!(
            "{base}{path} did not answer as expected: {error}; is it a tenure of this version?"
        ))
    })
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// The address without what follows it.
fn base(url: &str) -> Result<&str, Failure> {
    if url.starts_with("https://") {
        return Err(Failure::usage(
            "https is not supported: give the http address of the service itself, or of a tunnel \
             to it",
        ));
    }
    if !url.starts_with("http://") {
        return Err(Failure::usage(
            "give the address of the service as http://HOST:PORT",
        ));
    }
    Ok(url.trim_end_matches('/'))
}

/// How the service says no.
#[derive(Deserialize)]
struct Refused {
    error: Why,
}

#[derive(Deserialize)]
struct Why {
    message: String,
}

fn refused(base: &str, status: u16, text: &str) -> Failure {
    let Ok(Refused { error }) = serde_json::from_str(text) else {
        return Failure::work(format!(
            "{base} answers with status {status} and no reason; is it a tenure of this version?"
        ));
    };
    match status {
        400 => Failure::usage(error.message),
        503 => Failure::unavailable(error.message),
        _ => Failure::work(error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_asked() {
        assert_eq!(
            base("http://localhost:9736/").unwrap(),
            "http://localhost:9736"
        );
        for url in ["https://tenure", "localhost:9736", ""] {
            assert!(base(url).is_err(), "{url}");
        }
    }
}

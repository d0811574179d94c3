//! Questions to servers under test. Knows plain HTTP on the loopback interface, nothing more.

use std::time::Duration;

use ureq::Agent;

/// Pages of many series are larger than the client's default limit.
const BODY_BYTES_MAX: u64 = 256 << 20;

/// Fetches a page: its status, whatever it is, and its body.
pub fn get(url: &str, parameters: &[(&str, &str)]) -> Result<(u16, String), String> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let request = agent.get(url).query_pairs(parameters.iter().copied());
    let mut response = request.call().map_err(|error| format!("{url}: {error}"))?;
    let body = response
        .body_mut()
        .with_config()
        .limit(BODY_BYTES_MAX)
        .read_to_string();
    Ok((
        response.status().as_u16(),
        body.map_err(|error| format!("{url}: {error}"))?,
    ))
}

/// Fetches a page that must answer with status 200.
pub fn get_ok(url: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
    match get(url, parameters)? {
        (200, body) => Ok(body),
        (status, body) => Err(format!("{url}: status {status}: {body}")),
    }
}

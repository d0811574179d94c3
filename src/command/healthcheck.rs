//! `tenure healthcheck`: whether a running service is alive, for supervisors without a shell.
//!
//! Owns one request and its meaning. Promises to end within seconds and to tell by the exit code
//! alone. Does not know what health is: that is what the service answers at `/-/healthy`.

use std::time::Duration;

use ureq::Agent;

use crate::command::Failure;

const EXAMPLES: &str = "\
Examples:
  # In a container, where there is no shell and no curl
  tenure healthcheck

  # Of a service that listens elsewhere
  tenure healthcheck --url http://127.0.0.1:9000
";

/// A thread that is stuck answers nothing; whoever asks gives up soon after.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ask a running service whether it is alive
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct HealthcheckArgs {
    /// Address of the service
    #[arg(
        long,
        value_name = "URL",
        env = "TENURE_HEALTHCHECK_URL",
        default_value = "http://127.0.0.1:9736"
    )]
    pub url: String,
}

/// Succeeds if the service says that it is alive, or that it is not for us to know.
///
/// # Errors
/// If the service is not reached in time, or says that it is broken.
pub fn run(args: &HealthcheckArgs) -> Result<(), Failure> {
    let base = address(&args.url)?;
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let response = agent
        .get(format!("{base}/-/healthy"))
        .call()
        .map_err(|error| Failure::unavailable(format!("{base} does not answer: {error}")))?;
    let status = response.status().as_u16();
    if alive(status) {
        Ok(())
    } else {
        Err(Failure::work(format!(
            "{base} answers with status {status}"
        )))
    }
}

/// The address without what follows it. With TLS there is nothing to ask: the certificate is for
/// other names than the loopback interface's.
fn address(url: &str) -> Result<&str, Failure> {
    if url.starts_with("http://") {
        Ok(url.trim_end_matches('/'))
    } else {
        Err(Failure::usage(
            "give the address of the service as http://HOST:PORT; one that wants TLS cannot be asked",
        ))
    }
}

/// A service that asks for a password is alive too.
fn alive(status: u16) -> bool {
    matches!(status, 200 | 401 | 403)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_asked() {
        assert_eq!(
            address("http://127.0.0.1:9736/").unwrap(),
            "http://127.0.0.1:9736"
        );
        for url in ["https://127.0.0.1:9736", "127.0.0.1:9736", ""] {
            assert!(address(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_service_is_alive_unless_it_is_broken_or_another_one() {
        let check = |status: u16, expected: bool| assert_eq!(alive(status), expected, "{status}");
        check(200, true);
        check(401, true);
        check(403, true);
        check(404, false);
        check(500, false);
        check(503, false);
    }
}

//! A running service, asked over HTTP.
//!
//! Owns the address, what is shown to be let in, the request, and what a refusal means for the exit
//! code. Promises to end (every answer has a time and a size that it may take), to show a password to
//! nobody but the service that was named, and never to accept a certificate that nobody vouches for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::command::Failure;

/// A question about the past may take a minute on the service, after some seconds of waiting for
/// its turn.
const PATIENCE: Duration = Duration::from_secs(90);
const CONNECT: Duration = Duration::from_secs(5);
/// A report of all measures with all series that the limits allow stays below.
const LARGEST: u64 = 256 << 20;

/// Where the service is, and what it wants to see.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceArgs {
    /// Ask the service that listens there, instead of a file
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// Certificates of the authorities that may vouch for the service (PEM) [default: those of public
    /// services]
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca_file: Option<PathBuf>,

    /// Name of a user of the service
    #[arg(
        long,
        value_name = "NAME",
        requires = "url",
        requires = "password_file"
    )]
    pub username: Option<String>,

    /// File with the password of the user; a line end after it is ignored
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,

    /// Certificate to show to the service (PEM)
    #[arg(long, value_name = "FILE", requires = "url", requires = "key_file")]
    pub cert_file: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
}

impl ServiceArgs {
    /// The JSON that `path` of the service at the address answers.
    ///
    /// # Errors
    /// If the service is not reached or not ready (something is unavailable), or refuses.
    pub fn get<T: DeserializeOwned>(
        &self,
        url: &str,
        path: &str,
        query: &[(String, String)],
    ) -> Result<T, Failure> {
        let base = base(url)?;
        let mut request = self.agent()?.get(format!("{base}{path}"));
        for (name, value) in query {
            request = request.query(name, value);
        }
        if let Some(shown) = self.authorization(base)? {
            request = request.header("Authorization", shown);
        }
        let unreachable = |error: ureq::Error| {
            Failure::unavailable(format!(
                "{base} does not answer: {error}; is this where `tenure run` listens, and is it http \
                 or https?"
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

    fn agent(&self) -> Result<Agent, Failure> {
        let mut tls = TlsConfig::builder();
        if let Some(file) = &self.ca_file {
            let roots: RootCerts = certificates(file)?.into();
            tls = tls.root_certs(roots);
        }
        if let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) {
            let key = PrivateKey::from_pem(&content(key)?)
                .map_err(|_| Failure::usage(format!("{} holds no private key", key.display())))?;
            let chain = certificates(cert)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(Agent::config_builder()
            .http_status_as_error(false)
            // The service sends nobody elsewhere, and a password must not go there.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(PATIENCE))
            .tls_config(tls.build())
            .build()
            .into())
    }

    /// Name and password, as the service wants to see them.
    fn authorization(&self, base: &str) -> Result<Option<String>, Failure> {
        let (Some(name), Some(file)) = (&self.username, &self.password_file) else {
            return Ok(None);
        };
        if name.contains(':') {
            return Err(Failure::usage("the name of a user cannot have a colon"));
        }
        if base.starts_with("http://") && !is_of_this_machine(base) {
            return Err(Failure::usage(
                "a password is shown over https only, or to a service on this machine",
            ));
        }
        let password = content(file)?;
        let password = password.strip_suffix(b"\n").unwrap_or(&password);
        let password = password.strip_suffix(b"\r").unwrap_or(password);
        let shown = STANDARD.encode([name.as_bytes(), b":", password].concat());
        Ok(Some(format!("Basic {shown}")))
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let pem = content(file)?;
    let found = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        let file = file.display();
        return Err(Failure::usage(format!("{file} holds no certificate (PEM)")));
    }
    Ok(found)
}

fn content(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::usage(format!("could not read {}: {error}", file.display())))
}

/// The address without what follows it.
fn base(url: &str) -> Result<&str, Failure> {
    let Some(rest) = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
    else {
        return Err(Failure::usage(
            "give the address of the service as http://HOST:PORT or https://HOST:PORT",
        ));
    };
    if rest.contains('@') {
        return Err(Failure::usage(
            "give name and password with --username and --password-file, not in the address: it is \
             shown in lists of processes",
        ));
    }
    Ok(url.trim_end_matches('/'))
}

fn is_of_this_machine(base: &str) -> bool {
    let authority = base.trim_start_matches("http://");
    let authority = authority.split('/').next().unwrap_or(authority);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
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
        401 => Failure::usage(format!(
            "{base} does not let this in: {}; give --username and --password-file",
            error.message
        )),
        503 => Failure::unavailable(error.message),
        _ => Failure::work(error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_and_no_password() {
        for url in ["http://localhost:9736", "https://tenure.example.com"] {
            assert_eq!(base(&format!("{url}/")).unwrap(), url);
        }
        for url in [
            "localhost:9736",
            "",
            "ftp://tenure",
            "https://me:hunter2@tenure",
        ] {
            let complaint = base(url).unwrap_err().to_string();
            assert!(!complaint.contains("hunter2"), "{complaint}");
        }
    }

    #[test]
    fn a_password_goes_in_the_clear_to_this_machine_alone() {
        for (base, expected) in [
            ("http://localhost:9736", true),
            ("http://LOCALHOST", true),
            ("http://127.0.0.1:9736", true),
            ("http://[::1]:9736", true),
            ("http://localhost.example.com:9736", false),
            ("http://10.0.0.1:9736", false),
            ("http://tenure:9736/localhost", false),
        ] {
            assert_eq!(is_of_this_machine(base), expected, "{base}");
        }
    }
}

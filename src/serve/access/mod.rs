//! Who is let in, and what they have to show.
//!
//! Owns the decision on every connection and every request: TLS, users with their passwords, the rate
//! limit, and who may ask where nobody has to show anything. Promises that whatever is not known to be
//! for everybody is for this machine alone, that guessing passwords costs the rest of the process
//! little, and that a web config file which can no longer be used changes nothing. Does not know what
//! is asked for.
//!
//! ```text
//!  connection -- TLS, if configured --+
//!                                     v
//!  request --> rate --> users? --yes--> password --> in
//!                        |no
//!                        +--> certificate vouched for, or api.open, or for everybody --> in
//!                        +--> from this machine, and asked by its name ----------------> in
//!
//!  what other instances ask --> their token, and nothing else -----------------------------> in
//! ```

mod local;
mod passwords;
mod rate;
mod upkeep;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::web::{PasswordHash, WebFile, WebSettings};
use crate::serve::access::local::Stranger;
use crate::serve::access::passwords::{Passwords, Verdict};
use crate::serve::access::rate::Bucket;
use crate::serve::api::Token;
use crate::serve::api::refusal::Refusal;
use crate::serve::peers;

/// Who may connect and ask.
#[derive(Debug, Clone, Default)]
pub struct Access {
    open: bool,
    file: Option<WebFile>,
    peers: Option<Arc<Token>>,
}

impl Access {
    /// Everybody who can connect.
    #[must_use]
    pub fn everybody() -> Self {
        Self::of(true, None)
    }

    /// This machine; others get what is for everybody: the metrics page, health and readiness.
    #[must_use]
    pub fn this_machine() -> Self {
        Self::of(false, None)
    }

    /// Whom the file admits; where it asks nobody to show anything, everybody or this machine.
    #[must_use]
    pub fn of(open: bool, file: Option<WebFile>) -> Self {
        Self {
            open,
            file,
            peers: None,
        }
    }

    /// The same, and whoever shows this token may ask what instances ask each other, and only that.
    #[must_use]
    pub fn with_peers(self, token: Option<Token>) -> Self {
        Self {
            peers: token.map(Arc::new),
            ..self
        }
    }

    /// Whether nobody gets through who has not shown who they are.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        let file = self.file.as_ref();
        file.is_some_and(|file| file.settings.authenticates())
    }

    /// `https` if connections are encrypted, else `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match &self.file {
            Some(file) if file.settings.tls.is_some() => "https",
            _ => "http",
        }
    }
}

/// What decides, and goes on doing so while the file changes.
pub(super) struct Gate {
    open: bool,
    peers: Option<Arc<Token>>,
    file: Option<WebFile>,
    rules: ArcSwap<Rules>,
    changes: watch::Sender<()>,
    passwords: Arc<Passwords>,
}

/// What one version of the file says.
pub(super) struct Rules {
    tls: Option<TlsAcceptor>,
    clients_verified: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    users: BTreeMap<String, PasswordHash>,
    rate: Option<Bucket>,
}

/// A client that is connected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    pub peer: IpAddr,
    /// An authority has vouched for its certificate.
    pub verified: bool,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// No name and password, or wrong ones.
    Unknown,
    /// It is not from this machine, or not for sure.
    Stranger(Stranger),
    /// There are too many requests.
    TooMany,
    /// It does not show the token of the instances.
    NoPeer,
    /// There is no such token.
    NoPeers,
}

impl Rules {
    fn of(settings: &WebSettings) -> Self {
        let header = |(name, value): &(&'static str, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        Self {
            tls: settings.tls.clone().map(TlsAcceptor::from),
            clients_verified: settings.clients_verified,
            headers: settings.headers.iter().filter_map(header).collect(),
            users: settings.users.clone(),
            rate: settings.rate.map(Bucket::new),
        }
    }

    /// How connections are encrypted, if they are.
    pub fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    /// Who comes over a connection that was let in by these rules.
    pub fn visitor(&self, peer: IpAddr) -> Visitor {
        Visitor {
            peer: peer.to_canonical(),
            verified: self.clients_verified,
        }
    }
}

impl Gate {
    pub fn new(access: Access) -> Arc<Self> {
        let settings = access.file.as_ref().map(|file| &file.settings);
        let rules = Rules::of(settings.unwrap_or(&WebSettings::default()));
        Arc::new(Self {
            open: access.open,
            peers: access.peers,
            rules: ArcSwap::from_pointee(rules),
            file: access.file,
            changes: watch::Sender::new(()),
            passwords: Passwords::new(),
        })
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Tells when other rules come into force: connections were let in by those before.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Lets a request in, or answers it.
    pub async fn admit(&self, visitor: Visitor, request: &Parts) -> Result<(), Response> {
        let judged = self.judge(visitor, request).await;
        judged.map_err(|obstacle| refusal(obstacle, request.uri.path()))
    }

    /// Adds what the file wants on every answer; it wins over what is there.
    pub fn dress(&self, response: &mut Response) {
        for (name, value) in &self.rules.load().headers {
            response.headers_mut().insert(name, value.clone());
        }
    }

    async fn judge(&self, visitor: Visitor, request: &Parts) -> Result<(), Obstacle> {
        let rules = self.rules();
        let for_peers = peers::is_for_them(request.uri.path());
        if for_peers && self.is_peer(request) {
            return Ok(());
        }
        if rules.rate.as_ref().is_some_and(|rate| !rate.admits()) {
            return Err(Obstacle::TooMany);
        }
        if for_peers {
            return Err(match self.peers {
                Some(_) => Obstacle::NoPeer,
                None => Obstacle::NoPeers,
            });
        }
        if rules.users.is_empty() {
            let known = visitor.verified || self.open || is_for_everybody(request.uri.path());
            return if known {
                Ok(())
            } else {
                local::judge(visitor.peer, request).map_err(Obstacle::Stranger)
            };
        }
        let (user, password) = credentials(request).ok_or(Obstacle::Unknown)?;
        let verdict = self
            .passwords
            .judge(visitor.peer, &rules.users, &user, password)
            .await;
        match verdict {
            Verdict::Right => Ok(()),
            Verdict::Wrong => Err(Obstacle::Unknown),
            Verdict::Busy => Err(Obstacle::TooMany),
        }
    }

    /// Whether another instance asks. They know each other by their token alone, so that users,
    /// passwords and the rate limit of clients do not come between them.
    fn is_peer(&self, request: &Parts) -> bool {
        let token = self.peers.as_ref();
        token.is_some_and(|token| token.is_borne(&request.headers))
    }
}

/// What Prometheus and probes ask for; everything else, whatever it will be, is not for everybody.
fn is_for_everybody(path: &str) -> bool {
    ["/metrics", "/-/healthy", "/-/ready"].contains(&path)
}

/// Name and password, where the request shows them once.
fn credentials(request: &Parts) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut values = request.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, shown) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let shown = STANDARD.decode(shown.trim_ascii()).ok()?;
    let colon = shown.iter().position(|byte| *byte == b':')?;
    Some((shown[..colon].to_vec(), shown[colon + 1..].to_vec()))
}

fn refusal(obstacle: Obstacle, path: &str) -> Response {
    let refusal = match obstacle {
        Obstacle::Unknown => Refusal::UnknownUser,
        Obstacle::Stranger(Stranger::Elsewhere) => Refusal::Elsewhere,
        Obstacle::Stranger(Stranger::OtherName) => Refusal::OtherName,
        Obstacle::TooMany => Refusal::TooManyRequests,
        Obstacle::NoPeer => Refusal::NoPeer,
        Obstacle::NoPeers => Refusal::NoPeers,
    };
    if path == "/api" || path.starts_with("/api/") || peers::is_for_them(path) {
        return refusal.into_response();
    }
    let page = (refusal.status() == StatusCode::FORBIDDEN).then(|| local::page(&refusal));
    // Of the refusal itself only status and headers are wanted here.
    let mut response = refusal.clone().into_response();
    let (kind, body) = match page {
        Some(page) => ("text/html; charset=utf-8", page),
        None => ("text/plain; charset=utf-8", format!("{refusal}\n")),
    };
    *response.body_mut() = body.into();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    response
}

#[cfg(test)]
mod tests;

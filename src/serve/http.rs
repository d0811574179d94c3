//! The accept loop, the routes, and the limits of the endpoint.
//!
//! Owns every socket. Promises bounded memory and time for each connection, whatever its client
//! does, and a quick end: after the shutdown open requests have a moment, then everything is closed.
//! Reads no request bodies but those of other instances, and never puts anything a client sent into an answer.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::serve::access::{Access, Gate, Visitor};
use crate::serve::api::{self, Api};
use crate::serve::connection::{Seats, Ticket};
use crate::serve::negotiation::{self, Encoding};
use crate::serve::peers::{self, Peers};
use crate::serve::readiness::Obstacle;
use crate::serve::{Source, console, page};
use crate::telemetry::{Failure, Telemetry};

/// What the endpoint serves, and within which limits.
pub struct Endpoint {
    pub telemetry: Arc<Telemetry>,
    pub source: Arc<dyn Source>,
    /// Without it there is no `/api`.
    pub api: Option<Api>,
    /// Answers other instances, if there can be any.
    pub peers: Option<Arc<dyn Peers>>,
    /// Who is let in.
    pub access: Access,
    pub limits: Limits,
}

/// What a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; beyond it, the one that has been waiting longest has to go.
    pub connections: usize,
    /// Bytes of a request line with its headers; at least 8 KiB.
    pub header_bytes: usize,
    /// From a connection to the end of its TLS handshake, from there or from the first byte of a
    /// further request to its last header, and from there until its password is compared.
    pub header_time: Duration,
    /// Between two requests of one connection.
    pub idle_time: Duration,
    /// From the last header of a request to the first byte of its answer: most are ready at once,
    /// but a question about the past takes a while.
    pub thinking_time: Duration,
    /// From the first byte of an answer to its last.
    pub answer_time: Duration,
    /// For open requests after the shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    /// 64 connections of at most 16 KiB headers: about 1 MiB, and a page for each open request.
    fn default() -> Self {
        Self {
            connections: 64,
            header_bytes: 16 * 1024,
            header_time: Duration::from_secs(5),
            // Longer than the usual scrape intervals, so that a scraper keeps its connection.
            idle_time: Duration::from_secs(75),
            // A question waits 5 s for its turn and is answered within 60 s.
            thinking_time: Duration::from_secs(75),
            answer_time: Duration::from_secs(10),
            grace: Duration::from_secs(1),
        }
    }
}

/// How long to wait when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often to complain about it.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

impl Endpoint {
    #[must_use]
    pub fn new(telemetry: Arc<Telemetry>, source: Arc<dyn Source>) -> Self {
        Self {
            telemetry,
            source,
            api: None,
            peers: None,
            access: Access::this_machine(),
            limits: Limits::default(),
        }
    }
}

/// Serves until `shutdown` completes, and returns within `limits.grace` after it.
pub async fn run(
    listener: TcpListener,
    mut endpoint: Endpoint,
    shutdown: impl Future<Output = ()>,
) {
    let limits = endpoint.limits;
    let api = endpoint.api.take();
    let gate = Gate::new(std::mem::take(&mut endpoint.access));
    let endpoint = Arc::new(endpoint);
    let router = router(Arc::clone(&endpoint), api);
    let upkeep = tokio::spawn(keep_up(Arc::clone(&gate), Arc::clone(&endpoint.telemetry)));
    let seats = Seats::new(limits);
    let closing = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut complaints = Complaints::default();
    let mut newcomer = None;
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            () = seats.room(), if newcomer.is_some() => {
                if let Some((stream, peer)) = newcomer.take() {
                    let house = House {
                        gate: Arc::clone(&gate),
                        router: router.clone(),
                        limits,
                        closing: closing.subscribe(),
                    };
                    connections.spawn(house.converse(stream, peer, seats.take()));
                }
            }
            accepted = listener.accept(), if newcomer.is_none() => match accepted {
                Ok((stream, peer)) => newcomer = Some((stream, peer.ip())),
                Err(error) => complaints.about(&error, &endpoint.telemetry).await,
            },
        }
    }
    drop(listener);
    upkeep.abort();
    closing.send_replace(true);
    // Who is not done in time is cut off when the set is dropped.
    let _ = timeout(limits.grace, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

/// Beside the accept loop, so that a flood of connections does not keep it from its turn.
async fn keep_up(gate: Arc<Gate>, telemetry: Arc<Telemetry>) {
    gate.keep_up(&telemetry).await;
}

/// What every connection needs.
struct House {
    gate: Arc<Gate>,
    router: Router,
    limits: Limits,
    closing: watch::Receiver<bool>,
}

impl House {
    /// Speaks on one connection until either side, or its time, ends it.
    async fn converse(mut self, stream: TcpStream, peer: IpAddr, ticket: Ticket) {
        // Answers are written at once, so there is nothing to gain from waiting for more. It fails
        // only when the connection is gone already.
        let _ = stream.set_nodelay(true);
        let changes = self.gate.changes();
        let rules = self.gate.rules();
        let visitor = rules.visitor(peer);
        let Some(acceptor) = rules.tls() else {
            return self.speak(stream, visitor, changes, ticket).await;
        };
        let encrypted = tokio::select! {
            encrypted = acceptor.accept(stream) => encrypted,
            () = ticket.end() => return,
            _ = self.closing.wait_for(|closing| *closing) => return,
        };
        match encrypted {
            Ok(stream) => {
                ticket.marks().encrypted();
                self.speak(stream, visitor, changes, ticket).await;
            }
            // A client's error: it speaks no TLS, or trusts another authority, or is not trusted.
            Err(error) => debug!(%error, "a TLS handshake failed"),
        }
    }

    /// Speaks HTTP until other rules come into force, or as above.
    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
        visitor: Visitor,
        mut changes: watch::Receiver<()>,
        ticket: Ticket,
    ) {
        let Self {
            gate,
            router,
            limits,
            mut closing,
        } = self;
        let marks = ticket.marks();
        let service = service_fn(move |request| {
            marks.read();
            let (gate, router, marks) = (Arc::clone(&gate), router.clone(), marks.clone());
            async move {
                let (head, body) = Request::<Incoming>::into_parts(request);
                let admitted = gate.admit(visitor, &head).await;
                marks.judged();
                let mut response = match admitted {
                    Ok(()) => {
                        let request = Request::from_parts(head, Body::new(body));
                        router.oneshot(request).await?
                    }
                    Err(refusal) => harden(refusal).await,
                };
                gate.dress(&mut response);
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .max_buf_size(limits.header_bytes)
            // The seat watches the time: unlike this timer it tells an idle connection from a slow
            // one.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(ticket.watch(stream)), service);
        let mut connection = pin!(connection);
        tokio::select! {
            // Errors here are a client's: it left, or what it sent was no HTTP.
            _ = connection.as_mut() => return,
            () = ticket.end() => return,
            _ = closing.wait_for(|closing| *closing) => {}
            // Whoever comes again is let in by the new rules.
            _ = changes.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = ticket.end() => {}
        }
    }
}

/// Failing accepts, counted each and logged now and then.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    async fn about(&mut self, error: &io::Error, telemetry: &Telemetry) {
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
        ) {
            // The client left before its turn.
            return;
        }
        telemetry.errors.of(Failure::Accept).inc();
        if self
            .last
            .is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL)
        {
            self.last = Some(Instant::now());
            warn!(%error, "accepting a connection failed");
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

fn router(endpoint: Arc<Endpoint>, api: Option<Api>) -> Router {
    let source = Arc::clone(&endpoint.source);
    let telemetry = Arc::clone(&endpoint.telemetry);
    let api = api.map(|api| api::routes(source, telemetry, api));
    let peers = endpoint.peers.clone().map(peers::routes);
    Router::new()
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .with_state(endpoint)
        .merge(api.unwrap_or_default())
        .merge(peers.unwrap_or_default())
        .merge(console::routes())
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .method_not_allowed_fallback(|| async {
            (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
        })
        .layer(map_response(harden))
}

/// Every answer is what its content type says, and of this instant unless it says otherwise.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn metrics(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    let begun = Instant::now();
    let format = negotiation::format(&headers);
    let page = page::scrape(&*endpoint.source, &endpoint.telemetry, format, begun);
    let described = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::VARY, "Accept, Accept-Encoding"),
    ];
    packed(
        described,
        page.into_bytes(),
        negotiation::encoding(&headers),
    )
}

/// A body, packed if the client wants that.
pub(super) fn packed<const N: usize>(
    described: [(HeaderName, &'static str); N],
    body: Vec<u8>,
    encoding: Encoding,
) -> Response {
    if encoding == Encoding::Gzip
        && let Ok(zipped) = zipped(&body)
    {
        return (described, [(header::CONTENT_ENCODING, "gzip")], zipped).into_response();
    }
    (described, body).into_response()
}

/// Lightly packed: a page repeats itself so much that more effort gains little.
fn zipped(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

async fn healthy(State(endpoint): State<Arc<Endpoint>>) -> Response {
    if endpoint.source.alive() {
        json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned())
    } else {
        let body = r#"{"status":"failed","reason":"a thread of the pipeline has ended"}"#;
        json(StatusCode::SERVICE_UNAVAILABLE, body.to_owned())
    }
}

/// The body of `/-/ready`.
#[derive(Serialize)]
struct ReadyBody {
    status: &'static str,
    /// What the page waits for.
    waiting_for: Vec<Obstacle>,
    /// The instant of the published report.
    #[serde(skip_serializing_if = "Option::is_none")]
    report_at: Option<String>,
    withheld: Vec<WithheldBody>,
}

#[derive(Serialize)]
struct WithheldBody {
    measure: &'static str,
    reason: &'static str,
}

/// Asks of readiness for what this instance has to do itself, whatever others do.
const OF_THIS_INSTANCE: &str = "scope=instance";

async fn ready(State(endpoint): State<Arc<Endpoint>>, RawQuery(query): RawQuery) -> Response {
    let mut readiness = endpoint.source.readiness();
    if query.as_deref() == Some(OF_THIS_INSTANCE) {
        readiness = readiness.of_this_instance();
    }
    let published = endpoint.source.published();
    let withheld = published.as_deref().map(|published| {
        let each = published.report.withheld.iter();
        each.map(|withheld| WithheldBody {
            measure: withheld.measure,
            reason: withheld.reason.name(),
        })
        .collect()
    });
    let (code, status) = if readiness.ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let body = ReadyBody {
        status,
        waiting_for: readiness.obstacles,
        report_at: published.map(|published| published.report.at.to_string()),
        withheld: withheld.unwrap_or_default(),
    };
    match serde_json::to_string(&body) {
        Ok(body) => json(code, body),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn json(code: StatusCode, mut body: String) -> Response {
    body.push('\n');
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

//! The API: any instant of the kept history as JSON, and what is known of one customer.
//!
//! Owns the parameters, the bodies and the errors of `/api/v1`. Promises that a misspelt parameter
//! is refused and never means a default, that nothing a client sent is in an answer or in a log, and
//! that no question is worked on by a thread that serves scrapes. Does not know how questions are
//! answered: that is the [`Archive`]'s.
//!
//! ```text
//!  query -> parameters -> question -> archive (a thread that may block) -> body -> gzip
//!                 |                       |
//!                 +------- refusal -------+--> {"error":{"code":..,"message":..}}
//! ```

pub mod archive;
pub mod refusal;

mod body;
mod explain;
mod parameters;
mod status;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use crate::event::Timestamp;
use crate::measure::catalogue::{measure, nearest};
use crate::measure::settings::EvaluationSettings;
use crate::serve::Source;
use crate::serve::api::archive::{Archive, Asker, MOST_INSTANTS, SeriesQuestion};
use crate::serve::api::body::{CustomerBody, ReportBody, SeriesBody};
use crate::serve::api::parameters::{Parameters, Span};
use crate::serve::api::refusal::{Fits, Refusal};
use crate::serve::http::packed;
use crate::serve::negotiation;
use crate::telemetry::Telemetry;

pub use crate::measure::explain::Setting;
pub use crate::serve::api::token::Token;

/// What the API serves.
pub struct Api {
    pub archive: Arc<dyn Archive>,
    /// The settings that decide the numbers, without secrets.
    pub settings: Vec<Setting>,
    /// The hash of those settings: two instances that differ in it disagree.
    pub definition_hash: String,
    /// How the facts are read: what a number is compared with follows from it.
    pub evaluation: EvaluationSettings,
    /// The configured dimensions, in their order.
    pub dimensions: Vec<String>,
    /// What has to be shown by whoever looks up a customer; without one nobody can.
    pub token: Option<Token>,
}

/// What every question needs.
struct Desk {
    source: Arc<dyn Source>,
    telemetry: Arc<Telemetry>,
    api: Api,
}

/// The routes of the API. An endpoint is a line here and a function like those below.
pub(super) fn routes(source: Arc<dyn Source>, telemetry: Arc<Telemetry>, api: Api) -> Router {
    Router::new()
        .route("/api/v1/report", get(report))
        .route("/api/v1/series", get(series))
        .route("/api/v1/explain", get(explain))
        .route("/api/v1/status", get(status))
        .route("/api/v1/customers", get(customers))
        .with_state(Arc::new(Desk {
            source,
            telemetry,
            api,
        }))
}

async fn report(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(desk, &headers, move |desk, asker| {
        let mut parameters = Parameters::of(query.as_deref())?;
        let at = parameters.instant("at")?;
        parameters.none_left(["at"])?;
        let published = match at {
            None => desk.source.published().ok_or(Refusal::NotReady)?,
            Some(at) => {
                let reports = desk.api.archive.reports(&[at], asker)?;
                Arc::new(reports.into_iter().next().ok_or(Refusal::Unwritable)?)
            }
        };
        written(&ReportBody::of(&published, &desk.api))
    })
    .await
}

async fn series(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(desk, &headers, move |desk, asker| {
        let mut parameters = Parameters::of(query.as_deref())?;
        let name = parameters.required("metric", "name one, as on the page")?;
        let measure = measure(&name).ok_or_else(|| Refusal::UnknownMetric {
            nearest: nearest(&name),
        })?;
        let span = Span {
            start: parameters.instant("start")?,
            end: parameters.instant("end")?,
            step_millis: parameters.step("step")?,
        };
        let mut filter = Vec::new();
        let names: Vec<&str> = measure.label_names(&desk.api.dimensions).collect();
        for name in &names {
            filter.push(parameters.one(name)?);
        }
        let known = ["metric", "start", "end", "step"].iter().copied();
        parameters.none_left(known.chain(names.iter().copied()))?;
        let period = match names.iter().position(|name| *name == "period") {
            Some(place) => parameters::period(filter[place].as_deref())?,
            None => None,
        };
        let instants = span.instants(|| desk.api.archive.latest())?;
        let question = SeriesQuestion {
            measure,
            period,
            instants,
        };
        let series = desk.api.archive.series(&question, asker)?;
        let names = names.iter().map(ToString::to_string).collect();
        written(&SeriesBody::of(
            measure,
            names,
            &filter,
            series,
            &desk.api.settings,
        ))
    })
    .await
}

async fn explain(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(desk, &headers, move |desk, asker| {
        written(&explain::explanation(desk, query.as_deref(), asker)?)
    })
    .await
}

async fn status(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(desk, &headers, move |desk, _| {
        Parameters::of(query.as_deref())?.none_left([])?;
        written(&status::status(desk))
    })
    .await
}

async fn customers(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let admitted = match &desk.api.token {
        None => Err(Refusal::Disabled),
        Some(token) if token.is_shown(&headers) => Ok(()),
        Some(_) => Err(Refusal::Unauthorized),
    };
    if let Err(refusal) = admitted {
        return refusal.into_response();
    }
    answer(desk, &headers, move |desk, asker| {
        let mut parameters = Parameters::of(query.as_deref())?;
        let expected = "give the id of a customer, 1 to 256 bytes";
        let id = parameters.required("id", expected)?;
        parameters.none_left(["id"])?;
        if !(1..=256).contains(&id.len()) {
            return Err(Refusal::bad("id", expected));
        }
        let customer = desk.api.archive.customer(&id, asker)?;
        written(&CustomerBody::of(&customer, &desk.api.dimensions))
    })
    .await
}

/// Answers on a thread that may block. The question is given up as soon as the client is gone.
async fn answer(
    desk: Arc<Desk>,
    headers: &HeaderMap,
    work: impl FnOnce(&Desk, &Asker) -> Result<Vec<u8>, Refusal> + Send + 'static,
) -> Response {
    let encoding = negotiation::encoding(headers);
    let asker = Asker::default();
    let waiting = asker.waiting();
    let worked = tokio::task::spawn_blocking(move || {
        let described = [
            (header::CONTENT_TYPE, "application/json"),
            (header::VARY, "Accept-Encoding"),
        ];
        work(&desk, &asker).map(|body| packed(described, body, encoding))
    });
    let outcome = worked.await.unwrap_or(Err(Refusal::Unwritable));
    drop(waiting);
    outcome.unwrap_or_else(IntoResponse::into_response)
}

fn written(body: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = serde_json::to_vec(body).map_err(|_| Refusal::Unwritable)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[derive(Serialize)]
struct ErrorBody {
    error: ErrorText,
}

#[derive(Serialize)]
struct ErrorText {
    code: &'static str,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorText {
                code: self.code(),
                message: self.to_string(),
            },
        };
        let body = written(&body).unwrap_or_default();
        let mut response = (
            self.status(),
            [(header::CONTENT_TYPE, "application/json")],
            body,
        )
            .into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let challenge = match self {
            Self::Unauthorized | Self::NoPeer => Some("Bearer"),
            Self::UnknownUser => Some("Basic realm=\"tenure\", charset=\"UTF-8\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        response
    }
}

impl Span {
    /// The instants of a series: by default 90 steps of a day up to the latest instant.
    fn instants(
        self,
        latest: impl FnOnce() -> Result<Timestamp, Refusal>,
    ) -> Result<Vec<Timestamp>, Refusal> {
        let end = match self.end {
            Some(end) => end,
            None => latest()?,
        };
        let step = self.step_millis.unwrap_or(86_400_000);
        let start = self.start.unwrap_or(end.minus_millis(90 * step));
        if start > end {
            return Err(Refusal::bad("start", "must not be later than the end"));
        }
        let count = (end.as_millis() - start.as_millis()) / step + 1;
        if count > MOST_INSTANTS as i64 {
            return Err(Refusal::TooMuch {
                fits: Fits(MOST_INSTANTS),
                way: "a longer step or a shorter time",
            });
        }
        Ok((0..count)
            .map(|number| start.plus_millis(number * step))
            .collect())
    }
}

//! The door for other instances: two paths, opened by their token alone.
//!
//! Owns the paths and the bounds on what comes in and goes out. Promises that a question is read to
//! its end within some seconds and some bytes, that it is worked on by a thread that may block, that
//! it is given up as soon as the asking instance is gone, and that nothing of it is in a log. Does not
//! know what is in questions and answers: those are bytes here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::time::timeout;

use crate::serve::api::archive::Asker;

const PARTIAL_PATH: &str = "/peer/v1/partial";
const CUSTOMER_PATH: &str = "/peer/v1/customer";
/// From the last header of a question to its last byte.
const READING: Duration = Duration::from_secs(5);

/// Answers what other instances ask. Every answer can take a minute, so nobody may ask on a thread
/// that has anything else to do.
pub trait Peers: Send + Sync + 'static {
    /// The largest question in bytes.
    fn largest_question(&self) -> usize;

    /// What some partitions contribute to a question; nothing if the bytes are no question of this
    /// version.
    fn partial(&self, question: &[u8], asker: &Asker) -> Option<Vec<u8>>;

    /// What some partitions know of a customer; nothing as above.
    fn customer(&self, question: &[u8], asker: &Asker) -> Option<Vec<u8>>;
}

/// Whether only other instances may ask for this.
pub(super) fn is_for_them(path: &str) -> bool {
    [PARTIAL_PATH, CUSTOMER_PATH].contains(&path)
}

/// The routes that other instances ask.
pub(super) fn routes(peers: Arc<dyn Peers>) -> Router {
    Router::new()
        .route(PARTIAL_PATH, post(partial))
        .route(CUSTOMER_PATH, post(customer))
        .with_state(peers)
}

async fn partial(State(peers): State<Arc<dyn Peers>>, body: Body) -> Response {
    answer(peers, body, |peers, question, asker| {
        peers.partial(question, asker)
    })
    .await
}

async fn customer(State(peers): State<Arc<dyn Peers>>, body: Body) -> Response {
    answer(peers, body, |peers, question, asker| {
        peers.customer(question, asker)
    })
    .await
}

async fn answer(
    peers: Arc<dyn Peers>,
    body: Body,
    work: impl FnOnce(&dyn Peers, &[u8], &Asker) -> Option<Vec<u8>> + Send + 'static,
) -> Response {
    let question = match timeout(READING, to_bytes(body, peers.largest_question())).await {
        Ok(Ok(question)) => question,
        Ok(Err(_)) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "the question is too long\n"),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the question took too long\n"),
    };
    let asker = Asker::default();
    let waiting = asker.waiting();
    let worked = tokio::task::spawn_blocking(move || work(&*peers, &question, &asker)).await;
    drop(waiting);
    match worked {
        Ok(Some(answer)) => {
            let described = [(header::CONTENT_TYPE, "application/octet-stream")];
            (described, answer).into_response()
        }
        Ok(None) => refused(
            StatusCode::BAD_REQUEST,
            "this is no question of this version\n",
        ),
        Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "answering has failed\n"),
    }
}

fn refused(status: StatusCode, sentence: &'static str) -> Response {
    (status, sentence).into_response()
}

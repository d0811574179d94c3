//! Serving: a process that works and answers over HTTP until a signal, until it is done, or until it
//! cannot go on.
//!
//! Owns the order of the end: first the work, while scrapes are still answered, then the endpoint.
//! Promises to end within the time it is given. Does not know what the work is.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::command::Failure;
use crate::command::signal::Termination;
use crate::serve::http::{self, Endpoint};

/// What is left of the time for ending once the work has ended, or is not going to.
const LAST: Duration = Duration::from_millis(500);
/// How long threads may take to end after one of them failed.
const AFTER_FAILURE: Duration = Duration::from_millis(1500);
/// How often it is looked whether everything is still at work.
const PULSE: Duration = Duration::from_millis(200);

/// Threads at work.
pub trait Work: Send + Sync + 'static {
    /// What it means that not everything ended in time, for the log.
    const UNDONE: &str;

    /// Why it cannot go on, if so.
    fn failure(&self) -> Option<String>;

    /// Whether everything is done that there was to do, so that the process may end well.
    fn is_done(&self) -> bool {
        false
    }

    /// Asks every thread to end and waits for them until then. False if one was still at work.
    fn stop(self, until: Instant) -> bool;
}

/// Serves what `start` makes, which is told the address, until a signal, until all is done, or until a
/// failure.
///
/// Does not return but after a failure: the process ends with 0, or with 1 after a second signal.
///
/// # Errors
/// If the address cannot be listened on, if the start fails, or if the work cannot go on.
pub fn serve<W: Work>(
    listen: SocketAddr,
    grace: Duration,
    start: impl FnOnce(SocketAddr) -> Result<(W, Endpoint), Failure>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|error| Failure::work(format!("could not start the HTTP side: {error}")))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Failure::unavailable(format!(
                "could not listen on {listen}: {error}; choose another address with --listen"
            ))
        })?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::work(error.to_string()))?;
        let termination = Termination::watch().map_err(|error| Failure::work(error.to_string()))?;
        let (work, endpoint) = start(address)?;
        serve_until_the_end(listener, work, endpoint, termination, grace).await
    })
}

async fn serve_until_the_end<W: Work>(
    listener: TcpListener,
    work: W,
    endpoint: Endpoint,
    mut termination: Termination,
    grace: Duration,
) -> Result<(), Failure> {
    let (end, ended) = tokio::sync::watch::channel(false);
    let shutdown = async move {
        let mut ended = ended;
        // An error means that nobody can say so any more, which is an end too.
        let _ = ended.wait_for(|over| *over).await;
    };
    let server = tokio::spawn(http::run(listener, endpoint, shutdown));
    let cause = tokio::select! {
        name = termination.wait() => Ok(Some(name)),
        outcome = worked(&work) => outcome.map(|()| None),
    };
    let grace = if cause.is_ok() {
        grace
    } else {
        grace.min(AFTER_FAILURE)
    };
    let until = Instant::now() + grace;
    if let Ok(signal) = cause {
        match signal {
            Some(signal) => {
                tracing::info!(signal, ?grace, "stopping; a second signal ends at once");
            }
            None => tracing::info!(?grace, "done, and stopping; a signal ends at once"),
        }
        tokio::spawn(async move {
            termination.wait().await;
            tracing::warn!("ended by another signal, without waiting for the rest");
            std::process::exit(1);
        });
    }
    // Scrapes are answered until the work is safe.
    let safe_until = until.checked_sub(LAST.min(grace / 4)).unwrap_or(until);
    let stopping = tokio::task::spawn_blocking(move || work.stop(safe_until));
    let stopped = stopping.await.unwrap_or(false);
    // The server ends by itself once it is told; what is left of the grace is all it has.
    let _ = end.send(true);
    let _ = tokio::time::timeout(until.saturating_duration_since(Instant::now()), server).await;
    match cause {
        Ok(_) => {
            if stopped {
                tracing::info!("stopped");
            } else {
                tracing::warn!(
                    "not everything ended within shutdown_grace, going without it: {}",
                    W::UNDONE
                );
            }
            // The client's own clean-up can wait for brokers that are gone; there is nothing in it
            // that anybody needs.
            std::process::exit(0);
        }
        Err(reason) => Err(Failure::work(reason)),
    }
}

/// Completes once the work is done, or cannot go on, with the reason.
async fn worked(work: &impl Work) -> Result<(), String> {
    loop {
        if let Some(reason) = work.failure() {
            return Err(reason);
        }
        if work.is_done() {
            return Ok(());
        }
        tokio::time::sleep(PULSE).await;
    }
}

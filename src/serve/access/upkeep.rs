//! The web config file, read again when it or a file that it names has changed.
//!
//! Owns when it is looked at and what is said about it. Promises that new rules come into force whole,
//! and that those before stay while the new ones cannot be used. Contents are compared and not times,
//! which tell little where files are links that are moved, as in Kubernetes.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::web::{Trace, WebFile, load};
use crate::config::{Complaints, Severity};
use crate::serve::access::{Gate, Rules};
use crate::telemetry::Telemetry;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is said again that a file cannot be used.
const REMINDER: Duration = Duration::from_mins(5);

impl Gate {
    /// Looks after the file for as long as it is polled; never completes.
    pub async fn keep_up(&self, telemetry: &Telemetry) {
        let Some(file) = &self.file else {
            return pending().await;
        };
        telemetry.web.succeeded(seconds());
        let mut complained_at: Option<Instant> = None;
        let mut tried = file.trace.clone();
        let mut seen = tried.clone();
        loop {
            sleep(LOOK).await;
            if complained_at.is_some_and(|at| at.elapsed() >= REMINDER) {
                complained_at = Some(Instant::now());
                warn!("the web config file still cannot be used: the one before stays in force");
            }
            let Some(now) = looked_at(tried.clone()).await else {
                continue;
            };
            if now == tried {
                seen = now;
                continue;
            }
            if now != seen {
                // Somebody is writing: a certificate may be there already, and its key not yet.
                seen = now;
                continue;
            }
            let path = file.path.clone();
            let Ok((read, trace)) = spawn_blocking(move || load(&path)).await else {
                continue;
            };
            (tried, seen) = (trace.clone(), trace);
            match read {
                Ok(settings) => {
                    self.rules.store(Arc::new(Rules::of(&settings)));
                    self.changes.send_replace(());
                    telemetry.web.succeeded(seconds());
                    complained_at = None;
                    introduce(file, settings.users.len());
                }
                Err(complaints) => {
                    telemetry.web.failed();
                    complained_at = Some(Instant::now());
                    complain(&complaints);
                }
            }
        }
    }
}

async fn looked_at(trace: Trace) -> Option<Trace> {
    spawn_blocking(move || trace.now()).await.ok()
}

fn introduce(file: &WebFile, users: usize) {
    let path = file.path.display();
    info!(%path, users, "the web config file was read again and is in force");
}

fn complain(complaints: &Complaints) {
    let errors = complaints
        .iter()
        .filter(|complaint| complaint.severity() == Severity::Error);
    for complaint in errors {
        warn!(
            place = complaint.location(),
            complaint = complaint.message(),
            "the web config file has changed and cannot be used: the one before stays in force"
        );
    }
}

/// Since 1970.
fn seconds() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

//! Asking and waiting for the answer: for commands, which have nothing else to do meanwhile.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::event::schema::{Found, Schemas};
use crate::registry::{Asked, Registry};

/// How long a command waits for a registry that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// A registry that is asked when a schema is looked for.
///
/// Where it does not answer, schemas stay unknown, and [`failure`](Patient::failure) says why: what
/// was read until then is not to be shown.
#[derive(Debug)]
pub struct Patient {
    registry: Arc<Registry>,
    failure: OnceLock<String>,
}

impl Patient {
    #[must_use]
    pub const fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            failure: OnceLock::new(),
        }
    }

    /// Why a schema could not be had, if so, as a sentence with the way out.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

impl Schemas for Patient {
    fn find(&self, id: u32) -> Found {
        let until = Instant::now() + PATIENCE;
        while !self.registry.settled(id) && self.failure.get().is_none() {
            match self.registry.ask(id) {
                Asked::Settled => {}
                Asked::Unknown | Asked::Unanswered if Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                Asked::Unknown | Asked::Unanswered => {
                    let reason = format!(
                        "the schema registry did not answer for {} s when asked for the schema {id}: \
                         look at schema_registry.url",
                        PATIENCE.as_secs()
                    );
                    // Another thread may have been first, with the same reason.
                    let _ = self.failure.set(reason);
                }
            }
        }
        self.registry.find(id)
    }
}

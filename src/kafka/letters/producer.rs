//! The producer of letters, and of records that are written back: a client of its own.
//!
//! Notes what became of each record, until somebody asks.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, ProducerContext};

use crate::kafka::client::say;
use crate::telemetry::throttle::Throttle;

/// A producer whose records have numbers.
pub type Producer = BaseProducer<Outcomes>;

/// What became of a record: written, or not for this reason.
pub type Outcome = (usize, Result<(), RDKafkaErrorCode>);

/// Receives what the client says.
#[derive(Default)]
pub struct Outcomes {
    outcomes: Mutex<Vec<Outcome>>,
    errors: Throttle,
    lines: Throttle,
}

/// A new producer.
///
/// # Errors
/// If the client does not take its configuration.
pub fn producer(config: &ClientConfig) -> KafkaResult<Producer> {
    config.create_with_context(Outcomes::default())
}

impl Outcomes {
    /// What became of records since the last time.
    pub fn take(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The code of an error of the producer.
#[must_use]
pub fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}

impl ClientContext for Outcomes {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        say(&self.lines, facility, message);
    }

    fn error(&self, error: KafkaError, _reason: &str) {
        if let Some(suppressed) = self.errors.pass() {
            tracing::warn!(%error, suppressed, "the Kafka producer reports an error, and goes on");
        }
    }
}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(code(error)),
        };
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push((number, outcome));
    }
}

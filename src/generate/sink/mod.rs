//! Where generated records go.
//!
//! Owns the two ways out, [`lines`] of text and a Kafka [`topic`], the pace at which they
//! go, and the tally of what went. The only part of the generator that does I/O and reads a clock.
//! Does not know how records come about.

pub mod lines;
pub mod pace;
pub mod tally;
pub mod topic;

use super::Record;

/// Why records could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader of the lines went away, which is how pipes end: stop, and call it a success.
    #[error("the reader of standard output closed it")]
    Closed,
    #[error("could not write to standard output: {0}")]
    Write(std::io::Error),
    /// A setting is wrong, or the cluster refuses: trying again does not help.
    #[error("{0}")]
    Refused(String),
    /// The cluster does not answer: trying again later may help.
    #[error("could not deliver to Kafka at {servers}: {reason}")]
    Undelivered { servers: String, reason: String },
}

/// Something that takes records in their order.
pub trait Sink {
    /// Takes one record, possibly into a buffer.
    ///
    /// # Errors
    /// When this or an earlier record can't be delivered.
    fn send(&mut self, record: &Record) -> Result<(), SinkError>;

    /// Delivers what is buffered as far as that takes no long wait: before a pause.
    ///
    /// # Errors
    /// When an earlier record can't be delivered.
    fn flush(&mut self) -> Result<(), SinkError>;

    /// Delivers everything and returns when that is certain.
    ///
    /// # Errors
    /// When a record was not delivered.
    fn finish(&mut self) -> Result<(), SinkError>;
}

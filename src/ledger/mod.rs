//! The state: the set of facts of each customer, as a function of the log.
//!
//! Owns shards and all they hold: facts, bases, the ids remembered, the prune line, the positions in
//! the log, the corrections, the mappings of topics, and the digest that proves what was folded.
//! Promises that the same records in the same
//! order give the same state, that the order of arrival does not matter to the facts, and that
//! folding cannot fail. Deliberately does not know the wall clock, Kafka, measures or settings of
//! the evaluation.

pub mod attributes;
pub mod base;
pub mod clock;
pub mod corrections;
pub mod customers;
pub mod fact;
pub mod hash;
pub mod remembered;
pub mod settings;
pub mod shard;
mod sip;
mod slots;
pub mod snapshot;
pub mod sources;
pub mod texts;

pub use shard::{Outcome, Shard};

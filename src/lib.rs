//! Tenure: live retention and satisfaction numbers from Kafka customer events.
//!
//! The way of an event, and the modules that own each step:
//!
//! ```text
//! Kafka record
//!   | kafka     one polling thread                        batches of records, by partition
//!   v
//!   | event     bytes -> Event | Rejection                borrowed, no allocation on the common path
//!   v
//!   | ledger    Shard::fold(&Event) -> Outcome            one owner per shard, no locks, no clock
//!   v
//! facts of a shard
//!   | measure   evaluate(shard, periods, T) -> Partial    mergeable sums
//!   v
//! Report (immutable, of one T)  ->  serve: /metrics and the rest of HTTP
//! ```
//!
//! Dependencies point one way: `command -> engine -> {kafka, serve} -> measure -> ledger -> event`.
//! `event`, `ledger` and `measure` are pure: no I/O, no clock, no async, no metric library.
//! `telemetry` holds the counters of the process; `engine`, `kafka` and `serve` know it.

pub mod alert;
pub mod checkpoint;
pub mod cluster;
pub mod command;
pub mod config;
pub mod engine;
pub mod event;
pub mod generate;
pub mod kafka;
pub mod ledger;
pub mod measure;
pub mod registry;
pub mod router;
pub mod serve;
pub mod telemetry;

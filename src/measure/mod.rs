//! What is published: the one definition of every measure, and how it comes from the facts.
//!
//! Owns the [catalogue], the periods, and the evaluation that turns the facts of a shard into
//! mergeable sums and the merged sums into [reports](report::Report). Promises that merging is
//! addition, and that a number at `T` depends on exactly the events before `T`. Knows no clock, no
//! Kafka, and no text format.
//!
//! ```text
//!  question   instants, windows, sections
//!     |
//!     v                        retention  satisfaction  orders
//!  pass ---> life of each ---> link  segment  cohort  now  ---> partial ---merge---> publish
//!            customer          expected  silence                 sums                 report
//!                              one tally for each
//! ```

pub mod block;
pub mod catalogue;
pub mod cohort;
pub mod counts;
pub mod customer;
pub mod expected;
pub mod explain;
pub mod life;
pub mod link;
pub mod now;
pub mod orders;
pub mod partial;
pub mod pass;
pub mod period;
pub mod publish;
pub mod question;
pub mod report;
pub mod retention;
pub mod runs;
pub mod satisfaction;
pub mod scores;
pub mod segment;
pub mod settings;
pub mod silence;
pub mod spell;
pub mod windows;

pub use catalogue::{MEASURES, Measure};

/// Another text whenever the same facts give other numbers: instances that differ in it do not add up
/// what they find.
pub const FORM: &str = "1";

//! Cluster: what instances tell each other, so that each of them serves all numbers.
//!
//! Owns the forms of what is in the report topic, what follows from it, and the questions that
//! instances ask each other. Promises that a report is of one instant, of which every partition has
//! said its part exactly once, and that what a former owner says is either true or not heard. Does not
//! know shards, workers, nor how numbers come about.
//!
//! ```text
//!  own shards --contribution, presence--> exchange --> report topic (compacted) --> exchange
//!                                                                                     |
//!  other instances --------------------------------------^                            v
//!                             engine <-- complete report, what is wanted of whom -- board
//! ```

pub mod asked;
pub mod board;
pub mod exchange;
pub mod grid;
pub mod peers;
pub mod record;
pub mod topic;

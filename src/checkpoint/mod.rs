//! Checkpoints: the state of shards kept outside of the process, and which of them to go on from.
//!
//! Owns the form of a checkpoint, its name, the stores it can lie in, the shelf of one service's
//! checkpoints, and the choice at restore. Promises that what is loaded is whole and true: every byte
//! is under a checksum, the facts have their digest, and a name can only ever stand for one state;
//! that a damaged checkpoint is put aside and never used; and that none is deleted that may be needed.
//! Deliberately knows neither Kafka, nor threads of the data path, nor metrics and logs: it returns
//! values and errors, and who calls logs and counts.
//!
//! ```text
//!  Shard --snapshot::write--> body --format::seal--> bytes --Shelf::save--> Storage: a folder, a bucket
//!                                                                               |
//!  Choice <--choose-- what the log still has  <--header-- Shelf::open <---------+
//!  Shard  <--snapshot::read-- body
//! ```
//!
//! State is a pure function of the log, so an older checkpoint is as good as a newer one: only more
//! of the log has to be read again. That is why falling back is always safe here.

pub mod choice;
pub mod format;
pub mod name;
pub mod shelf;
pub mod store;
#[cfg(test)]
mod tests;

pub use choice::{
    Accept, Bounds, Choice, Chosen, CommitMark, Log, Loss, Note, Situation, Witnessed, choose,
};
pub use format::{
    Accepted, Changeable, Changed, Circumstances, Header, Hex, TopicId, TopicPosition, Unusable,
};
pub use shelf::{Checkpoint, Entry, LoadError, Opened, Others, Saved, Shelf, Surplus};
pub use store::{Listed, Objects, OpenError, Storage, StoreError};

//! What librdkafka offers and its safe Rust client does not.
//!
//! Owns every call into the C library that the client's own interface lacks: the identity of a topic
//! ([`topic_ids`]), the leader epoch of a record and of a position ([`leader_epoch`],
//! [`set_leader_epoch`]), the metadata of commits ([`committed_metadata`]), headers with names of any
//! bytes ([`each_header`]), producing with such headers ([`produce()`]), and taking records by the
//! hundred ([`Pump`]). Promises that all of it is safe to call, whatever bytes a record holds:
//! `unsafe` is here and nowhere else, each block with the reason why it is sound. Does not know what
//! the records mean, keeps none of them, and starts no thread.

mod committed;
mod epoch;
mod event;
mod fetched;
mod headers;
mod owned;
mod produce;
mod pump;
mod topic_id;

pub use committed::{CommittedMetadata, committed_metadata};
pub use epoch::{leader_epoch, set_leader_epoch};
pub use fetched::{Fetched, Run};
pub use headers::each_header;
pub use produce::{Header, Outgoing, produce};
pub use pump::{Failed, Moved, Pump, Pumped};
pub use topic_id::{Described, TopicId, TopicIdsError, describe_topics, topic_ids};

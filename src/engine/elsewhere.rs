//! Elsewhere: who has the partitions that this instance does not have.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::peers::{Elsewhere, Owner};
use crate::cluster::record::Definition;
use crate::engine::live::Live;

/// The other instances, as they tell of themselves in the report topic.
pub struct OtherInstances(pub Arc<Live>);

impl Elsewhere for OtherInstances {
    fn partitions(&self) -> Option<i32> {
        self.0.exchange()?.board().partitions()
    }

    fn owners(&self) -> BTreeMap<i32, Owner> {
        let Some(exchange) = self.0.exchange() else {
            return BTreeMap::new();
        };
        let owners = exchange.board().owners(Live::now()).into_iter();
        let owner = |(partition, owner): (i32, crate::cluster::board::Owner)| {
            let owner = Owner {
                instance: owner.instance,
                address: owner.address,
                reached: owner.reached,
            };
            (partition, owner)
        };
        owners.map(owner).collect()
    }

    fn definition(&self) -> Option<Definition> {
        Some(self.0.exchange()?.board().definition())
    }
}

//! What is counted of partitions that come and go.

use prometheus::{Gauge, Histogram, IntCounter, Registry};

use super::catalogue;
use super::{counter, histogram, real_gauge};

/// From a partition that is kept warm to a large one that is read again.
const BUCKETS: [f64; 8] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// What the consumer group does with this instance.
pub struct OwnershipTelemetry {
    rebalances: IntCounter,
    last: Gauge,
    /// Seconds from a rebalance until every partition is where it belongs.
    pub duration: Histogram,
}

impl OwnershipTelemetry {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            rebalances: counter(registry, &catalogue::REBALANCES)?,
            last: real_gauge(registry, &catalogue::REBALANCE_LAST)?,
            duration: histogram(registry, &catalogue::REBALANCE_DURATION, &BUCKETS)?,
        })
    }

    /// Notes a rebalance, at seconds since 1970.
    pub fn rebalanced(&self, at: f64) {
        self.rebalances.inc();
        self.last.set(at);
    }
}

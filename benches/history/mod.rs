//! Generated histories and the shards that hold them, for both benchmarks.
//!
//! Owns the choice of what is measured: the mix of the generator, a year of it, one seed. Promises
//! the same events at every call. Deliberately measures nothing itself.

use std::sync::Arc;

use tenure::engine::intake::{Fate, take};
use tenure::event::decode::Decoder;
use tenure::event::{Event, Timestamp};
use tenure::generate::{Generator, GeneratorSettings, Record, Scenario};
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::shard::Folded;

/// The length of a history.
pub const DAYS: u32 = 365;

/// Where histories end that need not end now: 2026-01-01T00:00:00Z.
pub const UNTIL: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A year of customers' events, which goes on after it if a rate is given.
pub fn history(customers: u32, until: Timestamp, live_rate: Option<f64>) -> Generator {
    let settings = GeneratorSettings {
        customers,
        days: DAYS,
        seed: 1,
        until,
        scenario: Scenario::Steady,
        live_rate,
    };
    Generator::new(settings).unwrap_or_else(|error| panic!("the generator refuses: {error}"))
}

/// A shard to which records come one by one, as the workers see them.
pub struct Folding {
    pub shard: Shard,
    decoder: Decoder,
    offset: i64,
}

impl Folding {
    pub fn new() -> Self {
        Self::with(FoldSettings::default())
    }

    pub fn with(settings: FoldSettings) -> Self {
        let decoder = Decoder::new(settings.decoding());
        let mut shard = Shard::new(Arc::new(settings), 1);
        shard.start_at(0, 0);
        Self {
            shard,
            decoder,
            offset: 0,
        }
    }

    /// A shard that holds these customers' year.
    pub fn of_history(customers: u32) -> Self {
        Self::of_history_with(FoldSettings::default(), customers)
    }

    /// The same, folded by these settings.
    pub fn of_history_with(settings: FoldSettings, customers: u32) -> Self {
        let mut folding = Self::with(settings);
        let mut generator = history(customers, UNTIL, None);
        let mut record = Record::buffer();
        while generator.next_into(&mut record) {
            folding.take(&record);
        }
        folding
    }

    /// Folds a decoded event, as the next record of the log.
    pub fn fold(&mut self, event: &Event<'_>, recorded_at: Timestamp) -> Folded {
        self.shard.advance(0, self.offset, Some(recorded_at));
        self.offset += 1;
        self.shard.fold(event)
    }

    /// Decodes and folds a record.
    pub fn take(&mut self, record: &Record) {
        let at = Some(record.arrives_at);
        self.shard.advance(0, self.offset, at);
        self.offset += 1;
        let fate = take(&mut self.shard, &self.decoder, Some(&record.payload), at);
        assert!(
            matches!(fate, Fate::Folded { .. }),
            "a generated record was not folded: {fate:?}"
        );
    }
}

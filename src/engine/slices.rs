//! A question about the past within one shard: answered in slices, between which the worker goes on
//! with what it has to do.
//!
//! ```text
//!  worker   slice | batch batch | slice | batch tick | slice | slice | slice -> answer
//!           1 ms     up to 4 ms
//! ```

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::engine::ground::Ground;
use crate::engine::worker::{Answer, Ask};
use crate::ledger::Shard;
use crate::measure::pass::Pass;

/// About how long a slice takes, unless a single customer takes longer.
const SLICE: Duration = Duration::from_millis(1);
/// Between two looks at the clock, about so many windows of a customer are evaluated: some 50 µs.
const WINDOWS_AT_ONCE: usize = 2048;

/// A pass over one shard under way.
pub struct Sliced {
    partition: i32,
    pass: Pass,
    ground: Ground,
    /// Customers between two looks at the clock.
    stride: usize,
    answer: Sender<Answer>,
    wanted: Wanted,
}

/// Whether anybody still waits for an answer. The other end is what [`Wanted::by`] was given.
#[derive(Debug, Clone)]
pub struct Wanted(Weak<()>);

impl Wanted {
    /// Wanted until the last clone of `interest` is gone.
    #[must_use]
    pub fn by(interest: &Arc<()>) -> Self {
        Self(Arc::downgrade(interest))
    }

    fn still(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Sliced {
    /// Begins with a shard as it is now; where its history does not reach, that is the answer.
    pub fn begin(shard: &Shard, ask: Ask, ground: Ground, wanted: Wanted) -> Option<Self> {
        let Ask {
            partition,
            question,
            answer,
        } = ask;
        let windows = question.instants.iter();
        let windows: usize = windows.map(|instant| instant.windows.len().max(1)).sum();
        let number = usize::try_from(partition).unwrap_or(0);
        match Pass::begin(shard, number, question) {
            Ok(pass) => Some(Self {
                partition,
                pass,
                ground,
                stride: (WINDOWS_AT_ONCE / windows.max(1)).max(1),
                answer,
                wanted,
            }),
            Err(gone) => {
                // Who asked may have given up.
                let _ = answer.send(Answer {
                    partial: Err(gone),
                    took: Duration::ZERO,
                    prune_line: shard.prune_line(),
                    ground,
                });
                None
            }
        }
    }

    /// The partition number of the shard.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        self.partition
    }

    /// To be called before anything of the customer with this id changes.
    pub fn before_change(&mut self, shard: &Shard, customer: &str) {
        self.pass.before_change(shard, shard.customer(customer));
    }

    /// Goes on for about a millisecond. Nothing once the answer was given, or nobody waits for it.
    pub fn slice(mut self, shard: &Shard) -> Option<Self> {
        if !self.wanted.still() {
            return None;
        }
        let begun = Instant::now();
        let outcome = loop {
            match self.pass.advance(shard, self.stride) {
                Ok(false) if begun.elapsed() < SLICE => {}
                outcome => break outcome,
            }
        };
        let partial = match outcome {
            Ok(false) => return Some(self),
            Ok(true) => Ok(self.pass.finish(shard)),
            Err(gone) => Err(gone),
        };
        // Who asked may have given up.
        let _ = self.answer.send(Answer {
            partial,
            took: Duration::ZERO,
            prune_line: shard.prune_line(),
            ground: self.ground,
        });
        None
    }
}

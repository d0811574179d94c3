//! Whether a record can be handed on already, or something has to be known first.
//!
//! Owns the question. Who answers it keeps everything else going: only the partition of that record
//! is held, and nothing of it is kept in memory meanwhile.

use crate::kafka::Place;

/// What a record needs before it can be handed on, by a number that means something to who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited(pub u32);

/// Lets records through, or holds their partition.
pub trait Admission: Send {
    /// What the record with this key and value has to wait for, if anything; may take a moment to find
    /// out.
    fn awaits(&mut self, place: Place, key: Option<&[u8]>, value: Option<&[u8]>)
    -> Option<Awaited>;

    /// Whether it need not be waited for any longer.
    fn came(&self, awaited: Awaited) -> bool;
}

/// Everything is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open;

impl Admission for Open {
    fn awaits(&mut self, _: Place, _: Option<&[u8]>, _: Option<&[u8]>) -> Option<Awaited> {
        None
    }

    fn came(&self, _: Awaited) -> bool {
        true
    }
}

//! Keys that have gone by, in the usual case: few of them, and none with escapes.
//!
//! Owns the search for a key given twice while a record is walked over. Promises to find it, or to
//! tell that it has not looked at all keys; then [`structure`](super::structure) has to look again.
//! The usual record is checked without an allocation and without a second walk.

use crate::event::json::{Fault, Key, Passed};

/// Keys and open objects up to this many are held: one more, and the walk is not the whole check.
const FEW: usize = 8;

/// The keys of the objects that are open, the innermost last.
///
/// ```text
/// {"order_id":..,"attributes":{"plan":..,"country":   keys of fields are not held
///
///   held  | order_id | -- | plan | country |          -- an object opened
/// ```
#[derive(Debug, Default)]
pub struct FewKeys<'a> {
    /// In their quotes; nothing where an object opened.
    held: [Option<&'a [u8]>; FEW],
    count: usize,
    /// There were too many, or one with escapes.
    lost: bool,
}

impl<'a> FewKeys<'a> {
    /// Whether all keys that went by were looked at.
    pub const fn told_all(&self) -> bool {
        !self.lost
    }

    #[inline]
    fn hold(&mut self, key: Option<&'a [u8]>) {
        match self.held.get_mut(self.count) {
            Some(place) => {
                *place = key;
                self.count += 1;
            }
            None => self.lost = true,
        }
    }
}

impl<'a> Passed<'a> for FewKeys<'a> {
    #[inline]
    fn key(&mut self, key: Key<'a>) -> Result<(), Fault> {
        if self.lost {
            return Ok(());
        }
        let held = self.held.get(..self.count).unwrap_or_default();
        let own = held.iter().rev().map_while(|held| *held);
        if own.into_iter().any(|held| held == key.quoted) {
            return Err(Fault::KeyTwice);
        }
        self.lost = key.escaped;
        self.hold(Some(key.quoted));
        Ok(())
    }

    #[inline]
    fn open(&mut self) {
        self.hold(None);
    }

    #[inline]
    fn close(&mut self) {
        let held = self.held.get(..self.count).unwrap_or_default();
        self.count = held.iter().rposition(Option::is_none).unwrap_or(0);
    }
}

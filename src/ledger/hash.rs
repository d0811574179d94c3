//! Keyed hashes: of customers, event ids, contents, texts and facts.
//!
//! Everything here depends on the digest key and nothing else, so two instances with one key agree,
//! and who does not know the key cannot make ids collide.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13x128, SipHasher24};

use crate::event::{Body, Event, Survey, Timestamp};
use crate::ledger::settings::DigestKey;

/// A checksum of 128 bits, the same for everybody: it finds damage, and proves nothing to who wants
/// to deceive.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13x128::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// What stands for a customer: 128 bits from which the id cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerDigest(pub u128);

/// Bytes that are hashed at once if there are no more.
const AT_ONCE: usize = 96;

/// Makes the hashes of one digest key.
#[derive(Debug, Clone, Copy)]
pub struct Hashes {
    key: DigestKey,
}

/// The hashes that fold one event.
#[derive(Debug, Clone, Copy)]
pub struct EventHashes {
    pub customer: CustomerDigest,
    /// Of the customer and the event id.
    pub id: u64,
    /// Of type, time and content.
    pub content: u64,
}

impl Hashes {
    #[must_use]
    pub const fn new(key: DigestKey) -> Self {
        Self { key }
    }

    /// SipHash-2-4-128 of the customer's id.
    #[must_use]
    pub fn customer(&self, id: &str) -> CustomerDigest {
        let hasher = SipHasher24::new_with_key(&self.key.0);
        CustomerDigest(hasher.hash(id.as_bytes()).as_u128())
    }

    /// Of an event id, whoever's: of 128 bits, and other than that of a customer of this name.
    #[must_use]
    pub fn event_id(&self, id: &str) -> u128 {
        let hasher = SipHasher13x128::new_with_key(&self.key.0);
        hasher.hash(id.as_bytes()).as_u128()
    }

    /// All that folding an event needs.
    #[must_use]
    pub fn event(&self, event: &Event<'_>) -> EventHashes {
        let customer = self.customer(&event.customer);
        EventHashes {
            customer,
            id: self.joined(&customer.0.to_le_bytes(), event.id.as_bytes()),
            content: self.content(event),
        }
    }

    /// What tells two digest keys apart; the key cannot be told from it.
    #[must_use]
    pub fn mark_of_key(&self) -> u128 {
        self.words(&[u64::from_le_bytes(*b"the key!")])
    }

    /// Of a record as Kafka holds it: its timestamp and its value, none for a tombstone.
    ///
    /// With the key, so that nobody who sees it can try out values.
    #[must_use]
    pub fn record(&self, recorded_at: Option<Timestamp>, value: Option<&[u8]>) -> u128 {
        let mut hasher = SipHasher13x128::new_with_key(&self.key.0);
        let at = recorded_at.map_or(i64::MIN, Timestamp::as_millis);
        hasher.write(&at.to_le_bytes());
        hasher.write(&[u8::from(value.is_some())]);
        hasher.write(value.unwrap_or_default());
        hasher.finish128().as_u128()
    }

    fn content(&self, event: &Event<'_>) -> u64 {
        // time | type | number | text
        let mut head = [0_u8; 17];
        head[..8].copy_from_slice(&event.occurred_at.as_millis().to_le_bytes());
        let (kind, number, text) = match &event.body {
            Body::Signup => (0, 0, ""),
            Body::Purchase { amount, currency } => (1, amount.millionths(), currency.as_ref()),
            Body::Churn { reason } => (2, 0, reason.as_deref().unwrap_or("")),
            Body::Survey {
                survey,
                score,
                channel,
            } => {
                let kind = match survey {
                    Survey::Nps => 3,
                    Survey::Csat => 4,
                    Survey::Ces => 5,
                };
                (kind, u64::from(*score), channel.as_deref().unwrap_or(""))
            }
        };
        head[8] = kind;
        head[9..].copy_from_slice(&number.to_le_bytes());
        if event.attributes.is_empty() {
            return self.joined(&head, text.as_bytes());
        }
        let mut hasher = SipHasher13::new_with_key(&self.key.0);
        hasher.write(&head);
        hasher.write(text.as_bytes());
        for (dimension, value) in event.attributes.iter() {
            // A byte that no text holds tells where a value begins, and of which dimension it is.
            hasher.write(&[0xff, dimension as u8]);
            hasher.write(value.as_bytes());
        }
        hasher.finish()
    }

    /// Of a reason, currency or channel.
    #[must_use]
    pub fn text(&self, text: &str) -> u64 {
        let hasher = SipHasher13::new_with_key(&self.key.0);
        hasher.hash(text.as_bytes())
    }

    /// Of two pieces as if they were one. What is short, and most of it is, is laid side by side
    /// first: hashing bytes at once takes half of what feeding them to a hasher in turn takes.
    fn joined(&self, head: &[u8], tail: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key.0);
        let mut bytes = [0_u8; AT_ONCE];
        if let Some(bytes) = bytes.get_mut(..head.len() + tail.len()) {
            let (start, end) = bytes.split_at_mut(head.len());
            start.copy_from_slice(head);
            end.copy_from_slice(tail);
            return hasher.hash(bytes);
        }
        hasher.write(head);
        hasher.write(tail);
        hasher.finish()
    }

    /// Of the words of a fact; the same as [`Hashes::words`] makes of them.
    #[must_use]
    pub fn fact(&self, words: [u64; 5]) -> u128 {
        let mut bytes = [0_u8; 40];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        let hasher = SipHasher13x128::new_with_key(&self.key.0);
        hasher.hash(&bytes).as_u128()
    }

    /// Of words that stand for a base; summed up with those of facts they are the digest of a state.
    #[must_use]
    pub fn words(&self, words: &[u64]) -> u128 {
        let mut hasher = SipHasher13x128::new_with_key(&self.key.0);
        // Written at once, which is faster than word by word, and the same.
        for some in words.chunks(8) {
            let mut bytes = [0_u8; 64];
            for (place, word) in bytes.chunks_exact_mut(8).zip(some) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            hasher.write(&bytes[..8 * some.len()]);
        }
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_differ_in_anything_have_different_hashes() {
        let hashes = Hashes::new(DigestKey::BUILT_IN);
        let at = Some(Timestamp::FIRST);
        let all = [
            hashes.record(at, Some(b"value")),
            hashes.record(at, Some(b"valuf")),
            hashes.record(at, Some(b"")),
            hashes.record(at, None),
            hashes.record(None, Some(b"value")),
            Hashes::new(DigestKey(*b"another-key-here")).record(at, Some(b"value")),
        ];
        for (number, hash) in all.iter().enumerate() {
            assert!(!all[..number].contains(hash), "record {number}");
        }
        assert_eq!(all[0], hashes.record(at, Some(b"value")));
    }

    #[test]
    fn hashes_are_those_of_all_bytes_in_turn_however_they_are_made() {
        let hashes = Hashes::new(DigestKey::BUILT_IN);
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..=bytes.len() {
            let (head, tail) = bytes[..length].split_at(length.min(17));
            let mut in_turn = SipHasher13::new_with_key(&DigestKey::BUILT_IN.0);
            in_turn.write(head);
            in_turn.write(tail);
            assert_eq!(hashes.joined(head, tail), in_turn.finish(), "{length}");
        }
        for words in [[0; 5], [1, 2, 3, 4, u64::MAX]] {
            assert_eq!(hashes.fact(words), hashes.words(&words));
        }
    }
}

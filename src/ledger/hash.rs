//! Keyed hashes: of customers, event ids, contents, texts and facts.
//!
//! Everything here depends on the digest key and nothing else, so two instances with one key agree,
//! and who does not know the key cannot make ids collide.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13x128};

use crate::event::{Body, Event, Survey, Timestamp};
use crate::ledger::settings::DigestKey;
use crate::ledger::sip::Sip;

/// A checksum of 128 bits, the same for everybody: it finds damage, and proves nothing to who wants
/// to deceive.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13x128::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// What stands for a customer: 128 bits from which the id cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CustomerDigest(pub u128);

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
        CustomerDigest(Sip::<2>::wide(self.key.0).end_wide::<4>(id.as_bytes()))
    }

    /// Of an event id, whoever's: of 128 bits, and other than that of a customer of this name.
    #[must_use]
    pub fn event_id(&self, id: &str) -> u128 {
        Sip::<1>::wide(self.key.0).end_wide::<3>(id.as_bytes())
    }

    /// All that folding an event needs.
    #[must_use]
    pub fn event(&self, event: &Event<'_>) -> EventHashes {
        let customer = self.customer(&event.customer);
        let id = Sip::<1>::narrow(self.key.0)
            .word(customer.0 as u64)
            .word((customer.0 >> 64) as u64);
        EventHashes {
            customer,
            id: id.end_narrow::<3>(event.id.as_bytes()),
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
        let at = event.occurred_at.as_millis();
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
        // Mostly all of it fits side by side; hashing it at once takes half of what it takes in turn.
        let mut bytes = [0_u8; 64];
        bytes[0] = kind;
        bytes[1..9].copy_from_slice(&number.to_le_bytes());
        if event.attributes.is_empty()
            && let Some(place) = bytes.get_mut(9..9 + text.len())
        {
            place.copy_from_slice(text.as_bytes());
            let hash = Sip::<1>::narrow(self.key.0).word(at.cast_unsigned());
            return hash.end_narrow::<3>(&bytes[..9 + text.len()]);
        }
        let mut hasher = SipHasher13::new_with_key(&self.key.0);
        hasher.write(&at.to_le_bytes());
        hasher.write(&bytes[..9]);
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
        Sip::<1>::narrow(self.key.0).end_narrow::<3>(text.as_bytes())
    }

    /// Of the words of a fact; the same as [`Hashes::words`] makes of them.
    #[must_use]
    pub fn fact(&self, words: [u64; 5]) -> u128 {
        let hash = words
            .into_iter()
            .fold(Sip::<1>::wide(self.key.0), Sip::word);
        hash.end_wide::<3>(&[])
    }

    /// Of words that stand for a base; summed up with those of facts they are the digest of a state.
    #[must_use]
    pub fn words(&self, words: &[u64]) -> u128 {
        let hash = words.iter().copied();
        let hash = hash.fold(Sip::<1>::wide(self.key.0), Sip::word);
        hash.end_wide::<3>(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Attributes;

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
    fn contents_are_hashed_alike_at_once_and_in_turn() {
        let hashes = Hashes::new(DigestKey::BUILT_IN);
        for length in [0, 1, 7, 55, 56, 200] {
            let reason = "r".repeat(length);
            let event = Event {
                id: "1".into(),
                customer: "c".into(),
                occurred_at: Timestamp::FIRST,
                body: Body::Churn {
                    reason: Some(reason.as_str().into()),
                },
                attributes: Attributes::default(),
            };
            let mut in_turn = SipHasher13::new_with_key(&DigestKey::BUILT_IN.0);
            in_turn.write(&Timestamp::FIRST.as_millis().to_le_bytes());
            in_turn.write(&[2, 0, 0, 0, 0, 0, 0, 0, 0]);
            in_turn.write(reason.as_bytes());
            assert_eq!(hashes.event(&event).content, in_turn.finish(), "{length}");
        }
    }
}

//! The token that has to be shown by whoever looks up a customer.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use axum::http::{HeaderMap, header};
use siphasher::sip128::{Hasher128, SipHasher24};

/// A token, of which nothing but a digest under a key of this process is kept.
///
/// Digests are compared, so how long a comparison takes says nothing about the token.
pub struct Token {
    key: (u64, u64),
    digest: u128,
}

impl Token {
    #[must_use]
    pub fn new(token: &str) -> Self {
        let key = (
            RandomState::new().hash_one(0_u8),
            RandomState::new().hash_one(1_u8),
        );
        Self {
            key,
            digest: digest(key, token.as_bytes()),
        }
    }

    /// Whether these are the headers of somebody who knows the token.
    pub(super) fn is_shown(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some((scheme, shown)) = value.as_bytes().split_at_checked(7) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && digest(self.key, shown) == self.digest
    }
}

fn digest((low, high): (u64, u64), token: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new_with_keys(low, high);
    std::hash::Hasher::write(&mut hasher, token);
    hasher.finish128().as_u128()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

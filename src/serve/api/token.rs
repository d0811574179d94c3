//! Tokens that have to be shown: by whoever looks up a customer, and by other instances.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use siphasher::sip128::{Hasher128, SipHasher24};

/// For who needs `Authorization` to show name and password.
const OWN_HEADER: HeaderName = HeaderName::from_static("x-tenure-token");

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
        match once(headers, &OWN_HEADER) {
            Some(shown) => digest(self.key, shown.as_bytes()) == self.digest,
            None => self.is_borne(headers),
        }
    }

    /// The same, where nobody needs `Authorization` for anything else.
    pub(in crate::serve) fn is_borne(&self, headers: &HeaderMap) -> bool {
        let Some(value) = once(headers, &header::AUTHORIZATION) else {
            return false;
        };
        let Some((scheme, shown)) = value.as_bytes().split_at_checked(7) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && digest(self.key, shown) == self.digest
    }
}

/// The value of a header that is there once.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
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

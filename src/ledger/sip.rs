//! SipHash of what is there at once.
//!
//! Owns the function, of 64 and of 128 bits. Promises what the reference makes of the same bytes, which
//! the tests hold against the crate `siphasher`. That one is made for bytes that come in turn; here all
//! words and bytes are known, so nothing is buffered and nothing asked at each step. Does not know what
//! is hashed, or why.
//!
//! ```text
//!  key, words ..     bytes ..                  rest, length     end
//!  a round each      a round for each eight    a round          more rounds
//! ```

/// A hash under way: `ROUNDS` for each word. The usual ones are 1 with an end of 3, and 2 with 4.
#[derive(Clone, Copy)]
pub struct Sip<const ROUNDS: usize> {
    v: [u64; 4],
    length: usize,
}

impl<const ROUNDS: usize> Sip<ROUNDS> {
    /// A hash of 64 bits.
    #[inline]
    #[must_use]
    pub fn narrow(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        let (low, high) = (key as u64, (key >> 64) as u64);
        Self {
            v: [
                low ^ 0x736f_6d65_7073_6575,
                high ^ 0x646f_7261_6e64_6f6d,
                low ^ 0x6c79_6765_6e65_7261,
                high ^ 0x7465_6462_7974_6573,
            ],
            length: 0,
        }
    }

    /// A hash of 128 bits.
    #[inline]
    #[must_use]
    pub fn wide(key: [u8; 16]) -> Self {
        let mut sip = Self::narrow(key);
        sip.v[1] ^= 0xee;
        sip
    }

    /// Takes eight bytes as a word. Not after bytes that were no eights.
    #[inline]
    #[must_use]
    pub fn word(mut self, word: u64) -> Self {
        self.length += 8;
        self.mix(word);
        self
    }

    /// Takes the last bytes and ends a hash of 64 bits.
    #[inline]
    #[must_use]
    pub fn end_narrow<const END: usize>(mut self, bytes: &[u8]) -> u64 {
        self.last(bytes);
        self.v[2] ^= 0xff;
        self.rounds::<END>();
        self.all()
    }

    /// Takes the last bytes and ends a hash of 128 bits.
    #[inline]
    #[must_use]
    pub fn end_wide<const END: usize>(mut self, bytes: &[u8]) -> u128 {
        self.last(bytes);
        self.v[2] ^= 0xee;
        self.rounds::<END>();
        let low = self.all();
        self.v[1] ^= 0xdd;
        self.rounds::<END>();
        u128::from(self.all()) << 64 | u128::from(low)
    }

    #[inline]
    fn last(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let rest = if rest.is_empty() {
            0
        } else if let Some(last) = bytes.last_chunk::<8>() {
            // With some that were taken already, which are shifted out.
            u64::from_le_bytes(*last) >> (64 - 8 * rest.len())
        } else {
            let bytes = rest.iter().rev();
            bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        self.mix(rest | (self.length as u64) << 56);
    }

    #[inline]
    fn mix(&mut self, word: u64) {
        self.v[3] ^= word;
        self.rounds::<ROUNDS>();
        self.v[0] ^= word;
    }

    #[inline]
    fn rounds<const COUNT: usize>(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        for _ in 0..COUNT {
            a = a.wrapping_add(b);
            c = c.wrapping_add(d);
            b = b.rotate_left(13) ^ a;
            d = d.rotate_left(16) ^ c;
            a = a.rotate_left(32).wrapping_add(d);
            c = c.wrapping_add(b);
            d = d.rotate_left(21) ^ a;
            b = b.rotate_left(17) ^ c;
            c = c.rotate_left(32);
        }
        self.v = [a, b, c, d];
    }

    #[inline]
    const fn all(&self) -> u64 {
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }
}

#[cfg(test)]
mod tests {
    use siphasher::{sip, sip128};

    use super::*;

    #[test]
    fn hashes_are_those_of_the_reference() {
        let key = *b"0123456789abcdef";
        let bytes: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(151)).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let narrow = sip::SipHasher13::new_with_key(&key).hash(bytes);
            let wide = sip128::SipHasher13::new_with_key(&key).hash(bytes);
            let strong = sip128::SipHasher24::new_with_key(&key).hash(bytes);
            let (words, _) = bytes.as_chunks::<8>();
            // Some of it as words, the rest as bytes.
            for count in 0..=words.len().min(5) {
                let words = words[..count].iter().map(|word| u64::from_le_bytes(*word));
                let rest = &bytes[8 * count..];
                let begun = words.clone().fold(Sip::<1>::narrow(key), Sip::word);
                assert_eq!(begun.end_narrow::<3>(rest), narrow, "{length} {count}");
                let begun = words.clone().fold(Sip::<1>::wide(key), Sip::word);
                assert_eq!(
                    begun.end_wide::<3>(rest),
                    wide.as_u128(),
                    "{length} {count}"
                );
                let begun = words.fold(Sip::<2>::wide(key), Sip::word);
                assert_eq!(
                    begun.end_wide::<4>(rest),
                    strong.as_u128(),
                    "{length} {count}"
                );
            }
        }
    }
}

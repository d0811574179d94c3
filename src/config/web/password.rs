//! Hashes of passwords, as bcrypt makes them.
//!
//! Owns the syntax of a hash and the comparison with a password, which takes as long for a wrong one
//! as for the right one. Promises that neither is ever shown. Does not know who has which.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What a hash may cost: each step doubles the time. One of 15 takes some seconds, and nobody waits
/// longer than that for an answer.
pub const COSTS: RangeInclusive<u32> = 4..=15;

/// What bcrypt looks at of a password, with the zero byte at its end.
const LOOKED_AT: usize = 72;
/// The letters that stand for six bits each.
const LETTERS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const SALT_LETTERS: usize = 22;
const DIGEST_LETTERS: usize = 31;

/// A password that is not known, but recognized.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PasswordHash {
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

/// Why a text is no hash of a password; shows nothing of the text, which may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    #[error("this is no bcrypt hash")]
    Form,
    #[error("a bcrypt hash of cost {0} takes too long to compare")]
    Cost(u32),
}

impl HashFault {
    /// The way out.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Form => {
                "make one with `tenure hash-password`: it begins with $2a$, $2b$ or $2y$ and has 60 \
                 characters"
            }
            Self::Cost(_) => {
                "make one of cost 4 to 15, 10 is usual: `tenure hash-password --cost 10`"
            }
        }
    }
}

impl FromStr for PasswordHash {
    type Err = HashFault;

    fn from_str(text: &str) -> Result<Self, HashFault> {
        let form = HashFault::Form;
        let rest = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .find_map(|version| text.strip_prefix(version))
            .ok_or(form)?;
        let (cost, rest) = rest.split_once('$').ok_or(form)?;
        if cost.len() != 2 || !cost.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form);
        }
        let cost: u32 = cost.parse().map_err(|_| form)?;
        if rest.len() != SALT_LETTERS + DIGEST_LETTERS || !(4..=31).contains(&cost) {
            return Err(form);
        }
        let (salt, digest) = rest.as_bytes().split_at(SALT_LETTERS);
        let (salt, digest) = (bytes(salt).ok_or(form)?, bytes(digest).ok_or(form)?);
        if !COSTS.contains(&cost) {
            return Err(HashFault::Cost(cost));
        }
        Ok(Self { cost, salt, digest })
    }
}

impl PasswordHash {
    /// Each step doubles the time that a comparison takes.
    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether it is the hash of this password. Takes its time: 50 ms with a cost of 10.
    #[must_use]
    pub fn is_of(&self, password: &[u8]) -> bool {
        let mut looked_at = [password, &[0]].concat();
        looked_at.truncate(LOOKED_AT);
        let digest = bcrypt::bcrypt(self.cost, self.salt, &looked_at);
        // All of it is compared, wherever it differs first.
        let pairs = digest.iter().zip(&self.digest);
        pairs.fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// The bytes that the letters stand for; bits beyond the last byte do not count.
fn bytes<const N: usize>(letters: &[u8]) -> Option<[u8; N]> {
    let (mut bytes, mut at) = ([0; N], 0);
    let (mut pending, mut bits) = (0_u32, 0);
    for letter in letters {
        let value = LETTERS.iter().position(|known| known == letter)?;
        pending = pending << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(at)? = (pending >> bits) as u8;
            at += 1;
        }
    }
    (at == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hash: &str, password: &str, expected: Result<bool, HashFault>) {
        let parsed = hash.parse::<PasswordHash>();
        assert_eq!(
            parsed.map(|hash| hash.is_of(password.as_bytes())),
            expected,
            "{hash}"
        );
    }

    #[test]
    fn a_password_is_recognized_by_the_hash_that_any_tool_made_of_it() {
        let abc = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
        for version in ["$2a$", "$2b$", "$2y$"] {
            let hash = abc.replacen("$2a$", version, 1);
            check(&hash, "abc", Ok(true));
            check(&hash, "abd", Ok(false));
            check(&hash, "", Ok(false));
        }
        let own = bcrypt::hash("a long password with ünïcode", 4).unwrap();
        check(&own, "a long password with ünïcode", Ok(true));
        check(&own, "a long password with ünïcode ", Ok(false));
    }

    #[test]
    fn what_is_no_hash_is_told_without_its_text() {
        let tail = "If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
        for text in [
            String::new(),
            "hunter2".to_owned(),
            format!("$2x$06${tail}"),
            format!("$1$06${tail}"),
            format!("$2a$6${tail}"),
            format!("$2a$03${tail}"),
            format!("$2a$32${tail}"),
            format!("$2a$+6${tail}"),
            format!("$2a$06${tail}i"),
            format!("$2a$06${}", tail.replace('I', "!")),
            format!("$2a$06${}", tail.replace("If", "ü")),
        ] {
            check(&text, "abc", Err(HashFault::Form));
        }
        check(&format!("$2a$16${tail}"), "abc", Err(HashFault::Cost(16)));
        let hash: PasswordHash = format!("$2a$06${tail}").parse().unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }
}

//! The names of checkpoints.
//!
//! Owns the keys under which they lie in a store. Promises that sorting names of one partition sorts
//! them by offset, and that a name is of one state: it carries the offset up to which the log was
//! folded and the digest of what came out. Does not know stores.
//!
//! ```text
//!  v1/customer-events/3f0c9a5d1e77b204/p00007/00000000000012345678-9c41d2e07ab35f16.ckpt
//!     topics          fold settings    partition  offset           digest
//! ```

use crate::ledger::hash::checksum;

/// The layout of names; another one lies beside it and is not looked at.
pub const ROOT: &str = "v1";
/// What the names of files end in.
pub const EXTENSION: &str = ".ckpt";
/// What is appended to the name of a checkpoint that is damaged.
pub const DAMAGED: &str = ".damaged";
/// What is appended to the name of a checkpoint of a log that has been given up.
pub const SUPERSEDED: &str = ".superseded";

/// Longer names of topics are cut, and end in a hash of all of it.
const MOST_TOPIC_BYTES: usize = 150;
const HASH_DIGITS: usize = 16;

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The topics, as [`topics`] writes them.
    pub topics: String,
    /// The first half of the fingerprint of the fold settings.
    pub fold: u64,
    pub partition: i32,
    /// The sum of the next offsets over the topics.
    pub offset: i64,
    /// The first half of the digest of the state.
    pub digest: u64,
    pub standing: Standing,
}

/// Whether a checkpoint is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Good as far as the name tells.
    Listed,
    /// Set aside because it is damaged.
    Damaged,
    /// Set aside because the log it was made of is gone.
    Superseded,
}

impl Standing {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Listed => "",
            Self::Damaged => DAMAGED,
            Self::Superseded => SUPERSEDED,
        }
    }
}

/// Topics as one part of a path. Names of Kafka's topics hold no `+`, so they can be told apart.
#[must_use]
pub fn topics<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let joined = names.join("+");
    if joined.len() <= MOST_TOPIC_BYTES {
        return joined;
    }
    let mut end = MOST_TOPIC_BYTES - HASH_DIGITS - 1;
    while !joined.is_char_boundary(end) {
        end -= 1;
    }
    let hash = first_half(checksum(joined.as_bytes()));
    format!("{}+{hash:016x}", &joined[..end])
}

/// The half of a digest or fingerprint that stands in names.
#[must_use]
pub const fn first_half(whole: u128) -> u64 {
    (whole >> 64) as u64
}

/// The folder of everything about these topics, whatever the settings.
#[must_use]
pub fn family(topics: &str) -> String {
    format!("{ROOT}/{topics}")
}

/// The folder of one service's checkpoints.
#[must_use]
pub fn fold(topics: &str, fold: u64) -> String {
    format!("{ROOT}/{topics}/{fold:016x}")
}

/// The folder of one partition's checkpoints.
#[must_use]
pub fn partition(topics: &str, fold: u64, partition: i32) -> String {
    format!("{ROOT}/{topics}/{fold:016x}/p{partition:05}")
}

impl Name {
    /// The key in a store.
    #[must_use]
    pub fn key(&self) -> String {
        let folder = partition(&self.topics, self.fold, self.partition);
        let (offset, digest) = (self.offset, self.digest);
        let suffix = self.standing.suffix();
        format!("{folder}/{offset:020}-{digest:016x}{EXTENSION}{suffix}")
    }

    /// What a key says; nothing if it is not of this layout to the letter.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        if parts.next()? != ROOT {
            return None;
        }
        let topics = parts.next()?.to_owned();
        let fold = hexadecimal(parts.next()?)?;
        let partition = parts.next()?.strip_prefix('p')?.parse().ok()?;
        let (file, end) = parts.next()?.split_once(EXTENSION)?;
        let standing = [Standing::Listed, Standing::Damaged, Standing::Superseded]
            .into_iter()
            .find(|standing| standing.suffix() == end)?;
        let (offset, digest) = file.split_once('-')?;
        let name = Self {
            topics,
            fold,
            partition,
            offset: offset.parse().ok()?,
            digest: hexadecimal(digest)?,
            standing,
        };
        // Signs, missing zeros and capitals would be other spellings of the same name.
        let sound = name.partition >= 0 && name.offset >= 0 && parts.next().is_none();
        (sound && name.key() == key).then_some(name)
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(offset: i64, standing: Standing) -> Name {
        Name {
            topics: topics(&["orders", "surveys"]),
            fold: 0xab,
            partition: 7,
            offset,
            digest: u64::MAX,
            standing,
        }
    }

    #[test]
    fn a_key_says_what_it_was_made_of() {
        for offset in [0, 42, i64::MAX] {
            for standing in [Standing::Listed, Standing::Damaged, Standing::Superseded] {
                let name = name(offset, standing);
                assert_eq!(Name::of_key(&name.key()), Some(name));
            }
        }
        assert_eq!(
            name(42, Standing::Listed).key(),
            "v1/orders+surveys/00000000000000ab/p00007/00000000000000000042-ffffffffffffffff.ckpt"
        );
    }

    #[test]
    fn what_is_not_spelled_like_that_is_no_name() {
        let key = name(42, Standing::Listed).key();
        for other in [
            String::new(),
            key.replace("v1/", "v2/"),
            key.replace("v1/", ""),
            key.replace("/p00007", "/p7"),
            key.replace("/p00007", "/p-0007"),
            key.replace("0042-", "0042_"),
            key.replace("/0000000000000000004", "/000000000000000004"),
            key.replace("/00000000000000000042", "/+0000000000000000042"),
            key.replace("/00000000000000000042", "/-0000000000000000042"),
            key.replace("/00000000000000000042", "/99999999999999999999"),
            key.replace("ffff", "FFFF"),
            format!("{key}#1"),
            format!("{key}.broken"),
            format!("{key}/more"),
        ] {
            assert_eq!(Name::of_key(&other), None, "{other}");
        }
    }

    #[test]
    fn long_names_of_topics_are_cut_and_stay_different() {
        let long = "t".repeat(249);
        let cut = topics(&[&long]);
        assert_eq!(cut.len(), MOST_TOPIC_BYTES);
        assert_ne!(cut, topics(&[format!("{}u", &long[1..])]));
        assert_ne!(cut, topics(&[&long, &long]));
        assert_eq!(topics(&["a"]), "a");
    }
}

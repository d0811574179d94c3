//! How producers place keys on partitions, and which of them placed the records that are there.
//!
//! Owns the three hashes that clients use. Promises to choose one only if every key that was looked
//! at lies where it would put it: a customer in two partitions is counted twice. Knows no Kafka.

use crate::command::Failure;

/// A way from a key to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Partitioner {
    /// The Java client, Kafka Streams, Kafka Connect, ksqlDB
    Murmur2,
    /// librdkafka unless told otherwise: Python, .NET, PHP, C++, Go (Confluent)
    Crc32,
    /// Sarama (Go)
    Fnv1a,
}

impl Partitioner {
    pub const ALL: [Self; 3] = [Self::Murmur2, Self::Crc32, Self::Fnv1a];

    /// What the client calls it.
    pub const fn property(self) -> &'static str {
        match self {
            Self::Murmur2 => "murmur2_random",
            Self::Crc32 => "consistent_random",
            Self::Fnv1a => "fnv1a_random",
        }
    }

    /// The name of the flag's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Murmur2 => "murmur2",
            Self::Crc32 => "crc32",
            Self::Fnv1a => "fnv1a",
        }
    }

    /// The partition of a key among so many, at least one.
    pub fn partition(self, key: &[u8], partitions: i32) -> i32 {
        let count = partitions.max(1).unsigned_abs();
        let hash = match self {
            Self::Murmur2 => murmur2(key) & 0x7fff_ffff,
            Self::Crc32 => {
                let mut crc = flate2::Crc::new();
                crc.update(key);
                crc.sum()
            }
            Self::Fnv1a => fnv1a(key).unsigned_abs(),
        };
        (hash % count).cast_signed()
    }
}

/// What the keys that were looked at say.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// Records with a key.
    pub keyed: u64,
    pub unkeyed: u64,
    /// Of those with a key, how many lie where each of [`Partitioner::ALL`] would put them.
    fits: [u64; 3],
    /// Of native events with a key, how many have another key than their customer's id.
    pub misnamed: u64,
    pub named: u64,
}

impl Placed {
    /// Takes note of where a key lies.
    pub fn saw(&mut self, key: &[u8], partition: i32, partitions: i32) {
        self.keyed += 1;
        for (fits, partitioner) in self.fits.iter_mut().zip(Partitioner::ALL) {
            *fits += u64::from(partitioner.partition(key, partitions) == partition);
        }
    }

    /// The one by which the records were placed, and what to say of it.
    ///
    /// # Errors
    /// If none placed them all, or another than the one given.
    pub fn partitioner(
        &self,
        given: Option<Partitioner>,
    ) -> Result<(Partitioner, String), Failure> {
        if self.unkeyed > self.keyed {
            return Err(Failure::configuration(format!(
                "most records of the topics have no key ({} of {}): a customer's events are in many \
                 partitions, and those of the base would be in one of them; write keyed records, or let \
                 Tenure route them",
                self.unkeyed,
                self.unkeyed + self.keyed
            )));
        }
        if self.misnamed * 2 > self.named {
            return Err(Failure::configuration(format!(
                "the keys of {} of {} records are not the ids of their customers: the base is keyed by \
                 customer, and would lie in other partitions; key the topic by customer, or let Tenure \
                 route it",
                self.misnamed, self.named
            )));
        }
        if self.keyed == 0 {
            let partitioner = given.unwrap_or(Partitioner::Murmur2);
            let how = if given.is_some() {
                "as told"
            } else {
                "as the Java client does, since no record is there to go by; other producers need --partitioner"
            };
            return Ok((
                partitioner,
                format!("keys are placed by {}, {how}", partitioner.name()),
            ));
        }
        let fit = |partitioner: Partitioner| self.fits[partitioner as usize] == self.keyed;
        let found = match given {
            Some(given) => Some(given).filter(|given| fit(*given)),
            None => Partitioner::ALL.into_iter().find(|one| fit(*one)),
        };
        let partitioner = found.ok_or_else(|| Failure::configuration(self.contradiction(given)))?;
        Ok((
            partitioner,
            format!(
                "keys are placed by {}, as {} records that are there",
                partitioner.name(),
                self.keyed
            ),
        ))
    }

    fn contradiction(&self, given: Option<Partitioner>) -> String {
        let shares: Vec<String> = Partitioner::ALL
            .iter()
            .zip(self.fits)
            .map(|(partitioner, fits)| {
                format!(
                    "{} {:.0} %",
                    partitioner.name(),
                    100.0 * fits as f64 / self.keyed as f64
                )
            })
            .collect();
        let who = match given {
            Some(given) => format!("--partitioner {} did not place", given.name()),
            None => "no known partitioner placed".to_owned(),
        };
        format!(
            "{who} the records that are there (of {} keys: {}): customers of the base would lie in other \
             partitions than their events, and be counted twice; let Tenure route the events to a topic \
             of its own, and import into that",
            self.keyed,
            shares.join(", ")
        )
    }
}

/// The hash of the Java client.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in words.by_ref() {
        let word = word
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        let word = word.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The hash of Sarama, a signed number there.
fn fnv1a(key: &[u8]) -> i32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    key.iter().fold(0x811c_9dc5_u32, step).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_where_the_clients_put_them() {
        // Known values of the three hashes.
        assert_eq!(murmur2(b"21").cast_signed(), -973_932_308);
        assert_eq!(murmur2(b"foobar").cast_signed(), -790_332_482);
        assert_eq!(fnv1a(b"foobar").cast_unsigned(), 0xbf9c_f968);
        let check = |partitioner: Partitioner, key: &[u8], expected: u32| {
            let got = partitioner.partition(key, 1000);
            assert_eq!(got.unsigned_abs(), expected % 1000, "{partitioner:?}");
        };
        check(Partitioner::Crc32, b"123456789", 0xcbf4_3926);
        check(
            Partitioner::Murmur2,
            b"21",
            (-973_932_308_i32).cast_unsigned() & 0x7fff_ffff,
        );
        check(
            Partitioner::Fnv1a,
            b"foobar",
            0xbf9c_f968_u32.cast_signed().unsigned_abs(),
        );
    }

    fn placed(by: impl Fn(&[u8]) -> i32, keys: u32) -> Placed {
        let mut placed = Placed::default();
        for key in 0..keys {
            let key = format!("c-{key}");
            placed.saw(key.as_bytes(), by(key.as_bytes()), 6);
        }
        placed
    }

    #[test]
    fn the_partitioner_is_the_one_that_placed_every_key() {
        for partitioner in Partitioner::ALL {
            let placed = placed(|key| partitioner.partition(key, 6), 50);
            let found = |given| {
                placed
                    .partitioner(given)
                    .map(|(found, _)| found)
                    .map_err(|error| error.to_string())
            };
            assert_eq!(found(None), Ok(partitioner));
            for given in Partitioner::ALL {
                assert_eq!(found(Some(given)).is_ok(), given == partitioner);
            }
        }
        let nobody = placed(|_| 3, 50).partitioner(None);
        assert!(
            nobody
                .unwrap_err()
                .to_string()
                .contains("no known partitioner")
        );
        let empty = Placed::default();
        assert_eq!(empty.partitioner(None).unwrap().0, Partitioner::Murmur2);
        assert_eq!(
            empty.partitioner(Some(Partitioner::Fnv1a)).unwrap().0,
            Partitioner::Fnv1a
        );
    }

    #[test]
    fn topics_without_keys_or_with_other_keys_are_refused() {
        let unkeyed = Placed {
            unkeyed: 9,
            keyed: 1,
            ..Placed::default()
        };
        assert!(
            unkeyed
                .partitioner(None)
                .unwrap_err()
                .to_string()
                .contains("no key")
        );
        let misnamed = Placed {
            misnamed: 5,
            named: 5,
            ..placed(|key| Partitioner::Crc32.partition(key, 6), 5)
        };
        assert!(
            misnamed
                .partitioner(None)
                .unwrap_err()
                .to_string()
                .contains("not the ids")
        );
    }
}

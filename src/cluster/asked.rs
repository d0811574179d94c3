//! What instances ask each other, and what they answer: the forms, and their bytes.
//!
//! Owns the version of these forms. Promises that bytes of another version, and bytes with anything
//! missing or left over, are not understood at all, and that whatever is not answered has a name from
//! a closed list. Does not know how bytes travel, nor how an answer comes about.
//!
//! ```text
//!  +--------+-------------------------------+
//!  | FORMAT | question, or answer | Refused |   postcard
//!  +--------+-------------------------------+
//!   1 byte
//! ```
//!
//! What decides an answer and is not in the question follows from the settings, which are equal on
//! both sides where the definition is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::Timestamp;
use crate::measure::customer::Customer;
use crate::measure::partial::Partial;

/// The version of everything here. Whoever changes a form, or one that is in it, raises it.
const FORMAT: u8 = 1;

/// On what both sides have to agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// A hash of everything that decides the numbers.
    pub definition: String,
    /// How many partitions each topic has.
    pub partitions: i32,
}

/// What do these partitions contribute to a question?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialQuestion {
    pub terms: Terms,
    /// The partitions that are asked, each once.
    pub of: Vec<i32>,
    /// Ascending, each once.
    pub instants: Vec<Timestamp>,
    /// The wanted sections, as bits.
    pub sections: u8,
    /// As they are configured, or as one may be written.
    pub periods: Vec<String>,
}

/// What the partitions of a question contribute, all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartialAnswer {
    /// Merged.
    pub partial: Partial,
    /// One for each partition that was asked.
    pub grounds: Vec<Known>,
    /// The latest of all of them: facts before it are no longer kept one by one.
    pub prune_line: Option<Timestamp>,
    /// Customers may be in two shards, because the number of partitions changed.
    pub rekeyed: bool,
}

/// What of the log was known of one partition number when it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub partition: i32,
    /// The digest of all facts of the shard.
    pub digest: u128,
    /// By number of the topic: the first offset that is in the state, and the first that is not.
    pub offsets: Vec<Option<(i64, i64)>>,
}

/// Does one of these partitions know a customer?
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerQuestion {
    pub terms: Terms,
    /// The partitions that are asked, each once.
    pub of: Vec<i32>,
    /// Personal: never logged, never kept.
    pub id: String,
    pub at: Timestamp,
}

/// What all the partitions of a question know of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerAnswer {
    /// Those that were asked.
    pub of: Vec<i32>,
    /// The partition that knows the customer, and what it knows.
    pub found: Option<(i32, Customer)>,
}

/// Why an instance does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// Its numbers are other ones: settings, topics, digest key or version differ.
    OtherDefinition,
    /// It knows the topics with so many partitions.
    OtherPartitions { partitions: i32 },
    /// It does not have these partitions, ascending; at least one.
    NotMine { partitions: Vec<i32> },
    /// A partition has come so far only.
    NotReached {
        partition: i32,
        reached: Option<Timestamp>,
    },
    /// The question is none that it could be asked.
    NotUnderstood,
    /// A period begins before what is kept.
    HistoryGone {
        needed: Timestamp,
        kept_since: Timestamp,
    },
    /// It would take too long, or the answer would be too large; so many instants would fit.
    TooMuch { fits: u64 },
    /// It took longer than so many seconds.
    TimedOut { seconds: u64 },
    /// Others are being answered.
    Busy,
    /// It is stopping.
    Stopping,
    /// Records were lost before they were read.
    Degraded,
    /// The topics have other partitions than are read by now.
    Incomplete,
    /// Its configuration lets nobody look up customers.
    CustomersOff,
    /// Several of the partitions know the customer.
    SplitCustomer,
    /// Something failed that should not.
    Failed,
}

/// Bytes that are no question and no answer of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// They are of another version, or of something else.
    OtherFormat,
    /// They are damaged.
    Damaged,
}

/// The personal part is left out.
impl std::fmt::Debug for CustomerQuestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomerQuestion")
            .field("terms", &self.terms)
            .field("of", &self.of)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// A question or an answer as bytes; nothing if it cannot be written.
#[must_use]
pub fn written(form: &impl Serialize) -> Option<Vec<u8>> {
    postcard::to_extend(form, vec![FORMAT]).ok()
}

/// A question or an answer from its bytes.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let (format, form) = bytes.split_first().ok_or(Unreadable::Damaged)?;
    if *format != FORMAT {
        return Err(Unreadable::OtherFormat);
    }
    match postcard::take_from_bytes(form) {
        Ok((form, [])) => Ok(form),
        Ok(_) | Err(_) => Err(Unreadable::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Survey;
    use crate::ledger::hash::checksum;
    use crate::measure::customer::{
        KnownAnswer, KnownAttribute, KnownOrder, KnownRevenue, KnownSpell,
    };

    fn question() -> CustomerQuestion {
        CustomerQuestion {
            terms: Terms {
                definition: "0123456789abcdef".to_owned(),
                partitions: 12,
            },
            of: vec![3, 7],
            id: "c-42".to_owned(),
            at: Timestamp::FIRST,
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is() {
        let bytes = written(&question()).unwrap();
        assert_eq!(read(&bytes), Ok(question()));
        let longer = [&bytes[..], &[0]].concat();
        let other = [&[FORMAT + 1], &bytes[1..]].concat();
        for (bytes, expected) in [
            (&[][..], Unreadable::Damaged),
            (&bytes[..1], Unreadable::Damaged),
            (&bytes[..bytes.len() - 1], Unreadable::Damaged),
            (&longer, Unreadable::Damaged),
            (&other, Unreadable::OtherFormat),
            (b"<html>", Unreadable::OtherFormat),
        ] {
            assert_eq!(read::<CustomerQuestion>(bytes), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn bytes_stay_what_they_are_or_the_format_is_another_one() {
        let at = Timestamp::from_millis(1_780_272_000_000);
        let partial = PartialQuestion {
            terms: question().terms,
            of: vec![3, 7],
            instants: vec![at],
            sections: 5,
            periods: vec!["30d".to_owned()],
        };
        let customer = Customer {
            at,
            active: true,
            spells: vec![KnownSpell {
                from: at,
                to: Some(at),
                reason: Some("price".to_owned()),
            }],
            orders: vec![KnownOrder {
                at,
                millionths: 7_000_000,
                currency: "TRY".to_owned(),
            }],
            orders_total: 3,
            revenue: vec![KnownRevenue {
                currency: "TRY".to_owned(),
                orders: 3,
                millionths: 1 << 90,
            }],
            answers: vec![KnownAnswer {
                survey: Survey::Ces,
                score: 4,
                channel: None,
                at,
            }],
            attributes: vec![
                None,
                Some(KnownAttribute {
                    value: "pro".to_owned(),
                    since: at,
                }),
            ],
            first_order_at: Some(at),
            known_since: None,
            history_start: Some(at),
        };
        let found: Result<CustomerAnswer, Refused> = Ok(CustomerAnswer {
            of: vec![3, 7],
            found: Some((7, customer)),
        });
        let known = Known {
            partition: 3,
            digest: 1 << 100,
            offsets: vec![None, Some((0, 300))],
        };
        let refused = [
            Refused::OtherDefinition,
            Refused::OtherPartitions { partitions: 3 },
            Refused::NotMine {
                partitions: vec![1],
            },
            Refused::NotReached {
                partition: 1,
                reached: Some(at),
            },
            Refused::NotUnderstood,
            Refused::HistoryGone {
                needed: at,
                kept_since: at,
            },
            Refused::TooMuch { fits: 9 },
            Refused::TimedOut { seconds: 60 },
            Refused::Busy,
            Refused::Stopping,
            Refused::Degraded,
            Refused::Incomplete,
            Refused::CustomersOff,
            Refused::SplitCustomer,
            Refused::Failed,
        ];
        let check = |bytes: Option<Vec<u8>>, expected: u128| {
            let bytes = bytes.unwrap();
            assert_eq!(checksum(&bytes), expected, "{bytes:?}");
        };
        check(
            written(&question()),
            0x385a_d28d_ec7d_ff91_e9f1_e9d7_c95b_c648,
        );
        check(written(&partial), 0x4e07_dcfe_159e_7d6c_b0cc_164f_7175_5448);
        check(written(&found), 0xdc2b_bbe1_82c3_df06_0aed_cb3b_0255_089c);
        check(written(&known), 0xee0a_d279_785e_ac23_9370_ed91_30c0_bd9e);
        check(written(&refused), 0xc867_453d_1279_f2e5_35b4_fc17_7494_b118);
    }

    #[test]
    fn a_question_for_a_customer_is_shown_without_the_id() {
        let shown = format!("{:?}", question());
        assert!(!shown.contains("c-42") && shown.contains("12"), "{shown}");
    }
}

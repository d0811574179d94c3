//! The oracle: every published number once more, so dull that it can be believed by reading.
//!
//! Owns a second, independent implementation of the measures, for tests only: sets of customers
//! and loops over the whole log, without indexes, without sums kept on the side, without sharing.
//! It promises to follow the definitions to the letter. It deliberately knows nothing of the
//! program's decoder, facts, shards and periods, and takes from the program not even a type.
//!
//! ```text
//! Log --kept--> set of distinct events --spell--> spells of each customer --+--> retention    --+
//!                                     \-- answers of each window -----------+--> satisfaction --+--> Page
//!                                         period: name, T -> [t0, t1) ------+
//! ```
//!
//! Where to find which rule:
//!
//! | rule | where |
//! | --- | --- |
//! | rejected records, repeats, conflicting ids, "exactly the events before `T`" | [`kept`] |
//! | rolling and calendar periods, local days of 23 and 25 hours, week starts | [`period`] |
//! | who is a customer, and when: the spells, ties at one instant, the timeout | [`spell`] |
//! | retention, churn, departures and their reasons; what is withheld | [`retention`] |
//! | NPS, CSAT, CES, their bounds, the scales | [`satisfaction`] |
//! | names of series, equality of two pages | [`page`] |
//! | the events, and their JSON text for those who have to decode it | [`log`] |
//! | tables of events in and numbers out | [`cases`], read and checked by [`table`] |
//! | random logs, orders of arrival, splits, batches | [`random`] |
//!
//! Pruning has no place here: over the kept history it may not change a number, so the oracle
//! simply never forgets.
//!
//! To compare an engine: write a function `(&Log, &Settings, i64) -> Page` that feeds it
//! [`log::Record::json`] and the Kafka timestamps, give it to [`table::check`] for each of
//! [`cases::cases`] and to [`random::compare`] for random logs. Inside that function the log may be
//! [shuffled](random::shuffled), [split](random::split_by_customer) into shards and cut into
//! [batches](random::batches): no number may change. A test that uses a part of this module only
//! declares it with `#[expect(dead_code, reason = "...")]`.

pub mod cases;
pub mod kept;
pub mod log;
pub mod page;
pub mod period;
pub mod random;
pub mod retention;
pub mod satisfaction;
pub mod settings;
pub mod spell;
pub mod table;

use self::log::Log;
use self::page::Page;
use self::settings::Settings;

/// Every number of the page at the instant `at`, in milliseconds since 1970.
pub fn evaluate(log: &Log, settings: &Settings, at: i64) -> Page {
    let facts = kept::known_before(log, settings, at);
    let periods: Vec<(String, period::Interval)> = settings
        .periods
        .iter()
        .map(|name| (name.clone(), period::interval(name, at, settings)))
        .collect();

    let mut page = Page::default();
    retention::publish(&facts, &periods, settings, at, &mut page);
    satisfaction::publish(&facts, &periods, settings, &mut page);
    page
}

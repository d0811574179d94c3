//! The oracle: every published number once more, so dull that it can be believed by reading.
//!
//! Owns a second, independent implementation of the measures, for tests only: sets of customers
//! and loops over the whole log, without indexes, without sums kept on the side, without sharing.
//! It promises to follow the definitions to the letter. It deliberately knows nothing of the
//! program's decoder, facts, shards and periods, and takes from the program not even a type.
//!
//! ```text
//! Log --kept--> set of distinct events --spell--> spells of each customer --+--> retention,    --+
//!                  |                      period: name, T -> [t0, t1) ------+    link, cohort    +--> Page
//!                  +-- answers, orders, attributes of each window ----------+--> satisfaction, --+
//!                                                                                channel, orders,
//!                                                                                segment
//! ```
//!
//! Where to find which rule:
//!
//! | rule | where |
//! | --- | --- |
//! | rejected records, repeats, conflicting ids, "exactly the events before `T`" | [`kept`] |
//! | rolling and calendar periods, local days of 23 and 25 hours, week starts, months | [`period`] |
//! | who is a customer, and when: the spells, ties at one instant, the timeout | [`spell`] |
//! | retention, churn, departures and their reasons, expected ones, dormant customers | [`retention`] |
//! | what is withheld | [`withheld`] |
//! | NPS, CSAT, CES, their bounds and scales, change scores, who was asked | [`satisfaction`] |
//! | answers by channel | [`channel`] |
//! | orders, revenue, buyers, reorders, lifetime values | [`orders`] |
//! | retention and revenue by NPS group, low scores before leaving | [`link`] |
//! | values of dimensions at an instant, which segments are shown | [`segment`] |
//! | months of first spells, and who stayed | [`cohort`] |
//! | when events of each type came last, and how often they come | [`silence`] |
//! | names of all metrics and of their labels | [`catalogue`] |
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
pub mod catalogue;
pub mod channel;
pub mod cohort;
pub mod kept;
pub mod link;
pub mod log;
pub mod orders;
pub mod page;
pub mod period;
pub mod random;
pub mod retention;
pub mod satisfaction;
pub mod segment;
pub mod settings;
pub mod silence;
pub mod spell;
pub mod table;
pub mod withheld;

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

    let lives = spell::Lives::new(&facts, settings);

    let mut page = Page::default();
    retention::publish(&facts, &lives, &periods, settings, at, &mut page);
    satisfaction::publish(&facts, &lives, &periods, settings, &mut page);
    channel::publish(&facts, &periods, settings, &mut page);
    orders::publish(&facts, &lives, &periods, settings, &mut page);
    link::publish(&facts, &lives, &periods, settings, &mut page);
    segment::publish(&facts, &lives, &periods, settings, at, &mut page);
    cohort::publish(&facts, &lives, settings, at, &mut page);
    silence::publish(&facts, at, &mut page);
    withheld::publish(&facts, &lives, &periods, settings, &mut page);
    page
}

//! The state alone, in this process: bytes for each further event, and evaluations on one core.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::history::{Folding, UNTIL, history};
use crate::table::{Table, grouped};
use tenure::event::{Amount, Attributes, Body, Event};
use tenure::generate::Record;
use tenure::measure::pass::evaluate;
use tenure::measure::question::Question;
use tenure::measure::settings::EvaluationSettings;

/// Customers of the shard that grows.
const CUSTOMERS: u32 = 100_000;
/// Customers of the shard that is evaluated, and how often it is.
const EVALUATED: u32 = 1_000_000;
const EVALUATIONS: usize = 7;
/// Further orders of each of the customers.
const ORDERS: [u32; 3] = [1, 10, 50];

pub fn describe(table: &mut Table) {
    eprintln!("measuring the state alone");
    describe_growth(table);
}

/// Nanoseconds a customer of evaluations of all measures, in one thread, of a shard of a million.
pub fn evaluations() -> Vec<f64> {
    let shard = Folding::of_history(EVALUATED).shard;
    let question = Arc::new(Question::at(UNTIL, Arc::new(EvaluationSettings::default())));
    let once = |_| {
        let started = Instant::now();
        let answer = evaluate(&shard, 0, &question);
        assert!(answer.is_ok(), "the whole history is kept");
        started.elapsed().as_secs_f64() * 1e9 / shard.customers().len() as f64
    };
    (0..EVALUATIONS).map(once).collect()
}

/// The remembered ids are left out: their table is bounded, whatever comes.
fn describe_growth(table: &mut Table) {
    let (mut folding, names) = (Folding::of_history(CUSTOMERS), names());
    let before = folding.shard.customers().bytes() as f64;
    let customers = folding.shard.customers().len() as f64;
    let (mut ordered, mut figures) = (0, Vec::new());
    for orders in ORDERS {
        for number in ordered..orders {
            order_once_each(&mut folding, &names, number);
        }
        ordered = orders;
        let grown = folding.shard.customers().bytes() as f64 - before;
        figures.push(format!(
            "{:.0} after {orders}",
            grown / f64::from(orders) / customers
        ));
    }
    table.row(
        "bytes of state for each further order, by orders of every customer",
        format!(
            "{} (one shard of {})",
            figures.join(", "),
            grouped(customers)
        ),
    );
}

/// The customers of the shard, each once.
fn names() -> Vec<String> {
    let mut generator = history(CUSTOMERS, UNTIL, None);
    let mut record = Record::buffer();
    let mut names = BTreeSet::new();
    while generator.next_into(&mut record) {
        names.insert(record.key.clone());
    }
    names.into_iter().collect()
}

/// One order of every customer, a minute after the one before.
fn order_once_each(folding: &mut Folding, names: &[String], number: u32) {
    let at = UNTIL.plus_millis(i64::from(number) * 60_000);
    for name in names {
        let event = Event {
            id: Cow::Owned(format!("order-{name}-{number}")),
            customer: Cow::Borrowed(name),
            occurred_at: at,
            body: Body::Purchase {
                amount: Amount::from_decimal("19.99").unwrap_or_else(|| panic!("a decimal")),
                currency: Cow::Borrowed("EUR"),
            },
            attributes: Attributes::default(),
        };
        folding.fold(&event, at);
    }
}

//! What was expected against what came, field by field.

use std::fmt::{Display, Write as _};

use crate::command::becoming::{Account, Became, Made, Sight};
use crate::command::paper::plain;
use crate::config::sources::trials::{Expected, ExpectedEvent, ExpectedRejection};
use crate::event::{Rejection, Survey};

/// What absent fields are called.
const NOTHING: &str = "nothing";

/// A difference in one field: its name, what was expected, what came.
type Difference = (String, String, String);

/// What is wrong, in indented lines; nothing if all is as expected.
pub fn mismatch(expected: &[Expected], accounts: &[Account<'_>]) -> Option<String> {
    let came = accounts.iter().flat_map(|account| &account.parts);
    let all = |right: fn(&Became) -> bool| came.clone().all(right);
    match expected {
        [Expected::Skipped] => {
            (!all(|it| matches!(it, Became::Skipped))).then(|| against("to be skipped", accounts))
        }
        [Expected::Tombstone] => {
            (!all(|it| matches!(it, Became::Tombstone))).then(|| against("a tombstone", accounts))
        }
        expected => {
            let came: Vec<_> = came.filter(|it| makes_something(it)).collect();
            compare(expected, &came, accounts)
        }
    }
}

/// Records that are skipped stand for nothing among events.
const fn makes_something(became: &Became) -> bool {
    matches!(became, Became::Event(_) | Became::Rejected(_))
}

fn compare(expected: &[Expected], came: &[&Became], accounts: &[Account<'_>]) -> Option<String> {
    let mut lines = String::new();
    let mut of_another_kind = expected.len() != came.len();
    for (number, (expected, came)) in expected.iter().zip(came).enumerate() {
        match differences(expected, came) {
            None => {
                of_another_kind = true;
            }
            Some(found) if found.is_empty() => {}
            Some(found) => lines.push_str(&told(number, &found)),
        }
    }
    if of_another_kind {
        let expected: Vec<_> = expected.iter().map(named).collect();
        return Some(against(&expected.join(", "), accounts) + &lines);
    }
    (!lines.is_empty()).then_some(lines)
}

fn told(number: usize, differences: &[Difference]) -> String {
    let widest = differences.iter().map(|(field, ..)| field.chars().count());
    let widest = widest.max().unwrap_or(0);
    let mut lines = format!("  event {}\n", number + 1);
    for (field, expected, came) in differences {
        let _ = writeln!(lines, "    {field:<widest$}  expected {expected}");
        let _ = writeln!(lines, "    {:<widest$}  got      {came}", "");
    }
    lines
}

/// What was expected in a word or two.
fn named(expected: &Expected) -> String {
    match expected {
        Expected::Event(event) => event.event_type.name().to_owned(),
        Expected::Rejected(ExpectedRejection { reason, field }) => match field {
            Some(field) => format!("rejected: {}, field {field}", reason.name()),
            None => format!("rejected: {}", reason.name()),
        },
        Expected::Skipped => "skipped".to_owned(),
        Expected::Tombstone => "tombstone".to_owned(),
    }
}

/// What came of all records, with the reasons, because something else was expected.
fn against(expected: &str, accounts: &[Account<'_>]) -> String {
    let sight = Sight::open();
    let mut lines = format!("  expected  {expected}\n");
    for (number, account) in accounts.iter().enumerate() {
        let record = match accounts.len() {
            1 => String::new(),
            _ => format!("record {}: ", number + 1),
        };
        for (part, became) in account.parts.iter().enumerate() {
            let _ = writeln!(lines, "  got       {record}{}", became.line(&sight));
            for reason in account.reasons(part, &sight) {
                let _ = writeln!(lines, "              {reason}");
            }
        }
    }
    lines
}

/// The fields that differ; nothing at all if the one is no kind of the other.
fn differences(expected: &Expected, came: &Became) -> Option<Vec<Difference>> {
    match (expected, came) {
        (Expected::Event(expected), Became::Event(came))
            if expected.event_type == came.event_type =>
        {
            Some(of_event(expected, came))
        }
        (Expected::Rejected(expected), Became::Rejected(came)) => {
            fits(expected, came).then(Vec::new)
        }
        _ => None,
    }
}

fn fits(expected: &ExpectedRejection, came: &Rejection) -> bool {
    let field = expected.field.as_deref();
    expected.reason == came.reason && (field.is_none() || field == came.field)
}

fn of_event(expected: &ExpectedEvent, came: &Made) -> Vec<Difference> {
    let given = |text: &Option<String>| text.clone().map(Some);
    let fields = [
        given(&expected.event_id).and_then(|it| differing("event_id", it, Some(came.id.clone()))),
        given(&expected.customer_id)
            .and_then(|it| differing("customer_id", it, Some(came.customer.clone()))),
        expected
            .occurred_at
            .and_then(|it| differing("occurred_at", Some(it), Some(came.occurred_at))),
        expected
            .amount
            .and_then(|it| differing("amount", Some(it), came.amount)),
        given(&expected.currency).and_then(|it| differing("currency", it, came.currency.clone())),
        expected
            .reason
            .clone()
            .and_then(|it| differing("reason", it, came.reason.clone())),
        expected.survey.and_then(|it| {
            let name = came.survey.map(Survey::name);
            differing("survey", Some(it.name()), name)
        }),
        expected
            .score
            .and_then(|it| differing("score", Some(it), came.score)),
        expected
            .channel
            .clone()
            .and_then(|it| differing("channel", it, came.channel.clone())),
    ];
    let attributes = expected.attributes.iter().filter_map(|(_, name, value)| {
        let came = came.attributes.iter().find(|(other, _)| other == name);
        let came = came.map(|(_, value)| value.clone());
        differing(&format!("attributes.{name}"), value.clone(), came)
    });
    fields.into_iter().flatten().chain(attributes).collect()
}

fn differing<T: PartialEq + Display>(
    field: &str,
    expected: Option<T>,
    came: Option<T>,
) -> Option<Difference> {
    let shown = |value: Option<T>| value.map_or(NOTHING.to_owned(), |it| plain(&it.to_string()));
    (expected != came).then(|| (field.to_owned(), shown(expected), shown(came)))
}

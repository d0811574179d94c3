//! A pass that is cut into slices, with events folded in between, says what was true when it began.

#![cfg(test)]

#[expect(dead_code, reason = "of the oracle these tests need the random logs")]
mod oracle;

use std::sync::Arc;

use jiff::tz::TimeZone;
use oracle::random::{Dice, random_case};
use tenure::engine::intake::{take, take_after};
use tenure::event::Event;
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::event::record::Record;
use tenure::event::source::Source;
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::measure::partial::Partial;
use tenure::measure::pass::{Pass, evaluate};
use tenure::measure::publish::{Context, reports};
use tenure::measure::question::{Question, Sections};
use tenure::measure::report::Report;
use tenure::measure::settings::EvaluationSettings;

const DAY: i64 = 86_400_000;
const LOGS: u64 = 600;

/// A random log as records, some of them with attributes, and what is asked about it.
struct Case {
    records: Vec<Vec<u8>>,
    question: Arc<Question>,
    fold: Arc<FoldSettings>,
}

fn case(seed: u64) -> Case {
    let case = random_case(seed);
    let mut dice = Dice::new(seed);
    let records = case.log.records.iter().map(|record| {
        let mut json = record.json();
        let plan = ["basic", "pro", "max"][dice.below(3) as usize];
        let country = ["DE", "TR"][dice.below(2) as usize];
        if json.ends_with('}') && !json.contains("attributes") && dice.below(2) == 0 {
            json.pop();
            let attributes = format!(r#"{{"plan":"{plan}","country":"{country}"}}"#);
            json = format!(r#"{json},"attributes":{attributes}}}"#);
        }
        json.into_bytes()
    });
    let records = records.collect();
    let settings = EvaluationSettings {
        time_zone: TimeZone::get(&case.settings.time_zone).unwrap(),
        periods: ["1h", "7d", "30d", "this_month", "last_quarter"]
            .map(|period| period.parse().unwrap())
            .to_vec(),
        inactivity_timeout_millis: (dice.below(2) == 0).then_some(20 * DAY),
        ..EvaluationSettings::default()
    };
    let instants = case.instants.iter().take(4);
    let instants = instants.map(|at| Timestamp::from_millis(*at));
    let fold = FoldSettings {
        history_millis: 20_000 * DAY,
        dimensions: vec!["plan".to_owned(), "country".to_owned()],
        ..FoldSettings::default()
    };
    Case {
        records,
        question: Arc::new(Question::of(instants, Sections::ALL, Arc::new(settings))),
        fold: Arc::new(fold),
    }
}

impl Case {
    fn reports(&self, partial: &Partial) -> Vec<Report> {
        let context = Context {
            ces: self.fold.ces,
            dimensions: &self.fold.dimensions,
            rekeyed: false,
        };
        reports(partial, &self.question, context)
    }
}

/// Whether the events in between would have changed the reports.
fn check(seed: u64) -> bool {
    let case = case(seed);
    let mut dice = Dice::new(seed ^ 0x51ce);
    let decoder = Decoder::new(case.fold.decoding());
    let source = Source::native(case.fold.decoding());
    let mut shard = Shard::new(Arc::clone(&case.fold), 1);
    shard.start_at(0, 0);
    let before = dice.below(case.records.len() as u64 + 1) as usize;
    let (known, further) = case.records.split_at(before);
    for record in known {
        take(&mut shard, &decoder, Some(record), None);
    }
    let expected = case.reports(&evaluate(&shard, 0, &case.question).unwrap());

    let mut pass = Pass::begin(&shard, 0, Arc::clone(&case.question)).unwrap();
    let mut done = false;
    for record in further {
        if !done && dice.below(3) == 0 {
            let customers = 1 + dice.below(3) as usize;
            done = pass.advance(&shard, customers).unwrap();
        }
        let before = |shard: &Shard, event: &Event<'_>| {
            pass.before_change(shard, shard.customer(&event.customer));
        };
        let record = Record::of_value(record);
        take_after(&mut shard, &source, None, record, before, |_| {});
    }
    while !done {
        done = pass.advance(&shard, 1).unwrap();
    }
    let sliced = case.reports(&pass.finish(&shard));
    assert_eq!(sliced, expected, "seed {seed}");
    case.reports(&evaluate(&shard, 0, &case.question).unwrap()) != expected
}

#[test]
fn a_pass_in_slices_says_what_was_true_when_it_began_whatever_is_folded_in_between() {
    let changed = (0..LOGS).filter(|seed| check(*seed)).count() as u64;
    assert!(
        changed > LOGS / 4,
        "{changed} logs went on to something else"
    );
}

#[test]
fn several_instants_in_one_pass_are_what_each_is_alone() {
    for seed in 0..LOGS / 3 {
        let case = case(seed);
        let decoder = Decoder::new(case.fold.decoding());
        let mut shard = Shard::new(Arc::clone(&case.fold), 1);
        shard.start_at(0, 0);
        for record in &case.records {
            take(&mut shard, &decoder, Some(record), None);
        }
        let together = case.reports(&evaluate(&shard, 0, &case.question).unwrap());
        assert_eq!(together.len(), case.question.instants.len());
        for (report, instant) in together.iter().zip(&case.question.instants) {
            let settings = Arc::clone(&case.question.settings);
            let question = Arc::new(Question::at(instant.at, settings));
            let context = Context {
                ces: case.fold.ces,
                dimensions: &case.fold.dimensions,
                rekeyed: false,
            };
            let alone = reports(&evaluate(&shard, 0, &question).unwrap(), &question, context);
            assert_eq!(
                std::slice::from_ref(report),
                alone,
                "seed {seed} at {}",
                instant.at
            );
        }
    }
}

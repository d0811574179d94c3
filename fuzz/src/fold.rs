//! Folding: a shard is a function of its log, and neither the order of arrival nor the split over
//! shards nor a snapshot in the middle changes a number.

use std::sync::Arc;

use tenure::event::Timestamp;
use tenure::ledger::Shard;
use tenure::ledger::snapshot;
use tenure::measure::partial::Partial;
use tenure::measure::pass::{Pass, evaluate};
use tenure::measure::publish::{Context, reports};
use tenure::measure::question::{Question, Sections};
use tenure::measure::report::Report;
use tenure::measure::settings::{CustomerStart, EvaluationSettings};

use super::script::{Script, Step};

/// So many records at one instant confirm any leap of the log clock.
const CONFIRMING: usize = 40;

/// Folds a script in several ways and compares.
///
/// # Panics
/// If two ways differ, or a shard is not what its digest says.
pub fn check(bytes: &[u8]) {
    let Some(script) = Script::read(bytes) else {
        return;
    };
    let end = end_of(&script);
    let steps: Vec<&Step> = script.steps.iter().collect();
    let whole = folded(&script, &steps, end);
    assert_eq!(whole.digest(), whole.digest_recomputed());
    check_cut(&script, &steps, end, &whole);
    check_slices(&script, &steps);
    let expected = published(&script, std::slice::from_ref(&whole));
    if script.conflicting {
        return;
    }
    let mut shuffled = steps;
    shuffle(&mut shuffled, u64::from(script.shuffle));
    let again = folded(&script, &shuffled, end);
    assert_eq!(
        again.digest(),
        whole.digest(),
        "the order of arrival matters"
    );
    assert_eq!(published(&script, &[again]), expected);
    let parts = [0, 1].map(|part| {
        let of_part = |step: &&&Step| {
            let event = step.event.as_ref();
            event.is_some_and(|event| place(&event.customer, script.shuffle) == part)
        };
        let steps: Vec<&Step> = shuffled.iter().filter(of_part).copied().collect();
        folded(&script, &steps, end)
    });
    let sum = parts[0].digest().wrapping_add(parts[1].digest());
    assert_eq!(sum, whole.digest(), "the split over shards matters");
    assert_eq!(published(&script, &parts), expected);
}

/// The newest believable time of the log: told often enough at the end, it makes every order of
/// arrival prune alike.
fn end_of(script: &Script) -> Option<Timestamp> {
    let times = script.steps.iter().filter_map(|step| step.recorded_at);
    times.filter(|at| at.plausible()).max()
}

fn fold(shard: &mut Shard, offset: usize, step: &Step) {
    let offset = offset as i64;
    assert!(step.fold(shard, offset));
    assert!(!step.fold(shard, offset), "taken twice");
}

fn folded(script: &Script, steps: &[&Step], end: Option<Timestamp>) -> Shard {
    let mut shard = script.empty();
    for (offset, step) in steps.iter().enumerate() {
        fold(&mut shard, offset, step);
    }
    confirm(&mut shard, script.steps.len(), end);
    shard
}

fn confirm(shard: &mut Shard, offset: usize, end: Option<Timestamp>) {
    for offset in offset..offset + CONFIRMING {
        assert!(shard.advance(0, offset as i64, end));
    }
}

/// Writes and reads the shard in the middle, and goes on with what was read.
fn check_cut(script: &Script, steps: &[&Step], end: Option<Timestamp>, whole: &Shard) {
    let mut shard = script.empty();
    for (offset, step) in steps.iter().enumerate().take(script.cut) {
        fold(&mut shard, offset, step);
    }
    let bytes = snapshot::write(&shard);
    let mut again = snapshot::read(&bytes, Arc::clone(&script.settings)).expect("own bytes");
    assert_eq!(snapshot::write(&again), bytes, "one state has one form");
    for (offset, step) in steps.iter().enumerate().skip(script.cut) {
        fold(&mut again, offset, step);
    }
    confirm(&mut again, script.steps.len(), end);
    assert_eq!(
        snapshot::write(&again),
        snapshot::write(whole),
        "the cut matters"
    );
}

/// Evaluates in slices while folding goes on: exact as of its beginning, or refused.
fn check_slices(script: &Script, steps: &[&Step]) {
    let mut shard = script.empty();
    for (offset, step) in steps.iter().enumerate().take(script.cut) {
        fold(&mut shard, offset, step);
    }
    let question = question(script);
    let Ok(expected) = evaluate(&shard, 0, &question) else {
        return;
    };
    let mut pass = Pass::begin(&shard, 0, Arc::clone(&question)).expect("it was evaluated");
    for (offset, step) in steps.iter().enumerate().skip(script.cut) {
        assert!(shard.advance(0, offset as i64, step.recorded_at));
        if let Some(event) = &step.event {
            pass.before_change(&shard, shard.customer(&event.customer));
            shard.fold(event);
        }
        if pass.advance(&shard, 1).is_err() {
            return;
        }
    }
    if pass.advance(&shard, usize::MAX).is_err() {
        return;
    }
    let found = pass.finish(&shard);
    let report = |partial: &Partial| reports(partial, &question, context(script));
    let expected = Partial {
        prune_line: found.prune_line,
        ..expected
    };
    assert_eq!(report(&found), report(&expected), "slices matter");
}

fn question(script: &Script) -> Arc<Question> {
    let timeout = [None, Some(30 * 86_400_000)][usize::from(script.shuffle >> 6 & 1)];
    let starts_with = [CustomerStart::Signup, CustomerStart::Purchase];
    let settings = EvaluationSettings {
        inactivity_timeout_millis: timeout,
        customer_starts_with: starts_with[usize::from(script.shuffle >> 7)],
        max_label_values: 2,
        max_segments: 3,
        ..EvaluationSettings::default()
    };
    let instants = [script.at, script.at.plus_millis(86_400_000)];
    Arc::new(Question::of(instants, Sections::ALL, Arc::new(settings)))
}

fn context(script: &Script) -> Context<'_> {
    Context {
        ces: script.settings.ces,
        dimensions: &script.settings.dimensions,
        rekeyed: false,
    }
}

/// The reports of shards together; nothing if the history does not reach.
fn published(script: &Script, shards: &[Shard]) -> Option<Vec<Report>> {
    let question = question(script);
    let mut merged = Partial::empty(&question);
    for (number, shard) in shards.iter().enumerate() {
        merged.merge(&evaluate(shard, number, &question).ok()?);
    }
    Some(reports(&merged, &question, context(script)))
}

/// One of two shards for each customer, another choice for each number.
fn place(customer: &str, by: u8) -> u8 {
    let last = customer.bytes().last().unwrap_or_default();
    by >> (last % 5) & 1
}

/// Fisher and Yates, by a linear congruence.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    for place in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(place, (state >> 33) as usize % (place + 1));
    }
}

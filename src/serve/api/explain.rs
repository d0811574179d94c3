//! `/api/v1/explain`: the explanation of one number, now or as of an instant.

use crate::event::{Reason, Timestamp};
use crate::measure::catalogue::nearest;
use crate::measure::explain::series::named;
use crate::measure::explain::{Evidence, Explanation, Records, Series, compared_with};
use crate::measure::report::Report;
use crate::serve::Published;
use crate::serve::api::Desk;
use crate::serve::api::archive::Asker;
use crate::serve::api::parameters::{Parameters, period};
use crate::serve::api::refusal::Refusal;
use crate::telemetry::FoldTelemetry;

/// The two reports that an explanation is made of; the earlier one, or why it cannot be known.
struct Pair {
    now: std::sync::Arc<Report>,
    before: Result<std::sync::Arc<Report>, String>,
}

pub(super) fn explanation(
    desk: &Desk,
    query: Option<&str>,
    asker: &Asker,
) -> Result<Explanation, Refusal> {
    let mut parameters = Parameters::of(query)?;
    let metric = parameters.required("metric", "name one, as on the page")?;
    let measure = named(&metric).ok_or_else(|| Refusal::UnknownMetric {
        nearest: nearest(&metric),
    })?;
    let at = parameters.instant("at")?;
    let names: Vec<&str> = measure.label_names(&desk.api.dimensions).collect();
    let mut labels = Vec::new();
    for name in &names {
        let value = parameters.one(name)?;
        labels.extend(value.map(|value| (*name, value)));
    }
    parameters.none_left(["metric", "at"].into_iter().chain(names.iter().copied()))?;
    let given = |label: &str| {
        let mut labels = labels.iter();
        let found = labels.find(|(name, _)| *name == label);
        found.map(|(_, value)| value.as_str())
    };
    let period = period(given("period"))?;
    let evaluation = &desk.api.evaluation;
    let before_of = |at| compared_with(period, at, evaluation);
    let pair = match at {
        Some(at) => past(desk, at, before_of(at), asker)?,
        None => latest(desk, before_of, asker)?,
    };
    let pairs: Vec<(&str, &str)> = labels
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let series = Series::find(&pair.now, measure.name, &pairs)
        .map_err(|choice| Refusal::bad(measure.name, &choice.to_string()))?;
    let before = pair.before.as_deref().map_err(String::as_str);
    let records = records(&desk.telemetry.fold);
    let evidence = Evidence {
        now: &pair.now,
        before,
        settings: &desk.api.settings,
        evaluation,
        records: Some(&records),
    };
    let explanation = Explanation::of(&series, evidence);
    // A text that only the client knows is not in an answer.
    let reports = [Some(&*pair.now), before.ok()];
    let seen = |(name, value): &(String, String)| {
        let mut reports = reports.iter().flatten();
        reports.any(|report| series.may_show(report, name, value))
    };
    let labels = explanation.labels.iter().filter(|label| seen(label));
    Ok(Explanation {
        labels: labels.cloned().collect(),
        ..explanation
    })
}

/// Two instants of one state of the log; the later one alone where the earlier one is gone.
fn past(desk: &Desk, at: Timestamp, before: Timestamp, asker: &Asker) -> Result<Pair, Refusal> {
    let archive = &desk.api.archive;
    match archive.reports(&[before, at], asker) {
        Ok(reports) => {
            let mut reports = reports.into_iter().map(|published| published.report);
            let (Some(before), Some(now)) = (reports.next(), reports.next()) else {
                return Err(Refusal::Unwritable);
            };
            Ok(Pair {
                now,
                before: Ok(before),
            })
        }
        Err(gone @ Refusal::HistoryGone(_)) => {
            let mut reports = archive.reports(&[at], asker)?.into_iter();
            let Published { report, .. } = reports.next().ok_or(Refusal::Unwritable)?;
            Ok(Pair {
                now: report,
                before: Err(gone.to_string()),
            })
        }
        Err(refusal) => Err(refusal),
    }
}

/// The number on the page, also while it is withheld, and the one before.
fn latest(
    desk: &Desk,
    before_of: impl Fn(Timestamp) -> Timestamp,
    asker: &Asker,
) -> Result<Pair, Refusal> {
    let published = desk.source.published().ok_or(Refusal::NotReady)?;
    let now = std::sync::Arc::clone(&published.report);
    let before = match desk.api.archive.reports(&[before_of(now.at)], asker) {
        Ok(reports) => {
            let mut reports = reports.into_iter();
            Ok(reports.next().ok_or(Refusal::Unwritable)?.report)
        }
        Err(refusal) => match refusal {
            Refusal::HistoryGone(_)
            | Refusal::NotReached { .. }
            | Refusal::NotReady
            | Refusal::Degraded
            | Refusal::Incomplete => Err(refusal.to_string()),
            refusal => return Err(refusal),
        },
    };
    Ok(Pair { now, before })
}

/// What this process counted: it reads the log from its base on.
pub(super) fn records(fold: &FoldTelemetry) -> Records {
    let outcomes = &fold.outcomes;
    let rejected = Reason::ALL.into_iter().filter_map(|reason| {
        let count = fold.rejected(reason).get();
        (count > 0).then(|| (reason.name().to_owned(), count))
    });
    let all = [
        &outcomes.tombstone,
        &outcomes.skipped,
        &outcomes.rejected,
        &outcomes.duplicate,
        &outcomes.conflicting,
        &outcomes.redundant,
        &outcomes.applied,
    ];
    Records {
        since: "this process began to read the log".to_owned(),
        read: all.iter().map(|counter| counter.get()).sum(),
        applied: outcomes.applied.get(),
        redundant: outcomes.redundant.get(),
        late: fold.late.get(),
        repeated: outcomes.duplicate.get(),
        conflicting: outcomes.conflicting.get(),
        skipped: outcomes.skipped.get(),
        rejected: rejected.collect(),
        ignored_attributes: fold.ignored_attributes.get(),
    }
}

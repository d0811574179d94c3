//! What the alert rules shall say, and of what.
//!
//! Owns the targets and severities, and that the period of the targets is one that can have them.
//! Does not know the rules.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::complaint::{Complaint, quoted};
use super::keys::Key;
use super::layers::{Entry, listed};
use super::nearest::nearest;
use super::reading::Reading;
use super::settings::Origin;
use super::values::{self, Trouble};
use crate::alert::settings::AlertSettings;
use crate::alert::{Alert, Severity};
use crate::measure::period::Period;

/// How an alert can be told of; `none` leaves it out.
const SEVERITIES: [(&str, Option<Severity>); 4] = [
    ("critical", Some(Severity::Critical)),
    ("warning", Some(Severity::Warning)),
    ("info", Some(Severity::Info)),
    ("none", None),
];

impl Reading<'_> {
    /// The settings under `alerts`, checked against these periods if they could be read.
    pub fn alerts(&mut self, periods: Option<&[Period]>) -> Option<AlertSettings> {
        let share = 0.0..=1.0;
        let retention_target = self.target(Key::AlertsRetentionTarget, share.clone());
        let nps_target = self.target(Key::AlertsNpsTarget, -100.0..=100.0);
        let csat_target = self.target(Key::AlertsCsatTarget, share);
        let target_period = self.scalar(Key::AlertsTargetPeriod, values::period);
        let severities = self.severities();
        let job = self.scalar(Key::AlertsJob, values::job);
        let runbook_url = self.scalar(Key::AlertsRunbookUrl, values::address);
        let dashboard_url = self.optional(Key::AlertsDashboardUrl, values::address);
        let settings = AlertSettings {
            retention_target: retention_target?,
            nps_target: nps_target?,
            csat_target: csat_target?,
            target_period: target_period?,
            severities: severities?,
            job: job?,
            runbook_url: runbook_url?,
            dashboard_url: dashboard_url?.map(|url| url.trim_end_matches('/').to_owned()),
        };
        if let Some(periods) = periods.filter(|_| settings.has_target()) {
            self.check_target_period(settings.target_period, periods);
        }
        Some(settings)
    }

    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it set"
    )]
    fn target(&mut self, key: Key, bounds: RangeInclusive<f64>) -> Option<Option<f64>> {
        self.optional(key, |text| values::number(text, bounds))
    }

    fn check_target_period(&mut self, period: Period, periods: &[Period]) {
        let keys = [
            Key::AlertsTargetPeriod,
            Key::AlertsRetentionTarget,
            Key::AlertsNpsTarget,
            Key::AlertsCsatTarget,
        ];
        if matches!(period, Period::Complete(_)) {
            let message = format!("`alerts.target_period`: `{period}` does not move with time");
            let help = "write a rolling period such as 30d: an alert about a month that is over \
                        would stay until the next one is";
            self.error(&keys, message, help);
        } else if !periods.contains(&period) {
            let message = format!("`alerts.target_period`: `{period}` is not one of `periods`");
            let names: Vec<String> = periods.iter().map(Period::to_string).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let help = format!("add it there, or write one of {}", listed(&names));
            self.error(&keys, message, help);
        }
    }

    fn severities(&mut self) -> Option<BTreeMap<Alert, Option<Severity>>> {
        let entries = self.entries(Key::AlertsSeverities);
        let count = entries.len();
        let read = entries.into_iter().filter_map(|entry| self.severity(entry));
        let severities: BTreeMap<_, _> = read.collect();
        (severities.len() == count).then_some(severities)
    }

    fn severity(&mut self, entry: Entry) -> Option<(Alert, Option<Severity>)> {
        let key = Key::AlertsSeverities;
        let Entry { name, value } = entry;
        let Some(alert) = Alert::of_name(&name.text) else {
            let names: Vec<String> = Alert::ALL.iter().map(Alert::to_string).collect();
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            let message = format!("`{}`: there is no alert {}", key.path(), quoted(&name.text));
            let whole = format!("Tenure{}", name.text.trim_start_matches("Tenure"));
            let help = match nearest(&whole, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the alerts are {}", listed(&known)),
            };
            self.complaints
                .add(Complaint::error(message).at(name.place.as_ref()).help(help));
            return None;
        };
        let severity = values::choice(&value.text, &SEVERITIES).map_err(|trouble| Trouble {
            message: format!("`{alert}`: {}", trouble.message),
            ..trouble
        });
        let severity = self.parsed(key, value.place.as_ref(), severity)?;
        if let (Some(Origin::File { name: file, .. }), Some(place)) =
            (self.origins.keys.get(&key), &name.place)
        {
            let origin = Origin::File {
                name: file.clone(),
                line: place.line(),
            };
            self.origins.severities.insert(alert, origin);
        }
        Some((alert, severity))
    }
}

/// The word for how an alert is told of.
pub(super) fn word(severity: Option<Severity>) -> &'static str {
    severity.map_or("none", Severity::name)
}

//! What the rules have to fit.
//!
//! Owns the settings of the alerts, and the few others that rules depend on. Does not know where
//! settings are written.

use std::collections::BTreeMap;

use super::guards::{DEPARTURE_PERIODS, NPS_GUARDS};
use super::{Alert, Severity};
use crate::measure::period::Period;

/// The settings under `alerts`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertSettings {
    /// Retention below this is told of, 0 to 1.
    pub retention_target: Option<f64>,
    /// A Net Promoter Score that is surely below this is told of, -100 to 100.
    pub nps_target: Option<f64>,
    /// A CSAT share that is surely below this is told of, 0 to 1.
    pub csat_target: Option<f64>,
    /// The period of the targets. One that is configured and not a complete one, if there is any
    /// target.
    pub target_period: Period,
    /// How alerts are told of, where otherwise than by default; None leaves the alert out.
    pub severities: BTreeMap<Alert, Option<Severity>>,
    /// The value of the label `job` under which Prometheus scrapes Tenure.
    pub job: String,
    /// The address of the runbook; the name of the alert follows it after a `#`.
    pub runbook_url: String,
    /// The address of Grafana, without a slash at its end.
    pub dashboard_url: Option<String>,
}

impl AlertSettings {
    /// Whether any number has a target.
    #[must_use]
    pub fn has_target(&self) -> bool {
        let targets = [self.retention_target, self.nps_target, self.csat_target];
        targets.iter().any(Option::is_some)
    }

    /// How an alert is told of; None if it is left out.
    #[must_use]
    pub fn severity(&self, alert: Alert, default: Severity) -> Option<Severity> {
        let configured = self.severities.get(&alert).copied();
        configured.unwrap_or(Some(default))
    }
}

/// Everything that the rules follow from.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    pub alerts: AlertSettings,
    /// The periods of the page.
    pub periods: Vec<Period>,
    /// The topics that are read.
    pub topics: Vec<String>,
    /// How often the numbers are evaluated, in milliseconds.
    pub evaluation_interval_millis: i64,
    /// Numbers older than this are withheld, in milliseconds.
    pub max_staleness_millis: i64,
    /// How often each shard is written, in milliseconds; None without checkpoints.
    pub checkpoint_interval_millis: Option<i64>,
    /// No alert waits, or goes on, for longer than this, in milliseconds; None for the usual times.
    pub longest_for_millis: Option<i64>,
    /// Labels beside `instance` and `pod` in which the instances of one service differ.
    pub instance_labels: Vec<String>,
}

impl Setup {
    /// The configured period that is as long as a rolling one, however it is written.
    #[must_use]
    pub fn period_like(&self, wanted: Period) -> Option<Period> {
        let rolling = |period: &&Period| matches!(period, Period::Rolling { .. });
        let as_long = |period: &&Period| period.longest_millis() == wanted.longest_millis();
        let mut like = self.periods.iter().filter(rolling).filter(as_long);
        like.next().copied()
    }

    /// What of the rules is not there, or sees less, because a period is not configured: sentences
    /// for people. Alerts that are left out on purpose are not missed.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let wanted = |alert: &&Alert| self.alerts.severities.get(*alert) != Some(&None);
        let absent = |periods: &[Period]| -> Vec<String> {
            let periods = periods.iter().copied();
            let absent = periods.filter(|period| self.period_like(*period).is_none());
            absent.map(|period| period.to_string()).collect()
        };
        let nps = NPS_GUARDS.map(|guard| guard.period);
        let looking: [(&[Alert], &[Period]); 2] = [
            (
                &[
                    Alert::NpsDropped,
                    Alert::NpsDroppedFar,
                    Alert::NpsAlertBlind,
                ],
                &nps,
            ),
            (
                &[Alert::ChurnSpike, Alert::InactivitySpike],
                &DEPARTURE_PERIODS,
            ),
        ];
        let mut sentences = Vec::new();
        for (alerts, periods) in looking {
            let alerts: Vec<String> = alerts.iter().filter(wanted).map(Alert::to_string).collect();
            let absent = absent(periods);
            if alerts.is_empty() || absent.is_empty() {
                continue;
            }
            let alerts = alerts.join(", ");
            let effect = if absent.len() == periods.len() {
                format!("there are no alerts {alerts}")
            } else {
                format!("the alerts {alerts} see less than they could")
            };
            let absent = absent.join(" and no ");
            sentences.push(format!("`periods` has no {absent}, so {effect}"));
        }
        sentences
    }
}

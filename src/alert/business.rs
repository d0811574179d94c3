//! Alerts about the customers.
//!
//! Owns what is looked at and said when the Net Promoter Score falls, customers leave, a target is
//! missed or a source is silent. Comparisons with the past come from Tenure, which knows it exactly;
//! Prometheus only sets the difference against its guards. Does not know how rules are written.

use super::guards::{
    DEPARTURE_FOR_MILLIS, DEPARTURE_GUARD, DEPARTURE_KEEP_FIRING_MILLIS, DEPARTURE_PERIODS,
    DepartureGuard, NPS_BLIND_MILLIS, NPS_FAR_KEEP_FIRING_MILLIS, NPS_FAR_POINTS, NPS_FOR_MILLIS,
    NPS_GUARDS, NPS_KEEP_FIRING_MILLIS, NpsGuard, RETENTION_LEAST_CUSTOMERS, SILENT_FOR_MILLIS,
    SILENT_GAPS, TARGET_FOR_MILLIS,
};
use super::inputs::{Input, Inputs};
use super::pipeline::report_age_millis;
use super::rules::{Length, Record, Told, quoted, seconds, without};
use super::settings::Setup;
use super::{Alert, Severity};
use crate::measure::period::Period;

const OVERVIEW: &str = "tenure-overview";
const SATISFACTION: &str = "tenure-satisfaction";
const PIPELINE: &str = "tenure-pipeline";

/// What they look at, and the alerts.
pub(super) fn alerts(setup: &Setup) -> (Vec<Record>, Vec<Told>) {
    let mut numbers = Numbers {
        setup,
        inputs: Inputs::new(&setup.alerts.job),
        told: Vec::new(),
    };
    numbers.nps();
    numbers.departures(&Departures {
        alert: Alert::ChurnSpike,
        severity: Severity::Warning,
        source: "churn",
        reasons: "!=",
        summary: "Far more customers leave by churn events than at the same time in the weeks before.",
        by: "by churn events",
    });
    numbers.departures(&Departures {
        alert: Alert::InactivitySpike,
        severity: Severity::Info,
        source: "inactivity",
        reasons: "=",
        summary: "Far more customers become inactive than at the same time in the weeks before.",
        by: "by inactivity",
    });
    numbers.targets();
    numbers.silence();
    (numbers.inputs.into_records(), numbers.told)
}

/// The alerts so far, and what they look at.
struct Numbers<'a> {
    setup: &'a Setup,
    inputs: Inputs<'a>,
    told: Vec<Told>,
}

/// Departures by one source.
struct Departures {
    alert: Alert,
    severity: Severity,
    /// The value of the label `source`.
    source: &'static str,
    /// How the label `reason` compares with `inactivity`.
    reasons: &'static str,
    summary: &'static str,
    by: &'static str,
}

/// What a fall of the NPS is seen by.
struct Nps {
    change: Input,
    error: Input,
    customers: Input,
    /// The guards whose periods are configured, under the names they have there.
    guards: Vec<(Period, NpsGuard)>,
}

impl Numbers<'_> {
    /// Whether an alert is wanted at all, so that nothing is recorded for one that is not.
    fn wanted(&self, alert: Alert) -> bool {
        self.setup
            .alerts
            .severity(alert, Severity::Warning)
            .is_some()
    }

    /// One series of a measure for all instances: `max` of them.
    fn measure(&mut self, level: &str, metric: &str, matchers: &str) -> Input {
        let over = without(self.setup, &[]);
        let selected = self.selected(metric, matchers);
        let name = format!("{level}:{metric}");
        self.inputs
            .need(&name, "max", format!("max {over} ({selected})"))
    }

    fn selected(&self, metric: &str, matchers: &str) -> String {
        let job = quoted(&self.setup.alerts.job);
        let separator = if matchers.is_empty() { "" } else { ", " };
        format!("{metric}{{job={job}{separator}{matchers}}}")
    }

    fn nps(&mut self) {
        let names = [
            Alert::NpsDropped,
            Alert::NpsDroppedFar,
            Alert::NpsAlertBlind,
        ];
        let guards: Vec<(Period, NpsGuard)> = NPS_GUARDS
            .into_iter()
            .filter_map(|guard| Some((self.setup.period_like(guard.period)?, guard)))
            .collect();
        if guards.is_empty() || !names.iter().any(|alert| self.wanted(*alert)) {
            return;
        }
        let matchers = one_of(guards.iter().map(|(period, _)| *period));
        let level = "job_period";
        let change = self.measure(level, "tenure_nps_change_score", &matchers);
        let error = self.measure(level, "tenure_nps_change_standard_error", &matchers);
        let one = without(self.setup, &[]);
        let selected = self.selected("tenure_nps_customers", &matchers);
        let customers = self.inputs.need(
            "job_period:tenure_nps_customers",
            "sum",
            format!("sum without (group) (max {one} ({selected}))"),
        );
        let nps = Nps {
            change,
            error,
            customers,
            guards,
        };
        self.told.extend([nps.dropped(), nps.far(), nps.blind()]);
    }

    fn departures(&mut self, departures: &Departures) {
        let setup = self.setup;
        let periods: Vec<Period> = DEPARTURE_PERIODS
            .into_iter()
            .filter_map(|period| setup.period_like(period))
            .collect();
        if periods.is_empty() || !self.wanted(departures.alert) {
            return;
        }
        let Departures {
            source,
            reasons,
            by,
            ..
        } = departures;
        let periods = one_of(periods.into_iter());
        let one = without(setup, &[]);
        let of_reason = format!("{periods}, reason{reasons}\"inactivity\"");
        let selected = self.selected("tenure_departures", &of_reason);
        let actual = self.inputs.need(
            &format!("job_period:tenure_departures_by_{source}"),
            "sum",
            format!("sum without (reason) (max {one} ({selected}))"),
        );
        let one = without(setup, &["source"]);
        let of_source = format!("{periods}, source=\"{source}\"");
        let selected = self.selected("tenure_departures_expected", &of_source);
        let expected = self.inputs.need(
            &format!("job_period:tenure_departures_expected_by_{source}"),
            "max",
            format!("max {one} ({selected})"),
        );
        let each = format!(
            "{{{{ .Labels.period }}}} {{{{ .Value | printf \"%.0f\" }}}} instead of {{{{ range printf \
             `{expected}{{job=%q, period=%q}}` .Labels.job .Labels.period | query }}}}{{{{ .Value | \
             printf \"%.1f\" }}}}{{{{ end }}}}",
            expected = expected.name(),
        );
        self.told.push(Told {
            alert: departures.alert,
            severity: departures.severity,
            expression: spike(&actual, &expected, DEPARTURE_GUARD),
            for_millis: DEPARTURE_FOR_MILLIS,
            keep_firing_millis: DEPARTURE_KEEP_FIRING_MILLIS,
            summary: departures.summary,
            description: format!(
                "{{{{ $value | printf \"%.1f\" }}}} times as many customers of {{{{ $labels.job }}}} left \
                 {by} as expected, which is the mean of the same time 1, 2, 3 and 4 weeks earlier: \
                 {}.",
                listed(&actual, &each)
            ),
            dashboard: OVERVIEW,
        });
    }

    fn targets(&mut self) {
        let alerts = &self.setup.alerts;
        let period = alerts.target_period;
        let (retention, nps, csat) = (
            alerts.retention_target,
            alerts.nps_target,
            alerts.csat_target,
        );
        let of_period = format!("period=\"{period}\"");
        if let Some(target) = retention.filter(|_| self.wanted(Alert::RetentionBelowTarget)) {
            let ratio = self.measure("job_period", "tenure_retention_ratio", &of_period);
            let base = self.measure("job_period", "tenure_customers_at_start", &of_period);
            self.told.push(Told {
                alert: Alert::RetentionBelowTarget,
                severity: Severity::Warning,
                expression: format!(
                    "{} < {target}\nand {} >= {RETENTION_LEAST_CUSTOMERS}",
                    ratio.period(period),
                    base.period(period)
                ),
                for_millis: TARGET_FOR_MILLIS,
                keep_firing_millis: TARGET_FOR_MILLIS,
                summary: "Retention is below its target.",
                description: format!(
                    "{{{{ $value | humanizePercentage }}}} of the customers of {{{{ $labels.job }}}} at the \
                     start of {{{{ $labels.period }}}} are customers at its end; the target is {}.",
                    percentage(target)
                ),
                dashboard: OVERVIEW,
            });
        }
        if let Some(target) = nps.filter(|_| self.wanted(Alert::NpsBelowTarget)) {
            let upper = self.measure("job_period", "tenure_nps_score_upper", &of_period);
            self.told.push(Told {
                alert: Alert::NpsBelowTarget,
                severity: Severity::Warning,
                expression: format!("{} < {target}", upper.period(period)),
                for_millis: TARGET_FOR_MILLIS,
                keep_firing_millis: TARGET_FOR_MILLIS,
                summary: "The Net Promoter Score is surely below its target.",
                description: format!(
                    "The Net Promoter Score of {{{{ $labels.job }}}} over {{{{ $labels.period }}}} is at most \
                     {{{{ $value | printf \"%.1f\" }}}}, by its upper 95 % bound; the target is {target}."
                ),
                dashboard: SATISFACTION,
            });
        }
        if let Some(target) = csat.filter(|_| self.wanted(Alert::CsatBelowTarget)) {
            let upper = self.measure("job_period", "tenure_csat_ratio_upper", &of_period);
            self.told.push(Told {
                alert: Alert::CsatBelowTarget,
                severity: Severity::Warning,
                expression: format!("{} < {target}", upper.period(period)),
                for_millis: TARGET_FOR_MILLIS,
                keep_firing_millis: TARGET_FOR_MILLIS,
                summary: "The share of satisfied customers is surely below its target.",
                description: format!(
                    "At most {{{{ $value | humanizePercentage }}}} of the CSAT answers of {{{{ $labels.job }}}} \
                     over {{{{ $labels.period }}}} are 4 or 5, by the upper 95 % bound; the target is {}.",
                    percentage(target)
                ),
                dashboard: SATISFACTION,
            });
        }
    }

    fn silence(&mut self) {
        if !self.wanted(Alert::SourceSilent) {
            return;
        }
        let over = without(self.setup, &[]);
        let at = self.selected("tenure_report_timestamp_seconds", "");
        let latest = self.selected("tenure_event_latest_timestamp_seconds", "");
        let silence = self.inputs.need(
            "job_event:tenure_event_silence_seconds",
            "min",
            format!("min {over} ({at} - ignoring (event) group_right {latest})"),
        );
        let gap = self.measure("job_event", "tenure_event_usual_gap_seconds", "");
        let span = self.measure("job_event", "tenure_event_week_ago_span_seconds", "");
        let report = self.measure("job", "tenure_report_timestamp_seconds", "");
        let coverage = self.measure("job", "tenure_report_coverage_ratio", "");
        let topics = self.setup.topics.join(", ");
        for (events, severity) in [
            ("purchase|churn", Severity::Critical),
            ("signup|survey_submitted", Severity::Warning),
        ] {
            let of_events = format!("event=~\"{events}\"");
            let expression = format!(
                "{silence} > {SILENT_GAPS} * {gap}\n\
                 and {silence} > {span}\n\
                 and ignoring (event) time() - {report} < {age}\n\
                 and ignoring (event) {coverage} == 1",
                silence = silence.of(&of_events),
                gap = gap.of(&of_events),
                span = span.of(&of_events),
                report = report.all(),
                coverage = coverage.all(),
                age = seconds(report_age_millis(self.setup)),
            );
            self.told.push(Told {
                alert: Alert::SourceSilent,
                severity,
                expression,
                for_millis: SILENT_FOR_MILLIS,
                keep_firing_millis: 0,
                summary: "Events of one type have stopped arriving.",
                description: format!(
                    "There has been no {{{{ $labels.event }}}} event in {topics} for {{{{ $value | \
                     humanizeDuration }}}}, {SILENT_GAPS} times as long as usual and more; the same \
                     stretch a week ago had at least 30. What rests on these events is wrong: without \
                     churn events, for instance, retention rises."
                ),
                dashboard: PIPELINE,
            });
        }
    }
}

impl Nps {
    /// A fall of more than so many points in any period, beyond its guards. Periods are not told
    /// apart: an old fall moves from one to the next, and would be told of each time.
    fn fallen(&self, points: impl Fn(NpsGuard) -> f64) -> String {
        let one = |(period, guard): &(Period, NpsGuard)| {
            format!(
                "  (\n    -{change} > {points}\n    and -{change} > {errors} * {error}\n    \
                 and {customers} >= {answers}\n  )",
                change = self.change.period(period),
                points = points(*guard),
                errors = guard.errors,
                error = self.error.period(period),
                customers = self.customers.period(period),
                answers = guard.answers,
            )
        };
        let each: Vec<String> = self.guards.iter().map(one).collect();
        format!("max without (period) (\n{}\n)", each.join("\n  or\n"))
    }

    fn description(&self) -> String {
        let each = "{{ .Labels.period }} {{ .Value | printf \"%+.1f\" }}";
        format!(
            "The Net Promoter Score of {{{{ $labels.job }}}} fell by {{{{ $value | printf \"%.1f\" }}}} \
             points against the time before, more than chance explains. Change in points: {}.",
            listed(&self.change, each)
        )
    }

    fn dropped(&self) -> Told {
        Told {
            alert: Alert::NpsDropped,
            severity: Severity::Warning,
            expression: self.fallen(|guard| guard.points),
            for_millis: NPS_FOR_MILLIS,
            keep_firing_millis: NPS_KEEP_FIRING_MILLIS,
            summary: "The Net Promoter Score has dropped.",
            description: self.description(),
            dashboard: SATISFACTION,
        }
    }

    fn far(&self) -> Told {
        Told {
            alert: Alert::NpsDroppedFar,
            severity: Severity::Critical,
            expression: self.fallen(|guard| guard.points.max(NPS_FAR_POINTS)),
            keep_firing_millis: NPS_FAR_KEEP_FIRING_MILLIS,
            summary: "The Net Promoter Score has dropped by more than 20 points.",
            ..self.dropped()
        }
    }

    /// Looks at what was stored, by the hour, and not at how long the rule has held: that would
    /// begin anew when Prometheus or Tenure was away. A week must have been seen.
    fn blind(&self) -> Told {
        let week = Length(NPS_BLIND_MILLIS);
        let too_few = |(period, guard): &(Period, NpsGuard)| {
            let customers = self.customers.period(period);
            let answers = guard.answers;
            format!("max_over_time({customers}[{week}:1h]) < {answers}")
        };
        // The longest comes first: its answers are what is told.
        let each: Vec<String> = self.guards.iter().rev().map(too_few).collect();
        let seen = self.guards.last().map(|(period, _)| {
            let customers = self.customers.period(period);
            let before = Length(NPS_BLIND_MILLIS - 86_400_000);
            format!("count_over_time({customers}[1d:1h] offset {before}) > 0")
        });
        let each: Vec<String> = each.into_iter().chain(seen).collect();
        let needed: Vec<String> = self
            .guards
            .iter()
            .map(|(period, guard)| format!("{} in {period}", guard.answers))
            .collect();
        let longest = self.guards.last().map(|(period, _)| period.to_string());
        Told {
            alert: Alert::NpsAlertBlind,
            severity: Severity::Info,
            expression: format!(
                "max without (period) (\n  {}\n)",
                each.join("\n  and ignoring (period) ")
            ),
            for_millis: TARGET_FOR_MILLIS,
            keep_firing_millis: 0,
            summary: "There are too few NPS answers to notice a drop.",
            description: format!(
                "For {week} there have been too few NPS answers for {{{{ $labels.job }}}} to tell a drop from \
                 chance: at most {{{{ $value | printf \"%.0f\" }}}} customers answered in {}, and the alert \
                 TenureNpsDropped needs {}.",
                longest.unwrap_or_default(),
                needed.join(", or ")
            ),
            dashboard: SATISFACTION,
        }
    }
}

/// More departures than chance explains, in any of the periods.
fn spike(actual: &Input, expected: &Input, guard: DepartureGuard) -> String {
    let DepartureGuard {
        roots,
        factor,
        least_expected,
    } = guard;
    let actual = actual.all();
    let expected = format!("clamp_min({}, {least_expected})", expected.all());
    format!(
        "max without (period) (\n  {actual} / {expected}\n  \
         and {actual} > {expected} + {roots} * sqrt({expected})\n  \
         and {actual} > {factor} * {expected}\n)"
    )
}

/// A template that lists the series of an input in the order of their periods.
fn listed(input: &Input, each: &str) -> String {
    format!(
        "{{{{ range $i, $s := printf `{}{{job=%q}}` $labels.job | query | sortByLabel \"period\" }}}}\
         {{{{ if $i }}}}, {{{{ end }}}}{{{{ with $s }}}}{each}{{{{ end }}}}{{{{ end }}}}",
        input.name()
    )
}

/// A matcher for any of these periods.
fn one_of(periods: impl Iterator<Item = Period>) -> String {
    let names: Vec<String> = periods.map(|period| period.to_string()).collect();
    format!("period=~\"{}\"", names.join("|"))
}

/// A share from 0 to 1 in percent.
fn percentage(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}

//! The families of cohorts.

use std::borrow::Cow;

use crate::measure::catalogue::measure;
use crate::measure::partial::Sums;
use crate::measure::publish::Page;
use crate::measure::question::Instant;
use crate::measure::report::WithheldReason;

/// What can be withheld cohort by cohort.
const RATIO: &str = "tenure_cohort_retention_ratio";

impl Page<'_> {
    pub(super) fn cohorts(&mut self, instant: &Instant, sums: &Sums) {
        let months = self.months();
        let newest = sums.cohorts.iter().rev();
        let newest: Vec<_> = newest.take(self.question.settings.cohorts).collect();
        for (month, cohort) in newest.into_iter().rev() {
            let (label, since) = (Cow::Owned(month.to_string()), months.start(*month));
            let customers = cohort.customers as f64;
            self.put(
                "tenure_cohort_customers",
                None,
                [Cow::clone(&label)],
                customers,
                &[],
            );
            if !self.limits.base.complete_at(since) {
                self.withhold_cohorts(WithheldReason::BaseIncomplete);
            }
            for (after, active) in cohort.active.iter().enumerate() {
                let end = months.end(*month, after).unwrap_or(instant.at);
                if self.limits.prune_line.is_some_and(|line| end < line) {
                    self.withhold_cohorts(WithheldReason::HistoryTooShort);
                    continue;
                }
                let active = *active as f64;
                let labels = [Cow::clone(&label), Cow::Owned(format!("{after:02}"))];
                let parts = [active, customers];
                self.put(RATIO, Some(since), labels, active / customers, &parts);
            }
        }
    }

    fn withhold_cohorts(&mut self, reason: WithheldReason) {
        if let Some(measure) = measure(RATIO) {
            self.withhold(measure, reason);
        }
    }
}

//! The families of retention and churn.

use crate::measure::expected::{ExpectedSums, Source, WEEKS};
use crate::measure::life::Status;
use crate::measure::publish::Page;
use crate::measure::publish::labels::Shown;
use crate::measure::question::Window;
use crate::measure::retention::RetentionSums;

/// What is known of the weeks before and not of the period alone.
pub(super) const EXPECTED: &str = "tenure_departures_expected";

impl Page<'_> {
    pub(super) fn retention(&mut self, window: &Window, sums: &RetentionSums, reasons: &Shown<'_>) {
        let (start, end) = (sums.at_start(), sums.at_end());
        let mut page = self.of(window);
        page.count("tenure_customers_at_start", &[], start);
        page.count("tenure_customers_at_end", &[], end);
        for status in Status::ALL {
            page.count(
                "tenure_period_customers",
                &[status.name().into()],
                sums.of(status),
            );
        }
        page.ratio(
            "tenure_retention_ratio",
            &[],
            sums.of(Status::Retained),
            start,
        );
        page.ratio("tenure_churn_ratio", &[], sums.of(Status::Lost), start);
        page.count("tenure_joined_customers", &[], sums.joined);
        page.count("tenure_early_churn_customers", &[], sums.early_churn);
        for (reason, count) in reasons.folded_counts(&sums.departures) {
            page.count("tenure_departures", &[reason], count);
        }
        let (departed, exposed) = (sums.departed(), start + sums.opened);
        page.ratio("tenure_departure_ratio", &[], departed, exposed);
    }

    /// The mean of four weeks, if there was anybody who could have left in the first of them.
    pub(super) fn expected(&mut self, window: &Window, sums: &ExpectedSums) {
        if sums.customers == 0 {
            return;
        }
        let mut page = self.of(window);
        for (source, departures) in Source::ALL.into_iter().zip(sums.departures) {
            let (departures, weeks) = (departures as f64, WEEKS as f64);
            page.quotient(EXPECTED, &[source.name().into()], departures, weeks);
        }
    }
}

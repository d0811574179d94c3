//! The families of satisfaction beside retention.

use crate::measure::link::{KnownGroup, LinkSums};
use crate::measure::publish::{Page, owned, units};
use crate::measure::question::Window;

impl Page<'_> {
    pub(super) fn link(&mut self, window: &Window, sums: &LinkSums) {
        let mut page = self.of(window);
        for (group, sums) in KnownGroup::ALL.into_iter().zip(&sums.groups) {
            let fates = sums.customers;
            for (status, count) in [("retained", fates.retained), ("lost", fates.lost)] {
                let labels = [group.name().into(), status.into()];
                page.count("tenure_nps_group_customers", &labels, count);
            }
            let label = [group.name().into()];
            let name = "tenure_nps_group_retention_ratio";
            page.ratio(name, &label, fates.retained, fates.total());
            for (currency, millionths) in &sums.revenue {
                let labels = [group.name().into(), owned(currency)];
                let revenue = units(*millionths);
                page.put("tenure_nps_group_revenue", &labels, revenue, &[]);
                let name = "tenure_nps_group_revenue_per_customer";
                page.quotient(name, &labels, revenue, fates.total() as f64);
            }
        }
        let by_status = [
            ("retained", sums.low.retained, sums.fine.retained),
            ("lost", sums.low.lost, sums.fine.lost),
        ];
        for (status, low, fine) in by_status {
            for (score, count) in [("low", low), ("fine", fine)] {
                let labels = [status.into(), score.into()];
                page.count("tenure_scored_customers", &labels, count);
            }
            page.ratio("tenure_low_score_ratio", &[status.into()], low, low + fine);
        }
    }
}

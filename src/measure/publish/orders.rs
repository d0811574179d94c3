//! The families of orders and revenue.

use crate::measure::catalogue::Measure;
use crate::measure::life::Status;
use crate::measure::orders::{CurrencySums, OrderSums};
use crate::measure::partial::PeriodSums;
use crate::measure::publish::{OfPeriod, Page, owned, units};
use crate::measure::question::Window;
use crate::measure::retention::RetentionSums;

/// An expected lifetime value rests on a period of at least so long.
const SHORTEST_FOR_LIFETIME_MILLIS: i64 = 28 * 86_400_000;

/// Whether a measure has any meaning for the period.
pub(super) fn defined(measure: &Measure, window: &Window) -> bool {
    match measure.name {
        "tenure_expected_lifetime_value" => window.bounds.millis() >= SHORTEST_FOR_LIFETIME_MILLIS,
        _ => true,
    }
}

impl Page<'_> {
    pub(super) fn orders(&mut self, window: &Window, sums: &PeriodSums) {
        let mut page = self.of(window);
        for (currency, sales) in &sums.orders.currencies {
            page.currency(currency, sales);
        }
        page.buyers(&sums.orders);
        if window.before.is_some() {
            let (base, again) = (sums.orders.reorder_base, sums.orders.reordered);
            page.count("tenure_reorder_base_customers", &[], base);
            page.ratio("tenure_reorder_ratio", &[], again, base);
        }
        if window.bounds.millis() >= SHORTEST_FOR_LIFETIME_MILLIS {
            page.expected_lifetime_values(sums);
        }
    }
}

impl OfPeriod<'_, '_> {
    fn currency(&mut self, currency: &str, sums: &CurrencySums) {
        let label = [owned(currency)];
        let (orders, revenue) = (sums.all.orders, units(sums.all.millionths));
        let average = "tenure_average_order_value";
        self.count("tenure_orders", &label, orders);
        self.put("tenure_revenue", &label, revenue, &[]);
        self.quotient(average, &label, revenue, orders as f64);
        let repeat = units(sums.repeat.millionths);
        self.quotient("tenure_repeat_revenue_ratio", &label, repeat, revenue);
    }

    fn buyers(&mut self, sums: &OrderSums) {
        let name = "tenure_ordering_customers";
        self.count(name, &["first_time".into()], sums.first_time);
        self.count(name, &["returning".into()], sums.returning);
        let (repeat, all) = (sums.repeat_customers, sums.customers());
        self.count("tenure_repeat_ordering_customers", &[], repeat);
        self.ratio("tenure_orders_per_customer", &[], sums.orders(), all);
        self.ratio("tenure_repeat_purchase_ratio", &[], repeat, all);
        self.ratio("tenure_returning_buyers_ratio", &[], sums.returning, all);
    }

    fn expected_lifetime_values(&mut self, sums: &PeriodSums) {
        let retention: &RetentionSums = &sums.retention;
        let (start, lost) = (retention.at_start(), retention.of(Status::Lost));
        if start == 0 || lost == 0 {
            return;
        }
        let churn = lost as f64 / start as f64;
        let mean = (start + retention.at_end()) as f64 / 2.0;
        for (currency, sales) in &sums.orders.currencies {
            let revenue = units(sales.all.millionths);
            self.put(
                "tenure_expected_lifetime_value",
                &[owned(currency)],
                revenue / mean / churn,
                &[revenue, mean, churn],
            );
        }
    }
}

//! The families of the instant itself.

use std::borrow::Cow;

use crate::measure::now::{DORMANT_FOR, NowSums};
use crate::measure::publish::{Page, owned, units};

impl Page<'_> {
    pub(super) fn now(&mut self, sums: &NowSums) {
        self.put("tenure_customers", None, [], sums.customers as f64, &[]);
        for ((length, _), count) in DORMANT_FOR.iter().zip(sums.dormant) {
            let labels = [Cow::from(*length)];
            self.put("tenure_dormant_customers", None, labels, count as f64, &[]);
        }
        for (currency, sums) in &sums.lifetime {
            let (revenue, customers) = (units(sums.millionths), sums.customers as f64);
            self.put(
                "tenure_customer_lifetime_value",
                None,
                [owned(currency)],
                revenue / customers,
                &[revenue, customers],
            );
        }
    }
}

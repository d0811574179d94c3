//! The families of segments, and which of them are shown.

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::ledger::texts::OTHER;
use crate::measure::life::Status;
use crate::measure::partial::Sums;
use crate::measure::publish::{OfPeriod, Page, owned, units};
use crate::measure::question::Instant;
use crate::measure::report::Label;
use crate::measure::scores::nps;
use crate::measure::segment::{Segment, SegmentSums};

/// The segments that are shown, in the order of their texts, and last the rest as `other`.
pub(super) struct ShownSegments<'a> {
    shown: Vec<(&'a [String], Cow<'a, Segment>)>,
    /// Distinct segments that became `other`.
    pub folded: u64,
}

impl<'a> ShownSegments<'a> {
    /// The segments with the most active customers, ties by text, and the sum of the others.
    pub fn of(sums: &'a Sums, limit: usize) -> Self {
        let others = |texts: &[String]| texts.iter().all(|text| text == OTHER);
        let (rest, mut ranked): (Vec<_>, Vec<_>) = sums
            .segments
            .iter()
            .map(|(texts, segment)| (texts.as_slice(), segment))
            .partition(|(texts, _)| others(texts));
        ranked.sort_by_key(|(_, segment)| Reverse(segment.active));
        let folded = ranked.split_off(limit.min(ranked.len()));
        ranked.sort_unstable_by_key(|(texts, _)| *texts);
        let mut other = Segment::default();
        for (_, segment) in rest.iter().chain(&folded) {
            other.merge(segment);
        }
        let shown = ranked.into_iter();
        let mut shown: Vec<_> = shown
            .map(|(texts, segment)| (texts, Cow::Borrowed(segment)))
            .collect();
        if !other.is_empty() {
            shown.push((&[], Cow::Owned(other)));
        }
        Self {
            shown,
            folded: folded.len() as u64,
        }
    }
}

impl Page<'_> {
    pub(super) fn segments(&mut self, instant: &Instant, segments: &ShownSegments<'_>) {
        let dimensions = self.context.dimensions.len();
        for (period, window) in instant.windows.iter().enumerate() {
            for (texts, segment) in &segments.shown {
                let labels: Vec<Label> = if texts.is_empty() {
                    vec![OTHER.into(); dimensions]
                } else {
                    texts.iter().map(|text| owned(text)).collect()
                };
                self.of(window).segment(&labels, &segment.periods[period]);
            }
        }
    }
}

impl OfPeriod<'_, '_> {
    fn segment(&mut self, segment: &[Label], sums: &SegmentSums) {
        let with = |last: Label| {
            let mut labels = segment.to_vec();
            labels.push(last);
            labels
        };
        let of = |status: Status| sums.customers[status as usize];
        if sums.customers != [0; 4] {
            for status in Status::ALL {
                let labels = with(status.name().into());
                self.count("tenure_segment_customers", &labels, of(status));
            }
            let (retained, lost) = (of(Status::Retained), of(Status::Lost));
            let ratio = "tenure_segment_retention_ratio";
            self.ratio(ratio, segment, retained, retained + lost);
        }
        let groups = sums.nps.by_group().into_iter();
        for (group, count) in groups.filter(|(_, count)| *count > 0) {
            let labels = with(group.name().into());
            self.count("tenure_segment_nps_customers", &labels, count);
        }
        if let Some(score) = nps(sums.nps) {
            let parts = sums.nps.parts();
            self.put("tenure_segment_nps_score", segment, score, &parts);
        }
        for (currency, sales) in &sums.sales {
            let labels = with(owned(currency));
            self.count("tenure_segment_orders", &labels, sales.orders);
            let revenue = units(sales.millionths);
            self.put("tenure_segment_revenue", &labels, revenue, &[]);
        }
    }
}

//! The catalogue: every published measure with its labels, its help and what it rests on.
//!
//! Owns the names. The page, the documentation, the explanation of a number and the tests all read
//! them here, so that none of them can name a measure that there is not.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One published measure. Every one is a gauge: a value of one instant.
#[derive(Debug, PartialEq, Eq)]
pub struct Measure {
    pub name: &'static str,
    /// In the order of the page. [`DIMENSIONS`] stands for the configured dimensions, in their order.
    pub labels: &'static [&'static str],
    /// One sentence for a tooltip: meaning, scale, and the settings that decide it.
    pub help: &'static str,
    /// What a value is made of: for a ratio its numerator and its denominator, for a score what is
    /// counted. Empty for a plain count or sum.
    pub parts: &'static [&'static str],
    pub section: Section,
    pub counts: Counts,
    pub needs: Needs,
}

/// In the labels of a measure: here come the configured dimensions.
pub const DIMENSIONS: &str = "<dimensions>";

/// What a measure adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Customers, or what is known by customer: wrong as soon as one customer lives in two shards.
    Customers,
    /// Events: right in any distribution over shards.
    Events,
    /// Nothing: a fact about the configuration.
    Settings,
}

/// What must be known before a measure may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing beyond the events themselves.
    Events,
    /// Departures must be observable, and every customer at the period's start must be known.
    Departures,
}

/// The part of an evaluation in which a measure comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// What is true at the instant itself.
    Now,
    Retention,
    Satisfaction,
    Orders,
    /// Satisfaction and retention, side by side.
    Link,
    Segments,
    Cohorts,
    /// Whether events still come.
    Silence,
}

impl Section {
    pub const ALL: [Self; 8] = [
        Self::Now,
        Self::Retention,
        Self::Satisfaction,
        Self::Orders,
        Self::Link,
        Self::Segments,
        Self::Cohorts,
        Self::Silence,
    ];
}

impl Measure {
    /// Whether the measure has a label of that name, the placeholder included.
    #[must_use]
    pub fn has_label(&self, name: &str) -> bool {
        self.labels.contains(&name)
    }

    /// The label names with the configured dimensions in their place.
    pub fn label_names<'a>(&'a self, dimensions: &'a [String]) -> impl Iterator<Item = &'a str> {
        self.labels.iter().flat_map(move |label| {
            let (own, configured) = if *label == DIMENSIONS {
                (None, dimensions)
            } else {
                (Some(*label), [].as_slice())
            };
            own.into_iter().chain(configured.iter().map(String::as_str))
        })
    }

    /// Whether a label has open values of which a report shows the most frequent ones. Which these
    /// are is decided by all periods of the report.
    #[must_use]
    pub fn shows_the_most_frequent(&self) -> bool {
        ["reason", "channel", DIMENSIONS]
            .iter()
            .any(|label| self.has_label(label))
    }

    const fn events(mut self) -> Self {
        self.counts = Counts::Events;
        self
    }

    const fn departures(mut self) -> Self {
        self.needs = Needs::Departures;
        self
    }

    const fn of(mut self, parts: &'static [&'static str]) -> Self {
        self.parts = parts;
        self
    }
}

/// The measure of that name.
#[must_use]
pub fn measure(name: &str) -> Option<&'static Measure> {
    position(name).map(|at| &MEASURES[at])
}

/// The measures that a misspelt name may mean, the nearest first, at most three.
#[must_use]
pub fn nearest(name: &str) -> Vec<&'static Measure> {
    let plain = |name: &str| name.trim_start_matches("tenure_").to_lowercase();
    let wanted = plain(name);
    // Nobody means a name that is twice as long, and comparing costs the product of the lengths.
    if wanted.is_empty() || wanted.len() > 2 * 40 {
        return Vec::new();
    }
    let distance = |measure: &Measure| {
        let known = plain(measure.name);
        let part = known.contains(&wanted) || wanted.contains(&known);
        let wrong = strsim::damerau_levenshtein(&wanted, &known);
        (part || wrong <= wanted.chars().count() / 3).then_some((wrong, measure.name))
    };
    let near = MEASURES.iter();
    let mut near: Vec<_> = near
        .filter_map(|measure| Some((distance(measure)?, measure)))
        .collect();
    near.sort_unstable_by_key(|(distance, _)| *distance);
    near.truncate(3);
    near.into_iter().map(|(_, measure)| measure).collect()
}

/// The place of a measure in [`MEASURES`].
#[must_use]
pub fn position(name: &str) -> Option<usize> {
    static PLACES: LazyLock<HashMap<&'static str, usize>> = LazyLock::new(|| {
        let names = MEASURES.iter().map(|measure| measure.name);
        names.zip(0..).collect()
    });
    PLACES.get(name).copied()
}

const fn in_section(
    section: Section,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Measure {
    Measure {
        name,
        labels,
        help,
        parts: &[],
        section,
        counts: Counts::Customers,
        needs: Needs::Events,
    }
}

/// Declares a function that makes the measures of one section.
macro_rules! sections {
    ($($function:ident: $section:ident),* $(,)?) => {
        $(const fn $function(
            name: &'static str,
            labels: &'static [&'static str],
            help: &'static str,
        ) -> Measure {
            in_section(Section::$section, name, labels, help)
        })*
    };
}

sections! {
    now: Now,
    retention: Retention,
    satisfaction: Satisfaction,
    orders: Orders,
    link: Link,
    segments: Segments,
    cohorts: Cohorts,
    silence: Silence,
}

const GROUPS: &[&str] = &["promoters", "passives", "detractors"];
const AT_START: &str = "customers at the start";

/// Every published measure, in the order of the page.
///
/// `S` are the customers active at the start `t0` of a period, `E` those active at its end `t1`.
pub static MEASURES: &[Measure] = &[
    now("tenure_customers", &[], "Customers active at the instant of the report."),
    retention(
        "tenure_customers_at_start",
        &["period"],
        "Customers active at the start of the period.",
    ),
    retention(
        "tenure_customers_at_end",
        &["period"],
        "Customers active at the end of the period.",
    ),
    retention(
        "tenure_period_customers",
        &["period", "status"],
        "Customers of the period by status: retained and lost add up to those at its start, \
         retained, new and reactivated to those at its end.",
    ),
    retention(
        "tenure_retention_ratio",
        &["period"],
        "Share of the customers active at the start of the period who are active at its end, 0 to 1.",
    )
    .departures()
    .of(&["retained customers", AT_START]),
    retention(
        "tenure_churn_ratio",
        &["period"],
        "Share of the customers active at the start of the period who are not active at its end, \
         0 to 1; 1 - retention.",
    )
    .departures()
    .of(&["lost customers", AT_START]),
    retention(
        "tenure_joined_customers",
        &["period"],
        "Customers whose first spell ever opened in the period.",
    ),
    retention(
        "tenure_early_churn_customers",
        &["period"],
        "Customers who joined in the period and are not active at its end.",
    ),
    retention(
        "tenure_departures",
        &["period", "reason"],
        "Spells that ended in the period, by reason: that of the churn event, unspecified, or \
         inactivity (inactivity_timeout).",
    ),
    retention(
        "tenure_departure_ratio",
        &["period"],
        "Departures by customers at the start plus spells opened in the period, 0 to 1; who came \
         back counts too.",
    )
    .departures()
    .of(&["departures", "customers at the start and spells opened"]),
    retention(
        "tenure_departures_expected",
        &["period", "source"],
        "Mean of the departures in the same window 7, 14, 21 and 28 days earlier, by source: churn \
         events or inactivity; for periods of 24 hours and 7 days.",
    )
    .departures()
    .of(&["departures of the four windows", "windows"]),
    now(
        "tenure_dormant_customers",
        &["for"],
        "Customers active at the instant of the report who have not ordered for so long.",
    ),
    satisfaction(
        "tenure_nps_customers",
        &["period", "group"],
        "Customers by the NPS group of their latest answer in the period: promoter 9-10, passive \
         7-8, detractor 0-6.",
    ),
    satisfaction(
        "tenure_nps_score",
        &["period"],
        "Net Promoter Score by each customer's latest answer in the period, -100 to 100.",
    )
    .of(GROUPS),
    satisfaction(
        "tenure_nps_score_lower",
        &["period"],
        "Lower 95 % bound of the Net Promoter Score (adjusted Wald), -100 to 100.",
    )
    .of(GROUPS),
    satisfaction(
        "tenure_nps_score_upper",
        &["period"],
        "Upper 95 % bound of the Net Promoter Score (adjusted Wald), -100 to 100.",
    )
    .of(GROUPS),
    satisfaction(
        "tenure_nps_responses",
        &["period", "group"],
        "NPS answers in the period by group: promoter 9-10, passive 7-8, detractor 0-6.",
    )
    .events(),
    satisfaction(
        "tenure_nps_response_score",
        &["period"],
        "Net Promoter Score over every answer in the period, -100 to 100.",
    )
    .events()
    .of(GROUPS),
    satisfaction(
        "tenure_nps_change_score",
        &["period"],
        "Net Promoter Score of a rolling period minus that of the window before it, twice as long \
         and at least 28 days, in points, -200 to 200.",
    )
    .of(&["score", "score of the window before"]),
    satisfaction(
        "tenure_nps_change_standard_error",
        &["period"],
        "Standard error of the change of the Net Promoter Score, in points (adjusted Wald).",
    )
    .of(&["standard error", "standard error of the window before"]),
    satisfaction(
        "tenure_csat_responses",
        &["period", "rating"],
        "CSAT answers in the period by rating, 1 to 5.",
    )
    .events(),
    satisfaction(
        "tenure_csat_ratio",
        &["period"],
        "Share of the CSAT answers in the period that are 4 or 5, 0 to 1.",
    )
    .events()
    .of(&["answers of 4 and 5", "answers"]),
    satisfaction(
        "tenure_csat_ratio_lower",
        &["period"],
        "Lower 95 % bound of the CSAT share (Wilson), 0 to 1.",
    )
    .events()
    .of(&["answers of 4 and 5", "answers"]),
    satisfaction(
        "tenure_csat_ratio_upper",
        &["period"],
        "Upper 95 % bound of the CSAT share (Wilson), 0 to 1.",
    )
    .events()
    .of(&["answers of 4 and 5", "answers"]),
    satisfaction(
        "tenure_csat_mean_score",
        &["period"],
        "Mean CSAT rating in the period, 1 to 5.",
    )
    .events()
    .of(&["sum of the ratings", "answers"]),
    satisfaction(
        "tenure_ces_responses",
        &["period", "rating"],
        "Customer effort answers in the period by rating, on the scale of surveys.ces.",
    )
    .events(),
    satisfaction(
        "tenure_ces_mean_score",
        &["period"],
        "Mean customer effort rating in the period, on the scale of surveys.ces.",
    )
    .events()
    .of(&["sum of the ratings", "answers"]),
    satisfaction(
        "tenure_ces_low_effort_ratio",
        &["period"],
        "Share of the customer effort answers in the period that tell of little effort, 0 to 1 \
         (scale: surveys.ces).",
    )
    .events()
    .of(&["answers of little effort", "answers"]),
    satisfaction(
        "tenure_channel_responses",
        &["period", "survey", "channel"],
        "Answers in the period by survey and by the channel on which they came; unspecified \
         without one.",
    )
    .events(),
    satisfaction(
        "tenure_channel_nps_responses",
        &["period", "channel", "group"],
        "NPS answers in the period by channel and group.",
    )
    .events(),
    satisfaction(
        "tenure_channel_nps_response_score",
        &["period", "channel"],
        "Net Promoter Score over every answer in the period by channel, -100 to 100.",
    )
    .events()
    .of(GROUPS),
    satisfaction(
        "tenure_channel_csat_ratio",
        &["period", "channel"],
        "Share of the CSAT answers in the period that are 4 or 5 by channel, 0 to 1.",
    )
    .events()
    .of(&["answers of 4 and 5", "answers"]),
    satisfaction(
        "tenure_channel_ces_mean_score",
        &["period", "channel"],
        "Mean customer effort rating in the period by channel, on the scale of surveys.ces.",
    )
    .events()
    .of(&["sum of the ratings", "answers"]),
    satisfaction(
        "tenure_survey_customers_ratio",
        &["period", "survey"],
        "Share of the customers active at the end of the period who answered the survey in it, \
         0 to 1.",
    )
    .of(&["active customers who answered", "customers at the end"]),
    Measure {
        counts: Counts::Settings,
        ..satisfaction(
            "tenure_survey_scale_info",
            &["survey", "min", "max", "better"],
            "The scale of each survey; always 1.",
        )
    },
    orders(
        "tenure_orders",
        &["period", "currency"],
        "Orders placed in the period by currency; free ones count.",
    )
    .events(),
    orders(
        "tenure_revenue",
        &["period", "currency"],
        "Revenue of the orders placed in the period, in units of the currency; refunds and \
         cancellations are not deducted.",
    )
    .events(),
    orders(
        "tenure_average_order_value",
        &["period", "currency"],
        "Revenue by order in the period, in units of the currency.",
    )
    .events()
    .of(&["revenue", "orders"]),
    orders(
        "tenure_ordering_customers",
        &["period", "buyer"],
        "Customers with an order in the period: returning if they had ordered before it, at any \
         time, else first_time.",
    ),
    orders(
        "tenure_repeat_ordering_customers",
        &["period"],
        "Customers with at least two orders in the period.",
    ),
    orders(
        "tenure_orders_per_customer",
        &["period"],
        "Orders of all currencies by customer with an order in the period.",
    )
    .of(&["orders", "ordering customers"]),
    orders(
        "tenure_repeat_purchase_ratio",
        &["period"],
        "Share of the customers with an order in the period who placed at least two in it, 0 to 1.",
    )
    .of(&["customers with two orders or more", "ordering customers"]),
    orders(
        "tenure_returning_buyers_ratio",
        &["period"],
        "Share of the customers with an order in the period who had ordered before it, 0 to 1.",
    )
    .of(&["returning customers", "ordering customers"]),
    orders(
        "tenure_repeat_revenue_ratio",
        &["period", "currency"],
        "Share of the revenue of the period that comes from orders that are not the first ever of \
         their customer, 0 to 1.",
    )
    .of(&["revenue of repeat orders", "revenue"]),
    orders(
        "tenure_reorder_base_customers",
        &["period"],
        "Customers with an order in the window before the period, as long as it (complete calendar \
         periods: in the one before).",
    ),
    orders(
        "tenure_reorder_ratio",
        &["period"],
        "Share of the customers with an order in the window before who ordered in the period too, \
         0 to 1; retention for shops, without churn events or a timeout.",
    )
    .of(&["of them with an order in the period", "customers with an order in the window before"]),
    now(
        "tenure_customer_lifetime_value",
        &["currency"],
        "Revenue of all orders ever by customer who ever ordered in the currency, in units of the \
         currency.",
    )
    .of(&["revenue ever", "customers with an order"]),
    orders(
        "tenure_expected_lifetime_value",
        &["period", "currency"],
        "Revenue of the period by mean customer, divided by the churn ratio, in units of the \
         currency; for periods of at least 28 days.",
    )
    .departures()
    .of(&["revenue", "mean customers", "churn ratio"]),
    link(
        "tenure_nps_group_customers",
        &["period", "group", "status"],
        "Customers at the start of the period by the NPS group known then, or none, and by what \
         became of them: retained or lost.",
    ),
    link(
        "tenure_nps_group_retention_ratio",
        &["period", "group"],
        "Share of the customers at the start of the period who are active at its end, by the NPS \
         group known at its start, 0 to 1.",
    )
    .departures()
    .of(&["retained customers", AT_START]),
    link(
        "tenure_nps_group_revenue",
        &["period", "group", "currency"],
        "Revenue in the period from the customers at its start, by the NPS group known then, in \
         units of the currency.",
    ),
    link(
        "tenure_nps_group_revenue_per_customer",
        &["period", "group", "currency"],
        "Revenue in the period by customer at its start, by the NPS group known then, in units of \
         the currency.",
    )
    .of(&["revenue", AT_START]),
    link(
        "tenure_scored_customers",
        &["period", "status", "score"],
        "Customers at the start who answered NPS or CSAT in the 90 days before they left, or before \
         the end if retained: low with an NPS answer of 0-6 or a CSAT rating of 1-2 among these.",
    ),
    link(
        "tenure_low_score_ratio",
        &["period", "status"],
        "Share of the scored customers with a low score among their answers, by whether they were \
         retained or lost, 0 to 1.",
    )
    .of(&["customers with a low score", "customers with a score"]),
    segments(
        "tenure_segment_customers",
        &["period", DIMENSIONS, "status"],
        "Customers of the period by segment and status: retained and lost by the segment at its \
         start, new and reactivated by that at its end.",
    ),
    segments(
        "tenure_segment_retention_ratio",
        &["period", DIMENSIONS],
        "Share of the customers at the start of the period who are active at its end, by the \
         segment at its start, 0 to 1.",
    )
    .departures()
    .of(&["retained customers", AT_START]),
    segments(
        "tenure_segment_nps_customers",
        &["period", DIMENSIONS, "group"],
        "Customers by the NPS group of their latest answer in the period, by the segment at its \
         end.",
    ),
    segments(
        "tenure_segment_nps_score",
        &["period", DIMENSIONS],
        "Net Promoter Score by each customer's latest answer in the period, by the segment at its \
         end, -100 to 100.",
    )
    .of(GROUPS),
    segments(
        "tenure_segment_orders",
        &["period", DIMENSIONS, "currency"],
        "Orders placed in the period by the customer's segment at its end, and by currency.",
    ),
    segments(
        "tenure_segment_revenue",
        &["period", DIMENSIONS, "currency"],
        "Revenue of the orders placed in the period by the customer's segment at its end, in units \
         of the currency.",
    ),
    cohorts(
        "tenure_cohort_customers",
        &["cohort"],
        "Customers by the calendar month of their first spell ever.",
    ),
    cohorts(
        "tenure_cohort_retention_ratio",
        &["cohort", "months_after"],
        "Share of a cohort active at the end of the month so many months after its own, 0 to 1.",
    )
    .departures()
    .of(&["customers still active", "customers of the cohort"]),
    silence(
        "tenure_event_latest_timestamp_seconds",
        &["event"],
        "Time of the newest event of the type before the instant of the report, in seconds since \
         1970; looks back 35 days.",
    )
    .events(),
    silence(
        "tenure_event_usual_gap_seconds",
        &["event"],
        "Mean time between events of the type in the 28 days before the instant of the report.",
    )
    .events()
    .of(&["seconds of 28 days", "events"]),
    silence(
        "tenure_event_week_ago_span_seconds",
        &["event"],
        "How long the newest 30 events of the type before 7 days ago took, counted back from 7 days \
         ago; looks back 35 days.",
    )
    .events(),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_there_once_and_follows_the_conventions() {
        let names: BTreeSet<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        assert_eq!(names.len(), MEASURES.len());
        for (at, entry) in MEASURES.iter().enumerate() {
            assert_eq!(position(entry.name), Some(at));
            assert!(entry.name.starts_with("tenure_"), "{}", entry.name);
            assert!(
                entry.help.ends_with('.') && !entry.help.contains("  "),
                "{}",
                entry.help
            );
            assert!(entry.parts.len() <= 3, "{}", entry.name);
        }
        assert_eq!(measure("tenure_nothing"), None);
    }

    #[test]
    fn misspelt_names_find_their_neighbours() {
        let names = |name: &str| -> Vec<&str> {
            let near = nearest(name).into_iter();
            near.map(|measure| measure.name).collect()
        };
        assert_eq!(
            names("tenure_retention_ration")[..1],
            ["tenure_retention_ratio"]
        );
        assert_eq!(names("churn_ratio")[..1], ["tenure_churn_ratio"]);
        assert_eq!(names("tenure_departurs")[..1], ["tenure_departures"]);
        assert!(names("cohort").contains(&"tenure_cohort_customers"));
        for stranger in ["", "tenure_", "up", &"x".repeat(1 << 20)] {
            assert!(
                names(stranger).iter().all(|name| name.contains(stranger)),
                "{stranger}"
            );
        }
    }

    #[test]
    fn the_dimensions_take_the_place_of_their_placeholder() {
        let names = |name: &str, dimensions: &[&str]| -> Vec<String> {
            let dimensions: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
            let labels = measure(name).unwrap().label_names(&dimensions);
            labels.map(str::to_owned).collect()
        };
        let expected = ["period", "plan", "country", "status"];
        assert_eq!(
            names("tenure_segment_customers", &["plan", "country"]),
            expected
        );
        assert_eq!(names("tenure_customers_at_end", &["plan"]), ["period"]);
    }
}

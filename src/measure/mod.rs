//! What is published: the one definition of every measure, and how it comes from the facts.
//!
//! Owns the catalogue [`MEASURES`], the periods, and the evaluation that turns the facts of a shard
//! into mergeable sums and the merged sums into a [`report::Report`]. Promises that merging is
//! addition, and that a number at `T` depends on exactly the events before `T`. Knows no clock, no
//! Kafka, and no text format.

pub mod evaluate;
pub mod partial;
pub mod period;
pub mod publish;
pub mod report;
pub mod satisfaction;
pub mod settings;
pub mod spell;

/// One published measure. Every one is a gauge: a value of one instant.
#[derive(Debug, PartialEq, Eq)]
pub struct Measure {
    pub name: &'static str,
    /// In the order of the page.
    pub labels: &'static [&'static str],
    /// One sentence for a tooltip: meaning, scale, and the settings that decide it.
    pub help: &'static str,
    pub counts: Counts,
    pub needs: Needs,
}

/// What a measure adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Customers: wrong as soon as one customer lives in two shards.
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

const fn customers(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Measure {
    Measure {
        name,
        labels,
        help,
        counts: Counts::Customers,
        needs: Needs::Events,
    }
}

const fn departures(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Measure {
    Measure {
        name,
        labels,
        help,
        counts: Counts::Customers,
        needs: Needs::Departures,
    }
}

const fn events(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Measure {
    Measure {
        name,
        labels,
        help,
        counts: Counts::Events,
        needs: Needs::Events,
    }
}

/// Every published measure, in the order of the page.
///
/// `S` are the customers active at the start `t0` of a period, `E` those active at its end `t1`.
pub static MEASURES: &[Measure] = &[
    customers(
        "tenure_customers",
        &[],
        "Customers active at the instant of the report.",
    ),
    customers(
        "tenure_customers_at_start",
        &["period"],
        "Customers active at the start of the period.",
    ),
    customers(
        "tenure_customers_at_end",
        &["period"],
        "Customers active at the end of the period.",
    ),
    customers(
        "tenure_period_customers",
        &["period", "status"],
        "Customers of the period by status: retained and lost add up to those at its start, \
         retained, new and reactivated to those at its end.",
    ),
    departures(
        "tenure_retention_ratio",
        &["period"],
        "Share of the customers active at the start of the period who are active at its end, 0 to 1.",
    ),
    departures(
        "tenure_churn_ratio",
        &["period"],
        "Share of the customers active at the start of the period who are not active at its end, \
         0 to 1; 1 - retention.",
    ),
    customers(
        "tenure_joined_customers",
        &["period"],
        "Customers whose first spell ever opened in the period.",
    ),
    customers(
        "tenure_early_churn_customers",
        &["period"],
        "Customers who joined in the period and are not active at its end.",
    ),
    customers(
        "tenure_departures",
        &["period", "reason"],
        "Spells that ended in the period, by reason: that of the churn event, unspecified, or \
         inactivity (inactivity_timeout).",
    ),
    departures(
        "tenure_departure_ratio",
        &["period"],
        "Departures by customers at the start plus spells opened in the period, 0 to 1; who came \
         back counts too.",
    ),
    customers(
        "tenure_nps_customers",
        &["period", "group"],
        "Customers by the NPS group of their latest answer in the period: promoter 9-10, passive \
         7-8, detractor 0-6.",
    ),
    customers(
        "tenure_nps_score",
        &["period"],
        "Net Promoter Score by each customer's latest answer in the period, -100 to 100.",
    ),
    customers(
        "tenure_nps_score_lower",
        &["period"],
        "Lower 95 % bound of the Net Promoter Score (adjusted Wald), -100 to 100.",
    ),
    customers(
        "tenure_nps_score_upper",
        &["period"],
        "Upper 95 % bound of the Net Promoter Score (adjusted Wald), -100 to 100.",
    ),
    events(
        "tenure_nps_responses",
        &["period", "group"],
        "NPS answers in the period by group: promoter 9-10, passive 7-8, detractor 0-6.",
    ),
    events(
        "tenure_nps_response_score",
        &["period"],
        "Net Promoter Score over every answer in the period, -100 to 100.",
    ),
    events(
        "tenure_csat_responses",
        &["period", "rating"],
        "CSAT answers in the period by rating, 1 to 5.",
    ),
    events(
        "tenure_csat_ratio",
        &["period"],
        "Share of the CSAT answers in the period that are 4 or 5, 0 to 1.",
    ),
    events(
        "tenure_csat_ratio_lower",
        &["period"],
        "Lower 95 % bound of the CSAT share (Wilson), 0 to 1.",
    ),
    events(
        "tenure_csat_ratio_upper",
        &["period"],
        "Upper 95 % bound of the CSAT share (Wilson), 0 to 1.",
    ),
    events(
        "tenure_csat_mean_score",
        &["period"],
        "Mean CSAT rating in the period, 1 to 5.",
    ),
    events(
        "tenure_ces_responses",
        &["period", "rating"],
        "Customer effort answers in the period by rating, on the scale of surveys.ces.",
    ),
    events(
        "tenure_ces_mean_score",
        &["period"],
        "Mean customer effort rating in the period, on the scale of surveys.ces.",
    ),
    events(
        "tenure_ces_low_effort_ratio",
        &["period"],
        "Share of the customer effort answers in the period that tell of little effort, 0 to 1 \
         (scale: surveys.ces).",
    ),
    Measure {
        name: "tenure_survey_scale_info",
        labels: &["survey", "min", "max", "better"],
        help: "The scale of each survey; always 1.",
        counts: Counts::Settings,
        needs: Needs::Events,
    },
];

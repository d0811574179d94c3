//! Every metric and its labels, in the order of the page: written from the definitions by hand.

/// Stands for the configured dimensions, in their order.
pub const DIMENSIONS: &str = "<dimensions>";

/// The name of each metric and the names of its labels, in the order of the definitions.
pub fn metrics() -> &'static [(&'static str, &'static [&'static str])] {
    METRICS
}

/// The labels of a metric where these dimensions are configured; none if there is no such metric.
pub fn labels(metric: &str, dimensions: &[String]) -> Option<Vec<String>> {
    let (_, labels) = METRICS.iter().find(|(name, _)| *name == metric)?;
    let mut named = Vec::new();
    for label in *labels {
        if *label == DIMENSIONS {
            named.extend(dimensions.iter().cloned());
        } else {
            named.push((*label).to_owned());
        }
    }
    Some(named)
}

type Metrics = &'static [(&'static str, &'static [&'static str])];

const METRICS: Metrics = &[
    // Retention and churn.
    ("tenure_customers", &[]),
    ("tenure_customers_at_start", &["period"]),
    ("tenure_customers_at_end", &["period"]),
    ("tenure_period_customers", &["period", "status"]),
    ("tenure_retention_ratio", &["period"]),
    ("tenure_churn_ratio", &["period"]),
    ("tenure_joined_customers", &["period"]),
    ("tenure_early_churn_customers", &["period"]),
    ("tenure_departures", &["period", "reason"]),
    ("tenure_departure_ratio", &["period"]),
    ("tenure_departures_expected", &["period", "source"]),
    ("tenure_dormant_customers", &["for"]),
    // Satisfaction.
    ("tenure_nps_customers", &["period", "group"]),
    ("tenure_nps_score", &["period"]),
    ("tenure_nps_score_lower", &["period"]),
    ("tenure_nps_score_upper", &["period"]),
    ("tenure_nps_responses", &["period", "group"]),
    ("tenure_nps_response_score", &["period"]),
    ("tenure_nps_change_score", &["period"]),
    ("tenure_nps_change_standard_error", &["period"]),
    ("tenure_csat_responses", &["period", "rating"]),
    ("tenure_csat_ratio", &["period"]),
    ("tenure_csat_ratio_lower", &["period"]),
    ("tenure_csat_ratio_upper", &["period"]),
    ("tenure_csat_mean_score", &["period"]),
    ("tenure_ces_responses", &["period", "rating"]),
    ("tenure_ces_mean_score", &["period"]),
    ("tenure_ces_low_effort_ratio", &["period"]),
    ("tenure_channel_responses", &["period", "survey", "channel"]),
    (
        "tenure_channel_nps_responses",
        &["period", "channel", "group"],
    ),
    ("tenure_channel_nps_response_score", &["period", "channel"]),
    ("tenure_channel_csat_ratio", &["period", "channel"]),
    ("tenure_channel_ces_mean_score", &["period", "channel"]),
    ("tenure_survey_customers_ratio", &["period", "survey"]),
    (
        "tenure_survey_scale_info",
        &["survey", "min", "max", "better"],
    ),
    // Orders and revenue.
    ("tenure_orders", &["period", "currency"]),
    ("tenure_revenue", &["period", "currency"]),
    ("tenure_average_order_value", &["period", "currency"]),
    ("tenure_ordering_customers", &["period", "buyer"]),
    ("tenure_repeat_ordering_customers", &["period"]),
    ("tenure_orders_per_customer", &["period"]),
    ("tenure_repeat_purchase_ratio", &["period"]),
    ("tenure_returning_buyers_ratio", &["period"]),
    ("tenure_repeat_revenue_ratio", &["period", "currency"]),
    ("tenure_reorder_base_customers", &["period"]),
    ("tenure_reorder_ratio", &["period"]),
    ("tenure_customer_lifetime_value", &["currency"]),
    ("tenure_expected_lifetime_value", &["period", "currency"]),
    // Satisfaction and retention, side by side.
    ("tenure_nps_group_customers", &["period", "group", "status"]),
    ("tenure_nps_group_retention_ratio", &["period", "group"]),
    ("tenure_nps_group_revenue", &["period", "group", "currency"]),
    (
        "tenure_nps_group_revenue_per_customer",
        &["period", "group", "currency"],
    ),
    ("tenure_scored_customers", &["period", "status", "score"]),
    ("tenure_low_score_ratio", &["period", "status"]),
    // Segments and cohorts.
    (
        "tenure_segment_customers",
        &["period", DIMENSIONS, "status"],
    ),
    ("tenure_segment_retention_ratio", &["period", DIMENSIONS]),
    (
        "tenure_segment_nps_customers",
        &["period", DIMENSIONS, "group"],
    ),
    ("tenure_segment_nps_score", &["period", DIMENSIONS]),
    ("tenure_segment_orders", &["period", DIMENSIONS, "currency"]),
    (
        "tenure_segment_revenue",
        &["period", DIMENSIONS, "currency"],
    ),
    ("tenure_cohort_customers", &["cohort"]),
    ("tenure_cohort_retention_ratio", &["cohort", "months_after"]),
    // Silent sources.
    ("tenure_event_latest_timestamp_seconds", &["event"]),
    ("tenure_event_usual_gap_seconds", &["event"]),
    ("tenure_event_week_ago_span_seconds", &["event"]),
];

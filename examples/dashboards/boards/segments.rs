//! Who stays and who goes: by the dimensions that are configured, and by the month of joining.

use serde_json::json;

use super::panel::{Panel, Unit, bars, columns, lines, stat, table};
use super::query::{PERIOD, chosen, headline, of, shared};
use super::{Board, empty, help};

/// When what is told by segment is empty.
const NO_SEGMENTS: &str = "without `dimensions` in the configuration, and while the measures are \
                           withheld.";

pub fn board() -> Board {
    Board {
        uid: "tenure-segments",
        title: "Tenure / Segments and cohorts",
        description: "Retention, churn, NPS and revenue by the configured dimensions, and \
                      retention by the month of joining. The labels are those of your own \
                      configuration.",
        from: "now-7d",
        variables: Vec::new(),
        sections: vec![("Segments: $period", segments()), ("Cohorts", cohorts())],
    }
}

/// Customers of each segment at the start of the period.
fn at_start(modifier: &str) -> String {
    let selected = of(
        "tenure_segment_customers",
        r#"period="$period", status=~"retained|lost""#,
    );
    format!("sum without (status) (max without (instance, pod) ({selected}{modifier}))")
}

/// Customers of each segment by what became of them, without saying so in a label: the rows of a
/// table are joined by their labels.
fn of_status(status: &str) -> String {
    let matchers = format!(r#"{PERIOD}, status="{status}""#);
    format!(
        "sum without (status) ({})",
        shared("tenure_segment_customers", &matchers)
    )
}

fn segments() -> Vec<Panel> {
    let retention = chosen("tenure_segment_retention_ratio");
    let lost = of_status("lost");
    let joined = of_status("new");
    let answers = format!(
        "sum without (group) ({})",
        chosen("tenure_segment_nps_customers")
    );
    let all = table(
        "Segments",
        "One row for each segment: retention and losses by the segment at the start of the period, \
         new customers and answers by that at its end. Look at the number of customers and of \
         answers before you believe a ratio or a score: of ten customers, one is 10 %.",
        NO_SEGMENTS,
    )
    .size(24, 11)
    .column("Customers at the start", Unit::Count, &at_start(""))
    .column("Lost", Unit::Count, &lost)
    .column("Retention", Unit::Share, &retention)
    .column("New", Unit::Count, &joined)
    .column("NPS", Unit::Number, &chosen("tenure_segment_nps_score"))
    .column("NPS answers", Unit::Count, &answers)
    .option(
        "sortBy",
        json!([{"desc": true, "displayName": "Customers at the start"}]),
    )
    .without("period");
    let largest = format!("{retention} and topk(10, {})", at_start(" @ end()"));
    let course = lines(
        "Retention of the ten largest segments: $period",
        Unit::Share,
        help("tenure_segment_retention_ratio"),
        NO_SEGMENTS,
    )
    .query("__auto", &largest)
    .field("max", json!(1));
    let losses = bars(
        "Where customers are lost: $period",
        Unit::Count,
        "The ten segments that lost the most customers in the period, by the segment at its start. \
         They add up to the churn of the period.",
        NO_SEGMENTS,
    )
    .query("__auto", &format!("sort_desc(topk(10, {lost}))"))
    .above_zero();
    let money = table(
        "Orders and revenue by segment: $period",
        "By the customer's segment at the end of the period, each currency for itself.",
        "without `dimensions` in the configuration, when there was no order in the period, and \
         while the measures are withheld.",
    )
    .column("Orders", Unit::Count, &chosen("tenure_segment_orders"))
    .column("Revenue", Unit::Count, &chosen("tenure_segment_revenue"))
    .option("sortBy", json!([{"desc": true, "displayName": "Orders"}]))
    .without("period");
    let shown = stat(
        "Segments shown",
        Unit::Count,
        "Segments with customers at the start of the period or an activity in it, `other` among \
         them (max_segments).",
        NO_SEGMENTS,
    )
    .size(6, 8)
    .query(
        "{{job}}",
        &format!(
            "count by (job) ({})",
            headline(
                "tenure_segment_customers",
                r#"period="$period", status="retained""#
            )
        ),
    );
    let folded = stat(
        "Values folded into other",
        Unit::Count,
        help("tenure_label_values_overflow_total"),
        empty::PROCESS,
    )
    .size(6, 8)
    .query(
        "{{label}}",
        &format!(
            "max by (job, label) ({})",
            of("tenure_label_values_overflow_total", "")
        ),
    )
    .option("graphMode", json!("none"));
    vec![all, course, losses, money, shown, folded]
}

fn cohorts() -> Vec<Panel> {
    let cells = "tenure_cohort_retention_ratio";
    let map = table(
        "Retention by month of joining",
        "A row for the customers who joined in a month, a column for the end of each month after: \
         00 is the end of the month of joining itself. Months that have not ended have no cell, so \
         no cell moves but by late events.",
        "when no month has ended since the first customer joined, and while the measure is \
         withheld.",
    )
    .size(16, 11)
    .query(
        "",
        &format!("max by (cohort, months_after) ({})", of(cells, "")),
    )
    .transform(
        "groupingToMatrix",
        json!({"columnField": "months_after", "rowField": "cohort", "valueField": "Value"}),
    )
    .field("unit", json!("percentunit"))
    .field("decimals", json!(0))
    .field("min", json!(0))
    .field("max", json!(1))
    .field("color", json!({"mode": "continuous-blues"}))
    .field("links", json!([]))
    .custom(
        "cellOptions",
        json!({"type": "color-background", "mode": "basic"}),
    )
    .custom("align", json!("center"))
    .where_named(
        "cohort\\months_after",
        vec![
            ("displayName", json!("Joined in")),
            ("custom.cellOptions", json!({"type": "auto"})),
        ],
    );
    let sizes = columns(
        "Customers by month of joining",
        Unit::Count,
        "cohort",
        help("tenure_cohort_customers"),
        empty::MEASURE,
    )
    .size(8, 11)
    .query(
        "",
        &format!(
            "sum by (cohort) ({})",
            shared("tenure_cohort_customers", "")
        ),
    )
    .transform(
        "sortBy",
        json!({"fields": {}, "sort": [{"field": "cohort"}]}),
    );
    let months = columns(
        "Retention by months since joining",
        Unit::Share,
        "months_after",
        "All cohorts of the map together: those still active of all who joined, so that a large \
         cohort counts for more than a small one. Fewer cohorts have many months behind them, so \
         the columns on the right are of fewer customers.",
        "as the map of cohorts is.",
    )
    .query("", &weighted())
    .between(0.0, 1.0)
    .transform(
        "sortBy",
        json!({"fields": {}, "sort": [{"field": "months_after"}]}),
    );
    let dormant = bars(
        "Dormant customers",
        Unit::Count,
        help("tenure_dormant_customers"),
        empty::MEASURE,
    )
    .query(
        "no order for {{for}}",
        &format!("sort_desc({})", shared("tenure_dormant_customers", "")),
    )
    .above_zero();
    vec![map, sizes, months, dormant]
}

/// Of each month after joining: the customers still active by all customers, over the cohorts
/// that have got so far. Ratios become counts first.
fn weighted() -> String {
    let ratio = shared("tenure_cohort_retention_ratio", "");
    let size = shared("tenure_cohort_customers", "");
    let pair = "* on (job, cohort) group_left ()";
    format!(
        "sum by (months_after) ({ratio} {pair} {size}) / \
         sum by (months_after) (({ratio} >= bool 0) {pair} {size})"
    )
}

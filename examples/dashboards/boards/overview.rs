//! How the business is doing: the headlines, their course, and what they are compared with.

use serde_json::json;
use tenure::alert::guards::DEPARTURE_GUARD;

use super::panel::{Panel, Unit, bars, lines, stat, table};
use super::query::{PERIOD, age, chosen, headline, of, shared};
use super::{Board, OF_PERIOD, empty, help};

pub fn board() -> Board {
    Board {
        uid: "tenure-overview",
        title: "Tenure / Overview",
        description: "Retention, churn, satisfaction and orders at a glance, each number with its \
                      past and a link to its explanation.",
        from: "now-7d",
        variables: Vec::new(),
        sections: vec![
            ("Headlines: $period", headlines()),
            ("Retention and churn", retention()),
            ("Satisfaction", satisfaction()),
            ("Orders and revenue", orders()),
            ("All periods", vec![periods()]),
        ],
    }
}

/// A headline that is a measure as it stands.
fn tile(title: &str, unit: Unit, metric: &str, empty: &str) -> Panel {
    stat(title, unit, help(metric), empty)
        .query("{{job}}", &headline(metric, PERIOD))
        .explained(metric, OF_PERIOD)
}

fn headlines() -> Vec<Panel> {
    let customers = stat(
        "Customers now",
        Unit::Count,
        help("tenure_customers"),
        empty::MEASURE,
    )
    .query("{{job}}", &headline("tenure_customers", ""))
    .explained("tenure_customers", "");
    let age_of_report = stat(
        "Age of the numbers",
        Unit::Seconds,
        "Time since the instant of the report: exactly the events before it are in the numbers. \
         When everything was read it is a second or two; it grows while a partition lags.",
        "before the first report, and when no chosen instance was scraped.",
    )
    .query("{{job}}", &age("tenure_report_timestamp_seconds"))
    .thresholds("green", &[(120.0, "yellow"), (900.0, "red")]);
    let lost = format!(
        "{} and on (job) {}",
        shared(
            "tenure_period_customers",
            r#"period="$period", status="lost""#
        ),
        shared("tenure_customers_at_end", PERIOD)
    );
    vec![
        customers,
        tile(
            "Retention",
            Unit::Share,
            "tenure_retention_ratio",
            empty::RATIO,
        ),
        tile("Churn", Unit::Share, "tenure_churn_ratio", empty::RATIO),
        tile(
            "Net Promoter Score",
            Unit::Number,
            "tenure_nps_score",
            empty::RATIO,
        ),
        tile(
            "Content (CSAT)",
            Unit::Share,
            "tenure_csat_ratio",
            empty::RATIO,
        ),
        tile(
            "Little effort (CES)",
            Unit::Share,
            "tenure_ces_low_effort_ratio",
            empty::RATIO,
        ),
        tile(
            "Ordered again",
            Unit::Share,
            "tenure_reorder_ratio",
            "for periods to date such as this_month, when nobody ordered in the window before, and \
             while the measure is withheld.",
        ),
        stat(
            "Lost customers",
            Unit::Count,
            "Customers active at the start of the period who are not active at its end.",
            empty::MEASURE,
        )
        .query("{{job}}", &lost)
        .explained("tenure_period_customers", "&period=${period}&status=lost"),
        tile(
            "Joined customers",
            Unit::Count,
            "tenure_joined_customers",
            empty::MEASURE,
        ),
        stat(
            "Orders",
            Unit::Count,
            "Orders placed in the period, of all currencies together; free ones count.",
            "when there was no order in the period, and while the measure is withheld.",
        )
        .query(
            "{{job}}",
            &format!(
                "sum without (currency) ({})",
                headline("tenure_orders", PERIOD)
            ),
        ),
        age_of_report,
        stat(
            "Coverage",
            Unit::Share,
            "Share of the partitions that are in the report. Below 100 % every measure is \
             withheld.",
            empty::PROCESS,
        )
        .query("{{job}}", &shared("tenure_report_coverage_ratio", ""))
        .between(0.0, 1.0)
        .thresholds("red", &[(1.0, "green")]),
    ]
}

fn retention() -> Vec<Panel> {
    let complete = r#"period!~"this_.*|today""#;
    let by_period = lines(
        "Retention by period",
        Unit::Share,
        &format!(
            "{} Rolling and complete periods; those to date begin anew at each boundary and are \
             left out.",
            help("tenure_retention_ratio")
        ),
        empty::RATIO,
    )
    .query("{{period}}", &shared("tenure_retention_ratio", complete))
    .field("max", json!(1));
    let churn = lines(
        "Churn and departures: $period",
        Unit::Share,
        "Churn asks who of those at the start is gone at the end. Departures also count who came \
         back, and who joined and left within the period.",
        empty::RATIO,
    )
    .query("churn", &chosen("tenure_churn_ratio"))
    .query("departures", &chosen("tenure_departure_ratio"))
    .above_zero();
    let statuses = lines(
        "Customers by status: $period",
        Unit::Count,
        help("tenure_period_customers"),
        empty::MEASURE,
    )
    .query(
        "{{status}}",
        &shared(
            "tenure_period_customers",
            r#"period="$period", status!="retained""#,
        ),
    )
    .above_zero();
    let reasons = bars(
        "Departures by reason: $period",
        Unit::Count,
        help("tenure_departures"),
        "when nobody left in the period, and while the measure is withheld.",
    )
    .query(
        "{{reason}}",
        &format!(
            "sort_desc(sum by (job, reason) ({}))",
            chosen("tenure_departures")
        ),
    )
    .above_zero();
    vec![
        by_period,
        churn,
        expected("24h", "24 hours"),
        expected("7d", "7 days"),
        statuses,
        reasons,
    ]
}

/// Departures by churn events beside what the same window of the four weeks before lets expect.
fn expected(period: &str, words: &str) -> Panel {
    let of_churn = format!(r#"period="{period}", reason!="inactivity""#);
    let source = format!(r#"period="{period}", source="churn""#);
    let expectation = shared("tenure_departures_expected", &source);
    let nobody = shared(
        "tenure_customers_at_start",
        &format!(r#"period="{period}""#),
    );
    // An open label has no series where nobody left; with the other counts there, that is 0.
    let departures = format!(
        "sum without (reason) ({}) or {nobody} * 0",
        shared("tenure_departures", &of_churn)
    );
    let roots = DEPARTURE_GUARD.roots;
    let chance = format!("{expectation} + {roots} * sqrt({expectation})");
    lines(
        &format!("Departures by churn in {words}, and what was expected"),
        Unit::Count,
        &format!(
            "Spells that churn events ended in the last {words}, beside the mean of the same \
             window 7, 14, 21 and 28 days earlier. The dashed line is the expectation and {roots} \
             times its square root: chance alone hardly ever goes beyond. What the inactivity \
             timeout ended is not among them."
        ),
        &format!(
            "of an expectation when nobody was a customer five weeks ago, and where {period} is \
             not among the periods; altogether while the measures are withheld."
        ),
    )
    .query("departures", &departures)
    .query("expected", &expectation)
    .query("beyond chance", &chance)
    .dashed("beyond chance")
    .above_zero()
}

fn satisfaction() -> Vec<Panel> {
    vec![
        lines(
            "Net Promoter Score: $period",
            Unit::Number,
            "Score by each customer's latest answer in the period, from -100 to 100, and the band \
             in which the true score lies with 95 % certainty. A change within the band may be \
             chance.",
            empty::RATIO,
        )
        .query("lower", &chosen("tenure_nps_score_lower"))
        .query("upper", &chosen("tenure_nps_score_upper"))
        .query("score", &chosen("tenure_nps_score"))
        .band("lower", "upper"),
        lines(
            "Content and little effort: $period",
            Unit::Share,
            "Share of the CSAT answers that are 4 or 5, and of the customer effort answers that \
             tell of little effort.",
            empty::RATIO,
        )
        .query("content (CSAT)", &chosen("tenure_csat_ratio"))
        .query(
            "little effort (CES)",
            &chosen("tenure_ces_low_effort_ratio"),
        )
        .field("max", json!(1)),
    ]
}

fn orders() -> Vec<Panel> {
    let buyers = lines(
        "Customers with an order: $period",
        Unit::Count,
        help("tenure_ordering_customers"),
        empty::MEASURE,
    )
    .query("{{buyer}}", &chosen("tenure_ordering_customers"))
    .stacked(false)
    .above_zero();
    let again = lines(
        "Repeat and returning buyers: $period",
        Unit::Share,
        "Of the customers with an order in the period: those with at least two in it (repeat), and \
         those who had ordered before it, at any time (returning).",
        "when nobody ordered in the period, and while the measures are withheld.",
    )
    .query("repeat", &chosen("tenure_repeat_purchase_ratio"))
    .query("returning", &chosen("tenure_returning_buyers_ratio"))
    .above_zero()
    .field("max", json!(1));
    let money = table(
        "Orders and revenue by currency: $period",
        "Currencies are never added to each other. The value of a customer looks back on all \
         orders ever; the expected one looks ahead, and is there for periods of 28 days or more \
         in which somebody was lost.",
        "when there was no order in the period, and while the measures are withheld.",
    )
    .size(24, 9)
    .labels(&["currency"])
    .column(
        "Orders",
        Unit::Count,
        &by_currency(&of("tenure_orders", PERIOD)),
    )
    .column(
        "Revenue",
        Unit::Count,
        &by_currency(&of("tenure_revenue", PERIOD)),
    )
    .column(
        "Average order",
        Unit::Number,
        &by_currency(&of("tenure_average_order_value", PERIOD)),
    )
    .column(
        "From repeat orders",
        Unit::Share,
        &by_currency(&of("tenure_repeat_revenue_ratio", PERIOD)),
    )
    .column(
        "Value of a customer, expected",
        Unit::Number,
        &by_currency(&of("tenure_expected_lifetime_value", PERIOD)),
    )
    .column(
        "Value of a customer, so far",
        Unit::Number,
        &by_currency(&of("tenure_customer_lifetime_value", "")),
    )
    .option("sortBy", json!([{"desc": true, "displayName": "Orders"}]));
    vec![buyers, again, money]
}

/// One row for each currency, whatever else tells the targets apart.
fn by_currency(selector: &str) -> String {
    format!("max by (job, currency) ({selector})")
}

fn periods() -> Panel {
    let columns = [
        (
            "Customers at the start",
            Unit::Count,
            "tenure_customers_at_start",
        ),
        ("Retention", Unit::Share, "tenure_retention_ratio"),
        ("Churn", Unit::Share, "tenure_churn_ratio"),
        ("Joined", Unit::Count, "tenure_joined_customers"),
        ("NPS", Unit::Number, "tenure_nps_score"),
        ("NPS change", Unit::Number, "tenure_nps_change_score"),
        ("Content", Unit::Share, "tenure_csat_ratio"),
        ("Effort", Unit::Number, "tenure_ces_mean_score"),
        ("Ordered again", Unit::Share, "tenure_reorder_ratio"),
    ];
    let start = table(
        "Every period",
        "The same numbers for all periods, the complete ones such as last_month among them, which \
         do not move any more but by late events. A change of the NPS is there for rolling periods, \
         against the window before. Each number links to its explanation.",
        "before the first report, and while the measures are withheld; single cells where there is \
         nothing to divide by.",
    )
    .size(24, 9)
    .labels(&["period"]);
    columns
        .into_iter()
        .fold(start, |panel, (heading, unit, metric)| {
            let expression = format!("max by (job, period) ({})", of(metric, ""));
            panel.column(heading, unit, &expression).links_of_column(
                heading,
                metric,
                "&period=${__data.fields.period}",
            )
        })
}

//! What customers say, how sure that is, and whether it goes with staying.

use serde_json::json;

use super::panel::{Panel, Unit, bars, columns, lines, stat, table};
use super::query::{PERIOD, chosen, headline, of, shared};
use super::{Board, OF_PERIOD, empty, help, query_variable};

pub fn board() -> Board {
    let mut survey = query_variable(
        "survey",
        "Survey",
        r#"label_values(tenure_survey_scale_info{job=~"$job", instance=~"$instance"}, survey)"#,
    );
    survey["current"] = json!({"text": "nps", "value": "nps"});
    Board {
        uid: "tenure-satisfaction",
        title: "Tenure / Satisfaction",
        description: "NPS, CSAT and CES with how sure they are, by channel, and beside retention.",
        from: "now-7d",
        variables: vec![survey],
        sections: vec![
            ("Scores: $period", scores()),
            ("Net Promoter Score", promoters()),
            ("CSAT and customer effort", ratings()),
            ("Answers to $survey", answers()),
            ("Satisfaction beside retention: $period", link()),
        ],
    }
}

fn tile(title: &str, unit: Unit, metric: &str) -> Panel {
    stat(title, unit, help(metric), empty::RATIO)
        .query("{{job}}", &headline(metric, PERIOD))
        .explained(metric, OF_PERIOD)
}

fn scores() -> Vec<Panel> {
    let change = stat(
        "NPS change",
        Unit::Number,
        help("tenure_nps_change_score"),
        "for calendar periods, unless both windows have an answer, and while the measure is \
         withheld.",
    )
    .query("{{job}}", &headline("tenure_nps_change_score", PERIOD))
    .explained("tenure_nps_change_score", OF_PERIOD);
    vec![
        tile("Net Promoter Score", Unit::Number, "tenure_nps_score"),
        change,
        tile("Content (CSAT)", Unit::Share, "tenure_csat_ratio"),
        tile("Mean CSAT rating", Unit::Number, "tenure_csat_mean_score").decimals(2),
        tile(
            "Little effort (CES)",
            Unit::Share,
            "tenure_ces_low_effort_ratio",
        ),
        tile("Mean effort rating", Unit::Number, "tenure_ces_mean_score").decimals(2),
    ]
}

fn promoters() -> Vec<Panel> {
    let score = lines(
        "Score and its 95 % bounds: $period",
        Unit::Number,
        "Net Promoter Score by each customer's latest answer in the period, and the band in which \
         the true score lies with 95 % certainty. The dashed line counts every answer, so that who \
         answers often counts often.",
        empty::RATIO,
    )
    .query("lower", &chosen("tenure_nps_score_lower"))
    .query("upper", &chosen("tenure_nps_score_upper"))
    .query("score", &chosen("tenure_nps_score"))
    .query("over every answer", &chosen("tenure_nps_response_score"))
    .dashed("over every answer")
    .band("lower", "upper");
    let error = chosen("tenure_nps_change_standard_error");
    let change = lines(
        "Change against the window before: $period",
        Unit::Number,
        "Score of the period minus that of the window before it. Between the dashed lines, 1.96 \
         standard errors around 0, the change may well be chance: 95 of 100 lie there when nothing \
         has changed.",
        "for calendar periods, unless both windows have an answer, and while the measure is \
         withheld.",
    )
    .query("change", &chosen("tenure_nps_change_score"))
    .query("beyond chance, up", &format!("1.96 * {error}"))
    .query("beyond chance, down", &format!("-1.96 * {error}"))
    .dashed("beyond chance, up")
    .dashed("beyond chance, down");
    let groups = lines(
        "Promoters, passives and detractors: $period",
        Unit::Count,
        help("tenure_nps_customers"),
        empty::MEASURE,
    )
    .query("{{group}}", &chosen("tenure_nps_customers"))
    .stacked(true)
    .where_named("promoter", vec![("color", fixed("green"))])
    .where_named("passive", vec![("color", fixed("yellow"))])
    .where_named("detractor", vec![("color", fixed("red"))]);
    let periods = lines(
        "Score by period",
        Unit::Number,
        "The same score for every rolling and every complete period: a fall that lasts goes from \
         the short periods to the long ones.",
        empty::RATIO,
    )
    .query(
        "{{period}}",
        &shared("tenure_nps_score", r#"period!~"this_.*|today""#),
    );
    vec![score, change, groups, periods]
}

fn fixed(color: &str) -> serde_json::Value {
    json!({"mode": "fixed", "fixedColor": color})
}

fn ratings() -> Vec<Panel> {
    let content = lines(
        "Content share and its 95 % bounds: $period",
        Unit::Share,
        "Share of the CSAT answers in the period that are 4 or 5, and the band in which the true \
         share lies with 95 % certainty.",
        empty::RATIO,
    )
    .query("lower", &chosen("tenure_csat_ratio_lower"))
    .query("upper", &chosen("tenure_csat_ratio_upper"))
    .query("share", &chosen("tenure_csat_ratio"))
    .band("lower", "upper");
    let effort = lines(
        "Mean customer effort: $period",
        Unit::Number,
        "Mean rating of the customer effort answers. Whether a low or a high one is good is told \
         by the table of scales (surveys.ces).",
        empty::RATIO,
    )
    .query("mean", &chosen("tenure_ces_mean_score"))
    .decimals(2);
    let by_rating = |title: &str, metric: &str| {
        columns(title, Unit::Count, "rating", help(metric), empty::MEASURE)
            .size(6, 8)
            .query("", &format!("sum by (rating) ({})", chosen(metric)))
            .transform(
                "sortBy",
                json!({"fields": {}, "sort": [{"field": "rating"}]}),
            )
    };
    let who = bars(
        "Who answered: $period",
        Unit::Share,
        help("tenure_survey_customers_ratio"),
        "when nobody was a customer at the end of the period, and while the measure is withheld.",
    )
    .size(6, 8)
    .query("{{survey}}", &chosen("tenure_survey_customers_ratio"))
    .above_zero();
    let scales = table(
        "Scales",
        help("tenure_survey_scale_info"),
        "when no chosen instance was scraped.",
    )
    .size(6, 8)
    .labels(&["survey", "min", "max", "better"])
    .column(
        "Instances",
        Unit::Count,
        &format!(
            "count by (survey, min, max, better) ({})",
            of("tenure_survey_scale_info", "")
        ),
    );
    vec![
        content,
        effort,
        by_rating("CSAT answers by rating: $period", "tenure_csat_responses"),
        by_rating("Effort answers by rating: $period", "tenure_ces_responses"),
        who,
        scales,
    ]
}

fn answers() -> Vec<Panel> {
    let by_channel = lines(
        "Answers to $survey by channel: $period",
        Unit::Count,
        help("tenure_channel_responses"),
        "when nobody answered any survey in the period, and while the measure is withheld.",
    )
    .query(
        "{{channel}}",
        &shared(
            "tenure_channel_responses",
            r#"period="$period", survey="$survey""#,
        ),
    )
    .stacked(false)
    .above_zero();
    let channels = table(
        "Scores by channel: $period",
        "Over every answer on the channel; an NPS asked in the app is another than one asked by \
         mail. Look at the number of answers first.",
        "when nobody answered any survey in the period, and while the measures are withheld.",
    )
    .labels(&["channel"])
    .column(
        "NPS",
        Unit::Number,
        &chosen("tenure_channel_nps_response_score"),
    )
    .column("Content", Unit::Share, &chosen("tenure_channel_csat_ratio"))
    .column(
        "Effort",
        Unit::Number,
        &chosen("tenure_channel_ces_mean_score"),
    )
    .column(
        "Answers to all surveys",
        Unit::Count,
        &format!(
            "sum without (survey) ({})",
            chosen("tenure_channel_responses")
        ),
    )
    .option(
        "sortBy",
        json!([{"desc": true, "displayName": "Answers to all surveys"}]),
    )
    .without("period");
    vec![by_channel, channels]
}

fn link() -> Vec<Panel> {
    let groups = bars(
        "Retention by NPS group",
        Unit::Share,
        help("tenure_nps_group_retention_ratio"),
        empty::RATIO,
    )
    .size(8, 8)
    .query("{{group}}", &chosen("tenure_nps_group_retention_ratio"))
    .between(0.0, 1.0);
    let low = bars(
        "Low scores among those who stayed and who left",
        Unit::Share,
        help("tenure_low_score_ratio"),
        empty::RATIO,
    )
    .size(8, 8)
    .query("{{status}}", &chosen("tenure_low_score_ratio"))
    .above_zero();
    let revenue = table(
        "Revenue by NPS group",
        "Revenue in the period from the customers at its start, by the NPS group known then; by \
         customer means by every customer of the group, with an order or without.",
        "when no customer of the start ordered in the period, and while the measures are withheld.",
    )
    .size(8, 8)
    .labels(&["currency", "group"])
    .column("Revenue", Unit::Count, &chosen("tenure_nps_group_revenue"))
    .column(
        "By customer",
        Unit::Number,
        &chosen("tenure_nps_group_revenue_per_customer"),
    )
    .option(
        "sortBy",
        json!([{"desc": false, "displayName": "currency"}]),
    )
    .without("period");
    vec![groups, low, revenue]
}

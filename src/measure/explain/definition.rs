//! Every measure in words: what it counts, how it is formed, and which settings decide it.
//!
//! Owns the prose of an explanation. Promises an entry for every measure of the catalogue. The
//! reader is somebody who doubts a number and has not read the documentation.

use crate::measure::catalogue::{DIMENSIONS, Measure, Needs};
use crate::measure::period::{Period, Unit};

/// One measure in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    pub name: &'static str,
    /// A paragraph.
    pub words: &'static str,
    /// How the value is formed, as a line of arithmetic or of words.
    pub formula: &'static str,
    /// Whether it depends on who is a customer when.
    pub spells: bool,
}

const fn events(name: &'static str, words: &'static str, formula: &'static str) -> Definition {
    Definition {
        name,
        words,
        formula,
        spells: false,
    }
}

const fn spells(name: &'static str, words: &'static str, formula: &'static str) -> Definition {
    Definition {
        name,
        words,
        formula,
        spells: true,
    }
}

/// The definition of a measure; None for what is not in the catalogue.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS
        .iter()
        .find(|definition| definition.name == name)
}

/// The dotted keys of the settings that decide a measure in that period, in the order of the
/// documented file.
#[must_use]
pub fn deciding(measure: &Measure, period: Option<Period>) -> Vec<&'static str> {
    let spells = definition(measure.name).is_some_and(|definition| definition.spells);
    let departures = measure.needs == Needs::Departures;
    let has = |label: &str| measure.has_label(label);
    let unit = match period {
        Some(Period::ToDate(unit) | Period::Complete(unit)) => Some(unit),
        Some(Period::Rolling { .. }) | None => None,
    };
    let ces = measure.name.contains("_ces_") || has("survey") || has("better");
    let rules = [
        ("time_zone", unit.is_some() || has("cohort")),
        ("week_starts_on", unit == Some(Unit::Week)),
        ("customer_starts_with", spells),
        ("inactivity_timeout", spells),
        ("churn_events", departures),
        ("customer_base_complete_since", departures),
        ("cohorts", has("cohort")),
        ("history", true),
        ("duplicate_window", true),
        ("currencies", has("currency")),
        ("churn_reasons", has("reason")),
        ("channels", has("channel")),
        ("max_label_values", has("reason") || has("channel")),
        ("dimensions", has(DIMENSIONS)),
        ("max_segments", has(DIMENSIONS)),
        ("surveys.ces.max", ces),
        ("surveys.ces.better", ces),
    ];
    let decides = rules.into_iter().filter(|(_, decides)| *decides);
    decides.map(|(key, _)| key).collect()
}

/// In the order of the catalogue.
static DEFINITIONS: &[Definition] = &[
    spells(
        "tenure_customers",
        "Customers who are active at the instant of the report. A spell of activity opens with a \
         sign-up or a purchase and ends with a churn event or, where a timeout is set, when nothing \
         was heard for so long.",
        "number of customers active at T",
    ),
    spells(
        "tenure_customers_at_start",
        "Customers who were active when the period began. Whoever joined exactly then is not among \
         them yet; whoever left exactly then still is.",
        "S = number of customers active at the start",
    ),
    spells(
        "tenure_customers_at_end",
        "Customers who were active when the period ended. Whoever joined exactly then is not among \
         them yet; whoever left exactly then still is, so that the end of one period is the start of \
         the next.",
        "E = number of customers active at the end",
    ),
    spells(
        "tenure_period_customers",
        "The customers of the period, by what became of them. Retained were active at its start and \
         at its end, lost only at its start; new and reactivated only at its end, where new means \
         that their first spell ever opened in the period. Who joins and leaves within the period is \
         in none of the four.",
        "retained + lost = S; retained + new + reactivated = E",
    ),
    spells(
        "tenure_retention_ratio",
        "Of the customers who were active when the period began, the share who are active when it \
         ends. Customers who joined later play no part, and whoever left and came back within the \
         period is retained.",
        "retained customers / customers at the start = (E - N) / S, where N are the new and the \
         reactivated",
    ),
    spells(
        "tenure_churn_ratio",
        "Of the customers who were active when the period began, the share who are not active when \
         it ends. It is exactly what is missing from retention to 1.",
        "lost customers / customers at the start = 1 - retention",
    ),
    spells(
        "tenure_joined_customers",
        "Customers whose first spell ever opened in the period, whether they are still there at its \
         end or not. Whoever comes back after leaving has not joined again.",
        "new customers + customers who joined and left within the period",
    ),
    spells(
        "tenure_early_churn_customers",
        "Customers who joined in the period and are gone at its end. They never were among the \
         customers at the start, so neither retention nor churn sees them.",
        "joined customers - new customers",
    ),
    spells(
        "tenure_departures",
        "Spells of activity that ended in the period, by the reason of the churn event: unspecified \
         where it gave none, inactivity where a timeout ended the spell. Every departure counts, \
         also of customers who came back, so departures can be more than lost customers.",
        "number of spells that ended in the period for that reason",
    ),
    spells(
        "tenure_departure_ratio",
        "Of all spells that could have ended in the period, the share that did: those open at its \
         start and those opened in it. Unlike churn it also counts who joined and left within the \
         period, and who left and came back.",
        "departures / (customers at the start + spells opened)",
    ),
    spells(
        "tenure_departures_expected",
        "How many departures the same window had on average in the four weeks before: the windows \
         end 7, 14, 21 and 28 days earlier, so each holds the same days of the week. Departures by \
         churn events and by inactivity are expected each for themselves; a churn event whose reason \
         is inactivity belongs to the latter. For periods of 24 hours and 7 days, once there was a \
         customer at the start of the earliest window.",
        "departures of the four windows / 4 windows",
    ),
    spells(
        "tenure_dormant_customers",
        "Customers who are active at the instant of the report but have placed no order for so long \
         before it. They are the ones a timeout would let go first.",
        "number of customers active at T without an order since T - length",
    ),
    events(
        "tenure_nps_customers",
        "Customers who answered the NPS question in the period, each counted once by the latest \
         answer: promoter with 9 or 10, passive with 7 or 8, detractor with 0 to 6. Whoever answers \
         counts, active customer or not.",
        "number of customers by the group of their latest answer",
    ),
    events(
        "tenure_nps_score",
        "The Net Promoter Score by customers: each who answered in the period counts once, by the \
         latest answer. Customers who did not answer play no part.",
        "100 * (promoters - detractors) / (promoters + passives + detractors)",
    ),
    events(
        "tenure_nps_score_lower",
        "The lower 95 % bound of the Net Promoter Score: with so few answers the score of all \
         customers could well be as low. Adjusted Wald, which also holds for small groups.",
        "score of (promoters + 0.75, passives + 1.5, detractors + 0.75) - 1.959964 standard errors, \
         at least -100 and at most the score",
    ),
    events(
        "tenure_nps_score_upper",
        "The upper 95 % bound of the Net Promoter Score: with so few answers the score of all \
         customers could well be as high. Adjusted Wald, which also holds for small groups.",
        "score of (promoters + 0.75, passives + 1.5, detractors + 0.75) + 1.959964 standard errors, \
         at most 100 and at least the score",
    ),
    events(
        "tenure_nps_responses",
        "NPS answers in the period, by group. Every answer counts, also several of one customer.",
        "number of answers in the group",
    ),
    events(
        "tenure_nps_response_score",
        "The Net Promoter Score over every answer of the period. Customers who answer often weigh \
         more than in the score by customers.",
        "100 * (promoters - detractors) / (promoters + passives + detractors), counting answers",
    ),
    events(
        "tenure_nps_change_score",
        "How far the Net Promoter Score of a rolling period is above that of the window before it, \
         which is twice as long as the period and at least 28 days. Compare it with its standard \
         error: a change of less than two of these says little.",
        "score of the period - score of the window before",
    ),
    events(
        "tenure_nps_change_standard_error",
        "How uncertain the change of the Net Promoter Score is, in points: chance alone moves it by \
         more than two standard errors about once in twenty times.",
        "square root of (standard error ^ 2 + standard error of the window before ^ 2)",
    ),
    events(
        "tenure_csat_responses",
        "Answers to the satisfaction question in the period, by rating from 1 to 5. Every answer \
         counts, since each is about an interaction.",
        "number of answers with that rating",
    ),
    events(
        "tenure_csat_ratio",
        "Of the answers to the satisfaction question in the period, the share that are content: a \
         rating of 4 or 5. Every answer counts, since each is about an interaction.",
        "answers of 4 and 5 / answers",
    ),
    events(
        "tenure_csat_ratio_lower",
        "The lower 95 % bound of the share of content answers: with so few answers the share among \
         all could well be as low.",
        "lower Wilson bound of answers of 4 and 5 / answers",
    ),
    events(
        "tenure_csat_ratio_upper",
        "The upper 95 % bound of the share of content answers: with so few answers the share among \
         all could well be as high.",
        "upper Wilson bound of answers of 4 and 5 / answers",
    ),
    events(
        "tenure_csat_mean_score",
        "The mean of the satisfaction ratings of the period, 1 to 5. Every answer counts.",
        "sum of the ratings / answers",
    ),
    events(
        "tenure_ces_responses",
        "Answers to the customer effort question in the period, by rating on the configured scale. \
         Every answer counts.",
        "number of answers with that rating",
    ),
    events(
        "tenure_ces_mean_score",
        "The mean of the customer effort ratings of the period. Whether high or low is good depends \
         on the configured scale.",
        "sum of the ratings / answers",
    ),
    events(
        "tenure_ces_low_effort_ratio",
        "Of the customer effort answers of the period, the share that tell of little effort: 1 and 2 \
         of 5 where low is better, 4 and 5 of 5 where high is; 1 to 3 or 5 to 7 on the scale to 7.",
        "answers of little effort / answers",
    ),
    events(
        "tenure_channel_responses",
        "Survey answers of the period by survey and by the channel on which they came; unspecified \
         where the answer named none.",
        "number of answers on that channel",
    ),
    events(
        "tenure_channel_nps_responses",
        "NPS answers of the period by channel and group. Every answer counts.",
        "number of answers in the group on that channel",
    ),
    events(
        "tenure_channel_nps_response_score",
        "The Net Promoter Score over every answer that came on one channel in the period.",
        "100 * (promoters - detractors) / (promoters + passives + detractors), counting answers on \
         that channel",
    ),
    events(
        "tenure_channel_csat_ratio",
        "Of the answers to the satisfaction question that came on one channel in the period, the \
         share with a rating of 4 or 5.",
        "answers of 4 and 5 / answers, on that channel",
    ),
    events(
        "tenure_channel_ces_mean_score",
        "The mean of the customer effort ratings that came on one channel in the period.",
        "sum of the ratings / answers, on that channel",
    ),
    spells(
        "tenure_survey_customers_ratio",
        "Of the customers who are active at the end of the period, the share who answered the survey \
         in it. It says how many customers the other numbers of the survey speak for.",
        "active customers who answered / customers at the end",
    ),
    events(
        "tenure_survey_scale_info",
        "The scale of a survey and which end of it is better, as labels. It is a fact about the \
         configuration and needs no events.",
        "always 1",
    ),
    events(
        "tenure_orders",
        "Orders placed in the period in one currency; free orders count too. Refunds and \
         cancellations take nothing away.",
        "number of purchases",
    ),
    events(
        "tenure_revenue",
        "The sum of the amounts of the orders placed in the period in one currency, added exactly. \
         Refunds and cancellations are not deducted, and currencies are never added together.",
        "sum of the amounts",
    ),
    events(
        "tenure_average_order_value",
        "What an order of the period was worth on average, in one currency; free orders count.",
        "revenue / orders",
    ),
    events(
        "tenure_ordering_customers",
        "Customers with an order in the period. Returning are those whose first order ever was \
         before the period; first_time are all others, however often they ordered in it.",
        "number of customers with an order in the period",
    ),
    events(
        "tenure_repeat_ordering_customers",
        "Customers who placed at least two orders in the period, in whatever currency.",
        "number of customers with two orders or more in the period",
    ),
    events(
        "tenure_orders_per_customer",
        "How many orders a customer placed in the period, over those who placed any; all currencies \
         together.",
        "orders / ordering customers",
    ),
    events(
        "tenure_repeat_purchase_ratio",
        "Of the customers who ordered in the period, the share who ordered at least twice in it.",
        "customers with two orders or more / ordering customers",
    ),
    events(
        "tenure_returning_buyers_ratio",
        "Of the customers who ordered in the period, the share who had ordered before it began.",
        "returning customers / ordering customers",
    ),
    events(
        "tenure_repeat_revenue_ratio",
        "Of the revenue of the period in one currency, the share that comes from orders that were \
         not the first ever of their customer.",
        "revenue of repeat orders / revenue",
    ),
    events(
        "tenure_reorder_base_customers",
        "Customers who ordered in the window before the period, which is as long as it; before a \
         complete calendar period it is the calendar period before.",
        "number of customers with an order in the window before",
    ),
    events(
        "tenure_reorder_ratio",
        "Of the customers who ordered in the window before the period, the share who ordered in the \
         period too. It is retention for shops: it needs no churn events and no timeout.",
        "of them with an order in the period / customers with an order in the window before",
    ),
    events(
        "tenure_customer_lifetime_value",
        "What a customer has brought so far: all orders ever in one currency, spread over the \
         customers who ever ordered in it. Orders older than the kept history are in it too.",
        "revenue ever / customers with an order",
    ),
    spells(
        "tenure_expected_lifetime_value",
        "What a customer would bring in all if revenue and churn stayed as in the period: the \
         revenue by mean customer, times the periods after which all would have left. A projection \
         for periods of at least 28 days, not an observation.",
        "revenue / mean of customers at the start and at the end / churn ratio",
    ),
    spells(
        "tenure_nps_group_customers",
        "Customers at the start of the period, by the NPS group of their latest answer before it \
         (none without one) and by what became of them. It stands side by side; it claims no cause.",
        "number of customers at the start in the group who were retained, or lost",
    ),
    spells(
        "tenure_nps_group_retention_ratio",
        "Retention within one NPS group: of the customers at the start whose latest answer before \
         the period was in the group, the share who are active at its end.",
        "retained customers / customers at the start, within the group",
    ),
    spells(
        "tenure_nps_group_revenue",
        "Revenue of the period in one currency from the customers at its start, by the NPS group of \
         their latest answer before it.",
        "sum of the amounts of their orders in the period",
    ),
    spells(
        "tenure_nps_group_revenue_per_customer",
        "Revenue of the period by customer at its start, within one NPS group; customers without an \
         order count too.",
        "revenue / customers at the start, within the group",
    ),
    spells(
        "tenure_scored_customers",
        "Customers at the start who answered an NPS or satisfaction survey in the 90 days before \
         they left, or before the end of the period if they were retained. Low are those with an NPS \
         answer of 0 to 6 or a satisfaction rating of 1 or 2 among these answers, fine the others.",
        "number of customers with such an answer",
    ),
    spells(
        "tenure_low_score_ratio",
        "Of the customers whose answers are known, the share with a low one in the 90 days before \
         they left, or before the end if they were retained. Where it is higher among the lost than \
         among the retained, low scores announce departures.",
        "customers with a low score / customers with a score",
    ),
    spells(
        "tenure_segment_customers",
        "The customers of the period by segment and by what became of them. Retained and lost go by \
         the segment at its start, new and reactivated by that at its end: a change of plan is no \
         churn.",
        "number of customers of the segment with that status",
    ),
    spells(
        "tenure_segment_retention_ratio",
        "Retention within one segment: of the customers at the start who were in the segment then, \
         the share who are active at the end of the period, in whatever segment.",
        "retained customers / customers at the start, within the segment",
    ),
    events(
        "tenure_segment_nps_customers",
        "Customers by the NPS group of their latest answer in the period, by their segment at its \
         end. Whoever answers counts, active customer or not.",
        "number of customers of the segment by the group of their latest answer",
    ),
    events(
        "tenure_segment_nps_score",
        "The Net Promoter Score by customers within one segment: each who answered in the period \
         counts once, by the latest answer and by the segment at the end of the period.",
        "100 * (promoters - detractors) / (promoters + passives + detractors), within the segment",
    ),
    events(
        "tenure_segment_orders",
        "Orders placed in the period in one currency, by the customer's segment at its end.",
        "number of purchases of customers of the segment",
    ),
    events(
        "tenure_segment_revenue",
        "The sum of the amounts of the orders placed in the period in one currency, by the \
         customer's segment at its end.",
        "sum of the amounts of orders of customers of the segment",
    ),
    spells(
        "tenure_cohort_customers",
        "Customers by the calendar month in which their first spell ever opened, in the configured \
         time zone. The newest cohorts are shown, the running month included.",
        "number of customers whose first spell opened in the month",
    ),
    spells(
        "tenure_cohort_retention_ratio",
        "Of the customers of one cohort, the share who are active at the end of the month so many \
         months after its own; 00 is the end of the cohort's own month. Only months that have ended \
         have a value. Customers who left and came back are active again.",
        "customers still active / customers of the cohort",
    ),
    events(
        "tenure_event_latest_timestamp_seconds",
        "When the newest event of the type happened, by its own time and not by that of its arrival. \
         What happened more than 35 days before the instant of the report is not looked at.",
        "largest time of an event before T, in seconds since 1970",
    ),
    events(
        "tenure_event_usual_gap_seconds",
        "How far apart the events of the type usually are: 28 days, spread over the events in the 28 \
         days before the instant of the report. Of one customer, events of one type at one \
         millisecond are one.",
        "seconds of 28 days / events",
    ),
    events(
        "tenure_event_week_ago_span_seconds",
        "The shortest stretch that ends a week before the instant of the report and holds 30 events \
         of the type, among those of the 28 days before. A source that has been silent for longer \
         than this was not so a week ago, when at least 30 events came in the same time.",
        "T - 7 days - time of the 30th newest event before T - 7 days",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::MEASURES;

    #[test]
    fn every_measure_is_defined_in_words_and_nothing_else_is() {
        let defined: Vec<&str> = DEFINITIONS
            .iter()
            .map(|definition| definition.name)
            .collect();
        let published: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        assert_eq!(defined, published);
        for Definition {
            name,
            words,
            formula,
            ..
        } in DEFINITIONS
        {
            assert!(words.ends_with('.') && words.len() > 40, "{name}: {words}");
            assert!(
                !formula.ends_with('.') && !formula.is_empty(),
                "{name}: {formula}"
            );
            assert!(!words.contains("  ") && !formula.contains("  "), "{name}");
        }
    }

    #[test]
    fn a_quotient_is_written_with_the_names_of_its_parts() {
        for measure in MEASURES.iter().filter(|measure| measure.parts.len() == 2) {
            let formula = definition(measure.name).unwrap().formula;
            let bounds = measure.name.ends_with("_lower") || measure.name.ends_with("_upper");
            let numerator = measure.parts[0].split(' ').next().unwrap();
            assert!(
                bounds || formula.contains(numerator),
                "{}: {formula}",
                measure.name
            );
        }
    }

    #[test]
    fn the_settings_that_decide_follow_from_the_measure_and_the_period() {
        let check = |name: &str, period: Option<&str>, expected: &[&str]| {
            let measure = crate::measure::catalogue::measure(name).unwrap();
            let period = period.map(|period| period.parse().unwrap());
            let keys = deciding(measure, period);
            let always = ["history", "duplicate_window"];
            let keys: Vec<&str> = keys
                .into_iter()
                .filter(|key| !always.contains(key))
                .collect();
            assert_eq!(keys, expected, "{name}");
        };
        let spells = ["customer_starts_with", "inactivity_timeout"];
        check("tenure_customers", None, &spells);
        check("tenure_nps_score", Some("30d"), &[]);
        check("tenure_nps_score", Some("last_month"), &["time_zone"]);
        check(
            "tenure_revenue",
            Some("this_week"),
            &["time_zone", "week_starts_on", "currencies"],
        );
        check(
            "tenure_retention_ratio",
            Some("30d"),
            &[
                spells[0],
                spells[1],
                "churn_events",
                "customer_base_complete_since",
            ],
        );
        check(
            "tenure_departures",
            Some("30d"),
            &[spells[0], spells[1], "churn_reasons", "max_label_values"],
        );
        check(
            "tenure_channel_ces_mean_score",
            Some("7d"),
            &[
                "channels",
                "max_label_values",
                "surveys.ces.max",
                "surveys.ces.better",
            ],
        );
        check(
            "tenure_segment_orders",
            Some("7d"),
            &["currencies", "dimensions", "max_segments"],
        );
    }
}

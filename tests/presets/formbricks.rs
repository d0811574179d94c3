//! Formbricks' webhooks: a response that is begun, changed and finished, with all of its scores.

use super::backend::{Backend, Record, rfc3339};
use super::history::{Fact, SECOND, What};

/// Tells answers without a channel; those of one instant are one response.
pub struct Formbricks;

impl Backend for Formbricks {
    fn source(&self) -> String {
        "{ preset: formbricks, options: { nps_question: recommend, csat_question: q.satisfied, ces_question: easy, customer: userId } }"
            .into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        fact.is_answer().then(|| fact.plain())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        self.encode_together(std::slice::from_ref(fact))
    }

    fn encode_together(&self, facts: &[Fact]) -> Vec<Record> {
        let first = &facts[0];
        let customer = self.customer(first.customer);
        let attributes = format!(r#"{{"userId":"{customer}","plan":"basic"}}"#);
        let scores: Vec<String> = facts
            .iter()
            .filter_map(|fact| match fact.what {
                What::Answer { survey, score, .. } => {
                    Some(format!(r#""{}":{score}"#, question(survey)))
                }
                _ => None,
            })
            .collect();
        let scores = scores.join(",");
        ["responseCreated", "responseUpdated", "responseFinished"]
            .into_iter()
            .map(|event| {
                response(event, first.number, &attributes, &scores, first.at).key(customer.clone())
            })
            .collect()
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let number = 1_000_000 + number;
        vec![
            // Of nobody in particular, by a link.
            response("responseFinished", number, "{}", r#""recommend":3"#, at),
            // Of another survey, without a score.
            response(
                "responseFinished",
                number,
                r#"{"userId":"c-1"}"#,
                r#""feature":"dark mode","recommend":"""#,
                at,
            ),
        ]
    }
}

fn question(survey: &str) -> &'static str {
    match survey {
        "nps" => "recommend",
        "csat" => "q.satisfied",
        _ => "easy",
    }
}

fn response(event: &str, number: u32, attributes: &str, data: &str, at: i64) -> Record {
    let finished = event == "responseFinished";
    let value = format!(
        r#"{{"webhookId":"wh{number}","event":"{event}","data":{{"id":"re{number}","createdAt":"{}","updatedAt":"{}","surveyId":"su1","displayId":"di{number}","finished":{finished},"endingId":null,"contact":null,"contactAttributes":{attributes},"data":{{"comment":"Good [enough] {{so}} far",{data}}},"variables":{{}},"ttc":{{"_total":9100}},"tags":[],"meta":{{"source":"web","country":"TR"}},"singleUseId":null,"language":"default","survey":{{"title":"After the order","type":"app","status":"inProgress"}}}}}}"#,
        rfc3339(at - 60 * SECOND),
        rfc3339(at),
    );
    Record::of(value, at + SECOND)
        .header("webhook-id", format!("msg-{number}-{event}"))
        .header("webhook-timestamp", (at / SECOND).to_string())
}

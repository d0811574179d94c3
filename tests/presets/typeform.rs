//! Typeform's webhooks: a response with its answers in an array, each with the field that it is of.

use super::backend::{Backend, Record, rfc3339_seconds};
use super::history::{Fact, SECOND, What};

/// Tells answers, to the second and without a channel; those of one instant are one response.
pub struct Typeform;

impl Backend for Typeform {
    fn source(&self) -> String {
        "{ preset: typeform, options: { nps_question: recommend, csat_question: 8f0c-satisfied, ces_question: easy } }"
            .into()
    }

    fn says(&self, fact: &Fact) -> Option<Fact> {
        fact.is_answer().then(|| fact.at_seconds().plain())
    }

    fn encode(&self, fact: &Fact) -> Vec<Record> {
        self.encode_together(std::slice::from_ref(fact))
    }

    fn encode_together(&self, facts: &[Fact]) -> Vec<Record> {
        let first = &facts[0];
        let customer = self.customer(first.customer);
        let answers: Vec<String> = facts
            .iter()
            .filter_map(|fact| match fact.what {
                What::Answer { survey, score, .. } => Some(format!(
                    r#"{{"type":"number","number":{score},"field":{{"id":"f{survey}","type":"opinion_scale","ref":"{}"}}}}"#,
                    reference(survey),
                )),
                _ => None,
            })
            .collect();
        let hidden = format!(r#"{{"user_id":"{customer}","utm_source":"mail"}}"#);
        vec![
            response(
                "form_response_partial",
                first.number,
                &hidden,
                &answers[0],
                first.at,
            ),
            response(
                "form_response",
                first.number,
                &hidden,
                &answers.join(","),
                first.at,
            )
            .key(customer),
        ]
    }

    fn noise(&self, number: u32, at: i64) -> Vec<Record> {
        let number = 1_000_000 + number;
        let answer = r#"{"type":"number","number":2,"field":{"id":"fnps","type":"opinion_scale","ref":"recommend"}}"#;
        let text = r#"{"type":"text","text":"recommend","field":{"id":"f9","type":"short_text","ref":"why"}}"#;
        vec![
            response("form_response", number, "{}", answer, at),
            response("form_response", number, r#"{"user_id":""}"#, answer, at),
            response("form_response", number, r#"{"user_id":"c-1"}"#, text, at),
        ]
    }
}

fn reference(survey: &str) -> &'static str {
    match survey {
        "nps" => "recommend",
        "csat" => "8f0c-satisfied",
        _ => "easy",
    }
}

fn response(event: &str, number: u32, hidden: &str, answers: &str, at: i64) -> Record {
    let value = format!(
        r#"{{"event_id":"ev{number}","event_type":"{event}","form_response":{{"form_id":"fo1","token":"to{number}","landed_at":"{}","submitted_at":"{}","hidden":{hidden},"calculated":{{"score":0}},"definition":{{"id":"fo1","title":"After the order","fields":[{{"id":"fnps","ref":"recommend","type":"opinion_scale","title":"Would you recommend us?"}}]}},"answers":[{{"type":"text","text":"fine","field":{{"id":"f1","type":"short_text","ref":"comment"}}}},{answers}]}}}}"#,
        rfc3339_seconds(at - 90 * SECOND),
        rfc3339_seconds(at),
    );
    Record::of(value, at + SECOND)
}

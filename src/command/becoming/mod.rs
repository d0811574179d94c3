//! What becomes of one record, told to people: the events it makes, or why it makes none.
//!
//! Owns the words for it, which `tenure test` and `tenure tap` share. Promises that nothing of a
//! record is shown but through [`Sight`], so that ids and payloads stay hidden from who did not ask
//! for them; and one account for every part that decoding hands on, with the reasons of the
//! mapping's own conditions. Does not know where records come from.

mod sight;
mod words;

use crate::config::Settings;
use crate::event::mapping::Rules;
use crate::event::mapping::why::{Examination, Outcome, Why};
use crate::event::record::Record;
use crate::event::source::{Decoded, Source};
use crate::event::{Amount, Body, Event, EventType, Reason, Rejection, Survey, Timestamp};

pub use sight::Sight;

/// The source of a topic, with its rules if it has any.
#[derive(Debug)]
pub struct Reading {
    source: Source,
    rules: Option<Rules>,
    /// The names of the dimensions, in the configured order.
    dimensions: Vec<String>,
}

/// What a record became, part by part, and why.
#[derive(Debug)]
pub struct Account<'r> {
    /// At least one.
    pub parts: Vec<Became>,
    /// Of a record that a mapping reads.
    why: Option<(Why<'r>, Examination<'r>)>,
}

/// One part of what a record became; texts are copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    Event(Box<Made>),
    Tombstone,
    Skipped,
    Rejected(Rejection),
}

/// An event that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub event_type: EventType,
    pub id: String,
    pub customer: String,
    pub occurred_at: Timestamp,
    pub amount: Option<Amount>,
    pub currency: Option<String>,
    pub reason: Option<String>,
    pub survey: Option<Survey>,
    pub score: Option<u8>,
    pub channel: Option<String>,
    /// The dimensions that it tells of: name and value.
    pub attributes: Vec<(String, String)>,
}

impl Reading {
    /// How the records of a topic are read.
    #[must_use]
    pub fn of(settings: &Settings, topic: &str) -> Self {
        let rules = settings.mappings.of(topic).cloned();
        let decoding = settings.fold.decoding();
        Self {
            source: match rules.clone() {
                Some(rules) => Source::mapped(rules, decoding),
                None => Source::native(decoding),
            },
            rules,
            dimensions: settings.fold.dimensions.clone(),
        }
    }

    /// The rules, of a topic that has other than native events.
    #[must_use]
    pub const fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// Decodes a record, and looks into it for the reasons.
    pub fn account<'r>(&'r self, record: Record<'r>) -> Account<'r> {
        let mut parts = Vec::new();
        self.source
            .decode(record, |decoded| parts.push(self.became(decoded)));
        let why = self.rules.as_ref().map(|rules| {
            let examination = Examination::new(rules, record);
            (examination.why(), examination)
        });
        Account { parts, why }
    }

    fn became(&self, decoded: Decoded<'_>) -> Became {
        match decoded {
            Decoded::Event(event) => Became::Event(Box::new(self.made(event))),
            Decoded::Tombstone => Became::Tombstone,
            Decoded::Skipped => Became::Skipped,
            Decoded::Rejected(rejection) => Became::Rejected(rejection),
        }
    }

    fn made(&self, event: Event<'_>) -> Made {
        let named = |(at, value): (usize, &str)| {
            let name = self.dimensions.get(at)?;
            Some((name.clone(), value.to_owned()))
        };
        let mut made = Made {
            event_type: event.body.event_type(),
            id: event.id.into_owned(),
            customer: event.customer.into_owned(),
            occurred_at: event.occurred_at,
            amount: None,
            currency: None,
            reason: None,
            survey: None,
            score: None,
            channel: None,
            attributes: event.attributes.iter().filter_map(named).collect(),
        };
        match event.body {
            Body::Signup => {}
            Body::Purchase { amount, currency } => {
                made.amount = Some(amount);
                made.currency = Some(currency.into_owned());
            }
            Body::Churn { reason } => made.reason = reason.map(Into::into),
            Body::Survey {
                survey,
                score,
                channel,
            } => {
                made.survey = Some(survey);
                made.score = Some(score);
                made.channel = channel.map(Into::into);
            }
        }
        made
    }
}

impl Account<'_> {
    /// What the conditions of the mapping said, of a record that a mapping reads.
    #[must_use]
    pub fn why(&self) -> Option<&Why<'_>> {
        self.why.as_ref().map(|(why, _)| why)
    }

    /// The sentences that say why a part became what it became; none for an event.
    #[must_use]
    pub fn reasons(&self, part: usize, sight: &Sight) -> Vec<String> {
        let Some(became) = self.parts.get(part) else {
            return Vec::new();
        };
        let Some((why, examination)) = &self.why else {
            return Vec::new();
        };
        match became {
            Became::Event(_) | Became::Tombstone => Vec::new(),
            Became::Skipped => words::skipped(why, sight),
            Became::Rejected(rejection) if rejection.reason == Reason::Unmapped => {
                words::no_rule(why, sight)
            }
            Became::Rejected(rejection) => {
                let Outcome::Parts(parts) = &why.outcome else {
                    return Vec::new();
                };
                // A record that cannot be read as a whole is one rejection, whatever it should make.
                let part = parts.get(part).filter(|_| parts.len() == self.parts.len());
                match (part, rejection.field) {
                    (Some(part), Some(field)) => {
                        let looked = examination.look_for(field, *part);
                        words::looked_for(field, &looked, *part, sight)
                    }
                    (Some(part), None) => words::no_array(*part, why, sight),
                    (None, _) => Vec::new(),
                }
            }
        }
    }
}

impl Became {
    /// One word: the type of the event, or what else became of it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Event(made) => made.event_type.name(),
            Self::Tombstone => "tombstone",
            Self::Skipped => "skipped",
            Self::Rejected(_) => "rejected",
        }
    }

    /// A line about it.
    #[must_use]
    pub fn line(&self, sight: &Sight) -> String {
        match self {
            Self::Event(made) => made.line(sight),
            Self::Tombstone => "tombstone: its value is null".to_owned(),
            Self::Skipped => "skipped".to_owned(),
            Self::Rejected(rejection) => {
                let mut line = format!("rejected: {}", rejection.reason.name());
                if let Some(field) = rejection.field {
                    line.push_str(&format!(", field {field}"));
                }
                if let Some(hint) = rejection.hint {
                    line.push_str(&format!(" ({hint})"));
                }
                line
            }
        }
    }
}

impl Made {
    fn line(&self, sight: &Sight) -> String {
        let mut line = self.event_type.name().to_owned();
        if let (Some(amount), Some(currency)) = (self.amount, &self.currency) {
            line.push_str(&format!(" {amount} {}", sight::clean(currency)));
        }
        if let (Some(survey), Some(score)) = (self.survey, self.score) {
            line.push_str(&format!(" {} {score}", survey.name()));
        }
        line.push_str(&format!(" at {}", self.occurred_at));
        let labels = [("reason", &self.reason), ("channel", &self.channel)];
        for (name, text) in labels {
            if let Some(text) = text {
                line.push_str(&format!(", {name} {}", sight::clean(text)));
            }
        }
        for (name, value) in &self.attributes {
            line.push_str(&format!(", {name} {}", sight::clean(value)));
        }
        let customer = sight.id(&self.customer);
        line.push_str(&format!(
            ", customer {customer}, event {}",
            sight.id(&self.id)
        ));
        line
    }
}

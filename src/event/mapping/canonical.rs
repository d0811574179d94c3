//! Rules as one text, to tell whether two mappings say the same.
//!
//! Promises that different rules have different texts, and that the text of rules stays what it is:
//! it is part of what states are known by, so a new kind of rule may add words but change none. A
//! part that says nothing leaves no trace, so that later versions can add parts.
//!
//! ```text
//! (event (event_id (first (value 2:id )))(type (text 6:signup ))...)
//! ```

use std::fmt::{self, Write};

use crate::event::mapping::path::{Path, Root, Step};
use crate::event::mapping::rule::{
    Amount, AmountUnit, Case, Condition, Envelope, Format, Instant, Otherwise, Rule, Rules, Test,
    Text, TextSource, TimeForm,
};

impl Rules {
    /// A text that says all of the rules and nothing else.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut out = Canonical(String::new());
        // Writing into a text cannot fail.
        let _ = out.rules(self);
        out.0
    }
}

struct Canonical(String);

impl Canonical {
    fn rules(&mut self, rules: &Rules) -> fmt::Result {
        let Rules {
            envelope,
            format,
            key_format,
            skip,
            events,
            otherwise,
        } = rules;
        self.word(match envelope {
            Envelope::None => "",
            Envelope::CloudEvents => "cloudevents ",
        })?;
        self.format("value", *format)?;
        self.format("key", *key_format)?;
        self.word(match otherwise {
            Otherwise::Unmapped => "",
            Otherwise::Skipped => "otherwise-skipped ",
        })?;
        self.conditions("skip", skip)?;
        for rule in events {
            self.list("event", |out| out.rule(rule))?;
        }
        Ok(())
    }

    fn format(&mut self, of: &str, format: Format) -> fmt::Result {
        match format {
            Format::Json => Ok(()),
            Format::Avro => write!(self.0, "{of}-avro "),
            Format::Protobuf => write!(self.0, "{of}-protobuf "),
            Format::JsonSchema => write!(self.0, "{of}-json_schema "),
        }
    }

    fn rule(&mut self, rule: &Rule) -> fmt::Result {
        let Rule {
            when,
            each,
            each_when,
            event_id,
            event_type,
            customer_id,
            occurred_at,
            amount,
            currency,
            reason,
            survey,
            score,
            channel,
            attributes,
        } = rule;
        self.conditions("when", when)?;
        if let Some(each) = each {
            self.list("each", |out| out.path(each))?;
        }
        self.conditions("each_when", each_when)?;
        self.list("event_id", |out| out.text(event_id))?;
        self.list("type", |out| out.text(event_type))?;
        self.list("customer_id", |out| out.text(customer_id))?;
        self.list("occurred_at", |out| out.instant(occurred_at))?;
        if let Some(amount) = amount {
            self.list("amount", |out| out.amount(amount))?;
        }
        for (name, text) in [
            ("currency", currency),
            ("reason", reason),
            ("survey", survey),
            ("score", score),
            ("channel", channel),
        ] {
            if let Some(text) = text {
                self.list(name, |out| out.text(text))?;
            }
        }
        for (name, text) in attributes {
            self.list("attribute", |out| {
                out.quoted(name)?;
                out.text(text)
            })?;
        }
        Ok(())
    }

    fn conditions(&mut self, name: &str, conditions: &[Condition]) -> fmt::Result {
        for Condition { all } in conditions {
            self.list(name, |out| all.iter().try_for_each(|test| out.test(test)))?;
        }
        Ok(())
    }

    fn test(&mut self, test: &Test) -> fmt::Result {
        match test {
            Test::Is { path, texts } => self.list("is", |out| {
                out.path(path)?;
                out.texts(texts)
            }),
            Test::IsNot { path, texts } => self.list("not", |out| {
                out.path(path)?;
                out.texts(texts)
            }),
            Test::Present { path, present } => self.list("present", |out| {
                out.path(path)?;
                write!(out.0, "{present}")
            }),
            Test::Becomes {
                before,
                after,
                from,
                into,
            } => self.list("becomes", |out| {
                out.path(before)?;
                out.path(after)?;
                out.list("from", |out| out.texts(from))?;
                out.list("into", |out| out.texts(into))
            }),
        }
    }

    fn text(&mut self, text: &Text) -> fmt::Result {
        let Text {
            source,
            map,
            otherwise,
            case,
        } = text;
        self.source(source)?;
        if let Some(map) = map {
            self.list("map", |out| {
                map.iter().try_for_each(|(from, to)| {
                    out.quoted(from)?;
                    out.quoted(to)
                })
            })?;
        }
        if let Some(otherwise) = otherwise {
            self.list("else", |out| out.quoted(otherwise))?;
        }
        self.word(match case {
            Case::AsItIs => "",
            Case::Upper => "upper",
            Case::Lower => "lower",
        })
    }

    fn source(&mut self, source: &TextSource) -> fmt::Result {
        match source {
            TextSource::Fixed(text) => self.list("text", |out| out.quoted(text)),
            TextSource::First(paths) => self.first(paths),
            TextSource::Join { parts, with } => self.list("join", |out| {
                out.quoted(with)?;
                parts.iter().try_for_each(|part| out.source(part))
            }),
        }
    }

    fn instant(&mut self, instant: &Instant) -> fmt::Result {
        let Instant { first, form } = instant;
        self.first(first)?;
        match form {
            TimeForm::Native => Ok(()),
            TimeForm::Seconds => self.word("seconds"),
            TimeForm::Milliseconds => self.word("milliseconds"),
            TimeForm::Microseconds => self.word("microseconds"),
            TimeForm::Nanoseconds => self.word("nanoseconds"),
            TimeForm::Days => self.word("days"),
            TimeForm::Naive(zone) => {
                self.list("naive", |out| out.quoted(zone.iana_name().unwrap_or("UTC")))
            }
        }
    }

    fn amount(&mut self, amount: &Amount) -> fmt::Result {
        let Amount { first, unit } = amount;
        self.first(first)?;
        match unit {
            AmountUnit::Units => Ok(()),
            AmountUnit::Minor { digits } => self.list("minor", |out| {
                digits.iter().try_for_each(|(code, digits)| {
                    out.quoted(code)?;
                    write!(out.0, "{digits} ")
                })
            }),
            AmountUnit::Scaled { digits } => self.list("scaled", |out| out.path(digits)),
        }
    }

    fn first(&mut self, paths: &[Path]) -> fmt::Result {
        self.list("first", |out| {
            paths.iter().try_for_each(|path| out.path(path))
        })
    }

    fn path(&mut self, path: &Path) -> fmt::Result {
        let Path { root, steps } = path;
        let root = match root {
            Root::Value => "value",
            Root::Key => "key",
            Root::Header => "header",
            Root::Record => "record",
            Root::CloudEvent => "ce",
            Root::Item => "item",
        };
        self.list(root, |out| {
            steps.iter().try_for_each(|step| match step {
                Step::Key(name) => out.quoted(name),
                Step::Index(index) => write!(out.0, "[{index}]"),
                Step::Find { path, text } => out.list("find", |out| {
                    out.texts(path)?;
                    out.word("=")?;
                    out.quoted(text)
                }),
            })
        })
    }

    fn list(&mut self, name: &str, inner: impl FnOnce(&mut Self) -> fmt::Result) -> fmt::Result {
        write!(self.0, "({name} ")?;
        inner(self)?;
        self.word(")")
    }

    fn texts(&mut self, texts: &[String]) -> fmt::Result {
        texts.iter().try_for_each(|text| self.quoted(text))
    }

    /// With its length, so that no text can look like something else.
    fn quoted(&mut self, text: &str) -> fmt::Result {
        write!(self.0, "{}:{text} ", text.len())
    }

    fn word(&mut self, word: &str) -> fmt::Result {
        self.0.write_str(word)
    }
}

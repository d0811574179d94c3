//! Rules as one text, which is the same wherever they say the same.
//!
//! Owns the text that fingerprints are taken of. Promises that rules that differ have texts that
//! differ, and that a text does not change from one version of the program to the next: names of
//! variants and the order of fields are written out here. Does not know how rules are written down
//! by people.

use std::fmt::Write;

use jiff::tz::TimeZone;

use crate::event::mapping::path::{Path, Step};
use crate::event::mapping::rule::{
    Amount, AmountUnit, Case, Condition, Envelope, Format, Instant, Otherwise, Rule, Rules, Test,
    Text, TextSource, TimeForm,
};

impl Rules {
    /// The text that fingerprints are taken of.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut canon = Canon(String::new());
        canon.rules(self);
        canon.0
    }
}

/// Writes words, texts with their length before them, and lists with their number of items.
struct Canon(String);

impl Canon {
    fn word(&mut self, word: &str) {
        self.0.push_str(word);
        self.0.push(' ');
    }

    fn text(&mut self, text: &str) {
        // Writing to a text cannot fail.
        let _ = write!(self.0, "{}:{text} ", text.len());
    }

    fn number(&mut self, number: i64) {
        let _ = write!(self.0, "{number} ");
    }

    fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        let _ = write!(self.0, "{}[", items.len());
        for item in items {
            write(self, item);
        }
        self.0.push_str("] ");
    }

    fn texts(&mut self, texts: &[String]) {
        self.list(texts.iter(), |canon, text| canon.text(text));
    }

    fn optional<T>(&mut self, value: Option<&T>, write: impl Fn(&mut Self, &T)) {
        self.list(value.iter(), |canon, value| write(canon, value));
    }

    fn rules(&mut self, rules: &Rules) {
        let Rules {
            envelope,
            format,
            key_format,
            skip,
            events,
            otherwise,
        } = rules;
        self.word(match envelope {
            Envelope::None => "none",
            Envelope::CloudEvents => "cloudevents",
        });
        self.format(*format);
        self.format(*key_format);
        self.list(skip.iter(), Self::condition);
        self.list(events.iter(), Self::rule);
        self.word(match otherwise {
            Otherwise::Unmapped => "unmapped",
            Otherwise::Skipped => "skipped",
        });
    }

    fn format(&mut self, format: Format) {
        self.word(match format {
            Format::Json => "json",
            Format::Avro => "avro",
            Format::Protobuf => "protobuf",
            Format::JsonSchema => "json_schema",
        });
    }

    fn condition(&mut self, condition: &Condition) {
        let Condition { all } = condition;
        self.list(all.iter(), Self::test);
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::Is { path, texts } => {
                self.word("is");
                self.path(path);
                self.texts(texts);
            }
            Test::IsNot { path, texts } => {
                self.word("is_not");
                self.path(path);
                self.texts(texts);
            }
            Test::Present { path, present } => {
                self.word(if *present { "present" } else { "absent" });
                self.path(path);
            }
            Test::Becomes {
                before,
                after,
                from,
                into,
            } => {
                self.word("becomes");
                self.path(before);
                self.path(after);
                self.texts(from);
                self.texts(into);
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
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
        self.list(when.iter(), Self::condition);
        self.optional(each.as_ref(), Self::path);
        self.list(each_when.iter(), Self::condition);
        self.expression(event_id);
        self.expression(event_type);
        self.expression(customer_id);
        self.instant(occurred_at);
        self.optional(amount.as_ref(), Self::amount);
        for field in [currency, reason, survey, score, channel] {
            self.optional(field.as_ref(), Self::expression);
        }
        self.list(attributes.iter(), |canon, (name, text)| {
            canon.text(name);
            canon.expression(text);
        });
    }

    fn expression(&mut self, text: &Text) {
        let Text {
            source,
            map,
            otherwise,
            case,
        } = text;
        self.source(source);
        self.optional(map.as_ref(), |canon, map| {
            canon.list(map.iter(), |canon, (from, to)| {
                canon.text(from);
                canon.text(to);
            });
        });
        self.optional(otherwise.as_ref(), |canon, text| canon.text(text));
        self.word(match case {
            Case::AsItIs => "as_it_is",
            Case::Upper => "upper",
            Case::Lower => "lower",
        });
    }

    fn source(&mut self, source: &TextSource) {
        match source {
            TextSource::Fixed(text) => {
                self.word("fixed");
                self.text(text);
            }
            TextSource::First(paths) => {
                self.word("first");
                self.list(paths.iter(), Self::path);
            }
            TextSource::Join { parts, with } => {
                self.word("join");
                self.list(parts.iter(), Self::source);
                self.text(with);
            }
        }
    }

    fn instant(&mut self, instant: &Instant) {
        let Instant { first, form } = instant;
        self.list(first.iter(), Self::path);
        match form {
            TimeForm::Native => self.word("native"),
            TimeForm::Seconds => self.word("seconds"),
            TimeForm::Milliseconds => self.word("milliseconds"),
            TimeForm::Microseconds => self.word("microseconds"),
            TimeForm::Nanoseconds => self.word("nanoseconds"),
            TimeForm::Days => self.word("days"),
            TimeForm::Naive(zone) => {
                self.word("naive");
                self.zone(zone);
            }
        }
    }

    /// A zone by its name, or by what it is away from UTC.
    fn zone(&mut self, zone: &TimeZone) {
        match (zone.iana_name(), zone.to_fixed_offset()) {
            (Some(name), _) => self.text(name),
            (None, Ok(offset)) => self.number(offset.seconds().into()),
            (None, Err(_)) => self.word("unnamed"),
        }
    }

    fn amount(&mut self, amount: &Amount) {
        let Amount { first, unit } = amount;
        self.list(first.iter(), Self::path);
        match unit {
            AmountUnit::Units => self.word("units"),
            AmountUnit::Minor { digits } => {
                self.word("minor");
                self.list(digits.iter(), |canon, (code, digits)| {
                    canon.text(code);
                    canon.number((*digits).into());
                });
            }
            AmountUnit::Scaled { digits } => {
                self.word("scaled");
                self.path(digits);
            }
        }
    }

    fn path(&mut self, path: &Path) {
        let Path { root, steps } = path;
        self.word(root.name());
        self.list(steps.iter(), Self::step);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Key(key) => self.text(key),
            Step::Index(index) => self.number((*index).into()),
            Step::Find { path, text } => {
                self.word("find");
                self.texts(path);
                self.text(text);
            }
        }
    }
}

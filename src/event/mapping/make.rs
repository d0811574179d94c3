//! One event, out of what a rule says of each of its fields.
//!
//! Owns the rules with their paths compiled, and the order of complaints, which is that of native
//! events. Promises that an event that it makes has passed the same checks as a native one. Does
//! not know when a rule applies to a record as a whole.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::event::check::{self, cut};
use crate::event::currency::minor_digits;
use crate::event::decode::{DecodeSettings, integer};
use crate::event::mapping::path::Path;
use crate::event::mapping::place::{ItemLayout, Layout, Place, View};
use crate::event::mapping::rule::{
    Amount as AmountRule, AmountUnit, Case, Condition, Instant, Rule, Test, Text, TextSource,
    TimeForm,
};
use crate::event::mapping::value::Value;
use crate::event::{
    Amount, Attributes, Body, Event, EventType, Reason, Rejection, Survey, Timestamp,
};

/// A text of a rule.
#[derive(Debug, Clone)]
struct Expression {
    source: Source,
    map: Option<BTreeMap<String, String>>,
    otherwise: Option<String>,
    case: Case,
}

#[derive(Debug, Clone)]
enum Source {
    Fixed(String),
    First(Vec<Place>),
    Join { parts: Vec<Self>, with: String },
}

impl Source {
    #[inline]
    fn value<'e>(&'e self, view: &View<'_, 'e>) -> Result<Option<Value<'e>>, Rejection> {
        match self {
            Self::Fixed(text) => Ok(Some(Value::Text(Cow::Borrowed(text)))),
            Self::First(places) => view.first(places),
            Self::Join { parts, with } => {
                let mut joined = String::new();
                for (index, part) in parts.iter().enumerate() {
                    let Some(value) = part.value(view)? else {
                        return Ok(None);
                    };
                    // What has no text is handed on, for the field to complain of it.
                    let Value::Composite(_) = value else {
                        joined.push_str(if index == 0 { "" } else { with });
                        joined.push_str(&value.text()?.unwrap_or_default());
                        continue;
                    };
                    return Ok(Some(value));
                }
                Ok(Some(Value::Text(Cow::Owned(joined))))
            }
        }
    }
}

impl Expression {
    #[inline]
    fn value<'e>(&'e self, view: &View<'_, 'e>) -> Result<Option<Value<'e>>, Rejection> {
        let otherwise = || self.otherwise.as_deref().map(fixed);
        let Some(found) = self.source.value(view)? else {
            return Ok(otherwise());
        };
        let found = match self.case {
            Case::AsItIs => found,
            case => found.in_case(case)?,
        };
        match &self.map {
            Some(map) if !matches!(found, Value::Composite(_)) => {
                let text = found.text()?.unwrap_or_default();
                let meant = map.get(text.as_ref()).map(String::as_str).map(fixed);
                Ok(meant.or_else(otherwise))
            }
            _ => Ok(Some(found)),
        }
    }

    fn required<'e>(
        &'e self,
        view: &View<'_, 'e>,
        field: &'static str,
    ) -> Result<Value<'e>, Rejection> {
        self.value(view)?
            .ok_or(Rejection::of_field(Reason::MissingField, field))
    }

    /// A text that must be one.
    fn text<'e>(
        &'e self,
        view: &View<'_, 'e>,
        field: &'static str,
    ) -> Result<Cow<'e, str>, Rejection> {
        match self.required(view, field)? {
            value @ (Value::Quoted(_) | Value::Text(_)) => Ok(value.text()?.unwrap_or_default()),
            _ => Err(Rejection::of_field(Reason::WrongType, field)),
        }
    }

    fn id<'e>(
        &'e self,
        view: &View<'_, 'e>,
        field: &'static str,
    ) -> Result<Cow<'e, str>, Rejection> {
        let id = match self.required(view, field)? {
            value @ (Value::Quoted(_) | Value::Text(_)) => value.text()?.unwrap_or_default(),
            Value::Number(text) if text == "-0" => Cow::Borrowed("0"),
            Value::Number(text) if integer(&text) => text,
            _ => return Err(Rejection::of_field(Reason::WrongType, field)),
        };
        check::id(id, field)
    }

    /// The text of any scalar, cut; nothing if there is none.
    fn label<'e>(
        &'e self,
        view: &View<'_, 'e>,
        field: &'static str,
    ) -> Result<Option<Cow<'e, str>>, Rejection> {
        match self.value(view)? {
            None => Ok(None),
            Some(Value::Composite(_)) => Err(Rejection::of_field(Reason::WrongType, field)),
            Some(value) => Ok(value.text()?.map(cut).filter(|text| !text.is_empty())),
        }
    }
}

fn fixed(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

/// The text of an optional field.
fn optional<'e>(
    expression: Option<&'e Expression>,
    view: &View<'_, 'e>,
    field: &'static str,
) -> Result<Option<Cow<'e, str>>, Rejection> {
    match expression {
        Some(expression) => expression.label(view, field),
        None => Ok(None),
    }
}

/// An expression that the type of the event asks for.
fn given<T>(field: Option<T>, name: &'static str) -> Result<T, Rejection> {
    field.ok_or(Rejection {
        reason: Reason::MissingField,
        field: Some(name),
        hint: Some("the mapping does not say where it comes from"),
    })
}

/// Where an instant comes from.
#[derive(Debug, Clone)]
struct Time {
    first: Vec<Place>,
    form: TimeForm,
}

impl Time {
    fn read(&self, view: &View<'_, '_>) -> Result<Timestamp, Rejection> {
        let field = "occurred_at";
        let wrong = Rejection::of_field(Reason::WrongType, field);
        let value = view
            .first(&self.first)?
            .ok_or(Rejection::of_field(Reason::MissingField, field))?;
        let number = match value {
            Value::Bool(_) | Value::Composite(_) => return Err(wrong),
            Value::Number(_) => true,
            // A header has no numbers, only their texts.
            Value::Text(ref text) => integer(text),
            Value::Quoted(_) => false,
        };
        let text = value.text()?.unwrap_or_default();
        let power = match &self.form {
            TimeForm::Native if number && integer(&text) => {
                return check::plausible(Timestamp::from_unix(&text, 0));
            }
            TimeForm::Native | TimeForm::Naive(_) if number => return Err(wrong),
            TimeForm::Native => return check::plausible(Timestamp::from_rfc3339(&text)),
            TimeForm::Naive(zone) => return check::plausible(Timestamp::from_local(&text, zone)),
            TimeForm::Seconds => 3,
            TimeForm::Milliseconds => 0,
            TimeForm::Microseconds => -3,
            TimeForm::Nanoseconds => -6,
            TimeForm::Days => return check::plausible(days(&text)),
        };
        check::plausible(Timestamp::from_unix(&text, power)).map_err(|invalid| Rejection {
            hint: other_unit(&text),
            ..invalid
        })
    }
}

/// The unit in which a number would be an instant that is plausible.
fn other_unit(text: &str) -> Option<&'static str> {
    let units = [
        (3, "seconds? the mapping says another unit"),
        (0, "milliseconds? the mapping says another unit"),
        (-3, "microseconds? the mapping says another unit"),
        (-6, "nanoseconds? the mapping says another unit"),
    ];
    let fits = |power| Timestamp::from_unix(text, power).is_some_and(Timestamp::plausible);
    let unit = units.into_iter().find(|(power, _)| fits(*power));
    unit.map(|(_, hint)| hint)
}

/// Midnight of UTC, that many days after 1970 began.
fn days(text: &str) -> Option<Timestamp> {
    let days: i64 = text.parse().ok()?;
    days.checked_mul(86_400_000).map(Timestamp::from_millis)
}

/// Where an amount comes from.
#[derive(Debug, Clone)]
struct Money {
    first: Vec<Place>,
    unit: Unit,
}

#[derive(Debug, Clone)]
enum Unit {
    Whole,
    Minor { digits: BTreeMap<String, u8> },
    Scaled { digits: Place },
}

impl Money {
    /// The amount, of a currency that is known if the unit depends on it.
    fn read(
        &self,
        view: &View<'_, '_>,
        currency: &Result<Cow<'_, str>, Rejection>,
    ) -> Result<Amount, Rejection> {
        let field = "amount";
        let invalid = Rejection::of_field(Reason::InvalidAmount, field);
        let value = view
            .first(&self.first)?
            .ok_or(Rejection::of_field(Reason::MissingField, field))?;
        let digits = match (&self.unit, &value) {
            (_, Value::Bool(_) | Value::Composite(_)) => {
                return Err(Rejection::of_field(Reason::WrongType, field));
            }
            (Unit::Whole, _) => 0,
            (Unit::Minor { digits }, _) => {
                let currency = currency.as_ref().map_err(|rejection| *rejection)?;
                let own = digits.get(currency.as_ref()).copied();
                own.or_else(|| minor_digits(currency)).ok_or(Rejection {
                    hint: Some("the smallest unit of this currency is unknown: say it in `digits`"),
                    ..invalid
                })?
            }
            (Unit::Scaled { digits }, _) => decimals(view, digits)?,
        };
        let amount = match value {
            Value::Number(text) => Amount::from_small_json_number(&text, digits),
            value => Amount::from_small_units(&value.text()?.unwrap_or_default(), digits),
        };
        amount.ok_or(invalid)
    }
}

/// How many decimals the record says that its amount has.
fn decimals(view: &View<'_, '_>, digits: &Place) -> Result<u8, Rejection> {
    let hint = Some("it is the number of its decimals that is");
    let because = |reason| Rejection {
        reason,
        field: Some("amount"),
        hint,
    };
    match view.value(digits)? {
        None => Err(because(Reason::MissingField)),
        Some(Value::Composite(_) | Value::Bool(_)) => Err(because(Reason::WrongType)),
        Some(value) => {
            let text = value.text()?.unwrap_or_default();
            let digits = text.parse().ok().filter(|digits| *digits <= 18);
            digits.ok_or(because(Reason::InvalidAmount))
        }
    }
}

/// The text of a whole number, also of one that is written with decimals that are zeros.
fn whole(text: &str) -> Option<&str> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = !decimals.is_empty() && decimals.bytes().all(|byte| byte == b'0');
    (number && zeros).then_some(whole)
}

/// A test with its paths compiled.
#[derive(Debug, Clone)]
enum Check {
    Is(Place, Vec<String>),
    IsNot(Place, Vec<String>),
    Present(Place, bool),
    Becomes {
        before: Place,
        after: Place,
        from: Vec<String>,
        into: Vec<String>,
    },
}

impl Check {
    fn holds(&self, view: &View<'_, '_>) -> Result<bool, Rejection> {
        let among = |place: &Place, texts: &[String]| -> Result<bool, Rejection> {
            let value = view.value(place)?;
            Ok(value.is_some_and(|value| texts.iter().any(|text| value.is(text))))
        };
        Ok(match self {
            Self::Is(place, texts) => among(place, texts)?,
            Self::IsNot(place, texts) => !among(place, texts)?,
            Self::Present(place, present) => view.value(place)?.is_some() == *present,
            Self::Becomes {
                before,
                after,
                from,
                into,
            } => {
                among(after, into)?
                    && !among(before, into)?
                    && (from.is_empty() || among(before, from)?)
            }
        })
    }
}

/// Conditions of which any must hold, each of tests that must all hold.
#[derive(Debug, Clone, Default)]
pub struct Conditions(Vec<Vec<Check>>);

impl Conditions {
    /// Whether any holds; none at all do not.
    ///
    /// # Errors
    /// `InvalidJson` where what is looked at is ambiguous.
    pub fn any(&self, view: &View<'_, '_>) -> Result<bool, Rejection> {
        for checks in &self.0 {
            if all(checks, view)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether any holds, or there are none.
    ///
    /// # Errors
    /// As [`Conditions::any`].
    pub fn hold(&self, view: &View<'_, '_>) -> Result<bool, Rejection> {
        Ok(self.0.is_empty() || self.any(view)?)
    }
}

fn all(checks: &[Check], view: &View<'_, '_>) -> Result<bool, Rejection> {
    for check in checks {
        if !check.holds(view)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the fields of an event come from.
#[derive(Debug, Clone)]
pub struct Maker {
    event_id: Expression,
    event_type: Expression,
    customer_id: Expression,
    occurred_at: Time,
    amount: Option<Money>,
    currency: Option<Expression>,
    reason: Option<Expression>,
    survey: Option<Expression>,
    score: Option<Expression>,
    channel: Option<Expression>,
    /// By dimension, in the configured order.
    attributes: Vec<Option<Expression>>,
}

impl Maker {
    /// The event of a record, or of its item at hand.
    ///
    /// # Errors
    /// The first complaint in the order of native events.
    pub fn event<'e>(
        &'e self,
        view: &View<'_, 'e>,
        settings: &DecodeSettings,
    ) -> Result<Event<'e>, Rejection> {
        let event_type = check::event_type(&self.event_type.text(view, "type")?)?;
        let id = self.event_id.id(view, "event_id")?;
        let customer = self.customer_id.id(view, "customer_id")?;
        let occurred_at = self.occurred_at.read(view)?;
        settings.recorded(occurred_at, view.record.recorded_at)?;
        let body = self.body(event_type, view, settings)?;
        let attributes = self.attributes(view)?;
        Ok(Event {
            id,
            customer,
            occurred_at,
            body,
            attributes,
        })
    }

    fn body<'e>(
        &'e self,
        event_type: EventType,
        view: &View<'_, 'e>,
        settings: &DecodeSettings,
    ) -> Result<Body<'e>, Rejection> {
        match event_type {
            EventType::Signup => Ok(Body::Signup),
            EventType::Purchase => {
                let currency = given(self.currency.as_ref(), "currency")
                    .and_then(|currency| currency.text(view, "currency"))
                    .and_then(|code| settings.currency(code));
                let amount = given(self.amount.as_ref(), "amount")?.read(view, &currency)?;
                Ok(Body::Purchase {
                    amount,
                    currency: currency?,
                })
            }
            EventType::Churn => Ok(Body::Churn {
                reason: optional(self.reason.as_ref(), view, "reason")?,
            }),
            EventType::SurveySubmitted => {
                let survey = given(self.survey.as_ref(), "survey")?.text(view, "survey")?;
                let survey = check::survey(&survey)?;
                Ok(Body::Survey {
                    survey,
                    score: self.score(survey, view, settings)?,
                    channel: optional(self.channel.as_ref(), view, "channel")?,
                })
            }
        }
    }

    fn score<'e>(
        &'e self,
        survey: Survey,
        view: &View<'_, 'e>,
        settings: &DecodeSettings,
    ) -> Result<u8, Rejection> {
        let wrong = Rejection::of_field(Reason::WrongType, "score");
        let value = given(self.score.as_ref(), "score")?.required(view, "score")?;
        if matches!(value, Value::Bool(_)) {
            return Err(wrong);
        }
        let text = value.text()?.ok_or(wrong)?;
        settings.score(survey, whole(&text).ok_or(wrong)?)
    }

    fn attributes<'e>(&'e self, view: &View<'_, 'e>) -> Result<Attributes<'e>, Rejection> {
        let mut attributes = Attributes::default();
        let values = attributes.values.iter_mut().zip(&self.attributes);
        for (value, expression) in values {
            let Some(expression) = expression else {
                continue;
            };
            match expression.value(view)? {
                Some(Value::Composite(_)) => attributes.ignored += 1,
                Some(scalar) => *value = scalar.text()?.map(cut).filter(|text| !text.is_empty()),
                None => {}
            }
        }
        Ok(attributes)
    }
}

/// Compiles what rules say, and collects what their paths want of a record.
pub struct Compiler<'c> {
    pub layout: &'c mut Layout,
    /// Of the rule at hand, where it goes over items.
    pub items: Option<&'c mut ItemLayout>,
}

impl Compiler<'_> {
    pub fn place(&mut self, path: &Path) -> Place {
        self.layout.place(path, self.items.as_deref_mut())
    }

    fn places(&mut self, paths: &[Path]) -> Vec<Place> {
        paths.iter().map(|path| self.place(path)).collect()
    }

    pub fn conditions(&mut self, conditions: &[Condition]) -> Conditions {
        let mut compiled = Vec::new();
        for condition in conditions {
            compiled.push(condition.all.iter().map(|test| self.check(test)).collect());
        }
        Conditions(compiled)
    }

    fn check(&mut self, test: &Test) -> Check {
        match test {
            Test::Is { path, texts } => Check::Is(self.place(path), texts.clone()),
            Test::IsNot { path, texts } => Check::IsNot(self.place(path), texts.clone()),
            Test::Present { path, present } => Check::Present(self.place(path), *present),
            Test::Becomes {
                before,
                after,
                from,
                into,
            } => Check::Becomes {
                before: self.place(before),
                after: self.place(after),
                from: from.clone(),
                into: into.clone(),
            },
        }
    }

    fn source(&mut self, source: &TextSource) -> Source {
        match source {
            TextSource::Fixed(text) => Source::Fixed(text.clone()),
            TextSource::First(paths) => Source::First(self.places(paths)),
            TextSource::Join { parts, with } => Source::Join {
                parts: parts.iter().map(|part| self.source(part)).collect(),
                with: with.clone(),
            },
        }
    }

    fn text(&mut self, text: &Text) -> Expression {
        Expression {
            source: self.source(&text.source),
            map: text.map.clone(),
            otherwise: text.otherwise.clone(),
            case: text.case,
        }
    }

    fn optional(&mut self, text: Option<&Text>) -> Option<Expression> {
        text.map(|text| self.text(text))
    }

    fn time(&mut self, instant: &Instant) -> Time {
        Time {
            first: self.places(&instant.first),
            form: instant.form.clone(),
        }
    }

    fn money(&mut self, amount: &AmountRule) -> Money {
        Money {
            first: self.places(&amount.first),
            unit: match &amount.unit {
                AmountUnit::Units => Unit::Whole,
                AmountUnit::Minor { digits } => Unit::Minor {
                    digits: digits.clone(),
                },
                AmountUnit::Scaled { digits } => Unit::Scaled {
                    digits: self.place(digits),
                },
            },
        }
    }

    /// The fields of a rule; of the attributes only those that are dimensions.
    pub fn maker(&mut self, rule: &Rule, dimensions: &[String]) -> Maker {
        let attributes = dimensions.iter().map(|name| rule.attributes.get(name));
        Maker {
            event_id: self.text(&rule.event_id),
            event_type: self.text(&rule.event_type),
            customer_id: self.text(&rule.customer_id),
            occurred_at: self.time(&rule.occurred_at),
            amount: rule.amount.as_ref().map(|amount| self.money(amount)),
            currency: self.optional(rule.currency.as_ref()),
            reason: self.optional(rule.reason.as_ref()),
            survey: self.optional(rule.survey.as_ref()),
            score: self.optional(rule.score.as_ref()),
            channel: self.optional(rule.channel.as_ref()),
            attributes: attributes
                .map(|text| text.map(|text| self.text(text)))
                .collect(),
        }
    }
}

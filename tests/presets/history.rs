//! A made-up history: what some hundred customers did within half a year.
//!
//! Owns the facts and nothing of how a backend tells them. Promises the same history for the same
//! end, times that a backend of whole seconds can tell apart, and every kind of fact: orders of
//! nothing, currencies of none, two and three decimals, forms with several questions, customers who
//! leave and come back. Deliberately takes nothing from the program.

pub const SECOND: i64 = 1000;
pub const HOUR: i64 = 3600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// How long the history is, in days.
const SPAN: i64 = 190;
const CUSTOMERS: u32 = 240;
/// Codes with the number of their decimals.
const CURRENCIES: [(&str, u8); 4] = [("EUR", 2), ("TRY", 2), ("JPY", 0), ("KWD", 3)];
const REASONS: [&str; 3] = ["price", "moved", "quality"];

/// What one customer did at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its own; they ascend with the customer and the time.
    pub number: u32,
    pub customer: u32,
    /// In Unix milliseconds.
    pub at: i64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Signup {
        /// Of somebody who had left.
        again: bool,
    },
    Purchase {
        money: Money,
    },
    Churn {
        reason: Option<&'static str>,
    },
    Answer {
        /// `nps`, `csat` or `ces`.
        survey: &'static str,
        /// 0 to 10, or 1 to 5.
        score: u8,
        channel: Option<&'static str>,
    },
}

/// An amount in the smallest units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    pub minor: i64,
    pub digits: u8,
    pub currency: &'static str,
}

impl Fact {
    /// The same fact at the last full second before it.
    pub fn at_seconds(&self) -> Self {
        Self {
            at: self.at - self.at.rem_euclid(SECOND),
            ..self.clone()
        }
    }

    /// The same fact without reason and channel.
    pub fn plain(&self) -> Self {
        let what = match self.what.clone() {
            What::Churn { .. } => What::Churn { reason: None },
            What::Answer { survey, score, .. } => What::Answer {
                survey,
                score,
                channel: None,
            },
            other => other,
        };
        Self {
            what,
            ..self.clone()
        }
    }

    pub fn is_purchase(&self) -> bool {
        matches!(self.what, What::Purchase { .. })
    }

    pub fn is_answer(&self) -> bool {
        matches!(self.what, What::Answer { .. })
    }

    /// The native event on one line, of the customer of this id.
    pub fn native(&self, customer: &str) -> String {
        let (kind, rest) = match &self.what {
            What::Signup { .. } => ("signup", String::new()),
            What::Purchase { money } => (
                "purchase",
                format!(
                    r#","amount":"{}","currency":"{}""#,
                    money.decimal(),
                    money.currency
                ),
            ),
            What::Churn { reason } => ("churn", text("reason", *reason)),
            What::Answer {
                survey,
                score,
                channel,
            } => {
                let channel = text("channel", *channel);
                let rest = format!(r#","survey":"{survey}","score":{score}{channel}"#);
                ("survey_submitted", rest)
            }
        };
        format!(
            r#"{{"event_id":"{}","type":"{kind}","customer_id":"{customer}","occurred_at":{}{rest}}}"#,
            self.number, self.at
        )
    }
}

fn text(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(r#","{name}":"{value}""#))
}

impl Money {
    /// In units of the currency, with all of its decimals.
    pub fn decimal(&self) -> String {
        let unit = 10_i64.pow(u32::from(self.digits));
        let (whole, part) = (self.minor / unit, self.minor % unit);
        if self.digits == 0 {
            whole.to_string()
        } else {
            format!("{whole}.{part:0width$}", width = usize::from(self.digits))
        }
    }
}

/// The history that ends before this instant, by customer and then by time.
pub fn history(end: i64) -> Vec<Fact> {
    let mut dice = Dice(0x5eed);
    let mut facts = Vec::new();
    for customer in 0..CUSTOMERS {
        live(customer, end, &mut dice, &mut facts);
    }
    for (number, fact) in (0..).zip(&mut facts) {
        fact.number = number;
    }
    facts
}

/// One life: a sign-up, then orders, answers and departures until it or the history is over.
fn live(customer: u32, end: i64, dice: &mut Dice, facts: &mut Vec<Fact>) {
    let (currency, digits) = CURRENCIES[dice.below(4) as usize];
    let mut at = end - SPAN * DAY + dice.below(150 * DAY as u64) as i64;
    let mut tell = |at: i64, what: What| {
        facts.push(Fact {
            number: 0,
            customer,
            at,
            what,
        });
    };
    let mut active = true;
    tell(at, What::Signup { again: false });
    for _ in 0..12 {
        at += HOUR + dice.below(25 * DAY as u64) as i64;
        if at >= end {
            return;
        }
        if !active {
            tell(at, What::Signup { again: true });
            active = true;
            continue;
        }
        match dice.below(100) {
            0..55 => {
                let minor = dice.below(60_000) as i64 * i64::from(dice.below(20) > 0);
                let money = Money {
                    minor,
                    digits,
                    currency,
                };
                tell(at, What::Purchase { money });
            }
            55..68 => {
                for survey in ["nps", "csat", "ces"] {
                    tell(at, answer(survey, dice));
                }
            }
            68..82 => tell(
                at,
                answer(["nps", "csat", "ces"][dice.below(3) as usize], dice),
            ),
            82..97 => {
                let reason = REASONS.get(dice.below(4) as usize).copied();
                tell(at, What::Churn { reason });
                active = false;
            }
            _ => return,
        }
    }
}

fn answer(survey: &'static str, dice: &mut Dice) -> What {
    let score = match survey {
        "nps" => dice.below(11),
        _ => 1 + dice.below(5),
    };
    What::Answer {
        survey,
        score: score as u8,
        channel: ["web", "email"].get(dice.below(3) as usize).copied(),
    }
}

/// A small generator of numbers that look random.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

//! A line as what it says of one customer.
//!
//! Owns the reading of cells: times, amounts and scores as databases and spreadsheets write them, and
//! what must agree within a line. Promises that a complaint names the column and a way out, and never
//! the value. Does not know what events become of it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::command::import::table::{Broken, Cells, Column, Names};
use crate::event::{Amount, Reason, Timestamp};

/// What one line says of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    pub customer: String,
    pub active_since: Option<Timestamp>,
    pub last_activity: Option<Timestamp>,
    pub first_order: Option<Order>,
    pub last_order: Option<Order>,
    /// When the newest NPS answer was given, and its score.
    pub last_nps: Option<(Timestamp, u8)>,
    pub churned_at: Option<Timestamp>,
    pub reason: Option<String>,
    /// By place in the head of the file.
    pub attributes: Vec<Option<String>>,
}

/// An order that the line tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub at: Timestamp,
    pub amount: Amount,
    pub currency: String,
}

/// What is wrong with a line. Holds nothing of the line itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// A reason for rejections, or one that only files have.
    pub reason: &'static str,
    /// The column as the file calls it; none of the whole line.
    pub column: Option<String>,
    pub help: &'static str,
}

/// Reads lines.
pub struct Rows<'a> {
    pub names: &'a Names,
    /// Of times that are written without a zone.
    pub zone: Option<TimeZone>,
    /// Of orders where the file has no column for it.
    pub currency: Option<String>,
    /// Nothing can have happened later.
    pub now: Timestamp,
}

impl Rows<'_> {
    /// Reads one line.
    ///
    /// # Errors
    /// With the first thing that is wrong with it.
    pub fn row(&self, cells: Result<&Cells, Broken>) -> Result<Row, Trouble> {
        let cells = cells.map_err(broken)?;
        let customer = cells.get(Column::CustomerId).ok_or_else(|| {
            self.trouble(
                Reason::MissingField,
                Column::CustomerId,
                "the line has no id of a customer",
            )
        })?;
        let row = Row {
            customer: customer.to_owned(),
            active_since: self.time(cells, Column::ActiveSince)?,
            last_activity: self.time(cells, Column::LastActivity)?,
            first_order: self.order(
                cells,
                [
                    Column::FirstOrderAt,
                    Column::FirstOrderAmount,
                    Column::FirstOrderCurrency,
                ],
            )?,
            last_order: self.order(
                cells,
                [
                    Column::LastOrderAt,
                    Column::LastOrderAmount,
                    Column::LastOrderCurrency,
                ],
            )?,
            last_nps: self.nps(cells)?,
            churned_at: self.time(cells, Column::ChurnedAt)?,
            reason: cells.get(Column::Reason).map(str::to_owned),
            attributes: cells.attributes.clone(),
        };
        self.agrees(&row)?;
        Ok(row)
    }

    /// Whether the parts of a line can be true together.
    fn agrees(&self, row: &Row) -> Result<(), Trouble> {
        let began = row.began_at().ok_or_else(|| {
            self.trouble(
                Reason::MissingField,
                Column::ActiveSince,
                "nothing says since when this is a customer: active_since, an order or last_activity is needed",
            )
        })?;
        if row.last_activity.is_some_and(|at| at < began) {
            return Err(self.trouble(
                Reason::InvalidTime,
                Column::LastActivity,
                "it lies before the customer's beginning",
            ));
        }
        let orders = row.first_order.as_ref().zip(row.last_order.as_ref());
        if orders.is_some_and(|(first, last)| last.at < first.at) {
            return Err(self.trouble(
                Reason::InvalidTime,
                Column::LastOrderAt,
                "the last order lies before the first",
            ));
        }
        if row.reason.is_some() && row.churned_at.is_none() {
            return Err(self.trouble(
                Reason::MissingField,
                Column::ChurnedAt,
                "there is a reason for leaving, but no time",
            ));
        }
        Ok(())
    }

    fn time(&self, cells: &Cells, column: Column) -> Result<Option<Timestamp>, Trouble> {
        let Some(text) = cells.get(column) else {
            return Ok(None);
        };
        let at = self
            .instant(text)
            .map_err(|help| self.trouble(Reason::InvalidTime, column, help))?;
        if at > self.now {
            return Err(self.trouble(
                Reason::InTheFuture,
                column,
                "what is to come cannot be imported",
            ));
        }
        Ok(Some(at))
    }

    /// RFC 3339; the same with a shorter zone, a blank for the `T`, or without a zone; a date alone;
    /// Unix seconds or milliseconds, which cannot be mistaken for each other between 2000 and 2069.
    fn instant(&self, text: &str) -> Result<Timestamp, &'static str> {
        let at = Timestamp::from_rfc3339(text)
            .or_else(|| unix(text))
            .or_else(|| short_zone(text));
        let at = match at {
            Some(at) => at,
            None => self.naive(text)?,
        };
        if at.plausible() {
            Ok(at)
        } else {
            Err("a time from 2000 to 2069 is expected")
        }
    }

    fn naive(&self, text: &str) -> Result<Timestamp, &'static str> {
        // A text with a zone that jiff reads and we do not would lose its zone here.
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:. T".contains(&byte));
        let time = Some(text)
            .filter(|_| plain)
            .and_then(|text| text.parse::<DateTime>().ok())
            .ok_or("a time like 2026-11-01T09:30:00Z is expected")?;
        let zone = self
            .zone
            .as_ref()
            .ok_or("the time has no zone: say which one is meant with --time-zone")?;
        let at = time
            .to_zoned(zone.clone())
            .map_err(|_| "there is no such time in this zone")?;
        Ok(Timestamp::from_millis(at.timestamp().as_millisecond()))
    }

    fn order(&self, cells: &Cells, columns: [Column; 3]) -> Result<Option<Order>, Trouble> {
        let [at_column, amount_column, currency_column] = columns;
        let Some(at) = self.time(cells, at_column)? else {
            return match cells.get(amount_column) {
                Some(_) => Err(self.trouble(
                    Reason::MissingField,
                    at_column,
                    "there is an amount, but no time of the order",
                )),
                None => Ok(None),
            };
        };
        let amount = cells.get(amount_column).ok_or_else(|| {
            self.trouble(
                Reason::MissingField,
                amount_column,
                "an order needs its amount, 0 if it was free",
            )
        })?;
        let amount = Amount::from_decimal(amount).ok_or_else(|| {
            self.trouble(
                Reason::InvalidAmount,
                amount_column,
                "plain decimal digits with a point are expected, like 1299.90",
            )
        })?;
        let currency = cells.get(currency_column).or(self.currency.as_deref());
        let currency = currency.ok_or_else(|| {
            self.trouble(
                Reason::MissingField,
                currency_column,
                "an order needs its currency; if all have the same, give --currency",
            )
        })?;
        Ok(Some(Order {
            at,
            amount,
            currency: currency.to_ascii_uppercase(),
        }))
    }

    fn nps(&self, cells: &Cells) -> Result<Option<(Timestamp, u8)>, Trouble> {
        let at = self.time(cells, Column::LastNpsAt)?;
        let score = cells.get(Column::LastNpsScore);
        let missing = |column| {
            self.trouble(
                Reason::MissingField,
                column,
                "an answer needs both its time and its score",
            )
        };
        let (at, score) = match (at, score) {
            (None, None) => return Ok(None),
            (Some(at), Some(score)) => (at, score),
            (Some(_), None) => return Err(missing(Column::LastNpsScore)),
            (None, Some(_)) => return Err(missing(Column::LastNpsAt)),
        };
        let score = score.parse().ok().filter(|score| *score <= 10);
        let score = score.ok_or_else(|| {
            self.trouble(
                Reason::ScoreOutOfRange,
                Column::LastNpsScore,
                "a whole number from 0 to 10 is expected",
            )
        })?;
        Ok(Some((at, score)))
    }

    /// What is wrong with a column.
    pub fn trouble(&self, reason: Reason, column: Column, help: &'static str) -> Trouble {
        Trouble {
            reason: reason.name(),
            column: Some(self.names.theirs(column.name()).to_owned()),
            help,
        }
    }
}

impl Row {
    /// The first instant at which this was a customer.
    pub fn began_at(&self) -> Option<Timestamp> {
        let order = |order: &Option<Order>| order.as_ref().map(|order| order.at);
        let first = order(&self.first_order).or(order(&self.last_order));
        let began = [self.active_since, first].into_iter().flatten().min();
        began.or(self.last_activity)
    }

    /// Every instant that the line names.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        let orders = [&self.first_order, &self.last_order];
        let orders = orders.map(|order| order.as_ref().map(|order| order.at));
        [
            self.active_since,
            self.last_activity,
            orders[0],
            orders[1],
            self.last_nps.map(|(at, _)| at),
            self.churned_at,
        ]
        .into_iter()
        .flatten()
    }
}

fn broken(broken: Broken) -> Trouble {
    let (reason, help) = match broken {
        Broken::Cells => (
            "wrong_columns",
            "the line has another number of cells than the head; put cells that hold the delimiter in quotes",
        ),
        Broken::Utf8 => (Reason::InvalidUtf8.name(), "save the file as UTF-8"),
        Broken::Json => (
            Reason::InvalidJson.name(),
            "a JSON object is expected, each key once",
        ),
        Broken::TooLarge => (
            Reason::TooLarge.name(),
            "the line is longer than 64 KiB; was a quote never closed?",
        ),
        Broken::Nested => (
            Reason::WrongType.name(),
            "texts, numbers and truth values are expected, no lists or objects",
        ),
    };
    Trouble {
        reason,
        column: None,
        help,
    }
}

/// Seconds or milliseconds since 1970.
fn unix(text: &str) -> Option<Timestamp> {
    let digits = text.len() > 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = text.parse().ok().filter(|_| digits)?;
    let seconds = Timestamp::from_millis(number.checked_mul(1000)?);
    Some(if seconds.plausible() {
        seconds
    } else {
        Timestamp::from_millis(number)
    })
}

/// Zones as databases write them: ` UTC`, `+03`, `+0300`, with or without a blank before.
fn short_zone(text: &str) -> Option<Timestamp> {
    if let Some(rest) = text.strip_suffix("UTC") {
        return Timestamp::from_rfc3339(&format!("{}Z", rest.trim_end()));
    }
    // A date has hyphens too.
    let sign = text.rfind(['+', '-']).filter(|sign| *sign >= 19)?;
    let (time, zone) = text.split_at(sign);
    let digits = zone.get(1..)?;
    let zone = match digits.len() {
        2 => format!("{zone}:00"),
        4 => format!("{}:{}", zone.get(..3)?, zone.get(3..)?),
        _ => zone.to_owned(),
    };
    Timestamp::from_rfc3339(&format!("{}{zone}", time.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::import::table::{Form, each_line};

    fn rows<'a>(names: &'a Names, zone: Option<&str>) -> Rows<'a> {
        Rows {
            names,
            zone: zone.map(|zone| TimeZone::get(zone).unwrap()),
            currency: None,
            now: Timestamp::from_rfc3339("2026-11-20T00:00:00Z").unwrap(),
        }
    }

    /// The one line of a table with this head.
    fn read(head: &str, line: &str) -> Result<Row, Trouble> {
        let names = Names::default();
        let rows = rows(&names, None);
        let mut row = None;
        let text = format!("{head}\n{line}\n");
        let form = Form::Csv { delimiter: b',' };
        each_line(&mut text.as_bytes(), form, &names, &mut |line| {
            row = Some(rows.row(line.cells));
        })
        .unwrap();
        row.unwrap()
    }

    #[test]
    fn times_are_read_as_databases_and_spreadsheets_write_them() {
        let names = Names::default();
        let check = |text: &str, zone: Option<&str>, expected: &str| {
            let at = rows(&names, zone).instant(text).map(|at| at.to_string());
            assert_eq!(at.as_deref(), Ok(expected), "{text}");
        };
        check("2026-11-01T09:30:00Z", None, "2026-11-01T09:30:00.000Z");
        check(
            "2026-11-01 09:30:00.5+03:00",
            None,
            "2026-11-01T06:30:00.500Z",
        );
        check("2026-11-01 09:30:00+00", None, "2026-11-01T09:30:00.000Z");
        check(
            "2026-11-01 09:30:00.123456-0330",
            None,
            "2026-11-01T13:00:00.123Z",
        );
        check("2026-11-01 09:30:00 UTC", None, "2026-11-01T09:30:00.000Z");
        check("1762000000", None, "2025-11-01T12:26:40.000Z");
        check("1762000000000", None, "2025-11-01T12:26:40.000Z");
        check(
            "2026-11-01 09:30:00",
            Some("Europe/Istanbul"),
            "2026-11-01T06:30:00.000Z",
        );
        check(
            "2026-11-01T09:30:00.25",
            Some("UTC"),
            "2026-11-01T09:30:00.250Z",
        );
        check(
            "2026-11-01",
            Some("Europe/Berlin"),
            "2026-10-31T23:00:00.000Z",
        );
        let refused = |text: &str, zone: Option<&str>, help: &str| {
            let refused = rows(&names, zone).instant(text).unwrap_err();
            assert!(refused.contains(help), "{text}: {refused}");
        };
        refused("2026-11-01 09:30:00", None, "--time-zone");
        refused("2026-11-01", None, "--time-zone");
        refused("01/11/2026", Some("UTC"), "2026-11-01T09:30:00Z");
        refused("1999-12-31T23:59:59Z", None, "2000 to 2069");
        refused("1234567", None, "2026-11-01T09:30:00Z");
        refused("2026-02-30", Some("UTC"), "2026-11-01T09:30:00Z");
        refused(
            "2026-11-01T09:30:00[Europe/Berlin]",
            Some("UTC"),
            "2026-11-01T09:30:00Z",
        );
    }

    #[test]
    fn what_is_wrong_names_its_column_and_a_way_out() {
        let check = |head: &str, line: &str, expected: &str| {
            let trouble = read(head, line).unwrap_err();
            let column = trouble.column.as_deref().unwrap_or("line");
            let got = format!("{} {column}", trouble.reason);
            assert_eq!(got, expected, "{head}: {line}: {}", trouble.help);
            assert!(!trouble.help.is_empty());
        };
        check(
            "customer_id,active_since",
            ",2026-01-01T00:00:00Z",
            "missing_field customer_id",
        );
        check(
            "customer_id,active_since",
            "a,",
            "missing_field active_since",
        );
        check(
            "customer_id,active_since",
            "a,soon",
            "invalid_time active_since",
        );
        check(
            "customer_id,active_since",
            "a,2026-11-20T00:00:01Z",
            "in_the_future active_since",
        );
        check(
            "customer_id,active_since,last_activity",
            "a,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z",
            "invalid_time last_activity",
        );
        let orders = "customer_id,first_order_at,first_order_amount,first_order_currency";
        check(
            orders,
            "a,2026-01-02T00:00:00Z,,EUR",
            "missing_field first_order_amount",
        );
        check(
            orders,
            "a,2026-01-02T00:00:00Z,1.299,",
            "missing_field first_order_currency",
        );
        check(
            orders,
            "a,2026-01-02T00:00:00Z,\"1,20\",EUR",
            "invalid_amount first_order_amount",
        );
        check(
            orders,
            "a,2026-01-02T00:00:00Z,-1,EUR",
            "invalid_amount first_order_amount",
        );
        check(orders, "a,,1,EUR", "missing_field first_order_at");
        let nps = "customer_id,active_since,last_nps_at,last_nps_score";
        check(
            nps,
            "a,2026-01-02T00:00:00Z,2026-01-03T00:00:00Z,11",
            "score_out_of_range last_nps_score",
        );
        check(
            nps,
            "a,2026-01-02T00:00:00Z,,9",
            "missing_field last_nps_at",
        );
        let left = "customer_id,active_since,churned_at,reason";
        check(
            left,
            "a,2026-01-02T00:00:00Z,,price",
            "missing_field churned_at",
        );
        check(left, "a,2026-01-02T00:00:00Z", "wrong_columns line");
    }
}

//! The file of customers as a table: which column means what, and the cells of each line.
//!
//! Owns the two forms, CSV and JSON lines, and the names of the columns. Promises the texts of cells
//! as they were written, numbers included, each line with its number, and that a head which cannot
//! be meant is refused. Does not know what a cell has to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

use serde_json::value::RawValue;

/// A longer line is none of a customer: mostly a quote that was never closed.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// So many unknown columns are named.
const MAX_UNKNOWN: usize = 20;

/// What the file may say of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    CustomerId,
    ActiveSince,
    LastActivity,
    FirstOrderAt,
    FirstOrderAmount,
    FirstOrderCurrency,
    LastOrderAt,
    LastOrderAmount,
    LastOrderCurrency,
    LastNpsAt,
    LastNpsScore,
    ChurnedAt,
    Reason,
}

impl Column {
    pub const ALL: [Self; 13] = [
        Self::CustomerId,
        Self::ActiveSince,
        Self::LastActivity,
        Self::FirstOrderAt,
        Self::FirstOrderAmount,
        Self::FirstOrderCurrency,
        Self::LastOrderAt,
        Self::LastOrderAmount,
        Self::LastOrderCurrency,
        Self::LastNpsAt,
        Self::LastNpsScore,
        Self::ChurnedAt,
        Self::Reason,
    ];

    /// Its name in the head of the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerId => "customer_id",
            Self::ActiveSince => "active_since",
            Self::LastActivity => "last_activity",
            Self::FirstOrderAt => "first_order_at",
            Self::FirstOrderAmount => "first_order_amount",
            Self::FirstOrderCurrency => "first_order_currency",
            Self::LastOrderAt => "last_order_at",
            Self::LastOrderAmount => "last_order_amount",
            Self::LastOrderCurrency => "last_order_currency",
            Self::LastNpsAt => "last_nps_at",
            Self::LastNpsScore => "last_nps_score",
            Self::ChurnedAt => "churned_at",
            Self::Reason => "reason",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }
}

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With a head, and this between cells.
    Csv { delimiter: u8 },
    /// A JSON object a line.
    JsonLines,
}

/// What a column of the file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Column(Column),
    /// An attribute, by its place among the attributes.
    Attribute(usize),
}

/// Which names mean what.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// By the file's name ours, as `--column` has them.
    renamed: BTreeMap<String, String>,
    /// The configured dimensions, which need no `attributes.` before them.
    dimensions: Vec<String>,
}

impl Names {
    /// Names as given, each `(ours, the file's)`, beside those that are ours already.
    ///
    /// # Errors
    /// If there is no such column, or one is given twice.
    pub fn new(given: &[(String, String)], dimensions: &[String]) -> Result<Self, String> {
        let mut names = Self {
            renamed: BTreeMap::new(),
            dimensions: dimensions.to_vec(),
        };
        let mut taken = BTreeSet::new();
        for (ours, theirs) in given {
            if Column::named(ours).is_none() && names.attribute(ours).is_none() {
                return Err(format!(
                    "--column {ours}={theirs}: there is no column `{ours}`; the columns are {}, and \
                     attributes.NAME",
                    listing(Column::ALL.map(Column::name))
                ));
            }
            let again = names.renamed.insert(theirs.clone(), ours.clone());
            if again.is_some() || !taken.insert(ours) {
                return Err(format!(
                    "--column {ours}={theirs}: each column can be given once"
                ));
            }
        }
        Ok(names)
    }

    /// The attribute that a name stands for.
    fn attribute<'a>(&self, name: &'a str) -> Option<&'a str> {
        let attribute = name.strip_prefix("attributes.");
        let dimension = || self.dimensions.iter().any(|known| known == name);
        attribute
            .filter(|attribute| !attribute.is_empty())
            .or_else(|| dimension().then_some(name))
    }

    /// Ours of a name of the file, unless another column of the file was given for it.
    fn ours<'a>(&'a self, theirs: &'a str) -> Option<&'a str> {
        match self.renamed.get(theirs) {
            Some(ours) => Some(ours),
            None if self.renamed.values().any(|ours| ours == theirs) => None,
            None => Some(theirs),
        }
    }

    /// The file's name of a column of ours.
    pub fn theirs<'a>(&'a self, ours: &'a str) -> &'a str {
        let mut renamed = self.renamed.iter();
        renamed
            .find(|(_, to)| *to == ours)
            .map_or(ours, |(theirs, _)| theirs)
    }
}

/// What the file has, as far as it was read.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The columns that are there.
    pub columns: BTreeSet<Column>,
    /// The names of the attributes, in the order of their cells.
    pub attributes: Vec<String>,
    /// Columns that mean nothing here; the first of them.
    pub unknown: BTreeSet<String>,
}

impl Head {
    fn meaning(&mut self, theirs: &str, names: &Names) -> Option<Meaning> {
        let ours = names.ours(theirs);
        if let Some(column) = ours.and_then(Column::named) {
            self.columns.insert(column);
            return Some(Meaning::Column(column));
        }
        let Some(attribute) = ours.and_then(|ours| names.attribute(ours)) else {
            if self.unknown.len() < MAX_UNKNOWN {
                self.unknown.insert(theirs.to_owned());
            }
            return None;
        };
        let known = self.attributes.iter().position(|known| known == attribute);
        let place = known.unwrap_or_else(|| {
            self.attributes.push(attribute.to_owned());
            self.attributes.len() - 1
        });
        Some(Meaning::Attribute(place))
    }
}

/// The cells of one line; empty ones are not there.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    columns: [Option<String>; Column::ALL.len()],
    /// By place in the head.
    pub attributes: Vec<Option<String>>,
}

impl Cells {
    pub fn get(&self, column: Column) -> Option<&str> {
        self.columns[column as usize].as_deref()
    }

    fn clear(&mut self) {
        self.columns.fill(None);
        self.attributes.fill(None);
    }

    /// Takes a cell; false if the line had one of that meaning already.
    fn put(&mut self, meaning: Meaning, text: &str) -> bool {
        let text = text.trim();
        let cell = match meaning {
            Meaning::Column(column) => &mut self.columns[column as usize],
            Meaning::Attribute(place) => {
                if self.attributes.len() <= place {
                    self.attributes.resize(place + 1, None);
                }
                &mut self.attributes[place]
            }
        };
        if cell.is_some() {
            return false;
        }
        *cell = (!text.is_empty()).then(|| text.to_owned());
        true
    }
}

/// Why a line has no cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Another number of cells than the head has.
    Cells,
    Utf8,
    Json,
    TooLarge,
    /// A cell that is no text, number or truth value.
    Nested,
}

/// Why a file is no table of customers.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("{0}")]
    Read(#[from] io::Error),
    /// The head cannot be meant.
    #[error("{0}")]
    Head(String),
}

/// A line with its number in the file, from 1.
pub struct Line<'a> {
    pub number: u64,
    pub cells: Result<&'a Cells, Broken>,
}

/// Hands on each line, and answers what the file has.
///
/// # Errors
/// If it cannot be read, or its head cannot be meant. JSON lines have no head, so that a name which is
/// nowhere shows at the end.
pub fn each_line(
    input: &mut dyn Read,
    form: Form,
    names: &Names,
    each: &mut dyn FnMut(Line<'_>),
) -> Result<Head, TableError> {
    match form {
        Form::Csv { delimiter } => each_of_csv(input, delimiter, names, each),
        Form::JsonLines => each_of_json(input, names, each),
    }
}

fn each_of_csv(
    input: &mut dyn Read,
    delimiter: u8,
    names: &Names,
    each: &mut dyn FnMut(Line<'_>),
) -> Result<Head, TableError> {
    let mut input = BufReader::with_capacity(1 << 18, input);
    // The reader of CSV counts lines at their line feeds, and takes the one behind a carriage return
    // for the beginning of the next record.
    let first = input.fill_buf()?;
    let end = first.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let behind = u64::from(end > 0 && first[end - 1] == b'\r');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(input);
    let (head, meanings) =
        head_of_csv(reader.byte_headers().map_err(csv_error)?, delimiter, names)?;
    let mut record = csv::ByteRecord::new();
    let mut cells = Cells::default();
    while reader.read_byte_record(&mut record).map_err(csv_error)? {
        let number = record.position().map_or(0, csv::Position::line) + behind;
        let broken = fill(&mut cells, &record, &meanings);
        let cells = broken.map_or(Ok(&cells), Err);
        each(Line { number, cells });
    }
    Ok(head)
}

fn head_of_csv(
    record: &csv::ByteRecord,
    delimiter: u8,
    names: &Names,
) -> Result<(Head, Vec<Option<Meaning>>), TableError> {
    let mut head = Head::default();
    let mut meanings = Vec::new();
    for (place, cell) in record.iter().enumerate() {
        let text = std::str::from_utf8(cell).map_err(|_| {
            TableError::Head("line 1: the head is not UTF-8; save the file as UTF-8".into())
        })?;
        let text = if place == 0 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        let meaning = head.meaning(text.trim(), names);
        if meaning.is_some() && meanings.contains(&meaning) {
            return Err(TableError::Head(format!(
                "line 1: the column `{}` is there twice",
                text.trim()
            )));
        }
        meanings.push(meaning);
    }
    if !head.columns.contains(&Column::CustomerId) {
        return Err(TableError::Head(no_customers(
            record, delimiter, &head, names,
        )));
    }
    missing(names, |theirs| {
        record
            .iter()
            .any(|cell| cell.trim_ascii() == theirs.as_bytes())
    })?;
    Ok((head, meanings))
}

/// What `--column` names has to be there.
fn missing(names: &Names, there: impl Fn(&str) -> bool) -> Result<(), TableError> {
    match names.renamed.iter().find(|(theirs, _)| !there(theirs)) {
        Some((theirs, ours)) => Err(TableError::Head(format!(
            "line 1: there is no column `{theirs}`, which --column {ours}={theirs} names"
        ))),
        None => Ok(()),
    }
}

fn no_customers(record: &csv::ByteRecord, delimiter: u8, head: &Head, names: &Names) -> String {
    let wanted = names.theirs("customer_id");
    let others = [b',', b';', b'\t', b'|'];
    let only = record
        .get(0)
        .filter(|_| record.len() == 1)
        .unwrap_or_default();
    let likely = others
        .into_iter()
        .find(|other| *other != delimiter && only.contains(other));
    if let Some(other) = likely {
        let other = if other == b'\t' {
            "tab".to_owned()
        } else {
            format!("'{}'", char::from(other))
        };
        return format!(
            "line 1: there is one column only; its cells seem to be separated otherwise: give --delimiter {other}"
        );
    }
    let there = listing(head.unknown.iter().map(String::as_str));
    format!(
        "line 1: there is no column `{wanted}` among the columns of the file ({there}); name the one \
         that holds the ids of the customers with --column customer_id=NAME"
    )
}

fn fill(
    cells: &mut Cells,
    record: &csv::ByteRecord,
    meanings: &[Option<Meaning>],
) -> Option<Broken> {
    cells.clear();
    if record.as_slice().len() > MAX_LINE_BYTES {
        return Some(Broken::TooLarge);
    }
    if record.len() != meanings.len() {
        return Some(Broken::Cells);
    }
    for (cell, meaning) in record.iter().zip(meanings) {
        let Some(meaning) = meaning else { continue };
        let Ok(text) = std::str::from_utf8(cell) else {
            return Some(Broken::Utf8);
        };
        cells.put(*meaning, text);
    }
    None
}

fn csv_error(error: csv::Error) -> TableError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => TableError::Read(error),
        other => TableError::Head(format!("not CSV: {other:?}")),
    }
}

fn each_of_json(
    input: &mut dyn Read,
    names: &Names,
    each: &mut dyn FnMut(Line<'_>),
) -> Result<Head, TableError> {
    let mut input = BufReader::with_capacity(1 << 18, input);
    let (mut head, mut cells) = (Head::default(), Cells::default());
    let mut theirs = BTreeSet::new();
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        let read = (&mut input)
            .take(MAX_LINE_BYTES as u64 + 2)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if number == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        let whole = line.ends_with(b"\n") || line.len() <= MAX_LINE_BYTES;
        if !whole {
            skip_line(&mut input)?;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        cells.clear();
        let broken = if whole {
            fill_from_json(&mut cells, &line, &mut head, names, &mut theirs)
        } else {
            Some(Broken::TooLarge)
        };
        each(Line {
            number,
            cells: broken.map_or(Ok(&cells), Err),
        });
    }
    missing(names, |name| theirs.contains(name))?;
    Ok(head)
}

/// Takes the rest of a line that is too long.
fn skip_line(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        input.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

fn fill_from_json(
    cells: &mut Cells,
    line: &[u8],
    head: &mut Head,
    names: &Names,
    theirs: &mut BTreeSet<String>,
) -> Option<Broken> {
    if std::str::from_utf8(line).is_err() {
        return Some(Broken::Utf8);
    }
    let Ok(object) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(line) else {
        return Some(Broken::Json);
    };
    for (name, value) in object {
        let nested = (name == "attributes")
            .then(|| serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get()));
        let pairs: Vec<(String, &RawValue)> = match nested {
            Some(Ok(attributes)) => attributes
                .into_iter()
                .map(|(key, value)| (format!("attributes.{key}"), value))
                .collect(),
            Some(Err(_)) | None => vec![(name, value)],
        };
        for (name, value) in pairs {
            let meaning = head.meaning(&name, names);
            if names.renamed.contains_key(&name) {
                theirs.insert(name);
            }
            let Some(meaning) = meaning else { continue };
            let Some(text) = scalar(value.get()) else {
                return Some(Broken::Nested);
            };
            if !text.is_empty() && !cells.put(meaning, &text) {
                return Some(Broken::Json);
            }
        }
    }
    None
}

/// The text of a JSON scalar, numbers as they are written; null is empty.
fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'n' => Some(String::new()),
        b'{' | b'[' => None,
        _ => Some(json.to_owned()),
    }
}

/// Names, separated by commas.
pub fn listing<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as `number customer_id|active_since|plan`, broken ones as `number Broken`.
    fn read(text: &str, form: Form, given: &[(&str, &str)]) -> Result<(Head, Vec<String>), String> {
        let given: Vec<(String, String)> = given
            .iter()
            .map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned()))
            .collect();
        let names = Names::new(&given, &["plan".to_owned()])?;
        let mut lines = Vec::new();
        let head = each_line(&mut text.as_bytes(), form, &names, &mut |line| {
            let text = match line.cells {
                Ok(cells) => [
                    cells.get(Column::CustomerId),
                    cells.get(Column::ActiveSince),
                    cells.attributes.first().and_then(Option::as_deref),
                ]
                .map(Option::unwrap_or_default)
                .join("|"),
                Err(broken) => format!("{broken:?}"),
            };
            lines.push(format!("{} {text}", line.number));
        });
        head.map(|head| (head, lines))
            .map_err(|error| error.to_string())
    }

    const CSV: Form = Form::Csv { delimiter: b',' };

    #[test]
    fn cells_are_found_by_the_names_of_their_columns() {
        let check = |text: &str, form, given: &[(&str, &str)], expected: &[&str]| {
            let (_, lines) = read(text, form, given).unwrap();
            assert_eq!(lines, expected, "{text}");
        };
        check(
            "customer_id,active_since\na,1\nb,\n",
            CSV,
            &[],
            &["2 a|1|", "3 b||"],
        );
        check(
            "\u{feff}active_since , customer_id\r\n 1,a\r\n",
            CSV,
            &[],
            &["2 1|".replace("1|", "a|1|").as_str()],
        );
        check(
            "email;plan\na;pro\n",
            Form::Csv { delimiter: b';' },
            &[("customer_id", "email")],
            &["2 a||pro"],
        );
        check(
            "customer_id,attributes.plan\n\"a,b\n\",pro\nc,x\n",
            CSV,
            &[],
            &["2 a,b||pro", "4 c||x"],
        );
        check(
            "customer_id,x\na\nb,1,2\nc,1\n",
            CSV,
            &[],
            &["2 Cells", "3 Cells", "4 c||"],
        );
        // A column that was given stands in for the one of that name.
        check(
            "customer_id,email\n1,a\n",
            CSV,
            &[("customer_id", "email")],
            &["2 a||"],
        );
        check(
            "{\"customer_id\":42,\"active_since\":null,\"attributes\":{\"plan\":\"pro\"}}\n\n{\"customer_id\":\"\\u0061\",\"plan\":1.50}\nno\n{\"customer_id\":[]}\n",
            Form::JsonLines,
            &[],
            &["1 42||pro", "3 a||1.50", "4 Json", "5 Nested"],
        );
        let long = format!(
            "{{\"customer_id\":\"{}\"}}\n{{\"customer_id\":1}}\n",
            "x".repeat(MAX_LINE_BYTES)
        );
        check(&long, Form::JsonLines, &[], &["1 TooLarge", "2 1||"]);
    }

    #[test]
    fn a_head_that_cannot_be_meant_is_refused_with_a_way_out() {
        let check = |text: &str, given: &[(&str, &str)], expected: &str| {
            let refused = read(text, CSV, given).unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
        };
        check("email,name\na,b\n", &[], "--column customer_id=NAME");
        check("customer_id;active_since\na;1\n", &[], "--delimiter ';'");
        check("customer_id\tactive_since\na\t1\n", &[], "--delimiter tab");
        check(
            "customer_id,customer_id\na,b\n",
            &[],
            "`customer_id` is there twice",
        );
        check(
            "customer_id,plan,attributes.plan\na,b,c\n",
            &[],
            "`attributes.plan` is there twice",
        );
        check(
            "customer_id\na\n",
            &[("active_since", "created")],
            "no column `created`",
        );
        check(
            "customer_id\na\n",
            &[("since", "created")],
            "there is no column `since`",
        );
        check("", &[], "there is no column `customer_id`");
    }

    #[test]
    fn what_means_nothing_is_named() {
        let (head, _) = read("customer_id,phone,plan\na,1,pro\n", CSV, &[]).unwrap();
        assert_eq!(head.unknown, BTreeSet::from(["phone".to_owned()]));
        assert_eq!(head.attributes, ["plan"]);
    }
}

//! Text for a terminal of 80 columns: paragraphs, tables, numbers.
//!
//! Owns how these look, so that explanations, statements and curves look alike. Promises that text
//! from events cannot break a line or move the cursor. Knows nothing of what is written.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use crate::command::Failure;

/// Where lines are broken.
const WIDTH: usize = 80;
/// The name of a row is cut beyond so many characters.
const WIDEST: usize = 32;

/// Writes data to stdout; a reader that has gone is no failure.
///
/// # Errors
/// If stdout cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::work(format!("could not write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether headings may be emphasised: on a terminal whose user has not said no.
#[must_use]
pub fn emphasis() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text in the making.
#[derive(Debug, Default)]
pub struct Paper {
    text: String,
    emphasis: bool,
}

impl Paper {
    #[must_use]
    pub fn new(emphasis: bool) -> Self {
        Self {
            text: String::new(),
            emphasis,
        }
    }

    /// A line that begins a part.
    pub fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        if self.emphasis {
            let _ = writeln!(self.text, "\u{1b}[1m{heading}\u{1b}[0m");
        } else {
            let _ = writeln!(self.text, "{heading}");
        }
    }

    /// A line as it is, indented.
    pub fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "  {line}");
    }

    /// Text broken into lines, indented; words that are too long stay whole.
    pub fn paragraph(&mut self, text: &str) {
        for line in wrapped(text, WIDTH - 2) {
            self.line(&line);
        }
    }

    /// Rows with aligned columns, of which the first `left` are texts and the others numbers. The
    /// first row is the heading.
    pub fn table(&mut self, left: usize, rows: &[Vec<String>]) {
        for line in aligned(left, rows) {
            self.line(&line);
        }
    }

    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

/// Text in lines of at most `width` characters, broken between words.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn aligned(left: usize, rows: &[Vec<String>]) -> Vec<String> {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let widths = cells.iter().filter_map(|row| row.get(column));
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let _ = if column < left {
                write!(line, "{gap}{cell:<width$}")
            } else {
                write!(line, "{gap}{cell:>width$}")
            };
        }
        line.trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

/// Text without control characters: those become escapes.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// Text for the first cell of a row: without control characters, and cut where it gets too wide.
#[must_use]
pub fn short(text: &str) -> String {
    let text = plain(text);
    if text.chars().count() <= WIDEST {
        return text;
    }
    let mut short: String = text.chars().take(WIDEST - 1).collect();
    short.push('…');
    short
}

/// A number for people: whole ones whole, others with at most six decimals.
#[must_use]
pub fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        // Adding zero makes the negative one positive.
        return format!("{:.0}", value + 0.0);
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "0" | "-0" => format!("{value:.1e}"),
        _ => text.to_owned(),
    }
}

/// A difference for people: with its sign. What is left by rounding of doubles is nothing.
#[must_use]
pub fn difference(value: f64) -> String {
    if value.abs() < 1e-12 {
        return "0".to_owned();
    }
    let text = number(value);
    if text.starts_with('-') {
        text
    } else {
        format!("+{text}")
    }
}

/// A share as per cent with one decimal.
#[must_use]
pub fn per_cent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_true() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.0, "3"),
            (-25.0, "-25"),
            (0.75, "0.75"),
            (2.0 / 3.0, "0.666667"),
            (129.9, "129.9"),
            (1_234_567.89, "1234567.89"),
            (0.000_000_04, "4.0e-8"),
        ] {
            assert_eq!(number(value), expected);
        }
        let differences = [(0.25, "+0.25"), (-0.25, "-0.25"), (0.0, "0"), (-1e-17, "0")];
        for (value, expected) in differences {
            assert_eq!(difference(value), expected);
        }
    }

    #[test]
    fn text_of_events_keeps_to_its_cell() {
        let mut paper = Paper::new(false);
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let long = "x".repeat(200);
        let rows = [
            row(["reason", "now"]),
            row(["too \"slow\"\nand\u{1b}[2J", "1"]),
            row([&short(&long), "12"]),
        ];
        paper.table(1, &rows);
        let text = paper.finish();
        assert!(text.contains(r#"too "slow"\nand\u{1b}[2J"#), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines()
                .all(|line| line.chars().count() == 2 + WIDEST + 2 + 3),
            "{text}"
        );
    }

    #[test]
    fn paragraphs_are_broken_between_words() {
        let text = "one two three four ".repeat(10);
        let lines = wrapped(&text, 20);
        assert!(lines.iter().all(|line| line.len() <= 20));
        assert_eq!(lines.join(" "), text.trim());
        assert_eq!(wrapped("", 20), Vec::<String>::new());
    }
}

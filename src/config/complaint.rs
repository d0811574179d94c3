//! Complaints: what is wrong with the settings, where, and a way out.
//!
//! Owns how a complaint looks: a sentence, the place with its line and a caret, and help. Promises
//! that no line it shows holds a secret (see [`redaction`]) or a control
//! character. Does not know which settings there are.

use std::fmt;
use std::sync::Arc;

use super::redaction;

/// Everything that is wrong with the settings, in the order of their places.
///
/// Displays like the errors of a compiler:
///
/// ```text
/// error: unknown key `inactivty_timeout`
///   --> tenure.yaml:3:1
///    |
///  3 | inactivty_timeout: 90d
///    | ^^^^^^^^^^^^^^^^^
///    = help: did you mean `inactivity_timeout`?
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Complaints(Vec<Complaint>);

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    severity: Severity,
    message: String,
    place: Option<Place>,
    help: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The settings cannot be used.
    Error,
    /// The settings can be used, but probably should not be.
    Warning,
}

/// A stretch of a source that a complaint points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    source: Arc<Source>,
    span: Span,
}

/// A stretch of one line, counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    pub width: usize,
}

/// Where settings come from, with its lines as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    lines: Vec<String>,
    kind: SourceKind,
}

/// The sources in the order in which their complaints are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SourceKind {
    File,
    Environment,
    Flag,
}

/// One text of a value in a message, in characters.
const SHOWN_TEXT: usize = 60;

/// Longer lines are cropped around the caret, in characters.
const SHOWN_LINE: usize = 120;

impl Severity {
    /// The word before the message.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Complaints {
    pub(super) fn add(&mut self, complaint: Complaint) {
        self.0.push(complaint);
    }

    /// Brings the complaints into the order of their places; those without one come first.
    pub(super) fn sort(&mut self) {
        self.0.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them forbids to use the settings.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.iter()
            .any(|complaint| complaint.severity == Severity::Error)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Complaint> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Complaints {
    type Item = &'a Complaint;
    type IntoIter = std::slice::Iter<'a, Complaint>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Complaints {}

impl Complaint {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            help: None,
        }
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(message)
        }
    }

    pub(super) fn at(self, place: Option<&Place>) -> Self {
        Self {
            place: place.cloned(),
            ..self
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The way out.
    #[must_use]
    pub fn way_out(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Where, as `file:line:column`, `environment variable NAME` or `flag --name`.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        self.place.as_ref().map(Place::to_string)
    }

    fn order(&self) -> Option<(SourceKind, &str, Span)> {
        self.place
            .as_ref()
            .map(|place| (place.source.kind, place.source.name.as_str(), place.span))
    }
}

impl Source {
    /// A file, by the name to show and its text.
    pub(super) fn file(name: String, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Arc::new(Self {
            name,
            lines: redaction::redacted_lines(text),
            kind: SourceKind::File,
        })
    }

    /// A file that holds no secrets, shown as it is, by the name to show and its text.
    pub(super) fn shown(name: String, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Arc::new(Self {
            name,
            lines: text.lines().map(str::to_owned).collect(),
            kind: SourceKind::File,
        })
    }

    /// A file of corrections, by the name to show and its text.
    pub(super) fn corrections(name: String, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Arc::new(Self {
            name,
            lines: redaction::lines_without_ids(text),
            kind: SourceKind::File,
        })
    }

    /// A web config file, by the name to show and its text.
    pub(super) fn web(name: String, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Arc::new(Self {
            name,
            lines: redaction::lines_of_web_config(text),
            kind: SourceKind::File,
        })
    }

    pub(super) fn environment(variable: &str, text: &str) -> Arc<Self> {
        let line = format!("{variable}={text}");
        Arc::new(Self {
            name: format!("environment variable {variable}"),
            lines: vec![redaction::redacted_line(&line)],
            kind: SourceKind::Environment,
        })
    }

    pub(super) fn flag(flag: &str, text: &str) -> Arc<Self> {
        let line = format!("{flag} {text}");
        Arc::new(Self {
            name: format!("flag {flag}"),
            lines: vec![redaction::redacted_line(&line)],
            kind: SourceKind::Flag,
        })
    }

    pub(super) fn place(self: &Arc<Self>, span: Span) -> Place {
        Place {
            source: Arc::clone(self),
            span,
        }
    }
}

impl Place {
    /// The line, from 1.
    pub(super) fn line(&self) -> usize {
        self.span.line
    }

    /// The character at which a text goes wrong that stands here, plain or in quotes; the whole place
    /// if the text is written in another way.
    pub(super) fn behind(&self, text: &str, characters: usize) -> Self {
        let Span {
            line,
            column,
            width,
        } = self.span;
        let length = text.chars().count();
        let quote = match width.checked_sub(length) {
            Some(quotes @ (0 | 2)) => quotes / 2,
            _ => return self.clone(),
        };
        let span = Span {
            line,
            column: column + quote + characters,
            width: 1,
        };
        self.source.place(span)
    }

    /// The line as it may be shown, and where in it the caret begins and ends.
    fn excerpt(&self) -> (String, usize, usize) {
        let index = self.span.line.saturating_sub(1);
        let line = self.source.lines.get(index).map_or("", String::as_str);
        let shown: Vec<char> = line
            .chars()
            .map(|letter| match letter {
                '\t' => ' ',
                letter if letter.is_control() => '\u{fffd}',
                letter => letter,
            })
            .collect();
        let start = self.span.column.saturating_sub(1).min(shown.len());
        let end = (start + self.span.width).min(shown.len()).max(start + 1);
        crop(&shown, start, end)
    }
}

/// Cuts a line that is too long to a window around the caret.
fn crop(line: &[char], start: usize, end: usize) -> (String, usize, usize) {
    if line.len() <= SHOWN_LINE {
        return (line.iter().collect(), start, end);
    }
    let from = start
        .saturating_sub(SHOWN_LINE / 2)
        .min(line.len() - SHOWN_LINE);
    let shown: String = line[from..from + SHOWN_LINE].iter().collect();
    let ellipsis = |cut: bool| if cut { "…" } else { "" };
    let text = format!(
        "{}{shown}{}",
        ellipsis(from > 0),
        ellipsis(from + SHOWN_LINE < line.len())
    );
    let shift = |at: usize| at - from + usize::from(from > 0);
    (text, shift(start), shift(end.min(from + SHOWN_LINE)))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source.name)?;
        match self.source.kind {
            SourceKind::File => write!(f, ":{}:{}", self.span.line, self.span.column),
            SourceKind::Environment | SourceKind::Flag => Ok(()),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.severity.name(), self.message)?;
        let mut margin = String::from("  ");
        if let Some(place) = &self.place {
            let number = match place.source.kind {
                SourceKind::File => place.span.line.to_string(),
                SourceKind::Environment | SourceKind::Flag => String::new(),
            };
            margin = " ".repeat(number.len().max(1) + 2);
            let (line, start, end) = place.excerpt();
            let line = line.trim_end();
            let blank = " ".repeat(start);
            let caret = "^".repeat(end - start);
            writeln!(f, "{}--> {place}", &margin[1..])?;
            writeln!(f, "{margin}|")?;
            writeln!(f, " {number:>width$} | {line}", width = margin.len() - 2)?;
            writeln!(f, "{margin}| {blank}{caret}")?;
        }
        match &self.help {
            Some(help) => writeln!(f, "{margin}= help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            complaint.fmt(f)?;
        }
        Ok(())
    }
}

/// A text in quotes as a message may show it: cropped, without control characters and secrets.
pub fn quoted(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(SHOWN_TEXT)
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect();
    let cut = if text.chars().count() > SHOWN_TEXT {
        "…"
    } else {
        ""
    };
    format!("`{}{cut}`", redaction::redacted_text(&clean))
}

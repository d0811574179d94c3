//! What of a record may be seen.

use std::collections::BTreeSet;

use crate::command::paper::plain;
use crate::event::mapping::Rules;
use crate::event::mapping::rule::{Condition, Test};

/// Longer texts are cut, in characters.
const LONGEST: usize = 60;
/// The shape of a longer text is cut, in characters.
const LONGEST_SHAPE: usize = 24;

/// Whether texts of records are shown, or only what they look like.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    open: bool,
    /// Texts of the mapping itself: that a record has one of them tells nothing of a person.
    known: BTreeSet<String>,
}

impl Sight {
    /// Everything is shown.
    #[must_use]
    pub fn open() -> Self {
        Self {
            open: true,
            known: BTreeSet::new(),
        }
    }

    /// Of texts only their shape is shown, unless the mapping says them itself.
    #[must_use]
    pub fn masked(rules: Option<&Rules>) -> Self {
        let mut known = BTreeSet::new();
        if let Some(rules) = rules {
            let of_rules = rules.events.iter();
            let of_rules = of_rules.flat_map(|rule| rule.when.iter().chain(&rule.each_when));
            for condition in rules.skip.iter().chain(of_rules) {
                add_texts(condition, &mut known);
            }
        }
        Self { open: false, known }
    }

    /// An id, in no quotes.
    #[must_use]
    pub fn id(&self, text: &str) -> String {
        if self.open { clean(text) } else { shape(text) }
    }

    /// A text that stands in a record, in backticks; its shape stands in brackets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.open || self.known.contains(text) {
            format!("`{}`", clean(text))
        } else {
            shape(text)
        }
    }
}

fn add_texts(condition: &Condition, known: &mut BTreeSet<String>) {
    for test in &condition.all {
        match test {
            Test::Is { texts, .. } | Test::IsNot { texts, .. } => {
                known.extend(texts.iter().cloned());
            }
            Test::Becomes { from, into, .. } => {
                known.extend(from.iter().chain(into).cloned());
            }
            Test::Present { .. } => {}
        }
    }
}

/// A text on one line, cut where it gets too long.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut shown = plain(&text.chars().take(LONGEST).collect::<String>());
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// What a text looks like: `a` for each letter, `9` for each digit, other signs of ASCII as they are.
fn shape(text: &str) -> String {
    let sign = |c: char| match c {
        c if c.is_ascii_digit() => '9',
        c if c.is_ascii_graphic() && !c.is_ascii_alphabetic() => c,
        ' ' => ' ',
        _ => 'a',
    };
    let shape: String = text.chars().take(LONGEST_SHAPE).map(sign).collect();
    match text.chars().count() {
        count if count > LONGEST_SHAPE => format!("<{shape}… {count} characters>"),
        _ => format!("<{shape}>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_text_keeps_its_shape_and_nothing_else() {
        for (text, expected) in [
            ("c-42", "<a-99>"),
            ("ayşe@example.com", "<aaaa@aaaaaaa.aaa>"),
            ("", "<>"),
            ("tab\there", "<aaaaaaaa>"),
            ("orders/paid", "<aaaaaa/aaaa>"),
            (
                "0192c6f4-7a52-7cc1-9d6e-1f2a3b4c5d6e",
                "<9999a9a9-9a99-9aa9-9a9a-… 36 characters>",
            ),
        ] {
            assert_eq!(Sight::masked(None).id(text), expected);
            assert_eq!(Sight::masked(None).text(text), expected);
        }
        assert_eq!(Sight::open().id("c-42\n"), "c-42\\n");
        assert_eq!(Sight::open().text("c-42"), "`c-42`");
    }
}

//! Conditions and what they looked at, in sentences.

use crate::command::becoming::sight::{Sight, clean};
use crate::event::mapping::rule::Test;
use crate::event::mapping::why::{Array, EachWhy, Found, Looked, Part, Tested, Tried, Why};

/// More items than this are not told one by one.
const MOST_ITEMS: usize = 3;

/// Why a record is skipped.
pub fn skipped(why: &Why<'_>, sight: &Sight) -> Vec<String> {
    if let Some(skip) = &why.skip {
        return vec![all(&skip.tests, sight)];
    }
    if !why.rules.iter().any(|rule| rule.when.holds) {
        let mut sentences = vec!["no rule holds, and `otherwise: skipped`".to_owned()];
        sentences.extend(no_rule(why, sight));
        return sentences;
    }
    let rules = why.rules.iter().enumerate();
    let rules = rules.filter_map(|(number, rule)| Some((number, rule.each.as_ref()?)));
    rules
        .flat_map(|(number, each)| nothing_of(number, each, sight))
        .collect()
}

/// Why no rule makes anything of a record: one sentence for each, but one for all those that look at
/// the same place for other texts.
pub fn no_rule(why: &Why<'_>, sight: &Sight) -> Vec<String> {
    let mut sentences: Vec<Sentence<'_>> = Vec::new();
    let rules = why.rules.iter().enumerate();
    for (number, rule) in rules.filter(|(_, rule)| !rule.when.holds) {
        let wanted = wanted(&rule.when);
        let alike = wanted
            .and_then(|(looked, _)| sentences.iter_mut().find(|it| it.looked == Some(looked)));
        match (alike, wanted) {
            (Some(alike), Some((_, texts))) => {
                alike.rules.push(number);
                let new = texts.iter().filter(|text| !alike.texts.contains(text));
                alike.texts.extend(new.collect::<Vec<_>>());
            }
            _ => sentences.push(Sentence {
                rules: vec![number],
                looked: wanted.map(|(looked, _)| looked),
                texts: wanted.map_or_else(Vec::new, |(_, texts)| texts.iter().collect()),
                otherwise: any_failed(&rule.when, sight),
            }),
        }
    }
    sentences.iter().map(|it| it.text(sight)).collect()
}

/// What kept one rule, or several alike.
struct Sentence<'w> {
    rules: Vec<usize>,
    /// Where all of them look, if that is one place, and the texts that they want there.
    looked: Option<&'w Looked<'w>>,
    texts: Vec<&'w String>,
    otherwise: String,
}

impl Sentence<'_> {
    fn text(&self, sight: &Sight) -> String {
        let rules = match self.rules.as_slice() {
            [rule] => named(*rule),
            rules => {
                let numbers: Vec<_> = rules.iter().map(|rule| (rule + 1).to_string()).collect();
                format!("rules {}", numbers.join(", "))
            }
        };
        match self.looked {
            Some(looked) => {
                let texts: Vec<_> = self.texts.iter().map(|text| text.as_str()).collect();
                format!("{rules}: {}, not {}", is(looked, sight), any_of(&texts))
            }
            None => format!("{rules}: {}", self.otherwise),
        }
    }
}

/// The one place at which a rule wanted another text, and the texts.
fn wanted<'w>(when: &'w Tried<'_>) -> Option<(&'w Looked<'w>, &'w [String])> {
    let [tested] = when.tests.as_slice() else {
        return None;
    };
    match tested.test {
        Test::Is { texts, .. } => Some((tested.looked.first()?, texts)),
        Test::IsNot { .. } | Test::Present { .. } | Test::Becomes { .. } => None,
    }
}

/// What stood where a field was looked for.
pub fn looked_for(field: &str, looked: &[Looked<'_>], part: Part, sight: &Sight) -> Vec<String> {
    let item = part
        .item
        .map_or_else(String::new, |item| format!(", item {}", item + 1));
    let rule = format!("{}{item}", named(part.rule));
    if looked.is_empty() {
        return vec![format!("{rule}: it looks for `{field}` nowhere")];
    }
    let found: Vec<_> = looked.iter().map(|it| is(it, sight)).collect();
    vec![format!("{rule}: {}", found.join(", "))]
}

/// That there is no array where a rule looks for one.
pub fn no_array(part: Part, why: &Why<'_>, sight: &Sight) -> Vec<String> {
    let rule = why.rules.get(part.rule).and_then(|rule| rule.each.as_ref());
    rule.map_or_else(Vec::new, |each| nothing_of(part.rule, each, sight))
}

fn named(rule: usize) -> String {
    format!("rule {}", rule + 1)
}

fn any_failed(tried: &Tried<'_>, sight: &Sight) -> String {
    let tests: Vec<_> = tried.tests.iter().map(|test| told(test, sight)).collect();
    tests.join("; and ")
}

fn nothing_of(number: usize, each: &EachWhy<'_>, sight: &Sight) -> Vec<String> {
    let (rule, path) = (named(number), each.path);
    match each.array {
        Array::Absent => vec![format!("{rule}: {path} is missing")],
        Array::Other => vec![format!("{rule}: {path} is no array")],
        Array::Of(0) => vec![format!("{rule}: {path} has no items")],
        Array::Of(_) => {
            let mut sentences: Vec<_> = each
                .left_out
                .iter()
                .take(MOST_ITEMS)
                .map(|(item, tried)| {
                    let why = any_failed(tried, sight);
                    format!("{rule}, item {} of {path}: {why}", item + 1)
                })
                .collect();
            let more = each.left_out.len().saturating_sub(MOST_ITEMS);
            if more > 0 {
                sentences.push(format!("{rule}: and {more} more items"));
            }
            sentences
        }
    }
}

fn all(tests: &[Tested<'_>], sight: &Sight) -> String {
    let tests: Vec<_> = tests.iter().map(|test| told(test, sight)).collect();
    tests.join(", and ")
}

/// What a test found, and what it wanted if that is something else.
fn told(tested: &Tested<'_>, sight: &Sight) -> String {
    let Some(first) = tested.looked.first() else {
        return String::new();
    };
    match tested.test {
        Test::Is { texts, .. } if !tested.holds => {
            format!("{}, not {}", is(first, sight), any_of(texts))
        }
        Test::IsNot { texts, .. } if tested.holds => {
            format!("{}, not {}", is(first, sight), any_of(texts))
        }
        Test::Present { .. } if first.found.present() => format!("{} is there", first.path),
        Test::Is { .. } | Test::IsNot { .. } | Test::Present { .. } => is(first, sight),
        Test::Becomes { into, from, .. } => became(tested, into, from, sight),
    }
}

fn became(tested: &Tested<'_>, into: &[String], from: &[String], sight: &Sight) -> String {
    let [after, before] = tested.looked.as_slice() else {
        return String::new();
    };
    let among = |found: &Found, texts: &[String]| matches!(found, Found::Text(text) if texts.contains(text));
    if tested.holds {
        return format!("{} and was not", is(after, sight));
    }
    if !among(&after.found, into) {
        return format!("{}, not {}", is(after, sight), any_of(into));
    }
    if among(&before.found, into) {
        return format!("{} already", is(before, sight));
    }
    format!("{}, not {}", is(before, sight), any_of(from))
}

fn is(looked: &Looked<'_>, sight: &Sight) -> String {
    let path = looked.path;
    match &looked.found {
        Found::Missing => format!("{path} is missing"),
        Found::Null => format!("{path} is null"),
        Found::Empty => format!("{path} is an empty text"),
        Found::Composite => format!("{path} is an object or an array"),
        Found::Text(text) => format!("{path} is {}", sight.text(text)),
    }
}

fn any_of<T: AsRef<str>>(texts: &[T]) -> String {
    let texts = texts.iter().map(|it| format!("`{}`", clean(it.as_ref())));
    let texts: Vec<_> = texts.collect();
    texts.join(" or ")
}

//! One key of a configuration file, changed in its text.
//!
//! Owns where the new line goes. Promises that every other byte stays: comments, order, line ends.
//! Proposes texts and does not judge them: whether one says what was meant is seen by reading it.

/// The texts that could have this value for a key at the top of the file, the likeliest first: the
/// line of the key replaced; else a new one behind a comment that shows the key; else at the end.
#[must_use]
pub fn proposals(text: &str, key: &str, value: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let replaced = lines.iter().enumerate().filter_map(|(place, line)| {
        let line = replaced(line, key, value)?;
        Some(with_line(&lines, place, &line))
    });
    let replaced: Vec<String> = replaced.collect();
    if !replaced.is_empty() {
        return replaced;
    }
    let end = if lines.first().is_some_and(|line| line.ends_with("\r\n")) {
        "\r\n"
    } else {
        "\n"
    };
    let new = format!("{key}: {value}{end}");
    let behind_comment = lines
        .iter()
        .position(|line| shows(line, key) && line.ends_with('\n'))
        .map(|place| {
            let (before, after) = lines.split_at(place + 1);
            format!("{}{new}{}", before.concat(), after.concat())
        });
    let missing_end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        end
    };
    let appended = format!("{text}{missing_end}{new}");
    behind_comment.into_iter().chain([appended]).collect()
}

fn with_line(lines: &[&str], place: usize, line: &str) -> String {
    let (before, after) = (&lines[..place], &lines[place + 1..]);
    format!("{}{line}{}", before.concat(), after.concat())
}

/// The line with another value, if it is the key's; a comment behind the value stays.
fn replaced(line: &str, key: &str, value: &str) -> Option<String> {
    let begin = line.len() - line.trim_start_matches([' ', '\u{feff}']).len();
    let rest = &line[begin..];
    let quoted = [format!("\"{key}\""), format!("'{key}'")];
    let name = [key, &quoted[0], &quoted[1]]
        .into_iter()
        .find(|name| rest.starts_with(*name))?;
    let after_name = &rest[name.len()..];
    let colon = after_name.find(|c: char| c != ' ')?;
    let after_colon = after_name[colon..].strip_prefix(':')?;
    if !after_colon.starts_with([' ', '\t', '\r', '\n']) && !after_colon.is_empty() {
        return None;
    }
    // The value holds no `#`: it is an instant, null or nothing.
    let comment = after_colon.find('#').map_or("", |place| {
        let value = &after_colon[..place];
        &after_colon[value.trim_end().len()..]
    });
    let tail = if comment.is_empty() {
        &after_colon[after_colon.trim_end_matches(['\r', '\n']).len()..]
    } else {
        comment
    };
    let head = &line[..=begin + name.len() + colon];
    Some(format!("{head} {value}{tail}"))
}

/// Whether the line is a comment that shows how the key is written.
fn shows(line: &str, key: &str) -> bool {
    line.strip_prefix('#')
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix(key))
        .is_some_and(|rest| rest.trim_start_matches(' ').starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes_and_every_other_byte_stays() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(proposals(text, "since", "NEW"), expected, "{text:?}");
        };
        check("a: 1\nsince: old\nb: 2\n", &["a: 1\nsince: NEW\nb: 2\n"]);
        check("since: null   # why\n", &["since: NEW   # why\n"]);
        check("since:\nb: 1", &["since: NEW\nb: 1"]);
        check("since:   # unset\n", &["since: NEW   # unset\n"]);
        check("since: old", &["since: NEW"]);
        check(
            "\"since\" : 'old' # x\r\nb: 1\r\n",
            &["\"since\" : NEW # x\r\nb: 1\r\n"],
        );
        check("  a: 1\n  since: old\n", &["  a: 1\n  since: NEW\n"]);
        check(
            "# since: null\na: 1\n",
            &[
                "# since: null\nsince: NEW\na: 1\n",
                "# since: null\na: 1\nsince: NEW\n",
            ],
        );
        check(
            "a: 1\r\n#since: null\r\n",
            &["a: 1\r\n#since: null\r\nsince: NEW\r\n"; 2],
        );
        check("a: 1", &["a: 1\nsince: NEW\n"]);
        check("", &["since: NEW\n"]);
        check(
            "since_when: 1\nsincere: 2\n",
            &["since_when: 1\nsincere: 2\nsince: NEW\n"],
        );
        check(
            "# the text since: is not the key\n",
            &["# the text since: is not the key\nsince: NEW\n"],
        );
    }
}

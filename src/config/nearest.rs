//! The nearest known word for a misspelt one.

/// The candidate that `word` is probably meant to be; the first of equally near ones.
///
/// Case, hyphens and underscores do not count. Near is up to a third of the letters wrong, where two
/// neighbours swapped are one mistake; or else the only candidate that begins with the word, or with
/// which the word begins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let letters = word.chars().count();
    let allowed = (letters / 3).min(5);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let near = candidates
        .iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &plain(candidate)),
                *candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance);
    let begins = |candidate: &&&str| {
        let candidate = plain(candidate);
        let shorter = letters.min(candidate.chars().count());
        shorter >= 3 && (candidate.starts_with(&word) || word.starts_with(&candidate))
    };
    let mut beginning = candidates.iter().filter(begins);
    match (near, beginning.next(), beginning.next()) {
        (Some((_, candidate)), _, _) => Some(candidate),
        (None, Some(only), None) => Some(only),
        (None, _, _) => None,
    }
}

fn plain(word: &str) -> String {
    word.chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbour_and_strangers_do_not() {
        let known = ["listen", "time_zone", "inactivity_timeout", "history"];
        for (word, expected) in [
            ("inactivty_timeout", Some("inactivity_timeout")),
            ("timeZone", Some("time_zone")),
            ("time-zone", Some("time_zone")),
            ("lsiten", Some("listen")),
            ("histroy", Some("history")),
            ("inactivity", Some("inactivity_timeout")),
            ("listen_address", Some("listen")),
            ("retention", None),
            ("hi", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}

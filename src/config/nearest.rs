//! The nearest known word for a misspelt one.

/// The candidate that `word` is probably meant to be; the first of equally near ones.
///
/// Case, hyphens and underscores do not count. Near is up to a third of the letters wrong, where two
/// neighbours swapped are one mistake.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let allowed = (word.chars().count() / 3).clamp(1, 5);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
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
            ("retention", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}

//! "Did you mean": the known word nearest to a mistyped one.

use strsim::osa_distance;

/// A longer word is not a mistyped key, and the time of a comparison grows with the square of the length.
const LONGEST: usize = 64;

/// The nearest of the `known` words, if it is close enough.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().nth(LONGEST).is_some() {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= (candidate.chars().count().max(word.chars().count()) / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let known = ["threads", "processes", "port", "ip"];
        for (word, expected) in [("thread", "threads"), ("Port", "port"), ("prot", "port"), ("proceses", "processes")] {
            assert_eq!(nearest(word, known), Some(expected), "{word}");
        }
    }

    #[test]
    fn another_word_is_not_taken_for_a_slip() {
        assert_eq!(nearest("database", ["threads", "port", "ip"]), None);
        assert_eq!(nearest("xy", ["ip"]), None);
        assert_eq!(nearest(&"x".repeat(65), [&*"x".repeat(65)]), None);
    }
}

//! The word that somebody probably meant.

/// The candidate with the fewest edits from `word`, unless even that is far off.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are no typing errors, and the work is quadratic.
    const LONGEST: usize = 120;
    if word.len() > LONGEST {
        return None;
    }
    let near = candidates
        .filter(|candidate| candidate.len() <= LONGEST)
        .min_by_key(|other| distance(word, other))?;
    let most = word.chars().count().max(near.chars().count()).div_ceil(2);
    (distance(word, near) <= most.min(8)).then_some(near)
}

/// Edits (insert, remove, replace) from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, from) in (1..).zip(a.chars()) {
        let mut diagonal = row[0];
        row[0] = above;
        for (at, to) in (1..).zip(&b) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[at];
            row[at] = replaced.min(diagonal + 1).min(row[at - 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let words = ["fin", "rst", "stall", "status", "drop"];
        for (typed, meant) in [
            ("fim", Some("fin")),
            ("statsu", Some("status")),
            ("stal", Some("stall")),
            ("qqqqqqqqqqqqqq", None),
        ] {
            assert_eq!(nearest(typed, words.into_iter()), meant, "{typed}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}

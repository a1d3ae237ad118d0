//! Finds the nearest valid word for "did you mean …" suggestions.

/// The candidate with the fewest edits. The maximum is one edit per three characters of the word, but from 1 to 3.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let max_edits = (word.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (edits(&word, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|(edits, _)| *edits <= max_edits)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Number of insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn edits(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, from) in left.iter().enumerate() {
        let mut now = vec![row + 1; width];
        for (column, to) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(from != to);
            now[column + 1] = replaced.min(last[column + 1] + 1).min(now[column] + 1);
            let swapped =
                row > 0 && column > 0 && *from == right[column - 1] && left[row - 1] == *to;
            if swapped {
                now[column + 1] = now[column + 1].min(before_last[column - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, now);
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_and_distant_words_are_not() {
        let keys = ["paths", "format", "timezone", "window", "count"];
        let check = |word: &str, expected| assert_eq!(closest(word, keys), expected, "{word}");
        check("path", Some("paths"));
        check("fromat", Some("format"));
        check("time_zone", Some("timezone"));
        check("Cuont", Some("count"));
        check("colour", None);
        check("", None);
    }
}

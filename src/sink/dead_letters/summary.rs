//! Summarises a dead-letter file: counts, times and reasons.

use std::collections::HashMap;
use std::io;

use serde::Serialize;

use super::{DeadLetter, LetterFile, LetterFilter, Lines, MalformedLines};

/// Maximum number of reasons that are counted separately per file; all further ones are counted as `others`.
const REASONS: usize = 200;

/// A summary of the dead letters of one sink and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    pub sink: String,
    pub day: String,
    pub letters: u64,
    /// Size of the whole file.
    pub bytes: u64,
    /// When the first and the last of the counted letters were rejected.
    pub oldest: Option<String>,
    pub newest: Option<String>,
    /// The most frequent first, with values and numbers removed, so that equal reasons are counted together.
    pub reasons: Vec<(String, u64)>,
}

/// Reads a whole file and counts the letters that `choice` accepts; unreadable lines are added to `odd`.
pub fn overview(
    file: &LetterFile,
    choice: &LetterFilter,
    odd: &mut MalformedLines,
) -> io::Result<Overview> {
    let mut found = Overview {
        sink: file.sink.clone(),
        day: file.day.clone(),
        letters: 0,
        bytes: file.bytes,
        oldest: None,
        newest: None,
        reasons: Vec::new(),
    };
    let mut reasons: HashMap<String, u64> = HashMap::new();
    for line in Lines::open(file)? {
        match line?.letter {
            Err(problem) => odd.add(&problem),
            Ok(letter) if choice.takes(&letter) => {
                let mut reason = pattern(&letter.refusal().to_string());
                if reasons.len() >= REASONS && !reasons.contains_key(&reason) {
                    reason = "others".to_owned();
                }
                *reasons.entry(reason).or_default() += 1;
                found.add(&letter);
            }
            Ok(_) => {}
        }
    }
    found.reasons = reasons.into_iter().collect();
    found.reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(found)
}

impl Overview {
    fn add(&mut self, letter: &DeadLetter) {
        self.letters += 1;
        let oldest = self.oldest.get_or_insert_with(|| letter.time.clone());
        if letter.time < *oldest {
            oldest.clone_from(&letter.time);
        }
        let newest = self.newest.get_or_insert_with(|| letter.time.clone());
        if letter.time > *newest {
            newest.clone_from(&letter.time);
        }
    }
}

/// Removes values and numbers: `400 x: [1:22] failed in 'abc'` → `400 x: [#:#] failed in '…'`. The number at the start,
/// the status, is kept.
fn pattern(reason: &str) -> String {
    let mut text = String::with_capacity(reason.len());
    let status = reason.bytes().take_while(u8::is_ascii_digit).count();
    let (status, rest) = reason.split_at(status);
    text.push_str(status);
    let mut quote = None;
    for letter in rest.chars() {
        match quote {
            Some(open) if letter != open => continue,
            Some(_) => quote = None,
            // An apostrophe inside a word does not open a quotation.
            None if letter == '"' || (letter == '\'' && text.ends_with([' ', '[', '('])) => {
                text.push(letter);
                text.push('…');
                quote = Some(letter);
                continue;
            }
            None if letter.is_ascii_digit() => {
                if !text.ends_with('#') {
                    text.push('#');
                }
                continue;
            }
            None => {}
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn reasons_that_differ_only_in_a_value_are_counted_together() {
        let of = |id: &str, value: &str| {
            pattern(&format!(
                "400 document_parsing_exception: [1:{}] failed to parse field [n] of type [long] in document \
                 with id '{id}'. Preview of field's value: '{value}'",
                value.len()
            ))
        };
        assert_eq!(of("a1", "no"), of("b22", "a longer one"));
        assert_eq!(
            of("a", "b"),
            "400 document_parsing_exception: [#:#] failed to parse field [n] of type [long] in document with \
             id '…'. Preview of field's value: '…'"
        );
        assert_eq!(pattern("too large"), "too large");
    }
}

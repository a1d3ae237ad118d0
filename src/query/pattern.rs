//! Matches wildcard patterns: `*` is any run of characters, `?` one character, `\` makes the next one literal.

use super::Pattern;
use super::token::lower;

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    AnyRun,
    AnyOne,
    Character(char),
}

impl Pattern {
    /// Builds the text form: characters in lower case, adjacent `*` merged.
    pub fn from_steps(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut text = String::new();
        let mut last = None;
        for step in steps {
            match step {
                Step::AnyRun if last == Some(Step::AnyRun) => {}
                Step::AnyRun => text.push('*'),
                Step::AnyOne => text.push('?'),
                Step::Character(character) => {
                    if matches!(character, '*' | '?' | '\\') {
                        text.push('\\');
                    }
                    text.push(lower(character));
                }
            }
            last = Some(step);
        }
        Pattern(text)
    }

    /// The decoded steps of the pattern.
    pub fn steps(&self) -> impl Iterator<Item = Step> + Clone + '_ {
        let mut characters = self.0.chars();
        std::iter::from_fn(move || {
            Some(match characters.next()? {
                '*' => Step::AnyRun,
                '?' => Step::AnyOne,
                '\\' => Step::Character(characters.next().unwrap_or('\\')),
                character => Step::Character(character),
            })
        })
    }

    /// Whether the pattern matches all of `text` (in lower case).
    pub fn matches(&self, text: impl Iterator<Item = char> + Clone) -> bool {
        matches_steps(self.steps(), text)
    }
}

/// Backtracks to the last `*` only: at most (length of the pattern) × (length of the text) steps.
fn matches_steps(
    mut steps: impl Iterator<Item = Step> + Clone,
    mut text: impl Iterator<Item = char> + Clone,
) -> bool {
    let mut retry = None;
    loop {
        let mut next_steps = steps.clone();
        let mut next_text = text.clone();
        match (next_steps.next(), next_text.next()) {
            (Some(Step::AnyRun), _) => {
                retry = Some((next_steps.clone(), text.clone()));
                steps = next_steps;
                continue;
            }
            (Some(Step::AnyOne), Some(_)) => (steps, text) = (next_steps, next_text),
            (Some(Step::Character(wanted)), Some(found)) if wanted == found => {
                (steps, text) = (next_steps, next_text);
            }
            (None, None) => return true,
            _ => match &mut retry {
                Some((after_star, from)) => {
                    if from.next().is_none() {
                        return false;
                    }
                    (steps, text) = (after_star.clone(), from.clone());
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_the_whole_text() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Pattern(pattern.to_owned()).matches(text.chars()),
                expected,
                "{pattern} {text}"
            );
        };
        check("*", "", true);
        check("web*", "web-1", true);
        check("web*", "my web", false);
        check("*a*b", "xaxbxb", true);
        check("*a*b", "xaxbx", false);
        check("?", "", false);
        check("a?c", "abc", true);
        check(r"\*", "*", true);
        check(r"\*", "x", false);
        check("", "", true);
    }
}

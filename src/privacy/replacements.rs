//! The sealed values of one event, the replacement of each, and the fields into which it goes.
//!
//! Nearly every event has only a few values, but one line may contain tens of thousands.

use std::borrow::Cow;
use std::collections::HashMap;

use super::policy::Treatment;
use super::whole_words::WordReplacer;

/// The replacements for one event.
#[derive(Default)]
pub(super) struct Replacements<'e> {
    /// In the order in which they were added.
    values: Vec<Replacement<'e>>,
    /// Index of all values after the first [`Replacements::FEW`], by their text.
    more: HashMap<String, Vec<usize>>,
    /// Fields that are replaced as a whole, ascending.
    fields: Vec<(usize, ReplacementId)>,
    /// Field name and tag of each value inside a text.
    tags: Vec<(String, String)>,
}

/// The replacement of a value or of a whole object.
pub(super) struct Replacement<'e> {
    /// `None`: not replaced in other texts.
    pub value: Option<Cow<'e, str>>,
    pub treatment: Treatment<'e>,
    pub text: String,
    /// The tag, for searches by equality.
    pub tag: Option<String>,
    /// Number of fields that still need the text.
    pub fields: usize,
}

/// One occurrence of a value.
#[derive(Clone, Copy)]
pub(super) struct ReplacementId {
    pub at: usize,
    /// Whether this occurrence gets the tag.
    pub tagged: bool,
}

/// The new content of a field that is sealed as a whole.
pub(super) struct SealedField {
    pub field: usize,
    pub text: String,
    pub tag: Option<String>,
}

impl<'e> Replacements<'e> {
    const FEW: usize = 8;

    pub fn find(&self, treatment: Treatment<'_>, value: &str) -> Option<usize> {
        let few = 0..self.values.len().min(Self::FEW);
        let more = self.more.get(value).into_iter().flatten().copied();
        few.chain(more).find(|at| {
            let replacement = &self.values[*at];
            replacement.value.as_deref() == Some(value) && replacement.treatment == treatment
        })
    }

    pub fn add(&mut self, replacement: Replacement<'e>) -> usize {
        let at = self.values.len();
        if at >= Self::FEW
            && let Some(value) = &replacement.value
        {
            self.more.entry(value.to_string()).or_default().push(at);
        }
        self.values.push(replacement);
        at
    }

    pub fn get(&self, found: ReplacementId) -> &Replacement<'e> {
        &self.values[found.at]
    }

    /// The tag of this occurrence, for searches by equality.
    pub fn tag(&self, found: ReplacementId) -> Option<&str> {
        self.get(found).tag.as_deref().filter(|_| found.tagged)
    }

    /// The end of the last token in `text`; 0 if it contains none.
    pub fn end_of_last_token(&self, text: &str) -> usize {
        let tokens = self.values.iter().filter(|it| matches!(it.treatment, Treatment::Seal(_)));
        let end = |token: &Replacement<'_>| Some(text.rfind(&token.text)? + token.text.len());
        tokens.filter_map(end).max().unwrap_or(0)
    }

    pub fn note_field(&mut self, field: usize, found: ReplacementId) {
        self.values[found.at].fields += 1;
        self.fields.push((field, found));
    }

    pub fn note_tag(&mut self, name: String, tag: String) {
        self.tags.push((name, tag));
    }

    /// Replaces the values with their tokens in other texts.
    pub fn words(&self) -> WordReplacer<'_> {
        self.words_by(|replacement| &replacement.text)
    }

    /// The same, with another text than the token for each value.
    pub fn words_by<'h>(&'h self, by: impl Fn(&'h Replacement<'e>) -> &'h str) -> WordReplacer<'h> {
        let pair = |replacement: &'h Replacement<'e>| {
            Some((replacement.value.as_deref()?, by(replacement)))
        };
        WordReplacer::new(self.values.iter().filter_map(pair).collect())
    }

    /// Indexes of the sealed fields, ascending.
    pub fn fields(&self) -> impl Iterator<Item = usize> {
        self.fields.iter().map(|(field, _)| *field)
    }

    /// The sealed fields, and field name and tag of each value inside a text.
    pub fn into_parts(self) -> (impl ExactSizeIterator<Item = SealedField>, Vec<(String, String)>) {
        let mut values = self.values;
        let sealed = self.fields.into_iter().map(move |(field, found)| {
            let Replacement { text, tag, fields, .. } = &mut values[found.at];
            *fields -= 1;
            // The last field takes the text without a copy.
            let text = if *fields == 0 { std::mem::take(text) } else { text.clone() };
            SealedField { field, text, tag: tag.clone().filter(|_| found.tagged) }
        });
        (sealed, self.tags)
    }
}

//! The values that were found in one event, what stands for each, and where that is to stand in the end. Nearly every
//! event has a few at most; one line may hold tens of thousands.

use std::borrow::Cow;
use std::collections::HashMap;

use super::policy::Treatment;
use super::whole_words::Words;

#[derive(Default)]
pub(super) struct Hidden<'e> {
    /// In the order in which they came.
    stands: Vec<Stand<'e>>,
    /// Where a value stands that came behind the first few.
    more: HashMap<String, Vec<usize>>,
    /// Fields that become a stand as a whole, ascending, and where it was found.
    fields: Vec<(usize, Found)>,
    /// Name and tag of values that stand in texts.
    tags: Vec<(String, String)>,
}

/// What stands for a value, or for a whole object.
pub(super) struct Stand<'e> {
    /// `None`: it is looked for nowhere else.
    pub value: Option<Cow<'e, str>>,
    pub treatment: Treatment<'e>,
    pub text: String,
    /// For searches that ask for equality.
    pub tag: Option<String>,
    /// Fields that have not taken the text yet.
    pub fields: usize,
}

/// A value as it was found in one place.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub at: usize,
    /// It has its tag there.
    pub tagged: bool,
}

/// What becomes of a field.
pub(super) struct Sealed {
    pub field: usize,
    pub text: String,
    pub tag: Option<String>,
}

impl<'e> Hidden<'e> {
    const FEW: usize = 8;

    pub fn find(&self, treatment: Treatment<'_>, value: &str) -> Option<usize> {
        let few = 0..self.stands.len().min(Self::FEW);
        let more = self.more.get(value).into_iter().flatten().copied();
        few.chain(more).find(|at| {
            let stand = &self.stands[*at];
            stand.value.as_deref() == Some(value) && stand.treatment == treatment
        })
    }

    pub fn add(&mut self, stand: Stand<'e>) -> usize {
        let at = self.stands.len();
        if at >= Self::FEW
            && let Some(value) = &stand.value
        {
            self.more.entry(value.to_string()).or_default().push(at);
        }
        self.stands.push(stand);
        at
    }

    pub fn stand(&self, found: Found) -> &Stand<'e> {
        &self.stands[found.at]
    }

    /// For searches that ask for equality.
    pub fn tag(&self, found: Found) -> Option<&str> {
        self.stand(found).tag.as_deref().filter(|_| found.tagged)
    }

    /// Behind the last token in `text`; 0 where there is none.
    pub fn behind_tokens(&self, text: &str) -> usize {
        let tokens = self.stands.iter().filter(|it| matches!(it.treatment, Treatment::Seal(_)));
        let behind = |token: &Stand<'_>| Some(text.rfind(&token.text)? + token.text.len());
        tokens.filter_map(behind).max().unwrap_or(0)
    }

    pub fn note_field(&mut self, field: usize, found: Found) {
        self.stands[found.at].fields += 1;
        self.fields.push((field, found));
    }

    pub fn note_tag(&mut self, name: String, tag: String) {
        self.tags.push((name, tag));
    }

    /// The values to look for in all other texts, and their tokens.
    pub fn words(&self) -> Words<'_> {
        self.words_by(|stand| &stand.text)
    }

    pub fn words_by<'h>(&'h self, by: impl Fn(&'h Stand<'e>) -> &'h str) -> Words<'h> {
        let pair = |stand: &'h Stand<'e>| Some((stand.value.as_deref()?, by(stand)));
        Words::new(self.stands.iter().filter_map(pair).collect())
    }

    /// In the order in which they were noted.
    pub fn fields(&self) -> impl Iterator<Item = usize> {
        self.fields.iter().map(|(field, _)| *field)
    }

    /// What becomes of the fields, and the tags of values in texts.
    pub fn into_parts(self) -> (impl ExactSizeIterator<Item = Sealed>, Vec<(String, String)>) {
        let mut stands = self.stands;
        let sealed = self.fields.into_iter().map(move |(field, found)| {
            let Stand { text, tag, fields, .. } = &mut stands[found.at];
            *fields -= 1;
            // The last one needs no copy.
            let text = if *fields == 0 { std::mem::take(text) } else { text.clone() };
            Sealed { field, text, tag: tag.clone().filter(|_| found.tagged) }
        });
        (sealed, self.tags)
    }
}

//! The values that were found in one event, what stands for each, and where that is to stand in the end. Nearly every
//! event has a few at most; one line may hold tens of thousands.

use std::borrow::Cow;
use std::collections::HashMap;

use super::policy::Treatment;
use super::words::Words;

#[derive(Default)]
pub(super) struct Hidden<'e> {
    /// In the order in which they came.
    stands: Vec<Stand<'e>>,
    /// Where a value stands that came behind the first few.
    more: HashMap<String, Vec<usize>>,
    /// Fields that become a stand as a whole, and which.
    fields: Vec<(usize, usize)>,
    /// Name and tag of values that stand in fields or texts.
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

    pub fn stand(&self, at: usize) -> &Stand<'e> {
        &self.stands[at]
    }

    pub fn note_field(&mut self, field: usize, at: usize) {
        self.stands[at].fields += 1;
        self.fields.push((field, at));
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

    /// The fields that become a stand as a whole, and what each becomes.
    pub fn take_fields(&mut self) -> impl Iterator<Item = (usize, String)> {
        let stands = &mut self.stands;
        self.fields.drain(..).map(|(field, at)| {
            let Stand { text, fields, .. } = &mut stands[at];
            *fields -= 1;
            // The last one needs no copy.
            (field, if *fields == 0 { std::mem::take(text) } else { text.clone() })
        })
    }

    /// In the order of their names, each once.
    pub fn take_tags(&mut self) -> Vec<(String, String)> {
        self.tags.sort();
        self.tags.dedup();
        std::mem::take(&mut self.tags)
    }
}

//! Selects dead letters by sink, day, id, query or tags, for the commands that show, replay or delete them.

use serde::{Deserialize, Serialize};

use super::{DeadLetter, LetterFile};
use crate::privacy::Document;
use crate::query::{Expr, ParseContext, QueryError, parse};

/// The criteria that an operator gave; absent ones fit every letter. Sent to the process that owns the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    pub sink: Option<String>,
    /// `2026-11-20`: the day of the rejection.
    pub day: Option<String>,
    /// Id of the event.
    pub id: Option<String>,
    /// Query on the document. When sent to another process, it contains no times relative to now.
    pub query: Option<String>,
    /// One of these tags is in the document, in any field; empty: every document fits.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A [`Selection`] with its parsed query.
#[derive(Clone, Debug, Default)]
pub struct LetterFilter {
    selection: Selection,
    query: Option<Expr>,
}

impl Selection {
    /// Parses the query.
    pub fn choice(&self, context: &ParseContext) -> Result<LetterFilter, QueryError> {
        let query = self.query.as_deref().map(|text| parse(text, context)).transpose()?;
        Ok(LetterFilter { selection: self.clone(), query })
    }
}

impl LetterFilter {
    /// Selects the letters whose documents contain one of these tags.
    pub fn of_tags(tags: Vec<String>) -> LetterFilter {
        LetterFilter { selection: Selection { tags, ..Selection::default() }, query: None }
    }

    /// The criteria, to be sent to another process: times relative to now are replaced by absolute ones.
    pub fn selection(&self) -> Selection {
        let query = self.query.as_ref().map(ToString::to_string);
        Selection { query, ..self.selection.clone() }
    }

    /// Whether the file may contain selected letters.
    pub fn takes_file(&self, file: &LetterFile) -> bool {
        let fits = |wanted: &Option<String>, name| wanted.as_ref().is_none_or(|it| it == name);
        fits(&self.selection.sink, &file.sink) && fits(&self.selection.day, &file.day)
    }

    /// Whether the letter is selected; sink and day are those of its file, see [`LetterFilter::takes_file`].
    pub fn takes(&self, letter: &DeadLetter) -> bool {
        self.selection.id.as_ref().is_none_or(|id| *id == letter.id)
            && self.holds_a_tag(letter.document.get())
            && self.query.as_ref().is_none_or(|query| {
                Document::parse(letter.document.get())
                    .is_ok_and(|document| query.matches(&document))
            })
    }

    /// Whether one of the tags is anywhere in the document: its 22 characters do not occur by chance.
    fn holds_a_tag(&self, document: &str) -> bool {
        let tags = &self.selection.tags;
        tags.is_empty() || tags.iter().any(|tag| document.contains(tag.as_str()))
    }
}

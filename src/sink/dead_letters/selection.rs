//! Which letters are meant.

use serde::{Deserialize, Serialize};

use super::{DeadLetter, LetterFile};
use crate::privacy::Document;
use crate::query::{Expr, ParseContext, QueryError, parse};

/// What a person named; what is not named fits. Travels to the process that owns the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    pub sink: Option<String>,
    /// `2026-11-20`: when they were refused.
    pub day: Option<String>,
    /// Of the event.
    pub id: Option<String>,
    /// Asked of the document; without times that count from now.
    pub query: Option<String>,
}

/// A [`Selection`] that can be asked.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    selection: Selection,
    query: Option<Expr>,
}

impl Selection {
    pub fn choice(&self, context: &ParseContext) -> Result<Choice, QueryError> {
        let query = self.query.as_deref().map(|text| parse(text, context)).transpose()?;
        Ok(Choice { selection: self.clone(), query })
    }
}

impl Choice {
    /// To be sent to another process: times that count from now have become moments.
    pub fn selection(&self) -> Selection {
        let query = self.query.as_ref().map(ToString::to_string);
        Selection { query, ..self.selection.clone() }
    }

    pub fn takes_file(&self, file: &LetterFile) -> bool {
        let fits = |wanted: &Option<String>, name| wanted.as_ref().is_none_or(|it| it == name);
        fits(&self.selection.sink, &file.sink) && fits(&self.selection.day, &file.day)
    }

    pub fn takes(&self, letter: &DeadLetter) -> bool {
        self.selection.id.as_ref().is_none_or(|id| *id == letter.id)
            && self.query.as_ref().is_none_or(|query| {
                Document::parse(letter.document.get())
                    .is_ok_and(|document| query.matches(&document))
            })
    }
}

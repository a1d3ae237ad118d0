//! What is known of a generation that nobody holds: by its row, or by what sinks keep of it.

use std::io;

use super::decide::Content;
use super::subject::Subject;
use crate::event::{FileKey, GenerationId, Identity, Mark};
use crate::follow::follower::Follower;
use crate::state::GenerationRow;

/// A generation that nobody holds.
pub(super) struct Known {
    pub identity: Identity,
    pub file: FileKey,
    pub mark: Mark,
    /// As sinks that keep their own positions know it.
    pub told: Mark,
}

impl Known {
    /// The furthest one that the file may bear: the state may be older than what sinks know.
    pub fn mark_within(&self, subject: &Subject<'_>) -> &Mark {
        let further = self.mark.offset < self.told.offset;
        match further && self.told.offset <= subject.tracked.size {
            true => &self.told,
            false => &self.mark,
        }
    }
}

impl Follower {
    /// What is known of a generation, with a row or from a sink's position alone.
    pub(super) fn known(&self, id: GenerationId, row: Option<&GenerationRow>) -> Option<Known> {
        if let Some(row) = row {
            let (identity, file) = (row.identity.clone(), row.file_key());
            let told = self.catalog.history.told_mark(id).unwrap_or_default();
            return Some(Known { identity, file, mark: *row.last_mark(), told });
        }
        let mark = self.catalog.history.only_mark(id)?;
        let identity = self.catalog.history.identity(id)?.clone();
        Some(Known { file: identity.file_key(), identity, mark, told: mark })
    }

    /// A generation that began in this file is elsewhere now, and this one holds something else.
    pub(super) fn went_on_without(&self, subject: &Subject<'_>) -> io::Result<bool> {
        for id in self.catalog.history.of_file(subject.key) {
            let followed = self.catalog.of(id).and_then(|other| other.row.as_ref());
            let gone = || self.shared.gone().get(&id).cloned();
            let row = followed.cloned().or_else(gone);
            let Some(known) = self.known(id, row.as_ref()) else { continue };
            let elsewhere = followed.is_some() || known.file != subject.key;
            let mark = known.mark_within(subject);
            if elsewhere && self.content_by_mark(subject, mark)? < Content::All {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

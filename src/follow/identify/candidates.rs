//! Gathers the evidence about the generations to which a file may belong: from the generation's row in the state or
//! from sinks' positions if no followed file holds it, otherwise from the bytes of the file that does.

use std::io;

use super::decide::Content;
use super::subject::Subject;
use crate::event::{FileKey, GenerationId, Identity, Mark};
use crate::follow::catalog::Tracked;
use crate::follow::follower::Follower;
use crate::follow::identity::{matches_mark, same_bytes};
use crate::state::GenerationRow;

/// Size of the windows at the start and end of two files that are compared to tell a copy from a different file.
const WINDOW: u64 = 8 * 1024;

/// A generation that no followed file holds.
pub(super) struct UnheldGeneration {
    pub identity: Identity,
    pub file: FileKey,
    pub mark: Mark,
    /// The furthest mark known to sinks that keep their own positions.
    pub sink_mark: Mark,
}

impl UnheldGeneration {
    /// The furthest mark that can be in the file: the state may be older than the sinks' positions.
    pub fn mark_within(&self, subject: &Subject<'_>) -> &Mark {
        let further = self.mark.offset < self.sink_mark.offset;
        match further && self.sink_mark.offset <= subject.tracked.size {
            true => &self.sink_mark,
            false => &self.mark,
        }
    }
}

impl Follower {
    /// The known facts about a generation, from its row, or from a sink's position if it has no row.
    pub(super) fn unheld_generation(
        &self,
        id: GenerationId,
        row: Option<&GenerationRow>,
    ) -> Option<UnheldGeneration> {
        if let Some(row) = row {
            let (identity, file) = (row.identity.clone(), row.file_key());
            let sink_mark = self.catalog.history.sink_mark(id).unwrap_or_default();
            return Some(UnheldGeneration { identity, file, mark: *row.last_mark(), sink_mark });
        }
        let mark = self.catalog.history.mark_without_row(id)?;
        let identity = self.catalog.history.identity(id)?.clone();
        Some(UnheldGeneration { file: identity.file_key(), identity, mark, sink_mark: mark })
    }

    /// Whether a generation that began in this file is now in another file, and this file has other content.
    pub(super) fn continues_elsewhere(&self, subject: &Subject<'_>) -> io::Result<bool> {
        for id in self.catalog.history.of_file(subject.key) {
            let followed = self.catalog.by_generation(id).and_then(|other| other.row.as_ref());
            let unheld = || self.shared.without_file().get(&id).cloned();
            let row = followed.cloned().or_else(unheld);
            let Some(known) = self.unheld_generation(id, row.as_ref()) else { continue };
            let elsewhere = followed.is_some() || known.file != subject.key;
            let mark = known.mark_within(subject);
            if elsewhere && self.content_by_mark(subject, mark)? < Content::All {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the file of a followed generation still has the bytes before the mark. If not, it was truncated a moment
    /// ago and perhaps written again: a check of both files is requested.
    pub(super) fn still_bears_mark(
        &self,
        original: &Tracked,
        subject: &Subject<'_>,
    ) -> io::Result<bool> {
        if original.handle.is_idle() {
            return Ok(true);
        }
        let (Some(file), Some(row)) = (original.file(), &original.row) else { return Ok(true) };
        let bears_mark = matches_mark(&file, &row.mark, self.key())?;
        if !bears_mark {
            original.handle.report_mismatch();
            let both = [original.handle.id, subject.tracked.handle.id];
            self.shared.waker.wake(|hints| hints.files.extend(both));
        }
        Ok(bears_mark)
    }
}

/// Compares a file with the original: the start and the end of the part that both have, then their lengths.
pub(super) fn content_by_bytes(original: &Tracked, subject: &Subject<'_>) -> io::Result<Content> {
    if let Some(head) = original.idle_head.as_ref().filter(|_| original.handle.is_idle()) {
        // This is nearly always enough, and then the original need not be unpacked again.
        match subject.head.shared_with(head) {
            None => return Ok(Content::Differs),
            Some(common) if common as u64 == subject.tracked.size => {
                return Ok(compare_length(subject.tracked.size, original.size));
            }
            Some(_) => {}
        }
    }
    let Some(other) = original.file_or_wait()? else { return Ok(Content::Differs) };
    let common = original.size.min(subject.tracked.size);
    let alike = same_bytes(&other, subject.file, 0, common.min(WINDOW))?
        && same_bytes(&other, subject.file, common.saturating_sub(WINDOW), common)?;
    Ok(if alike { compare_length(subject.tracked.size, original.size) } else { Content::Differs })
}

/// The result for a file of `size` bytes that begins like the original, of which `seen` bytes are known.
pub(super) fn compare_length(size: u64, seen: u64) -> Content {
    match size.cmp(&seen) {
        std::cmp::Ordering::Less => Content::Prefix,
        std::cmp::Ordering::Equal => Content::All,
        std::cmp::Ordering::Greater => Content::More,
    }
}

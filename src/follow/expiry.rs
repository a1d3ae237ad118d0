//! Ends generations whose files were deleted, closes deleted files that all consumers have read, records lost bytes,
//! and removes expired rows.

use std::collections::HashSet;
use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::directory_check::{DirectoryChecks, RecordedDirectory};
use super::follower::{Follower, Phase};
use super::notices::{self, Topic};
use super::truncation::COPY_SEARCH_TIME;
use crate::event::status::FileState;
use crate::event::{FileId, FileKey, GenerationId, Level};
use crate::state::{GenerationRow, TimeSinceEnd};

/// A file without a name is closed when it has not grown for this long.
pub(in crate::follow) const UNLINKED_QUIET_LIMIT: Duration = Duration::from_secs(300);
/// Rows of ended generations that were read completely are kept this long.
const ROW_RETENTION: Duration = Duration::from_secs(30 * 86_400);

impl Follower {
    /// Ends files without a name that have been quiet for long, and closes them once all consumers have read them.
    pub fn close_unlinked_files(&mut self) {
        let now = self.now();
        let is_over = |tracked: &Tracked| {
            let is_identified = matches!(tracked.stage, Stage::Live | Stage::Ended);
            // It was always empty, or nothing could be unpacked.
            let empty = tracked.is_undecided() && tracked.size == 0 && !tracked.is_being_unpacked();
            let quiet = tracked.quiet_for(now) >= UNLINKED_QUIET_LIMIT;
            tracked.is_nameless() && !tracked.is_segment && quiet && (is_identified || empty)
        };
        let attended = self.catalog.needing_attention();
        let ids = attended.into_iter().filter(|id| self.catalog.get(*id).is_some_and(is_over));
        for id in ids.collect::<Vec<_>>() {
            let Some(tracked) = self.catalog.get_mut(id) else { continue };
            if tracked.is_undecided() {
                self.stop_following(id);
                continue;
            }
            if tracked.stage == Stage::Live {
                tracked.stage = Stage::Ended;
                tracked.handle.update(|known| {
                    known.complete = true;
                    known.facts.state = FileState::Ended;
                });
                self.shared.notify_changes();
            }
            let Some(row) = tracked.row.clone() else { continue };
            let is_read = self.is_read_by_all(&row);
            if is_read && row.rest.is_some() {
                self.drop_rest(id);
            } else if is_read {
                self.close_file(id);
            } else {
                self.read_from_rest(id);
            }
        }
    }

    /// A file was deleted while it was closed to save descriptors: its unread bytes are lost, unless they were kept in
    /// the intake or a copy appears.
    pub fn handle_vanished_file(&mut self, id: FileId) {
        let (now, time) = (self.now(), self.shared.clock.now());
        let rest = self.open_rest(id);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        tracked.links = 0;
        let was_kept = rest.is_some();
        tracked.handle.update(|known| {
            known.facts.state = FileState::Ended;
            known.complete = was_kept;
        });
        let Some(row) = &mut tracked.row else { return self.stop_following(id) };
        row.ended = Some(time);
        tracked.stage =
            if was_kept { Stage::Ended } else { Stage::AwaitingCopy(now + COPY_SEARCH_TIME) };
        self.pending.change(id);
        self.catalog.continue_in(id, rest);
        self.shared.notify_changes();
    }

    /// Closes the file; its row stays.
    pub fn close_file(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let Some(row) = tracked.row.clone() else { return };
        let time = self.shared.clock.now();
        self.stop_following(id);
        self.keep_row_without_file(GenerationRow { ended: row.ended.or(Some(time)), ..row });
    }

    /// Stores the row of a generation that has no open file.
    pub fn keep_row_without_file(&mut self, row: GenerationRow) {
        if let Some(store) = self.shared.store.get() {
            store.put_generation(row.clone());
        }
        self.shared.set_without_file(row);
        self.shared.notify_changes();
    }

    /// All consumers have read the generation. If none keeps cursors in the state, only the bytes that were handed out
    /// are known.
    pub fn is_read_by_all(&self, row: &GenerationRow) -> bool {
        let handed =
            || self.shared.handle_of(row.id).map(|handle| handle.decode_state().handed_out);
        match self.shared.has_unread(row) {
            Some(behind) => !behind,
            None => handed().is_none_or(|handed| handed >= row.end()),
        }
    }

    /// Reports a loss that a reader has found, and stores it in the row of the generation.
    pub fn record_loss(&mut self, id: FileId) {
        let time = self.shared.clock.now();
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let lost = tracked.handle.known().largest_gap;
        let Some(row) = tracked.row.as_mut().filter(|_| lost > 0) else { return };
        // An earlier run may have counted it for another consumer.
        self.shared.note_loss(row, lost);
        if lost <= row.lost {
            return;
        }
        row.lost = lost;
        let text = match row.rest {
            Some(_) => notices::deleted(&row.path, lost),
            None => notices::truncated(&row.path, lost),
        };
        self.shared.board.post(Topic::Truncated(row.path.clone()), Level::Error, time, text);
        self.pending.change(id);
        self.shared.notify_changes();
    }

    /// At the end of the process: bytes that can never be read any more are lost, even if no reader has reached them.
    pub fn record_unreachable_losses(&mut self) {
        let over = |tracked: &Tracked| {
            let ended = matches!(tracked.stage, Stage::Ended | Stage::AwaitingCopy(_));
            ended && !tracked.handle.has_bytes()
        };
        let open_rows =
            self.identified_files().filter(|tracked| over(tracked)).filter_map(|t| t.row.clone());
        let rows: Vec<GenerationRow> = open_rows.collect();
        for row in rows {
            if let Some(slowest) =
                self.shared.lowest_offset(&GenerationRow { ended: None, ..row.clone() })
                && slowest < row.end()
            {
                let lost = row.end() - slowest;
                self.shared.note_loss(&row, lost);
                self.keep_row_without_file(GenerationRow { lost: row.lost.max(lost), ..row });
            }
        }
        self.persist();
    }

    /// Ends generations of the sources for which no file was found although every directory could be read. Waits a
    /// moment for copies first.
    pub fn end_rows_without_file(&mut self) {
        let Phase::Following { since } = self.phase else { return };
        let must_wait = !self.shared.once() && self.now() < since + COPY_SEARCH_TIME;
        if must_wait || self.shared.without_file().is_empty() {
            return;
        }
        let rows = self.rows_without_file(|id| !self.shared.is_orphan(id));
        let mut checks = DirectoryChecks::default();
        let mut changed = false;
        for row in &rows {
            let mut directory_exists =
                |row| checks.directory_exists(row, &mut self.listings.borrow_mut());
            if !self.may_still_exist(row) && directory_exists(row) {
                self.end_row(row);
                changed = true;
            }
        }
        if changed {
            self.shared.notify_changes();
        }
    }

    /// Copies of rows that have no file and have not ended.
    pub fn rows_without_file(&self, wanted: impl Fn(GenerationId) -> bool) -> Vec<GenerationRow> {
        let unheld_rows = self.shared.without_file();
        let rows = unheld_rows.values().filter(|row| row.ended.is_none());
        let rows =
            rows.filter(|row| self.catalog.by_generation(row.id).is_none() && wanted(row.id));
        rows.cloned().collect()
    }

    fn end_row(&self, row: &GenerationRow) {
        let ended = Some(self.shared.clock.now());
        let row = GenerationRow { ended, ..row.clone() };
        if let Some(store) = self.shared.store.get() {
            store.put_generation(row.clone());
        }
        let id = row.id;
        if let Some(stored) = self.shared.without_file().get_mut(&id) {
            *stored = row;
        }
        // Tells waiting readers that no more bytes will come.
        self.shared.mark(id);
    }

    /// Ends orphans (generations that no source matches) whose file is no longer in its directory. Scans do not
    /// search for these files.
    fn end_orphans(&mut self) {
        let rows = self.rows_without_file(|id| self.shared.is_orphan(id));
        let mut checks = DirectoryChecks::default();
        let mut changed = false;
        for row in rows.iter().filter(|row| row.rest.is_none()) {
            let listings = &mut self.listings.borrow_mut();
            let file = row.file_key();
            let is_held = self.catalog.by_file_key(file).is_some();
            if is_held || !checks.directory_exists(row, listings) {
                continue;
            }
            if matches!(listings.find(RecordedDirectory::of(row).directory, file), Ok(None)) {
                self.end_row(row);
                self.report_ended_orphan(row);
                changed = true;
            }
        }
        if changed {
            self.shared.notify_changes();
        }
    }

    fn report_ended_orphan(&self, row: &GenerationRow) {
        let topic = Topic::Orphan(row.id);
        let unread = self.shared.lowest_offset(row).map_or(0, |at| row.end().saturating_sub(at));
        if unread == 0 {
            self.shared.board.withdraw(&topic);
            return;
        }
        let text = notices::orphan_deleted(&row.path, &row.source, unread);
        self.shared.board.post(topic, Level::Warning, self.shared.clock.now(), text);
    }

    /// A file of the generation may still exist: it is not opened, unpacked or identified yet (and not shorter than the
    /// mark), or was closed. Also if unread bytes were kept in the intake.
    fn may_still_exist(&self, row: &GenerationRow) -> bool {
        let here = self.catalog.by_file_key(row.file_key());
        let undecided = here.is_some_and(|t| t.is_undecided() && t.size >= row.mark.offset);
        row.rest.is_some()
            || self.is_unpacking()
            || self.scan_state.unopened.contains(&row.file_key().inode)
            || undecided
            || self.is_closed_compressed(row)
            || row.unfinished.is_some() && self.is_held_by_undecided(row)
    }

    /// A file that is not identified yet holds all known bytes of the generation.
    fn is_held_by_undecided(&self, row: &GenerationRow) -> bool {
        let undecided = self.catalog.iter().filter(|(_, tracked)| tracked.is_undecided());
        undecided.filter_map(|(_, t)| t.file()).any(|file| self.holds_generation(&file, row))
    }

    /// Removes rows of ended generations that all consumers have read and whose files have been missing for long.
    pub fn expire_rows(&mut self) {
        if !self.schedule.expiry_is_due(self.now()) {
            return;
        }
        self.end_orphans();
        let time = self.shared.clock.now();
        let Some(store) = self.shared.store.get().cloned() else { return };
        let mut old = Vec::new();
        // A compressed file that was read and still exists would be read again without its row.
        let closed: HashSet<FileKey> = self.scan_state.closed_compressed_files().collect();
        let mut unheld_rows = self.shared.without_file();
        let is_due = |row: &GenerationRow| !row.absence.is_some_and(|it| it.was_counted(time));
        let over = unheld_rows.values_mut().filter(|row| row.ended.is_some() && is_due(row));
        for row in over.filter(|row| !closed.contains(&row.file_key())) {
            let absence = row.absence.map_or(TimeSinceEnd::at(time), |before| before.counted(time));
            row.absence = Some(absence);
            match absence.long >= ROW_RETENTION {
                true => old.push(row.clone()),
                false => store.put_generation(row.clone()),
            }
        }
        drop(unheld_rows);
        for row in old {
            // No consumer reads an orphan, so its row would stay forever. If unread bytes of it are kept, it waits for
            // a source.
            let is_given_up = self.shared.is_orphan(row.id) && row.rest.is_none();
            if is_given_up || self.is_read_by_all(&row) {
                self.remove_rest(row.id);
                store.remove_generation(row.id);
                self.catalog.history.remove(row.id);
                self.shared.forget(row.id);
            }
        }
    }
}

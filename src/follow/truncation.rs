//! Handles truncated files: the generation ends at its mark and continues in its copy, if there is one.
//!
//! Whether there is a copy is decided once, for all consumers. Without a copy the unread bytes are lost, and each
//! consumer that reaches them counts its loss.

use std::sync::Arc;
use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::follower::Follower;
use super::identity::{Head, mark_at};
use super::notices::{self, Topic};
use super::origin::Origin;
use super::symlinks;
use crate::base::timed_fs::File;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::state::GenerationRow;

/// How long a copy is searched for after the truncation.
pub(in crate::follow) const COPY_SEARCH_TIME: Duration = Duration::from_secs(2);

impl Follower {
    /// Ends the generation of a truncated file at its mark; a new generation begins in the file.
    pub fn handle_truncation(&mut self, id: FileId) {
        let (now, time) = (self.now(), self.shared.clock.now());
        let rest = self.open_rest(id);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let Some(file) = tracked.file() else { return };
        let was_kept = rest.is_some();
        tracked.handle.update(|known| {
            known.facts.state = FileState::Ended;
            known.complete = was_kept;
        });
        tracked.stage = match was_kept {
            // Deleted before: its kept rest serves as its copy.
            true => Stage::Ended,
            false => {
                Stage::AwaitingCopy(if self.shared.once() { now } else { now + COPY_SEARCH_TIME })
            }
        };
        if let Some(row) = &mut tracked.row {
            row.ended = Some(time);
            self.pending.change(id);
        }
        let (source, origin) = (tracked.source, tracked.origin);
        let path = tracked.handle.path();
        self.catalog.continue_in(id, rest);
        // The file is open, so only its metadata can fail to be read; then the next scan finds the file.
        match self.track(file, source, &path, origin) {
            // All its bytes were written while the file was followed.
            Ok(new) => self.catalog.get_mut(new).into_iter().for_each(|new| new.existing_bytes = 0),
            Err(_) => self.schedule.scan_at(now),
        }
        if !was_kept {
            self.search_copy_of(id);
        }
        self.shared.notify_changes();
    }

    /// Searches for copies of generations that were truncated a moment ago.
    pub fn search_awaited_copies(&mut self) {
        let now = self.now();
        for id in self.catalog.needing_attention() {
            let Some(Stage::AwaitingCopy(until)) = self.catalog.get(id).map(|t| t.stage) else {
                continue;
            };
            self.search_copy_of(id);
            let keeps_waiting = self.is_unpacking() || now < until;
            if !keeps_waiting
                && self.catalog.get(id).is_some_and(|t| t.stage == Stage::AwaitingCopy(until))
            {
                self.end_without_copy(id);
            }
        }
    }

    /// Ends a truncated generation for which no copy was found: its unread bytes are lost.
    fn end_without_copy(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        tracked.stage = Stage::Ended;
        tracked.handle.update(|known| known.complete = true);
        let row = tracked.row.clone();
        self.report_destroyed(row.as_ref());
        self.shared.remove_file(id);
        self.shared.notify_changes();
    }

    /// Reports how many bytes are lost for the slowest consumer, if any. Consumers may still deliver events that they
    /// hold in memory: each counts its loss when it reaches the lost bytes.
    fn report_destroyed(&self, row: Option<&GenerationRow>) {
        let Some(row) = row else { return };
        let slowest = self.shared.lowest_offset(&GenerationRow { ended: None, ..row.clone() });
        let (level, text) = match slowest.filter(|slowest| *slowest < row.end()) {
            Some(slowest) => (Level::Warning, notices::destroyed(&row.path, row.end() - slowest)),
            None => (Level::Info, notices::emptied(&row.path)),
        };
        let topic = Topic::Truncated(row.path.clone());
        self.shared.board.post(topic, level, self.shared.clock.now(), text);
    }

    /// Searches for a copy among the undecided files and beside the truncated one.
    fn search_copy_of(&mut self, id: FileId) {
        self.open_copies_beside(id);
        let undecided = self.undecided_files();
        // A file that is being unpacked may turn out to be a larger copy.
        let unpacking =
            |other: &FileId| self.catalog.get(*other).is_some_and(Tracked::is_unpacking);
        if undecided.iter().any(unpacking) {
            return;
        }
        let best = undecided
            .into_iter()
            .filter(|other| *other != id && self.fits_as_copy(id, *other))
            .max_by_key(|other| self.catalog.get(*other).map(|t| (t.size, t.birth)));
        if let Some(copy) = best {
            self.continue_in_copy(id, copy);
        }
    }

    /// Opens possible copies with rotated names; they need not match any configured path.
    fn open_copies_beside(&mut self, id: FileId) {
        let Some(original) = self.catalog.get(id) else { return };
        let Some(row) = original.row.clone() else { return };
        let grown = original.handle.known().facts.last_growth;
        let fits = |follower: &Follower, file: &File| follower.has_head_and_mark(id, file);
        self.open_candidates(original.source, &row, grown.minus(COPY_SEARCH_TIME), &fits);
    }

    /// Whether `candidate` can be the copy: it is undecided, another file, and has the head and mark of the original.
    fn fits_as_copy(&self, id: FileId, candidate: FileId) -> bool {
        let (Some(original), Some(candidate)) = (self.catalog.get(id), self.catalog.get(candidate))
        else {
            return false;
        };
        let (Some(row), Some(file)) = (&original.row, candidate.file()) else { return false };
        let other_file = candidate
            .file_key()
            .is_some_and(|key| key != row.identity.file_key() && key != row.file_key());
        candidate.is_undecided()
            && candidate.is_fully_unpacked()
            && other_file
            && self.has_head_and_mark(id, &file)
            && self.is_copy(original, candidate, &file)
    }

    /// Whether the file has the known content of the original, except perhaps its last bytes, and either a related
    /// name, or no other file has this content.
    fn is_copy(&self, original: &Tracked, tracked: &Tracked, file: &File) -> bool {
        let Some(row) = &original.row else { return false };
        let Ok(Some(mark)) = self.shared_mark(original, file) else { return false };
        let (one, other) = (original.handle.path(), tracked.handle.path());
        symlinks::are_related(&one, &other)
            || symlinks::are_related(&row.first_path, &other)
            || self.is_unique(&row.identity, &mark).unwrap_or(false)
    }

    /// Whether the file has the head and a mark of the original.
    fn has_head_and_mark(&self, id: FileId, file: &File) -> bool {
        let Some(original) = self.catalog.get(id) else { return false };
        let Some(row) = &original.row else { return false };
        Head::read(file).is_ok_and(|head| head.matches(&row.identity, self.key()))
            && matches!(self.shared_mark(original, file), Ok(Some(_)))
    }

    /// Continues the generation in this copy, at the same offsets.
    pub fn continue_in_copy(&mut self, id: FileId, copy: FileId) {
        let key = *self.key();
        let Some(copied) = self.catalog.get(copy) else { return };
        let (file, place, birth) = (copied.file(), copied.place(), copied.birth);
        let (path, compressed, links) =
            (copied.handle.path(), copied.compressed.clone(), copied.links);
        let Some(file) = file else { return };
        // At the last check, the copy may have been incomplete.
        let Ok(size) = file.metadata().map(|metadata| metadata.len()) else { return };
        let Ok(Some(end)) = mark_at(&file, size, &key) else { return };
        let pins = self.catalog.get_mut(copy).and_then(|copied| copied.descriptor_pins.take());
        self.stop_following(copy);
        self.catalog.set_place(id, place, birth);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        // Nothing is ever appended to the copy of a truncated file, nor to a compressed file.
        let is_complete = matches!(tracked.stage, Stage::AwaitingCopy(_)) || compressed.is_some();
        let moved = tracked.file_key();
        let Some(row) = &mut tracked.row else { return };
        // The bytes are available again in the copy.
        row.ended = None;
        let seen = row.end().max(size);
        row.mark = end;
        row.reached = if size < seen { seen } else { 0 };
        row.set_path(&path);
        row.device = place.map_or(row.device, |place| place.device);
        row.moved = moved.filter(|file| *file != row.identity.file_key());
        let (generation, start) = (row.id, row.start);
        // Held until the copy has replaced the file, so that readers see either the old or the new file.
        let front = tracked.handle.decode_state();
        tracked.handle.replace_file(Some(file));
        tracked.handle.update(|known| {
            known.facts.path = path.clone();
            known.facts.size = seen;
            known.facts.begin = 0;
            known.facts.start = start;
            known.facts.state = if is_complete { FileState::Ended } else { FileState::Rotated };
            known.mark = end;
            known.available = size;
            known.complete = is_complete;
        });
        drop(front);
        tracked.push_mark(end);
        tracked.size = size;
        tracked.last_growth = self.shared.clock.uptime();
        tracked.links = links;
        (tracked.compressed, tracked.descriptor_pins) = (compressed, pins);
        tracked.stage = match tracked.stage {
            // Published once its row is durable.
            Stage::AwaitingCommit => Stage::AwaitingCommit,
            _ if is_complete => Stage::Ended,
            _ => Stage::Live,
        };
        let handle: Arc<_> = tracked.handle.clone();
        handle.count_open_file();
        if let Some(moved) = moved {
            self.catalog.history.move_to(generation, moved);
        }
        self.pending.change(id);
        self.update_real_path(id, &path);
        self.shared.notify_changes();
    }

    /// A file that was taken for an incomplete copy has grown, so it is a file of its own: it is tracked separately.
    pub fn split_from_grown_copy(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let (Some(file), Some(_)) = (tracked.file(), tracked.place()) else { return };
        let (source, path) = (tracked.source, tracked.handle.path());
        let birth = tracked.birth;
        self.catalog.set_place(id, None, birth);
        if self.track(file, source, &path, Origin::Path).is_err() {
            self.schedule.scan_at(self.now());
        }
    }
}

//! Follows compressed files through unpacked copies of their content.
//!
//! A compressed file is identified once its copy is complete: the copy of a rotated file continues its generation at
//! the same offsets, any other is a new generation. A compressed file is never appended to: if it changes, it is
//! unpacked again.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::compressed::{Compression, MAGIC};
use super::follower::Follower;
use super::identify::COPY_QUIET_TIME;
use super::identity::Head;
use super::identity::{self, DeviceInode};
use super::idle_copies::has_waiting_reader;
use super::notices::{self, Topic};
use super::positioned_read::read_full;
use super::unpacker::{CHUNK, CompressedFile, MAX_COPY_BYTES, Progress};
use crate::event::{FileId, FileKey, Level};
use crate::state::GenerationRow;

/// Delay before unpacking is tried again, after it failed or there was no space for the copy.
const RETRY_DELAY: Duration = Duration::from_secs(5);

impl Follower {
    /// Starts to unpack the file if it is compressed.
    pub fn unpack_if_compressed(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id).filter(|t| t.compressed.is_none()) else { return };
        let Some(file) = tracked.file() else { return };
        let mut magic = [0; MAGIC];
        let read = read_full(&file, &mut magic, 0).unwrap_or(0);
        let Some(compression) = Compression::of(&magic[..read]) else { return };
        // The file and its copy stay open while it is followed.
        let pins = self.shared.descriptors.pin(2);
        let pins = pins.or_else(|error| match self.close_read_compressed_file(|_| true) {
            true => self.shared.descriptors.pin(2),
            false => Err(error),
        });
        let added = pins.and_then(|pins| Ok((self.unpacker.add(id, file, compression)?, pins)));
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        match added {
            Ok((compressed, pins)) => {
                tracked.descriptor_pins = Some(pins);
                (tracked.size, tracked.first_size) = (0, 0);
                tracked.handle.replace_file(Some(compressed.copy.clone()));
                tracked.handle.update(|known| (known.facts.size, known.available) = (0, 0));
                tracked.compressed = Some(compressed);
                self.shared.unpacking.store(true, Ordering::Release);
            }
            Err(error) => {
                let once = self.shared.once();
                self.report_compressed(id, Level::Error, |path| match error.raw_os_error() {
                    Some(23 | 24) => notices::no_descriptors_to_unpack(path, once),
                    _ => notices::no_copy(path, &error),
                });
                self.note_unopened(id);
            }
        }
    }

    /// As [`Follower::check_file`], for a compressed file: checks whether it has changed and how far it is unpacked.
    /// Returns whether readers see a change.
    pub fn check_compressed(&mut self, id: FileId, compressed: &Arc<CompressedFile>) -> bool {
        if self.catalog.get(id).is_some_and(|tracked| tracked.handle.is_idle()) {
            return self.check_idle_copy(id, compressed);
        }
        let now = self.now();
        let original = match compressed.original.metadata() {
            Ok(original) => original,
            Err(error) => return self.report_access_error(id, &error),
        };
        self.clear_access_error(id);
        let Some(tracked) = self.catalog.get_mut(id) else { return false };
        tracked.links = original.nlink();
        let size = compressed.copy.metadata().map_or(0, |copy| copy.len());
        let progress = compressed.progress();
        let version = compressed.version_now();
        let changed = version != compressed.version() && progress != Progress::Unfinished;
        if size != tracked.size || std::mem::replace(&mut tracked.version, version) != version {
            (tracked.size, tracked.last_growth) = (size, now);
        } else if changed {
            // Two checks with the same version: the writer has finished.
            self.unpack_again(id, compressed);
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return true };
        if !tracked.is_undecided() {
            return false;
        }
        self.work.to_identify.insert(id);
        tracked.handle.update(|known| std::mem::replace(&mut known.facts.size, size) != size)
    }

    /// Unpacks the file again, because it has changed; its generation is then identified again.
    pub fn unpack_again(&mut self, id: FileId, compressed: &Arc<CompressedFile>) {
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let Some(row) = tracked.row.clone() else {
            tracked.retry_unpacking_at = None;
            self.shared.unpacking.store(true, Ordering::Release);
            return self.unpacker.unpack_again(id, compressed);
        };
        if tracked.stage == Stage::AwaitingCommit {
            return;
        }
        let (source, origin) = (tracked.source, tracked.origin);
        let path = tracked.handle.path();
        self.set_partly_unpacked(id, false);
        self.stop_following(id);
        self.keep_row_without_file(row);
        if self.track(compressed.original.clone(), source, &path, origin).is_err() {
            self.schedule.scan_at(self.now());
        }
    }

    /// Whether the file can be identified now: it is not compressed, or its copy has enough content. Otherwise reports
    /// the problem, if there is one, and unpacks it again if that may help. `last_call`: nothing more will be written.
    pub fn is_ready_to_classify(&mut self, id: FileId, last_call: bool) -> bool {
        let now = self.now();
        let Some(tracked) = self.catalog.get(id) else { return false };
        let Some(compressed) = tracked.compressed.clone() else { return true };
        let (size, progress) = (compressed.size(), compressed.progress());
        // When unpacking ends, a hint causes another check of the file.
        let is_seen = || compressed.copy.metadata().is_ok_and(|copy| copy.len() == tracked.size);
        match progress {
            Progress::Unfinished => false,
            Progress::Complete | Progress::Cut | Progress::Corrupt(_) if !is_seen() => false,
            Progress::Complete => {
                let path = tracked.handle.known().facts.path.to_path_buf();
                self.shared.board.withdraw(&Topic::Packed(path));
                self.set_partly_unpacked(id, false);
                true
            }
            Progress::Cut if !last_call && tracked.quiet_for(now) < COPY_QUIET_TIME => false,
            // For standard input this is reported when the input has ended.
            Progress::Cut | Progress::Corrupt(_) if tracked.is_segment => true,
            Progress::Cut => {
                self.set_partly_unpacked(id, true);
                self.report_compressed(id, Level::Warning, |path| notices::cut_short(path, size));
                true
            }
            Progress::Corrupt(reason) => {
                self.set_partly_unpacked(id, true);
                self.report_compressed(id, Level::Error, |path| {
                    notices::corrupt(path, size, &reason)
                });
                true
            }
            // It has all the space for copies and still does not fit.
            Progress::Full if size + CHUNK as u64 >= MAX_COPY_BYTES => {
                self.set_partly_unpacked(id, true);
                self.report_compressed(id, Level::Error, |path| notices::too_large(path, size));
                true
            }
            Progress::Full => {
                let used = self.unpacker.used() - size;
                self.report_compressed(id, Level::Warning, |path| notices::no_room(path, used));
                self.note_unopened(id);
                self.retry_unpacking(id, &compressed);
                false
            }
            Progress::Failed(reason) => {
                self.report_compressed(id, Level::Error, |path| notices::no_copy(path, &reason));
                self.note_unopened(id);
                self.retry_unpacking(id, &compressed);
                false
            }
        }
    }

    /// Frees the space of the copy and unpacks the file again later, or at once if other copies could be freed.
    pub fn retry_unpacking(&mut self, id: FileId, compressed: &Arc<CompressedFile>) {
        let now = self.now();
        let freed_space =
            self.free_any_copy() || self.close_read_compressed_file(|t| !t.handle.is_idle());
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let at = *tracked.retry_unpacking_at.get_or_insert_with(|| {
            compressed.empty();
            now + RETRY_DELAY
        });
        if freed_space || now >= at {
            tracked.retry_unpacking_at = None;
            self.unpacker.unpack_again(id, compressed);
        }
    }

    /// Closes one compressed file that all consumers have read, with its copy and its descriptors. `false`: there is
    /// none.
    fn close_read_compressed_file(&mut self, wanted: impl Fn(&Tracked) -> bool) -> bool {
        let once = self.shared.config.once;
        let read = |tracked: &&Tracked| {
            // In a `--once` run, nothing is read before the end of the first pass.
            let known = tracked.stage == Stage::AwaitingCommit && self.shared.once();
            let is_over = tracked.stage == Stage::Ended || known;
            let row = tracked.row.as_ref().filter(|_| is_over && !tracked.is_being_unpacked());
            tracked.compressed.is_some()
                && (once || !tracked.is_segment)
                && wanted(tracked)
                && row.is_some_and(|row| self.is_read_by_all(row))
        };
        let files = self.catalog.iter().map(|(_, tracked)| tracked);
        let Some(tracked) = files.into_iter().find(read) else { return false };
        let id = tracked.handle.id;
        self.remember_closed_compressed(id);
        match once {
            true => self.close_file(id),
            // The file still exists, and is opened again for consumers that have not read it.
            false => self.release_file(id),
        }
        true
    }

    /// `--once`: closes files that all consumers have read and unpacks files that had no descriptors, until none is
    /// left that can be closed. So several runs may be needed to read all files.
    pub fn unpack_deferred(&mut self) {
        if !self.shared.once() || !self.any_attended(|tracked| tracked.compressed.is_some()) {
            return;
        }
        loop {
            let waiting =
                self.undecided_files().into_iter().filter(|id| self.is_still_compressed(*id));
            let waiting: Vec<FileId> = waiting.collect();
            if waiting.is_empty() || !self.close_read_compressed_file(|_| true) {
                return;
            }
            while self.close_read_compressed_file(|_| true) {}
            for id in waiting {
                let place = self.catalog.get(id).and_then(|tracked| tracked.place());
                self.scan_state
                    .unopened
                    .retain(|inode| Some(*inode) != place.map(|place| place.inode));
                self.unpack_if_compressed(id);
            }
            self.shared.unopened.store(self.scan_state.unopened.len(), Ordering::Relaxed);
            self.finish_unpacking_for_once();
            self.bind_known();
        }
    }

    fn is_still_compressed(&self, id: FileId) -> bool {
        let tracked = self.catalog.get(id).filter(|tracked| tracked.compressed.is_none());
        let head = tracked.and_then(Tracked::file).map(|file| Head::read(&file));
        head.is_some_and(|head| head.is_ok_and(|head| head.compression().is_some()))
    }

    /// Counts the file as not opened, so that a `--once` run does not report success.
    fn note_unopened(&mut self, id: FileId) {
        let place = self.catalog.get(id).and_then(|tracked| tracked.place());
        self.scan_state.unopened.extend(place.map(|place| place.inode));
        self.shared.unopened.store(self.scan_state.unopened.len(), Ordering::Relaxed);
    }

    /// Remembers a file that is being closed, so that it is not opened again while it is unchanged.
    pub fn remember_closed_compressed(&mut self, id: FileId) {
        let compressed = self.catalog.get(id).and_then(|tracked| tracked.compressed.clone());
        // The metadata of the original, not of the copy.
        let metadata =
            compressed.as_ref().and_then(|compressed| compressed.original.metadata().ok());
        if let (Some(metadata), Some(compressed)) = (metadata, compressed) {
            let version = (identity::birth(&metadata), compressed.version());
            self.scan_state.closed_compressed.insert(DeviceInode::of(&metadata), version);
        }
    }

    /// Whether the file of this generation was closed after all consumers had read it, and still exists unchanged.
    pub fn is_closed_compressed(&self, row: &GenerationRow) -> bool {
        let file = row.file_key();
        self.scan_state.closed_compressed_files().any(|closed| closed == file)
    }

    /// Reopens closed files that a consumer added later has not read.
    pub fn reopen_for_new_readers(&mut self) {
        if self.scan_state.closed_compressed.is_empty() {
            return;
        }
        let closed: HashSet<FileKey> = self.scan_state.closed_compressed_files().collect();
        let gone = self.shared.without_file();
        let rows = gone.values().filter(|row| closed.contains(&row.file_key()));
        let rows: Vec<GenerationRow> = rows.cloned().collect();
        drop(gone);
        let unread = rows.iter().filter(|row| !self.is_read_by_all(row));
        let unread: HashSet<FileKey> = unread.map(GenerationRow::file_key).collect();
        if !unread.is_empty() {
            self.scan_state
                .closed_compressed
                .retain(|place, (birth, _)| !unread.contains(&place.file(*birth)));
            // Scan at once, or the generations would count as missing.
            self.scan();
        }
    }

    /// Records whether the file could be unpacked only partly.
    pub fn set_partly_unpacked(&mut self, id: FileId, is_partly: bool) {
        let _ = if is_partly {
            self.scan_state.partly_unpacked.insert(id)
        } else {
            self.scan_state.partly_unpacked.remove(&id)
        };
        self.shared.torn.store(self.scan_state.partly_unpacked.len(), Ordering::Relaxed);
    }

    /// Posts a notice about the file, in place of an earlier one.
    pub fn report_compressed(&self, id: FileId, level: Level, text: impl FnOnce(&Path) -> String) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let path = tracked.handle.path();
        let (topic, time) = (Topic::Packed(path.to_path_buf()), self.shared.clock.now());
        if self.shared.board.post(topic, level, time, text(&path)) {
            self.shared.notify_changes();
        }
    }

    /// Whether one of the files that need attention is wanted.
    fn any_attended(&mut self, wanted: impl Fn(&Tracked) -> bool) -> bool {
        let attended = self.catalog.needing_attention();
        attended.into_iter().filter_map(|id| self.catalog.get(id)).any(wanted)
    }

    /// Some compressed files are not unpacked yet: any of them may hold the remaining bytes of any generation.
    pub fn is_unpacking(&self) -> bool {
        self.shared.unpacking.load(Ordering::Acquire)
    }

    /// Checks all uncompressed files before a compressed file is identified: its original may have been truncated or
    /// deleted since its last check.
    pub fn check_possible_originals(&mut self) {
        let is_next = |tracked: &Tracked| {
            let compressed =
                tracked.compressed.as_ref().filter(|_| tracked.stage == Stage::Unidentified);
            compressed.is_some_and(|p| p.progress() == Progress::Complete && p.size() > 0)
        };
        if !self.is_unpacking() || !self.any_attended(is_next) {
            return;
        }
        let plain = |tracked: &&Tracked| tracked.compressed.is_none() && tracked.place().is_some();
        let files = self.catalog.iter().map(|(_, tracked)| tracked);
        let ids: Vec<FileId> = files.filter(plain).map(|tracked| tracked.handle.id).collect();
        for id in ids {
            self.check_file(id);
        }
    }

    /// Ends the state [`Follower::is_unpacking`] when no file has to be unpacked any more.
    pub fn check_unpacking_finished(&mut self) {
        let (once, now) = (self.shared.once(), self.now());
        let waits = |tracked: &Tracked| {
            let Some(compressed) = &tracked.compressed else { return false };
            match (tracked.stage, compressed.progress()) {
                // Nothing is read before the end of the first pass.
                (Stage::AwaitingCommit, _) => !once,
                (Stage::Ended, _) => has_waiting_reader(tracked, compressed),
                // An empty copy is never identified.
                (Stage::Unidentified, Progress::Complete | Progress::Corrupt(_)) => {
                    compressed.size() > 0
                }
                (Stage::Unidentified, Progress::Cut) => {
                    compressed.size() > 0 || tracked.quiet_for(now) < COPY_QUIET_TIME
                }
                (Stage::Unidentified, _) => true,
                (stage, progress) => {
                    stage == Stage::PossibleCopy && progress == Progress::Unfinished
                }
            }
        };
        if self.is_unpacking() && !self.any_attended(waits) {
            self.shared.unpacking.store(false, Ordering::Release);
            // Generations without a file can be ended now.
            self.end_rows_without_file();
            self.shared.mark_all();
            self.shared.notify_changes();
        }
    }

    /// `--once`: unpacks all compressed files before any file is identified.
    pub fn finish_unpacking_for_once(&mut self) {
        if !self.shared.once() {
            return;
        }
        // A file that was unpacked while standard input was open may have grown since: two checks find that, and it is
        // unpacked again.
        for _ in 0..3 {
            self.unpacker.wait_until_done();
            for id in self.catalog.ids() {
                if self.catalog.get(id).is_some_and(|tracked| tracked.compressed.is_some()) {
                    self.check_file(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

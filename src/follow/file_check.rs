//! Checks whether one open file has grown, was truncated or cannot be accessed any more.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use super::catalog::Stage;
use super::follower::Follower;
use super::identity;
use super::rotated_names::directory_of;
use crate::base::timed_fs::{self, File};
use crate::event::FileId;

impl Follower {
    /// Checks size and times of the open file. Returns whether readers see a change.
    pub fn check_file(&mut self, id: FileId) -> bool {
        let now = self.now();
        let Some(tracked) = self.catalog.get(id) else { return false };
        let coverage = tracked.real_path().and_then(|path| self.watch.coverage(directory_of(path)));
        let next = tracked.next_check_after(now, coverage);
        self.catalog.check_at(id, next);
        let Some(tracked) = self.catalog.get(id) else { return false };
        if let Some(compressed) = tracked.compressed.clone() {
            return self.check_compressed(id, &compressed);
        }
        let metadata = match tracked.handle.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return self.report_access_error(id, &error),
        };
        self.clear_access_error(id);
        let Some(tracked) = self.catalog.get(id) else { return false };
        let size = self.shared.stdin_progress.size_of(&metadata);
        let unchanged = size == tracked.size && metadata.modified().ok() == tracked.modified;
        let links = metadata.nlink();
        // An earlier check saw the growth but could not handle it (full disk, failed read).
        let growth_unhandled = tracked.stage == Stage::Live
            && tracked.row.as_ref().is_some_and(|row| row.mark.offset != size);
        let is_handled = unchanged && !growth_unhandled && !tracked.handle.has_mismatch();
        if is_handled && links == tracked.links {
            return false;
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return false };
        tracked.links = links;
        if is_handled {
            return false;
        }
        let Ok(Some(file)) = tracked.handle.open_file() else { return false };
        tracked.size = size;
        tracked.modified = metadata.modified().ok();
        tracked.last_growth = now;
        self.catalog.check_at(id, now + Duration::from_millis(250));
        let Some(tracked) = self.catalog.get(id) else { return false };
        if tracked.row.is_some() && tracked.stage != Stage::AwaitingCommit {
            return self.compare(id, &file);
        }
        let time = self.shared.clock.now();
        tracked.handle.take_mismatch();
        self.work.to_identify.insert(id);
        if tracked.stage != Stage::AwaitingCommit {
            tracked.handle.update(|known| {
                known.facts.size = size;
                known.facts.last_growth = time;
            });
        }
        true
    }

    /// Records that the open file cannot be accessed, or that its mount does not answer. Returns whether readers see a
    /// change.
    pub fn report_access_error(&mut self, id: FileId, error: &io::Error) -> bool {
        let Some(tracked) = self.catalog.get(id) else { return false };
        if error.kind() == io::ErrorKind::NotFound {
            // Closed to save descriptors, and renamed or deleted meanwhile: the scan handles it.
            if tracked.handle.parked().is_some() {
                self.schedule.hint_scan();
            }
            return false;
        }
        if timed_fs::is_stale(error) && tracked.compressed.is_none() {
            self.park_stale_file(id);
            return true;
        }
        let time = self.shared.clock.now();
        tracked.handle.update(|known| {
            if timed_fs::is_stuck(error) {
                return known.facts.stuck.replace(known.facts.stuck.unwrap_or(time)).is_none();
            }
            let reason = format!("cannot check the file ({error}); retried every few seconds");
            let before = known.facts.check_error.replace(reason.as_str().into());
            before.as_deref() != Some(reason.as_str())
        })
    }

    /// The file can be accessed: clears its error, if it had one.
    pub fn clear_access_error(&self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let is_mended = {
            let known = tracked.handle.known();
            known.facts.stuck.is_some() || known.facts.check_error.is_some()
        };
        if is_mended {
            tracked
                .handle
                .update(|known| (known.facts.stuck, known.facts.check_error) = (None, None));
            self.shared.notify_changes();
        }
    }

    /// Compares the bytes before the mark: if they differ, a new generation has replaced this one; otherwise this one
    /// has grown, or is unchanged. Returns whether readers see a change.
    fn compare(&mut self, id: FileId, file: &Arc<File>) -> bool {
        let Some(tracked) = self.catalog.get(id) else { return false };
        let Some(mark) = tracked.row.as_ref().map(|row| row.mark) else { return false };
        tracked.handle.take_mismatch();
        let is_short_copy = {
            let known = tracked.handle.known();
            tracked.stage == Stage::Ended && known.available < known.facts.size
        };
        if is_short_copy {
            if tracked.size > mark.offset {
                self.split_from_grown_copy(id);
            }
            return true;
        }
        let matches = tracked.size >= mark.offset
            && match identity::matches_mark(file, &mark, &self.shared.config.key) {
                Ok(matches) => matches,
                // A failed read does not mean a new generation; it is repeated.
                Err(_) => {
                    tracked.handle.report_mismatch();
                    return false;
                }
            };
        if !matches {
            self.handle_truncation(id);
            return true;
        }
        if tracked.size == mark.offset {
            return false;
        }
        self.advance_mark(id, file)
    }
}

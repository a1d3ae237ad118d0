//! Frees the disk space of unpacked copies that all consumers have read; the compressed files are still followed.
//!
//! Such a copy is idle: it is empty, but its row and offsets stay. A reader of its bytes (a new sink, a rule, a screen,
//! the comparison with another file) waits until it is unpacked again. None of this is in the state: every start
//! unpacks all compressed files, and copies become idle again once they are read.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::follower::Follower;
use super::identity::{Head, matches_mark};
use super::notices::{self, Topic};
use super::unpacker::{CompressedFile, Progress};
use crate::event::{FileId, Level};

/// A copy is kept for this long after the last read, because its reader may continue.
const IDLE_AFTER: Duration = Duration::from_secs(5);

impl Follower {
    /// Frees copies that all consumers have read, that were not read for a while and that no screen shows; unpacks idle
    /// copies again for new readers.
    pub fn update_idle_copies(&mut self) {
        let now = self.now();
        for id in self.catalog.needing_attention() {
            let Some(tracked) = self.catalog.get(id).filter(|t| t.compressed.is_some()) else {
                continue;
            };
            let readers = &tracked.handle.users;
            if tracked.handle.is_idle() {
                if readers.is_unpacking_requested() && self.check_file(id) {
                    self.shared.notify_changes();
                }
                continue;
            }
            let last = readers.last_read().max(tracked.last_growth);
            if now.saturating_sub(last) >= IDLE_AFTER && !is_partly_read(tracked) {
                self.free_copy(id);
            }
        }
    }

    /// Frees one copy, for a file that waits for space. `false`: every copy is still needed.
    pub fn free_any_copy(&mut self) -> bool {
        let ids = self.catalog.needing_attention();
        ids.into_iter().any(|id| self.free_copy(id))
    }

    /// Frees the copy unless it is still needed; `true` if it was freed.
    fn free_copy(&mut self, id: FileId) -> bool {
        let Some(tracked) = self.catalog.get(id) else { return false };
        let (Some(compressed), Some(row)) = (&tracked.compressed, &tracked.row) else {
            return false;
        };
        let is_complete =
            tracked.stage == Stage::Ended && tracked.is_fully_unpacked() && !tracked.is_segment;
        // A `--once` run ends soon and needs no space later.
        let stays = self.shared.config.once || tracked.handle.is_idle();
        let needed = tracked.handle.users.is_shown() || !self.is_read_by_all(row);
        if !is_complete || stays || needed {
            return false;
        }
        let Ok(head) = Head::read(&compressed.copy) else { return false };
        let (handle, compressed) = (tracked.handle.clone(), compressed.clone());
        // Held so that no consumer is in the middle of a read.
        let _front = handle.decode_state();
        if !handle.make_idle() {
            return false;
        }
        compressed.empty();
        if let Some(tracked) = self.catalog.get_mut(id) {
            tracked.idle_head = Some(head);
        }
        true
    }

    /// Like [`Follower::check_compressed`], but for an idle copy.
    pub fn check_idle_copy(&mut self, id: FileId, compressed: &Arc<CompressedFile>) -> bool {
        let now = self.now();
        let original = match compressed.original.metadata() {
            Ok(original) => original,
            Err(error) => return self.report_access_error(id, &error),
        };
        self.clear_access_error(id);
        let Some(tracked) = self.catalog.get_mut(id) else { return false };
        tracked.links = original.nlink();
        let (version, progress) = (compressed.version_now(), compressed.progress());
        if std::mem::replace(&mut tracked.version, version) != version {
            tracked.last_growth = now;
            return false;
        }
        if progress == Progress::Unfinished {
            return false;
        }
        if version != compressed.version() {
            self.unpack_again(id, compressed);
            return true;
        }
        let handle = tracked.handle.clone();
        match progress {
            Progress::Complete if compressed.size() == 0 => {
                if handle.users.take_unpacking_request() {
                    self.shared.unpacking.store(true, Ordering::Release);
                    self.unpacker.unpack_again(id, compressed);
                }
                false
            }
            Progress::Full => {
                let used = self.unpacker.used() - compressed.size();
                self.report_compressed(id, Level::Warning, |path| notices::no_room(path, used));
                self.retry_unpacking(id, compressed);
                false
            }
            Progress::Failed(reason) => {
                self.report_compressed(id, Level::Error, |path| notices::no_copy(path, &reason));
                self.retry_unpacking(id, compressed);
                false
            }
            Progress::Complete if self.is_unchanged_copy(id, compressed) => {
                self.shared.board.withdraw(&Topic::Packed(handle.path().to_path_buf()));
                handle.users.note_read(now);
                handle.replace_file(Some(compressed.copy.clone()));
                // Wakes readers that wait for it.
                handle.update(|_| ());
                true
            }
            _ => {
                self.unpack_again(id, compressed);
                true
            }
        }
    }

    fn is_unchanged_copy(&self, id: FileId, compressed: &CompressedFile) -> bool {
        let Some(tracked) = self.catalog.get(id) else { return false };
        let Some(row) = &tracked.row else { return false };
        compressed.size() == tracked.size
            && matches_mark(&compressed.copy, &row.mark, self.key()).unwrap_or(false)
    }
}

/// Whether a reader waits until the idle copy is unpacked again.
pub(in crate::follow) fn has_waiting_reader(
    tracked: &Tracked,
    compressed: &CompressedFile,
) -> bool {
    let is_unpacking = compressed.progress() == Progress::Unfinished || compressed.size() > 0;
    tracked.handle.is_idle() && (is_unpacking || tracked.handle.users.is_unpacking_requested())
}

/// Whether a reader, which may have no cursor in the state, has read only a part of it.
fn is_partly_read(tracked: &Tracked) -> bool {
    let handed = tracked.handle.decode_state().handed_out;
    handed > 0 && tracked.row.as_ref().is_some_and(|row| handed < row.mark.offset)
}

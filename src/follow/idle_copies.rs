//! Copies of compressed files that everybody has read give their room back; the files are followed on.
//!
//! Such a copy is idle: it holds nothing, its row and its offsets stay. Whoever asks for its bytes (a sink that was
//! added, a rule, a screen, the comparison with another file) waits until it is unpacked again. Nothing of this is in
//! the state: a start unpacks every compressed file, and what is read then gives its room back again.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::follower::Follower;
use super::identity::{Head, bears};
use super::notices::{self, Topic};
use super::unpacker::{CompressedFile, Progress};
use crate::event::{FileId, Level};

/// A copy is kept for this long after the last read: who has just begun may come back.
const UNREAD: Duration = Duration::from_secs(5);

impl Follower {
    /// Copies that every consumer is through with, that nobody has read for a while and no screen shows give their room
    /// back; those that somebody wants again are made again.
    pub fn update_idle_copies(&mut self) {
        let now = self.now();
        for id in self.catalog.needing_attention() {
            let Some(tracked) = self.catalog.get(id).filter(|t| t.compressed.is_some()) else {
                continue;
            };
            let readers = &tracked.handle.readers;
            if tracked.handle.is_idle() {
                if readers.is_wanted() && self.check_file(id) {
                    self.shared.changed();
                }
                continue;
            }
            let last = readers.last_read().max(tracked.last_growth);
            if now.saturating_sub(last) >= UNREAD && !is_half_read(tracked) {
                self.free_copy(id);
            }
        }
    }

    /// For a file that waits for room. `false`: there is no copy that everybody has read.
    pub fn free_any_copy(&mut self) -> bool {
        let ids = self.catalog.needing_attention();
        ids.into_iter().any(|id| self.free_copy(id))
    }

    /// Its copy gives its room back, if nobody needs it.
    fn free_copy(&mut self, id: FileId) -> bool {
        let Some(tracked) = self.catalog.get(id) else { return false };
        let (Some(compressed), Some(row)) = (&tracked.compressed, &tracked.row) else {
            return false;
        };
        let over =
            tracked.stage == Stage::Ended && tracked.is_fully_unpacked() && !tracked.is_segment;
        // A run that reads what is there once and ends needs no room later.
        let kept = self.shared.config.once || tracked.handle.is_idle();
        let needed = tracked.handle.readers.is_shown() || !self.is_read_by_all(row);
        if !over || kept || needed {
            return false;
        }
        let Ok(head) = Head::read(&compressed.copy) else { return false };
        let (handle, compressed) = (tracked.handle.clone(), compressed.clone());
        // No consumer is in the middle of a read.
        let _front = handle.front();
        if !handle.make_idle() {
            return false;
        }
        compressed.empty();
        if let Some(tracked) = self.catalog.get_mut(id) {
            tracked.idle_head = Some(head);
        }
        true
    }

    /// As [`Follower::check_compressed`]; its copy has given its room back.
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
                if handle.readers.take_wanted() {
                    self.shared.unpacking.store(true, Ordering::Release);
                    self.unpacker.again(id, compressed);
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
                self.shared.board.unsay(&Topic::Packed(handle.path().to_path_buf()));
                handle.readers.note_read(now);
                handle.replace_file(Some(compressed.copy.clone()));
                // Whoever waits for it is told.
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
            && bears(&compressed.copy, &row.mark, self.key()).is_ok_and(|bears| bears)
    }
}

/// Somebody wants it and waits.
pub(in crate::follow) fn is_waited_for(tracked: &Tracked, compressed: &CompressedFile) -> bool {
    let begun = compressed.progress() == Progress::Unfinished || compressed.size() > 0;
    tracked.handle.is_idle() && (begun || tracked.handle.readers.is_wanted())
}

/// Somebody, perhaps without a cursor in the state, has begun to read it.
fn is_half_read(tracked: &Tracked) -> bool {
    let handed = tracked.handle.front().handed;
    handed > 0 && tracked.row.as_ref().is_some_and(|row| handed < row.mark.offset)
}

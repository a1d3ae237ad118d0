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
use super::unpacker::{Packed, Progress};
use crate::event::{FileId, Level};

/// A copy is kept for this long after the last read: who has just begun may come back.
const UNREAD: Duration = Duration::from_secs(5);

impl Follower {
    /// Copies that every consumer is through with, that nobody has read for a while and no screen shows give their room
    /// back; those that somebody wants again are made again.
    pub fn tend_copies(&mut self) {
        let now = self.now();
        for id in self.catalog.attended() {
            let Some(tracked) = self.catalog.get(id).filter(|t| t.packed.is_some()) else {
                continue;
            };
            let readers = &tracked.handle.users;
            if tracked.handle.is_idle() {
                if readers.is_unpacking_requested() && self.look(id) {
                    self.shared.notify_changes();
                }
                continue;
            }
            let last = readers.last_read().max(tracked.grown);
            if now.saturating_sub(last) >= UNREAD && !is_half_read(tracked) {
                self.give_back(id);
            }
        }
    }

    /// For a file that waits for room. `false`: there is no copy that everybody has read.
    pub fn give_back_any(&mut self) -> bool {
        let ids = self.catalog.attended();
        ids.into_iter().any(|id| self.give_back(id))
    }

    /// Its copy gives its room back, if nobody needs it.
    fn give_back(&mut self, id: FileId) -> bool {
        let Some(tracked) = self.catalog.get(id) else { return false };
        let (Some(packed), Some(row)) = (&tracked.packed, &tracked.row) else { return false };
        let over = tracked.stage == Stage::Ended && tracked.is_whole() && !tracked.segment;
        // A run that reads what is there once and ends needs no room later.
        let kept = self.shared.config.once || tracked.handle.is_idle();
        let needed = tracked.handle.users.is_shown() || !self.everybody_is_through(row);
        if !over || kept || needed {
            return false;
        }
        let Ok(head) = Head::read(&packed.copy) else { return false };
        let (handle, packed) = (tracked.handle.clone(), packed.clone());
        // No consumer is in the middle of a read.
        let _front = handle.decode_state();
        if !handle.make_idle() {
            return false;
        }
        packed.empty();
        if let Some(tracked) = self.catalog.get_mut(id) {
            tracked.idle_head = Some(head);
        }
        true
    }

    /// As [`Follower::look_at_packed`]; its copy has given its room back.
    pub fn look_at_idle(&mut self, id: FileId, packed: &Arc<Packed>) -> bool {
        let now = self.now();
        let original = match packed.original.metadata() {
            Ok(original) => original,
            Err(error) => return self.cannot_look(id, &error),
        };
        self.answers(id);
        let Some(tracked) = self.catalog.get_mut(id) else { return false };
        tracked.links = original.nlink();
        let (version, progress) = (packed.version_now(), packed.progress());
        if std::mem::replace(&mut tracked.version, version) != version {
            tracked.grown = now;
            return false;
        }
        if progress == Progress::Unfinished {
            return false;
        }
        if version != packed.version() {
            self.unpack_again(id, packed);
            return true;
        }
        let handle = tracked.handle.clone();
        match progress {
            Progress::Complete if packed.size() == 0 => {
                if handle.users.take_unpacking_request() {
                    self.shared.unpacking.store(true, Ordering::Release);
                    self.unpacker.again(id, packed);
                }
                false
            }
            Progress::Full => {
                let used = self.unpacker.used() - packed.size();
                self.say_packed(id, Level::Warning, |path| notices::no_room(path, used));
                self.retry(id, packed);
                false
            }
            Progress::Failed(reason) => {
                self.say_packed(id, Level::Error, |path| notices::no_copy(path, &reason));
                self.retry(id, packed);
                false
            }
            Progress::Complete if self.holds_what_it_did(id, packed) => {
                self.shared.board.withdraw(&Topic::Packed(handle.path().to_path_buf()));
                handle.users.note_read(now);
                handle.replace_file(Some(packed.copy.clone()));
                // Whoever waits for it is told.
                handle.update(|_| ());
                true
            }
            _ => {
                self.unpack_again(id, packed);
                true
            }
        }
    }

    fn holds_what_it_did(&self, id: FileId, packed: &Packed) -> bool {
        let Some(tracked) = self.catalog.get(id) else { return false };
        let Some(row) = &tracked.row else { return false };
        packed.size() == tracked.size
            && bears(&packed.copy, &row.mark, self.key()).is_ok_and(|bears| bears)
    }
}

/// Somebody wants it and waits.
pub(in crate::follow) fn is_waited_for(tracked: &Tracked, packed: &Packed) -> bool {
    let begun = packed.progress() == Progress::Unfinished || packed.size() > 0;
    tracked.handle.is_idle() && (begun || tracked.handle.users.is_unpacking_requested())
}

/// Somebody, perhaps without a cursor in the state, has begun to read it.
fn is_half_read(tracked: &Tracked) -> bool {
    let handed = tracked.handle.decode_state().handed_out;
    handed > 0 && tracked.row.as_ref().is_some_and(|row| handed < row.mark.offset)
}

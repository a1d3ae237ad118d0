//! One look at an open file: grown, truncated, or the same.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use super::discover::folder_of;
use super::follower::Follower;
use super::identity;
use super::tracked::Stage;
use crate::event::FileId;
use crate::event::status::FileState;

impl Follower {
    /// Looks at the descriptor; `true` where readers see something new.
    pub fn look(&mut self, id: FileId) -> bool {
        let now = self.now();
        let Some(tracked) = self.tracked.get_mut(&id) else { return false };
        let Some(file) = tracked.file() else { return false };
        let watched = tracked.real.as_deref().is_some_and(|p| self.watch.covers(folder_of(p)));
        tracked.next_look = tracked.next_look_from(now, watched);
        if let Some(packed) = tracked.packed.clone() {
            return self.look_at_packed(id, &packed);
        }
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                let reason = format!("cannot look at it ({error}); tried again every few seconds");
                tracked.handle.update(|k| k.facts.state = FileState::Unreadable { reason });
                return true;
            }
        };
        let size = self.shared.incoming.size_of(&metadata);
        let unchanged = size == tracked.size && metadata.modified().ok() == tracked.modified;
        tracked.links = metadata.nlink();
        // Noted before, but nothing came of it: a full disk, a read that failed.
        let left = tracked.stage == Stage::Live
            && tracked.row.as_ref().is_some_and(|row| row.mark.offset != size);
        if unchanged && !left && !tracked.handle.doubted() {
            return false;
        }
        tracked.size = size;
        tracked.modified = metadata.modified().ok();
        tracked.grown = now;
        tracked.next_look = now + Duration::from_millis(250);
        if tracked.row.is_some() && tracked.stage != Stage::Settled {
            return self.compare(id, &file);
        }
        let (size, time) = (tracked.size, self.shared.clock.now());
        tracked.handle.take_doubt();
        self.unjudged.insert(id);
        if tracked.stage != Stage::Settled {
            tracked.handle.update(|known| {
                known.facts.size = size;
                known.facts.last_growth = time;
            });
        }
        true
    }

    /// The mark decides: the same file that grew, or another life of it.
    fn compare(&mut self, id: FileId, file: &Arc<File>) -> bool {
        let Some(tracked) = self.tracked.get_mut(&id) else { return false };
        let Some(mark) = tracked.row.as_ref().map(|row| row.mark) else { return false };
        tracked.handle.take_doubt();
        let short = {
            let known = tracked.handle.known();
            tracked.stage == Stage::Ended && known.available < known.facts.size
        };
        if short {
            if tracked.size > mark.offset {
                self.release(id);
            }
            return true;
        }
        let bears = tracked.size >= mark.offset
            && match identity::bears(file, &mark, &self.shared.config.key) {
                Ok(bears) => bears,
                // Could not look: never means another life.
                Err(_) => return false,
            };
        if !bears {
            self.truncated(id);
            return true;
        }
        if tracked.size == mark.offset {
            return false;
        }
        self.grow(id, file)
    }
}

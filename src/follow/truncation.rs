//! A truncated file: its generation ends at the mark, and is read on from the copy if there is one.
//!
//! Judged once, for all consumers. Without a copy, what was not read is lost, and counted by the readers
//! that meet it.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::discover;
use super::follower::Follower;
use super::identity::{Head, Place, mark_at};
use super::tracked::Stage;
use crate::event::FileId;
use crate::event::status::FileState;

/// A copy may appear this much later.
const GRACE: Duration = Duration::from_secs(2);

impl Follower {
    /// The generation ends at its mark; the file begins another life.
    pub fn truncated(&mut self, id: FileId) {
        let (now, time) = (self.now(), self.shared.clock.now());
        let rest = self.open_rest(id);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(file) = tracked.file() else { return };
        tracked.handle.update(|known| {
            known.facts.state = FileState::Ended;
            known.complete = rest.is_some();
        });
        tracked.stage = match rest {
            // Deleted before: what was kept of it is its copy.
            Some(_) => Stage::Ended,
            None => Stage::Bereft(if self.shared.once() { now } else { now + GRACE }),
        };
        let was_kept = rest.is_some();
        if let Some(row) = &mut tracked.row {
            row.ended = Some(time);
            self.dirty.insert(id);
        }
        let place = tracked.place;
        tracked.read_on_in(rest);
        let (source, sibling) = (tracked.source, tracked.sibling);
        let path = tracked.handle.known().facts.path.clone();
        if let Some(place) = place {
            self.places.remove(&place);
        }
        // The descriptor is open: nothing that can fail but the look at it, and then a scan finds it.
        if self.track(file, source, &path, sibling).is_err() {
            self.next_scan = now;
        }
        if !was_kept {
            self.search_copy(id);
        }
        self.shared.changed();
    }

    /// Among the files that nobody reads yet, and beside the truncated one.
    pub fn search_copy(&mut self, id: FileId) {
        self.open_copies_beside(id);
        let best = self
            .tracked
            .keys()
            .copied()
            .filter(|other| *other != id && self.fits(id, *other))
            .max_by_key(|other| self.tracked.get(other).map(|t| (t.size, t.birth)));
        if let Some(copy) = best {
            self.adopt(id, copy);
        }
    }

    /// Rotated names need not be under any configured path.
    fn open_copies_beside(&mut self, id: FileId) {
        let Some(original) = self.tracked.get(&id) else { return };
        let path = original.handle.known().facts.path.to_path_buf();
        let (source, grown) = (original.source, original.handle.known().facts.last_growth);
        self.open_compressed_beside(source, &path, grown.minus(GRACE));
        for sibling in discover::siblings(&path).unwrap_or_default() {
            let Ok(file) = File::open(&sibling) else { continue };
            let Ok(metadata) = file.metadata() else { continue };
            let new = !self.places.contains_key(&Place::of(&metadata));
            if new && self.begins_and_goes_on(id, &file) {
                // Where that fails, it is looked for again until the time is over.
                let _ = self.track(Arc::new(file), source, &sibling, true);
            }
        }
    }

    /// `candidate` is undecided, begins as the original and bears its mark.
    fn fits(&self, id: FileId, candidate: FileId) -> bool {
        let (Some(original), Some(candidate)) =
            (self.tracked.get(&id), self.tracked.get(&candidate))
        else {
            return false;
        };
        let (Some(row), Some(file)) = (&original.row, candidate.file()) else { return false };
        let known = (row.identity.inode, row.identity.birth);
        let other_file = candidate.place.is_some_and(|p| (p.inode, candidate.birth) != known);
        candidate.undecided()
            && candidate.is_whole()
            && other_file
            && self.begins_and_goes_on(id, &file)
            && self.is_copy(original, candidate, &file).unwrap_or(false)
    }

    fn begins_and_goes_on(&self, id: FileId, file: &File) -> bool {
        let Some(original) = self.tracked.get(&id) else { return false };
        let Some(row) = &original.row else { return false };
        Head::read(file).is_ok_and(|head| head.fits(&row.identity, &self.shared.config.key))
            && matches!(self.shared_mark(original, file), Ok(Some(_)))
    }

    /// The generation is read on from this copy, under the same offsets.
    pub fn adopt(&mut self, id: FileId, copy: FileId) {
        let key = self.shared.config.key;
        let Some(copied) = self.tracked.get(&copy) else { return };
        let (file, place, packed) = (copied.file(), copied.place, copied.packed.clone());
        let path = copied.handle.known().facts.path.clone();
        let Some(file) = file else { return };
        // What was seen of it may be from the middle of the copying.
        let Ok(size) = file.metadata().map(|metadata| metadata.len()) else { return };
        let Ok(Some(end)) = mark_at(&file, size, &key) else { return };
        self.drop_file(copy);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        // Nothing is ever added to either.
        let over = matches!(tracked.stage, Stage::Bereft(_)) || packed.is_some();
        let Some(row) = &mut tracked.row else { return };
        if packed.is_some() {
            // Its bytes are found again where that is.
            row.ended = None;
        }
        let seen = row.mark.offset.max(size);
        row.mark = end;
        row.path = path.to_path_buf();
        // Held until the copy is in its place, so that readers see either, never neither.
        let front = tracked.handle.front();
        if front.handed < seen {
            row.lost = row.lost.max(seen - size);
        }
        tracked.handle.replace_file(Some(file));
        tracked.handle.update(|known| {
            known.facts.path = path.clone();
            known.facts.size = seen;
            known.facts.begin = 0;
            known.facts.start = row.start;
            known.facts.state = if over { FileState::Ended } else { FileState::Rotated };
            known.mark = end;
            known.available = size;
            known.complete = over;
        });
        drop(front);
        tracked.push_mark(end);
        tracked.size = size;
        tracked.grown = self.shared.clock.uptime();
        tracked.links = 1;
        tracked.packed = packed;
        tracked.stage = if over { Stage::Ended } else { Stage::Live };
        if let Some(old) = std::mem::replace(&mut tracked.place, place) {
            self.places.remove(&old);
        }
        if let Some(place) = place {
            self.places.insert(place, id);
        }
        self.dirty.insert(id);
        self.name_really(id, &path);
        self.shared.changed();
    }

    /// What was taken for a copy that lacks the end grows: it is a file of its own.
    pub fn release(&mut self, id: FileId) {
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let (Some(file), Some(place)) = (tracked.file(), tracked.place.take()) else { return };
        let (source, path) = (tracked.source, tracked.handle.known().facts.path.clone());
        self.places.remove(&place);
        if self.track(file, source, &path, false).is_err() {
            self.next_scan = self.now();
        }
    }
}

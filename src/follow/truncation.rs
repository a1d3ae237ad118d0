//! A truncated file: its generation ends at the mark, and is read on from the copy if there is one.
//!
//! Judged once, for all consumers. Without a copy, what was not read is lost, and counted by the readers
//! that meet it.

use std::fs;
use std::time::Duration;

use super::discover::{self, Found};
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
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(file) = tracked.file() else { return };
        tracked.handle.replace_file(None);
        tracked.handle.update(|known| known.facts.state = FileState::Ended);
        tracked.stage = Stage::Bereft(if self.shared.config.once { now } else { now + GRACE });
        if let Some(row) = &mut tracked.row {
            row.ended = Some(time);
            self.dirty.insert(id);
        }
        let place = tracked.place.take();
        let (source, sibling) = (tracked.source, tracked.sibling);
        let path = tracked.handle.known().facts.path.clone();
        if let Some(place) = place {
            self.places.remove(&place);
        }
        // The descriptor is open: nothing that can fail but the look at it, and then a scan finds it.
        if self.track(file, source, &path, sibling).is_err() {
            self.next_scan = now;
        }
        self.search_copy(id);
        self.shared.changed();
    }

    /// Among the files that nobody reads yet, and beside the truncated one.
    pub fn search_copy(&mut self, id: FileId) {
        let Some(original) = self.tracked.get(&id) else { return };
        let path = original.handle.known().facts.path.to_path_buf();
        let source = original.source;
        for sibling in discover::siblings(&path).unwrap_or_default() {
            let Ok(metadata) = fs::metadata(&sibling) else { continue };
            let found = Found { source, path: sibling, place: Place::of(&metadata) };
            let known = self.places.contains_key(&found.place);
            let Some(candidate) = self.find_or_open(&found, true) else { continue };
            let fits = self.fits(id, candidate);
            if !fits && !known {
                self.drop_file(candidate);
            }
        }
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

    /// `candidate` is undecided, begins as the original and bears one of its marks.
    fn fits(&self, original: FileId, candidate: FileId) -> bool {
        let (Some(original), Some(candidate)) =
            (self.tracked.get(&original), self.tracked.get(&candidate))
        else {
            return false;
        };
        let (Some(row), Some(file)) = (&original.row, candidate.file()) else { return false };
        let other_inode = candidate.place.is_some_and(|p| p.inode != row.identity.inode);
        if !candidate.undecided() || !other_inode {
            return false;
        }
        let head = Head::read(&file);
        head.is_ok_and(|head| head.fits(&row.identity, &self.shared.config.key))
            && matches!(self.best_mark(original, &file), Ok(Some(_)))
    }

    /// The generation is read on from this copy, under the same offsets.
    pub fn adopt(&mut self, id: FileId, copy: FileId) {
        let key = self.shared.config.key;
        let Some(copied) = self.tracked.get(&copy) else { return };
        let (file, place) = (copied.file(), copied.place);
        let path = copied.handle.known().facts.path.clone();
        let Some(file) = file else { return };
        // What was seen of it may be from the middle of the copying.
        let Ok(size) = file.metadata().map(|metadata| metadata.len()) else { return };
        let best = self.tracked.get(&id).and_then(|t| self.best_mark(t, &file).ok().flatten());
        let Some(best) = best else { return };
        self.drop_file(copy);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(row) = &mut tracked.row else { return };
        let whole = best.offset == row.mark.offset;
        if whole && let Ok(Some(mark)) = mark_at(&file, size, &key) {
            row.mark = mark;
            tracked.marks.push_back(mark);
        }
        row.path = path.to_path_buf();
        row.ended = row.ended.or(Some(self.shared.clock.now()));
        let end = row.mark.offset;
        // Held until the copy is in its place: readers see either, never neither.
        let _front = tracked.handle.front();
        tracked.handle.replace_file(Some(file));
        let available = if whole { end } else { size.min(end) };
        let mark = row.mark;
        tracked.handle.update(|known| {
            known.facts.size = end;
            known.facts.path = path;
            known.facts.state = FileState::Ended;
            known.mark = mark;
            known.available = available;
            known.complete = true;
        });
        drop(_front);
        if let Some(old) = tracked.place.take() {
            self.places.remove(&old);
        }
        tracked.place = place;
        tracked.size = size;
        tracked.grown = self.shared.clock.uptime();
        tracked.links = 1;
        tracked.stage = Stage::Ended;
        self.dirty.insert(id);
        if let Some(place) = place {
            self.places.insert(place, id);
        }
        self.shared.changed();
    }
}

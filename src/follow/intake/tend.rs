//! The follower's part: segments that nobody writes any more end, and go when everybody has read them.

use std::fs;
use std::path::Path;

use crate::event::FileId;
use crate::event::status::FileState;
use crate::follow::catalog::{Stage, Tracked};
use crate::follow::follower::Follower;
use crate::follow::identity::Place;
use crate::follow::unpack::Progress;
use crate::state::GenerationRow;

impl Follower {
    pub fn is_segment(&self, path: &Path) -> bool {
        self.shared.config.intake.as_ref().is_some_and(|intake| intake.is_segment(path))
    }

    pub fn tend_intake(&mut self) {
        if !self.shared.incoming.is_open() && !self.shared.incoming.is_through() {
            self.note_ends_of_packed_segments();
        }
        let over = |tracked: &crate::follow::catalog::Tracked| {
            let written = |place| self.shared.incoming.is_written(place);
            tracked.segment && tracked.place().is_some_and(|place| !written(place))
        };
        let attended = self.catalog.attended().into_iter();
        let files = attended.filter_map(|id| Some((id, self.catalog.get(id)?)));
        let over: Vec<(FileId, Stage)> =
            files.filter(|(_, t)| over(t)).map(|(id, t)| (id, t.stage)).collect();
        for (id, stage) in over {
            match stage {
                Stage::Unsettled | Stage::Suspect => {
                    self.look(id);
                    self.last_call(id);
                }
                Stage::Live => self.end_segment(id),
                Stage::Ended => self.remove_segment(id),
                _ => {}
            }
        }
    }

    /// Its last record ends where it ends, for every later reading too.
    fn end_segment(&mut self, id: FileId) {
        self.look(id);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let (size, Some(row)) = (tracked.size, &mut tracked.row) else { return };
        let end = row.mark.offset;
        if end < size {
            return;
        }
        if end > row.start && row.cuts.last() != Some(&end) {
            row.cuts.push(end);
            self.pending.change_urgently(id);
            self.persist();
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        if self.pending.is_urgent(id) || tracked.stage != Stage::Live {
            return;
        }
        tracked.stage = Stage::Ended;
        tracked.handle.update(|known| {
            known.complete = true;
            known.facts.state = FileState::Ended;
        });
        self.note_end_of_segment(id);
        self.shared.changed();
    }

    /// Compressed data came in: what it holds is read from a copy, which has no place of its own.
    fn note_ends_of_packed_segments(&self) {
        let packed = |tracked: &Tracked| {
            let packed = tracked.packed.as_ref().filter(|_| tracked.segment)?;
            let done = packed.progress() != Progress::Unfinished
                && packed.version() == packed.version_now()
                && (packed.size() == 0 || tracked.stage == Stage::Ended);
            let metadata = packed.original.metadata().ok().filter(|_| done)?;
            Some(Place::of(&metadata))
        };
        let ended: Vec<Place> =
            self.catalog.iter().filter_map(|(_, tracked)| packed(tracked)).collect();
        if ended.into_iter().filter(|place| self.shared.incoming.note_end(*place)).count() > 0 {
            self.shared.changed();
        }
    }

    /// Nothing more of it will be read.
    pub fn note_end_of_segment(&self, id: FileId) {
        let place = self.catalog.get(id).and_then(|tracked| tracked.place());
        if place.is_some_and(|place| self.shared.incoming.note_end(place)) {
            self.shared.changed();
        }
    }

    /// The name goes, and with the next one the bytes: a screen still shows the last one that was read.
    fn remove_segment(&mut self, id: FileId) {
        let now = self.shared.clock.now();
        let Some(tracked) = self.catalog.get_mut(id).filter(|t| t.links > 0) else { return };
        let path = tracked.handle.path();
        let Some(row) = &mut tracked.row else { return };
        if self.shared.behind(row) != Some(false) {
            return;
        }
        row.ended.get_or_insert(now);
        self.pending.change(id);
        // First the cursors that say that it is read, then what they speak of.
        if !self.persist() {
            return;
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        tracked.links = 0;
        remove(&path);
        if let Some(before) = self.read_segment.replace(id) {
            self.give_up(before);
        }
    }

    /// What was only looked at is not kept for a later engine: nobody asked to deliver it, and no sink has begun to.
    pub fn forget_what_was_looked_at(&mut self) {
        let looking = self.shared.config.intake.as_ref().is_some_and(|intake| intake.looking);
        if !looking || self.shared.incoming.is_kept() {
            return;
        }
        let Some(store) = self.shared.store.get().cloned() else { return };
        for (_, tracked) in self.catalog.iter().filter(|(_, tracked)| tracked.segment) {
            let here = tracked.place().is_some_and(|p| self.shared.incoming.was_made_here(p));
            let row = tracked.row.as_ref();
            // Each sink has a row from the beginning.
            let taken = |row: &GenerationRow| {
                store.readers_of(row.id).into_values().any(|at| at > row.start)
            };
            if here && !row.is_some_and(taken) {
                if let Some(row) = row {
                    store.remove_generation(row.id);
                }
                remove(&tracked.handle.known().facts.path);
            }
        }
    }
}

fn remove(segment: &Path) {
    let removed = fs::remove_file(segment).and_then(|()| match segment.parent() {
        Some(folder) => fs::remove_dir(folder),
        None => Ok(()),
    });
    if let Err(error) = removed {
        tracing::warn!("cannot remove {}, which is read: {error}", segment.display());
    }
}

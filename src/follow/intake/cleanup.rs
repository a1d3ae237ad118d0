//! The follower's part: segments that nobody writes any more end, and go when everybody has read them.

use std::fs;
use std::path::Path;

use super::InputLoss;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::follow::catalog::{Stage, Tracked};
use crate::follow::follower::Follower;
use crate::follow::identity::{Head, Place};
use crate::follow::notices::{self, Topic};
use crate::follow::unpacker::Progress;
use crate::state::GenerationRow;

impl Follower {
    pub fn is_segment(&self, path: &Path) -> bool {
        self.shared.config.intake.as_ref().is_some_and(|intake| intake.is_segment(path))
    }

    pub fn clean_up_segments(&mut self) {
        let attended = self.catalog.needing_attention();
        let segments = attended.into_iter().filter_map(|id| self.catalog.get(id));
        let segments: Vec<&Tracked> = segments.filter(|tracked| tracked.is_segment).collect();
        self.shared
            .incoming
            .set_unpacked(segments.iter().any(|segment| is_being_unpacked(segment)));
        let written = |segment: &Tracked| {
            place_of(segment).is_none_or(|place| self.shared.incoming.is_written(place))
        };
        let over = segments.into_iter().filter(|segment| !written(segment));
        let over: Vec<(FileId, Stage, bool)> = over
            .map(|segment| (segment.handle.id, segment.stage, holds_nothing_to_read(segment)))
            .collect();
        for (id, stage, nothing) in over {
            match stage {
                _ if nothing => self.remove_unread_segment(id),
                Stage::Unidentified | Stage::PossibleCopy => {
                    self.check_file(id);
                    self.identify_finally(id);
                }
                Stage::Live => self.end_segment(id),
                // What a compressed one holds has ended when it is published, more of the stream or not.
                Stage::Ended if self.catalog.get(id).is_some_and(is_being_unpacked) => {
                    self.check_file(id);
                }
                Stage::Ended => {
                    self.note_end_of_segment(id);
                    self.remove_segment(id);
                }
                _ => {}
            }
        }
    }

    /// Its last record ends where it ends, for every later reading too.
    fn end_segment(&mut self, id: FileId) {
        self.check_file(id);
        // More of a compressed stream has come since it was unpacked.
        if self.catalog.get(id).is_some_and(is_being_unpacked) {
            return;
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let (size, Some(row)) = (tracked.size, &mut tracked.row) else { return };
        let end = row.mark.offset;
        if end < size {
            return;
        }
        if end > row.start && row.cuts.end_at(end) {
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

    /// Nothing more of it will be read. What could not be is counted and said, once.
    fn note_end_of_segment(&self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let new = place_of(tracked).is_some_and(|place| self.shared.incoming.note_end(place));
        if !new {
            return;
        }
        if let Some((loss, text)) = unread(tracked) {
            self.shared.incoming.count_loss(loss);
            let topic = Topic::Unread(tracked.handle.path().to_path_buf());
            self.shared.board.say(topic, Level::Error, self.shared.clock.now(), text);
        }
        self.shared.changed();
    }

    /// No text, or a stream that holds nothing: no later run could do more with it.
    fn remove_unread_segment(&mut self, id: FileId) {
        self.note_end_of_segment(id);
        let Some(tracked) = self.catalog.get(id) else { return };
        let path = tracked.handle.path();
        self.forget_segment(id);
        self.stop_following(id);
        remove(&path);
    }

    /// Its name is gone, or goes, and its bytes go with its descriptor.
    fn forget_segment(&self, id: FileId) {
        let place = self.catalog.get(id).and_then(place_of);
        place.into_iter().for_each(|place| self.shared.incoming.forget(place));
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
            self.forget_segment(before);
            self.close_file(before);
        }
    }

    /// What was only looked at is not kept for a later engine: nobody asked to deliver it, and no sink has begun to.
    pub fn forget_viewed_segments(&mut self) {
        let looking = self.shared.config.intake.as_ref().is_some_and(|intake| intake.looking);
        if !looking || self.shared.incoming.is_kept() {
            return;
        }
        let Some(store) = self.shared.store.get().cloned() else { return };
        for (_, tracked) in self.catalog.iter().filter(|(_, tracked)| tracked.is_segment) {
            let here = place_of(tracked).is_some_and(|p| self.shared.incoming.was_made_here(p));
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

/// Where its writer writes: of a compressed one the copy that is read lies elsewhere.
fn place_of(segment: &Tracked) -> Option<Place> {
    match &segment.compressed {
        Some(compressed) => compressed.original.metadata().ok().as_ref().map(Place::of),
        None => segment.place(),
    }
}

fn is_being_unpacked(segment: &Tracked) -> bool {
    segment.compressed.as_ref().is_some_and(|compressed| {
        compressed.progress() == Progress::Unfinished
            || compressed.version() != compressed.version_now()
    })
}

fn holds_nothing_to_read(segment: &Tracked) -> bool {
    let Some(compressed) = &segment.compressed else { return segment.stage == Stage::Rejected };
    let tried = match compressed.progress() {
        Progress::Complete | Progress::Cut | Progress::Corrupt(_) => compressed.size() == 0,
        Progress::Unfinished | Progress::Full | Progress::Failed(_) => false,
    };
    !is_being_unpacked(segment) && (tried || segment.stage == Stage::Rejected)
}

/// What of a segment that has ended nobody could read.
fn unread(segment: &Tracked) -> Option<(InputLoss, String)> {
    let of_bytes = |unread, text| Some((InputLoss { unread, cut: 0 }, text));
    if segment.stage == Stage::Rejected {
        let named = segment.named_file().and_then(|file| file.metadata().ok());
        let unread = named.map_or(segment.size, |metadata| metadata.len());
        let head = segment.file().and_then(|file| Head::read(&file).ok());
        let what = head.and_then(|head| head.binary()).unwrap_or("data");
        return of_bytes(unread, notices::stdin::no_text(what, unread));
    }
    let compressed = segment.compressed.as_ref()?;
    let held = compressed.size();
    let unread = if held == 0 { compressed.version().0 } else { compressed.not_taken().max(1) };
    match compressed.progress() {
        Progress::Corrupt(reason) => {
            of_bytes(unread, notices::stdin::damaged(held, unread, &reason))
        }
        Progress::Full => of_bytes(unread, notices::stdin::too_large(held, unread)),
        Progress::Cut => Some((InputLoss { unread: 0, cut: 1 }, notices::stdin::cut(held))),
        Progress::Complete | Progress::Unfinished | Progress::Failed(_) => None,
    }
}

fn remove(segment: &Path) {
    let removed = fs::remove_file(segment).and_then(|()| match segment.parent() {
        Some(directory) => fs::remove_dir(directory),
        None => Ok(()),
    });
    if let Err(error) = removed {
        tracing::warn!("cannot remove {}, which is read: {error}", segment.display());
    }
}

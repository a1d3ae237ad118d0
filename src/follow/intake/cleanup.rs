//! Ends segments of standard input (files in the intake directory) that are completely written, and removes them when
//! all consumers have read them. Runs on the follower's thread.

use std::fs;
use std::path::Path;

use super::InputLoss;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::follow::catalog::{Stage, Tracked};
use crate::follow::follower::Follower;
use crate::follow::identity::{DeviceInode, Head};
use crate::follow::notices::{self, Topic};
use crate::follow::unpacker::Progress;
use crate::state::GenerationRow;

impl Follower {
    pub fn is_segment(&self, path: &Path) -> bool {
        self.shared.config.intake.as_ref().is_some_and(|intake| intake.is_segment(path))
    }

    /// Ends or removes every segment to which nothing more is written.
    pub fn clean_up_segments(&mut self) {
        let attended = self.catalog.needing_attention();
        let segments = attended.into_iter().filter_map(|id| self.catalog.get(id));
        let segments: Vec<&Tracked> = segments.filter(|tracked| tracked.is_segment).collect();
        self.shared
            .stdin_progress
            .set_unpacking(segments.iter().any(|segment| is_being_unpacked(segment)));
        let is_being_written = |segment: &Tracked| {
            written_file(segment).is_none_or(|place| self.shared.stdin_progress.is_written(place))
        };
        let finished = segments.into_iter().filter(|segment| !is_being_written(segment));
        let finished: Vec<(FileId, Stage, bool)> = finished
            .map(|segment| (segment.handle.id, segment.stage, has_nothing_to_read(segment)))
            .collect();
        for (id, stage, nothing) in finished {
            match stage {
                _ if nothing => self.remove_unread_segment(id),
                Stage::Unidentified | Stage::PossibleCopy => {
                    self.check_file(id);
                    self.identify_finally(id);
                }
                Stage::Live => self.end_segment(id),
                // A compressed segment ends when its unpacked bytes are published, whether more of the stream arrives
                // or not.
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

    /// Ends a segment: its last record is complete, and later reads split it in the same way.
    fn end_segment(&mut self, id: FileId) {
        self.check_file(id);
        // The compressed stream has grown since it was unpacked.
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
        self.shared.notify_changes();
    }

    /// Records that a segment is read to its end; counts and reports, once, the bytes that could not be read.
    fn note_end_of_segment(&self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let new = written_file(tracked)
            .is_some_and(|place| self.shared.stdin_progress.note_end_of_segment(place));
        if !new {
            return;
        }
        if let Some((loss, text)) = unread(tracked) {
            self.shared.stdin_progress.count_loss(loss);
            let topic = Topic::Unread(tracked.handle.path().to_path_buf());
            self.shared.board.post(topic, Level::Error, self.shared.clock.now(), text);
        }
        self.shared.notify_changes();
    }

    /// Removes a segment that is not text, or an empty stream: no later run could read more of it.
    fn remove_unread_segment(&mut self, id: FileId) {
        self.note_end_of_segment(id);
        let Some(tracked) = self.catalog.get(id) else { return };
        let path = tracked.handle.path();
        self.forget_segment(id);
        self.stop_following(id);
        remove(&path);
    }

    /// Forgets a segment whose file is being removed.
    fn forget_segment(&self, id: FileId) {
        let place = self.catalog.get(id).and_then(written_file);
        place.into_iter().for_each(|place| self.shared.stdin_progress.forget(place));
    }

    /// Removes the file of a read segment. Its descriptor stays open until the next segment is removed, because a
    /// screen may still show it.
    fn remove_segment(&mut self, id: FileId) {
        let now = self.shared.clock.now();
        let Some(tracked) = self.catalog.get_mut(id).filter(|t| t.links > 0) else { return };
        let path = tracked.handle.path();
        let Some(row) = &mut tracked.row else { return };
        if self.shared.has_unread(row) != Some(false) {
            return;
        }
        row.ended.get_or_insert(now);
        self.pending.change(id);
        // The cursors must be durable before the bytes are removed.
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

    /// Removes segments that were only viewed: no delivery was requested, and no sink has started to read them.
    pub fn forget_viewed_segments(&mut self) {
        let looking = self.shared.config.intake.as_ref().is_some_and(|intake| intake.looking);
        if !looking || self.shared.stdin_progress.is_delivery_requested() {
            return;
        }
        let Some(store) = self.shared.store.get().cloned() else { return };
        for (_, tracked) in self.catalog.iter().filter(|(_, tracked)| tracked.is_segment) {
            let here =
                written_file(tracked).is_some_and(|p| self.shared.stdin_progress.was_made_here(p));
            let row = tracked.row.as_ref();
            // Every sink has a cursor from the start, so only a later one shows that it has read something.
            let is_read = |row: &GenerationRow| {
                store.readers_of(row.id).into_values().any(|at| at > row.start)
            };
            if here && !row.is_some_and(is_read) {
                if let Some(row) = row {
                    store.remove_generation(row.id);
                }
                remove(&tracked.handle.known().facts.path);
            }
        }
    }
}

/// The file that standard input is written to; for a compressed segment not the unpacked copy that is read.
fn written_file(segment: &Tracked) -> Option<DeviceInode> {
    match &segment.compressed {
        Some(packed) => packed.original.metadata().ok().as_ref().map(DeviceInode::of),
        None => segment.place(),
    }
}

/// The segment is compressed, and not all of its present bytes are unpacked yet.
fn is_being_unpacked(segment: &Tracked) -> bool {
    segment.compressed.as_ref().is_some_and(|packed| {
        packed.progress() == Progress::Unfinished || packed.version() != packed.version_now()
    })
}

/// The segment is not text, or nothing could be unpacked from it.
fn has_nothing_to_read(segment: &Tracked) -> bool {
    let Some(packed) = &segment.compressed else { return segment.stage == Stage::Rejected };
    let tried = match packed.progress() {
        Progress::Complete | Progress::Cut | Progress::Corrupt(_) => packed.size() == 0,
        Progress::Unfinished | Progress::Full | Progress::Failed(_) => false,
    };
    !is_being_unpacked(segment) && (tried || segment.stage == Stage::Rejected)
}

/// The loss of an ended segment that could not be read completely, and its notice.
fn unread(segment: &Tracked) -> Option<(InputLoss, String)> {
    let of_bytes = |unread, text| Some((InputLoss { unread, cut: 0 }, text));
    if segment.stage == Stage::Rejected {
        let named = segment.named_file().and_then(|file| file.metadata().ok());
        let unread = named.map_or(segment.size, |metadata| metadata.len());
        let head = segment.file().and_then(|file| Head::read(&file).ok());
        let what = head.and_then(|head| head.binary()).unwrap_or("data");
        return of_bytes(unread, notices::stdin::no_text(what, unread));
    }
    let packed = segment.compressed.as_ref()?;
    let held = packed.size();
    let unread = if held == 0 { packed.version().0 } else { packed.not_taken().max(1) };
    match packed.progress() {
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
        tracing::warn!(
            "cannot remove the segment {}, which is no longer needed: {error}",
            segment.display()
        );
    }
}

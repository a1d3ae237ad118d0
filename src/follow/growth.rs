//! More bytes: marks, day marks, cuts at quiet, and votes on the format.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::follower::Follower;
use super::identity::mark_at;
use super::settle::{last_line_end, note_day, read_sample, sample_is_enough};
use super::single::in_force;
use super::tracked::{Stage, Tracked};
use crate::event::status::FileState;
use crate::event::{FileId, FormatEntry};
use crate::format::{self, Joins};
use crate::state::GenerationRow;

/// An open record of a quiet file is closed after this.
const QUIET: Duration = Duration::from_millis(500);

impl Follower {
    /// Moves the mark to the new end; readers see it at once, or when its day mark is durable.
    pub fn grow(&mut self, id: FileId, file: &Arc<File>) -> bool {
        let (time, key) = (self.shared.clock.now(), self.shared.config.key);
        let Some(tracked) = self.tracked.get_mut(&id) else { return false };
        let Ok(Some(mark)) = mark_at(file, tracked.size, &key) else {
            // Shorter again since the look: the next one judges.
            tracked.handle.raise_doubt();
            return false;
        };
        let Some(row) = &mut tracked.row else { return false };
        tracked.urgent |= note_day(row, time.day());
        if tracked.stage == Stage::Ended {
            // It was closed where it ended: that stays a boundary.
            if row.cuts.last() != Some(&row.mark.offset) {
                row.cuts.push(row.mark.offset);
            }
            row.ended = None;
            tracked.urgent = true;
            tracked.stage = Stage::Live;
            tracked.handle.update(|known| {
                known.complete = false;
                known.facts.state = FileState::Rotated;
            });
        }
        drop_needless_cut(row, file, tracked.size, tracked.handle.source.multiline);
        row.mark = mark;
        tracked.push_mark(mark);
        tracked.dirty = true;
        tracked.handle.update(|known| {
            known.facts.last_growth = time;
            if matches!(known.facts.state, FileState::Unreadable { .. }) {
                known.facts.state = FileState::Live;
            }
        });
        if !tracked.urgent {
            tracked.publish();
        }
        true
    }

    /// When the record that stands open in this file is to be closed.
    pub fn close_at(&self, tracked: &Tracked) -> Option<Duration> {
        let open = tracked.handle.open_record()?;
        let row = tracked.row.as_ref()?;
        let pending = open < row.mark.offset && row.cuts.last().is_none_or(|cut| *cut <= open);
        pending.then_some(tracked.grown + QUIET)
    }

    /// Cuts behind the last line of files that are quiet while a reader stands before an open record.
    pub fn close_quiet_records(&mut self) {
        let now = self.now();
        let mut cut = Vec::new();
        for (id, tracked) in &self.tracked {
            let quiet = self.close_at(tracked).is_some_and(|at| now >= at);
            if tracked.stage == Stage::Live && !tracked.urgent && quiet {
                cut.push(*id);
            }
        }
        cut.retain(|id| self.cut_at_end(*id));
        if !cut.is_empty() && !self.persist() {
            // Not durable, so not a boundary: the record stays open.
            for id in cut {
                let Some(tracked) = self.tracked.get_mut(&id) else { continue };
                if let Some(row) = &mut tracked.row {
                    row.cuts.pop();
                    tracked.dirty = true;
                }
            }
        }
    }

    fn cut_at_end(&mut self, id: FileId) -> bool {
        let Some(tracked) = self.tracked.get_mut(&id) else { return false };
        let (Some(file), Some(open)) = (tracked.file(), tracked.handle.open_record()) else {
            return false;
        };
        let Some(row) = &mut tracked.row else { return false };
        tracked.handle.set_open_record(None);
        let Some(end) = last_line_end(&file, open, row.mark.offset) else { return false };
        row.cuts.push(end);
        tracked.dirty = true;
        tracked.urgent = true;
        true
    }

    /// A vote that had too little to go by is repeated; so is one that 200 records did not fit.
    pub fn vote_again(&mut self) {
        let due: Vec<(FileId, bool)> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| tracked.stage == Stage::Live)
            .filter_map(|(id, tracked)| {
                let misfit = tracked.handle.take_misfit();
                (tracked.vote_open || misfit).then_some((*id, misfit))
            })
            .collect();
        for (id, misfit) in due {
            self.vote(id, misfit);
        }
    }

    fn vote(&mut self, id: FileId, misfit: bool) {
        let Some(store) = self.shared.store.get().cloned() else { return };
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let (Some(file), Some(row)) = (tracked.file(), &mut tracked.row) else { return };
        if tracked.handle.source.format.is_some() {
            return;
        }
        let handle = tracked.handle.clone();
        // Nobody decodes while it changes: what is handed out stays in the format it had.
        let front = handle.front();
        let sample = match misfit {
            true => sample_before(&file, front.handed),
            false => read_sample(&file, row.mark.offset),
        };
        let known_upto = front.handed < tracked.floor;
        if known_upto || (!misfit && !sample_is_enough(&sample)) {
            return;
        }
        tracked.vote_open = false;
        let vote = format::list::detect(&sample);
        let entry = FormatEntry {
            offset: front.handed.max(row.start),
            format: vote.format.name().into(),
            parameters: vote.parameters,
        };
        let current = row.formats.last();
        let same = current.is_some_and(|current| {
            current.format == entry.format && current.parameters == entry.parameters
        });
        if same || (misfit && !vote.settled) {
            return;
        }
        let before = row.formats.clone();
        row.formats.retain(|other| other.offset < entry.offset);
        row.formats.push(entry);
        if row.formats.len() == 1 {
            row.formats[0].offset = 0;
        }
        store.put_generation(row.clone());
        if store.commit().is_err() {
            row.formats = before;
            tracked.vote_open = true;
            return;
        }
        let urgent = tracked.urgent;
        let formats = row.formats.clone();
        handle.update(|known| known.facts.formats = formats);
        tracked.urgent = urgent;
        drop(front);
        self.shared.changed();
    }
}

/// What follows the last cut begins a record anyway: the bytes alone say where it ends.
fn drop_needless_cut(row: &mut GenerationRow, file: &File, size: u64, multiline: bool) {
    let Some(cut) = row.cuts.last().copied() else { return };
    let format = in_force(&row.formats, cut, multiline);
    if format.joins() == Joins::Never || cut == 0 || row.mark.offset > cut {
        return;
    }
    let mut bytes = vec![0; (size - cut + 1).min(4096) as usize];
    let Ok(read) = super::file::read_full(file, &mut bytes, cut - 1) else { return };
    let Some((before, line)) = bytes[..read].split_first() else { return };
    let Some(end) = memchr::memchr(b'\n', line) else { return };
    if *before == b'\n' && format.begins(&line[..end]) {
        row.cuts.pop();
    }
}

/// Whole lines of the last 64 KiB before `offset`.
fn sample_before(file: &File, offset: u64) -> Vec<u8> {
    let from = offset.saturating_sub(super::settle::SAMPLE);
    let mut sample = vec![0; (offset - from) as usize];
    let read = super::file::read_full(file, &mut sample, from).unwrap_or(0);
    sample.truncate(read);
    if from > 0 {
        let first = memchr::memchr(b'\n', &sample).map_or(0, |at| at + 1);
        sample.drain(..first);
    }
    sample
}

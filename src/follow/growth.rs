//! More bytes: marks, day marks, and cuts where a file falls quiet.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::begin::{last_line_end, note_day};
use super::follower::Follower;
use super::identity::next_mark;
use super::single::in_force;
use super::tracked::{Stage, Tracked};
use crate::event::FileId;
use crate::event::status::FileState;
use crate::format::{Fit, Format, Joins};
use crate::state::GenerationRow;

/// An open record of a quiet file is closed after this.
const QUIET: Duration = Duration::from_millis(500);

impl Follower {
    /// Moves the mark to the new end; readers see it at once, or when its day mark is durable.
    pub fn grow(&mut self, id: FileId, file: &Arc<File>) -> bool {
        let (time, key) = (self.shared.clock.now(), self.shared.config.key);
        let Some(tracked) = self.tracked.get_mut(&id) else { return false };
        let Some(row) = &mut tracked.row else { return false };
        let Ok(Some(mark)) = next_mark(file, &row.mark, tracked.size, &key) else {
            // Another life since the look: the next one judges.
            tracked.handle.raise_doubt();
            return false;
        };
        if note_day(row, time.day()) {
            self.urgent.insert(id);
        }
        if tracked.stage == Stage::Ended {
            // It was closed where it ended: that stays a boundary.
            if row.cuts.last() != Some(&row.mark.offset) {
                row.cuts.push(row.mark.offset);
            }
            row.ended = None;
            row.absence = None;
            self.urgent.insert(id);
            tracked.stage = Stage::Live;
            tracked.handle.update(|known| {
                known.complete = false;
                known.facts.state = FileState::Rotated;
            });
        }
        drop_needless_cut(row, file, tracked.size, tracked.handle.source.multiline);
        row.mark = mark;
        tracked.push_mark(mark);
        self.dirty.insert(id);
        tracked.handle.update(|known| {
            known.facts.last_growth = time;
            if matches!(known.facts.state, FileState::Unreadable { .. }) {
                known.facts.state = FileState::Live;
            }
        });
        if !self.urgent.contains(&id) {
            tracked.publish();
        }
        true
    }

    /// When the record that stands open in this file is to be closed.
    pub fn close_at(&self, tracked: &Tracked) -> Option<Duration> {
        let open = tracked.handle.open_record().filter(|_| tracked.stage == Stage::Live)?;
        let row = tracked.row.as_ref()?;
        let pending = open < row.mark.offset && row.cuts.last().is_none_or(|cut| *cut <= open);
        pending.then_some(tracked.grown + QUIET)
    }

    /// Cuts behind the last line of files that are quiet while a reader stands before an open record.
    pub fn close_quiet_records(&mut self) {
        let now = self.now();
        let mut cut = Vec::new();
        for id in self.open_records.iter().copied().collect::<Vec<_>>() {
            match self.tracked.get(&id).map(|tracked| self.close_at(tracked)) {
                Some(Some(at)) if now < at || self.urgent.contains(&id) => {}
                Some(Some(_)) => cut.push(id),
                _ => {
                    self.open_records.remove(&id);
                }
            }
        }
        cut.retain(|id| self.cut_at_end(*id));
        if !cut.is_empty() && !self.persist() {
            // Not durable, so not a boundary: the record stays open.
            for id in cut {
                let Some(tracked) = self.tracked.get_mut(&id) else { continue };
                if let Some(row) = &mut tracked.row {
                    row.cuts.pop();
                    self.dirty.insert(id);
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
        let Some(end) = last_line_end(&file, open, row.mark.offset, row.encoding) else {
            return false;
        };
        row.cuts.push(end);
        self.dirty.insert(id);
        self.urgent.insert(id);
        true
    }
}

/// What follows the last cut begins a record anyway: the bytes alone say where it ends.
pub(in crate::follow) fn drop_needless_cut(
    row: &mut GenerationRow,
    file: &File,
    size: u64,
    multiline: bool,
) {
    let Some(cut) = row.cuts.last().copied() else { return };
    if cut == 0 || row.mark.offset > cut {
        return;
    }
    let format = in_force(&row.formats, cut, multiline);
    let from = row.encoding.unit_start(cut - 1);
    let mut bytes = vec![0; (size - from).min(4096) as usize];
    let Ok(read) = super::file::read_full(file, &mut bytes, from) else { return };
    let text = row.encoding.to_utf8(&bytes[..read], from);
    let Some((before, line)) = text.split_first() else { return };
    let Some(end) = memchr::memchr(b'\n', line) else { return };
    let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
    if *before == b'\n' && begins_record(&*format, line) {
        row.cuts.pop();
    }
}

/// Whatever stands before it, this line begins a record.
pub(in crate::follow) fn begins_record(format: &dyn Format, line: &[u8]) -> bool {
    match format.joins() {
        Joins::Lines => format.begins(line),
        Joins::Never | Joins::Depth => format.fit(line) == Fit::Exact && !format.is_later(line),
    }
}

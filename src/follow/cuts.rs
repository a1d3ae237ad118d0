//! Cuts: record boundaries that time made, not the bytes. A cut is durable before anybody gets the event before it.

use std::fs::File;
use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::follower::Follower;
use super::identity::bears;
use super::sample::last_line_end;
use super::single::in_force;
use crate::event::FileId;
use crate::format::{Fit, Format, Joins};
use crate::state::GenerationRow;

/// An open record of a quiet file is closed after this.
const QUIET: Duration = Duration::from_millis(500);

impl Follower {
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
        for id in self.work.open_records.iter().copied().collect::<Vec<_>>() {
            match self.catalog.get(id).map(|tracked| self.close_at(tracked)) {
                Some(Some(at)) if now < at || self.pending.is_urgent(id) => {}
                Some(Some(_)) => cut.push(id),
                _ => {
                    self.work.open_records.remove(&id);
                }
            }
        }
        cut.retain(|id| self.cut_at_end(*id));
        if !cut.is_empty() && !self.persist() {
            // Not durable, so not a boundary: the record stays open.
            for id in cut {
                let Some(tracked) = self.catalog.get_mut(id) else { continue };
                if let Some(row) = &mut tracked.row {
                    row.cuts.pop();
                    self.pending.change(id);
                }
            }
        }
    }

    fn cut_at_end(&mut self, id: FileId) -> bool {
        let key = *self.key();
        let Some(tracked) = self.catalog.get_mut(id) else { return false };
        let (Some(file), Some(open)) = (tracked.file(), tracked.handle.open_record()) else {
            return false;
        };
        let Some(row) = &mut tracked.row else { return false };
        tracked.handle.set_open_record(None);
        let end = last_line_end(&file, open, row.mark.offset, row.encoding);
        // Truncated and written again since the last look: that was a line of another life.
        if !bears(&file, &row.mark, &key).unwrap_or(false) {
            tracked.handle.raise_doubt();
            return false;
        }
        let Some(end) = end else { return false };
        row.cuts.push(end);
        self.pending.change_urgently(id);
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
    let Ok(read) = super::pread::read_full(file, &mut bytes, from) else { return };
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

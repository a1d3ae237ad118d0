//! Cuts: record boundaries that are made by a timeout, not by the bytes. A cut is durable before any consumer gets the
//! event before it.

use std::io;
use std::time::Duration;

use super::SourceConfig;
use super::catalog::{Stage, Tracked};
use super::file_sample::{hole_end, last_line_end};
use super::follower::Follower;
use super::format_at::format_at;
use super::identity::matches_mark;
use super::positioned_read::read_full;
use super::startup::UNFINISHED_LINE_TIMEOUT;
use crate::base::Timestamp;
use crate::base::timed_fs::File;
use crate::event::{Encoding, FileId};
use crate::format::{Context, End, Fit, Format, Framer, Joins, LONGEST_RECORD, is_unfinished_json};
use crate::state::GenerationRow;

/// Whether a cut is needed is only checked again if the next line is no longer than this, in bytes.
const MAX_NEXT_LINE: u64 = 16 * 1024;
/// Maximum number of bytes before the cut that are read for the same purpose.
const MAX_BYTES_BEFORE: u64 = 64 * 1024;
/// Bytes of a line without a line end that show whether it is JSON that is still being written.
const MAX_OPEN_LINE: u64 = LONGEST_RECORD as u64;
/// An open record of a quiet file is closed after this.
const QUIET_TIME: Duration = Duration::from_millis(500);

impl Follower {
    /// When the open record of this file, at which a reader waits, is to be closed by a cut.
    pub fn close_due_at(&self, tracked: &Tracked) -> Option<Duration> {
        let open = tracked.handle.open_record().filter(|_| tracked.stage == Stage::Live)?;
        let row = tracked.row.as_ref()?;
        let is_before = row.cuts.last().is_none_or(|cut| *cut <= open.at);
        let quiet = if open.has_line_end { QUIET_TIME } else { UNFINISHED_LINE_TIMEOUT };
        (open.at < row.mark.offset && is_before).then_some(tracked.last_growth + quiet)
    }

    /// Sets a cut after the last line of each file that is quiet while a reader waits at an open record. After a line
    /// without a line end, the quiet time is longer.
    pub fn close_quiet_records(&mut self) {
        let now = self.now();
        let mut cut = Vec::new();
        for id in self.work.open_records.iter().copied().collect::<Vec<_>>() {
            match self.catalog.get(id).map(|tracked| self.close_due_at(tracked)) {
                Some(Some(at)) if now < at || self.pending.is_urgent(id) => {}
                Some(Some(_)) => cut.push(id),
                _ => {
                    self.work.open_records.remove(&id);
                }
            }
        }
        cut.retain(|id| self.cut_at_end(*id));
        if !cut.is_empty() && !self.persist() {
            // A cut that is not durable is not a boundary: the record stays open.
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
        let (at, mark) = (open.at, row.mark.offset);
        let end = match open.has_line_end {
            true => last_line_end(&file, at, mark, row.encoding),
            false => end_of_open_line(&file, row, (at, mark)),
        };
        // Truncated and written again since the last check: the open line was of the previous generation.
        if !matches_mark(&file, &row.mark, &key).unwrap_or(false) {
            tracked.handle.report_mismatch();
            return false;
        }
        let Some(end) = end else { return false };
        row.cuts.push(end);
        self.pending.change_urgently(id);
        true
    }
}

/// End of the event in an open line at [at, mark). Does not split a character or an unfinished JSON object. `None` if
/// there is only a hole, into which bytes may still be written.
fn end_of_open_line(file: &File, row: &GenerationRow, (at, mark): (u64, u64)) -> Option<u64> {
    let data = hole_end(file, at, mark).ok().filter(|data| *data < mark)?;
    let begin = read(file, data, mark.min(data + MAX_OPEN_LINE))?;
    if is_unfinished_json(&row.encoding.to_utf8(&begin, data)) {
        return None;
    }
    let last = read(file, mark.saturating_sub(4).max(data), mark)?;
    let end = row.encoding.last_character_end(&last, mark);
    (end > at).then_some(end)
}

/// Whether there is a cut at `offset`, and it is inside a line: the byte before it does not end a line.
pub(in crate::follow) fn is_inside_a_line(
    (offset, cuts, encoding): (u64, &[u64], Encoding),
    read: impl FnOnce(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<bool> {
    if offset == 0 || cuts.binary_search(&offset).is_err() {
        return Ok(false);
    }
    let from = encoding.unit_start(offset - 1);
    let mut unit = vec![0; (offset - from) as usize];
    read(&mut unit, from)?;
    Ok(encoding.line_end(&unit, from).is_none())
}

/// Drops the last cut if the records are the same without it, because the next line begins a record anyway. Needs the
/// complete next line; called when the file has grown to `size`, before the mark moves.
pub(in crate::follow) fn drop_needless_cut(
    row: &mut GenerationRow,
    file: &File,
    size: u64,
    source: &SourceConfig,
) {
    let Some(cut) = row.cuts.last() else { return };
    if *cut > 0 && is_needless(row, *cut, file, size, source).unwrap_or(false) {
        row.cuts.pop();
    }
}

/// Whether the records are the same without the cut. `None`: this was already decided, or the existing bytes are not
/// enough.
fn is_needless(
    row: &GenerationRow,
    cut: u64,
    file: &File,
    size: u64,
    source: &SourceConfig,
) -> Option<bool> {
    if row.mark.offset.saturating_sub(cut) > MAX_NEXT_LINE {
        return None;
    }
    let next_bytes = read(file, cut, size.min(cut + MAX_NEXT_LINE))?;
    let end = cut + row.encoding.line_end(&next_bytes, cut)? as u64;
    // Another format begins within the line: that is a boundary of its own.
    let formats = row.formats.iter().map(|entry| entry.offset);
    if row.mark.offset >= end || formats.clone().any(|at| (cut..end).contains(&at)) {
        return None;
    }
    let boundary = formats.chain(row.cuts.iter().rev().skip(1).copied().take(1)).chain([row.start]);
    let boundary = boundary.filter(|at| *at < cut).max()?;
    let from = row.encoding.unit_start(boundary.max(cut.saturating_sub(MAX_BYTES_BEFORE)));
    let bytes = read(file, from, end)?;
    let format = format_at(&row.formats, cut - 1, source.multiline);
    let framer = Framer::new(format, row.encoding);
    let before = &bytes[..(cut - from) as usize];
    let begin = match from == boundary {
        true => 0,
        false => framer.first_begin(before, from, false)?,
    };
    let frame = |cuts: &[u64]| {
        let mut context = Context::new(source.zone.clone(), 0, Timestamp::MIN);
        let (base, mut records) = (from + begin as u64, Vec::new());
        framer.frame_file(&bytes[begin..], base, cuts, End::Closed, &mut context, &mut records);
        records
    };
    Some(frame(&row.cuts) == frame(&row.cuts[..row.cuts.len() - 1]))
}

fn read(file: &File, from: u64, to: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; to.checked_sub(from)? as usize];
    let read = read_full(file, &mut bytes, from).ok()?;
    (read == bytes.len()).then_some(bytes)
}

/// Whether the line begins a record, whatever is before it.
pub(in crate::follow) fn begins_record(format: &dyn Format, line: &[u8]) -> bool {
    match format.joins() {
        Joins::Lines => format.begins(line),
        Joins::Never | Joins::Depth => format.fit(line) == Fit::Exact && !format.is_later(line),
    }
}

#[cfg(test)]
mod tests;

//! Reads records that are too large to be read in one piece: long lines, of which only the beginning is kept, and holes
//! (runs of NUL bytes).

use std::io;
use std::sync::{Arc, MutexGuard};

use super::{CHUNK, Reader};
use crate::base::timed_fs::File;
use crate::event::Flags;
use crate::follow::file::OpenRecord;
use crate::follow::file_sample::hole_end;
use crate::follow::positioned_read::read_full;
use crate::follow::read_state::{CarriedContext, DecodeState};
use crate::follow::types::Read;
use crate::format;

impl Reader<'_> {
    /// The record of the hole at `offset`; `None` if there is no hole, or no bytes follow it yet.
    fn large_hole(
        &self,
        file: &File,
        offset: u64,
        state: &mut DecodeState,
    ) -> io::Result<Option<Read>> {
        let (available, cut) = (self.known.available, self.cuts_after(offset).first().copied());
        let limit = cut.map_or(available, |cut| cut.min(available));
        let end = self.encoding().unit_start(hole_end(file, offset, limit)?);
        let is_over = end < available || cut == Some(end) || self.known.complete;
        if end == offset || !is_over {
            return Ok(None);
        }
        if !self.is_unchanged(file)? {
            self.handle.report_mismatch();
            self.notify_follower();
            return Ok(Some(Read::Waiting));
        }
        let mut context = self.context(file, offset, state)?;
        let framer = self.framer(offset);
        let record = framer.hole((offset, end), &mut context);
        self.count_holes(&[record], state);
        let carried = CarriedContext { last: context.last, since_last: context.since_last };
        state.remember(end, carried);
        Ok(Some(self.hand_out(self.batch(framer.format, Arc::from([]), vec![record]), state)))
    }

    /// The record at `offset`, which does not fit into the largest piece: only its beginning is kept.
    pub(super) fn read_long_record(
        &self,
        file: &File,
        offset: u64,
        state: &mut MutexGuard<'_, DecodeState>,
    ) -> io::Result<Read> {
        if let Some(read) = self.large_hole(file, offset, state)? {
            return Ok(read);
        }
        let Some((end, partial)) = self.end_of_line(file, offset, state)? else {
            return Ok(Read::Waiting);
        };
        let framer = self.framer(offset);
        let kept = framer.kept() as u64;
        let Some(piece) = self.piece(file, offset, kept)? else { return Ok(Read::Waiting) };
        let mut context = self.context(file, offset, state)?;
        let text = framer.encoding.to_utf8(&piece.bytes, offset);
        let cuts = &self.known.facts.cuts;
        let mut record = framer.truncated(&text, (offset, end), cuts, &mut context);
        if partial {
            record.flags.insert(Flags::PARTIAL);
        }
        if self.is_inside_a_line(file, offset)? {
            framer.began_inside_a_line(std::slice::from_mut(&mut record));
        }
        self.count_cut_off(&[record], state);
        let carried = CarriedContext { last: context.last, since_last: context.since_last };
        state.remember(record.end, carried);
        Ok(self.hand_out(
            self.batch(framer.format, format::shared(text, &piece.bytes), vec![record]),
            state,
        ))
    }

    /// Where the line at `offset` ends, and whether its line end is missing; `None` if the line may still grow.
    fn end_of_line(
        &self,
        file: &File,
        offset: u64,
        state: &mut DecodeState,
    ) -> io::Result<Option<(u64, bool)>> {
        let facts = &self.known.facts;
        let entry = facts.formats.iter().map(|entry| entry.offset).find(|at| *at > offset);
        let cut = self.cuts_after(offset).first().copied();
        let forced = [entry, cut, self.known.complete.then_some(self.known.available)];
        let forced = forced.into_iter().flatten().min();
        let scanned = state.unfinished.filter(|(from, _)| *from == offset).map_or(offset, |s| s.1);
        let limit = forced.unwrap_or(self.known.available);
        if let Some(end) = self.scan_line(file, scanned, limit)? {
            return Ok(Some((end, false)));
        }
        if forced.is_none() {
            state.unfinished = Some((offset, limit));
            self.request_cut(OpenRecord { at: offset, has_line_end: false });
        }
        Ok(forced.map(|end| (end, true)))
    }

    /// The offset behind the first line end in [from, to).
    pub(super) fn scan_line(&self, file: &File, from: u64, to: u64) -> io::Result<Option<u64>> {
        let mut from = self.encoding().unit_start(from);
        let mut buffer = vec![0; CHUNK.min(to.saturating_sub(from)) as usize];
        while from < to {
            let len = (to - from).min(CHUNK) as usize;
            let read = read_full(file, &mut buffer[..len], from)?;
            if let Some(end) = self.encoding().line_end(&buffer[..read], from) {
                return Ok(Some(from + end as u64));
            }
            if read < len {
                break;
            }
            from += len as u64;
        }
        Ok(None)
    }
}

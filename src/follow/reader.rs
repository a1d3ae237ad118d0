//! Reads the batch at a cursor: reads a piece of the file, splits it into records, and verifies that the file is
//! unchanged.
//!
//! Never returns bytes beyond the published size. After each read, and before it returns a batch, it verifies the bytes
//! before the mark. Changes only the decode state of its generation.

mod long;

use std::io;
use std::sync::{Arc, MutexGuard};

use super::cuts;
use super::file::{FileHandle, KnownFacts, OpenRecord};
use super::format_at::format_at;
use super::identity;
use super::open_file;
use super::positioned_read::read_full;
use super::read_state::{CarriedContext, DecodeState};
use super::shared::Shared;
use super::truncated_records::TruncatedRecords;
use super::types::Read;
use crate::base::Timestamp;
use crate::base::timed_fs::File;
use crate::event::{Batch, Cursor, Encoding, Flags, Generation, Record};
use crate::format::{self, Context, End, Format, Framed, Framer};

/// Bytes per read while records are short.
const CHUNK: u64 = 256 * 1024;
/// Bytes read before an offset without a stored context, to find the last timestamp before it.
const WARM_UP: u64 = 64 * 1024;

/// Implements [`super::Log::read`].
pub(in crate::follow) fn read(shared: &Shared, cursor: Cursor) -> io::Result<Read> {
    let Some(handle) = shared.handle_of(cursor.generation) else {
        return Ok(shared.read_without_file(cursor));
    };
    let cached = |(batch, first)| Read::Batch { batch, first };
    if let Some(hit) = shared.cache.find(cursor) {
        return Ok(cached(hit));
    }
    let mut state = handle.decode_state();
    // Another consumer may have decoded it while this one waited for the lock.
    if let Some(hit) = shared.cache.find(cursor) {
        return Ok(cached(hit));
    }
    let known = Arc::clone(&handle.known());
    let Some(generation) = known.facts.generation.clone() else { return Ok(Read::Waiting) };
    let reader = Reader { shared, handle: &handle, known, generation, seen: shared.clock.now() };
    reader.read_from(cursor.offset, &mut state)
}

/// One read of one generation, with the facts as they were when it started.
struct Reader<'a> {
    shared: &'a Shared,
    handle: &'a Arc<FileHandle>,
    known: Arc<KnownFacts>,
    generation: Arc<Generation>,
    seen: Timestamp,
}

/// A stretch of the file in one format.
struct Piece {
    bytes: Arc<[u8]>,
    /// The piece ends where this format or the generation ends, so its last record is complete.
    closed: bool,
    /// The piece holds all known bytes up to its limit.
    whole: bool,
}

impl Reader<'_> {
    fn read_from(&self, offset: u64, state: &mut MutexGuard<'_, DecodeState>) -> io::Result<Read> {
        let KnownFacts { facts, available, complete, .. } = &*self.known;
        if offset >= facts.size {
            return Ok(if *complete { Read::Finished } else { Read::Waiting });
        }
        if offset < facts.begin {
            return Ok(self.shared.count_lost(self.handle, offset, facts.begin));
        }
        self.handle.users.note_read(self.shared.clock.uptime());
        let file = match self.handle.open_file() {
            Err(error) if open_file::is_unpacking(&error) => {
                self.notify_follower();
                return Ok(Read::Waiting);
            }
            opened => opened?.filter(|_| offset < *available),
        };
        let Some(file) = file else {
            return Ok(match complete {
                true => self.shared.count_lost(self.handle, offset, facts.size),
                false => Read::Waiting,
            });
        };
        if self.is_still_unfinished(&file, offset, state)? {
            return Ok(Read::Waiting);
        }
        for want in [CHUNK, self.framer(offset).kept() as u64 + 2] {
            let Some(piece) = self.piece(&file, offset, want)? else { return Ok(Read::Waiting) };
            if let Some(batch) = self.frame(&file, offset, &piece, state)? {
                return Ok(self.hand_out(batch, state));
            }
            if piece.whole {
                return Ok(self.wait_at(offset, &piece, state));
            }
        }
        self.read_long_record(&file, offset, state)
    }

    /// Bytes from `offset`, at most `want`; `None` if the file has changed.
    fn piece(&self, file: &File, offset: u64, want: u64) -> io::Result<Option<Piece>> {
        let next_entry = self.known.facts.formats.iter().map(|e| e.offset).find(|at| *at > offset);
        let limit = next_entry.map_or(self.known.available, |at| at.min(self.known.available));
        let len = want.min(limit - offset);
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, len as usize).collect();
        let buffer = Arc::get_mut(&mut bytes).expect("the buffer is not shared yet");
        let short = read_full(file, buffer, offset)? < buffer.len();
        if short || !self.is_unchanged(file)? {
            self.handle.report_mismatch();
            self.notify_follower();
            return Ok(None);
        }
        let whole = offset + len == limit;
        let ends = next_entry == Some(limit) || self.known.complete;
        Ok(Some(Piece { bytes, closed: whole && ends, whole }))
    }

    /// Compares the bytes before the mark. Call it after the read: an earlier check would miss a file that was
    /// truncated and grew again in between.
    fn is_unchanged(&self, file: &File) -> io::Result<bool> {
        let KnownFacts { mark, available, .. } = &*self.known;
        Ok(*available < mark.offset || identity::matches_mark(file, mark, &self.generation.key)?)
    }

    fn framer(&self, offset: u64) -> Framer {
        let format = format_at(&self.known.facts.formats, offset, self.handle.source.multiline);
        Framer::new(format, self.encoding())
    }

    fn encoding(&self) -> Encoding {
        self.known.facts.encoding.unwrap_or_default()
    }

    /// Splits the piece into records; `None` if none of them is complete.
    fn frame(
        &self,
        file: &File,
        offset: u64,
        piece: &Piece,
        state: &mut DecodeState,
    ) -> io::Result<Option<Batch>> {
        let framer = self.framer(offset);
        // The line is longer than the piece, and a cut after the piece may end it: the framer cannot know that.
        if framer.is_overlong(&piece.bytes, offset) && !self.cut_within(offset, &piece.bytes) {
            return Ok(None);
        }
        let mut context = self.context(file, offset, state)?;
        let mut records = Vec::with_capacity(piece.bytes.len() / 128);
        let end = if piece.closed { End::Closed } else { End::Open };
        let cuts = &self.known.facts.cuts;
        let (framed, text) =
            framer.frame_file(&piece.bytes, offset, cuts, end, &mut context, &mut records);
        if self.is_inside_a_line(file, offset)? {
            framer.began_inside_a_line(&mut records);
        }
        self.count_misfits(offset, &framed, state);
        self.count_holes(&records, state);
        self.count_cut_off(&records, state);
        if framed.consumed == 0 {
            return Ok(None);
        }
        let carried = CarriedContext { last: context.last, since_last: context.since_last };
        if !self.stop_at_day_mark(offset, &mut records) {
            state.remember(offset + framed.consumed as u64, carried);
        }
        Ok(Some(self.batch(framer.format, format::shared(text, &piece.bytes), records)))
    }

    fn is_inside_a_line(&self, file: &File, offset: u64) -> io::Result<bool> {
        let place = (offset, &*self.known.facts.cuts, self.encoding());
        cuts::is_inside_a_line(place, |unit, from| read_full(file, unit, from))
    }

    /// Counts only records that are read for the first time, like misfits.
    fn count_holes(&self, records: &[Record], state: &DecodeState) {
        let new = |record: &&Record| {
            record.flags.contains(Flags::HOLE) && record.start >= state.handed_out
        };
        let bytes: u64 = records.iter().filter(new).map(|record| record.end - record.start).sum();
        if bytes > 0 {
            self.handle.add_hole(bytes);
            self.notify_follower();
        }
    }

    /// Counts only records that are read for the first time, like misfits.
    fn count_cut_off(&self, records: &[Record], state: &DecodeState) {
        let cut = TruncatedRecords::of(records, state.handed_out);
        if cut.records > 0 {
            self.handle.cut_off.add(cut);
            self.notify_follower();
        }
    }

    fn notify_follower(&self) {
        self.shared.waker.wake(|hints| {
            hints.files.insert(self.handle.id);
        });
    }

    /// Asks the follower to detect the format again after many misfits. Counts only records that are read for the first
    /// time.
    fn count_misfits(&self, offset: u64, framed: &Framed, state: &mut DecodeState) {
        if offset < state.handed_out {
            return;
        }
        state.misfits = framed.row(state.misfits);
        if state.misfits >= Framed::VOTE_AGAIN {
            state.misfits = 0;
            self.handle.report_misfit();
            self.notify_follower();
        }
    }

    /// Ends the batch at the next day mark, since record times depend on it; `true` if that shortened the batch.
    fn stop_at_day_mark(&self, offset: u64, records: &mut Vec<Record>) -> bool {
        let next = self.known.facts.days.iter().find(|mark| mark.offset > offset);
        let Some(next) = next else { return false };
        let keep = records.partition_point(|record| record.start < next.offset);
        let shortened = keep < records.len();
        records.truncate(keep.max(1));
        shortened
    }

    fn batch(&self, format: Arc<dyn Format>, text: Arc<[u8]>, records: Vec<Record>) -> Batch {
        let (start, end) = match (records.first(), records.last()) {
            (Some(first), Some(last)) => (first.start, last.end),
            _ => (0, 0),
        };
        let used = records.last().map_or(0, |last| last.at as usize + last.len as usize);
        // Copied, so that the start of a long, incomplete record is not kept in memory.
        let bytes = if used * 2 < text.len() { Arc::from(&text[..used]) } else { text };
        Batch {
            generation: self.generation.clone(),
            path: self.known.facts.path.clone(),
            decode: format,
            seen: self.seen,
            day: self.day_mark(start),
            start,
            end,
            bytes,
            records,
        }
    }

    fn hand_out(&self, batch: Batch, state: &mut DecodeState) -> Read {
        state.handed_out = state.handed_out.max(batch.end);
        if batch.end >= self.known.facts.size {
            self.handle.set_open_record(None);
        }
        let batch = Arc::new(batch);
        self.shared.cache.put(&batch);
        Read::Batch { batch, first: 0 }
    }

    /// No record is complete: asks the follower to close the record if it stays incomplete.
    fn wait_at(&self, offset: u64, piece: &Piece, state: &mut DecodeState) -> Read {
        if self.encoding().line_end(&piece.bytes, offset).is_none() {
            state.unfinished = Some((offset, offset + piece.bytes.len() as u64));
            self.request_cut(OpenRecord { at: offset, has_line_end: false });
        } else {
            self.request_cut(OpenRecord { at: offset, has_line_end: true });
        }
        Read::Waiting
    }

    fn request_cut(&self, record: OpenRecord) {
        if self.handle.set_open_record(Some(record)) {
            self.notify_follower();
        }
    }

    /// The line at `offset` was scanned before, and the bytes written since then do not end it.
    fn is_still_unfinished(
        &self,
        file: &File,
        offset: u64,
        state: &mut DecodeState,
    ) -> io::Result<bool> {
        let Some((_, upto)) = state.unfinished.filter(|(from, _)| *from == offset) else {
            return Ok(false);
        };
        if self.known.complete || !self.cuts_after(offset).is_empty() {
            return Ok(false);
        }
        let end = self.scan_line(file, upto, self.known.available)?;
        if end.is_none() {
            state.unfinished = Some((offset, self.known.available));
            self.request_cut(OpenRecord { at: offset, has_line_end: false });
        }
        Ok(end.is_none())
    }

    fn cut_within(&self, offset: u64, bytes: &[u8]) -> bool {
        self.cuts_after(offset).first().is_some_and(|cut| *cut <= offset + bytes.len() as u64)
    }

    fn cuts_after(&self, offset: u64) -> &[u64] {
        let cuts = &self.known.facts.cuts;
        &cuts[cuts.partition_point(|cut| *cut <= offset)..]
    }

    /// The context for the record at `offset`: as stored, or found by reading some bytes before it.
    fn context(&self, file: &File, offset: u64, state: &DecodeState) -> io::Result<Context> {
        let carried = match state.recall(offset) {
            Some(carried) => carried,
            None if offset == 0 => CarriedContext::default(),
            None => self.context_before(file, offset)?,
        };
        Ok(self.context_of(offset, carried))
    }

    fn context_of(&self, offset: u64, carried: CarriedContext) -> Context {
        Context {
            zone: self.handle.source.zone.clone(),
            day_mark: self.day_mark(offset),
            last: carried.last,
            since_last: carried.since_last,
            seen: self.seen,
        }
    }

    fn day_mark(&self, offset: u64) -> i32 {
        let days = &self.known.facts.days;
        let mark = days.iter().rev().find(|mark| mark.offset <= offset).or(days.first());
        mark.map_or_else(|| self.seen.day(), |mark| mark.day)
    }

    fn context_before(&self, file: &File, offset: u64) -> io::Result<CarriedContext> {
        let from = self.encoding().unit_start(offset.saturating_sub(WARM_UP));
        let mut bytes = vec![0; (offset - from) as usize];
        let read = read_full(file, &mut bytes, from)?;
        let first_line = match from {
            0 => Some(0),
            _ => self.encoding().line_end(&bytes[..read], from),
        };
        let Some(first_line) = first_line else { return Ok(CarriedContext::default()) };
        let mut context = self.context_of(from, CarriedContext::default());
        let mut records = Vec::new();
        let base = from + first_line as u64;
        self.framer(base).frame_file(
            &bytes[first_line..read],
            base,
            &self.known.facts.cuts,
            End::Closed,
            &mut context,
            &mut records,
        );
        Ok(CarriedContext { last: context.last, since_last: context.since_last })
    }
}

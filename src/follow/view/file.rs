//! One file as the screen reads it: which pieces are known, and the one before or after any offset.

mod locate;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::piece::{Cut, Cutter, KeyBounds, Piece, keys};
use super::{PIECE, Tally};
use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{FileId, FormatEntry, Generation, GenerationId, IdKey, Identity};
use crate::follow::file::{FileFacts, FileHandle};
use crate::follow::single::in_force;
use crate::format::{Format, list};

/// A time this far after it was seen is still believed: clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// A piece that was read once; its records can be dropped and read again.
#[derive(Debug)]
struct Known {
    end: u64,
    first_key: i64,
    last_key: i64,
    piece: Option<Arc<Piece>>,
    used: u64,
}

#[derive(Debug)]
pub struct FileView {
    handle: Arc<FileHandle>,
    facts: FileFacts,
    generation: Arc<Generation>,
    /// Ascending by offset; the first one also holds for what stands before it.
    formats: Vec<(u64, Arc<dyn Format>)>,
    /// Size and modification time when it was first looked at.
    first_size: u64,
    first_mtime: Timestamp,
    now: Timestamp,
    pieces: BTreeMap<u64, Known>,
    /// Bytes that the known pieces hold.
    weight: usize,
    uses: u64,
    /// The last reading failed; said once in the source list.
    pub problem: Option<String>,
    pub tally: Tally,
}

impl FileView {
    pub fn new(handle: Arc<FileHandle>, now: Timestamp) -> Self {
        let facts = handle.facts();
        let metadata = handle.metadata().ok();
        let mtime = metadata.as_ref().and_then(|found| found.modified().ok());
        let generation = facts.generation.clone().unwrap_or_else(|| {
            Arc::new(provisional(&handle, metadata.as_ref().map_or(0, MetadataExt::ino)))
        });
        let mut view = FileView {
            first_size: facts.size,
            first_mtime: mtime.map_or(now, Timestamp::from),
            generation,
            formats: Vec::new(),
            now,
            pieces: BTreeMap::new(),
            weight: 0,
            uses: 0,
            problem: None,
            tally: Tally::new(facts.size),
            facts,
            handle,
        };
        view.read_formats();
        view
    }

    pub fn id(&self) -> FileId {
        self.handle.id
    }

    pub fn handle(&self) -> &Arc<FileHandle> {
        &self.handle
    }

    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// Bytes that are shown: what the follower has seen.
    pub fn size(&self) -> u64 {
        self.facts.size
    }

    pub fn format_name(&self) -> Option<&'static str> {
        self.formats.last().map(|(_, format)| format.name())
    }

    /// Takes over what the follower knows now; says whether anything on a screen could change.
    pub fn refresh(&mut self, now: Timestamp) -> bool {
        self.now = now;
        let facts = self.handle.facts();
        let tail_changed = facts.size != self.facts.size
            || facts.cuts != self.facts.cuts
            || is_live(&facts) != is_live(&self.facts);
        let formats_changed = facts.formats != self.facts.formats;
        let changed = tail_changed || formats_changed || facts.state != self.facts.state;
        if let Some(generation) = &facts.generation {
            self.generation = generation.clone();
        }
        if tail_changed {
            self.drop_tail();
        }
        self.facts = facts;
        if formats_changed {
            self.read_formats();
        }
        changed
    }

    /// What reaches up to the end is read again when the end has moved.
    fn drop_tail(&mut self) {
        let Some((&start, known)) = self.pieces.iter().next_back() else { return };
        if known.end < self.facts.size {
            return;
        }
        let Some(known) = self.pieces.remove(&start) else { return };
        let Some(piece) = known.piece else { return };
        self.weight -= piece.weight();
        let open = piece.batch.records.get(piece.open).map_or(known.end, |record| record.start);
        // A full piece keeps its boundaries, so that a growing file is not read again from far back.
        if piece.open > 0 && open - start >= PIECE {
            let last_key = piece.keys[piece.open - 1];
            let kept = Known { end: open, last_key, piece: None, ..known };
            self.pieces.insert(start, kept);
        }
    }

    fn read_formats(&mut self) {
        let entries = match &self.handle.source.format {
            Some(forced) => vec![entry(forced.clone(), Vec::new())],
            None => self.facts.formats.clone(),
        };
        if entries.is_empty() {
            return;
        }
        let before = self.formats.last().map(|(_, format)| format.name());
        self.take_formats(&entries);
        let after = self.formats.last().map(|(_, format)| format.name());
        if before.is_some() && (before != after || self.formats.len() > 1) {
            self.pieces.clear();
            self.weight = 0;
            self.tally = Tally::new(self.facts.size);
        }
    }

    fn take_formats(&mut self, entries: &[FormatEntry]) {
        let multiline = self.handle.source.multiline;
        let format = |entry: &FormatEntry| {
            (entry.offset, in_force(std::slice::from_ref(entry), entry.offset, multiline))
        };
        self.formats = entries.iter().map(format).collect();
    }

    /// Votes over the file's end where nobody has said what the format is.
    fn ensure_format(&mut self) -> io::Result<()> {
        if !self.formats.is_empty() {
            return Ok(());
        }
        let start = self.facts.size.saturating_sub(PIECE);
        let mut sample = vec![0; (self.facts.size - start) as usize];
        let got = self.handle.read_at(&mut sample, start)?;
        sample.truncate(got);
        let whole_lines = match start {
            0 => 0,
            _ => memchr::memchr(b'\n', &sample).map_or(0, |at| at + 1),
        };
        let vote = list::detect(&sample[whole_lines..]);
        if !sample.is_empty() {
            self.take_formats(&[entry(vote.format.name().to_owned(), vote.parameters)]);
        }
        Ok(())
    }

    fn format_at(&self, offset: u64) -> (Arc<dyn Format>, u64, u64) {
        let after = self.formats.partition_point(|(start, _)| *start <= offset);
        let from = if after <= 1 { 0 } else { self.formats[after - 1].0 };
        let to = self.formats.get(after.max(1)).map_or(u64::MAX, |(start, _)| *start);
        let format = self.formats.get(after.saturating_sub(1)).map(|(_, format)| format.clone());
        (format.unwrap_or_else(list::plain), from, to)
    }

    /// The piece that holds the record before `offset`; `None` at the file's beginning.
    pub fn before(&mut self, offset: u64, budget: &mut Budget) -> Option<Arc<Piece>> {
        let offset = offset.min(self.facts.size);
        if offset == 0 {
            return None;
        }
        if let Some((&start, known)) = self.pieces.range(..offset).next_back()
            && known.end >= offset
        {
            return self.load(start, budget);
        }
        let left = self.pieces.range(..offset).next_back().map_or(0, |(_, known)| known.end);
        let found = self.try_read(|view| {
            let (format, from, _) = view.format_at(offset - 1);
            let left = left.max(from);
            let last_time = view.neighbours(left, offset).0.map(Timestamp);
            let cut = view.cutter(&format, last_time, left).backwards(left, offset)?;
            Ok(view.with_keys(cut))
        });
        self.keep(found, budget)
    }

    /// The piece that holds the first record at or after `offset` (which is a record's beginning);
    /// `None` at the file's end.
    pub fn after(&mut self, offset: u64, budget: &mut Budget) -> Option<Arc<Piece>> {
        if offset >= self.facts.size {
            return None;
        }
        if let Some((&start, known)) = self.pieces.range(..=offset).next_back()
            && known.end > offset
        {
            return self.load(start, budget);
        }
        let right = self.pieces.range(offset..).next().map_or(self.facts.size, |(start, _)| *start);
        let found = self.try_read(|view| view.read_forwards(offset, true, right));
        self.keep(found, budget)
    }

    /// The piece that reaches up to the end.
    pub fn tail(&mut self) -> Option<Arc<Piece>> {
        let piece = self.before(self.facts.size, &mut Budget::bytes(0))?;
        (piece.batch.end >= self.facts.size).then_some(piece)
    }

    /// Where the last record that is complete ends.
    pub fn complete_end(&mut self) -> u64 {
        match self.before(self.facts.size, &mut Budget::bytes(0)) {
            Some(piece) => {
                piece.batch.records.get(piece.open).map_or(piece.batch.end, |record| record.start)
            }
            None => 0,
        }
    }

    fn read_forwards(&mut self, offset: u64, exact: bool, right: u64) -> io::Result<Piece> {
        let (format, _, to) = self.format_at(offset);
        let last_time = self.neighbours(offset, offset).0.map(Timestamp);
        let cutter = self.cutter(&format, last_time, offset);
        let cut = cutter.forwards(offset, exact, right.min(to))?;
        Ok(self.with_keys(cut))
    }

    fn with_keys(&self, cut: Cut) -> Piece {
        let Cut { batch, open } = cut;
        let (floor, ceiling) = self.neighbours(batch.start, batch.end);
        let at_first_sight = batch.end <= self.first_size;
        let seen = if at_first_sight { self.first_mtime } else { self.now };
        let bounds = KeyBounds { floor, ceiling, latest: seen.plus(CLOCK_SKEW), fallback: seen };
        let keys = keys(&batch.records, bounds);
        Piece { batch: Arc::new(batch), keys, open }
    }

    fn cutter<'a>(
        &'a self,
        format: &'a Arc<dyn Format>,
        last_time: Option<Timestamp>,
        offset: u64,
    ) -> Cutter<'a> {
        let days = &self.facts.days;
        let after = days.partition_point(|mark| mark.offset <= offset);
        let day_mark = after.checked_sub(1).map_or(self.first_mtime.day(), |index| days[index].day);
        Cutter {
            handle: &self.handle,
            facts: &self.facts,
            format,
            generation: &self.generation,
            seen: self.now,
            day_mark,
            last_time,
        }
    }

    /// Keys of the nearest known records before `start` and from `end` on.
    fn neighbours(&self, start: u64, end: u64) -> (Option<i64>, Option<i64>) {
        let floor = self.pieces.range(..start).next_back().map(|(_, known)| known.last_key);
        let ceiling = self.pieces.range(end..).next().map(|(_, known)| known.first_key);
        (floor, ceiling)
    }

    /// A piece that was read before: from memory, or once more from the file.
    fn load(&mut self, start: u64, budget: &mut Budget) -> Option<Arc<Piece>> {
        self.uses += 1;
        let known = self.pieces.get_mut(&start)?;
        known.used = self.uses;
        if let Some(piece) = &known.piece {
            return Some(piece.clone());
        }
        let (end, first_key, last_key) = (known.end, known.first_key, known.last_key);
        let found = self.try_read(|view| {
            let (format, ..) = view.format_at(start);
            let cutter = view.cutter(&format, Some(Timestamp(first_key)), start);
            let Cut { batch, open } = cutter.exactly(start, end)?;
            let bounds = KeyBounds {
                floor: Some(first_key),
                ceiling: Some(last_key),
                latest: Timestamp(last_key),
                fallback: Timestamp(first_key),
            };
            let keys = keys(&batch.records, bounds);
            Ok(Piece { batch: Arc::new(batch), keys, open })
        });
        let piece = Arc::new(found?);
        budget.spend(piece.batch.bytes.len() as u64);
        self.weight += piece.weight();
        if let Some(known) = self.pieces.get_mut(&start) {
            known.piece = Some(piece.clone());
        }
        Some(piece)
    }

    fn try_read(&mut self, read: impl FnOnce(&mut Self) -> io::Result<Piece>) -> Option<Piece> {
        match self.ensure_format().and_then(|()| read(self)) {
            Ok(piece) => {
                self.problem = None;
                Some(piece)
            }
            Err(error) => {
                self.problem = Some(error.to_string());
                None
            }
        }
    }

    fn keep(&mut self, piece: Option<Piece>, budget: &mut Budget) -> Option<Arc<Piece>> {
        let piece = Arc::new(piece?);
        budget.spend(piece.batch.bytes.len() as u64);
        let (first_key, last_key) = (*piece.keys.first()?, *piece.keys.last()?);
        self.uses += 1;
        self.weight += piece.weight();
        let known = Known {
            end: piece.batch.end,
            first_key,
            last_key,
            piece: Some(piece.clone()),
            used: self.uses,
        };
        self.pieces.insert(piece.batch.start, known);
        Some(piece)
    }

    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Drops the half of the decoded pieces that was not used for longest.
    pub fn shed(&mut self) {
        let mut used: Vec<u64> = self
            .pieces
            .values()
            .filter(|known| known.piece.is_some())
            .map(|known| known.used)
            .collect();
        used.sort_unstable();
        let Some(&middle) = used.get(used.len() / 2) else { return };
        for known in self.pieces.values_mut() {
            if known.used <= middle
                && known.end < self.facts.size
                && let Some(piece) = known.piece.take()
            {
                self.weight -= piece.weight();
            }
        }
    }

    /// Counts a stretch of at most one block; `false` when everything is counted for now.
    pub fn count_more(&mut self, budget: &mut Budget) -> bool {
        if self.ensure_format().is_err() {
            return false;
        }
        let mut tally = std::mem::take(&mut self.tally);
        let more = tally.advance(self, budget);
        self.tally = tally;
        more
    }

    /// Records from `start` on, for counting: kept nowhere.
    pub(super) fn glance(&self, start: u64, exact: bool) -> io::Result<Cut> {
        let (format, _, to) = self.format_at(start);
        self.cutter(&format, None, start).forwards(start, exact, self.facts.size.min(to))
    }
}

fn entry(format: String, parameters: Vec<u8>) -> FormatEntry {
    FormatEntry { offset: 0, format, parameters }
}

/// The end may still move.
pub(super) fn is_live(facts: &FileFacts) -> bool {
    !matches!(facts.state, FileState::Ended)
}

fn provisional(handle: &FileHandle, inode: u64) -> Generation {
    Generation {
        id: GenerationId(0),
        identity: Identity { inode, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 },
        source: handle.source.name.clone(),
        service: handle.source.service.clone(),
        host: Arc::from(""),
        key: IdKey::from_host_id(""),
    }
}

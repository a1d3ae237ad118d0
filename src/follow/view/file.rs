//! One file as read by the screen: finds and caches the piece (consecutive decoded records) before or after any offset.

mod find_time;
mod formats;
mod piece_cache;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use super::Tally;
use super::piece::{DecodedRange, KeyBounds, Piece, RangeDecoder, keys};
use super::step_budget::Budget;
use crate::base::Timestamp;
use crate::event::{Encoding, FileId, Generation, GenerationId, IdKey, Identity};
use crate::follow::file::{FileFacts, FileHandle, SeenVersion};
use crate::follow::file_users::Shown;
use crate::format::Format;

/// Timestamps up to this far in the future are accepted: clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The bounds of a piece that was read once; its records can be dropped and read again.
#[derive(Debug)]
struct KnownPiece {
    end: u64,
    first_key: i64,
    last_key: i64,
    /// `None` if the records were dropped.
    piece: Option<Arc<Piece>>,
    /// Value of [`FileView::uses`] at the last use.
    used: u64,
}

/// One file of a [`Timeline`](super::merge::Timeline).
#[derive(Debug)]
pub struct FileView {
    handle: Arc<FileHandle>,
    /// Marks the file as shown, so that it stays readable.
    _shown: Arc<Shown>,
    facts: FileFacts,
    /// The version that `facts` is a copy of.
    seen: SeenVersion,
    generation: Arc<Generation>,
    encoding: Encoding,
    /// Ascending by offset; the first one also applies to the bytes before its offset.
    formats: Vec<(u64, Arc<dyn Format>)>,
    /// Size and modification time when the view was created.
    first_size: u64,
    first_mtime: Timestamp,
    now: Timestamp,
    pieces: BTreeMap<u64, KnownPiece>,
    /// Memory of the decoded pieces, in bytes.
    weight: usize,
    /// Number of uses of any piece, to find the least recently used one.
    uses: u64,
    /// The error of the last read; shown in the list of files.
    pub problem: Option<String>,
    pub tally: Tally,
}

impl FileView {
    pub fn new(handle: Arc<FileHandle>, now: Timestamp) -> Self {
        let mut seen = SeenVersion::default();
        let facts = handle.facts_if_changed(&mut seen).unwrap_or_else(|| handle.facts());
        let metadata = handle.metadata().ok();
        let mtime = metadata.as_ref().and_then(|found| found.modified().ok());
        let generation = facts.generation.clone().unwrap_or_else(|| {
            Arc::new(provisional(&handle, metadata.as_ref().map_or(0, MetadataExt::ino)))
        });
        let mut view = FileView {
            first_size: facts.size,
            first_mtime: mtime.map_or(now, Timestamp::from),
            generation,
            encoding: facts.encoding.unwrap_or_default(),
            formats: Vec::new(),
            now,
            pieces: BTreeMap::new(),
            weight: 0,
            uses: 0,
            problem: None,
            tally: Tally::new(facts.size),
            facts,
            _shown: handle.users.show(),
            seen,
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

    /// The size that the follower has published.
    pub fn size(&self) -> u64 {
        self.facts.size
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Bytes before this offset no longer exist.
    pub(super) fn begin(&self) -> u64 {
        self.facts.begin
    }

    pub fn format_name(&self) -> Option<&'static str> {
        self.formats.last().map(|(_, format)| format.name())
    }

    /// Takes over the current facts of the follower; `true` if the screen may have to change.
    pub fn refresh(&mut self, now: Timestamp) -> bool {
        self.now = now;
        // The read is retried: its bytes may be readable now.
        let problem = self.problem.take().is_some();
        let Some(facts) = self.handle.facts_if_changed(&mut self.seen) else { return problem };
        let tail_changed = facts.size != self.facts.size
            || facts.cuts != self.facts.cuts
            || facts.is_live() != self.facts.is_live();
        let formats_changed = facts.formats != self.facts.formats;
        let changed = tail_changed
            || formats_changed
            || facts.state != self.facts.state
            || problem
            || facts.stuck != self.facts.stuck
            || facts.check_error != self.facts.check_error;
        if let Some(generation) = &facts.generation {
            self.generation = generation.clone();
        }
        if tail_changed {
            self.drop_tail();
        }
        let shorter = facts.begin != self.facts.begin;
        self.facts = facts;
        if formats_changed {
            self.read_formats();
        }
        if shorter {
            self.drop_pieces();
        }
        changed || shorter
    }

    /// The piece that holds the record before `offset`; `None` at the file's beginning, or if it cannot be read.
    pub fn before(&mut self, offset: u64, budget: &mut Budget) -> Option<Arc<Piece>> {
        let offset = offset.min(self.facts.size);
        if offset <= self.facts.begin {
            return None;
        }
        if let Some((&start, known)) = self.pieces.range(..offset).next_back()
            && known.end >= offset
        {
            return self.load(start, budget);
        }
        let left = self.pieces.range(..offset).next_back();
        let left = left.map_or(self.facts.begin, |(_, known)| known.end);
        let found = self.try_read(|view| {
            let (format, from, _) = view.format_at(offset - 1);
            let left = left.max(from);
            let last_time = view.neighbour_keys(left, offset).0.map(Timestamp);
            let decoded = view.decoder(&format, last_time, left).backwards(left, offset)?;
            Ok(view.with_keys(decoded))
        });
        self.insert(found, budget)
    }

    /// The piece that holds the first record at or after `offset`, which must be the beginning of a record;
    /// `None` at the file's end, or if it cannot be read.
    pub fn after(&mut self, offset: u64, budget: &mut Budget) -> Option<Arc<Piece>> {
        if offset >= self.facts.size {
            return None;
        }
        let offset = offset.max(self.facts.begin);
        if let Some((&start, known)) = self.pieces.range(..=offset).next_back()
            && known.end > offset
        {
            return self.load(start, budget);
        }
        let right = self.pieces.range(offset..).next().map_or(self.facts.size, |(start, _)| *start);
        let found = self.try_read(|view| view.read_forwards(offset, true, right));
        self.insert(found, budget)
    }

    /// The piece that reaches up to the end.
    pub fn tail(&mut self) -> Option<Arc<Piece>> {
        let piece = self.before(self.facts.size, &mut Budget::bytes(0))?;
        (piece.batch.end >= self.facts.size).then_some(piece)
    }

    /// The end of the last complete record; 0 if there is none.
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
        let last_time = self.neighbour_keys(offset, offset).0.map(Timestamp);
        let decoder = self.decoder(&format, last_time, offset);
        let decoded = decoder.forwards(offset, exact, right.min(to))?;
        Ok(self.with_keys(decoded))
    }

    fn with_keys(&self, decoded: DecodedRange) -> Piece {
        let DecodedRange { batch, open } = decoded;
        let (floor, ceiling) = self.neighbour_keys(batch.start, batch.end);
        let at_first_sight = batch.end <= self.first_size;
        let seen = if at_first_sight { self.first_mtime } else { self.now };
        let bounds = KeyBounds { floor, ceiling, latest: seen.plus(CLOCK_SKEW), fallback: seen };
        let keys = keys(&batch.records, bounds);
        Piece { batch: Arc::new(batch), keys, open }
    }

    fn decoder<'a>(
        &'a self,
        format: &'a Arc<dyn Format>,
        last_time: Option<Timestamp>,
        offset: u64,
    ) -> RangeDecoder<'a> {
        let days = &self.facts.days;
        let after = days.partition_point(|mark| mark.offset <= offset);
        let day_mark = after.checked_sub(1).map_or(self.first_mtime.day(), |index| days[index].day);
        RangeDecoder {
            handle: &self.handle,
            facts: &self.facts,
            format,
            encoding: self.encoding,
            generation: &self.generation,
            seen: self.now,
            day_mark,
            last_time,
        }
    }

    fn try_read(&mut self, read: impl FnOnce(&mut Self) -> io::Result<Piece>) -> Option<Piece> {
        match self.ensure_encoding().and_then(|()| read(self)) {
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

    /// Some records from `start` on, for counting only: they are not cached.
    pub(super) fn read_uncached(&self, start: u64, exact: bool) -> io::Result<DecodedRange> {
        let (format, _, to) = self.format_at(start);
        self.decoder(&format, None, start).forwards(start, exact, self.facts.size.min(to))
    }
}

/// Stands in for the generation of a file that is not identified yet.
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

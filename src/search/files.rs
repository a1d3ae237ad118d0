//! Searches log files directly, without an engine: detects the format, splits records and evaluates the query.
//!
//! If every match must contain a word, blocks without it are not parsed; parsing continues at the last certain start of
//! a record before the next block. Memory is a few MiB for any file.

mod collector;
mod file_content;
mod newest;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

pub use collector::MatchCollector;
use file_content::FileContent;

use super::{Each, Options, SearchError};
use crate::base::Timestamp;
use crate::event::{Batch, Encoding, Event, Generation, Record};
use crate::format::{self, Context, End, Format, Framed, Framer};
use crate::privacy::Policy;
use crate::query::{Expr, RequiredLiteral, Subject, required_literal};

/// Bytes read at once.
const BLOCK: usize = Framer::PIECE;
/// Bytes per step back in the search for the start of a record. At least one step is made, because a record may take
/// its time from an earlier one.
const REALIGN_STEP: u64 = 256 * 1024;
/// Maximum number of field names compared for a suggestion.
const MAX_NAMES: usize = 10_000;
/// Bytes used for detecting the format.
const SAMPLE: usize = 64 * 1024;

/// One file to search, and how to read it.
#[derive(Debug)]
pub struct Input {
    pub path: Arc<Path>,
    pub file: File,
    /// The generation that event ids are derived from.
    pub generation: Arc<Generation>,
    /// The given format; `None`: detected.
    pub format: Option<String>,
    pub zone: TimeZone,
    /// The current time, recorded as first seen.
    pub seen: Timestamp,
    /// The UTC day of the bytes: determines a missing year.
    pub day: i32,
}

/// Calls `each` with every match, file by file in order, or newest first over all files, and returns their number.
/// `each` gets the events in their outgoing form under `policy`.
pub fn files(
    inputs: &[Input],
    query: &Expr,
    options: &Options,
    policy: &Policy,
    each: Each<'_>,
) -> Result<u64, SearchError> {
    let mut matches = MatchCollector::new(query, options, policy);
    if !matches.is_full() {
        let query = matches.query().clone();
        search_all(inputs, &query, &mut |event| matches.take(event, each))?;
    }
    matches.finish(each)
}

/// The number of matches; counting ends at `options.limit`.
pub fn count_files(inputs: &[Input], query: &Expr, options: &Options) -> Result<u64, SearchError> {
    let limit = options.limit.unwrap_or(u64::MAX);
    let mut found = 0;
    if limit > 0 {
        search_all(inputs, &options.narrow(query), &mut |_| {
            found += 1;
            Ok(found < limit)
        })?;
    }
    Ok(found)
}

/// Called with each match; returns whether to continue.
type OnMatch<'a> = &'a mut dyn FnMut(Event<'_>) -> Result<bool, SearchError>;

fn search_all(inputs: &[Input], query: &Expr, found: OnMatch<'_>) -> Result<(), SearchError> {
    let literal = required_literal(query);
    for input in inputs {
        let failed = |source| SearchError::File { path: input.path.to_path_buf(), source };
        let mut scan = FileScan::new(input, query, literal.as_ref()).map_err(failed)?;
        while let Some(batch) = scan.next_batch().map_err(failed)? {
            for event in batch.events().filter(|event| scan.matches(*event)) {
                if !found(event)? {
                    return Ok(());
                }
            }
            scan.reported_to = batch.end;
        }
    }
    Ok(())
}

/// The field names of the first `events` events of each file.
pub fn names_in_files(inputs: &[Input], events: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for input in inputs {
        let Ok(mut scan) = FileScan::new(input, &Expr::All, None) else { continue };
        let mut left = events;
        while let Ok(Some(batch)) = scan.next_batch() {
            for event in batch.events().take(left) {
                collect_names(event, &mut names);
            }
            left = left.saturating_sub(batch.records.len());
            if left == 0 {
                break;
            }
        }
    }
    names
}

/// Adds the field names of an event, up to [`MAX_NAMES`].
pub fn collect_names(event: Event<'_>, names: &mut BTreeSet<String>) {
    event.leaves(&mut |name, _| {
        if names.len() < MAX_NAMES && !names.contains(name) {
            names.insert(name.to_owned());
        }
    });
}

/// All records of a file without a query, for tests.
#[cfg(test)]
pub(super) fn each_batch(input: &Input, each: &mut dyn FnMut(&Batch)) {
    let mut scan = FileScan::new(input, &Expr::All, None).unwrap();
    while let Some(batch) = scan.next_batch().unwrap() {
        each(&batch);
    }
}

/// One scan of a file.
struct FileScan<'a> {
    input: &'a Input,
    content: FileContent<'a>,
    query: &'a Expr,
    literal: Option<&'a RequiredLiteral>,
    framer: Framer,
    is_format_forced: bool,
    context: Context,
    /// The next byte to read.
    at: u64,
    /// `at` is the start of a record, and the context is that of the records before it.
    is_aligned: bool,
    /// Blocks before this offset are not skipped: the scan went back to parse them.
    no_skip_before: u64,
    misfits: u32,
    /// Records that start before this offset were reported already.
    reported_to: u64,
    buffer: Vec<u8>,
}

impl<'a> FileScan<'a> {
    fn new(
        input: &'a Input,
        query: &'a Expr,
        literal: Option<&'a RequiredLiteral>,
    ) -> io::Result<Self> {
        let forced = input.format.as_deref().and_then(|name| format::detection::by_name(name, &[]));
        Ok(FileScan {
            input,
            content: FileContent::open(&input.file)?,
            query,
            literal,
            is_format_forced: forced.is_some(),
            framer: Framer::new(
                forced.unwrap_or_else(format::detection::plain),
                Encoding::default(),
            ),
            context: new_context(input),
            at: 0,
            is_aligned: true,
            no_skip_before: 0,
            misfits: 0,
            reported_to: 0,
            buffer: Vec::new(),
        })
    }

    fn matches(&self, event: Event<'_>) -> bool {
        !event.record.flags.contains(crate::event::Flags::QUIET)
            && event.record.start >= self.reported_to
            && self.literal.is_none_or(|literal| literal.may_occur(event.text()))
            && self.query.matches(&event)
    }

    /// The next records that may match; `None` at the end of the file.
    fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        loop {
            self.fill()?;
            if self.buffer.is_empty() {
                self.content.failure()?;
                return Ok(None);
            }
            if self.at == 0 {
                self.begin();
            }
            if let Some(skipped) = self.skippable() {
                self.at += skipped as u64;
                self.is_aligned = false;
                continue;
            }
            if !self.is_aligned {
                self.realign()?;
                continue;
            }
            if let Some(batch) = self.frame()? {
                return Ok(Some(batch));
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.content.read_at(self.at, BLOCK, &mut self.buffer)
    }

    fn ends_here(&self) -> bool {
        self.buffer.len() < BLOCK
    }

    fn begin(&mut self) {
        self.framer.encoding = Encoding::of(&self.buffer);
        if !self.is_format_forced {
            self.framer.format = self.vote(&self.buffer);
        }
    }

    /// Detects the format from `bytes`, which start at the current offset.
    fn vote(&self, bytes: &[u8]) -> Arc<dyn Format> {
        let sample = self.framer.encoding.to_utf8(&bytes[..bytes.len().min(SAMPLE)], self.at);
        format::detection::detect(&sample).format
    }

    /// The number of bytes to skip because they cannot contain a match. Whole lines only.
    fn skippable(&self) -> Option<usize> {
        let is_scannable = self.framer.encoding == Encoding::Utf8 && self.content.is_seekable();
        let literal = self.literal.filter(|_| is_scannable && self.at >= self.no_skip_before)?;
        let lines = match self.ends_here() {
            true => self.buffer.len(),
            false => memchr::memrchr(b'\n', &self.buffer)? + 1,
        };
        (!literal.may_occur(&self.buffer[..lines])).then_some(lines)
    }

    /// Moves back to a certain start of a record, at some distance before `at`: a record may take its time from an
    /// earlier one.
    fn realign(&mut self) -> io::Result<()> {
        let mut from = self.at;
        self.no_skip_before = self.at;
        self.context = new_context(self.input);
        self.is_aligned = true;
        let mut window = Vec::new();
        while from > 0 {
            let end = from;
            from = from.saturating_sub(REALIGN_STEP);
            self.content.read_at(from, (end - from) as usize, &mut window)?;
            if let Some(at) = self.framer.first_begin(&window, from, from == 0) {
                self.at = from + at as u64;
                return Ok(());
            }
        }
        self.at = 0;
        Ok(())
    }

    /// The records of the buffer. `None`: no records; continue at the new offset.
    fn frame(&mut self) -> io::Result<Option<Batch>> {
        let hole = self.framer.leading_hole(&self.buffer);
        if hole > 0 {
            self.at += hole as u64;
            return Ok(None);
        }
        if self.framer.is_overlong(&self.buffer, self.at) {
            return self.overlong().map(Some);
        }
        let bytes: Arc<[u8]> = self.buffer.as_slice().into();
        let (framed, text, records) = self.frame_bytes(&bytes);
        self.misfits = framed.row(self.misfits);
        if self.misfits >= Framed::VOTE_AGAIN && !self.is_format_forced {
            self.misfits = 0;
            let format = self.vote(&bytes);
            if format.name() != self.framer.format.name() {
                self.framer.format = format;
                return Ok(None);
            }
        }
        if framed.consumed == 0 && self.ends_here() {
            self.at += bytes.len() as u64;
            return Ok(None);
        }
        let text = format::shared(text, &bytes);
        let batch = self.batch(text, records, framed.consumed as u64);
        self.at = batch.end;
        Ok(Some(batch))
    }

    fn frame_bytes<'b>(&mut self, bytes: &'b [u8]) -> (Framed, Cow<'b, [u8]>, Vec<Record>) {
        let end = if self.ends_here() { End::Closed } else { End::Open };
        let before = self.context.clone();
        let mut records = Vec::with_capacity(bytes.len() / 128);
        let (framed, text) =
            self.framer.frame_file(bytes, self.at, &[], end, &mut self.context, &mut records);
        if framed.row(self.misfits) >= Framed::VOTE_AGAIN {
            self.context = before;
        }
        (framed, text, records)
    }

    /// A line longer than the limit: its beginning becomes the record.
    fn overlong(&mut self) -> io::Result<Batch> {
        let kept = self.buffer.len().min(self.framer.kept());
        let kept: Arc<[u8]> = self.framer.encoding.to_utf8(&self.buffer[..kept], self.at).into();
        let (start, mut end) = (self.at, self.at + self.buffer.len() as u64);
        loop {
            self.content.read_at(end, BLOCK, &mut self.buffer)?;
            match self.framer.encoding.line_end(&self.buffer, end) {
                Some(line_end) => {
                    end += line_end as u64;
                    break;
                }
                None if self.buffer.is_empty() => break,
                None => end += self.buffer.len() as u64,
            }
        }
        let record = self.framer.truncated(&kept, (start, end), &[], &mut self.context);
        let batch = self.batch(kept, vec![record], end - start);
        self.at = end;
        Ok(batch)
    }

    fn batch(&self, bytes: Arc<[u8]>, records: Vec<Record>, length: u64) -> Batch {
        Batch {
            generation: self.input.generation.clone(),
            path: self.input.path.clone(),
            decode: self.framer.format.clone(),
            seen: self.input.seen,
            day: self.input.seen.day(),
            start: self.at,
            end: self.at + length,
            bytes,
            records,
        }
    }
}

fn new_context(input: &Input) -> Context {
    Context::new(input.zone.clone(), input.day, input.seen)
}

//! Search in files as they are, without an engine: found out, framed and asked like everywhere else.
//!
//! Where every match must hold a word, blocks without it are passed over unread by the parser; reading goes on
//! at the last sure beginning of a record before the next block. Memory is a few MiB whatever the file holds.

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

pub use collector::Sieve;
use file_content::Content;

use super::{Each, Options, SearchError};
use crate::base::Timestamp;
use crate::event::{Batch, Encoding, Event, Generation, Record};
use crate::format::{self, Context, End, Format, Framed, Framer};
use crate::privacy::Policy;
use crate::query::{Expr, RequiredLiteral, Subject, required_literal};

/// Read and looked at at once.
const BLOCK: usize = Framer::PIECE;
/// How far back one look for a record's beginning reads, and the least that is read for the sake of what
/// records take over from those before them.
const BACK: u64 = 256 * 1024;
/// Names of fields that are looked at for one that was meant.
const MOST_NAMES: usize = 10_000;
/// What a vote on the format looks at.
const SAMPLE: usize = 64 * 1024;

/// One file, and how it is to be read.
#[derive(Debug)]
pub struct Input {
    pub path: Arc<Path>,
    pub file: File,
    /// What its event ids come from.
    pub generation: Arc<Generation>,
    /// Forced; `None`: found out.
    pub format: Option<String>,
    pub zone: TimeZone,
    /// Now.
    pub seen: Timestamp,
    /// The UTC day of the bytes: decides a missing year.
    pub day: i32,
}

/// Hands out what is found, file after file in their order, or the newest first over all of them, and returns
/// how many. Events are handed out as `policy` lets them leave.
pub fn files(
    inputs: &[Input],
    query: &Expr,
    options: &Options,
    policy: &Policy,
    each: Each<'_>,
) -> Result<u64, SearchError> {
    let mut sieve = Sieve::new(query, options, policy);
    if !sieve.is_full() {
        let query = sieve.query().clone();
        search_all(inputs, &query, &mut |event| sieve.take(event, each))?;
    }
    sieve.finish(each)
}

/// How many there are.
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

/// Returns whether to go on.
type Found<'a> = &'a mut dyn FnMut(Event<'_>) -> Result<bool, SearchError>;

fn search_all(inputs: &[Input], query: &Expr, found: Found<'_>) -> Result<(), SearchError> {
    let literal = required_literal(query);
    for input in inputs {
        let failed = |source| SearchError::File { path: input.path.to_path_buf(), source };
        let mut pass = Pass::new(input, query, literal.as_ref()).map_err(failed)?;
        while let Some(batch) = pass.next_batch().map_err(failed)? {
            for event in batch.events().filter(|event| pass.matches(*event)) {
                if !found(event)? {
                    return Ok(());
                }
            }
            pass.told_to = batch.end;
        }
    }
    Ok(())
}

/// The names of the fields of the first so many events of each file.
pub fn names_in_files(inputs: &[Input], events: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for input in inputs {
        let Ok(mut pass) = Pass::new(input, &Expr::All, None) else { continue };
        let mut left = events;
        while let Ok(Some(batch)) = pass.next_batch() {
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

/// Adds the names of an event's fields; no more than anybody could have meant.
pub fn collect_names(event: Event<'_>, names: &mut BTreeSet<String>) {
    event.leaves(&mut |name, _| {
        if names.len() < MOST_NAMES && !names.contains(name) {
            names.insert(name.to_owned());
        }
    });
}

/// All records of a file, for tests that want them without a query.
#[cfg(test)]
pub(super) fn each_batch(input: &Input, each: &mut dyn FnMut(&Batch)) {
    let mut pass = Pass::new(input, &Expr::All, None).unwrap();
    while let Some(batch) = pass.next_batch().unwrap() {
        each(&batch);
    }
}

/// One way through a file.
struct Pass<'a> {
    input: &'a Input,
    content: Content<'a>,
    query: &'a Expr,
    literal: Option<&'a RequiredLiteral>,
    framer: Framer,
    forced: bool,
    context: Context,
    /// The next byte to look at.
    at: u64,
    /// `at` is where a record begins, and the context is that of the records before it.
    aligned: bool,
    /// Nothing is passed over before this: the reading went back on purpose.
    frame_to: u64,
    misfits: u32,
    /// What begins before this was told already.
    told_to: u64,
    buffer: Vec<u8>,
}

impl<'a> Pass<'a> {
    fn new(
        input: &'a Input,
        query: &'a Expr,
        literal: Option<&'a RequiredLiteral>,
    ) -> io::Result<Self> {
        let forced = input.format.as_deref().and_then(|name| format::detection::by_name(name, &[]));
        Ok(Pass {
            input,
            content: Content::of(&input.file)?,
            query,
            literal,
            forced: forced.is_some(),
            framer: Framer::new(
                forced.unwrap_or_else(format::detection::plain),
                Encoding::default(),
            ),
            context: new_context(input),
            at: 0,
            aligned: true,
            frame_to: 0,
            misfits: 0,
            told_to: 0,
            buffer: Vec::new(),
        })
    }

    fn matches(&self, event: Event<'_>) -> bool {
        !event.record.flags.contains(crate::event::Flags::QUIET)
            && event.record.start >= self.told_to
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
            if let Some(passed) = self.passed_over() {
                self.at += passed as u64;
                self.aligned = false;
                continue;
            }
            if !self.aligned {
                self.go_back()?;
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
        if !self.forced {
            self.framer.format = self.vote(&self.buffer);
        }
    }

    /// On what `bytes`, which is where it is now, holds.
    fn vote(&self, bytes: &[u8]) -> Arc<dyn Format> {
        let sample = self.framer.encoding.to_utf8(&bytes[..bytes.len().min(SAMPLE)], self.at);
        format::detection::detect(&sample).format
    }

    /// How many bytes to pass over, because no match can be in them. Whole lines only.
    fn passed_over(&self) -> Option<usize> {
        let as_it_stands = self.framer.encoding == Encoding::Utf8 && self.content.is_seekable();
        let literal = self.literal.filter(|_| as_it_stands && self.at >= self.frame_to)?;
        let lines = match self.ends_here() {
            true => self.buffer.len(),
            false => memchr::memrchr(b'\n', &self.buffer)? + 1,
        };
        (!literal.may_occur(&self.buffer[..lines])).then_some(lines)
    }

    /// To a sure beginning of a record before `at`, not too near: a record may take its time from one before.
    fn go_back(&mut self) -> io::Result<()> {
        let mut from = self.at;
        self.frame_to = self.at;
        self.context = new_context(self.input);
        self.aligned = true;
        let mut window = Vec::new();
        while from > 0 {
            let end = from;
            from = from.saturating_sub(BACK);
            self.content.read_at(from, (end - from) as usize, &mut window)?;
            if let Some(at) = self.framer.first_begin(&window, from, from == 0) {
                self.at = from + at as u64;
                return Ok(());
            }
        }
        self.at = 0;
        Ok(())
    }

    /// `None`: nothing was told, go on behind it.
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
        if self.misfits >= Framed::VOTE_AGAIN && !self.forced {
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

    /// A line longer than the cap: its beginning stands for it.
    fn overlong(&mut self) -> io::Result<Batch> {
        let kept = self.buffer.len().min(self.framer.kept());
        let kept: Arc<[u8]> = self.framer.encoding.to_utf8(&self.buffer[..kept], self.at).into();
        let (start, mut end) = (self.at, self.at + self.buffer.len() as u64);
        loop {
            self.content.read_at(end, BLOCK, &mut self.buffer)?;
            match self.framer.encoding.line_end(&self.buffer, end) {
                Some(behind) => {
                    end += behind as u64;
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

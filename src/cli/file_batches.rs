//! Reads files and streams into batches of events, without an engine: for `parse`, `stats` and `search`. Reads once
//! from beginning to end and keeps no state. Memory is bounded by the read size, however long the lines are.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::tz::TimeZone;

use super::exit::usage_error;
use super::resolve::STDIN;
use crate::app::identity;
use crate::app::settings::Settings;
use crate::base::Timestamp;
use crate::event::{Batch, Encoding, Generation, IdKey, Identity, Record};
use crate::follow::compressed;
use crate::format::{self, Context, End, Framed, Framer};

/// Bytes read and framed at once.
const PIECE: usize = Framer::PIECE;
/// The first complete line, up to this many bytes, is part of a file's identity.
const HEAD: usize = 4096;
/// Bytes used for detecting the format.
const SAMPLE: usize = 64 * 1024;

/// Identity and decoding settings of an input.
#[derive(Debug)]
pub struct InputInfo {
    pub path: Arc<Path>,
    pub generation: Arc<Generation>,
    /// The format set by the user; `None`: detected.
    pub format: Option<String>,
    pub zone: TimeZone,
    pub seen: Timestamp,
    /// UTC day of the file's modification time; determines the year of dates without one.
    pub day: i32,
}

impl InputInfo {
    /// Opens a file, or standard input for `-`. Also returns its length, 0 if unknown.
    pub fn open(
        path: &Path,
        settings: &Settings,
        seen: Timestamp,
    ) -> anyhow::Result<(InputInfo, Box<dyn Read>, u64)> {
        if path.as_os_str() == STDIN {
            let nothing = Identity { inode: 0, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 };
            let info = InputInfo::new(path, nothing, settings, seen, seen.day());
            return Ok((info, Box::new(io::stdin()), 0));
        }
        let (info, file) = InputInfo::open_file(path, settings, seen)?;
        if let Some(unpacked) = compressed::open(&file)? {
            return Ok((info, Box::new(unpacked), 0));
        }
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        Ok((info, Box::new(file), length))
    }

    /// Opens a file that must exist and must not be a directory.
    pub fn open_file(
        path: &Path,
        settings: &Settings,
        seen: Timestamp,
    ) -> anyhow::Result<(InputInfo, File)> {
        let cannot = || format!("cannot read {}", path.display());
        must_exist(path)?;
        let file = File::open(path).with_context(cannot)?;
        let metadata = file.metadata().with_context(cannot)?;
        if metadata.is_dir() {
            anyhow::bail!("{} is a directory; name the files in it", path.display());
        }
        let key = identity::id_key(settings.host_id.as_deref());
        let identity = identity_of(&file, &metadata, &key).with_context(cannot)?;
        let day = metadata.modified().map_or(seen, Timestamp::from).day();
        Ok((InputInfo::new(path, identity, settings, seen, day), file))
    }

    fn new(
        path: &Path,
        identity: Identity,
        settings: &Settings,
        seen: Timestamp,
        day: i32,
    ) -> InputInfo {
        let key = identity::id_key(settings.host_id.as_deref());
        let generation = Generation {
            id: identity.id(&key),
            identity,
            source: path.display().to_string().into(),
            service: None,
            host: identity::host_name(settings.host_name.as_deref()),
            key,
        };
        let zone = settings.zone.clone();
        InputInfo {
            path: path.into(),
            generation: generation.into(),
            format: None,
            zone,
            seen,
            day,
        }
    }
}

/// A missing path is a usage error in every command (exit code 2), reported before anything is done.
pub fn must_exist(path: &Path) -> anyhow::Result<()> {
    let is_missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    match path.as_os_str() != STDIN && path.metadata().is_err_and(is_missing) {
        true => Err(usage_error(format!("{}: no such file", path.display()))),
        false => Ok(()),
    }
}

/// Computed as in the engine, so that the event ids are equal.
fn identity_of(file: &File, metadata: &Metadata, key: &IdKey) -> io::Result<Identity> {
    let mut head = Vec::with_capacity(HEAD);
    // A pipe cannot be read at an offset.
    if metadata.is_file() {
        match compressed::open(file)? {
            // A read error is reported later, when the whole file is read.
            Some(unpacked) => drop(unpacked.take(HEAD as u64).read_to_end(&mut head)),
            None => {
                head.resize(HEAD, 0);
                let read = file.read_at(&mut head, 0)?;
                head.truncate(read);
            }
        }
    }
    let line = memchr::memchr(b'\n', &head).map_or(head.len(), |newline| newline + 1);
    let birth = metadata.created().map_or(0, |time| Timestamp::from(time).0.max(0));
    let (head_len, head_hash) = (line as u32, key.hash(&head[..line]));
    Ok(Identity { inode: metadata.ino(), birth, head_len, head_hash, ordinal: 0 })
}

/// Calls `each` with all events in order.
pub fn read_batches(
    input: impl Read,
    info: &InputInfo,
    each: &mut dyn FnMut(&Batch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let context = Context::new(info.zone.clone(), info.day, info.seen);
    let forced = info.format.as_deref().and_then(|name| format::detection::by_name(name, &[]));
    let is_forced = forced.is_some();
    Stream {
        input,
        info,
        context,
        framer: Framer::new(forced.unwrap_or_else(format::detection::plain), Encoding::default()),
        is_format_final: is_forced,
        has_format: is_forced,
        sample: Vec::new(),
        sample_from: 0,
        misfits: 0,
        pending: Vec::new(),
        base: 0,
        ended: false,
        failed: None,
    }
    .read(each)
}

struct Stream<'a, R> {
    input: R,
    info: &'a InputInfo,
    context: Context,
    framer: Framer,
    /// The format is final: it was set by the user, or the sample was large enough.
    is_format_final: bool,
    /// A format is in use, perhaps detected from only a few lines.
    has_format: bool,
    /// Bytes for the next detection, collected until they are enough.
    sample: Vec<u8>,
    /// File offset of the first byte of `sample`.
    sample_from: u64,
    /// Consecutive records that did not match the format.
    misfits: u32,
    /// Bytes read but not yet part of a record.
    pending: Vec<u8>,
    /// File offset of the first byte of `pending`.
    base: u64,
    /// The input has ended, or reading it has failed.
    ended: bool,
    /// The read error, reported after all events before it.
    failed: Option<io::Error>,
}

impl<R: Read> Stream<'_, R> {
    fn read(mut self, each: &mut dyn FnMut(&Batch) -> anyhow::Result<()>) -> anyhow::Result<()> {
        loop {
            self.fill();
            if self.pending.is_empty() && self.ended {
                let path = self.info.path.display();
                return match self.failed {
                    Some(error) => Err(error).with_context(|| format!("cannot read all of {path}")),
                    None => Ok(()),
                };
            }
            if self.base == 0 {
                self.framer.encoding = Encoding::of(&self.pending);
            }
            let hole = self.framer.leading_hole(&self.pending);
            if hole > 0 {
                self.pending.drain(..hole);
                self.base += hole as u64;
                continue;
            }
            self.detect_format();
            let bytes: Arc<[u8]> = self.pending.as_slice().into();
            let (batch, misfits) = match self.framer.is_overlong(&bytes, self.base) {
                true if bytes.len() >= PIECE => (Some(self.truncated_record(&bytes)), 0),
                _ => self.frame(&bytes),
            };
            let Some(batch) = batch else { continue };
            self.pending.drain(..(batch.end - self.base) as usize);
            self.base = batch.end;
            self.update_misfits(misfits);
            each(&batch)?;
        }
    }

    /// Reads more input, but only once, so that events of a slow stream are shown immediately.
    fn fill(&mut self) {
        let before = self.pending.len();
        if self.ended || before >= PIECE {
            return;
        }
        self.pending.resize(PIECE, 0);
        let read = loop {
            match self.input.read(&mut self.pending[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.pending.truncate(before + *read.as_ref().unwrap_or(&0));
        self.ended = !matches!(read, Ok(1..));
        self.failed = read.err();
        if !self.is_format_final {
            if self.sample.is_empty() {
                self.sample_from = self.base + before as u64;
            }
            let missing = SAMPLE - self.sample.len();
            let new = &self.pending[before..];
            let hole = if self.sample.is_empty() { format::leading_hole(new) & !1 } else { 0 };
            let new = &new[hole..];
            self.sample.extend_from_slice(&new[..new.len().min(missing)]);
        }
    }

    /// Detects the format as the engine does: the first one found is used until the sample is large enough for a final
    /// one.
    fn detect_format(&mut self) {
        if self.is_format_final {
            return;
        }
        let sample = self.framer.encoding.to_utf8(&self.sample, self.sample_from);
        let vote = format::detection::detect(&sample);
        self.is_format_final = vote.settled || self.sample.len() >= SAMPLE;
        if self.is_format_final || !self.has_format {
            self.framer.format = vote.format;
            self.has_format = true;
        }
        if self.is_format_final {
            self.sample = Vec::new();
        }
    }

    /// Has the format detected again after too many consecutive misfits.
    fn update_misfits(&mut self, misfits: u32) {
        self.misfits = misfits;
        if misfits >= Framed::VOTE_AGAIN && self.info.format.is_none() {
            self.misfits = 0;
            self.is_format_final = false;
            self.sample.clear();
        }
    }

    /// Splits the bytes into records; `None`: no record is complete. Also returns the number of consecutive misfits.
    fn frame(&mut self, bytes: &Arc<[u8]>) -> (Option<Batch>, u32) {
        let mut records = Vec::with_capacity(bytes.len() / 128);
        let end = if self.ended { End::Closed } else { End::Open };
        let (framed, text) =
            self.framer.frame_file(bytes, self.base, &[], end, &mut self.context, &mut records);
        let batch = (framed.consumed > 0).then(|| self.batch(format::shared(text, bytes), records));
        (batch, framed.row(self.misfits))
    }

    /// A record longer than the limit: it is truncated, and the rest of its line is skipped.
    fn truncated_record(&mut self, bytes: &[u8]) -> Batch {
        let (start, kept) = (self.base, self.framer.kept());
        let text = self.framer.encoding.to_utf8(&bytes[..kept], start);
        let end = self.line_end(kept);
        let record = self.framer.truncated(&text, (start, end), &[], &mut self.context);
        self.batch(text.into(), vec![record])
    }

    /// File offset of the end of the line, searched from index `from` of `pending`; reads on if necessary.
    fn line_end(&mut self, mut from: usize) -> u64 {
        let encoding = self.framer.encoding;
        loop {
            let searched = self.base + from as u64;
            if let Some(behind) = encoding.line_end(&self.pending[from..], searched) {
                return searched + behind as u64;
            }
            let end = self.base + self.pending.len() as u64;
            if self.ended {
                return end;
            }
            // An incomplete code unit is searched again with the next bytes.
            let whole = encoding.unit_start(end) - self.base;
            self.pending.drain(..whole as usize);
            self.base += whole;
            from = 0;
            self.fill();
        }
    }

    fn batch(&self, bytes: Arc<[u8]>, records: Vec<Record>) -> Batch {
        Batch {
            generation: self.info.generation.clone(),
            path: self.info.path.clone(),
            decode: self.framer.format.clone(),
            seen: self.info.seen,
            day: self.info.day,
            start: records.first().map_or(self.base, |record| record.start),
            end: records.last().map_or(self.base, |record| record.end),
            bytes,
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one piece per read.
    struct Pieces(std::vec::IntoIter<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.next() else { return Ok(0) };
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    /// The formats of the batches, in order.
    fn formats(pieces: Vec<Vec<u8>>) -> Vec<&'static str> {
        let key = IdKey::from_host_id("host");
        let identity = Identity { inode: 0, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 };
        let generation = Generation {
            id: identity.id(&key),
            identity,
            source: "app".into(),
            service: None,
            host: "host".into(),
            key,
        };
        let info = InputInfo {
            path: Path::new("app.log").into(),
            generation: generation.into(),
            format: None,
            zone: TimeZone::UTC,
            seen: Timestamp(0),
            day: 0,
        };
        let mut found = Vec::new();
        read_batches(Pieces(pieces.into_iter()), &info, &mut |batch| {
            found.push(batch.decode.name());
            Ok(())
        })
        .unwrap();
        found.dedup();
        found
    }

    #[test]
    fn the_first_detected_format_is_used_until_the_sample_is_large_enough() {
        let json = |count: usize| "{\"message\":\"x\"}\n".repeat(count).into_bytes();
        let last = b"2024-05-01 10:00:00 [INFO] x\n".to_vec();
        assert_eq!(formats(vec![json(3), last.clone()]), ["json"]);
        let found = formats(vec![b"a banner\n".to_vec(), json(150), json(10)]);
        assert_eq!(found.last(), Some(&"json"), "{found:?}");
    }
}

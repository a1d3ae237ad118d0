//! Files and streams → batches of events, without an engine: for `parse` and `stats`. Reads from the beginning
//! to the end once, keeps no state. Memory is bounded by the piece size, whatever the lines are.

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

/// Read and framed at once.
const PIECE: usize = Framer::PIECE;
/// The first complete line, at most so many bytes, is part of a file's identity.
const HEAD: usize = 4096;
/// What a vote on the format looks at.
const SAMPLE: usize = 64 * 1024;

/// What is to be read, and how.
#[derive(Debug)]
pub struct Origin {
    pub path: Arc<Path>,
    pub generation: Arc<Generation>,
    /// Forced; `None`: found out.
    pub format: Option<String>,
    pub zone: TimeZone,
    pub seen: Timestamp,
    /// The UTC day of the bytes: decides a missing year.
    pub day: i32,
}

impl Origin {
    /// Opens a file, or standard input for `-`. Also says how long it is, 0 where that is not known.
    pub fn open(
        path: &Path,
        settings: &Settings,
        seen: Timestamp,
    ) -> anyhow::Result<(Origin, Box<dyn Read>, u64)> {
        if path.as_os_str() == STDIN {
            let nothing = Identity { inode: 0, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 };
            let origin = Origin::new(path, nothing, settings, seen, seen.day());
            return Ok((origin, Box::new(io::stdin()), 0));
        }
        let (origin, file) = Origin::open_file(path, settings, seen)?;
        if let Some(unpacked) = compressed::open(&file)? {
            return Ok((origin, Box::new(unpacked), 0));
        }
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        Ok((origin, Box::new(file), length))
    }

    pub fn open_file(
        path: &Path,
        settings: &Settings,
        seen: Timestamp,
    ) -> anyhow::Result<(Origin, File)> {
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
        Ok((Origin::new(path, identity, settings, seen, day), file))
    }

    fn new(
        path: &Path,
        identity: Identity,
        settings: &Settings,
        seen: Timestamp,
        day: i32,
    ) -> Origin {
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
        Origin { path: path.into(), generation: generation.into(), format: None, zone, seen, day }
    }
}

/// A path that is not there is a wrong call, before anything is done: exit code 2, whatever the command.
pub fn must_exist(path: &Path) -> anyhow::Result<()> {
    let is_missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    match path.as_os_str() != STDIN && path.metadata().is_err_and(is_missing) {
        true => Err(usage_error(format!("no such file: {}", path.display()))),
        false => Ok(()),
    }
}

/// As the engine has it, so that the ids are the same.
fn identity_of(file: &File, metadata: &Metadata, key: &IdKey) -> io::Result<Identity> {
    let mut head = Vec::with_capacity(HEAD);
    // A pipe has no beginning to look at.
    if metadata.is_file() {
        match compressed::open(file)? {
            // What ends it before its time is told where all of it is read.
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

/// Hands out all events in order.
pub fn read_batches(
    input: impl Read,
    origin: &Origin,
    each: &mut dyn FnMut(&Batch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let context = Context::new(origin.zone.clone(), origin.day, origin.seen);
    let forced = origin.format.as_deref().and_then(|name| format::detection::by_name(name, &[]));
    let settled = forced.is_some();
    Stream {
        input,
        origin,
        context,
        framer: Framer::new(forced.unwrap_or_else(format::detection::plain), Encoding::default()),
        settled,
        voted: settled,
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
    origin: &'a Origin,
    context: Context,
    framer: Framer,
    /// There was enough to vote by.
    settled: bool,
    /// A format is in force, be it of a few lines.
    voted: bool,
    /// What the next vote looks at: bytes as they came, as long as there are too few of them.
    sample: Vec<u8>,
    /// The offset of its first byte.
    sample_from: u64,
    /// Records in a row that did not fit.
    misfits: u32,
    /// Read, and not yet part of a record.
    pending: Vec<u8>,
    /// The offset of its first byte.
    base: u64,
    ended: bool,
    /// Why it ended before its time; told when everything before that is.
    failed: Option<io::Error>,
}

impl<R: Read> Stream<'_, R> {
    fn read(mut self, each: &mut dyn FnMut(&Batch) -> anyhow::Result<()>) -> anyhow::Result<()> {
        loop {
            self.fill();
            if self.pending.is_empty() && self.ended {
                let path = self.origin.path.display();
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
            self.settle_format();
            let bytes: Arc<[u8]> = self.pending.as_slice().into();
            let (batch, row) = match self.framer.is_overlong(&bytes, self.base) {
                true if bytes.len() >= PIECE => (Some(self.over_long(&bytes)), 0),
                _ => self.frame(&bytes),
            };
            let Some(batch) = batch else { continue };
            self.pending.drain(..(batch.end - self.base) as usize);
            self.base = batch.end;
            self.count_misfits(row);
            each(&batch)?;
        }
    }

    /// One read only, so that a slow stream is shown as it comes.
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
        if !self.settled {
            if self.sample.is_empty() {
                self.sample_from = self.base + before as u64;
            }
            let missing = SAMPLE - self.sample.len();
            let came = &self.pending[before..];
            let hole = if self.sample.is_empty() { format::leading_hole(came) & !1 } else { 0 };
            let came = &came[hole..];
            self.sample.extend_from_slice(&came[..came.len().min(missing)]);
        }
    }

    /// As the engine: the vote at first sight holds until there is enough for a better one.
    fn settle_format(&mut self) {
        if self.settled {
            return;
        }
        let sample = self.framer.encoding.to_utf8(&self.sample, self.sample_from);
        let vote = format::detection::detect(&sample);
        self.settled = vote.settled || self.sample.len() >= SAMPLE;
        if self.settled || !self.voted {
            self.framer.format = vote.format;
            self.voted = true;
        }
        if self.settled {
            self.sample = Vec::new();
        }
    }

    /// Too many in a row are another format: what comes next decides, when there is enough of it.
    fn count_misfits(&mut self, row: u32) {
        self.misfits = row;
        if row >= Framed::VOTE_AGAIN && self.origin.format.is_none() {
            self.misfits = 0;
            self.settled = false;
            self.sample.clear();
        }
    }

    /// Also how many records in a row did not fit. `None`: no record is complete.
    fn frame(&mut self, bytes: &Arc<[u8]>) -> (Option<Batch>, u32) {
        let mut records = Vec::with_capacity(bytes.len() / 128);
        let end = if self.ended { End::Closed } else { End::Open };
        let (framed, text) =
            self.framer.frame_file(bytes, self.base, &[], end, &mut self.context, &mut records);
        let batch = (framed.consumed > 0).then(|| self.batch(format::shared(text, bytes), records));
        (batch, framed.row(self.misfits))
    }

    /// The record is longer than the cap: its beginning stands for it, the rest of its line is passed over.
    fn over_long(&mut self, bytes: &[u8]) -> Batch {
        let (start, kept) = (self.base, self.framer.kept());
        let text = self.framer.encoding.to_utf8(&bytes[..kept], start);
        let end = self.line_end(kept);
        let record = self.framer.truncated(&text, (start, end), &[], &mut self.context);
        self.batch(text.into(), vec![record])
    }

    /// Where the line ends, looked for from this place in what is pending; reads on where it is not there.
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
            // A code unit that is not whole yet is looked at again.
            let whole = encoding.unit_start(end) - self.base;
            self.pending.drain(..whole as usize);
            self.base += whole;
            from = 0;
            self.fill();
        }
    }

    fn batch(&self, bytes: Arc<[u8]>, records: Vec<Record>) -> Batch {
        Batch {
            generation: self.origin.generation.clone(),
            path: self.origin.path.clone(),
            decode: self.framer.format.clone(),
            seen: self.origin.seen,
            day: self.origin.day,
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

    /// Hands out one piece a read.
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
        let origin = Origin {
            path: Path::new("app.log").into(),
            generation: generation.into(),
            format: None,
            zone: TimeZone::UTC,
            seen: Timestamp(0),
            day: 0,
        };
        let mut found = Vec::new();
        read_batches(Pieces(pieces.into_iter()), &origin, &mut |batch| {
            found.push(batch.decode.name());
            Ok(())
        })
        .unwrap();
        found.dedup();
        found
    }

    #[test]
    fn the_vote_at_first_sight_holds_until_there_is_enough_for_a_better_one() {
        let json = |count: usize| "{\"message\":\"x\"}\n".repeat(count).into_bytes();
        let last = b"2024-05-01 10:00:00 [INFO] x\n".to_vec();
        assert_eq!(formats(vec![json(3), last.clone()]), ["json"]);
        let found = formats(vec![b"a banner\n".to_vec(), json(150), json(10)]);
        assert_eq!(found.last(), Some(&"json"), "{found:?}");
    }
}

//! Writes one segment of standard input: an append-only file that is durable after every append.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::base::Timestamp;
use crate::event::Encoding;
use crate::follow::compressed::Compression;
use crate::follow::cuts::begins_record;
use crate::follow::identity::{self, DeviceInode};
use crate::follow::positioned_read::read_full;
use crate::follow::stdin_progress::NAME;
use crate::format::detection;
use crate::state::private_directory;

/// Bytes used to detect the format.
const SAMPLE: u64 = 64 * 1024;

/// The segment to which input is appended.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    pub path: PathBuf,
    pub place: DeviceInode,
    /// Number of bytes, all durable.
    pub length: u64,
    /// The next byte is the first of a line.
    line_begins: bool,
}

impl Segment {
    /// Creates an empty segment and its directories, all durable.
    pub fn create(intake: &Path, now: Timestamp) -> io::Result<Segment> {
        private_directory::make_directory(intake)?;
        let directory = new_directory(intake, now)?;
        Segment::create_in(&directory, intake).inspect_err(|_| {
            // The retry uses another directory.
            let _ = std::fs::remove_dir_all(&directory);
        })
    }

    fn create_in(directory: &Path, intake: &Path) -> io::Result<Segment> {
        let path = directory.join(NAME);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        file.sync_all()?;
        File::open(directory)?.sync_all()?;
        File::open(intake)?.sync_all()?;
        let place = DeviceInode::of(&file.metadata()?);
        Ok(Segment { file, path, place, length: 0, line_begins: true })
    }

    /// Appends all bytes and makes them durable. After an error none of them count, and the retry writes them again.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        self.line_begins = bytes.last().map_or(self.line_begins, |last| *last == b'\n');
        Ok(())
    }

    /// Where the next segment may begin: the index in `next`, the bytes that follow this segment, of the first record,
    /// or with `any` of the first line. `None` if `next` has no such place, and for input that must stay in one segment
    /// because its first bytes decide how all others are read: UTF-16, compressed, or otherwise not text.
    pub fn boundary(&self, next: &[u8], any: bool) -> io::Result<Option<usize>> {
        // Samples the beginning: the end may be in the middle of a record, where the format is not recognisable.
        let mut sample = vec![0; self.length.min(SAMPLE) as usize];
        let read = read_full(&self.file, &mut sample, 0)?;
        let sample = &sample[..read];
        let is_text = Compression::of(sample).is_none() && identity::binary(sample).is_none();
        if Encoding::of(sample) != Encoding::Utf8 || !is_text {
            return Ok(None);
        }
        let first = match self.line_begins {
            true => Some(0),
            false => memchr::memchr(b'\n', next).map(|end| end + 1),
        };
        let Some(first) = first.filter(|first| *first < next.len()) else { return Ok(None) };
        if any {
            return Ok(Some(first));
        }
        let format = detection::detect(sample).format;
        let mut at = first;
        while let Some(end) = memchr::memchr(b'\n', &next[at..]) {
            if begins_record(&*format, &next[at..at + end]) {
                return Ok(Some(at));
            }
            at += end + 1;
        }
        Ok(None)
    }
}

/// Creates a directory named by the time, so that a sorted listing is in order of arrival.
fn new_directory(intake: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let mut stamp = now.0.max(0);
    loop {
        let directory = intake.join(format!("{stamp:020}"));
        match DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => stamp += 1,
            Err(error) => return Err(error),
        }
    }
}

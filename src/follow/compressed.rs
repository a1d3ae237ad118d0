//! Detects and decompresses gzip and zstd streams, also several concatenated ones. Memory use is bounded for any input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::bytes;
use crate::base::timed_fs::ReadAt;

/// The compression format of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
}

/// Bytes of a file that [`Compression::of`] needs.
pub(in crate::follow) const MAGIC: usize = 4;

impl Compression {
    /// The compression of a stream with these first bytes; `None` if it is not compressed. Ignores the file name.
    pub fn of(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // A frame, or a skippable frame before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            _ => None,
        }
    }

    /// The decompressed bytes of `input`. A truncated stream ends with `UnexpectedEof`, a damaged one with another
    /// error, each after the bytes that could be decompressed.
    pub fn unpack<'r>(
        self,
        input: impl BufRead + Send + 'r,
    ) -> io::Result<Box<dyn Read + Send + 'r>> {
        Ok(match self {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
        })
    }
}

/// The decompressed content of the file from its start; `None` if it is not compressed.
pub fn open(file: &File) -> io::Result<Option<Unpacked>> {
    let mut magic = [0; MAGIC];
    // Input that cannot be read by offset is not a regular file.
    let read = file.read_at(&mut magic, 0).unwrap_or(0);
    let Some(compression) = Compression::of(&magic[..read]) else { return Ok(None) };
    let input =
        BufReader::with_capacity(64 * 1024, OffsetReader { file: file.try_clone()?, offset: 0 });
    Ok(Some(Unpacked { input: compression.unpack(input)?, done: 0 }))
}

/// Reader of decompressed content. If the stream is truncated or damaged, it first returns all bytes that could be
/// decompressed, and then an error that says where the stream ended.
pub struct Unpacked {
    input: Box<dyn Read + Send>,
    done: u64,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer);
        self.done += *read.as_ref().unwrap_or(&0) as u64;
        read.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ if error.raw_os_error().is_some() => error,
            kind => io::Error::new(kind, ended_early(self.done, &error)),
        })
    }
}

fn ended_early(done: u64, error: &io::Error) -> String {
    let at = format!("after byte {} of its unpacked content", bytes::count(done));
    match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("truncated {at}; the content before that is read"),
        _ => format!("damaged {at} ({error}); the content before that is read"),
    }
}

/// Counts the bytes that the decoder consumed, not those that were read ahead.
pub(in crate::follow) struct CountingReader<'c, R> {
    pub input: R,
    pub consumed: &'c AtomicU64,
}

impl<R: BufRead> Read for CountingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.consumed.fetch_add(read as u64, Ordering::AcqRel);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for CountingReader<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.consumed.fetch_add(count as u64, Ordering::AcqRel);
        self.input.consume(count);
    }
}

/// Reads a file from an offset, without using its shared file position.
pub(in crate::follow) struct OffsetReader<F> {
    pub file: F,
    pub offset: u64,
}

impl<F: ReadAt> Read for OffsetReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

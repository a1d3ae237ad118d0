//! Reads the content of a file at given offsets. A compressed file is unpacked, and can be read only forwards.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::follow::compressed::{self, Unpacked};

pub struct FileContent<'a> {
    file: &'a File,
    window: Option<Window>,
}

/// The most recently unpacked bytes of a compressed file.
struct Window {
    input: Unpacked,
    start: u64,
    bytes: Vec<u8>,
    /// The error that ended reading.
    failure: Option<io::Error>,
}

impl<'a> FileContent<'a> {
    pub fn open(file: &'a File) -> io::Result<Self> {
        let window = compressed::open(file)?;
        let window =
            window.map(|input| Window { input, start: 0, bytes: Vec::new(), failure: None });
        Ok(FileContent { file, window })
    }

    /// Whether reading may go back.
    pub fn is_seekable(&self) -> bool {
        self.window.is_none()
    }

    /// Reads `length` bytes at `offset`, fewer only at the end of the file. Unless the file is seekable, `offset` must
    /// not decrease.
    pub fn read_at(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        match &mut self.window {
            Some(window) => {
                window.move_to(offset, length);
                buffer.extend_from_slice(&window.bytes[..length.min(window.bytes.len())]);
            }
            None => {
                buffer.resize(length, 0);
                let read = fill(buffer, |rest, done| self.file.read_at(rest, offset + done));
                let (done, failure) = read;
                buffer.truncate(done);
                failure.map_or(Ok(()), Err)?;
            }
        }
        Ok(())
    }

    /// The error that ended reading of a compressed file early. Call it when all bytes before the error have been read.
    pub fn failure(&mut self) -> io::Result<()> {
        let failure = self.window.as_mut().and_then(|window| window.failure.take());
        failure.map_or(Ok(()), Err)
    }
}

impl Window {
    /// Drops the bytes before `offset`, and reads until `length` bytes are available.
    fn move_to(&mut self, offset: u64, length: usize) {
        let passed = (offset - self.start).min(self.bytes.len() as u64);
        self.bytes.drain(..passed as usize);
        self.start += passed;
        let buffered = self.bytes.len();
        if buffered < length && self.failure.is_none() {
            self.bytes.resize(length, 0);
            let (done, failure) =
                fill(&mut self.bytes[buffered..], |rest, _| self.input.read(rest));
            self.bytes.truncate(buffered + done);
            self.failure = failure;
        }
    }
}

/// Reads until the buffer is full, the input ends, or reading fails.
fn fill(
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while done < buffer.len() {
        match read(&mut buffer[done..], done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

//! What a file holds, by offset: anywhere, or, where it is compressed, from one end to the other.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::follow::compressed::{self, Unpacked};

pub struct Content<'a> {
    file: &'a File,
    window: Option<Window>,
}

/// The bytes of a compressed file that were read last.
struct Window {
    input: Unpacked,
    start: u64,
    bytes: Vec<u8>,
    /// Why there is no more of it.
    failed: Option<io::Error>,
}

impl<'a> Content<'a> {
    pub fn of(file: &'a File) -> io::Result<Self> {
        let window = compressed::open(file)?;
        let window =
            window.map(|input| Window { input, start: 0, bytes: Vec::new(), failed: None });
        Ok(Content { file, window })
    }

    /// Reading may go back.
    pub fn is_seekable(&self) -> bool {
        self.window.is_none()
    }

    /// Reads `length` bytes at `offset`, fewer only where the file ends. Never before an offset that was
    /// asked for, unless it is seekable.
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
                let (done, failed) = read;
                buffer.truncate(done);
                failed.map_or(Ok(()), Err)?;
            }
        }
        Ok(())
    }

    /// What ended it before its time: told once everything before that is.
    pub fn failure(&mut self) -> io::Result<()> {
        let failed = self.window.as_mut().and_then(|window| window.failed.take());
        failed.map_or(Ok(()), Err)
    }
}

impl Window {
    fn move_to(&mut self, offset: u64, length: usize) {
        let behind = (offset - self.start).min(self.bytes.len() as u64);
        self.bytes.drain(..behind as usize);
        self.start += behind;
        let before = self.bytes.len();
        if before < length && self.failed.is_none() {
            self.bytes.resize(length, 0);
            let (done, failed) = fill(&mut self.bytes[before..], |rest, _| self.input.read(rest));
            self.bytes.truncate(before + done);
            self.failed = failed;
        }
    }
}

/// Until the buffer is full, or there is no more, or reading fails.
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

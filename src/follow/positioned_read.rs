//! Reads part of a file at an offset. Never maps a log into memory: a truncation would kill the process (SIGBUS).

use std::io;

use crate::base::timed_fs::ReadAt;

/// Reads at `offset` until the buffer is full or the file ends; returns the number of bytes.
pub(in crate::follow) fn read_full(
    file: &impl ReadAt,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

//! Checks whether the open output of a file sink is still the file at its path and ends with the bytes that were
//! written. Takes a few system calls; done before every append and every commit.

use std::fs::{File, Metadata};
use std::hash::Hasher;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use siphasher::sip::SipHasher24;

/// Number of bytes before the end that are hashed.
const TAIL: u64 = 64;

/// The output no longer exists at its path.
pub(super) const GONE: &str = "no longer exists: it was moved or removed";
/// The output has other content.
pub(super) const REPLACED: &str = "is no longer the file that Logwarden wrote: it was replaced";

/// The output has fewer bytes than were written.
pub(super) fn cut(length: u64, written: u64) -> String {
    format!("has {length} bytes, but {written} were written: it was truncated or replaced")
}

/// The end of the output at a certain length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OutputEnd {
    pub length: u64,
    /// Hash of the (at most) 64 bytes before `length`.
    pub tail: u64,
}

impl OutputEnd {
    pub(super) fn of(file: &File, length: u64) -> io::Result<OutputEnd> {
        let kept = length.min(TAIL);
        let mut bytes = vec![0; kept as usize];
        file.read_exact_at(&mut bytes, length - kept)?;
        let mut hasher = SipHasher24::new();
        hasher.write(&bytes);
        Ok(OutputEnd { length, tail: hasher.finish() })
    }
}

/// Describes how the output differs from `written` bytes with these `ends`; `None` if it does not. If the output is
/// truncated between this check and a write, the write leaves a hole before it; the next check finds that by the hash.
pub(super) fn difference(
    file: &File,
    path: &Path,
    written: u64,
    ends: &[OutputEnd],
) -> io::Result<Option<String>> {
    let open = file.metadata()?;
    match is_at(&open, path) {
        Ok(true) => {}
        Ok(false) => return Ok(Some(REPLACED.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(GONE.to_owned())),
        Err(error) => return Err(error),
    }
    if open.len() < written {
        return Ok(Some(cut(open.len(), written)));
    }
    for output_end in ends {
        if OutputEnd::of(file, output_end.length)? != *output_end {
            return Ok(Some(REPLACED.to_owned()));
        }
    }
    Ok(None)
}

/// Whether an open file is the one at a path.
pub(super) fn is_at(open: &Metadata, path: &Path) -> io::Result<bool> {
    let found = path.metadata()?;
    Ok((found.dev(), found.ino()) == (open.dev(), open.ino()))
}

//! Whether an open output is still the file at its path, and still holds what was written. A few system calls; done
//! before every append and every commit.

use std::fs::{File, Metadata};
use std::hash::Hasher;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use siphasher::sip::SipHasher24;

/// So many bytes before the end tell one output from another.
const TAIL: u64 = 64;

/// What is said of an output that has no file any more.
pub(super) const GONE: &str = "is gone: somebody moved or removed it";
/// Of one that holds something else.
pub(super) const REPLACED: &str = "is not the file that was written: somebody replaced it";

/// Of one that is too short.
pub(super) fn cut(length: u64, written: u64) -> String {
    format!("has {length} bytes, but {written} were written: somebody cut or replaced it")
}

/// What stands before a place of the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Proof {
    pub length: u64,
    /// Hash of the (at most) 64 bytes before `length`.
    pub tail: u64,
}

impl Proof {
    pub(super) fn of(file: &File, length: u64) -> io::Result<Proof> {
        let kept = length.min(TAIL);
        let mut bytes = vec![0; kept as usize];
        file.read_exact_at(&mut bytes, length - kept)?;
        let mut hasher = SipHasher24::new();
        hasher.write(&bytes);
        Ok(Proof { length, tail: hasher.finish() })
    }
}

/// What is wrong with it; `None` where nothing is. An output that is cut between this look and a write has a hole
/// before that write: the next look finds it by the proof that was taken there.
pub(super) fn difference(
    file: &File,
    path: &Path,
    written: u64,
    proofs: &[Proof],
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
    for proof in proofs {
        if Proof::of(file, proof.length)? != *proof {
            return Ok(Some(REPLACED.to_owned()));
        }
    }
    Ok(None)
}

/// Whether an open file is the one that stands at a path.
pub(super) fn is_at(open: &Metadata, path: &Path) -> io::Result<bool> {
    let found = path.metadata()?;
    Ok((found.dev(), found.ino()) == (open.dev(), open.ino()))
}

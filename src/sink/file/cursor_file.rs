//! The side file of an output: how long the output was, the hash of what stood at its end, and the positions that
//! belong to it. [`lines`] has its form.
//!
//! A commit appends one line with what it changes: one write, one fdatasync. The file is written whole (aside, fsynced,
//! renamed, the directory fsynced) when its sink is opened, when the lines behind the first take more than that one
//! (and than [`MOST_APPENDED`]), and where an append was not possible: it failed, or the file is not there any more as
//! it was written.
//!
//! Promises: positions are durable, in the file at that path, when `append` is true or `replace` returns. A crash
//! leaves those or the ones before. Never appended to: a file that this [`SideFile`] did not write whole. So nothing
//! ever stands behind a line that was not finished.

mod lines;
mod version_1;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use self::lines::Line;
use super::output_check::{Proof, is_at};
use crate::archive::{Positions, Step};

/// So many bytes are appended in any case before the file is written whole.
const MOST_APPENDED: u64 = 64 << 10;

/// What a side file says.
#[derive(Debug, PartialEq)]
pub(super) struct Side {
    pub proof: Proof,
    pub positions: Positions,
}

/// What the side file of this output says; `None` where there is none.
pub(super) fn load(output: &Path) -> io::Result<Option<Side>> {
    match fs::read(beside(output, ".cursor")) {
        Ok(bytes) => lines::read(&bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The side file of an output that is open.
#[derive(Debug)]
pub(super) struct SideFile {
    path: PathBuf,
    aside: PathBuf,
    /// `None`: it has to be written whole.
    written: Option<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    /// Lengths of the first line, and of all.
    whole: u64,
    length: u64,
    /// The hash of the last line.
    last: u64,
}

impl SideFile {
    pub(super) fn new(output: &Path) -> SideFile {
        let (path, aside) = (beside(output, ".cursor"), beside(output, ".cursor.new"));
        SideFile { path, aside, written: None }
    }

    /// The next commit writes it whole: what it says is changed by more than a step.
    pub(super) fn forget(&mut self) {
        self.written = None;
    }

    /// Whether that is durable now; if not, only [`SideFile::replace`] makes it so.
    pub(super) fn append(&mut self, proof: Proof, step: &Step) -> bool {
        // Not put back where anything goes wrong.
        let Some(mut written) = self.written.take() else { return false };
        let line = lines::change(written.last, proof, step);
        let appended = written.length - written.whole + line.bytes.len() as u64;
        if appended > written.whole.max(MOST_APPENDED) {
            return false;
        }
        match written.append(&line, &self.path) {
            Ok(true) => self.written = Some(written),
            Ok(false) => {
                tracing::debug!("{} is not as it was written", self.path.display());
            }
            Err(error) => tracing::debug!("cannot append to {}: {error}", self.path.display()),
        }
        self.written.is_some()
    }

    /// Writes it whole. Durable when this returns; a crash leaves the old one or this one.
    pub(super) fn replace(&mut self, proof: Proof, positions: &Positions) -> io::Result<()> {
        self.written = None;
        let line = lines::whole(proof, positions);
        let made = self.make(&line.bytes);
        if made.is_err() {
            // Best effort: on a full disk it takes room.
            let _ = fs::remove_file(&self.aside);
        }
        let length = line.bytes.len() as u64;
        self.written = Some(Written { file: made?, whole: length, length, last: line.hash });
        Ok(())
    }

    fn make(&self, bytes: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&self.aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&self.aside, &self.path)?;
        let directory = self.path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(file)
    }
}

impl Written {
    /// `false`: somebody removed, replaced or cut it. What was written to a file that is gone would be gone with it.
    fn append(&mut self, line: &Line, path: &Path) -> io::Result<bool> {
        if !self.is_whole_at(path)? {
            return Ok(false);
        }
        self.file.write_all_at(&line.bytes, self.length)?;
        self.file.sync_data()?;
        self.length += line.bytes.len() as u64;
        self.last = line.hash;
        self.is_whole_at(path)
    }

    fn is_whole_at(&self, path: &Path) -> io::Result<bool> {
        let open = self.file.metadata()?;
        Ok(is_at(&open, path)? && open.len() == self.length)
    }
}

fn beside(output: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(output.as_os_str());
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;

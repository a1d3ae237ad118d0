//! The cursor file beside an output (`<output>.cursor`): the length of the output, a hash of its last bytes, and the
//! positions that belong to it. [`lines`] defines the format.
//!
//! A commit appends one line with its changes: one write, one fdatasync. The whole file is rewritten (new file,
//! fsync, rename, fsync of the directory) when its sink is opened, when the lines after the first take more space
//! than the first (and than [`MOST_APPENDED`]), and when an append is not possible: it failed, or the file was
//! changed by others.
//!
//! Promises: positions are durable, in the file at that path, when `append` returns true or `replace` returns. A
//! crash leaves those or the previous ones. Lines are appended only to a file that this [`CursorFile`] has written
//! whole, so nothing ever follows a partial line.

mod lines;
mod version_1;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use self::lines::Line;
use super::output_check::{OutputEnd, is_at};
use crate::archive::{Positions, Step};

/// The file is not rewritten for its length before this many bytes are appended.
const MOST_APPENDED: u64 = 64 << 10;

/// The content of a cursor file.
#[derive(Debug, PartialEq)]
pub(super) struct StoredCursors {
    pub output_end: OutputEnd,
    pub positions: Positions,
}

/// Reads the cursor file of this output; `None` if it does not exist.
pub(super) fn load(output: &Path) -> io::Result<Option<StoredCursors>> {
    match fs::read(beside(output, ".cursor")) {
        Ok(bytes) => lines::read(&bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The cursor file of an open output.
#[derive(Debug)]
pub(super) struct CursorFile {
    path: PathBuf,
    new_path: PathBuf,
    /// The file as this sink has written it; `None`: the next commit rewrites the whole file.
    written: Option<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    /// Length of the first line.
    first_line: u64,
    /// Length of the whole file.
    length: u64,
    /// The hash of the last line.
    last: u64,
}

impl CursorFile {
    pub(super) fn new(output: &Path) -> CursorFile {
        let (path, new_path) = (beside(output, ".cursor"), beside(output, ".cursor.new"));
        CursorFile { path, new_path, written: None }
    }

    /// Makes the next commit rewrite the whole file: the positions have changed by more than a [`Step`].
    pub(super) fn forget(&mut self) {
        self.written = None;
    }

    /// Appends a line with the changes. `true`: it is durable now; `false`: [`CursorFile::replace`] is needed.
    pub(super) fn append(&mut self, output_end: OutputEnd, step: &Step) -> bool {
        // It is not put back if anything fails.
        let Some(mut written) = self.written.take() else { return false };
        let line = lines::change(written.last, output_end, step);
        let appended = written.length - written.first_line + line.bytes.len() as u64;
        if appended > written.first_line.max(MOST_APPENDED) {
            return false;
        }
        match written.append(&line, &self.path) {
            Ok(true) => self.written = Some(written),
            Ok(false) => {
                tracing::debug!("{} was changed by another program", self.path.display());
            }
            Err(error) => tracing::debug!("cannot append to {}: {error}", self.path.display()),
        }
        self.written.is_some()
    }

    /// Rewrites the whole file. Durable when this returns; a crash leaves the old or the new file.
    pub(super) fn replace(
        &mut self,
        output_end: OutputEnd,
        positions: &Positions,
    ) -> io::Result<()> {
        self.written = None;
        let line = lines::whole(output_end, positions);
        let made = self.make(&line.bytes);
        if made.is_err() {
            // Best effort: it takes space on a full disk.
            let _ = fs::remove_file(&self.new_path);
        }
        let length = line.bytes.len() as u64;
        self.written = Some(Written { file: made?, first_line: length, length, last: line.hash });
        Ok(())
    }

    fn make(&self, bytes: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&self.new_path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&self.new_path, &self.path)?;
        let directory = self.path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(file)
    }
}

impl Written {
    /// Appends a line. `false`: the file was removed, replaced or truncated, and the line may be lost.
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

    /// Whether the file at `path` is still this one, with the expected length.
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

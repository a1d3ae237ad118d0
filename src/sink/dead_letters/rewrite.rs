//! Rewrites a dead-letter file without the letters that are done: writes a new file, makes it durable, then renames
//! it over the old one. A crash repeats work and never loses a letter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    DeadLetter, DeadLetterDirectory, LetterFile, LetterFilter, Line, Lines, MalformedLines,
};

/// A rewrite in progress. The old file is unchanged until [`Rewrite::finish`].
#[derive(Debug)]
pub(super) struct Rewrite<'f> {
    directory: &'f DeadLetterDirectory,
    path: PathBuf,
    old: File,
    new_path: PathBuf,
    new: BufWriter<File>,
    /// Bytes of the old file to be copied unchanged.
    kept: Range<u64>,
    written: u64,
    changed: bool,
}

impl<'f> Rewrite<'f> {
    pub fn begin(directory: &'f DeadLetterDirectory, file: &LetterFile) -> io::Result<Rewrite<'f>> {
        // Not `.jsonl`: a file that a crash leaves behind is not a dead-letter file, and is overwritten.
        let new_path = file.path.with_extension("new");
        let mut options = OpenOptions::new();
        let new = options.write(true).create(true).truncate(true).mode(0o600).open(&new_path)?;
        Ok(Rewrite {
            directory,
            path: file.path.clone(),
            old: File::open(&file.path)?,
            new_path,
            new: BufWriter::new(new),
            kept: 0..0,
            written: 0,
            changed: false,
        })
    }

    /// Keeps a line unchanged. `span`: its offsets in the old file.
    pub fn keep(&mut self, span: Range<u64>) -> io::Result<()> {
        if self.kept.end != span.start {
            self.copy()?;
            self.kept.start = span.start;
        }
        self.kept.end = span.end;
        Ok(())
    }

    pub fn replace(&mut self, letter: &DeadLetter) -> io::Result<()> {
        self.copy()?;
        let mut line = serde_json::to_vec(letter)?;
        line.push(b'\n');
        self.changed = true;
        self.written += line.len() as u64;
        self.new.write_all(&line)
    }

    /// Records that a line is left out.
    pub fn remove(&mut self) {
        self.changed = true;
    }

    /// Replaces the old file. Everything from the offset `rest` on is kept unchanged, including letters that were
    /// appended in the meantime.
    pub fn finish(mut self, rest: u64) -> io::Result<()> {
        let _writing = self.directory.writing();
        if !self.changed {
            return fs::remove_file(&self.new_path);
        }
        self.keep(rest..self.old.metadata()?.len())?;
        self.copy()?;
        self.new.flush()?;
        if self.written == 0 {
            fs::remove_file(&self.path)?;
            fs::remove_file(&self.new_path)?;
        } else {
            self.new.get_ref().sync_all()?;
            fs::rename(&self.new_path, &self.path)?;
        }
        let directory = self.path.parent().expect("a dead-letter file is in a directory");
        File::open(directory)?.sync_all()
    }

    fn copy(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while !self.kept.is_empty() {
            let most = buffer.len().min((self.kept.end - self.kept.start) as usize);
            self.old.read_exact_at(&mut buffer[..most], self.kept.start)?;
            self.new.write_all(&buffer[..most])?;
            self.kept.start += most as u64;
            self.written += most as u64;
        }
        Ok(())
    }
}

/// The result of a removal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    pub letters: u64,
    pub odd: MalformedLines,
}

/// Removes the chosen letters permanently. `None` while another replay or removal is running.
pub fn remove(
    directory: &DeadLetterDirectory,
    choice: &LetterFilter,
) -> io::Result<Option<Removed>> {
    let Some(_changing) = directory.lock_changes() else { return Ok(None) };
    let mut removed = Removed::default();
    for file in directory.files(choice)? {
        let mut rewrite = Rewrite::begin(directory, &file)?;
        let mut end = 0;
        for line in Lines::open(&file)? {
            let Line { start, end: line_end, letter, .. } = line?;
            end = line_end;
            match letter {
                Ok(letter) if choice.takes(&letter) => {
                    rewrite.remove();
                    removed.letters += 1;
                    continue;
                }
                Ok(_) => {}
                Err(odd) => removed.odd.add(&odd),
            }
            rewrite.keep(start..end)?;
        }
        rewrite.finish(end)?;
    }
    Ok(Some(removed))
}

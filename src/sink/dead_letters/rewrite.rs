//! A file of letters without those that are done: written aside, made durable, then put in its place. Until
//! then the old one stands, so that a crash repeats and never loses.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Choice, DeadLetter, DeadLetterDirectory, LetterFile, Line, Lines, Oddities};

#[derive(Debug)]
pub(super) struct Rewrite<'f> {
    directory: &'f DeadLetterDirectory,
    path: PathBuf,
    old: File,
    aside: PathBuf,
    new: BufWriter<File>,
    /// Of the old file, to be copied as it is.
    stays: Range<u64>,
    written: u64,
    changed: bool,
}

impl<'f> Rewrite<'f> {
    pub fn begin(directory: &'f DeadLetterDirectory, file: &LetterFile) -> io::Result<Rewrite<'f>> {
        // Not `.jsonl`: what a crash leaves behind is no file of letters, and is begun anew.
        let aside = file.path.with_extension("new");
        let mut options = OpenOptions::new();
        let new = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        Ok(Rewrite {
            directory,
            path: file.path.clone(),
            old: File::open(&file.path)?,
            aside,
            new: BufWriter::new(new),
            stays: 0..0,
            written: 0,
            changed: false,
        })
    }

    /// The line stays as it is.
    pub fn keep(&mut self, place: Range<u64>) -> io::Result<()> {
        if self.stays.end != place.start {
            self.copy()?;
            self.stays.start = place.start;
        }
        self.stays.end = place.end;
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

    pub fn remove(&mut self) {
        self.changed = true;
    }

    /// Everything from `rest` on stays as it is, also what came meanwhile.
    pub fn finish(mut self, rest: u64) -> io::Result<()> {
        let _writing = self.directory.writing();
        if !self.changed {
            return fs::remove_file(&self.aside);
        }
        self.keep(rest..self.old.metadata()?.len())?;
        self.copy()?;
        self.new.flush()?;
        if self.written == 0 {
            fs::remove_file(&self.path)?;
            fs::remove_file(&self.aside)?;
        } else {
            self.new.get_ref().sync_all()?;
            fs::rename(&self.aside, &self.path)?;
        }
        let directory = self.path.parent().expect("a file of letters lies in a directory");
        File::open(directory)?.sync_all()
    }

    fn copy(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while !self.stays.is_empty() {
            let most = buffer.len().min((self.stays.end - self.stays.start) as usize);
            self.old.read_exact_at(&mut buffer[..most], self.stays.start)?;
            self.new.write_all(&buffer[..most])?;
            self.stays.start += most as u64;
            self.written += most as u64;
        }
        Ok(())
    }
}

/// What was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    pub letters: u64,
    pub odd: Oddities,
}

/// Drops what is chosen, for good. `None` while somebody else replays or drops.
pub fn remove(directory: &DeadLetterDirectory, choice: &Choice) -> io::Result<Option<Removed>> {
    let Some(_sorting) = directory.sort() else { return Ok(None) };
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

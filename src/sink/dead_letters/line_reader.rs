//! Reads a dead-letter file line by line. An unreadable line is reported with its position, and the rest is read.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::letter::VERSION;
use super::{DeadLetter, LetterFile};

/// Longer lines are unreadable; Logwarden writes none, because it truncates records far below this length.
const LONGEST: u64 = 64 << 20;

/// One line and its bytes `[start, end)` in the file, including the line end.
#[derive(Debug)]
pub struct Line {
    pub start: u64,
    pub end: u64,
    /// Counted from 1.
    pub number: u64,
    pub letter: Result<DeadLetter, UnreadableLine>,
}

/// A line that is not a dead letter. It is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableLine {
    pub path: PathBuf,
    /// Counted from 1.
    pub line: u64,
    pub problem: String,
}

impl fmt::Display for UnreadableLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnreadableLine { path, line, problem } = self;
        write!(f, "{}:{line}: {problem}; the line is left as it is", path.display())
    }
}

/// Count of unreadable lines, and messages for the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedLines {
    pub lines: u64,
    pub first: Vec<String>,
}

impl MalformedLines {
    /// Maximum number of lines that are reported one by one.
    const MAX_REPORTED: usize = 20;

    pub fn add(&mut self, odd: &UnreadableLine) {
        self.lines += 1;
        if self.first.len() < Self::MAX_REPORTED {
            self.first.push(odd.to_string());
        }
    }
}

/// The lines up to the end that the file had when it was opened.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    reader: BufReader<Take<File>>,
    at: u64,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub fn open(file: &LetterFile) -> io::Result<Lines> {
        let opened = File::open(&file.path)?;
        let length = opened.metadata()?.len();
        let reader = BufReader::with_capacity(256 * 1024, opened.take(length));
        Ok(Lines { path: file.path.clone(), reader, at: 0, number: 0, line: Vec::new() })
    }

    /// The next line that is not blank; `None` at the end.
    fn read(&mut self) -> io::Result<Option<Line>> {
        loop {
            let start = self.at;
            self.line.clear();
            let read = (&mut self.reader).take(LONGEST).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.at += read as u64;
            self.number += 1;
            let too_long = read as u64 == LONGEST && !self.line.ends_with(b"\n");
            if too_long {
                self.at += self.reader.skip_until(b'\n')? as u64;
            }
            if self.line != b"\n" {
                let letter =
                    if too_long { Err("longer than 64 MiB".to_owned()) } else { parse(&self.line) };
                let letter = letter.map_err(|problem| self.odd(problem));
                return Ok(Some(Line { start, end: self.at, number: self.number, letter }));
            }
        }
    }

    fn odd(&self, problem: String) -> UnreadableLine {
        UnreadableLine { path: self.path.clone(), line: self.number, problem }
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn parse(line: &[u8]) -> Result<DeadLetter, String> {
    match serde_json::from_slice::<DeadLetter>(line) {
        Ok(letter) if letter.version > VERSION => {
            Err(format!("written by a newer version (format {})", letter.version))
        }
        Ok(letter) => Ok(letter),
        Err(error) if error.is_eof() => Err("truncated line".to_owned()),
        Err(error) => Err(format!("not a dead letter ({error})")),
    }
}

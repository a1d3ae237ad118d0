//! Stores dead letters in the files `<directory>/<sink>/<day>.jsonl`, and lists these files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::{DeadLetter, DeadLetters, LetterFile, LetterFilter, Lines};
use crate::base::{Clock, bytes, rfc3339};
use crate::state::private_directory;

/// Default limit for the dead letters of one sink, in bytes.
pub const MOST: u64 = 1 << 30;

const ENDING: &str = "jsonl";

#[derive(Debug)]
pub struct DeadLetterDirectory {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    /// Limit per sink, in bytes.
    max_bytes: u64,
    /// Held while a file is appended to or replaced.
    writing: Mutex<()>,
    /// Held during a replay or a removal: one at a time.
    changing: Mutex<()>,
}

impl DeadLetterDirectory {
    /// Does no I/O. `max_bytes`: the limit for the dead letters of one sink.
    pub fn new(directory: PathBuf, clock: Arc<dyn Clock>, max_bytes: u64) -> Self {
        let (writing, changing) = (Mutex::default(), Mutex::default());
        DeadLetterDirectory { directory, clock, max_bytes, writing, changing }
    }

    /// The files in the order of sinks and days, including empty ones.
    pub fn files(&self, choice: &LetterFilter) -> io::Result<Vec<LetterFile>> {
        let mut found = Vec::new();
        for sink in entry_names(&self.directory)? {
            let directory = self.directory.join(&sink);
            if directory.is_dir() {
                found.extend(letter_files(&directory, &sink)?);
            }
        }
        found.retain(|file| choice.takes_file(file));
        found.sort();
        Ok(found)
    }

    /// Locks the files against other writes of this process.
    pub(super) fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the directory against other replays and removals; `None` while another one is running.
    pub(super) fn lock_changes(&self) -> Option<MutexGuard<'_, ()>> {
        match self.changing.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn open(&self, directory: &Path, day: &str) -> io::Result<File> {
        private_directory::make_directory(directory)?;
        let path = directory.join(format!("{day}.{ENDING}"));
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        if ends_with_partial_line(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(file)
    }

    fn append(&self, sink: &str, day: &str, lines: &[u8]) -> io::Result<()> {
        let directory = self.directory.join(sink);
        let named = |error: io::Error| {
            let room = error.kind() == io::ErrorKind::StorageFull;
            let advice = if room { "; free some disk space" } else { "" };
            io::Error::new(error.kind(), format!("{}: {error}{advice}", directory.display()))
        };
        let mut file = self.open(&directory, day).map_err(named)?;
        let existing: u64 = letter_files(&directory, sink)?.iter().map(|file| file.bytes).sum();
        let more = lines.len() as u64;
        if existing + more > self.max_bytes {
            return Err(quota_error(sink, existing, more, self.max_bytes));
        }
        append_or_undo(&mut file, lines)
            .and_then(|()| File::open(&directory)?.sync_all())
            .and_then(|()| File::open(&self.directory)?.sync_all())
            .map_err(named)
    }
}

impl DeadLetters for DeadLetterDirectory {
    fn keep(&self, sink: &str, letters: Vec<DeadLetter>) -> io::Result<()> {
        let now = rfc3339::text(self.clock.now(), 3);
        let mut lines = Vec::new();
        for mut letter in letters {
            letter.time.clone_from(&now);
            serde_json::to_writer(&mut lines, &letter)?;
            lines.push(b'\n');
        }
        let _writing = self.writing();
        self.append(sink, &now[..10], &lines)
    }

    fn holds(&self, sink: &str, event: &str) -> bool {
        let files = letter_files(&self.directory.join(sink), sink).unwrap_or_default();
        let lines = files.iter().filter_map(|file| Lines::open(file).ok()).flatten();
        lines.flatten().any(|line| line.letter.is_ok_and(|letter| letter.id == event))
    }
}

/// `more`: bytes that were rejected now and are stored together or not at all.
fn quota_error(sink: &str, existing: u64, more: u64, max_bytes: u64) -> io::Error {
    let limit = format!("dead_letters.most ({})", bytes::size(max_bytes));
    let (takes, needs) = (bytes::size(existing), bytes::size(more));
    let text = if more > max_bytes {
        format!(
            "the dead letters of one request to sink {sink} take {needs}, more than {limit}; raise it"
        )
    } else {
        format!(
            "the dead letters of sink {sink} take {takes}, and {needs} more would exceed {limit}; replay or drop \
             some with `logwarden dead-letters`, or raise it"
        )
    };
    io::Error::new(io::ErrorKind::StorageFull, text)
}

fn letter_files(directory: &Path, sink: &str) -> io::Result<Vec<LetterFile>> {
    let mut found = Vec::new();
    for name in entry_names(directory)? {
        let Some((day, ENDING)) = name.rsplit_once('.') else { continue };
        let path = directory.join(&name);
        let bytes = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // Not a file, or just removed by a replay or removal.
            _ => continue,
        };
        found.push(LetterFile { sink: sink.to_owned(), day: day.to_owned(), path, bytes });
    }
    Ok(found)
}

/// The entries of a directory; empty if it does not exist.
fn entry_names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    names.filter(|name| name.as_ref().map_or(true, |name| !name.is_empty())).collect()
}

/// Appends all lines, or undoes a partial write as far as possible: a full disk may have taken a part.
fn append_or_undo(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(lines).and_then(|()| file.sync_all()).inspect_err(|_| {
        _ = file.set_len(before);
    })
}

/// A crash may leave a partial last line: the next letter must not continue it.
fn ends_with_partial_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0] != b'\n')
}

//! One file under observation: what the follower, the reader and the screen share about it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::SourceConfig;
use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{DayMark, FileId, FormatEntry, Generation};

/// Shared, cheap to clone by `Arc`. Only the follower writes to it.
#[derive(Debug)]
pub struct FileHandle {
    pub id: FileId,
    pub source: Arc<SourceConfig>,
    file: File,
    facts: Mutex<FileFacts>,
}

/// What is known about the file now.
#[derive(Clone, Debug)]
pub struct FileFacts {
    pub path: Arc<Path>,
    /// Bytes seen.
    pub size: u64,
    /// Known once its identity is settled and its row is durable; consumers read from then on.
    pub generation: Option<Arc<Generation>>,
    /// Where consumers begin.
    pub start: u64,
    /// Entries in force, ascending by offset; empty before detection.
    pub formats: Vec<FormatEntry>,
    pub cuts: Vec<u64>,
    pub days: Vec<DayMark>,
    pub state: FileState,
    pub lost: u64,
    pub last_growth: Timestamp,
}

impl FileHandle {
    pub fn new(id: FileId, source: Arc<SourceConfig>, file: File, facts: FileFacts) -> Self {
        FileHandle { id, source, file, facts: Mutex::new(facts) }
    }

    /// A copy of what is known now.
    pub fn facts(&self) -> FileFacts {
        self.facts.lock().expect("no holder of the facts panics").clone()
    }

    /// Changes what is known; for the follower alone.
    pub(in crate::follow) fn update<R>(&self, change: impl FnOnce(&mut FileFacts) -> R) -> R {
        change(&mut self.facts.lock().expect("no holder of the facts panics"))
    }

    /// Reads at `offset` until the buffer is full or the file ends; returns the bytes read. Never mmap.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }
}

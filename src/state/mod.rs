//! Logwarden's own durable data: generations, cursors and further tables, in one directory with one owner.
//!
//! Contains no log content, only hashes, offsets and names. Every row has a version.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::event::{
    Cuts, DayMark, Encoding, FileKey, FormatEntry, GenerationId, Identity, Mark,
    generation::path_bytes,
};

/// The row of one generation. Stored before the follower publishes the first batch of the generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerationRow {
    pub id: GenerationId,
    pub identity: Identity,
    pub source: String,
    /// Where it was last seen. A label, never a key.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// The device of its file. The path may be a link to another device.
    pub device: u64,
    /// The directory that contained its file; `None` in rows of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<DirectoryIdentity>,
    /// The path under which its source first found it; empty in rows of earlier versions.
    #[serde(default, with = "path_bytes", skip_serializing_if = "is_empty_path")]
    pub first_path: PathBuf,
    /// The file that contains it now, if it is not the original file but a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<FileKey>,
    /// When its file was last modified, as of the last check; `None` in rows of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// The offset at which a new consumer starts; set once.
    pub start: u64,
    pub mark: Mark,
    /// The furthest offset seen, if it is now read from a copy that ends before that; otherwise 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reached: u64,
    /// The mark at the end of an incomplete last line that `--once` left for the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Mark>,
    #[serde(default)]
    pub encoding: Encoding,
    pub formats: Vec<FormatEntry>,
    pub days: Vec<DayMark>,
    /// Stored in a table of their own, because there may be many and this row is written often.
    #[serde(default, skip_serializing_if = "has_no_cuts")]
    pub cuts: Cuts,
    pub first_seen: Timestamp,
    /// When it ended because its file was truncated, deleted or replaced: it ends at its mark. `None`: it continues.
    pub ended: Option<Timestamp>,
    /// Bytes that no consumer can read any more, as determined at the end of the generation.
    pub lost: u64,
    /// The part of it that is kept in the intake directory, if it no longer has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// How long ago it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<TimeSinceEnd>,
}

impl GenerationRow {
    /// Sets its current path; made absolute, because the next run may start in another directory.
    pub fn set_path(&mut self, path: &std::path::Path) {
        self.path = absolute(path);
    }

    /// The furthest offset seen.
    pub fn end(&self) -> u64 {
        self.last_mark().offset.max(self.reached)
    }

    /// The mark by which it is recognised.
    pub fn last_mark(&self) -> &Mark {
        self.unfinished.as_ref().unwrap_or(&self.mark)
    }

    /// Its end without an incomplete last line that `--once` left.
    pub fn readable_end(&self) -> u64 {
        self.mark.offset.max(self.reached)
    }

    /// Whether it is read from a copy that lacks the end.
    pub fn is_short(&self) -> bool {
        self.reached > self.mark.offset
    }

    /// The file in which it was last seen.
    pub fn file_key(&self) -> FileKey {
        self.moved.unwrap_or_else(|| self.identity.file_key())
    }

    /// Records that bytes from the mark on were first seen on this UTC day. `true` if this adds a day mark.
    pub fn note_day(&mut self, today: i32) -> bool {
        // A clock that stepped back adds no day mark.
        let later = self.days.last().is_none_or(|mark| mark.day < today);
        if later {
            self.days.push(DayMark { offset: self.mark.offset, day: today });
        }
        later
    }
}

/// Makes the path absolute without resolving links.
pub fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn has_no_cuts(cuts: &Cuts) -> bool {
    cuts.is_empty()
}

fn is_zero(offset: &u64) -> bool {
    *offset == 0
}

fn is_empty_path(path: &std::path::Path) -> bool {
    path.as_os_str().is_empty()
}

/// How long ago a generation ended, and up to which moment that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSinceEnd {
    pub long: Duration,
    pub counted: Timestamp,
}

impl TimeSinceEnd {
    /// Longest time that counts between two counts: a step of the clock must not expire anything.
    const LONGEST_STEP: Duration = Duration::from_secs(86_400);
    /// Each count is a write, so it is made only about once per day.
    const SHORTEST_STEP: Duration = Duration::from_secs(23 * 3600);

    pub fn at(now: Timestamp) -> Self {
        TimeSinceEnd { long: Duration::ZERO, counted: now }
    }

    /// Adds the time since the last count.
    pub fn counted(self, now: Timestamp) -> Self {
        let passed = now.since(self.counted).min(Self::LONGEST_STEP);
        TimeSinceEnd { long: self.long + passed, counted: now }
    }

    /// Whether it is too early to count again. `false` also if the clock went back.
    pub fn was_counted(self, now: Timestamp) -> bool {
        now >= self.counted && now.since(self.counted) < Self::SHORTEST_STEP
    }
}

/// A directory with the data to recognise it: its device number may change at a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryIdentity {
    /// Its real path; empty if it is the directory of the row's path.
    #[serde(
        rename = "folder",
        default,
        with = "path_bytes",
        skip_serializing_if = "is_empty_path"
    )]
    pub directory: PathBuf,
    pub device: u64,
    pub key: FileKey,
}

/// Bytes [from, upto) of a generation are durable in a file of the intake directory, at the same offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    pub from: u64,
    pub upto: u64,
}

/// One cursor, by consumer, lane and generation. Everything before `offset` is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CursorRow {
    pub consumer: String,
    /// `*` for the main worker, otherwise the name of a blocked lane.
    pub lane: String,
    pub generation: GenerationId,
    pub offset: u64,
}

mod batch;
mod commit;
mod directory;
mod disk;
mod disk_error;
mod durable;
mod error;
mod journal;
mod memory;
mod old_versions;
pub mod private_directory;
mod recovery;
mod redb_panics;
mod replay;
mod rows;
mod snapshot;
mod storage;
mod store;
mod tables;

pub use batch::Transaction;
pub use directory::is_state;
pub use error::StateError;
pub use store::{StateOwnership, Store};
pub use tables::{Key, Table};

/// Month keys that were used for sealing, for processes that do not own the state: as of the last snapshot, which is
/// written whenever a key is added.
pub fn used_keys(directory: &std::path::Path) -> Vec<String> {
    let found = snapshot::read(directory).map(|snapshot| snapshot.rows.keys);
    found.unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
pub(crate) mod counting_disk;
#[cfg(test)]
mod faulty_disk;
#[cfg(test)]
mod tests;

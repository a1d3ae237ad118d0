//! Our own durable data: generations, cursors; one directory, one owner.
//!
//! No log content is in it, only hashes and places. Every row carries a version.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::event::{
    Cuts, DayMark, Encoding, FileKey, FormatEntry, GenerationId, Identity, Mark,
    generation::path_bytes,
};

/// The row of one generation. Stands in the store before the first batch of it leaves the follower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerationRow {
    pub id: GenerationId,
    pub identity: Identity,
    pub source: String,
    /// Labels: where it was last seen. Never a key.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// Of its file, which may lie elsewhere than the path says: that may be a link.
    pub device: u64,
    /// The directory in which its file lay; `None` in rows of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// The path under which its source first named it; empty in rows of earlier versions.
    #[serde(default, with = "path_bytes", skip_serializing_if = "is_empty_path")]
    pub first_path: PathBuf,
    /// The file that holds it now, where that is not the one in which it began: a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<FileKey>,
    /// When its file was changed last, as far as it was looked at; `None` in rows of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Where reading begins for a new consumer; set once.
    pub start: u64,
    pub mark: Mark,
    /// Up to where it was seen, where it is read on in a copy that ends before; else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reached: u64,
    /// The mark at the end of what `--once` left for the next run: a line that may still be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Mark>,
    #[serde(default)]
    pub encoding: Encoding,
    pub formats: Vec<FormatEntry>,
    pub days: Vec<DayMark>,
    /// In a table of their own: there may be many, and the row is written often.
    #[serde(default, skip_serializing_if = "is_without")]
    pub cuts: Cuts,
    pub first_seen: Timestamp,
    /// Truncated, deleted or replaced: the generation ends at the mark.
    pub ended: Option<Timestamp>,
    /// Bytes that no consumer can get any more, per judgement at the end of the generation.
    pub lost: u64,
    /// What the intake directory holds of it, since it has no name left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// Since it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<Absence>,
}

impl GenerationRow {
    /// Where it is now; kept absolute: the next run may be started elsewhere.
    pub fn set_path(&mut self, path: &std::path::Path) {
        self.path = absolute(path);
    }

    /// Up to where it was seen.
    pub fn end(&self) -> u64 {
        self.last_mark().offset.max(self.reached)
    }

    /// By which it is recognised.
    pub fn last_mark(&self) -> &Mark {
        self.unfinished.as_ref().unwrap_or(&self.mark)
    }

    /// The same without a line that `--once` left.
    pub fn readable_end(&self) -> u64 {
        self.mark.offset.max(self.reached)
    }

    /// It is read on in a copy that lacks the end.
    pub fn is_short(&self) -> bool {
        self.reached > self.mark.offset
    }

    /// The file in which it was last seen.
    pub fn file_key(&self) -> FileKey {
        self.moved.unwrap_or_else(|| self.identity.file_key())
    }

    /// Bytes from the mark on were first seen on this UTC day. `true` where that is a new day mark.
    pub fn note_day(&mut self, today: i32) -> bool {
        // A clock that stepped back makes no mark.
        let later = self.days.last().is_none_or(|mark| mark.day < today);
        if later {
            self.days.push(DayMark { offset: self.mark.offset, day: today });
        }
        later
    }
}

/// The path as it would be from the root.
pub fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn is_without(cuts: &Cuts) -> bool {
    cuts.is_empty()
}

fn is_zero(offset: &u64) -> bool {
    *offset == 0
}

fn is_empty_path(path: &std::path::Path) -> bool {
    path.as_os_str().is_empty()
}

/// How long a generation has been over, and until when that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    pub long: Duration,
    pub counted: Timestamp,
}

impl Absence {
    /// Of the time between two counts at most a day is believed: a clock that steps ends nothing.
    const LONGEST_STEP: Duration = Duration::from_secs(86_400);
    /// Each count is a write: it is done about once a day.
    const SHORTEST_STEP: Duration = Duration::from_secs(23 * 3600);

    pub fn at(now: Timestamp) -> Self {
        Absence { long: Duration::ZERO, counted: now }
    }

    pub fn counted(self, now: Timestamp) -> Self {
        let passed = now.since(self.counted).min(Self::LONGEST_STEP);
        Absence { long: self.long + passed, counted: now }
    }

    /// Too early to count again, unless the clock went back.
    pub fn was_counted(self, now: Timestamp) -> bool {
        now >= self.counted && now.since(self.counted) < Self::SHORTEST_STEP
    }
}

/// A directory, and by what it is known again: device numbers may be others after a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Its real path; empty where that is the directory of the row's path.
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

/// Bytes [from, upto) of a generation are durable in a file of the intake directory, at their own offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    pub from: u64,
    pub upto: u64,
}

/// One cursor: consumer × lane × generation. Everything before `offset` is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CursorRow {
    pub consumer: String,
    /// `*` but for a lane that is blocked.
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

pub use batch::Puts;
pub use directory::is_state;
pub use error::StateError;
pub use store::{Claim, Store};
pub use tables::{Key, Table};

/// Month keys that something was sealed with, as they were put; as far as the last snapshot knows, which is written
/// with each of them. For whoever does not own the state.
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

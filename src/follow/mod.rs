//! Follows log files: identifies them, tracks their growth and splits them into records. There is no queue of events:
//! consumers pull batches from the log files.
//!
//! All parts share one [`Log`]. The follower (a thread) checks the files and publishes their sizes; consumers
//! call [`Log::read`] from their cursors and share decoded batches through a bounded cache; the screen reads
//! at any offset through [`file::FileHandle`] and never moves a cursor. Standard input, which is not a file,
//! is first written to files in the [`intake`] directory.

mod batch_cache;
mod catalog;
pub mod changes;
mod commit;
pub mod compressed;
mod compressed_files;
mod cuts;
mod descriptors;
mod destroyed;
mod directory_check;
mod directory_listing;
mod directory_times;
mod discover;
mod expiry;
pub mod file;
mod file_check;
mod file_registry;
mod file_sample;
mod file_users;
mod follower;
mod format_at;
mod format_vote;
mod growth;
mod hung_mounts;
mod identify;
mod identity;
mod idle_copies;
pub mod intake;
mod locate;
pub mod log;
mod look_requests;
mod losses;
mod notices;
mod open_file;
mod origin;
mod own_files;
mod pattern;
mod pending_rows;
mod positioned_read;
mod pull;
mod queue;
mod read_state;
mod reader;
mod renames;
mod rotated_names;
mod scan;
mod schedule;
mod shared;
mod source_match;
mod sources;
mod startup;
mod stdin_progress;
mod symlinks;
mod truncated_records;
mod truncation;
mod types;
mod unpacker;
pub mod view;
mod watch;

pub use changes::{ChangeHub, ChangeSet, Changes};
pub use file::FileHandle;
pub use log::Log;
pub use own_files::OwnPaths;
pub use pull::{Pull, Pulled, Reading};
pub use queue::Queue;
pub use source_match::meant;
pub use stdin_progress::Intake;
pub use types::{LogConfig, Read};

use std::path::PathBuf;
use std::sync::Arc;

/// Where reading starts in files that existed when the source was started for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    #[default]
    Beginning,
    End,
}

/// One configured (or ad-hoc) input.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    pub name: Arc<str>,
    /// Files, directories or globs.
    pub paths: Vec<PathBuf>,
    /// The configured format; `None`: detected for each generation.
    pub format: Option<String>,
    pub zone: jiff::tz::TimeZone,
    pub service: Option<Arc<str>>,
    pub start: Start,
    /// `false`: each line is a record, lines are not joined.
    pub multiline: bool,
}

#[cfg(test)]
impl SourceConfig {
    /// A source of this one file, read from its beginning.
    pub fn of_file(name: &str, path: PathBuf) -> Self {
        SourceConfig {
            name: name.into(),
            paths: vec![path],
            format: None,
            zone: jiff::tz::TimeZone::UTC,
            service: None,
            start: Start::Beginning,
            multiline: true,
        }
    }
}

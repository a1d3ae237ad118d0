//! Files: identity, growth, records. The log file is the queue; consumers pull batches from it.
//!
//! [`Log`] is shared by all: the follower (its own thread) looks after files and publishes how far they reach;
//! consumers call [`Log::read`] from their cursors and share decoded batches through a bounded cache; the
//! screen reads any place of a file through [`file::FileHandle`] and moves nothing. What is no file (standard
//! input) becomes one in the [`intake`] directory.

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

pub use changes::{Changes, Hub, News};
pub use file::FileHandle;
pub use log::Log;
pub use own_files::Own;
pub use pull::{Pull, Pulled, Reading};
pub use queue::Queue;
pub use source_match::meant;
pub use stdin_progress::Intake;
pub use types::{LogConfig, Read};

use std::path::PathBuf;
use std::sync::Arc;

/// Where a source begins in files that were there when it was started for the first time.
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
    /// Forced format; `None`: detected for each generation.
    pub format: Option<String>,
    pub zone: jiff::tz::TimeZone,
    pub service: Option<Arc<str>>,
    pub start: Start,
    /// `multiline = false` turns joining off.
    pub multiline: bool,
}

#[cfg(test)]
impl SourceConfig {
    /// All of this file.
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

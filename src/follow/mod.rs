//! Files: identity, growth, records. The log file is the queue; consumers pull batches from it.
//!
//! [`Log`] is shared by all: the follower (its own thread) looks after files and publishes how far they reach;
//! consumers call [`Log::read`] from their cursors and share decoded batches through a bounded cache; the
//! screen reads any place of a file through [`file::FileHandle`] and moves nothing. What is no file (standard
//! input) becomes one in the [`intake`] directory.

mod asked;
mod cache;
mod catalog;
pub mod changes;
pub mod compressed;
mod copies;
mod cut_off;
mod cuts;
mod descriptors;
mod destroyed;
mod discover;
mod durable;
mod expiry;
pub mod file;
mod files;
mod first_pass;
mod follower;
mod front;
mod growth;
mod home;
mod identify;
mod identity;
mod idle;
mod incoming;
pub mod intake;
mod links;
mod listing;
mod locate;
pub mod log;
mod look;
mod losses;
mod meant;
mod names;
mod notices;
mod origin;
mod own;
mod packed;
mod pattern;
mod pending;
mod pread;
mod pull;
mod queue;
mod reader;
mod readers;
mod rename;
mod sample;
mod scan;
mod schedule;
mod shared;
mod single;
mod slot;
mod sources;
mod stamps;
mod stuck;
mod types;
mod unpack;
pub mod view;
mod vote;
mod watch;

pub use changes::{Changes, Hub, News};
pub use file::FileHandle;
pub use incoming::Intake;
pub use log::Log;
pub use meant::meant;
pub use own::Own;
pub use pull::{Pull, Pulled, Reading};
pub use queue::Queue;
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

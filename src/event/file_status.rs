//! What is told of one file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::generation::{FileId, path_bytes};
use crate::base::Timestamp;

/// One generation under observation. All figures in bytes unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    pub file: FileId,
    pub source: String,
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    pub format: Option<String>,
    /// Bytes seen so far.
    pub size: u64,
    /// Destroyed by truncation or deletion before somebody read them.
    pub lost: u64,
    pub state: FileState,
    pub last_growth: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its first line is not complete yet.
    Unsettled,
    Live,
    /// Renamed; still followed.
    Rotated,
    /// Deleted, truncated or replaced: what was there is all there will be.
    Ended,
    /// Cannot be read now; `reason` says why and what to do.
    Unreadable {
        reason: String,
    },
}

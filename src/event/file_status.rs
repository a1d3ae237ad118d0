//! The status of one file, as screens and the control socket show it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::generation::{FileId, path_bytes};
use crate::base::Timestamp;

/// One generation that is followed. All figures are in bytes unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    pub file: FileId,
    pub source: String,
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    pub format: Option<String>,
    /// Bytes seen so far.
    pub size: u64,
    /// Bytes destroyed by truncation or deletion before every consumer had read them.
    pub lost: u64,
    pub state: FileState,
    pub last_growth: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its first line is incomplete, so it is not read yet.
    Unsettled,
    Live,
    /// Renamed; still followed.
    Rotated,
    /// Deleted, truncated or replaced: nothing will be added.
    Ended,
    /// Its file system does not answer; reading continues when it does.
    Stuck {
        since: Timestamp,
    },
    /// Cannot be read now; `reason` gives the cause and the remedy.
    Unreadable {
        reason: String,
    },
}

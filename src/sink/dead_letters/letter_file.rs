//! Describes one dead-letter file: its sink, day, path and size.

use std::path::PathBuf;

/// The file with the dead letters of one sink and day. The day is that of the rejection, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterFile {
    pub sink: String,
    pub day: String,
    pub path: PathBuf,
    pub bytes: u64,
}

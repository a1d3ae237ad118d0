//! The character encodings of log files that are supported.

use serde::{Deserialize, Serialize};

/// The encoding of a generation: detected at its beginning and stored, the same for all its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8, or any other encoding in which the byte `\n` ends a line.
    #[default]
    Utf8,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
}

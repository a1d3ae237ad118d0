//! How the bytes of a file stand for text.

use serde::{Deserialize, Serialize};

/// One for a whole generation: found out at its beginning, and kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8, or anything else in which the byte `\n` ends a line.
    #[default]
    Utf8,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
}

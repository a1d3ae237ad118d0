//! The severity level of an event.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The seven levels of the event document, lowest first. An event without level has `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Level {
    Trace = 1,
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Fatal,
}

impl Level {
    pub const ALL: [Level; 7] = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Notice,
        Level::Warning,
        Level::Error,
        Level::Fatal,
    ];

    /// The name in the event document.
    pub fn name(self) -> &'static str {
        ["trace", "debug", "info", "notice", "warning", "error", "fatal"][self as usize - 1]
    }

    /// One letter, so that a level can be recognised without colour.
    pub fn letter(self) -> char {
        ['T', 'D', 'I', 'N', 'W', 'E', 'F'][self as usize - 1]
    }

    /// Index of this level in [`LevelCounts`]; 0 is "no level".
    pub fn slot(level: Option<Level>) -> usize {
        level.map_or(0, |level| level as usize)
    }
}

/// Events per level; index 0 is "no level", then trace … fatal.
pub type LevelCounts = [u64; 8];

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Parses a level that an operator typed: the seven names and their usual aliases in any case (WARN, ERR, CRIT,
/// CRITICAL, EMERG, ALERT, PANIC, SEVERE, INFORMATION, VERBOSE, FINE, …). Levels in logs are parsed by `format`.
impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "trace" | "verbose" | "finest" | "finer" => Level::Trace,
            "debug" | "fine" => Level::Debug,
            "info" | "information" | "informational" => Level::Info,
            "notice" => Level::Notice,
            "warning" | "warn" => Level::Warning,
            "error" | "err" | "severe" => Level::Error,
            "fatal" | "critical" | "crit" | "alert" | "emergency" | "emerg" | "panic" => {
                Level::Fatal
            }
            _ => {
                return Err(format!(
                    "`{text}` is not a valid level; the levels are trace, debug, info, notice, warning, \
                     error and fatal"
                ));
            }
        })
    }
}

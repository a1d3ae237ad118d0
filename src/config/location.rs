//! The location of a setting, for error messages.

use std::fmt;
use std::sync::Arc;

/// A file with line and column, or the name of an environment variable or an argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    pub origin: Arc<str>,
    /// Line and column, 1-based, the column in characters; `None` for variables and arguments.
    pub position: Option<(usize, usize)>,
}

impl Location {
    pub fn of(origin: &str) -> Self {
        Location { origin: origin.into(), position: None }
    }

    /// The location of a byte offset in a file's text.
    pub fn in_text(origin: &Arc<str>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Location { origin: origin.clone(), position: Some((line, column)) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        match self.position {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

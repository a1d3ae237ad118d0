//! Stores events that a target rejected permanently (dead letters): JSON lines, one file per sink and day, durable
//! before the sink's cursor moves past them. Only an operator's command removes them, and sealed values stay sealed.
//!
//! Operators list them ([`overview`], [`Lines`]), send them again ([`Replay`]) or drop them ([`remove`]). Unreadable
//! lines are reported and left as they are. Appending, replaying and dropping need ownership of the state directory;
//! reading does not.

mod directory;
mod letter;
mod letter_file;
mod line_reader;
mod replay;
mod rewrite;
mod selection;
mod summary;

use std::io;

pub use directory::{DeadLetterDirectory, MOST};
pub use letter::DeadLetter;
pub use letter_file::LetterFile;
pub use line_reader::{Line, Lines, MalformedLines, UnreadableLine};
pub use replay::{Replay, Replayed};
pub use rewrite::{Removed, remove};
pub use selection::{LetterFilter, Selection};
pub use summary::{Overview, overview};

/// The store of dead letters, as a sink's worker uses it.
pub trait DeadLetters: Send + Sync {
    /// Stores all letters durably, or none of them if it fails. Blocking.
    fn keep(&self, sink: &str, letters: Vec<DeadLetter>) -> io::Result<()>;

    /// Whether a dead letter of this event is stored, as far as the files can be read. Blocking.
    fn holds(&self, sink: &str, event: &str) -> bool;
}

#[cfg(test)]
mod tests;

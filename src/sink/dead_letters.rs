//! Events that a target refuses for good are kept, never dropped: JSON lines, a file a sink and day, on disk
//! before the sink's cursor moves on. Sealed values stay sealed.
//!
//! A person looks at them ([`summary`], [`Lines`]), sends them again ([`replay`]) or drops them ([`remove`]).
//! What cannot be read in a file is told and stays where it is. Who appends, replays or drops owns the state
//! directory; looking needs no owner.

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
pub use line_reader::{Line, Lines, Odd, Oddities};
pub use replay::{Replay, Replayed};
pub use rewrite::{Removed, remove};
pub use selection::{Choice, Selection};
pub use summary::{Overview, overview};

/// Where refused events are kept.
pub trait DeadLetters: Send + Sync {
    /// All of them are durable when this returns; blocking. After an error none of them counts as kept.
    fn keep(&self, sink: &str, letters: Vec<DeadLetter>) -> io::Result<()>;

    /// One of this event is kept, as far as can be seen; blocking.
    fn holds(&self, sink: &str, event: &str) -> bool;
}

#[cfg(test)]
mod tests;

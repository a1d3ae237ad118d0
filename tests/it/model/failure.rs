//! What a history ended with, where it did not end well.

use super::steps::Who;

/// Two failures of one kind are taken for the same fault when a history is made shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Missing(Who),
    Twice(Who),
    /// A whole line came in parts.
    Split(Who),
    /// Fewer bytes were counted as lost than were destroyed.
    Uncounted(Who),
    /// More.
    Overcounted(Who),
    /// The figures of the log say less than a consumer met.
    Unlisted,
    /// … or more: the exit code tells of it.
    Overlisted,
    /// Bytes that no file had at that place.
    Foreign(Who),
    SameId,
    /// The rest of a deleted file is kept although everybody has read it.
    Leftover,
    Gap,
    Stuck,
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: Kind,
    pub text: String,
}

impl Failure {
    pub fn new(kind: Kind, text: String) -> Failure {
        Failure { kind, text }
    }

    pub fn read(error: std::io::Error) -> Failure {
        Failure::new(Kind::Stuck, format!("cannot read: {error}"))
    }
}

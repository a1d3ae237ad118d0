//! How a history failed.

use super::steps::Consumer;

/// Shrinking treats two failures of one kind as the same fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Missing(Consumer),
    Twice(Consumer),
    /// A line that could have been one event was delivered as several.
    Split(Consumer),
    /// Fewer bytes were counted as lost than were destroyed.
    Uncounted(Consumer),
    /// More bytes were counted as lost than were destroyed.
    Overcounted(Consumer),
    /// The log's totals are lower than the losses that were reported to the consumers.
    Unlisted,
    /// The log's total is higher, so the exit code reports a loss that did not happen.
    Overlisted,
    /// An event whose bytes no stream holds at that offset.
    Foreign(Consumer),
    SameId,
    /// The rest of a deleted file is kept although every consumer has read it.
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

//! How a file came to be looked at.

/// How a file was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) enum Origin {
    /// A source names its path.
    #[default]
    Path,
    /// Beside a log, and born while that was followed: it may have come and gone between two looks.
    Between,
    /// Beside a log, and holds what is looked for: a copy, or nothing that has to be read.
    Candidate,
}

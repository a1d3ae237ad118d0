//! How a file was found, which decides whether a file with unknown content is followed.

/// How a file was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) enum Origin {
    /// A source path leads to it.
    #[default]
    Path,
    /// Beside a log, and created while the log was followed: it may have been rotated between two scans.
    RotatedMeanwhile,
    /// Beside a log, by a search for the content of a generation: it is a copy, or it is ignored.
    PossibleCopy,
}

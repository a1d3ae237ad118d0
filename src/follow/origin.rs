//! How a file was found.

/// How a file was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) enum Origin {
    /// A source path leads to it.
    #[default]
    Path,
    /// Beside a log, and created while the log was followed: it may have been rotated between two scans.
    RotatedMeanwhile,
    /// Beside a log, with searched content: it is a copy, or it is ignored.
    PossibleCopy,
}

//! Formats an error with its causes on one line, for notices, log lines and status texts.

/// The error and its causes, separated by `: `, for example `cannot read a.key: permission denied`.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

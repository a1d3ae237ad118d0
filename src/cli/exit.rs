//! Exit codes: the one place where they are numbers.

use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// For `search`: nothing was found.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Done, but something was dead-lettered or lost.
    Lossy = 3,
    /// Another engine owns this state directory.
    Owned = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// What was asked for cannot be: exit 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

pub fn usage_error(problem: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(UsageError(problem.into()))
}

/// Prints an error once, at the top, with its whole chain, and says how to exit.
pub fn report(error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        return Exit::Done;
    }
    if let Some(problems) = error.downcast_ref::<super::config::ConfigErrors>() {
        eprintln!("{problems}");
        return Exit::Usage;
    }
    eprintln!("logwarden: {error:#}");
    if error.is::<UsageError>() { Exit::Usage } else { Exit::Failed }
}

/// Whoever read our output has seen enough: that is success.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

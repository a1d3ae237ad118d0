//! Exit codes and the printing of errors. The only place where exit codes are numbers.

use std::fmt::Display;
use std::process::ExitCode;

use crate::base::{sanitize, stderr};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// The command failed. `search`, `find`: nothing was found. `--once`: something could not be delivered.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Done, but some events were lost or became dead letters.
    Lossy = 3,
    /// Another engine is using this state directory.
    StateInUse = 4,
    /// A part of Logwarden failed because of a bug, and could not continue.
    InternalError = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// The request is wrong (usage, configuration, missing path): exit code 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

pub fn usage_error(problem: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(UsageError(problem.into()))
}

/// Prints an error once, with its whole chain, and returns the exit code.
pub fn report(error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        return Exit::Done;
    }
    if let Some(problems) = error.downcast_ref::<super::config::ConfigErrors>() {
        for problem in problems.to_string().lines() {
            stderr::line(sanitize::line(problem));
        }
        return Exit::Usage;
    }
    say(format_args!("{error:#}"));
    if error.is::<UsageError>() { Exit::Usage } else { Exit::Failed }
}

/// Prints one line on standard error. Control characters, as in file names or log text, are made visible.
pub fn say(text: impl Display) {
    stderr::line(message_line(text));
}

fn message_line(text: impl Display) -> String {
    format!("logwarden: {}", sanitize::line(&text.to_string()))
}

/// Whether the reader of standard output has closed it, which counts as success.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_control_characters_is_shown_and_not_executed() {
        let error = anyhow::anyhow!("No such file").context("cannot read a\u{1b}[2J\n\u{202e}b");
        assert_eq!(
            message_line(format_args!("{error:#}")),
            "logwarden: cannot read a␛[2J␊<U+202E>b: No such file"
        );
    }
}

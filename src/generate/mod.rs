//! Generates sample logs. The same seed and start time give the same bytes.
//!
//! [`Generator`] creates lines, [`run`] writes them to a file, a directory or standard output, and [`demo`] writes the
//! four live logs of `logwarden demo`. It never reads a log and never deletes a file.

mod demo;
mod generator;
mod lines;
mod output;
mod random;
mod run;

pub use demo::{demo, demo_sources};
pub use generator::{Generator, Line};
pub use output::{GenerateError, Target};
pub use run::{Options, run};

/// The kind of log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// JSON lines with client ids, one file per month.
    Sre,
    /// JSON lines of a service.
    App,
    /// Python logging of a small web application.
    Web,
    /// `YYYY-MM-DD HH:MM:SS [LEVEL] message`, logs of machines.
    Ops,
}

impl Profile {
    pub const ALL: [Profile; 4] = [Profile::Sre, Profile::App, Profile::Web, Profile::Ops];

    pub fn name(self) -> &'static str {
        ["sre", "app", "web", "ops"][self as usize]
    }
}

#[cfg(test)]
mod tests;

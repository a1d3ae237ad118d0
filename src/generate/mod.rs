//! Writers of sample logs: the same seed and start write the same bytes.
//!
//! [`Generator`] makes lines, [`run`] writes them to a file, a directory or standard output, [`demo`] keeps four
//! logs alive for the screen. Never reads a log, never deletes a file.

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

/// What kind of log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// JSON lines with ids of clients, one file a month.
    Sre,
    /// JSON lines of a service.
    App,
    /// Python logging of a small web application.
    Web,
    /// `YYYY-MM-DD HH:MM:SS [LEVEL] message` of machines.
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

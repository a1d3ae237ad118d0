//! Settings from their layers: defaults < the user's file < `--config` < environment < arguments.
//!
//! Every layer becomes the same tree of values, each with its place; trees are merged, then read once by
//! [`section::Section`]: what is asked for there *is* the list of known keys. All problems are reported
//! at once, with place and suggestion.

mod home;
pub mod layers;
mod place;
mod print;
mod read;
mod section;
mod suggest;
mod tree;

use std::fmt;

pub use layers::{DEFAULTS, Layers};
pub use place::Place;
pub use print::print;
pub use read::{Configured, read, read_format, read_zone};
pub use suggest::closest;
pub use tree::{Entry, Table, Value};

/// One thing that is wrong, or has no effect, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Everything that is wrong with a configuration, in the order of its places.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        match self.0.len() {
            1 => f.write_str("logwarden: one error in the configuration; nothing was started"),
            many => write!(f, "logwarden: {many} errors in the configuration; nothing was started"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

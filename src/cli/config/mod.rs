//! Reads the settings from their layers: defaults < the user's file < `--config` < environment < arguments.
//!
//! Every layer is parsed into the same tree of values; the trees are merged and then read once: see [`crate::config`].

pub mod layers;
mod print;
mod read;

use std::fmt;

pub use layers::{DEFAULTS, Layers};
pub use print::print;
pub use read::{Configured, read, read_format, read_zone};

use crate::config::Problem;

/// Every error in a configuration, ordered by location.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        match self.0.len() {
            1 => f.write_str("logwarden: 1 error in the configuration; nothing was done"),
            count => {
                write!(f, "logwarden: {count} errors in the configuration; nothing was done")
            }
        }
    }
}

impl std::error::Error for ConfigErrors {}

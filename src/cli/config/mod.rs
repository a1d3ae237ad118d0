//! Settings from their layers: defaults < the user's file < `--config` < environment < arguments.
//!
//! Every layer becomes the same tree of values; trees are merged, then read once: see [`crate::config`].

pub mod layers;
mod print;
mod read;

use std::fmt;

pub use layers::{DEFAULTS, Layers};
pub use print::print;
pub use read::{Configured, read, read_format, read_zone};

use crate::config::Problem;

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

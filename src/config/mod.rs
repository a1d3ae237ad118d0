//! Settings as they are written: trees of values, each with its place, and how a table of one is read.
//!
//! Each layer of settings becomes such a tree; trees are merged, then read once by [`Section`]: what is asked for there
//! *is* the list of known keys. All problems are reported at once, with place and suggestion.

mod layer;
mod location;
mod section;
mod suggest;
pub mod tilde;

use std::fmt;

pub use layer::{Entry, Table, Value};
pub use location::Place;
pub use section::{Findings, Section};
pub use suggest::closest;

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

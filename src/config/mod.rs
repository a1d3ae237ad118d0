//! Reads settings from layers: files, environment variables and arguments.
//!
//! Each layer is parsed into a tree of values with their locations; the trees are merged and then read once by
//! [`Section`]. The keys requested from a section *are* the list of known keys. All problems are reported at once, with
//! location and suggestion.

mod layer;
mod location;
mod section;
mod suggest;
pub mod tilde;

use std::fmt;

pub use layer::{Entry, Table, Value};
pub use location::Location;
pub use section::{Findings, Section};
pub use suggest::closest;

/// An error, or a setting without effect, with its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub location: Location,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.text)
    }
}

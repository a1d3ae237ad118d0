//! Searches the archive and log files for the events that match a query tree, and returns them one by one.
//!
//! Memory is bounded for any number of results. A result is an event document; [`output`] writes it for people and
//! programs. This module never sees the raw query text.

mod archive;
mod compile;
mod document_set;
mod evaluate;
mod files;
pub mod output;
mod pagination;
pub mod sealed_terms;

use std::path::PathBuf;

pub use archive::{archive, count_archive, names_in_archive};
pub use files::{Input, MatchCollector, collect_names, count_files, files, names_in_files};

use crate::archive::ArchiveError;
use crate::base::Timestamp;
use crate::privacy::KeyError;
use crate::query::{Expr, FieldName};

/// The order of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Oldest,
    Newest,
}

/// The period, the number and the order of the results.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Inclusive.
    pub since: Option<Timestamp>,
    /// Exclusive.
    pub until: Option<Timestamp>,
    /// Maximum number of results; the first ones in this order are returned.
    pub limit: Option<u64>,
    pub order: Order,
}

impl Options {
    /// The query, restricted to these times.
    fn narrow(&self, query: &Expr) -> Expr {
        if self.since.is_none() && self.until.is_none() {
            return query.clone();
        }
        Expr::And(vec![Expr::Time { low: self.since, high: self.until }, query.clone()])
    }
}

/// The fields that a query names.
pub fn fields(query: &Expr) -> Vec<&FieldName> {
    match query {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().flat_map(fields).collect(),
        Expr::Not(inner) => fields(inner),
        Expr::Field { name, .. } => vec![name],
        _ => Vec::new(),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("cannot search the archive")]
    Archive(#[source] ArchiveError),
    #[error("cannot read {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot seal the results")]
    Protect(#[source] KeyError),
    #[error("cannot write the results")]
    Output(#[source] std::io::Error),
}

/// Called with each result: an event document as JSON.
pub type Each<'a> = &'a mut dyn FnMut(&str) -> std::io::Result<()>;

#[cfg(test)]
mod tests;

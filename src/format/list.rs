//! All formats, the more specific first, and the vote between them.

use std::sync::Arc;

use super::Format;

/// The format with this name (as in `format = "…"` of a source) and these parameters.
pub fn by_name(_name: &str, _parameters: &[u8]) -> Option<Arc<dyn Format>> {
    todo!("format helper")
}

/// Names, most specific first.
pub fn names() -> Vec<&'static str> {
    todo!("format helper")
}

pub fn plain() -> Arc<dyn Format> {
    todo!("format helper")
}

/// The outcome of a vote.
#[derive(Debug, Clone)]
pub struct Vote {
    pub format: Arc<dyn Format>,
    pub parameters: Vec<u8>,
    /// 100 lines or 64 KiB were there to judge by.
    pub settled: bool,
}

/// Votes over the first 100 non-empty lines or 64 KiB of `sample`.
pub fn detect(_sample: &[u8]) -> Vote {
    todo!("format helper")
}

//! Bytes → records: lines, joining, caps, cuts. Pure; used by the engine, the screen and `parse` alike.

use std::sync::Arc;

use super::{Context, Format};
use crate::event::Record;

/// What comes after the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More may follow: a record that could still grow stays unread.
    Open,
    /// Nothing follows, or a cut stands here: the last record ends here, even without a line end.
    Closed,
}

/// What a pass over a buffer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// Bytes of the buffer that now belong to records.
    pub consumed: usize,
    /// No record of a row of 200 fitted the format: time to vote again.
    pub misfits: u32,
}

/// Splits the bytes of one generation into records of one format.
#[derive(Debug)]
pub struct Framer {
    pub format: Arc<dyn Format>,
    /// Longest record, in bytes.
    pub cap: usize,
}

impl Framer {
    /// Appends the records of `bytes` (which begins at `base` of its generation, at a record's beginning).
    /// `cuts` are ascending offsets of the generation at which a record ends whatever follows.
    /// Stops at `end`, or before a record that may still grow.
    pub fn frame(
        &self,
        _bytes: &[u8],
        _base: u64,
        _cuts: &[u64],
        _end: End,
        _context: &mut Context,
        _records: &mut Vec<Record>,
    ) -> Framed {
        todo!("format helper")
    }
}

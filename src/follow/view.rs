//! Reads files for the screen: from any offset of any file, backwards and forwards, merged by time.
//!
//! Promises: reads by `pread` only, in pieces of 64 KiB (more only until one record is found), keeps at most
//! 16 MiB of them, and works in steps of a given [`Budget`], so that drawing is never delayed.
//! Never moves a mark, a cut, a format entry or a cursor, and never waits for another thread.

pub mod file;
mod level_counting;
pub mod level_tally;
pub mod merge;
mod piece;
pub mod step_budget;

pub use file::FileView;
pub use level_tally::Tally;
pub use merge::{Entry, Frontier, Position, Scope, Step, Timeline};
pub use piece::Piece;
pub use step_budget::Budget;

#[cfg(test)]
mod tests;

/// Bytes per read and decode step.
pub(crate) const PIECE: u64 = 64 * 1024;

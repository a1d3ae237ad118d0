//! The screen's reading: any place of any file, backwards and forwards, merged by time.
//!
//! Promises: reads by `pread` only, in pieces of 64 KiB (more only until one record is found), keeps at most
//! 16 MiB of them, and does its work in steps of a given [`Budget`], so that whoever draws never waits.
//! Never moves a mark, a cut, a format entry or a cursor, and waits for nobody.

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

/// Bytes that are read and decoded at once.
pub(crate) const PIECE: u64 = 64 * 1024;

//! The screen's reading: any place of any file, backwards and forwards, merged by time.
//!
//! Promises: reads by `pread` only, in pieces of 64 KiB (more only until one record is found), keeps at most
//! 16 MiB of them, and does its work in steps of a given [`Budget`], so that whoever draws never waits.
//! Never moves a mark, a cut, a format entry or a cursor, and waits for nobody.

pub mod budget;
mod count;
pub mod file;
pub mod merge;
mod piece;
pub mod tally;

pub use budget::Budget;
pub use file::FileView;
pub use merge::{Entry, Frontier, Position, Scope, Step, Timeline};
pub use piece::Piece;
pub use tally::Tally;

#[cfg(test)]
mod tests;

/// Bytes that are read and decoded at once.
pub(crate) const PIECE: u64 = 64 * 1024;

//! The intake directory: stores bytes that would otherwise be lost until all consumers have read them.
//!
//! Standard input is written to segments, files named `STAMP/stdin` ([`stdin`]), which are followed like any file.
//! The unread bytes of a deleted file are copied to `rest-GENERATION` ([`rescue`]) and read at their old offsets.
//! Bytes of a segment are not followed before they are durable. Never removes bytes that a consumer has not read.

mod cleanup;
mod rescue;
mod segment;
mod stdin;

pub use super::stdin_progress::{InputLoss, Intake};
pub use stdin::Input;

/// Default limit for saved bytes of deleted files: 1 GiB.
pub const MOST: u64 = 1 << 30;

#[cfg(test)]
mod tests;

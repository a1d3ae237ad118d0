//! The intake directory: bytes that would otherwise disappear are stored there until all consumers have read them.
//!
//! Standard input is written to segments, files named `STAMP/stdin` ([`stdin`]), which are followed like any file.
//! The unread bytes of a deleted file are copied to `rest-GENERATION` ([`rescue`]) and read at their old offsets.
//! Consumers get bytes of a segment only when they are durable. Never removes bytes that a consumer has not read.

mod cleanup;
mod rescue;
mod segment;
mod stdin;

pub use super::stdin_progress::{InputLoss, Intake};
pub use stdin::Input;

/// Default maximum size of the stored bytes of deleted files: 1 GiB.
pub const MOST: u64 = 1 << 30;

#[cfg(test)]
mod tests;

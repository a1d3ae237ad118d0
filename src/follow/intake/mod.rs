//! The intake directory: bytes that would vanish are kept here until every consumer is through.
//!
//! Standard input is written into segments, `STAMP/stdin` each ([`stdin`]), that are followed as any file is.
//! What is left unread of a deleted file is copied to `rest-GENERATION` ([`rescue`]) and read under the offsets
//! it had. Nothing of a segment is followed before it is durable. Never removed: what somebody has not read.

mod cleanup;
mod rescue;
mod segment;
mod stdin;

pub use super::stdin_progress::{InputLoss, Intake};
pub use stdin::Input;

/// Most that is kept of deleted files, where nothing else is said: 1 GiB.
pub const MOST: u64 = 1 << 30;

#[cfg(test)]
mod tests;

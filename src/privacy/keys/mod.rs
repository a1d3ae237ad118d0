//! The keys directory: one 32-byte master key a month, each a text file of its own.
//!
//! Promises: a key that is given out for sealing lies durably under its final name, and its id in the list of
//! used ones; two processes never seal a month with two first keys; a key that was used and is missing is an
//! error. Never follows a link, never trusts a file that others can read or write, never mints a key in place
//! of one that was lost, never prints a key.

mod backup;
mod create;
mod destroy;
mod directory;
mod error;
mod file;
mod file_names;
mod file_stamp;
mod key_choice;
mod keyring;
mod manage;
mod month;
mod usage;
mod used_list;

pub use backup::Backup;
pub use error::KeyError;
pub use file::{KeyId, MonthKey};
pub use file_names::Slot;
pub use keyring::Keyring;
pub use manage::{AllKeys, KeyState, ListedKey};
pub use month::Month;
pub use usage::UsedKey;

#[cfg(test)]
mod tests;

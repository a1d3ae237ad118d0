//! The keys directory: 32-byte master keys, one per month (several after a rotation), each in a text file of its own.
//!
//! Promises: a key that is returned for sealing is durable under its final name, and its id is in the list of used
//! keys; two processes never seal values of one month with two different first keys; a used key that is missing is an
//! error. Never follows a symbolic link, never trusts a file that others can read or write, never creates a key in
//! place of a lost one, never prints a key.

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

//! Seals events before they leave the machine: sealed (encrypted with AES-256-GCM) values become tokens.
//!
//! [`Outgoing`] is the only form of an event that a sink, a mail or an export accepts. [`protect`] is the only way to
//! create one from an event; [`stored`] reads back one that was stored before.
//!
//! The value of a field that the policy seals, at any depth, is replaced by a token, with a tag beside it. Where the
//! value (of 4 characters or more) is a whole word in any other text of the same event, it is replaced by the same
//! token. A value is never sent in plain text because a key is missing: then nothing of the event is sent. Under a
//! policy without keys, for readers who may read the log itself, values become `[sealed]`.

pub mod address;
pub mod audit;
pub mod audited_decryption;
mod base64url;
pub mod decrypt_stream;
pub mod decryptor;
mod derive;
mod document;
mod json_members;
mod json_unescape;
pub mod keys;
mod nested_json;
pub mod outgoing;
mod parse_document;
pub mod policy;
mod quoted_values;
mod replacements;
mod seal_event;
mod sealed_values;
pub mod sealer;
pub mod tag;
pub mod token;
mod truncated_text;
mod whole_words;

pub use address::AddressMode;
pub use audit::{Audit, AuditError};
pub use audited_decryption::{AuditedDecryptor, DecryptedValues};
pub use decryptor::{DecryptError, Decryptor};
pub use document::write_members;
pub use keys::{KeyError, Keyring, Month};
pub use outgoing::{Origin, Outgoing, StoredError, alias, protect, shown, stored};
pub use parse_document::Document;
pub use policy::{Pattern, Policy};
pub use sealer::Sealer;

/// Stands in place of a value to be sealed where no token can be made.
pub const SEALED: &str = "[sealed]";

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worked_example;

//! What may leave the machine. [`Outgoing`] is the only form that a sink, a mail or an export can take, and
//! [`protect`] the only way to make one of an event; [`stored`] reads one back that was kept.
//!
//! A field that the policy seals leaves as a token, at any depth, with a tag beside it; where its value (of 4
//! characters or more) stands as a whole word in any other text of the same event, the same token stands there.
//! Nothing leaves in clear because a key is missing: then nothing of the event leaves. Under a policy without
//! keys, for the eyes of those who may read the log, values are `[sealed]`.

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
pub use audited_decryption::{Disclosed, Disclosure};
pub use decryptor::{OpenError, Opener};
pub use document::write_members;
pub use keys::{KeyError, Keyring, Month};
pub use outgoing::{Origin, Outgoing, StoredError, alias, protect, shown, stored};
pub use parse_document::Document;
pub use policy::{Pattern, Policy};
pub use sealer::Sealer;

/// What stands in the place of a sealed value.
pub const SEALED: &str = "[sealed]";

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worked_example;

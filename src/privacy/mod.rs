//! What may leave the machine. [`Outgoing`] is the only form that a sink, a mail or an export can take, and
//! [`protect`] the only way to make one of an event; [`stored`] reads one back that was kept.
//!
//! A field that the policy seals leaves as a token, at any depth, with a tag beside it; where its value (of 4
//! characters or more) stands as a whole word in any other text of the same event, the same token stands there.
//! Nothing leaves in clear because a key is missing: then nothing of the event leaves. Under a policy without
//! keys, for the eyes of those who may read the log, values are `[sealed]`.

pub mod address;
pub mod audit;
mod code;
mod cut_off;
mod derive;
pub mod disclosure;
mod document;
mod hidden;
pub mod keys;
mod members;
mod nested;
pub mod opener;
pub mod outgoing;
pub mod policy;
mod quoted;
mod read;
pub mod reveal;
pub mod sealer;
mod sealing;
mod seals;
pub mod tag;
pub mod token;
mod unescaped;
mod words;

pub use address::AddressMode;
pub use audit::{Audit, AuditError};
pub use disclosure::{Disclosed, Disclosure};
pub use document::write_members;
pub use keys::{KeyError, Keyring, Month};
pub use opener::{OpenError, Opener};
pub use outgoing::{Origin, Outgoing, StoredError, alias, protect, shown, stored};
pub use policy::{Pattern, Policy};
pub use read::Document;
pub use sealer::Sealer;

/// What stands in the place of a sealed value.
pub const SEALED: &str = "[sealed]";

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worked_example;

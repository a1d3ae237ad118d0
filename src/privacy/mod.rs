//! What may leave the machine. [`Outgoing`] is the only form that a sink, a mail or an export can take, and
//! [`protect`] the only way to make one of an event; [`stored`] reads one back that was kept.
//!
//! A field that the policy seals leaves as `[sealed]`, at any depth; where its value (of 4 characters or more)
//! stands as a whole word in any other text of the same event, it leaves as `[sealed]` there too. Until there
//! are keys, nobody can open it again.

pub mod address;
mod derive;
mod document;
pub mod keys;
mod nested;
pub mod opener;
pub mod outgoing;
pub mod policy;
mod read;
pub mod reveal;
pub mod sealer;
pub mod tag;
pub mod token;
mod words;

pub use address::AddressMode;
pub use keys::{KeyError, Keyring, Month};
pub use opener::{OpenError, Opener};
pub use outgoing::{Origin, Outgoing, StoredError, protect, stored};
pub use policy::Policy;
pub use read::Document;
pub use sealer::Sealer;

/// What stands in the place of a sealed value.
pub const SEALED: &str = "[sealed]";

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worked_example;

//! What may leave the machine. [`Outgoing`] is the only form that a sink, a mail or an export can take, and
//! [`protect`] the only way to make one.
//!
//! A field that the policy seals leaves as `[sealed]`, at any depth; where its value (of 4 characters or more)
//! stands as a whole word in any other text of the same event, it leaves as `[sealed]` there too. Until there
//! are keys, nobody can open it again.

mod document;
mod nested;
pub mod outgoing;
pub mod policy;
mod words;

pub use outgoing::{Outgoing, protect};
pub use policy::Policy;

/// What stands in the place of a sealed value.
pub const SEALED: &str = "[sealed]";

#[cfg(test)]
mod tests;

//! Connections to servers: addresses, credentials, TLS, time-outs, and what went wrong in plain words.
//!
//! Knows nothing of events. Sinks deliver through it, and searches ask through it.

pub mod elasticsearch;
pub mod secret;

pub use secret::{Secret, SecretPlace};

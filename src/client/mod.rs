//! Connections to servers: addresses, credentials, TLS, time-outs, and error messages that say what to do.
//!
//! Knows nothing about events. Sinks and searches send their requests through it.

pub mod elasticsearch;
pub mod secret;

pub use secret::{Secret, SecretSource};

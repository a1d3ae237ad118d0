//! Connections to servers: addresses, credentials, TLS, time-outs, and error messages that say what to do.
//!
//! It knows nothing about events. Sinks send their requests through it.

pub mod elasticsearch;
pub mod secret;

pub use secret::{Secret, SecretSource};

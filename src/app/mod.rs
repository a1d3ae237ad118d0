//! Start, wiring and stop: settings in, a running engine out, with a screen or without one.

pub mod identity;
pub mod settings;

//! Logwarden's modules, in reading order. A module imports only from modules above it in this list; modules within
//! one group do not import each other. `tests/it/tidy.rs` enforces it.

/// Clock, back-off, sanitising of text, sizes, calls with a deadline.
pub mod base;
/// Plain types: event, batch, generation, cursor, status.
pub mod event;

/// Parses bytes into events.
pub mod format;
/// The query language.
pub mod query;

/// Reads configuration layers into typed settings.
pub mod config;
/// Seals and pseudonymises values before events leave the machine.
pub mod privacy;
/// Logwarden's own durable data: cursors, generations, cuts.
pub mod state;

/// Follows files: identity, growth, records.
pub mod follow;

/// The embedded archive.
pub mod archive;
/// Connections to servers.
pub mod client;

/// Alert rules, windows, incidents.
pub mod alert;
/// Writes sample logs.
pub mod generate;
/// Runs queries over the archive and files.
pub mod search;
/// Sinks: consumers that deliver events to a target.
pub mod sink;
/// The terminal screen.
pub mod ui;

/// Starts, wires and stops the engine.
pub mod app;
/// Command line and settings.
pub mod cli;

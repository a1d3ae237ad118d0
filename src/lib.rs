//! Logwarden, in reading order. A module imports only from modules above it in this list; modules in one
//! row do not import each other. `tests/it/tidy.rs` enforces it.

/// Clock, back-off, safe text, sizes.
pub mod base;
/// Plain types: event, batch, generation, cursor, status.
pub mod event;

/// Bytes → events.
pub mod format;
/// The query language.
pub mod query;

/// Settings as they are written.
pub mod config;
/// What may leave the machine.
pub mod privacy;
/// Our own durable data.
pub mod state;

/// Files: identity, growth, records.
pub mod follow;

/// The embedded archive.
pub mod archive;
/// Connections to servers.
pub mod client;

/// Rules, windows, incidents.
pub mod alert;
/// Writers of sample logs.
pub mod generate;
/// Queries over archive and files.
pub mod search;
/// Consumers that deliver events elsewhere.
pub mod sink;
/// The screen.
pub mod ui;

/// Start, wiring, stop.
pub mod app;
/// Arguments and settings.
pub mod cli;

//! What the program promises, one module a promise.

mod alerts;
mod cli;
mod delivery;
mod formats;
mod state;
mod tidy;

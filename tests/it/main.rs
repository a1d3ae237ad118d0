//! What the program promises, one module a promise.

mod alerts;
mod cli;
mod delivery;
mod state;
mod formats;
mod tidy;

//! What the program promises, one module a promise.

mod alerts;
mod cli;
mod delivery;
mod formats;
mod rotation;
mod state;
mod tidy;
mod bad_input;
mod program;
mod restart;
mod terminal;

//! What the program promises, one module a promise.

mod alerts;
mod cli;
mod state;
mod tidy;

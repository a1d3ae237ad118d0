//! What the program promises, one module a promise.

mod alerts;
mod archive;
mod bad_input;
mod bench;
mod cli;
mod delivery;
mod fake_elasticsearch;
mod fault_proxy;
mod encodings;
mod formats;
mod formats_any_input;
mod outage;
mod program;
mod reload;
mod restart;
mod rotation;
mod screen;
mod search;
mod state;
mod stdin;
mod terminal;
mod tidy;

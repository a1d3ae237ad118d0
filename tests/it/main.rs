//! What the program promises, one module a promise.

mod alerts;
mod archive;
mod bad_input;
mod bench;
mod cli;
mod dead_letters;
mod delivery;
mod encodings;
mod fake_elasticsearch;
mod fault_proxy;
mod formats;
mod formats_any_input;
mod judging_elasticsearch;
mod metrics;
mod outage;
mod program;
mod reload;
mod restart;
mod rotation;
mod screen;
mod search;
mod setup;
mod state;
mod stdin;
mod terminal;
mod tidy;

//! The commands, one file each: arguments and settings in, exit code out. The private modules are shared by several
//! commands.

pub mod check;
mod client_events;
pub mod completions;
pub mod config;
pub mod dead_letters;
pub mod decrypt;
mod decrypt_output;
pub mod demo;
pub mod erase;
pub mod find;
pub mod generate;
pub mod init;
pub mod keys;
pub mod man;
pub mod parse;
mod result_screen;
pub mod run;
pub mod search;
pub mod setup;
pub mod ship;
pub mod stats;

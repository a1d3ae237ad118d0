//! One file a command: arguments and settings in, exit code out.

pub mod check;
pub mod completions;
pub mod config;
pub mod dead_letters;
pub mod decrypt;
pub mod demo;
pub mod erase;
pub mod find;
pub mod generate;
pub mod init;
pub mod keys;
mod opening;
pub mod parse;
pub mod run;
pub mod search;
pub mod setup;
pub mod ship;
pub mod stats;
mod traces;
mod view;

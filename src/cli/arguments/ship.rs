//! `logwarden ship …`.

use clap::Subcommand;

pub const EXAMPLES: &str = "Examples:
  logwarden ship now                 every sink: all up to now, also where ship.start is manual
  logwarden ship now es              only this one
  logwarden ship pause es            until `logwarden ship resume es`
  logwarden ship retry               at once, instead of waiting for the next try

Asks the engine that owns the state directory; it goes on by itself.";

#[derive(Debug, Subcommand)]
pub enum Ship {
    /// Deliver everything up to now
    Now { sink: Option<String> },
    /// Deliver nothing until it is resumed; nothing is lost, it waits in the files
    Pause { sink: Option<String> },
    /// Deliver by itself from now on
    Resume { sink: Option<String> },
    /// Try again now what is waited for
    Retry { sink: Option<String> },
}

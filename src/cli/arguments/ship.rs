//! Arguments and help texts of `logwarden ship …`.

use clap::Subcommand;

pub const EXAMPLES: &str = "Examples:
  logwarden ship now                 ship everything up to now, also with ship.start = manual
  logwarden ship now es              only to this sink
  logwarden ship pause es            pause this sink until `logwarden ship resume es`
  logwarden ship retry               retry immediately instead of waiting for the back-off

Sends the request to the engine that is using the state directory; shipping runs in that engine.";

#[derive(Debug, Subcommand)]
pub enum Ship {
    /// Ship everything up to now
    Now {
        /// Only this sink; default: all sinks
        sink: Option<String>,
    },
    /// Stop shipping until it is resumed; nothing is lost, pending events stay in the log files
    Pause {
        /// Only this sink; default: all sinks
        sink: Option<String>,
    },
    /// Resume shipping: continuously, or in passes if ship.every or ship.after is set
    Resume {
        /// Only this sink; default: all sinks
        sink: Option<String>,
    },
    /// Retry pending deliveries now
    Retry {
        /// Only this sink; default: all sinks
        sink: Option<String>,
    },
}

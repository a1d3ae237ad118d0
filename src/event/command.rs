//! The commands that an operator sends to a running engine: by key, control socket or signal.

use serde::{Deserialize, Serialize};

use super::generation::Cursor;

/// In all commands, `sink: None` means all sinks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Deliver everything written up to now.
    ShipNow {
        sink: Option<String>,
    },
    /// Stop delivery. `by` names the requester.
    Pause {
        sink: Option<String>,
        by: String,
    },
    Resume {
        sink: Option<String>,
    },
    /// Retry immediately instead of waiting for the back-off.
    Retry {
        sink: Option<String>,
    },
    /// From now on, report in each sink's status whether the event at this offset has been delivered.
    Where {
        place: Cursor,
    },
    /// Read the configuration again and apply it.
    Reload,
    /// Stop reading, deliver the events that were read, commit, exit.
    Stop,
}

impl Command {
    /// The name of the sink, if the command is for one sink.
    pub fn sink(&self) -> Option<&str> {
        match self {
            Command::ShipNow { sink }
            | Command::Pause { sink, .. }
            | Command::Resume { sink }
            | Command::Retry { sink } => sink.as_deref(),
            Command::Where { .. } | Command::Reload | Command::Stop => None,
        }
    }
}

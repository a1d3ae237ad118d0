//! What an operator may ask of a running engine: by key, by the control socket, by signal.

use serde::{Deserialize, Serialize};

use super::generation::Cursor;

/// `sink: None` means all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Deliver everything up to the end as it is now.
    ShipNow {
        sink: Option<String>,
    },
    /// Stop delivering. `by` names who asked.
    Pause {
        sink: Option<String>,
        by: String,
    },
    Resume {
        sink: Option<String>,
    },
    /// Try again at once instead of waiting out the back-off.
    Retry {
        sink: Option<String>,
    },
    /// Tell from now on, with the status of each sink, where the event at this place is.
    Where {
        place: Cursor,
    },
    /// Read the configuration again and go on by it.
    Reload,
    /// Stop reading, deliver what is read, commit, end.
    Stop,
}

impl Command {
    /// The one sink that is meant.
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

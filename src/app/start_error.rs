//! The reasons why an engine, or a part that it needs, cannot start.

use std::path::PathBuf;

use crate::privacy::KeyError;
use crate::state::StateError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot start sink {name}")]
    Sink {
        name: String,
        #[source]
        source: anyhow::Error,
    },
    #[error("cannot prepare the monthly keys")]
    Keys {
        #[source]
        source: KeyError,
    },
    #[error("cannot read standard input")]
    Input {
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read the pipe {}", path.display())]
    Pipe {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("a worker thread of the engine failed")]
    Worker {
        #[source]
        source: tokio::task::JoinError,
    },
}

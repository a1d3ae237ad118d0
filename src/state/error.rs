//! What can go wrong with the state, in the words of somebody who has to mend it.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("another logwarden (process {process}) owns {}", directory.display())]
    Owned { directory: PathBuf, process: String },
    #[error(
        "cannot use the state directory {}; give this user the right to write there, or choose \
         another with --state-dir DIR",
        directory.display()
    )]
    Directory {
        directory: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "the state in {} was written by a newer logwarden (version {version}, this one knows \
         {known}); start that one, or choose another folder with --state-dir DIR",
        path.display()
    )]
    Newer { path: PathBuf, version: u32, known: u32 },
    #[error("cannot write the state in {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

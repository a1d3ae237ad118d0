//! Errors when the database is read or written.

use std::io;

use redb::{StorageError, TableError};

use super::tables::RowError;

#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// The content of the file is not what was written.
    #[error("the state file is damaged: {0}")]
    Damaged(String),
    #[error("the state file has format version {0}, which this version does not know")]
    Newer(u32),
    #[error("the state file is missing")]
    Missing,
    #[error(transparent)]
    Failed(redb::Error),
}

impl From<redb::Error> for DiskError {
    fn from(error: redb::Error) -> Self {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        match error {
            redb::Error::Corrupted(reason) => DiskError::Damaged(reason),
            redb::Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
                DiskError::Damaged(error.to_string())
            }
            redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. } => {
                DiskError::Damaged(error.to_string())
            }
            other => DiskError::Failed(other),
        }
    }
}

impl From<StorageError> for DiskError {
    fn from(error: StorageError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<TableError> for DiskError {
    fn from(error: TableError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        DiskError::Failed(redb::Error::Io(error))
    }
}

impl From<RowError> for DiskError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Newer(version) => DiskError::Newer(version),
            RowError::Malformed(reason) => DiskError::Damaged(reason),
        }
    }
}

//! What a start finds: good rows, none, damaged ones. Nothing is thrown away, and the operator is told.

use std::io;
use std::path::Path;

use super::disk::{Disk, DiskError};
use super::rows::{Dirty, Rows, VERSION};
use super::store::FILE;
use super::{StateError, snapshot};
use crate::base::Clock;

/// The rows to begin with. They are durable in a file that opens when this returns.
pub(super) fn load(
    disk: &mut Disk,
    directory: &Path,
    clock: &dyn Clock,
    notices: &mut Vec<String>,
) -> Result<Rows, StateError> {
    match disk.load() {
        Ok((rows, repaired)) => {
            notices.extend(repaired.then(|| repaired_notice(disk.path())));
            Ok(rows)
        }
        // Deleted, or set aside by an engine that died before it had written it anew.
        Err(DiskError::Missing) => {
            let rows = match snapshot::read(directory) {
                Ok(rows) => {
                    notices.extend((rows != Rows::default()).then(|| missing_notice(disk.path())));
                    rows
                }
                Err(error) => {
                    let damaged = error.kind() != io::ErrorKind::NotFound;
                    notices.extend(damaged.then(|| useless_notice(disk.path(), &error)));
                    Rows::default()
                }
            };
            let changes = Dirty::all(&rows).changes(&rows);
            disk.create_with(&changes).map_err(|error| cannot_open(directory, error))?;
            Ok(rows)
        }
        Err(DiskError::Damaged(reason)) => recover(disk, directory, &reason, clock, notices),
        Err(DiskError::Newer(version)) => {
            let path = disk.path().into();
            Err(StateError::Newer { path, version, known: VERSION.into() })
        }
        Err(error) => Err(cannot_open(directory, error)),
    }
}

/// Sets a damaged file aside and goes on from what the snapshot still knows.
fn recover(
    disk: &mut Disk,
    directory: &Path,
    reason: &str,
    clock: &dyn Clock,
    notices: &mut Vec<String>,
) -> Result<Rows, StateError> {
    let aside = disk
        .set_aside(clock.now())
        .map_err(|source| StateError::Directory { directory: directory.into(), source })?;
    let (rows, then) = match snapshot::read(directory) {
        Ok(rows) => (
            rows,
            "its last snapshot is used instead: events delivered since then may be delivered again, \
             under the same ids",
        ),
        Err(_) => (
            Rows::default(),
            "there is no usable snapshot: all logs are read again from their start, under the same \
             event ids",
        ),
    };
    let changes = Dirty::all(&rows).changes(&rows);
    disk.create_with(&changes).map_err(|error| cannot_open(directory, error))?;
    notices.push(format!(
        "the state file {} is damaged ({reason}); it is kept as {}; {then}",
        disk.path().display(),
        aside.display(),
    ));
    Ok(rows)
}

fn repaired_notice(path: &Path) -> String {
    format!(
        "the state file {} was damaged and has been repaired; events delivered shortly before may \
         be delivered again, under the same ids",
        path.display()
    )
}

fn missing_notice(path: &Path) -> String {
    format!(
        "the state file {} is missing; its last snapshot is used instead: events delivered since \
         then may be delivered again, under the same ids",
        path.display()
    )
}

fn useless_notice(path: &Path, error: &io::Error) -> String {
    format!(
        "the state file {} is missing and its last snapshot cannot be used ({error}): all logs are read again from \
         their start, under the same event ids",
        path.display()
    )
}

fn cannot_open(directory: &Path, error: DiskError) -> StateError {
    let directory = directory.to_path_buf();
    match error {
        DiskError::Failed(redb::Error::DatabaseAlreadyOpen) => {
            StateError::Owned { directory, process: "of unknown number".into() }
        }
        DiskError::Failed(redb::Error::Io(source)) => StateError::Directory { directory, source },
        other => StateError::Write { path: directory.join(FILE), source: other.into() },
    }
}

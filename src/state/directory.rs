//! The state directory: created for its owner alone, and locked by one process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::{StateError, private_directory};
use crate::base::Timestamp;

const LOCK: &str = "lock";

/// Whether an engine has used this directory before.
pub fn is_state(directory: &Path) -> bool {
    directory.join(LOCK).exists()
}

/// Creates the directory (mode 0700) if it does not exist. A directory that was used as a state directory before is
/// closed to other users, with the directories in it; any other existing directory is left as it is.
pub(super) fn prepare(directory: &Path, notices: &mut Vec<String>) -> Result<(), StateError> {
    let failed = |source| StateError::Directory { directory: directory.into(), source };
    private_directory::make_directory(directory).map_err(failed)?;
    if is_state(directory) {
        notices.extend(private_directory::close_directory(directory));
        let entries = fs::read_dir(directory).map_err(failed)?.filter_map(Result::ok);
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        notices.extend(
            directories
                .filter_map(|directory| private_directory::close_directory(&directory.path())),
        );
    }
    let mode = fs::metadata(directory).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        notices.push(format!(
            "other users can write to the state directory {}; close it with: chmod 700 {}",
            directory.display(),
            directory.display()
        ));
    }
    Ok(())
}

/// Held while the state is open; the kernel releases it when the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub fn take(directory: &Path) -> Result<Lock, StateError> {
        let failed = |source| StateError::Directory { directory: directory.into(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(LOCK))
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let process = owner(&mut file);
                return Err(StateError::Owned { directory: directory.into(), process });
            }
            Err(error) => return Err(failed(error.into())),
        }
        // The process id is only information for people: a full disk must not keep the engine from starting.
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::warn!(
                "cannot write the process id into the lock file, which is locked nevertheless: {error}"
            );
        }
        Ok(Lock { _file: file })
    }
}

/// The id of the process that holds the lock, as written in the lock file.
fn owner(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), pid) if !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) => {
            pid.into()
        }
        _ => "unknown".into(),
    }
}

/// Makes a rename inside the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Renames a file that cannot be used, and returns its new path.
pub(super) fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let base = format!("{}.damaged-{}", path.display(), stamp(now));
    let names = std::iter::once(base.clone()).chain((2..).map(|n| format!("{base}-{n}")));
    let free = names.map(PathBuf::from).find(|name| !name.exists());
    let aside = free.expect("there is always a free name");
    fs::rename(path, &aside)?;
    sync_directory(path)?;
    Ok(aside)
}

/// The time for a file name: `20261121T044646Z`.
fn stamp(now: Timestamp) -> String {
    let time = jiff::Timestamp::from_second(now.seconds()).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

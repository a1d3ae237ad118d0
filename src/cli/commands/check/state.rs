//! Checks that the state file is intact, as the engine does at its start. Changes nothing.
//!
//! While an engine is running, less is checked: the engine has verified the file itself, and a file that is being
//! written may look damaged.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, StorageBackend};
use rustix::fs::{FlockOperation, flock};

use super::Finding;
use crate::base::bytes;

const STATE: &str = "state.redb";
const SNAPSHOT: &str = "cursors.snapshot";
/// Up to this size the file is checked on a copy in memory; typical state files have a few MiB.
const MAX_CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// Another process holds the lock of this state directory, so an engine is running.
pub(super) fn engine_runs(directory: &Path) -> bool {
    let Ok(lock) = File::open(directory.join("lock")) else { return false };
    // Closing the file releases a lock that was acquired here.
    flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

/// The finding about the state file; `None` if there is no state yet.
pub(super) fn state(directory: &Path, engine_runs: bool) -> Option<Finding> {
    let path = directory.join(STATE);
    let snapshot = directory.join(SNAPSHOT).exists();
    let missing = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
    };
    let result = match path.metadata() {
        Err(error) if missing(&error) && !snapshot => return None,
        Err(error) if missing(&error) => {
            Err(format!("missing; the next start of the engine continues from {SNAPSHOT}"))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(format!("cannot be checked ({error}); give this user access to the directory"))
        }
        Err(error) => Err(format!("cannot be checked ({error})")),
        Ok(_) if engine_runs => Ok("in use by an engine, which checked it at its start".to_owned()),
        Ok(metadata) if metadata.len() > MAX_CHECKED_BYTES => Ok(format!(
            "not checked, because it is large ({}); the engine checks it at its next start",
            bytes::size(metadata.len())
        )),
        Ok(_) => state_file(&path, snapshot),
    };
    Some(Finding { subject: format!("state file {}", path.display()), result })
}

fn state_file(path: &Path, snapshot: bool) -> Result<String, String> {
    let content = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            format!("cannot be read ({error}); give this user read and write permission")
        }
        _ => format!("cannot be read ({error})"),
    })?;
    // A panic in redb counts as damage.
    let found = catch_unwind(AssertUnwindSafe(|| inspect(&content)));
    match found.unwrap_or_else(|_| Err("unreadable structure".to_owned())) {
        Ok(true) => Ok("intact".to_owned()),
        Ok(false) => Err("damaged; the next start of the engine repairs it".to_owned()),
        Err(reason) => Err(format!(
            "damaged ({reason}); the next start of the engine sets it aside and {}",
            match snapshot {
                true => format!("continues from {SNAPSHOT}: some events may be delivered again"),
                false => "reads all logs again, with the same event ids".to_owned(),
            }
        )),
    }
}

/// `false`: damaged, but repairable. Works on a copy, because redb repairs any file that it opens.
fn inspect(content: &[u8]) -> Result<bool, String> {
    if content.is_empty() {
        return Err("empty file".to_owned());
    }
    let copy = InMemoryBackend::new();
    StorageBackend::set_len(&copy, content.len() as u64).map_err(|error| error.to_string())?;
    StorageBackend::write(&copy, 0, content).map_err(|error| error.to_string())?;
    let mut builder = Database::builder();
    builder.set_cache_size(4 << 20);
    let mut database = builder.create_with_backend(copy).map_err(|error| error.to_string())?;
    let is_intact = database.check_integrity().map_err(|error| error.to_string())?;
    let transaction = database.begin_read().map_err(|error| error.to_string())?;
    let tables = transaction.list_tables().map_err(|error| error.to_string())?.count();
    if tables == 0 {
        return Err("no tables".to_owned());
    }
    Ok(is_intact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Store;

    #[test]
    fn a_damaged_state_file_is_reported_and_not_changed() {
        let home = tempfile::tempdir().unwrap();
        assert!(state(home.path(), false).is_none());
        let (store, _) = Store::open(home.path()).unwrap();
        store.first_start("app");
        store.commit().unwrap();
        assert!(engine_runs(home.path()));
        drop(store);
        assert!(!engine_runs(home.path()));
        let result = || state(home.path(), false).unwrap().result;
        assert_eq!(result(), Ok("intact".to_owned()));

        let path = home.path().join(STATE);
        for damage in [Vec::new(), vec![7; 8192]] {
            fs::write(&path, &damage).unwrap();
            let problem = result().unwrap_err();
            assert!(
                problem.contains("sets it aside and continues from cursors.snapshot"),
                "{problem}"
            );
            assert_eq!(fs::read(&path).unwrap(), damage);
        }
        fs::remove_file(&path).unwrap();
        assert!(result().unwrap_err().starts_with("missing"));
    }
}

//! Is the state file whole? Looks as the engine does when it starts, and changes nothing.
//!
//! While an engine runs, less is looked at: it has checked it itself, and what it is writing may look damaged.

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
/// Of state files up to this size a copy is checked in memory; real ones have a few MiB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Somebody holds the lock of this state directory.
pub(super) fn engine_runs(directory: &Path) -> bool {
    let Ok(lock) = File::open(directory.join("lock")) else { return false };
    // Given back at once, with the file.
    flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

/// Nothing where there is no state yet.
pub(super) fn state(directory: &Path, engine_runs: bool) -> Option<Finding> {
    let path = directory.join(STATE);
    let snapshot = directory.join(SNAPSHOT).exists();
    let missing = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
    };
    let result = match path.metadata() {
        Err(error) if missing(&error) && !snapshot => return None,
        Err(error) if missing(&error) => {
            Err(format!("is missing; the next start of the engine goes on from {SNAPSHOT}"))
        }
        Err(error) => Err(format!("cannot be looked at ({error}); let this user read it")),
        Ok(_) if engine_runs => Ok("in use by an engine, which checked it at its start".to_owned()),
        Ok(metadata) if metadata.len() > LARGEST => {
            Ok(format!("{}, too large to be checked here", bytes::size(metadata.len())))
        }
        Ok(_) => state_file(&path, snapshot),
    };
    Some(Finding { subject: format!("state file {}", path.display()), result })
}

fn state_file(path: &Path, snapshot: bool) -> Result<String, String> {
    let content = fs::read(path)
        .map_err(|error| format!("cannot be read ({error}); let this user read and write it"))?;
    // A panic in redb is a finding like any other.
    let found = catch_unwind(AssertUnwindSafe(|| inspect(&content)));
    match found.unwrap_or_else(|_| Err("unreadable structure".to_owned())) {
        Ok(true) => Ok("whole".to_owned()),
        Ok(false) => Err("is damaged; the next start of the engine repairs it".to_owned()),
        Err(reason) => Err(format!(
            "is damaged ({reason}); the next start of the engine sets it aside and {}",
            match snapshot {
                true => format!("goes on from {SNAPSHOT}: some events may be delivered again"),
                false => "reads all logs again, under the same event ids".to_owned(),
            }
        )),
    }
}

/// `false`: damaged, and can be repaired. On a copy: redb repairs what it opens.
fn inspect(content: &[u8]) -> Result<bool, String> {
    if content.is_empty() {
        return Err("it is empty".to_owned());
    }
    let copy = InMemoryBackend::new();
    StorageBackend::set_len(&copy, content.len() as u64).map_err(|error| error.to_string())?;
    StorageBackend::write(&copy, 0, content).map_err(|error| error.to_string())?;
    let mut builder = Database::builder();
    builder.set_cache_size(4 << 20);
    let mut database = builder.create_with_backend(copy).map_err(|error| error.to_string())?;
    let whole = database.check_integrity().map_err(|error| error.to_string())?;
    let transaction = database.begin_read().map_err(|error| error.to_string())?;
    let tables = transaction.list_tables().map_err(|error| error.to_string())?.count();
    if tables == 0 {
        return Err("it holds no tables".to_owned());
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Store;

    #[test]
    fn a_damaged_state_file_is_found_and_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        assert!(state(home.path(), false).is_none());
        let (store, _) = Store::open(home.path()).unwrap();
        store.first_start("app");
        store.commit().unwrap();
        assert!(engine_runs(home.path()));
        drop(store);
        assert!(!engine_runs(home.path()));
        let result = || state(home.path(), false).unwrap().result;
        assert_eq!(result(), Ok("whole".to_owned()));

        let path = home.path().join(STATE);
        for damage in [Vec::new(), vec![7; 8192]] {
            fs::write(&path, &damage).unwrap();
            let problem = result().unwrap_err();
            assert!(
                problem.contains("sets it aside and goes on from cursors.snapshot"),
                "{problem}"
            );
            assert_eq!(fs::read(&path).unwrap(), damage);
        }
        fs::remove_file(&path).unwrap();
        assert!(result().unwrap_err().contains("is missing"));
    }
}

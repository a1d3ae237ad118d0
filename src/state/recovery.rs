//! Loads the state at the start of an engine, from intact, missing or damaged files. Nothing is deleted, and the
//! operator is notified of any damage.

use std::io;
use std::path::Path;

use super::disk::{FILE, Loaded};
use super::disk_error::DiskError;
use super::durable::Durable;
use super::journal::JournalPosition;
use super::memory::Memory;
use super::replay::{self, JournalCheck, Replay, new_salt};
use super::rows::{IN_MEMORY, Rows};
use super::snapshot::Snapshot;
use super::tables::{Changes, VERSION};
use super::{StateError, snapshot};
use crate::base::Clock;

/// The initial rows. When this returns they are durable, in intact files.
pub(super) fn load(
    durable: &mut Durable,
    directory: &Path,
    clock: &dyn Clock,
    notices: &mut Vec<String>,
) -> Result<Memory, StateError> {
    let found = durable.disk.load();
    let loaded = match found.and_then(|found| load_rows(durable, found, clock, notices)) {
        // The file was deleted, or set aside by an engine that ended before it had written a new one.
        Err(DiskError::Missing) => {
            let found = snapshot::read(directory);
            notices.extend(missing_notice(durable.disk.path(), &found));
            rebuild(durable, found.unwrap_or_default(), clock)
        }
        Err(DiskError::Damaged(reason)) => {
            rebuild_from_snapshot(durable, directory, &reason, clock, notices)
        }
        loaded => loaded,
    };
    loaded.map_err(|error| cannot_open(durable, directory, error))
}

fn load_rows(
    durable: &mut Durable,
    found: Loaded,
    clock: &dyn Clock,
    notices: &mut Vec<String>,
) -> Result<Memory, DiskError> {
    notices.extend(found.repaired.then(|| repaired_notice(durable.disk.path())));
    match found.base {
        Some(base) => replay_journal(durable, found.rows, &base, clock, notices),
        None => migrate(durable, found.rows),
    }
}

/// The rows of the database, plus those of the journal.
fn replay_journal(
    durable: &mut Durable,
    rows: Changes,
    base: &JournalPosition,
    clock: &dyn Clock,
    notices: &mut Vec<String>,
) -> Result<Memory, DiskError> {
    let Replay { changes, last, check } = replay::replay(&durable.journal, base)?;
    let is_intact = check == JournalCheck::Intact;
    let salt = if is_intact { base.salt } else { new_salt()? };
    let next = JournalPosition::next_process(salt, last);
    let rows = rows_with(rows, &changes)?;
    // Before the journal is changed: only the journal holds these rows.
    durable.disk.write(&changes, &next)?;
    if is_intact {
        durable.journal.reuse(next)?;
    } else {
        let aside = match check {
            JournalCheck::Missing => None,
            _ => Some(durable.journal.set_aside(clock.now())?),
        };
        notices.push(journal_notice(check, durable.journal.path(), aside.as_deref()));
        durable.journal.create(next)?;
    }
    Ok(Memory::durable(rows, next.through))
}

/// The rows of an earlier version, which had no journal: creates one.
fn migrate(durable: &mut Durable, rows: Changes) -> Result<Memory, DiskError> {
    let rows = Rows::read(&rows)?;
    let base = JournalPosition::next_process(new_salt()?, 0);
    durable.journal.create(base)?;
    durable.disk.write(&rows.all(), &base)?;
    Ok(Memory::durable(rows, base.through))
}

/// Creates the database again, with the rows of the snapshot, plus those of the journal if it continues the snapshot.
fn rebuild(
    durable: &mut Durable,
    snapshot: Snapshot,
    clock: &dyn Clock,
) -> Result<Memory, DiskError> {
    let Snapshot { rows, base } = snapshot;
    let replay = base.map(|base| replay::replay(&durable.journal, &base)).transpose()?;
    if let (Some(Replay { changes, last, check: JournalCheck::Intact }), Some(base)) =
        (&replay, base)
    {
        let next = JournalPosition::next_process(base.salt, *last);
        let rows = rows_with(rows.all(), changes)?;
        let mut everything = rows.all();
        everything.extend(disk_tables(changes));
        durable.disk.create_with(&everything, &next)?;
        durable.journal.reuse(next)?;
        return Ok(Memory::durable(rows, next.through));
    }
    if replay.is_some_and(|replay| !matches!(replay.check, JournalCheck::Missing)) {
        durable.journal.set_aside(clock.now())?;
    }
    let next = JournalPosition::next_process(new_salt()?, 0);
    durable.journal.create(next)?;
    durable.disk.create_with(&rows.all(), &next)?;
    Ok(Memory::durable(rows, next.through))
}

/// Sets a damaged database aside and creates a new one from the snapshot.
fn rebuild_from_snapshot(
    durable: &mut Durable,
    directory: &Path,
    reason: &str,
    clock: &dyn Clock,
    notices: &mut Vec<String>,
) -> Result<Memory, DiskError> {
    let aside = durable.disk.set_aside(clock.now())?;
    let found = snapshot::read(directory);
    let then = match found {
        Ok(_) => {
            "its last snapshot is used instead: events delivered since then may be delivered again, \
             under the same ids"
        }
        Err(_) => {
            "there is no usable snapshot: all logs are read again from their start, under the same \
             event ids"
        }
    };
    let memory = rebuild(durable, found.unwrap_or_default(), clock)?;
    notices.push(format!(
        "the state file {} is damaged ({reason}); it is kept as {}; {then}",
        durable.disk.path().display(),
        aside.display(),
    ));
    Ok(memory)
}

fn rows_with(mut rows: Changes, changes: &Changes) -> Result<Rows, DiskError> {
    rows.extend(changes.iter().map(|(name, row)| (name.clone(), row.clone())));
    Ok(Rows::read(&rows)?)
}

fn disk_tables(changes: &Changes) -> Changes {
    let rows = changes.iter().filter(|(name, _)| !IN_MEMORY.contains(&&*name.table));
    rows.map(|(name, row)| (name.clone(), row.clone())).collect()
}

fn repaired_notice(path: &Path) -> String {
    format!(
        "the state file {} was damaged and has been repaired; events delivered shortly before the damage may \
         be delivered again, under the same ids",
        path.display()
    )
}

/// `None` if there was no state before.
fn missing_notice(path: &Path, found: &io::Result<Snapshot>) -> Option<String> {
    let path = path.display();
    match found {
        Ok(snapshot) if snapshot.rows == Rows::default() => None,
        Ok(_) => Some(format!(
            "the state file {path} is missing; its last snapshot is used instead: events delivered since then may be \
             delivered again, under the same ids"
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!(
            "the state file {path} is missing and its last snapshot cannot be used ({error}): all logs are read again \
             from their start, under the same event ids"
        )),
    }
}

fn journal_notice(check: JournalCheck, path: &Path, aside: Option<&Path>) -> String {
    let what = match check {
        JournalCheck::Intact | JournalCheck::Missing => "is missing",
        JournalCheck::Foreign => "belongs to another state",
        JournalCheck::Later => "does not continue the state file, which is older than it",
        JournalCheck::Damaged => "is damaged and is used only up to the damage",
    };
    let aside = aside.map(|aside| format!("; it is kept as {}", aside.display()));
    format!(
        "the journal of the state {} {what}{}; events delivered since the state file was last written may be \
         delivered again, under the same ids",
        path.display(),
        aside.unwrap_or_default()
    )
}

fn cannot_open(durable: &Durable, directory: &Path, error: DiskError) -> StateError {
    let directory = directory.to_path_buf();
    match error {
        DiskError::Newer(version) => {
            let path = durable.disk.path().into();
            StateError::Newer { path, version, known: VERSION.into() }
        }
        DiskError::Failed(redb::Error::DatabaseAlreadyOpen) => {
            StateError::Owned { directory, process: "unknown".into() }
        }
        DiskError::Failed(redb::Error::Io(source)) => StateError::Directory { directory, source },
        other => StateError::Write { path: directory.join(FILE), source: other.into() },
    }
}

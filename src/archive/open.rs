//! Prepares the archive directory for writing: creates it, checks it, and handles damage. A reader uses the same check.
//!
//! A damaged archive is never deleted or written to: it is set aside under another name, and a new one is created,
//! which is then filled from the events that are still in the logs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tantivy::directory::error::{LockError, OpenReadError};
use tantivy::directory::{Directory, DirectoryLock, INDEX_WRITER_LOCK, MmapDirectory};
use tantivy::{Index, SegmentReader, TantivyError};

use super::positions::{PayloadError, Positions};
use super::schema::schema;
use super::{ArchiveError, Cause};
use crate::base::{Timestamp, rfc3339};
use crate::state::private_directory;

/// An archive of at most this size is read completely to verify its checksums when it is opened.
const VERIFIED_AT_OPEN: u64 = 256 * 1024 * 1024;

/// The condition of an archive directory.
#[derive(Debug)]
pub(super) enum Inspection {
    Empty,
    Intact,
    Damaged(String),
}

/// Prepares the directory for a writer. Returns a notice for the operator if the archive was damaged.
pub(super) fn prepare(directory: &Path, now: Timestamp) -> Result<Option<String>, ArchiveError> {
    let unusable = |error: std::io::Error| ArchiveError::Directory {
        directory: directory.to_owned(),
        source: error.into(),
    };
    private_directory::make_directory(directory).map_err(unusable)?;
    let lock = lock(directory)?;
    let Inspection::Damaged(reason) = inspect(directory)? else { return Ok(None) };
    let aside = name_aside(directory, now);
    fs::rename(directory, &aside).map_err(unusable)?;
    drop(lock);
    private_directory::make_directory(directory).map_err(unusable)?;
    if let Some(parent) = directory.parent() {
        fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(unusable)?;
    }
    Ok(Some(format!(
        "the archive in {} is damaged ({reason}); it is kept as {}, and a new one is filled with \
         the events that the logs still hold",
        directory.display(),
        aside.display()
    )))
}

fn lock(directory: &Path) -> Result<DirectoryLock, ArchiveError> {
    let open = open_directory(directory)?;
    open.acquire_lock(&INDEX_WRITER_LOCK).map_err(|error| lock_error(directory, error))
}

pub(super) fn lock_error(directory: &Path, error: LockError) -> ArchiveError {
    match error {
        LockError::LockBusy => ArchiveError::Busy { directory: directory.to_owned() },
        error => ArchiveError::Directory { directory: directory.to_owned(), source: error.into() },
    }
}

pub(super) fn open_directory(directory: &Path) -> Result<MmapDirectory, ArchiveError> {
    MmapDirectory::open(directory).map_err(|error| ArchiveError::Directory {
        directory: directory.to_owned(),
        source: error.into(),
    })
}

/// Checks all files that a reader or a merge would open; reads them completely if the archive is small.
pub(super) fn inspect(directory: &Path) -> Result<Inspection, ArchiveError> {
    let inner = open_directory(directory)?;
    let meta = inner.exists(Path::new("meta.json"));
    if !meta.map_err(|error| ArchiveError::read(directory, error))? {
        return Ok(match holds_segments(directory)? {
            true => Inspection::Damaged("its meta.json is missing".to_owned()),
            false => Inspection::Empty,
        });
    }
    match check_index(inner, directory) {
        Ok(inspection) => Ok(inspection),
        Err(OpenError::Damaged(reason)) => Ok(Inspection::Damaged(reason)),
        Err(OpenError::Newer(version)) => {
            Err(ArchiveError::Newer { directory: directory.to_owned(), version })
        }
        Err(OpenError::Other(source)) => Err(ArchiveError::read(directory, source)),
    }
}

/// The result of a failed check.
enum OpenError {
    Damaged(String),
    /// Written by a newer logwarden, in this format version.
    Newer(u32),
    /// Not damage, but for example a missing permission or too many open files.
    Other(Cause),
}

impl From<TantivyError> for OpenError {
    fn from(error: TantivyError) -> Self {
        let source: &std::io::Error = match &error {
            TantivyError::IoError(source)
            | TantivyError::OpenReadError(OpenReadError::IoError { io_error: source, .. }) => {
                source
            }
            _ => return OpenError::Damaged(error.to_string()),
        };
        // An error of the operating system has a number; one from tantivy's parsers has none.
        match source.raw_os_error() {
            Some(_) if source.kind() != ErrorKind::NotFound => OpenError::Other(error.into()),
            _ => OpenError::Damaged(error.to_string()),
        }
    }
}

fn check_index(inner: MmapDirectory, directory: &Path) -> Result<Inspection, OpenError> {
    let index = Index::open(inner)?;
    let meta = index.load_metas()?;
    if index.schema() != schema() {
        return Err(OpenError::Damaged("it was created by another version".to_owned()));
    }
    match &meta.payload {
        Some(payload) => check_payload(payload)?,
        None if meta.segments.is_empty() => {}
        None => return Err(OpenError::Damaged("its last commit has no positions".to_owned())),
    }
    for segment in index.searchable_segments()? {
        SegmentReader::open(&segment)?;
    }
    if size(directory) <= VERIFIED_AT_OPEN {
        let damaged = index.validate_checksum()?;
        if let Some(file) = damaged.iter().min() {
            return Err(OpenError::Damaged(format!("the checksum of {} is wrong", file.display())));
        }
    }
    Ok(Inspection::Intact)
}

fn check_payload(payload: &str) -> Result<(), OpenError> {
    match Positions::parse(payload) {
        Ok(_) => Ok(()),
        Err(PayloadError::Newer(version)) => Err(OpenError::Newer(version)),
        Err(error) => Err(OpenError::Damaged(error.to_string())),
    }
}

fn holds_segments(directory: &Path) -> Result<bool, ArchiveError> {
    let entries = fs::read_dir(directory).map_err(|error| ArchiveError::read(directory, error))?;
    Ok(entries
        .filter_map(Result::ok)
        .any(|entry| Path::new(&entry.file_name()).extension().is_some_and(|ext| ext == "store")))
}

/// Total size of all files in bytes; unreadable files count as empty.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// `archive.damaged-2026-11-21T04-46-46Z`, with a number after it if that name is taken.
fn name_aside(directory: &Path, now: Timestamp) -> PathBuf {
    let mut time = Vec::new();
    rfc3339::write(now, 0, &mut time);
    let time = String::from_utf8_lossy(&time).replace(':', "-");
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (1..)
        .map(|number| match number {
            1 => directory.with_file_name(format!("{name}.damaged-{time}")),
            _ => directory.with_file_name(format!("{name}.damaged-{time}-{number}")),
        })
        .find(|path| !path.exists())
        .expect("some number is free")
}

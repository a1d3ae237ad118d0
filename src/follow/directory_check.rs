//! Remembers the directory of a generation's file, and checks whether it still exists.
//!
//! A missing file counts as deleted only if its directory exists: an empty mount point proves nothing.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::directory_listing::Listings;
use super::identity;
use super::rotated_names::directory_of;
use crate::base::timed_fs;
use crate::event::FileKey;
use crate::state::{DirectoryIdentity, GenerationRow};

/// The directory that contains the file (`real` is its path without links), to be stored in the row of its generation.
/// The stored path is empty if it is the directory of `path`, which the row has anyway. `None` if it cannot be read.
pub(in crate::follow) fn home_of(real: &Path, path: &Path) -> Option<DirectoryIdentity> {
    let directory = directory_of(real);
    let found = timed_fs::metadata(directory).ok()?;
    let directory =
        if directory == directory_of(path) { PathBuf::new() } else { directory.to_owned() };
    Some(DirectoryIdentity { directory, device: found.dev(), key: identity::key_of(&found) })
}

/// The directory in which the file of a generation was, according to its row.
#[derive(PartialEq, Eq, Hash)]
pub(in crate::follow) struct RecordedDirectory<'a> {
    pub directory: &'a Path,
    device: u64,
    /// `None` in rows of earlier versions, which only have the device of the file.
    key: Option<FileKey>,
}

impl<'a> RecordedDirectory<'a> {
    pub fn of(row: &'a GenerationRow) -> Self {
        let file_directory = directory_of(&row.path);
        let Some(home) = &row.home else {
            return RecordedDirectory { directory: file_directory, device: row.device, key: None };
        };
        let directory =
            if home.directory.as_os_str().is_empty() { file_directory } else { &home.directory };
        RecordedDirectory { directory, device: home.device, key: Some(home.key) }
    }

    /// Whether the same directory exists, and not just an empty mount point: a file missing from it has been deleted.
    fn exists(&self, listings: &mut Listings) -> bool {
        let is_same = |found: Metadata| {
            found.dev() == self.device || self.key == Some(identity::key_of(&found))
        };
        // A row of an earlier version may have a path relative to an unknown working directory.
        self.directory.is_absolute()
            && timed_fs::metadata(self.directory).is_ok_and(is_same)
            && listings.get(self.directory).is_ok()
    }
}

/// The results for directories that were already checked.
#[derive(Default)]
pub(in crate::follow) struct DirectoryChecks<'a> {
    known: HashMap<RecordedDirectory<'a>, bool>,
}

impl<'a> DirectoryChecks<'a> {
    pub fn directory_exists(&mut self, row: &'a GenerationRow, listings: &mut Listings) -> bool {
        let directory = RecordedDirectory::of(row);
        if let Some(known) = self.known.get(&directory) {
            return *known;
        }
        let exists = directory.exists(listings);
        self.known.insert(directory, exists);
        exists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_recognised_by_its_device_or_its_key() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().canonicalize().unwrap();
        let found = std::fs::metadata(&directory).unwrap();
        let (device, key) = (found.dev(), identity::key_of(&found));
        let other = FileKey { inode: key.inode + 1, ..key };
        let exists = |device, key| {
            RecordedDirectory { directory: &directory, device, key }
                .exists(&mut Listings::default())
        };
        assert!(exists(device, Some(key)));
        assert!(exists(device + 1, Some(key)), "its device number changed at a reboot");
        assert!(exists(device, Some(other)), "it was created again");
        assert!(!exists(device + 1, Some(other)), "not mounted");
        assert!(!exists(device + 1, None), "a row of an earlier version");
        let missing = directory.join("missing");
        let directory = RecordedDirectory { directory: &missing, device, key: Some(key) };
        assert!(!directory.exists(&mut Listings::default()));
    }
}

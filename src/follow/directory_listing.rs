//! Lists directories, each at most once whenever the follower checks the files, and finds files in them by inode.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::identity;
use crate::base::timed_fs::{self, Entry};
use crate::event::FileKey;

/// Maximum number of remembered subdirectories per directory.
const MAX_DIRECTORIES: usize = 100;

/// The regular files and the subdirectories of a directory.
#[derive(Debug, Default)]
pub(in crate::follow) struct Listing {
    /// Name and inode, ordered by the bytes of the name.
    pub files: Vec<(OsString, u64)>,
    /// Names of subdirectories.
    pub directories: Vec<OsString>,
    /// Device of the directory, and so of its files.
    pub device: u64,
    by_inode: HashMap<u64, usize>,
}

impl Listing {
    /// Files whose names begin with `name`.
    pub fn with_prefix<'a>(
        &'a self,
        name: &'a OsStr,
    ) -> impl Iterator<Item = &'a (OsString, u64)> + 'a {
        let first = self.files.partition_point(|(other, _)| other.as_os_str() < name);
        let begins = |(other, _): &&(OsString, u64)| other.as_bytes().starts_with(name.as_bytes());
        self.files[first..].iter().take_while(begins)
    }
}

/// The listings that the follower has made during the current check.
#[derive(Debug, Default)]
pub(in crate::follow) struct Listings {
    directories: HashMap<PathBuf, Result<Arc<Listing>, io::ErrorKind>>,
}

impl Listings {
    /// The listing of a directory, or the kind of error that the first attempt failed with.
    pub fn get(&mut self, directory: &Path) -> io::Result<Arc<Listing>> {
        if let Some(cached) = self.directories.get(directory) {
            return cached.clone().map_err(io::Error::from);
        }
        let listed = list(directory).map(Arc::new);
        let cached = listed.as_ref().map(Arc::clone).map_err(io::Error::kind);
        self.directories.insert(directory.to_owned(), cached);
        listed
    }

    /// The current path of this file in the directory, under any name. An error means that this could not be
    /// determined.
    pub fn find(&mut self, directory: &Path, file: FileKey) -> io::Result<Option<PathBuf>> {
        let listing = self.get(directory)?;
        let Some(index) = listing.by_inode.get(&file.inode) else { return Ok(None) };
        let path = directory.join(&listing.files[*index].0);
        let metadata = match timed_fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = identity::key_of(&metadata);
        Ok((found == file).then_some(path))
    }

    /// The next request lists the directory again.
    pub fn invalidate(&mut self, directory: &Path) {
        self.directories.remove(directory);
    }

    pub fn clear(&mut self) {
        self.directories.clear();
    }
}

fn list(directory: &Path) -> io::Result<Listing> {
    let device = timed_fs::metadata(directory)?.dev();
    let mut listing = Listing { device, ..Listing::default() };
    for Entry { name, kind, inode } in timed_fs::read_dir(directory)? {
        if kind.is_file() {
            listing.files.push((name, inode));
        } else if kind.is_dir() && listing.directories.len() < MAX_DIRECTORIES {
            listing.directories.push(name);
        }
    }
    listing.files.sort_unstable();
    let inodes = listing.files.iter().enumerate();
    listing.by_inode = inodes.map(|(index, (_, inode))| (*inode, index)).collect();
    Ok(listing)
}

//! Recognises files that Logwarden writes itself, so that they are never followed: it would read its own output.
//!
//! An output is recognised by device and inode (so also under another name or through a link), and by its directory and
//! name, which also covers its cursor files. A directory is recognised by device and inode.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};

use super::identity::DeviceInode;
use super::rotated_names::directory_of;
use crate::base::timed_fs;

/// Logwarden's own files and directories as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnPaths {
    /// Including everything below them.
    pub directories: Vec<PathBuf>,
    /// Only the files directly in them.
    pub flat_directories: Vec<PathBuf>,
    /// Each with its cursor files.
    pub outputs: Vec<PathBuf>,
    /// Standard output is also an output.
    pub standard_output: bool,
    /// A source with this path may read files in these directories: it is where standard input is stored.
    pub except: Option<PathBuf>,
}

/// Shown instead of the path of standard output.
const STANDARD_OUTPUT: &str = "standard output";
/// Suffixes of an output and its cursor files.
const SUFFIXES: [&str; 3] = ["", ".cursor", ".cursor.new"];

/// Logwarden's own files and directories, as one scan has found them on disk.
#[derive(Debug, Default)]
pub(in crate::follow) struct OwnFiles {
    directories: HashMap<DeviceInode, PathBuf>,
    flat_directories: HashMap<DeviceInode, PathBuf>,
    /// Files, with the path to show for each.
    files: HashMap<DeviceInode, PathBuf>,
    /// Outputs and cursor files by directory and name, with the path to show for each.
    named: HashMap<(DeviceInode, OsString), PathBuf>,
    /// Device and inode per path: kept if the mount does not respond at the next scan.
    last_known: HashMap<PathBuf, DeviceInode>,
    /// Results for the directories checked in this scan.
    checked: HashMap<PathBuf, Directory>,
}

#[derive(Clone, Debug)]
struct Directory {
    place: Option<DeviceInode>,
    /// The own directory that contains it.
    owner: Option<PathBuf>,
}

impl OwnPaths {
    /// Finds the own files and directories on disk. `before`: the result of the previous scan, for mounts that do not
    /// respond.
    pub(in crate::follow) fn resolve(&self, before: &OwnFiles) -> OwnFiles {
        self.resolve_with(before, |path| {
            timed_fs::metadata(path).map(|found| DeviceInode::of(&found))
        })
    }

    fn resolve_with(
        &self,
        before: &OwnFiles,
        locate: impl Fn(&Path) -> io::Result<DeviceInode>,
    ) -> OwnFiles {
        let mut places = OwnFiles::default();
        let mut located = HashMap::new();
        let mut at = |path: &Path| {
            let place = match locate(path) {
                Ok(place) => place,
                Err(error) if timed_fs::is_stuck(&error) => *before.last_known.get(path)?,
                Err(_) => return None,
            };
            located.insert(path.to_owned(), place);
            Some(place)
        };
        for (directories, found) in [
            (&self.directories, &mut places.directories),
            (&self.flat_directories, &mut places.flat_directories),
        ] {
            found.extend(directories.iter().filter_map(|path| Some((at(path)?, path.clone()))));
        }
        for output in &self.outputs {
            let (directory, name) =
                (at(directory_of(output)), output.file_name().unwrap_or_default());
            for ending in SUFFIXES {
                let shown = with_ending(output.as_os_str(), ending);
                if let Some(place) = at(Path::new(&shown)) {
                    places.files.insert(place, output.clone());
                }
                if let Some(directory) = directory {
                    places.named.insert((directory, with_ending(name, ending)), output.clone());
                }
            }
        }
        if let Some(place) = standard_output().filter(|_| self.standard_output) {
            places.files.insert(place, STANDARD_OUTPUT.into());
        }
        places.last_known = located;
        places
    }
}

impl OwnFiles {
    /// The own output that this file is, or the own directory that contains it; `None` if it is not Logwarden's own.
    /// `link`: the path is a symbolic link. An error if the mount does not respond: the file may be Logwarden's own.
    pub(in crate::follow) fn owner(
        &mut self,
        path: &Path,
        place: DeviceInode,
        link: bool,
    ) -> io::Result<Option<PathBuf>> {
        if let Some(file) = self.files.get(&place) {
            return Ok(Some(file.clone()));
        }
        let real = if link { unless_stuck(timed_fs::canonicalize(path))? } else { None };
        let path = real.as_deref().unwrap_or(path);
        let directory = self.directory(directory_of(path))?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let by_name = || self.named.get(&(directory.place?, name)).cloned();
        Ok(directory.owner.or_else(by_name))
    }

    /// The own files that exist now.
    pub(in crate::follow) fn files(&self) -> impl Iterator<Item = DeviceInode> {
        self.files.keys().copied()
    }

    fn directory(&mut self, path: &Path) -> io::Result<Directory> {
        if let Some(located) = self.checked.get(path) {
            return Ok(located.clone());
        }
        let place = unless_stuck(timed_fs::metadata(path))?.map(|found| DeviceInode::of(&found));
        let owner = match place.and_then(|place| self.flat_directories.get(&place)) {
            Some(flat) => Some(flat.clone()),
            None => self.own_ancestor(path)?,
        };
        let directory = Directory { place, owner };
        self.checked.insert(path.to_owned(), directory.clone());
        Ok(directory)
    }

    /// The own directory that contains the path, at any depth.
    fn own_ancestor(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let Some(real) = unless_stuck(timed_fs::canonicalize(path))? else { return Ok(None) };
        for directory in real.ancestors() {
            let place =
                unless_stuck(timed_fs::metadata(directory))?.map(|found| DeviceInode::of(&found));
            if let Some(owner) = place.and_then(|place| self.directories.get(&place)) {
                return Ok(Some(owner.clone()));
            }
        }
        Ok(None)
    }
}

/// A missing or unreadable path gives `None`; a mount that does not respond gives an error, because nothing is known.
fn unless_stuck<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if timed_fs::is_stuck(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn with_ending(path: &OsStr, ending: &str) -> OsString {
    OsString::from_vec([path.as_bytes(), ending.as_bytes()].concat())
}

/// Device and inode of standard output, if it is a regular file.
fn standard_output() -> Option<DeviceInode> {
    let found = fstat(io::stdout().as_fd()).ok()?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    is_file.then_some(DeviceInode { device: found.st_dev, inode: found.st_ino })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_on_a_mount_that_does_not_respond_is_still_recognised() {
        let own = OwnPaths {
            directories: vec!["/mnt/archive".into()],
            outputs: vec!["/mnt/out.log".into()],
            ..OwnPaths::default()
        };
        let place = |path: &Path| DeviceInode { device: 9, inode: path.as_os_str().len() as u64 };
        let there = |path: &Path| Ok(place(path));
        let stuck = |_: &Path| Err(io::Error::from(io::ErrorKind::TimedOut));
        let absent = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
        let mut places = own.resolve_with(&OwnFiles::default(), there);
        for _ in 0..2 {
            let owner = places.owner(Path::new("/else/a.log"), place(&own.outputs[0]), false);
            assert_eq!(owner.unwrap(), Some(own.outputs[0].clone()));
            let directory = (place(Path::new("/mnt")), "out.log".into());
            assert!(places.named.contains_key(&directory) && places.directories.len() == 1);
            places = own.resolve_with(&places, stuck);
        }
        let places = own.resolve_with(&places, absent);
        assert_eq!((places.files.len(), places.directories.len(), places.named.len()), (0, 0, 0));
    }
}

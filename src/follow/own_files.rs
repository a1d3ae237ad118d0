//! What this program writes itself: it is never followed, or it would feed itself.
//!
//! An output is known by the file that it is now (device and inode, so also under another name or behind a link) and by
//! its directory and name, as what stands beside it is; a directory of ours by its device and inode.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};

use super::identity::Place;
use super::rotated_names::directory_of;
use crate::base::timed_fs;

/// As the settings say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// With everything below them.
    pub directories: Vec<PathBuf>,
    /// With the files in them, and not what is below.
    pub flat_directories: Vec<PathBuf>,
    /// Each with the files of its cursor.
    pub outputs: Vec<PathBuf>,
    /// Standard output is one too.
    pub standard_output: bool,
    /// A source that means this path reads what lies in a directory of ours: standard input is kept there.
    pub except: Option<PathBuf>,
}

/// What is shown of standard output.
const STANDARD_OUTPUT: &str = "standard output";
/// What stands beside an output.
const ENDINGS: [&str; 3] = ["", ".cursor", ".cursor.new"];

/// Where all of it is at this moment.
#[derive(Debug, Default)]
pub(in crate::follow) struct OwnPlaces {
    directories: HashMap<Place, PathBuf>,
    flat_directories: HashMap<Place, PathBuf>,
    /// Files, and what is said of each.
    files: HashMap<Place, PathBuf>,
    named: HashMap<(Place, OsString), PathBuf>,
    /// Where each path of ours was: what does not answer at the next look is still there.
    at: HashMap<PathBuf, Place>,
    /// What is known of the directories of this look.
    looked_at: HashMap<PathBuf, Directory>,
}

#[derive(Clone, Debug)]
struct Directory {
    place: Option<Place>,
    /// It is ours.
    of: Option<PathBuf>,
}

impl Own {
    /// `before`: what the look before this one found.
    pub(in crate::follow) fn places(&self, before: &OwnPlaces) -> OwnPlaces {
        self.places_by(before, |path| timed_fs::metadata(path).map(|found| Place::of(&found)))
    }

    fn places_by(
        &self,
        before: &OwnPlaces,
        look: impl Fn(&Path) -> io::Result<Place>,
    ) -> OwnPlaces {
        let mut places = OwnPlaces::default();
        let mut known = HashMap::new();
        let mut at = |path: &Path| {
            let place = match look(path) {
                Ok(place) => place,
                Err(error) if timed_fs::is_stuck(&error) => *before.at.get(path)?,
                Err(_) => return None,
            };
            known.insert(path.to_owned(), place);
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
            for ending in ENDINGS {
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
        places.at = known;
        places
    }
}

impl OwnPlaces {
    /// What of ours this is; `None` where it is not. `link`: the path is one. Refused where its mount does not answer:
    /// it may be ours.
    pub(in crate::follow) fn owner(
        &mut self,
        path: &Path,
        place: Place,
        link: bool,
    ) -> io::Result<Option<PathBuf>> {
        if let Some(file) = self.files.get(&place) {
            return Ok(Some(file.clone()));
        }
        let real = if link { known(timed_fs::canonicalize(path))? } else { None };
        let path = real.as_deref().unwrap_or(path);
        let directory = self.directory(directory_of(path))?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let named = || self.named.get(&(directory.place?, name)).cloned();
        Ok(directory.of.or_else(named))
    }

    /// Files that are there now.
    pub(in crate::follow) fn files(&self) -> impl Iterator<Item = Place> {
        self.files.keys().copied()
    }

    fn directory(&mut self, path: &Path) -> io::Result<Directory> {
        if let Some(known) = self.looked_at.get(path) {
            return Ok(known.clone());
        }
        let place = known(timed_fs::metadata(path))?.map(|found| Place::of(&found));
        let of = match place.and_then(|place| self.flat_directories.get(&place)) {
            Some(flat) => Some(flat.clone()),
            None => self.above(path)?,
        };
        let directory = Directory { place, of };
        self.looked_at.insert(path.to_owned(), directory.clone());
        Ok(directory)
    }

    /// The directory of ours in which it lies, however deep.
    fn above(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let Some(real) = known(timed_fs::canonicalize(path))? else { return Ok(None) };
        for directory in real.ancestors() {
            let place = known(timed_fs::metadata(directory))?.map(|found| Place::of(&found));
            if let Some(of) = place.and_then(|place| self.directories.get(&place)) {
                return Ok(Some(of.clone()));
            }
        }
        Ok(None)
    }
}

/// What is absent or closed to us is known to be so; what does not answer is not known.
fn known<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if timed_fs::is_stuck(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn with_ending(path: &OsStr, ending: &str) -> OsString {
    OsString::from_vec([path.as_bytes(), ending.as_bytes()].concat())
}

/// Where it is a file.
fn standard_output() -> Option<Place> {
    let found = fstat(io::stdout().as_fd()).ok()?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    is_file.then_some(Place { device: found.st_dev, inode: found.st_ino })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_on_a_mount_that_does_not_answer_stays_ours() {
        let own = Own {
            directories: vec!["/mnt/archive".into()],
            outputs: vec!["/mnt/out.log".into()],
            ..Own::default()
        };
        let place = |path: &Path| Place { device: 9, inode: path.as_os_str().len() as u64 };
        let there = |path: &Path| Ok(place(path));
        let stuck = |_: &Path| Err(io::Error::from(io::ErrorKind::TimedOut));
        let absent = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
        let mut places = own.places_by(&OwnPlaces::default(), there);
        for _ in 0..2 {
            let owner = places.owner(Path::new("/else/a.log"), place(&own.outputs[0]), false);
            assert_eq!(owner.unwrap(), Some(own.outputs[0].clone()));
            let directory = (place(Path::new("/mnt")), "out.log".into());
            assert!(places.named.contains_key(&directory) && places.directories.len() == 1);
            places = own.places_by(&places, stuck);
        }
        let places = own.places_by(&places, absent);
        assert_eq!((places.files.len(), places.directories.len(), places.named.len()), (0, 0, 0));
    }
}

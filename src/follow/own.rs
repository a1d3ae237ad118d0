//! What this program writes itself: it is never followed, or it would feed itself.
//!
//! An output is known by the file that it is now (device and inode, so also under another name or behind a link) and by
//! its folder and name, as what stands beside it is; a folder of ours by its device and inode.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};

use super::identity::Place;
use super::names::folder_of;
use crate::base::guarded;

/// As the settings say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// With everything below them.
    pub folders: Vec<PathBuf>,
    /// With the files in them, and not what is below.
    pub flat_folders: Vec<PathBuf>,
    /// Each with the files of its cursor.
    pub outputs: Vec<PathBuf>,
    /// Standard output is one too.
    pub standard_output: bool,
    /// A source that means this path reads what lies in a folder of ours: standard input is kept there.
    pub except: Option<PathBuf>,
}

/// What is shown of standard output.
const STANDARD_OUTPUT: &str = "standard output";
/// What stands beside an output.
const ENDINGS: [&str; 3] = ["", ".cursor", ".cursor.new"];

/// Where all of it is at this moment.
#[derive(Debug, Default)]
pub(in crate::follow) struct OwnPlaces {
    folders: HashMap<Place, PathBuf>,
    flat_folders: HashMap<Place, PathBuf>,
    /// Files, and what is said of each.
    files: HashMap<Place, PathBuf>,
    named: HashMap<(Place, OsString), PathBuf>,
    /// What is known of the folders of this look.
    looked_at: HashMap<PathBuf, Folder>,
}

#[derive(Clone, Debug)]
struct Folder {
    place: Option<Place>,
    /// It is ours.
    of: Option<PathBuf>,
}

impl Own {
    pub(in crate::follow) fn places(&self) -> OwnPlaces {
        let mut places = OwnPlaces::default();
        let at = |path: &Path| guarded::metadata(path).ok().map(|found| Place::of(&found));
        for (folders, found) in
            [(&self.folders, &mut places.folders), (&self.flat_folders, &mut places.flat_folders)]
        {
            found.extend(folders.iter().filter_map(|path| Some((at(path)?, path.clone()))));
        }
        for output in &self.outputs {
            let (folder, name) = (at(folder_of(output)), output.file_name().unwrap_or_default());
            for ending in ENDINGS {
                let shown = with_ending(output.as_os_str(), ending);
                if let Some(place) = at(Path::new(&shown)) {
                    places.files.insert(place, output.clone());
                }
                if let Some(folder) = folder {
                    places.named.insert((folder, with_ending(name, ending)), output.clone());
                }
            }
        }
        if let Some(place) = standard_output().filter(|_| self.standard_output) {
            places.files.insert(place, STANDARD_OUTPUT.into());
        }
        places
    }
}

impl OwnPlaces {
    /// What of ours this is; `None` where it is not. `link`: the path is one.
    pub(in crate::follow) fn owner(
        &mut self,
        path: &Path,
        place: Place,
        link: bool,
    ) -> Option<PathBuf> {
        if let Some(file) = self.files.get(&place) {
            return Some(file.clone());
        }
        let real = if link { guarded::canonicalize(path).ok() } else { None };
        let path = real.as_deref().unwrap_or(path);
        let folder = self.folder(folder_of(path));
        let name = path.file_name().unwrap_or_default().to_owned();
        let named = || self.named.get(&(folder.place?, name)).cloned();
        folder.of.or_else(named)
    }

    /// Files that are there now.
    pub(in crate::follow) fn files(&self) -> impl Iterator<Item = Place> {
        self.files.keys().copied()
    }

    fn folder(&mut self, path: &Path) -> Folder {
        if let Some(known) = self.looked_at.get(path) {
            return known.clone();
        }
        let place = guarded::metadata(path).ok().map(|found| Place::of(&found));
        let flat = place.and_then(|place| self.flat_folders.get(&place)).cloned();
        let folder = Folder { place, of: flat.or_else(|| self.above(path)) };
        self.looked_at.insert(path.to_owned(), folder.clone());
        folder
    }

    /// The folder of ours in which it lies, however deep.
    fn above(&self, path: &Path) -> Option<PathBuf> {
        let real = guarded::canonicalize(path).ok()?;
        real.ancestors().find_map(|folder| {
            let place = Place::of(&guarded::metadata(folder).ok()?);
            self.folders.get(&place).cloned()
        })
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

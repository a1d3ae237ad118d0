//! Names change, descriptors stay: who was renamed, and who came and went between two looks.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::discover::{self, Found, folder_of};
use super::follower::Follower;
use super::identity::{self, Place, name_of};
use crate::base::Timestamp;
use crate::event::FileId;
use crate::event::status::FileState;
use crate::state::GenerationRow;

/// Birth times are taken from a coarser clock than ours.
const COARSE: Duration = Duration::from_millis(20);

impl Follower {
    /// Not under any path any more: renamed away, or deleted. What is open is followed on.
    pub fn look_after_the_absent(&mut self, present: &HashSet<FileId>) {
        let absent: Vec<FileId> = self
            .tracked
            .iter()
            .filter(|(id, tracked)| !present.contains(id) && tracked.place.is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in absent {
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            let Some(file) = tracked.named() else { continue };
            let Ok(metadata) = file.metadata() else { continue };
            if metadata.nlink() == 0 && tracked.links > 0 {
                // What is unread of it is kept at once: nobody knows how long we live.
                self.next_sweep = Duration::ZERO;
            }
            tracked.links = metadata.nlink();
            if tracked.links == 0 {
                tracked.handle.update(|known| known.facts.state = FileState::Ended);
                if tracked.row.is_none() && metadata.len() == 0 {
                    self.drop_file(id);
                } else {
                    // Written between the last look and its removal, perhaps.
                    tracked.next_look = Duration::ZERO;
                }
            } else if let Some(path) = name_of(&file) {
                self.relabel(id, &path);
            }
        }
    }

    /// Another file stands at a known path: there may have been more between the two.
    pub fn note_place(&mut self, id: FileId, found: &Found) {
        let Some(tracked) = self.tracked.get(&id) else { return };
        let Some(place) = tracked.place else { return };
        let until = Timestamp(tracked.birth);
        let now = (place, self.shared.clock.now());
        match self.last_at.get(&found.path) {
            Some((before, _)) if *before == place => {}
            before => {
                let since = before.map(|(_, since)| *since);
                self.last_at.insert(found.path.clone(), now);
                if let Some(since) = since {
                    self.find_between(found, since.minus(COARSE), until);
                }
            }
        }
    }

    /// Files beside `found` that were born after its predecessor was seen, and before itself.
    fn find_between(&mut self, found: &Found, since: Timestamp, until: Timestamp) {
        // While they are listed they may be renamed once more.
        for _ in 0..5 {
            let mut news = false;
            for path in discover::siblings(&found.path).unwrap_or_default() {
                let Ok(metadata) = fs::metadata(&path) else { continue };
                let place = Place::of(&metadata);
                let birth = Timestamp(identity::birth(&metadata));
                let between = birth >= since && birth <= until && birth.0 > 0;
                if between && !self.places.contains_key(&place) {
                    let between = Found { source: found.source, path, place };
                    news |= self.find_or_open(&between, true).is_some();
                }
            }
            if !news {
                return;
            }
        }
    }

    /// Files of known generations that were renamed while nobody looked, and those that came between.
    pub fn find_renamed_while_away(&mut self) {
        let rows: Vec<GenerationRow> = self.shared.gone().values().cloned().collect();
        let ours: HashMap<&str, usize> =
            self.sources.iter().enumerate().map(|(i, s)| (&*s.name, i)).collect();
        let ours: Vec<(usize, GenerationRow)> = rows
            .into_iter()
            .filter_map(|row| Some((*ours.get(row.source.as_str())?, row)))
            .collect();
        self.find_inodes(&ours);
        self.find_compressed_rests(&ours);
        let paths: Vec<(usize, PathBuf)> = self
            .sources
            .iter()
            .enumerate()
            .flat_map(|(index, s)| s.paths.iter().map(move |path| (index, path.clone())))
            .filter(|(_, path)| !path.is_dir())
            .collect();
        for (source, path) in paths {
            let seen = ours.iter().filter(|(_, row)| was_at(row, &path)).map(|(_, r)| r.first_seen);
            let Some(since) = seen.max() else { continue };
            let place = Place { device: 0, inode: 0 };
            let found = Found { source, path, place };
            self.find_between(&found, since.minus(COARSE), Timestamp::MAX);
        }
    }

    /// Looks for the inodes of rows in the folders where their files were.
    fn find_inodes(&mut self, rows: &[(usize, GenerationRow)]) {
        let inodes: HashMap<u64, &(usize, GenerationRow)> = rows
            .iter()
            .filter(|(_, row)| row.ended.is_none())
            .map(|row| (row.1.identity.inode, row))
            .collect();
        let folders: BTreeSet<&Path> = inodes.values().map(|row| folder_of(&row.1.path)).collect();
        for folder in folders {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let Some((source, row)) = inodes.get(&entry.ino()) else { continue };
                let Ok(metadata) = entry.metadata() else { continue };
                let place = Place::of(&metadata);
                let same = identity::birth(&metadata) == row.identity.birth;
                if same && metadata.is_file() && !self.places.contains_key(&place) {
                    let found = Found { source: *source, path: entry.path(), place };
                    self.find_or_open(&found, true);
                }
            }
        }
    }
}

/// The row's file was this path, or a rotated name of it.
fn was_at(row: &GenerationRow, path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let name = |path: &Path| path.file_name().map(|n| n.as_bytes().to_vec()).unwrap_or_default();
    folder_of(&row.path) == folder_of(path) && name(&row.path).starts_with(&name(path))
}

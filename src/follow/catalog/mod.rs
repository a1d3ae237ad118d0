//! The followed files and the indexes to find one: by device and inode, file key, real path, generation and time of the
//! next check.
//!
//! The indexes stay consistent because the indexed values change only through the methods of this module.

mod history;
mod tracked;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::identity::DeviceInode;
use super::rotated_names::directory_of;
use crate::base::timed_fs::File;
use crate::event::{FileId, FileKey, GenerationId};
use crate::state::GenerationRow;

pub(in crate::follow) use history::History;
pub(in crate::follow) use tracked::{Stage, Tracked};

#[derive(Debug, Default)]
pub(in crate::follow) struct Catalog {
    files: BTreeMap<FileId, Tracked>,
    by_place: HashMap<DeviceInode, FileId>,
    by_file: HashMap<FileKey, FileId>,
    by_real_path: HashMap<PathBuf, FileId>,
    /// Includes files that are not published yet.
    by_generation: HashMap<GenerationId, FileId>,
    /// Real directories of the files, with the number of files in each.
    directories: BTreeMap<PathBuf, usize>,
    /// Next checks, of files with a device and inode.
    checks: BTreeSet<(Duration, FileId)>,
    /// Files for which the need for attention may have changed.
    touched: BTreeSet<FileId>,
    needing_attention: BTreeSet<FileId>,
    /// All known generations, with or without a file.
    pub history: History,
}

impl Catalog {
    pub fn get(&self, id: FileId) -> Option<&Tracked> {
        self.files.get(&id)
    }

    pub fn get_mut(&mut self, id: FileId) -> Option<&mut Tracked> {
        self.touched.insert(id);
        self.files.get_mut(&id)
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Tracked)> {
        self.files.iter().map(|(id, tracked)| (*id, tracked))
    }

    pub fn ids(&self) -> Vec<FileId> {
        self.files.keys().copied().collect()
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn insert(&mut self, tracked: Tracked, place: Option<DeviceInode>) {
        let (id, birth) = (tracked.handle.id, tracked.birth);
        self.files.insert(id, tracked);
        self.set_place(id, place, birth);
    }

    /// Removes the file from all indexes. Its generation stays in the history.
    pub fn remove(&mut self, id: FileId) -> Option<Tracked> {
        self.set_place(id, None, 0);
        self.set_real_path(id, None);
        let tracked = self.files.remove(&id)?;
        if let Some(row) = &tracked.row {
            forget(&mut self.by_generation, &row.id, id);
        }
        self.touched.remove(&id);
        self.needing_attention.remove(&id);
        Some(tracked)
    }

    /// Sets the device and inode of a file (`None`: it has none) and its birth time. If another file had the same
    /// device and inode, the indexes lead to this one from now on.
    pub fn set_place(&mut self, id: FileId, place: Option<DeviceInode>, birth: i64) {
        let Some(tracked) = self.files.get_mut(&id) else { return };
        self.touched.insert(id);
        let key_before = tracked.file_key();
        if let Some(before) = std::mem::replace(&mut tracked.place, place) {
            forget(&mut self.by_place, &before, id);
        }
        if let Some(before) = key_before {
            forget(&mut self.by_file, &before, id);
        }
        tracked.birth = birth;
        let check = (tracked.next_check, id);
        match place {
            Some(place) => {
                self.by_place.insert(place, id);
                self.checks.insert(check);
            }
            None => _ = self.checks.remove(&check),
        }
        if let Some(key) = tracked.file_key() {
            self.by_file.insert(key, id);
        }
    }

    pub fn set_real_path(&mut self, id: FileId, real: Option<PathBuf>) {
        let Some(tracked) = self.files.get_mut(&id) else { return };
        if tracked.real_path == real {
            // Another file may have had this path in the meantime.
            self.by_real_path.extend(real.map(|real| (real, id)));
            return;
        }
        if let Some(before) = std::mem::replace(&mut tracked.real_path, real.clone()) {
            forget(&mut self.by_real_path, &before, id);
            let directory = directory_of(&before);
            if let Some(count) = self.directories.get_mut(directory) {
                *count -= 1;
                if *count == 0 {
                    self.directories.remove(directory);
                }
            }
        }
        if let Some(real) = real {
            *self.directories.entry(directory_of(&real).to_owned()).or_default() += 1;
            self.by_real_path.insert(real, id);
        }
    }

    /// Assigns the row of a generation to the file that holds it.
    pub fn set_row(&mut self, id: FileId, row: GenerationRow) {
        let Some(tracked) = self.files.get_mut(&id) else { return };
        self.touched.insert(id);
        self.by_generation.insert(row.id, id);
        self.history.add(row.id, &row.identity, row.moved);
        tracked.row = Some(row);
    }

    /// The file is read further from its saved unread bytes, or has no bytes (`None`). It loses its device and inode.
    pub fn continue_in(&mut self, id: FileId, rest: Option<Arc<File>>) {
        let birth = self.files.get(&id).map_or(0, |tracked| tracked.birth);
        self.set_place(id, None, birth);
        if let Some(tracked) = self.files.get_mut(&id) {
            tracked.continue_in(rest);
        }
    }

    /// Sets the time of the next check of a file.
    pub fn check_at(&mut self, id: FileId, when: Duration) {
        let Some(tracked) = self.files.get_mut(&id) else { return };
        self.checks.remove(&(tracked.next_check, id));
        tracked.next_check = when;
        if tracked.place.is_some() {
            self.checks.insert((when, id));
        }
    }

    /// Brings checks that are due later than `when` forward to `when`.
    pub fn check_all_by(&mut self, when: Duration) {
        let later: Vec<FileId> =
            self.checks.range((when, FileId(0))..).map(|(_, id)| *id).collect();
        for id in later {
            self.check_at(id, when);
        }
    }

    /// Files whose check is due.
    pub fn due_for_check(&self, now: Duration) -> Vec<FileId> {
        let due = self.checks.range(..=(now, FileId(u32::MAX)));
        due.map(|(_, id)| *id).collect()
    }

    pub fn next_check(&self) -> Option<Duration> {
        self.checks.first().map(|(when, _)| *when)
    }

    /// Files that need attention at each sweep.
    pub fn needing_attention(&mut self) -> Vec<FileId> {
        for id in std::mem::take(&mut self.touched) {
            match self.files.get(&id).is_some_and(Tracked::needs_attention) {
                true => self.needing_attention.insert(id),
                false => self.needing_attention.remove(&id),
            };
        }
        self.needing_attention.iter().copied().collect()
    }

    pub fn by_place(&self, place: DeviceInode) -> Option<FileId> {
        self.by_place.get(&place).copied()
    }

    pub fn by_real_path(&self, real: &Path) -> Option<FileId> {
        self.by_real_path.get(real).copied()
    }

    /// The file that holds a generation.
    pub fn by_generation(&self, generation: GenerationId) -> Option<&Tracked> {
        self.by_generation.get(&generation).and_then(|id| self.files.get(id))
    }

    /// The file with this key, wherever its device is mounted now.
    pub fn by_file_key(&self, key: FileKey) -> Option<&Tracked> {
        let id = self.by_file.get(&key)?;
        self.files.get(id)
    }

    /// Real directories of the files, including targets of links.
    pub fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.directories.keys()
    }
}

/// Removes the key, unless it already leads to another file.
fn forget<K: std::hash::Hash + Eq>(index: &mut HashMap<K, FileId>, key: &K, id: FileId) {
    if index.get(key) == Some(&id) {
        index.remove(key);
    }
}

//! The list of the statuses of all files. A copy of it shares everything, and a change copies only the changed block.
//!
//! The status of ten thousand files is published ten times per second, and usually few of them have changed. So
//! statuses are kept in small blocks that all copies share until one of them changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::file_status::{FileState, FileStatus};
use super::generation::FileId;

/// Number of file ids per block: ids with the same quotient are in the same block.
const BLOCK: u32 = 64;

/// Ascending by id.
type Block = Arc<Vec<Arc<FileStatus>>>;

/// The statuses of all files, in the order in which the files were first seen. Serialised as a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileList {
    /// Invariant: no block is empty.
    blocks: Arc<BTreeMap<u32, Block>>,
    /// Invariant: equal to the sums over all files.
    totals: Totals,
}

/// Sums over all files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub files: u64,
    /// In bytes.
    pub size: u64,
    /// In bytes.
    pub lost: u64,
    /// Number of files.
    pub unreadable: u64,
    /// Number of unreadable files whose file system does not answer.
    pub stuck: u64,
    /// Bytes of files that are not read yet, because their first line is incomplete.
    pub unsettled: u64,
}

impl Totals {
    fn of(file: &FileStatus) -> Self {
        let stuck = matches!(file.state, FileState::Stuck { .. });
        let unreadable = stuck || matches!(file.state, FileState::Unreadable { .. });
        let unsettled = if file.state == FileState::Unsettled { file.size } else { 0 };
        let (unreadable, stuck) = (unreadable.into(), stuck.into());
        Totals { files: 1, size: file.size, lost: file.lost, unreadable, stuck, unsettled }
    }

    fn add(&mut self, file: &FileStatus) {
        let more = Totals::of(file);
        self.files += more.files;
        self.size += more.size;
        self.lost += more.lost;
        self.unreadable += more.unreadable;
        self.stuck += more.stuck;
        self.unsettled += more.unsettled;
    }

    fn subtract(&mut self, file: &FileStatus) {
        let less = Totals::of(file);
        self.files -= less.files;
        self.size -= less.size;
        self.lost -= less.lost;
        self.unreadable -= less.unreadable;
        self.stuck -= less.stuck;
        self.unsettled -= less.unsettled;
    }
}

impl FileList {
    pub fn totals(&self) -> Totals {
        self.totals
    }

    pub fn len(&self) -> usize {
        self.totals.files as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &FileStatus> {
        self.blocks.values().flat_map(|block| block.iter()).map(|file| &**file)
    }

    pub fn get(&self, id: FileId) -> Option<&FileStatus> {
        let block = self.blocks.get(&(id.0 / BLOCK))?;
        find(block, id).ok().map(|at| &*block[at])
    }

    /// Adds or replaces a status. Copies nothing if the status is unchanged.
    pub fn put(&mut self, file: FileStatus) {
        let before = self.get(file.file);
        if before == Some(&file) {
            return;
        }
        let mut totals = self.totals;
        before.into_iter().for_each(|before| totals.subtract(before));
        totals.add(&file);
        self.totals = totals;
        let blocks = Arc::make_mut(&mut self.blocks);
        let block = Arc::make_mut(blocks.entry(file.file.0 / BLOCK).or_default());
        match find(block, file.file) {
            Ok(at) => block[at] = Arc::new(file),
            Err(at) => block.insert(at, Arc::new(file)),
        }
    }

    pub fn remove(&mut self, id: FileId) {
        let Some(file) = self.get(id) else { return };
        let mut totals = self.totals;
        totals.subtract(file);
        self.totals = totals;
        let blocks = Arc::make_mut(&mut self.blocks);
        let number = id.0 / BLOCK;
        let Some(block) = blocks.get_mut(&number) else { return };
        let block_of_ours = Arc::make_mut(block);
        block_of_ours.retain(|file| file.file != id);
        if block_of_ours.is_empty() {
            blocks.remove(&number);
        }
    }

    /// Replaces the whole list; unchanged statuses stay shared.
    pub fn set(&mut self, files: Vec<FileStatus>) {
        let wanted: std::collections::HashSet<FileId> =
            files.iter().map(|file| file.file).collect();
        let surplus: Vec<FileId> =
            self.iter().map(|file| file.file).filter(|id| !wanted.contains(id)).collect();
        surplus.into_iter().for_each(|id| self.remove(id));
        files.into_iter().for_each(|file| self.put(file));
    }

    /// Files that are new or changed since `before`, each with its previous status. Compares only blocks that the two
    /// lists do not share.
    pub fn changed_since<'a>(
        &'a self,
        before: &'a FileList,
    ) -> Vec<(&'a FileStatus, Option<&'a FileStatus>)> {
        let is_shared = |number: &u32, block: &Block, other: &FileList| {
            other.blocks.get(number).is_some_and(|other| Arc::ptr_eq(block, other))
        };
        let old = before.blocks.iter().filter(|(number, block)| !is_shared(number, block, self));
        let old: HashMap<FileId, &FileStatus> =
            old.flat_map(|(_, block)| block.iter()).map(|file| (file.file, &**file)).collect();
        let new = self.blocks.iter().filter(|(number, block)| !is_shared(number, block, before));
        new.flat_map(|(_, block)| block.iter())
            .map(|file| (&**file, old.get(&file.file).copied()))
            .filter(|(file, old)| *old != Some(*file))
            .collect()
    }
}

fn find(block: &[Arc<FileStatus>], id: FileId) -> Result<usize, usize> {
    block.binary_search_by_key(&id, |file| file.file)
}

impl FromIterator<FileStatus> for FileList {
    fn from_iter<I: IntoIterator<Item = FileStatus>>(files: I) -> Self {
        let mut list = FileList::default();
        files.into_iter().for_each(|file| list.put(file));
        list
    }
}

impl Serialize for FileList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for FileList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<FileStatus>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Timestamp;

    fn file(id: u32, size: u64) -> FileStatus {
        let reason = || FileState::Unreadable { reason: "gone".to_owned() };
        FileStatus {
            file: FileId(id),
            source: "app".to_owned(),
            path: format!("/var/log/{id}.log").into(),
            format: None,
            size,
            lost: size / 3,
            state: if size == 7 { reason() } else { FileState::Live },
            last_growth: Timestamp(0),
        }
    }

    /// The same list as a plain map.
    type Model = BTreeMap<FileId, FileStatus>;

    fn check(list: &FileList, model: &Model) -> Result<(), TestCaseError> {
        prop_assert!(list.iter().eq(model.values()));
        let mut totals = Totals::default();
        model.values().for_each(|file| totals.add(file));
        prop_assert_eq!(list.totals(), totals);
        prop_assert!(list.blocks.values().all(|block| !block.is_empty()));
        Ok(())
    }

    proptest! {
        #[test]
        fn the_list_is_a_map_with_sums_that_reports_its_changes(
            before in prop::collection::vec((0u32..300, 0u64..10), 0..40),
            steps in prop::collection::vec((0u32..300, prop::option::of(0u64..10)), 0..40),
        ) {
            let mut model: Model =
                before.iter().map(|(id, size)| (FileId(*id), file(*id, *size))).collect();
            let mut list: FileList = model.values().cloned().collect();
            check(&list, &model)?;
            let (old, old_model) = (list.clone(), model.clone());
            for (id, size) in steps {
                match size {
                    Some(size) => {
                        list.put(file(id, size));
                        model.insert(FileId(id), file(id, size));
                    }
                    None => {
                        list.remove(FileId(id));
                        model.remove(&FileId(id));
                    }
                }
            }
            check(&list, &model)?;
            check(&old, &old_model)?;
            let wanted: Vec<_> = model
                .values()
                .map(|file| (file, old_model.get(&file.file)))
                .filter(|(file, old)| *old != Some(*file))
                .collect();
            prop_assert_eq!(list.changed_since(&old), wanted);
            let mut set = old.clone();
            set.set(model.values().cloned().collect());
            prop_assert_eq!(&set, &list);
            check(&set, &model)?;
            prop_assert_eq!(list == old, model == old_model);
        }
    }

    #[test]
    fn the_list_is_serialised_as_a_json_array() {
        let files = vec![file(1, 5), file(100, 7)];
        let list: FileList = files.iter().cloned().collect();
        let json = serde_json::to_string(&files).unwrap();
        assert_eq!(serde_json::to_string(&list).unwrap(), json);
        assert_eq!(serde_json::from_str::<FileList>(&json).unwrap(), list);
    }

    #[test]
    fn a_change_copies_one_block() {
        let mut list: FileList = (0..6400).map(|id| file(id, 1)).collect();
        let before = list.clone();
        list.put(file(70, 2));
        let shared = list.blocks.values().zip(before.blocks.values());
        assert_eq!(shared.filter(|(one, other)| !Arc::ptr_eq(one, other)).count(), 1);
        list.set(before.iter().cloned().collect());
        let still = Arc::as_ptr(&list.blocks);
        list.set(before.iter().cloned().collect());
        assert_eq!(Arc::as_ptr(&list.blocks), still, "an unchanged status copies nothing");
    }
}

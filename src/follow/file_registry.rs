//! The list of all followed files, ordered by source, then by discovery.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::file::FileHandle;
use crate::event::FileId;

/// The sort key of a file. Files of sources that are no longer configured come first.
type Rank = (Option<usize>, FileId);

#[derive(Debug)]
pub(in crate::follow) struct Files {
    /// Names of the sources, in configured order.
    sources: Vec<Arc<str>>,
    /// Invariant: both maps hold the same files.
    in_order: BTreeMap<Rank, Arc<FileHandle>>,
    by_id: HashMap<FileId, Rank>,
}

impl Files {
    pub fn new(sources: Vec<Arc<str>>) -> Self {
        Files { sources, in_order: BTreeMap::new(), by_id: HashMap::new() }
    }

    pub fn sources(&self) -> &[Arc<str>] {
        &self.sources
    }

    pub fn set_sources(&mut self, sources: Vec<Arc<str>>) {
        self.sources = sources;
        for file in std::mem::take(&mut self.in_order).into_values() {
            self.add(file);
        }
    }

    pub fn add(&mut self, file: Arc<FileHandle>) {
        let source = self.sources.iter().position(|name| *name == file.source.name);
        let rank = (source, file.id);
        self.by_id.insert(file.id, rank);
        self.in_order.insert(rank, file);
    }

    pub fn remove(&mut self, id: FileId) {
        if let Some(rank) = self.by_id.remove(&id) {
            self.in_order.remove(&rank);
        }
    }

    pub fn get(&self, id: FileId) -> Option<&Arc<FileHandle>> {
        self.by_id.get(&id).and_then(|rank| self.in_order.get(rank))
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<FileHandle>> {
        self.in_order.values()
    }
}

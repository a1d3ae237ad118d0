//! Other sources while it runs: files of a source that is read as before go on untouched, held descriptors among
//! them.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::SourceConfig;
use super::follower::Follower;
use crate::event::FileId;

/// The sources from now on, and who waits until they are.
#[derive(Debug)]
pub(in crate::follow) struct Change {
    pub sources: Vec<SourceConfig>,
    pub done: SyncSender<()>,
}

impl SourceConfig {
    /// What is read means the same; only where it lies may differ.
    pub fn reads_as(&self, other: &SourceConfig) -> bool {
        *self == SourceConfig { paths: self.paths.clone(), ..other.clone() }
    }
}

impl Follower {
    pub fn change_sources(&mut self, change: Change) {
        let sources: Vec<_> = change.sources.into_iter().map(Arc::new).collect();
        for id in self.tracked.keys().copied().collect::<Vec<_>>() {
            self.reassign(id, &sources);
        }
        self.fresh = sources.iter().map(|source| self.is_fresh(source)).collect();
        self.sources = sources;
        self.shared.set_sources(self.sources.iter().map(|source| source.name.clone()).collect());
        self.shared.cache.clear();
        if !self.first_pass {
            self.adding = true;
            self.first_look();
            self.adding = false;
            self.take_up_rests();
            self.settle_undecided(true);
            self.persist();
        }
        self.shared.changed();
        // Whoever waited may have gone on without us.
        let _ = change.done.send(());
    }

    /// Stays, or is let go: then it is found again under its new source, if one means it, and goes on.
    fn reassign(&mut self, id: FileId, sources: &[Arc<SourceConfig>]) {
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let name = &tracked.handle.source.name;
        let Some(index) = sources.iter().position(|source| source.name == *name) else {
            return self.let_go(id);
        };
        tracked.source = index;
        let nameless = tracked.links == 0 || tracked.place.is_none();
        // What has no name left could not be found again: it is read to its end as it was begun.
        if !nameless && !tracked.handle.source.reads_as(&sources[index]) {
            self.let_go(id);
        }
    }

    fn let_go(&mut self, id: FileId) {
        let row = self.tracked.get(&id).and_then(|tracked| tracked.row.clone());
        self.drop_file(id);
        if let (Some(row), Some(store)) = (row, self.shared.store.get()) {
            store.put_generation(row.clone());
            self.shared.bury(row);
        }
    }

    /// Started for the first time. Before the first pass, that pass asks.
    fn is_fresh(&self, source: &SourceConfig) -> bool {
        let store = self.shared.store.get().filter(|_| !self.first_pass);
        store.is_some_and(|store| store.first_start(&source.name))
    }
}

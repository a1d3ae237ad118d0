//! Other sources while it runs: files of a source that is read as before go on untouched, held descriptors among
//! them.

use std::sync::Arc;

use super::SourceConfig;
use super::discover;
use super::follower::{Follower, Phase};
use super::notices::{self, Topic};
use super::types::Change;
use crate::event::{FileId, Level};

impl SourceConfig {
    /// What is read means the same; only where it lies may differ.
    pub fn reads_as(&self, other: &SourceConfig) -> bool {
        *self == SourceConfig { paths: self.paths.clone(), ..other.clone() }
    }
}

impl Follower {
    pub fn change_sources(&mut self, change: Change) {
        let sources: Vec<_> = change.sources.into_iter().map(Arc::new).collect();
        // What lost its name a moment ago could not be found again: its rest is kept before it is let go.
        self.rescue_all();
        // Indexes of sources mean others from now on.
        self.scan_state.vacated.clear();
        for id in self.catalog.ids() {
            self.reassign(id, &sources);
        }
        self.fresh = sources.iter().map(|source| self.is_first_start(source)).collect();
        self.sources = sources;
        self.shared.set_sources(self.sources.iter().map(|source| source.name.clone()).collect());
        self.shared.cache.clear();
        if let Phase::Following { .. } = self.phase {
            self.phase = Phase::Adding;
            self.scan_and_bind();
            self.phase = Phase::Following { since: self.now() };
            self.take_up_rests();
            self.identify_undecided(true);
            self.report_orphans();
            self.persist();
        }
        self.shared.changed();
        // Whoever waited may have gone on without us.
        let _ = change.done.send(());
    }

    /// Stays, or is let go: then it is found again under its new source, if one means it, and goes on.
    fn reassign(&mut self, id: FileId, sources: &[Arc<SourceConfig>]) {
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let (name, path) = (tracked.handle.source.name.clone(), tracked.handle.path());
        let by_name = sources.iter().position(|source| source.name == name);
        let means = |source: &Arc<SourceConfig>| {
            let first = tracked.row.as_ref().map(|row| row.first_path.as_path());
            discover::means(source, &path)
                || first.is_some_and(|path| discover::means(source, path))
        };
        let index = by_name.or_else(|| sources.iter().position(means));
        let Some(index) = index else { return self.release_file(id) };
        tracked.source = index;
        // What has no name left could not be found again: it is read to its end as it was begun.
        if !tracked.is_nameless() && !tracked.handle.source.reads_as(&sources[index]) {
            self.release_file(id);
        }
    }

    pub fn release_file(&mut self, id: FileId) {
        let row = self.catalog.get(id).and_then(|tracked| tracked.row.clone());
        self.stop_following(id);
        if let (Some(row), Some(store)) = (row, self.shared.store.get()) {
            store.put_generation(row.clone());
            self.shared.bury(row);
        }
    }

    /// Generations that no source means any more are not read. What is unread of them is said.
    pub fn report_orphans(&self) {
        for row in self.rows_without_file(|id| self.shared.is_orphan(id)) {
            let left = self.shared.slowest(&row).map(|at| row.end().saturating_sub(at));
            if let Some(bytes) = left.filter(|bytes| *bytes > 0) {
                let text = notices::orphan(&row.path, &row.source, bytes);
                let topic = Topic::Orphan(row.id);
                self.shared.board.say(topic, Level::Warning, self.shared.clock.now(), text);
            }
        }
    }

    /// Started for the first time. Before the first pass, that pass asks.
    fn is_first_start(&self, source: &SourceConfig) -> bool {
        let store = self.shared.store.get().filter(|_| self.phase != Phase::BeforeState);
        store.is_some_and(|store| store.first_start(&source.name))
    }
}

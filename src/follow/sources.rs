//! Changes the sources while the follower runs. Files whose source reads them as before are still followed, with their
//! open descriptors.

use std::sync::Arc;

use super::SourceConfig;
use super::discover;
use super::follower::{Follower, Phase};
use super::notices::{self, Topic};
use super::types::Change;
use crate::event::{FileId, Level};

impl SourceConfig {
    /// Whether everything but the paths is equal, so that the events are the same.
    pub fn reads_as(&self, other: &SourceConfig) -> bool {
        *self == SourceConfig { paths: self.paths.clone(), ..other.clone() }
    }
}

impl Follower {
    pub fn change_sources(&mut self, change: Change) {
        let sources: Vec<_> = change.sources.into_iter().map(Arc::new).collect();
        // A file that has just lost its name could not be found again: its unread bytes are saved before it is
        // released.
        self.rescue_all();
        // The indexes refer to the old sources.
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
        self.shared.notify_changes();
        // The requester may have stopped waiting.
        let _ = change.done.send(());
    }

    /// Keeps the file, or releases it: then it is found again if one of the new sources matches it, and continues
    /// there.
    fn reassign(&mut self, id: FileId, sources: &[Arc<SourceConfig>]) {
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let (name, path) = (tracked.handle.source.name.clone(), tracked.handle.path());
        let by_name = sources.iter().position(|source| source.name == name);
        let matches = |source: &Arc<SourceConfig>| {
            let first = tracked.row.as_ref().map(|row| row.first_path.as_path());
            discover::means(source, &path)
                || first.is_some_and(|path| discover::means(source, path))
        };
        let index = by_name.or_else(|| sources.iter().position(matches));
        let Some(index) = index else { return self.release_file(id) };
        tracked.source = index;
        // A file without a name could not be found again: it is read to its end with its old source.
        if !tracked.is_nameless() && !tracked.handle.source.reads_as(&sources[index]) {
            self.release_file(id);
        }
    }

    /// Stops following a file but keeps its row, so that the file continues where it was when it is found again.
    pub fn release_file(&mut self, id: FileId) {
        let row = self.catalog.get(id).and_then(|tracked| tracked.row.clone());
        self.stop_following(id);
        if let (Some(row), Some(store)) = (row, self.shared.store.get()) {
            store.put_generation(row.clone());
            self.shared.set_without_file(row);
        }
    }

    /// Reports unread bytes of generations that no source matches any more.
    pub fn report_orphans(&self) {
        for row in self.rows_without_file(|id| self.shared.is_orphan(id)) {
            let unread = self.shared.lowest_offset(&row).map(|at| row.end().saturating_sub(at));
            if let Some(bytes) = unread.filter(|bytes| *bytes > 0) {
                let text = notices::orphan(&row.path, &row.source, bytes);
                let topic = Topic::Orphan(row.id);
                self.shared.board.post(topic, Level::Warning, self.shared.clock.now(), text);
            }
        }
    }

    /// Whether the source is started for the first time. Before the first pass this is unknown, and that pass
    /// determines it.
    fn is_first_start(&self, source: &SourceConfig) -> bool {
        let store = self.shared.store.get().filter(|_| self.phase != Phase::BeforeState);
        store.is_some_and(|store| store.first_start(&source.name))
    }
}

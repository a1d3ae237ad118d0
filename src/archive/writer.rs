//! The one writer of an archive.
//!
//! Events are added, then made durable by a commit together with the positions up to which they reach. After
//! any failure the writer is ended: nothing more is written, and the next commit fails, until
//! [`Archive::resume`] has opened the archive again as it is on disk. An event that lies before the position
//! of its generation is passed over, so that whatever is delivered again is in the archive once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tantivy::directory::Directory;
use tantivy::indexer::IndexWriterOptions;
use tantivy::{Index, IndexWriter, TantivyError};

use super::document::{Flow, Item, origin};
use super::merge::ByDay;
use super::open;
use super::positions::{Generations, PayloadError, Positions};
use super::schema::{schema, settings, tokenizers};
use super::storage::{Gate, GatedDirectory};
use super::{ArchiveError, Cause};
use crate::base::Timestamp;
use crate::event::{Cursor, GenerationId};

/// Bytes that the indexer gathers before it writes a segment.
const HEAP: usize = 16 * 1024 * 1024;
/// Bytes of events on their way to the indexer, beside one delivery.
const ON_THE_WAY: usize = 4 * 1024 * 1024;

/// How the directory is reached. Called again after every failure.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn Directory>, ArchiveError> + Send + Sync>;

/// Blocking throughout: call it off the async threads.
pub struct Archive {
    directory: PathBuf,
    opener: Opener,
    open: Option<Open>,
    /// Why it is not open.
    failure: String,
    /// As of the last commit.
    positions: Positions,
    /// Ends of what was added since.
    added: HashMap<GenerationId, u64>,
    flow: Arc<Flow>,
}

pub(super) struct Open {
    pub writer: IndexWriter<Item>,
    gate: Gate,
}

impl Archive {
    /// Opens the archive in `directory` for writing, or begins one. The texts are for the operator.
    pub fn open_writer(
        directory: &Path,
        now: Timestamp,
    ) -> Result<(Self, Vec<String>), ArchiveError> {
        let notes = open::prepare(directory, now)?;
        let place = directory.to_owned();
        let opener: Opener = Arc::new(move || Ok(Box::new(open::open_directory(&place)?)));
        let archive = Self::open_with(directory, opener)?;
        Ok((archive, notes.into_iter().collect()))
    }

    /// As [`Archive::open_writer`], on any directory of tantivy's; without the look for damage.
    pub fn open_with(directory: &Path, opener: Opener) -> Result<Self, ArchiveError> {
        let mut archive = Archive {
            directory: directory.to_owned(),
            opener,
            open: None,
            failure: String::new(),
            positions: Positions::default(),
            added: HashMap::new(),
            flow: Arc::default(),
        };
        archive.resume()?;
        Ok(archive)
    }

    /// Up to where it is durable.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Forgets what was added and not committed, and goes on from what is on disk.
    pub fn resume(&mut self) -> Result<&Positions, ArchiveError> {
        if self.open.is_none() || !self.added.is_empty() {
            self.end("started again");
            let (open, positions) = self.open()?;
            self.open = Some(open);
            self.positions = positions;
            self.added.clear();
        }
        Ok(&self.positions)
    }

    /// Events of these generations are new, wherever they stand: see [`Positions::forget`].
    pub fn forget(&mut self, generations: &[GenerationId]) {
        self.positions.forget(generations);
        self.added.retain(|id, _| !generations.contains(id));
    }

    /// Adds items made by [`super::encode`]; `ends` are their ends in `body`. Tells of each whether it is new. A
    /// failure on the way is the next commit's: only that makes anything durable. When it returns, the indexer is
    /// through with `body`, but where it takes long.
    pub fn add(&mut self, body: Bytes, ends: &[usize]) -> Result<Vec<bool>, ArchiveError> {
        if self.added.is_empty() {
            self.resume()?;
        }
        let new = self.mark_added(&body, ends);
        let Some(open) = &self.open else { return Ok(new) };
        let body = self.flow.enter(body, ON_THE_WAY);
        let earliest = self.positions.written.day();
        let mut start = 0;
        for (&end, is_new) in ends.iter().zip(&new) {
            let item = Item { body: body.clone(), start, end, earliest };
            start = end;
            if *is_new && let Err(error) = open.writer.add_document(item) {
                self.end(&error.to_string());
                break;
            }
        }
        drop(body);
        self.flow.run_dry();
        Ok(new)
    }

    fn mark_added(&mut self, body: &[u8], ends: &[usize]) -> Vec<bool> {
        let mut start = 0;
        let is_new = |end: &usize| {
            let origin = origin(&body[start..*end]);
            start = *end;
            let committed = self.positions.offset(origin.generation);
            let reached = self.added.entry(origin.generation).or_insert(committed);
            let is_new = origin.start >= *reached;
            *reached = origin.end.max(*reached);
            is_new
        };
        ends.iter().map(is_new).collect()
    }

    /// Makes what was added durable, together with these positions.
    pub fn commit(
        &mut self,
        upto: &[Cursor],
        generations: &dyn Generations,
        now: Timestamp,
    ) -> Result<(), ArchiveError> {
        let mut upto = upto.to_vec();
        upto.extend(self.added.iter().map(|(id, end)| Cursor { generation: *id, offset: *end }));
        let step = self.positions.step(&upto, generations, now);
        let stands_still = self.added.is_empty() && self.positions.stand_still(&step);
        if stands_still && self.open.is_some() {
            return Ok(());
        }
        self.commit_as(self.positions.after(step))
    }

    /// Every commit goes through here.
    pub(super) fn commit_as(&mut self, positions: Positions) -> Result<(), ArchiveError> {
        let Some(open) = &mut self.open else { return Err(self.ended()) };
        let result = open.writer.prepare_commit().and_then(|mut commit| {
            commit.set_payload(&positions.to_payload());
            commit.commit()
        });
        match result {
            Ok(_) => {
                self.positions = positions;
                self.added.clear();
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn writer(&self) -> Result<&IndexWriter<Item>, ArchiveError> {
        self.open.as_ref().map(|open| &open.writer).ok_or_else(|| self.ended())
    }

    pub(super) fn writer_mut(&mut self) -> Result<&mut IndexWriter<Item>, ArchiveError> {
        match &mut self.open {
            Some(open) => Ok(&mut open.writer),
            None => Err(ArchiveError::write(&self.directory, self.failure.clone())),
        }
    }

    pub(super) fn failed(&mut self, error: TantivyError) -> ArchiveError {
        self.end(&error.to_string());
        ArchiveError::write(&self.directory, error)
    }

    fn ended(&self) -> ArchiveError {
        ArchiveError::write(&self.directory, self.failure.clone())
    }

    /// Nothing of this writer reaches the disk any more: not its merges either.
    fn end(&mut self, why: &str) {
        if let Some(open) = self.open.take() {
            open.gate.shut(why);
            self.failure = why.to_owned();
        }
    }

    fn open(&self) -> Result<(Open, Positions), ArchiveError> {
        let (directory, gate) = GatedDirectory::new((self.opener)()?);
        let mut index = Index::builder()
            .schema(schema())
            .settings(settings())
            .tokenizers(tokenizers())
            .open_or_create(directory)
            .map_err(|error| self.cannot_open(error))?;
        index.set_tokenizers(tokenizers());
        let payload = index.load_metas().map_err(|error| self.cannot_open(error))?.payload;
        let positions = self.parse(payload.as_deref())?;
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(HEAP)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options).map_err(|error| self.cannot_open(error))?;
        writer.set_merge_policy(Box::new(ByDay::new(index)));
        // What a process that was killed left half done: the next one would stumble over a file that is there.
        if let Err(error) = writer.garbage_collect_files().wait() {
            tracing::warn!(%error, "files of the archive that nothing needs cannot be removed");
        }
        Ok((Open { writer, gate }, positions))
    }

    fn parse(&self, payload: Option<&str>) -> Result<Positions, ArchiveError> {
        let Some(payload) = payload else { return Ok(Positions::default()) };
        Positions::parse(payload).map_err(|error| match error {
            PayloadError::Newer(version) => {
                ArchiveError::Newer { directory: self.directory.clone(), version }
            }
            error => ArchiveError::read(&self.directory, error),
        })
    }

    fn cannot_open(&self, error: TantivyError) -> ArchiveError {
        match error {
            TantivyError::LockFailure(error, _) => open::lock_error(&self.directory, error),
            error => ArchiveError::Directory {
                directory: self.directory.clone(),
                source: Cause::from(error),
            },
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.end("the program ends");
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("directory", &self.directory).finish_non_exhaustive()
    }
}

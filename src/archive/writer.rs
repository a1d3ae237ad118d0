//! Writes events to an archive, as its only writer.
//!
//! Events are added, and a commit makes them durable together with the positions that they reach. After any failure the
//! writer is closed: nothing more is written, and the next commit fails, until [`Archive::resume`] has reopened the
//! archive from disk. An event before the position of its generation is skipped, so that an event delivered twice is in
//! the archive once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tantivy::directory::Directory;
use tantivy::indexer::IndexWriterOptions;
use tantivy::{Index, IndexWriter, TantivyError};

use super::document::{InFlight, Item, origin};
use super::merge::ByDay;
use super::open;
use super::positions::{Generations, PayloadError, Positions};
use super::schema::{schema, settings, tokenizers};
use super::storage::{Gate, GatedDirectory};
use super::{ArchiveError, Cause};
use crate::base::Timestamp;
use crate::event::{Cursor, GenerationId};

/// Bytes that the indexer buffers before it writes a segment.
const HEAP: usize = 16 * 1024 * 1024;
/// Maximum number of bytes given to the indexer and not processed yet, in addition to one delivery.
const MAX_IN_FLIGHT: usize = 4 * 1024 * 1024;

/// Opens the directory of the archive. Called again after every failure.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn Directory>, ArchiveError> + Send + Sync>;

/// An archive that is open for writing. All methods block: do not call them on an async thread.
pub struct Archive {
    directory: PathBuf,
    opener: Opener,
    open: Option<Open>,
    /// Why the writer is closed (`open` is `None`).
    failure: String,
    /// As of the last commit.
    positions: Positions,
    /// End offsets of the additions since the last commit.
    added: HashMap<GenerationId, u64>,
    in_flight: Arc<InFlight>,
}

/// The parts of an archive that exist while its writer is open.
pub(super) struct Open {
    pub writer: IndexWriter<Item>,
    gate: Gate,
}

impl Archive {
    /// Opens the archive in `directory` for writing, or creates it. The returned texts are notices for the operator.
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

    /// As [`Archive::open_writer`], on any tantivy directory, without the check for damage.
    pub fn open_with(directory: &Path, opener: Opener) -> Result<Self, ArchiveError> {
        let mut archive = Archive {
            directory: directory.to_owned(),
            opener,
            open: None,
            failure: String::new(),
            positions: Positions::default(),
            added: HashMap::new(),
            in_flight: Arc::default(),
        };
        archive.resume()?;
        Ok(archive)
    }

    /// The positions of the last commit.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Discards uncommitted additions and continues from the data on disk.
    pub fn resume(&mut self) -> Result<&Positions, ArchiveError> {
        if self.open.is_none() || !self.added.is_empty() {
            self.end("restarted");
            let (open, positions) = self.open()?;
            self.open = Some(open);
            self.positions = positions;
            self.added.clear();
        }
        Ok(&self.positions)
    }

    /// Treats all events of these generations as new, at any offset: see [`Positions::forget`].
    pub fn forget(&mut self, generations: &[GenerationId]) {
        self.positions.forget(generations);
        self.added.retain(|id, _| !generations.contains(id));
    }

    /// Adds events encoded by [`super::encode`]; `ends` are their end offsets in `body`. Returns for each event whether
    /// it is new. An error while adding is reported by the next commit: only a commit makes anything durable. On return
    /// the indexer has processed `body`, unless that takes long.
    pub fn add(&mut self, body: Bytes, ends: &[usize]) -> Result<Vec<bool>, ArchiveError> {
        if self.added.is_empty() {
            self.resume()?;
        }
        let new = self.mark_added(&body, ends);
        let Some(open) = &self.open else { return Ok(new) };
        let body = self.in_flight.enter(body, MAX_IN_FLIGHT);
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
        self.in_flight.wait_until_empty();
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

    /// Makes the additions durable, together with these positions.
    pub fn commit(
        &mut self,
        upto: &[Cursor],
        generations: &dyn Generations,
        now: Timestamp,
    ) -> Result<(), ArchiveError> {
        let mut upto = upto.to_vec();
        upto.extend(self.added.iter().map(|(id, end)| Cursor { generation: *id, offset: *end }));
        let step = self.positions.step(&upto, generations, now);
        let is_unchanged = self.added.is_empty() && self.positions.is_unchanged_by(&step);
        if is_unchanged && self.open.is_some() {
            return Ok(());
        }
        self.commit_as(self.positions.after(step))
    }

    /// Commits the additions with exactly these positions. All commits are made here.
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

    /// Closes the writer after a failure; returns the error to report.
    pub(super) fn failed(&mut self, error: TantivyError) -> ArchiveError {
        self.end(&error.to_string());
        ArchiveError::write(&self.directory, error)
    }

    /// The error of an operation on the closed writer.
    fn ended(&self) -> ArchiveError {
        ArchiveError::write(&self.directory, self.failure.clone())
    }

    /// Closes the writer: nothing from it reaches the disk afterwards, not even its merges.
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
        // Removes incomplete files of a killed process, which would make the next writer fail.
        if let Err(error) = writer.garbage_collect_files().wait() {
            tracing::warn!(%error, "unused files of the archive cannot be removed");
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
        self.end("the program exits");
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("directory", &self.directory).finish_non_exhaustive()
    }
}

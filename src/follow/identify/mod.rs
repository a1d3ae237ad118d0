//! Identifies the generation of each file: gathers evidence, asks one decision table, and carries out the decision.
//!
//! The possibilities are tried in this order: the generation that was last seen in this file, a generation of which it
//! is a copy, a new generation.

mod candidates;
pub(in crate::follow) mod decide;
mod evidence;
mod rows;
mod subject;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::decide::{Candidate, Claim, Content, Decision, claim, decide, keep_longest};
pub(in crate::follow) use self::evidence::COPY_QUIET_TIME;
use self::subject::Subject;
use super::catalog::{Stage, Tracked};
use super::follower::Follower;
use super::identity::Head;
use super::notices::{self, Topic};
use super::open_file;
use super::startup::UNFINISHED_LINE_TIMEOUT;
use crate::base::timed_fs::File;
use crate::event::status::FileState;
use crate::event::{FileId, GenerationId, Identity, Level};
use crate::state::absolute;

/// What is done with a file that was examined.
enum Action {
    /// Too early to decide.
    Wait,
    /// It is compressed.
    Unpack,
    /// It is not text, but this.
    Binary(&'static str),
    /// It is the file of this generation.
    Same(GenerationId),
    /// It is a copy of this generation, which continues in it.
    Copy(GenerationId),
    /// It may be a copy.
    PossibleCopy,
    New(Identity),
    /// It is not to be read.
    Ignore,
}

impl Follower {
    /// Identifies all undecided files (`all`), or only those with new information.
    pub fn identify_undecided(&mut self, all: bool) {
        self.check_possible_originals();
        let unjudged = std::mem::take(&mut self.work.to_identify);
        let mut ids = if all { self.undecided_files() } else { unjudged.into_iter().collect() };
        // The original of a copy or compressed file is identified before it.
        ids.sort_by_key(|id| {
            self.catalog.get(*id).map(|tracked| (tracked.compressed.is_some(), tracked.links > 0))
        });
        if self.identify(&ids, false) {
            self.persist();
        }
    }

    /// Identifies a file to which nothing more will be written, with the existing bytes.
    pub fn identify_finally(&mut self, id: FileId) {
        if self.identify(&[id], true) {
            self.persist();
        }
    }

    /// The files that have not been identified yet.
    pub fn undecided_files(&mut self) -> Vec<FileId> {
        let attended = self.catalog.needing_attention();
        let undecided = |id: &FileId| self.catalog.get(*id).is_some_and(Tracked::is_undecided);
        attended.into_iter().filter(undecided).collect()
    }

    /// `last_call`: nothing more will be written, so decide with the existing bytes. Returns whether a file was
    /// identified.
    pub fn identify(&mut self, ids: &[FileId], last_call: bool) -> bool {
        let now = self.now();
        let mut identified = false;
        for id in ids {
            let Some(tracked) = self.catalog.get(*id).filter(|t| t.is_undecided()) else {
                continue;
            };
            let is_final =
                last_call || (tracked.links == 0 && tracked.quiet_for(now) >= COPY_QUIET_TIME);
            if !self.is_ready_to_classify(*id, is_final) {
                continue;
            }
            match self.classify(*id, is_final) {
                Ok(Action::Copy(generation)) if self.has_better_copy(*id, generation, is_final) => {
                    self.set_stage(*id, Stage::PossibleCopy);
                }
                Ok(action) => self.apply(*id, action),
                // The file it must be compared with is being unpacked again.
                Err(error) if open_file::is_unpacking(&error) => {
                    self.shared.unpacking.store(true, Ordering::Release);
                }
                Err(error) => self.report_unreadable(*id, &error),
            }
            identified |= self.catalog.get(*id).is_some_and(|t| t.stage == Stage::AwaitingCommit);
        }
        identified
    }

    /// Identifies the files in which generations were last seen, before any other file is taken for a copy of these
    /// generations.
    pub fn bind_known(&mut self) {
        for id in self.undecided_files() {
            if !self.catalog.get(id).is_some_and(Tracked::is_fully_unpacked) {
                continue;
            }
            let Ok(Some((file, head))) = self.open_head(id) else { continue };
            let Some(subject) = self.subject(id, &file, &head) else { continue };
            if let Ok(Some(generation)) = self.same_file(&subject) {
                self.bind(id, generation);
            }
        }
    }

    fn report_unreadable(&mut self, id: FileId, error: &io::Error) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let path = tracked.handle.path();
        let text = notices::cannot_open(&path, error);
        let topic = Topic::Open(path.to_path_buf());
        self.shared.board.post(topic, Level::Error, self.shared.clock.now(), text);
    }

    /// The open file and its head; `None` while it is empty or without device and inode.
    fn open_head(&self, id: FileId) -> io::Result<Option<(Arc<File>, Head)>> {
        let Some(tracked) = self.catalog.get(id) else { return Ok(None) };
        if tracked.size == 0 || tracked.place().is_none() {
            return Ok(None);
        }
        let Some(file) = tracked.handle.open_file()? else { return Ok(None) };
        let head = Head::read(&file)?;
        Ok((!head.is_empty()).then_some((file, head)))
    }

    /// Decides about one file, without changing anything.
    fn classify(&self, id: FileId, last_call: bool) -> io::Result<Action> {
        let Some((file, head)) = self.open_head(id)? else { return Ok(Action::Wait) };
        let Some(subject) = self.subject(id, &file, &head) else { return Ok(Action::Wait) };
        let tracked = subject.tracked;
        if tracked.compressed.is_none() && head.compression().is_some() {
            return Ok(Action::Unpack);
        }
        if let Some(what) = head.binary() {
            return Ok(Action::Binary(what));
        }
        if let Some(generation) = self.same_file(&subject)? {
            return Ok(Action::Same(generation));
        }
        // A single line without a line end counts as complete when nothing was written for a long time.
        let quiet = tracked.quiet_for(self.now()) >= UNFINISHED_LINE_TIMEOUT;
        let is_complete = last_call || tracked.compressed.is_some() || quiet;
        let len = if is_complete { Some(head.final_len()) } else { head.complete_len() };
        let Some(len) = len else { return Ok(Action::Wait) };
        let identity = head.identity(len, subject.key.inode, subject.key.birth, self.key());
        if tracked.is_segment {
            // Standard input is always new: the same input given twice is two inputs.
            return Ok(Action::New(identity));
        }
        let candidate = Candidate {
            has_new_content: self.has_reused_file(&subject)?,
            ..self.candidate(tracked, last_call)
        };
        let evidence = self.evidence_of_copies(&subject, &identity)?;
        let claims: Vec<_> = evidence
            .iter()
            .map(|(id, evidence)| (*id, claim(&candidate, evidence), *evidence))
            .collect();
        let claims = keep_longest(&claims);
        Ok(match decide(&candidate, &claims) {
            Decision::Same(generation) => Action::Same(generation),
            Decision::Copy(generation) => Action::Copy(generation),
            Decision::PossibleCopy => Action::PossibleCopy,
            Decision::New => Action::New(identity),
            Decision::Ignore => Action::Ignore,
        })
    }

    /// Whether another file holds more of the same generation, or may do so once it is unpacked.
    fn has_better_copy(&mut self, id: FileId, generation: GenerationId, is_final: bool) -> bool {
        let size = |follower: &Self, id| follower.catalog.get(id).map_or(0, |tracked| tracked.size);
        let own_size = size(self, id);
        let undecided = self.undecided_files();
        let others = undecided.into_iter().filter(|other| *other != id);
        others.into_iter().any(|other| {
            let Some(tracked) = self.catalog.get(other) else { return false };
            if tracked.is_unpacking() {
                return !is_final;
            }
            let claims = || match self.classify(other, true) {
                Ok(Action::Copy(of)) => of == generation,
                Ok(_) => false,
                Err(error) => open_file::is_unpacking(&error) && !is_final,
            };
            size(self, other) > own_size && claims()
        })
    }

    fn subject<'a>(&'a self, id: FileId, file: &'a File, head: &'a Head) -> Option<Subject<'a>> {
        let tracked = self.catalog.get(id)?;
        Some(Subject { tracked, file, head, key: tracked.file_key()? })
    }

    /// The generation that was last seen in this file, if the file still contains it.
    fn same_file(&self, subject: &Subject<'_>) -> io::Result<Option<GenerationId>> {
        let candidate = self.candidate(subject.tracked, false);
        let evidence = self.evidence_of_file(subject)?;
        let same = evidence.iter().find(|(_, e)| claim(&candidate, e) == Claim::Same);
        Ok(same.map(|(generation, _)| *generation))
    }

    /// Whether the file held another generation before, which may continue in a copy. `false` on file systems without
    /// birth times, where this cannot be known because inodes are reused.
    fn has_reused_file(&self, subject: &Subject<'_>) -> io::Result<bool> {
        let evidence = self.evidence_of_file(subject)?;
        let other = evidence.iter().any(|(_, evidence)| evidence.content < Content::All);
        Ok((other || self.continues_elsewhere(subject)?) && subject.key.birth != 0)
    }

    fn apply(&mut self, id: FileId, action: Action) {
        match action {
            Action::Wait => {}
            Action::Unpack => self.unpack_if_compressed(id),
            Action::Binary(what) => self.reject_binary(id, what),
            Action::Same(generation) => self.bind(id, generation),
            Action::Copy(generation) => self.bind_as_copy(id, generation),
            Action::PossibleCopy => self.set_stage(id, Stage::PossibleCopy),
            Action::New(identity) => self.begin_generation(id, identity),
            Action::Ignore => self.stop_following(id),
        }
    }

    /// Continues the generation in this file, which is its copy.
    fn bind_as_copy(&mut self, id: FileId, generation: GenerationId) {
        let Some(copy) = self.catalog.get(id) else { return };
        let (path, size) = (copy.handle.path(), copy.size);
        let original = self.catalog.by_generation(generation).map(|tracked| tracked.handle.id);
        let seen = match original {
            Some(original) => {
                let seen = self.catalog.get(original).map_or(0, |tracked| tracked.size);
                self.continue_in_copy(original, id);
                seen
            }
            None => {
                let seen =
                    self.shared.without_file().get(&generation).map_or(0, |row| row.mark.offset);
                self.bind(id, generation);
                seen
            }
        };
        let row = self.catalog.by_generation(generation).and_then(|tracked| tracked.row.as_ref());
        if let Some(row) = row
            && size <= seen
            && row.first_path != absolute(&path)
        {
            let text = notices::copy(&path, &row.first_path, size);
            let topic = Topic::Copy(path.to_path_buf());
            self.shared.board.post(topic, Level::Info, self.shared.clock.now(), text);
        }
    }

    pub fn set_stage(&mut self, id: FileId, stage: Stage) {
        if let Some(tracked) = self.catalog.get_mut(id) {
            tracked.stage = stage;
        }
    }

    fn reject_binary(&mut self, id: FileId, what: &str) {
        self.set_stage(id, Stage::Rejected);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let path = tracked.handle.path();
        let reason = format!("{what}, not text; not read");
        // For standard input this is reported when the input has ended.
        let segment = tracked.is_segment;
        let state = if segment { FileState::Ended } else { FileState::Unreadable { reason } };
        tracked.handle.update(|known| known.facts.state = state);
        if !segment {
            let text = notices::binary(&path, what);
            let topic = Topic::Binary(path.to_path_buf());
            self.shared.board.post(topic, Level::Warning, self.shared.clock.now(), text);
        }
        self.shared.notify_changes();
    }
}

//! Saves the unread bytes of deleted files ("the rest"): copies them to the intake directory, because an open
//! descriptor does not survive a restart.
//!
//! The bytes are copied to their old offsets, one step per turn, and are durable before the row records them. After a
//! kill in between, the recorded bytes are readable, and those beyond are counted as lost when a consumer reaches them.
//! While the process runs, it continues to read from the descriptor. A file counts as deleted only if its descriptor
//! has no links left, never because a directory cannot be read.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use super::Intake;
use crate::base::Timestamp;
use crate::base::timed_fs::File;
use crate::event::status::FileState;
use crate::event::{FileId, GenerationId, Level};
use crate::follow::catalog::{Stage, Tracked};
use crate::follow::file::{FileFacts, FileHandle};
use crate::follow::follower::Follower;
use crate::follow::notices::{self, Topic};
use crate::follow::positioned_read::read_full;
use crate::state::{GenerationRow, Rest, private_directory};

/// Bytes copied per turn of the follower.
const STEP: u64 = 8 << 20;
const BUFFER: usize = 1 << 20;
/// Bytes before the first unread byte that are copied too: for the time of its record, and to verify the mark.
const CONTEXT: u64 = 64 * 1024;
/// Fraction of the disk that is left free: 1/20.
const LEFT_FREE: u64 = 20;

/// The result of one copy step.
enum Step {
    /// More bytes are left to copy.
    More,
    /// All unread bytes are copied.
    Whole,
    /// The limit or the free disk space is used up.
    Full,
}

impl Follower {
    /// Copies one step for the first file that needs it; `true` if there is more to copy now.
    pub fn rescue_next_piece(&mut self) -> bool {
        while let Some(id) = self.work.rescuing.first().copied() {
            match self.copy_step(id) {
                Ok(Step::More) => return true,
                // The bytes count as saved once their row is durable.
                Ok(step) if self.persist() => self.report_rest(id, matches!(step, Step::Full)),
                Ok(_) => {}
                Err(error) => self.report_rest_failure(id, &error),
            }
            self.work.rescuing.remove(&id);
        }
        false
    }

    /// Finds deleted files with unread bytes to save, and removes saved bytes that all consumers have read.
    pub fn update_rests(&mut self) {
        if self.shared.config.intake.as_ref().is_none_or(|intake| intake.rescue == 0) {
            return;
        }
        let nameless = |t: &Tracked| {
            let settled = matches!(t.stage, Stage::Live | Stage::Ended);
            t.links == 0 && t.place().is_some() && settled && !t.is_segment
        };
        let mut over = Vec::new();
        for id in self.catalog.needing_attention() {
            let Some(tracked) = self.catalog.get(id) else { continue };
            let Some(row) = &tracked.row else { continue };
            let held = row.rest.is_some();
            if !(held || nameless(tracked)) {
                continue;
            }
            let slowest = self.shared.lowest_offset(row).unwrap_or(row.start);
            let upto = row.rest.map_or(slowest, |rest| rest.upto);
            match self.shared.has_unread(row) {
                Some(true) if nameless(tracked) && upto < row.mark.offset => {
                    self.work.rescuing.insert(id);
                }
                Some(true) if tracked.links == 0 || tracked.place().is_none() => {}
                Some(_) if held => over.push(id),
                _ => {}
            }
        }
        for id in over {
            self.drop_rest(id);
        }
    }

    /// Saves all unread bytes of deleted files before a stop or a change of the sources, including files deleted since
    /// the last check.
    pub fn rescue_all(&mut self) {
        for id in self.catalog.ids() {
            let Some(tracked) = self.catalog.get_mut(id).filter(|t| t.place().is_some()) else {
                continue;
            };
            if let Some(metadata) = tracked.named_file().and_then(|file| file.metadata().ok()) {
                tracked.links = metadata.nlink();
            }
            if tracked.links == 0 {
                // It may have been written to since the last check.
                self.check_file(id);
            }
        }
        self.update_rests();
        while self.rescue_next_piece() {
            // Copied bytes count only once their row is durable, and a second signal may end this at any step.
            self.persist_when_due();
        }
    }

    fn copy_step(&mut self, id: FileId) -> io::Result<Step> {
        let Some(tracked) = self.catalog.get(id) else { return Ok(Step::Whole) };
        let (Some(file), Some(row)) = (tracked.file(), &tracked.row) else {
            return Ok(Step::Whole);
        };
        let Some(slowest) = self.shared.lowest_offset(row) else { return Ok(Step::Whole) };
        let rest = row.rest.unwrap_or(Rest { from: slowest, upto: slowest });
        let (generation, end) = (row.id, row.mark.offset);
        if rest.upto >= end {
            return Ok(Step::Whole);
        }
        let Some(intake) = &self.shared.config.intake else { return Ok(Step::Whole) };
        private_directory::make_directory(&intake.directory)?;
        let to = end.min(rest.upto + STEP).min(rest.upto + self.room(intake)?);
        if to <= rest.upto {
            return Ok(Step::Full);
        }
        let begun = row.rest.is_some();
        let from = if begun { rest.upto } else { rest.from.saturating_sub(CONTEXT) };
        let path = intake.rest(generation);
        let copy =
            OpenOptions::new().write(true).create(true).truncate(!begun).mode(0o600).open(&path)?;
        copy_bytes(&file, &copy, from, to)?;
        copy.sync_data()?;
        if !begun {
            fs::File::open(&intake.directory)?.sync_all()?;
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return Ok(Step::Whole) };
        let Some(row) = &mut tracked.row else { return Ok(Step::Whole) };
        row.rest = Some(Rest { upto: to, ..rest });
        self.pending.change(id);
        Ok(if to < end { Step::More } else { Step::Whole })
    }

    /// The number of bytes that may still be saved, by the limit and by the free disk space.
    fn room(&self, intake: &Intake) -> io::Result<u64> {
        let ours = self.identified_files().filter_map(|tracked| tracked.row.as_ref()?.rest);
        let held: u64 = ours.map(|rest| rest.upto - rest.from).sum();
        let gone = self.shared.without_file();
        let of_others: u64 =
            gone.values().filter_map(|row| row.rest).map(|rest| rest.upto - rest.from).sum();
        let disk = rustix::fs::statvfs(&intake.directory)?;
        let free = (disk.f_bavail * disk.f_frsize)
            .saturating_sub(disk.f_blocks * disk.f_frsize / LEFT_FREE);
        Ok(intake.rescue.saturating_sub(held + of_others).min(free))
    }

    fn report_rest(&mut self, id: FileId, full: bool) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let Some(row) = &tracked.row else { return };
        let kept = row.rest.map_or(0, |rest| rest.upto - rest.from);
        let upto = row.rest.map(|rest| rest.upto).or_else(|| self.shared.lowest_offset(row));
        let beyond = row.mark.offset.saturating_sub(upto.unwrap_or(row.mark.offset));
        let (level, text) = match full {
            true => (Level::Warning, notices::rest_in_part(&row.path, kept, beyond)),
            false if kept > 0 => (Level::Info, notices::rest_kept(&row.path, kept)),
            false => return,
        };
        self.post_rest_notice(row.id, level, text);
    }

    fn report_rest_failure(&self, id: FileId, error: &io::Error) {
        let row = self.catalog.get(id).and_then(|tracked| tracked.row.as_ref());
        let Some(row) = row else { return };
        self.post_rest_notice(row.id, Level::Error, notices::rest_failed(&row.path, error));
    }

    fn post_rest_notice(&self, id: GenerationId, level: Level, text: String) {
        let time = self.shared.clock.now();
        if self.shared.board.post(Topic::Rest(id), level, time, text) {
            self.shared.notify_changes();
        }
    }

    /// Removes the saved bytes of a file because all consumers have read them, or the file has a name again. First
    /// makes the cursors durable; if that fails, the bytes stay.
    pub fn drop_rest(&mut self, id: FileId) {
        if !self.persist() {
            return;
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let Some(row) = &mut tracked.row else { return };
        row.rest = None;
        let generation = row.id;
        self.pending.change(id);
        self.remove_rest(generation);
        if self.catalog.get(id).is_some_and(|tracked| tracked.place().is_none()) {
            self.close_file(id);
        }
    }

    pub fn remove_rest(&self, id: GenerationId) {
        let Some(intake) = &self.shared.config.intake else { return };
        if self.shared.board.withdraw(&Topic::Rest(id)) {
            self.shared.notify_changes();
        }
        match fs::remove_file(intake.rest(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", intake.rest(id).display());
            }
            _ => {}
        }
    }

    /// Removes copies that a killed process started but did not record in a row.
    pub fn clear_rests(&self) {
        let ours = |intake: &&Intake| intake.rescue > 0;
        let Some(intake) = self.shared.config.intake.as_ref().filter(ours) else { return };
        let Ok(entries) = fs::read_dir(&intake.directory) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("rest-"));
            let id = number.and_then(|number| u64::from_str_radix(number, 16).ok());
            let Some(id) = id.map(GenerationId) else { continue };
            // A copy without a row belongs to a lost state and is kept: a person may need it.
            let row = self.shared.store.get().and_then(|store| store.generation(id));
            if row.is_some_and(|row| row.rest.is_none()) {
                self.remove_rest(id);
            }
        }
    }

    /// Generations whose file was deleted are read further from their saved bytes.
    pub fn take_up_rests(&mut self) {
        let gone = self.shared.without_file();
        let kept: Vec<GenerationRow> =
            gone.values().filter(|row| row.rest.is_some()).cloned().collect();
        drop(gone);
        for row in kept {
            let (id, path) = (row.id, row.path.clone());
            if self.catalog.by_generation(id).is_some() {
                continue;
            }
            let by_name = || self.sources.iter().position(|s| *s.name == *row.source);
            let Some(source) = self.source_of(&row).or_else(by_name) else {
                self.post_rest_notice(
                    id,
                    Level::Warning,
                    notices::rest_without_source(&path, &row.source),
                );
                continue;
            };
            if let Err(error) = self.resume_rest(source, row) {
                self.post_rest_notice(id, Level::Error, notices::rest_unreadable(&path, &error));
            }
        }
        self.persist();
    }

    fn resume_rest(&mut self, source: usize, mut row: GenerationRow) -> io::Result<()> {
        let (Some(intake), Some(rest)) = (&self.shared.config.intake, row.rest) else {
            return Ok(());
        };
        let file = match fs::File::open(intake.rest(row.id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It was removed after it was read, or by a person: bytes after the cursors are lost.
                row.rest = None;
                self.shared.set_without_file(row);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let now = self.shared.clock.now();
        row.ended.get_or_insert(now);
        let length = rest.upto - rest.from;
        self.post_rest_notice(row.id, Level::Info, notices::rest_kept(&row.path, length));
        let mut tracked = self.tracked_rest(source, &row, Arc::new(file.into()));
        tracked.stage = Stage::AwaitingCommit;
        tracked.push_mark(row.mark);
        let id = tracked.handle.id;
        self.shared.add_file(tracked.handle.clone());
        self.catalog.insert(tracked, None);
        self.catalog.set_row(id, row);
        self.pending.change_urgently(id);
        Ok(())
    }

    fn tracked_rest(&self, source: usize, row: &GenerationRow, file: Arc<File>) -> Tracked {
        let facts = FileFacts {
            path: Arc::from(&*row.path),
            size: row.mark.offset,
            generation: None,
            begin: 0,
            start: row.start,
            encoding: Some(row.encoding),
            formats: row.formats.clone(),
            cuts: row.cuts.clone(),
            days: row.days.clone(),
            state: FileState::Ended,
            stuck: None,
            check_error: None,
            lost: row.lost,
            last_growth: row.ended.unwrap_or(Timestamp(0)),
        };
        let id = self.shared.next_id();
        let handle = FileHandle::sharing(id, self.sources[source].clone(), file, facts, None);
        Tracked::new(Arc::new(handle), source, row.mark.offset, self.now())
    }

    /// If all bytes of a deleted file are saved, reads them from the copy from now on and closes its descriptor.
    pub fn read_from_rest(&mut self, id: FileId) {
        let whole = |tracked: &&Tracked| {
            let row = tracked.row.as_ref();
            row.is_some_and(|row| row.rest.is_some_and(|rest| rest.upto >= row.mark.offset))
        };
        if self.catalog.get(id).filter(whole).and_then(|t| t.place()).is_none() {
            return;
        }
        // If the copy cannot be opened, the descriptor is kept.
        let Some(rest) = self.open_rest(id) else { return };
        self.catalog.continue_in(id, Some(rest));
        self.shared.notify_changes();
    }

    /// The file with the saved bytes, if there are any.
    pub fn open_rest(&self, id: FileId) -> Option<Arc<File>> {
        let row = self.catalog.get(id)?.row.as_ref().filter(|row| row.rest.is_some())?;
        let intake = self.shared.config.intake.as_ref()?;
        fs::File::open(intake.rest(row.id)).ok().map(|file| Arc::new(file.into()))
    }
}

impl Intake {
    fn rest(&self, id: GenerationId) -> PathBuf {
        self.directory.join(format!("rest-{:016x}", id.0))
    }
}

/// Copies [from, to) to the same offsets. Fails if the file has become shorter: its bytes then belong to another
/// generation.
fn copy_bytes(file: &File, copy: &fs::File, from: u64, to: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut at = from;
    while at < to {
        let want = (to - at).min(BUFFER as u64) as usize;
        let read = read_full(file, &mut buffer[..want], at)?;
        if read < want {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        copy.write_all_at(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(())
}

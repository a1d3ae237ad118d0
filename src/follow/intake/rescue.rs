//! What is left unread of a file without a name is copied aside: a held descriptor does not survive a reboot.
//!
//! Copied to the offsets it had, one step per turn, durable before the row says so; a kill in between leaves what the
//! row says, and the bytes beyond that are counted as lost when a consumer reaches them. While this process runs it
//! reads on from the descriptor. "No name left" is what the descriptor itself says: where a directory cannot be
//! looked at, nothing is deleted.

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

/// Copied before anything else has its turn.
const STEP: u64 = 8 << 20;
const BUFFER: usize = 1 << 20;
/// Before the first unread byte: what the time of its record may come from, and the bytes of the mark.
const CONTEXT: u64 = 64 * 1024;
/// So much of a disk is left free: one in so many bytes.
const LEFT_FREE: u64 = 20;

/// What a step came to.
enum Step {
    More,
    /// All of it is there.
    Whole,
    /// No room within the cap, or on the disk.
    Full,
}

impl Follower {
    /// One step for the first that needs one; `true` where more is left to copy at once.
    pub fn rescue_next_piece(&mut self) -> bool {
        while let Some(id) = self.work.rescuing.first().copied() {
            match self.copy_step(id) {
                Ok(Step::More) => return true,
                // Kept is what the row says, and only when that is durable.
                Ok(step) if self.persist() => self.report_rest(id, matches!(step, Step::Full)),
                Ok(_) => {}
                Err(error) => self.report_rest_failure(id, &error),
            }
            self.work.rescuing.remove(&id);
        }
        false
    }

    /// Who has no name left while somebody is behind, and whose rest nobody needs any more.
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
            let slowest = self.shared.slowest(row).unwrap_or(row.start);
            let upto = row.rest.map_or(slowest, |rest| rest.upto);
            match self.shared.behind(row) {
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

    /// At the end: what lost its name a moment ago is not known to have lost it.
    pub fn rescue_all(&mut self) {
        for id in self.catalog.ids() {
            let Some(tracked) = self.catalog.get_mut(id).filter(|t| t.place().is_some()) else {
                continue;
            };
            if let Some(metadata) = tracked.named_file().and_then(|file| file.metadata().ok()) {
                tracked.links = metadata.nlink();
            }
            if tracked.links == 0 {
                // Its writer may have gone on since the last look.
                self.check_file(id);
            }
        }
        self.update_rests();
        while self.rescue_next_piece() {
            // What is copied counts once its row says so: a second signal may end this at any step.
            self.persist_when_due();
        }
    }

    fn copy_step(&mut self, id: FileId) -> io::Result<Step> {
        let Some(tracked) = self.catalog.get(id) else { return Ok(Step::Whole) };
        let (Some(file), Some(row)) = (tracked.file(), &tracked.row) else {
            return Ok(Step::Whole);
        };
        let Some(slowest) = self.shared.slowest(row) else { return Ok(Step::Whole) };
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

    /// What may still be copied: of the cap, and of the disk.
    fn room(&self, intake: &Intake) -> io::Result<u64> {
        let ours = self.identified_files().filter_map(|tracked| tracked.row.as_ref()?.rest);
        let held: u64 = ours.map(|rest| rest.upto - rest.from).sum();
        let gone = self.shared.gone();
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
        let upto = row.rest.map(|rest| rest.upto).or_else(|| self.shared.slowest(row));
        let beyond = row.mark.offset.saturating_sub(upto.unwrap_or(row.mark.offset));
        let (level, text) = match full {
            true => (Level::Warning, notices::rest_in_part(&row.path, kept, beyond)),
            false if kept > 0 => (Level::Info, notices::rest_kept(&row.path, kept)),
            false => return,
        };
        self.say_about_rest(row.id, level, text);
    }

    fn report_rest_failure(&self, id: FileId, error: &io::Error) {
        let row = self.catalog.get(id).and_then(|tracked| tracked.row.as_ref());
        let Some(row) = row else { return };
        self.say_about_rest(row.id, Level::Error, notices::rest_failed(&row.path, error));
    }

    fn say_about_rest(&self, id: GenerationId, level: Level, text: String) {
        let time = self.shared.clock.now();
        if self.shared.board.say(Topic::Rest(id), level, time, text) {
            self.shared.changed();
        }
    }

    /// Everybody is through, or it has a name again. First the cursors that say so, then the bytes.
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
        if self.shared.board.unsay(&Topic::Rest(id)) {
            self.shared.changed();
        }
        match fs::remove_file(intake.rest(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", intake.rest(id).display());
            }
            _ => {}
        }
    }

    /// Begun by a process that was killed before its row said so.
    pub fn clear_rests(&self) {
        let ours = |intake: &&Intake| intake.rescue > 0;
        let Some(intake) = self.shared.config.intake.as_ref().filter(ours) else { return };
        let Ok(entries) = fs::read_dir(&intake.directory) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("rest-"));
            let id = number.and_then(|number| u64::from_str_radix(number, 16).ok());
            let Some(id) = id.map(GenerationId) else { continue };
            // One that nobody knows belongs to a state that is lost: a person may want it.
            let row = self.shared.store.get().and_then(|store| store.generation(id));
            if row.is_some_and(|row| row.rest.is_none()) {
                self.remove_rest(id);
            }
        }
    }

    /// Generations of ours whose own file is gone go on in what was kept of them.
    pub fn take_up_rests(&mut self) {
        let gone = self.shared.gone();
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
                self.say_about_rest(
                    id,
                    Level::Warning,
                    notices::rest_of_nobody(&path, &row.source),
                );
                continue;
            };
            if let Err(error) = self.take_up(source, row) {
                self.say_about_rest(id, Level::Error, notices::rest_unreadable(&path, &error));
            }
        }
        self.persist();
    }

    fn take_up(&mut self, source: usize, mut row: GenerationRow) -> io::Result<()> {
        let (Some(intake), Some(rest)) = (&self.shared.config.intake, row.rest) else {
            return Ok(());
        };
        let file = match fs::File::open(intake.rest(row.id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Removed when it was read, or by somebody: what the cursors say is missing is lost.
                row.rest = None;
                self.shared.bury(row);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let now = self.shared.clock.now();
        row.ended.get_or_insert(now);
        let length = rest.upto - rest.from;
        self.say_about_rest(row.id, Level::Info, notices::rest_kept(&row.path, length));
        let mut tracked = self.track_rest(source, &row, Arc::new(file.into()));
        tracked.stage = Stage::AwaitingCommit;
        tracked.push_mark(row.mark);
        let id = tracked.handle.id;
        self.shared.add_file(tracked.handle.clone());
        self.catalog.insert(tracked, None);
        self.catalog.set_row(id, row);
        self.pending.change_urgently(id);
        Ok(())
    }

    fn track_rest(&self, source: usize, row: &GenerationRow, file: Arc<File>) -> Tracked {
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
            trouble: None,
            lost: row.lost,
            last_growth: row.ended.unwrap_or(Timestamp(0)),
        };
        let id = self.shared.next_id();
        let handle = FileHandle::sharing(id, self.sources[source].clone(), file, facts, None);
        Tracked::new(Arc::new(handle), source, row.mark.offset, self.now())
    }

    /// The descriptor of a deleted file is let go: nothing grows there any more, and all that is unread was kept.
    pub fn read_from_rest(&mut self, id: FileId) {
        let whole = |tracked: &&Tracked| {
            let row = tracked.row.as_ref();
            row.is_some_and(|row| row.rest.is_some_and(|rest| rest.upto >= row.mark.offset))
        };
        if self.catalog.get(id).filter(whole).and_then(|t| t.place()).is_none() {
            return;
        }
        // As long as it cannot be opened the descriptor is held.
        let Some(rest) = self.open_rest(id) else { return };
        self.catalog.continue_in(id, Some(rest));
        self.shared.changed();
    }

    /// What was kept of this file, if anything was.
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

/// [from, to), to the same place. Shorter where the file was: then it is another life, and not copied.
fn copy_bytes(file: &File, copy: &fs::File, from: u64, to: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut at = from;
    while at < to {
        let want = (to - at).min(BUFFER as u64) as usize;
        let read = read_full(file, &mut buffer[..want], at)?;
        if read < want {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter"));
        }
        copy.write_all_at(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(())
}

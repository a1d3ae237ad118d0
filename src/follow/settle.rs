//! Whose life is this file? The look-up order: held descriptor, same inode, suspect, new generation.
//!
//! In doubt a file is its own: its events come twice rather than never.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::follower::Follower;
use super::identity::{Head, bears, same_bytes};
use super::notices::{self, Topic};
use super::tracked::{Stage, Tracked};
use crate::event::status::FileState;
use crate::event::{FileId, GenerationId, Identity, Level, Mark};
use crate::state::GenerationRow;

/// A file that begins as another is its own when it has not grown for this long.
const SUSPECTED: Duration = Duration::from_secs(2);
/// Windows of two files that are compared to tell a copy from a neighbour.
const WINDOW: u64 = 8 * 1024;

enum Verdict {
    /// Too early to say.
    Wait,
    Suspect,
    Bind(GenerationRow),
    /// The rest of a generation whose own file is gone.
    CopyOfRow(GenerationRow),
    CopyOf(FileId),
    New(Identity),
    Binary(&'static str),
    /// A copy beside a file that lives on, and no path means it.
    Drop,
}

impl Follower {
    /// Matches what is there with what the state knows; with `once`, the ends are fixed here.
    pub fn first_pass(&mut self) {
        let Some(store) = self.shared.store.get().cloned() else { return };
        for row in store.generations() {
            self.rows.add(row.id, &row.identity);
            self.shared.gone().insert(row.id, row);
        }
        for (fresh, source) in self.fresh.iter_mut().zip(&self.sources) {
            *fresh = store.first_start(&source.name);
        }
        self.scan();
        for id in self.tracked.keys().copied().collect::<Vec<_>>() {
            self.look(id);
        }
        self.find_renamed_while_away();
        self.bind_known();
        self.first_pass = false;
        let undecided = self.undecided();
        self.settle(&undecided, self.shared.config.once);
        self.judge_rows_without_file();
        if self.shared.config.once {
            self.close_for_good();
        }
        self.persist();
        self.mark_settled();
    }

    /// Every inode that the state knows, before anything is taken for new.
    fn bind_known(&mut self) {
        for id in self.undecided() {
            let Some(tracked) = self.tracked.get(&id) else { continue };
            let Some(file) = tracked.file() else { continue };
            let Ok(head) = Head::read(&file) else { continue };
            if let Ok(Some(row)) = self.known_row(tracked, &head, &file) {
                self.bind(id, row);
            }
        }
    }

    fn undecided(&self) -> Vec<FileId> {
        self.tracked.iter().filter(|(_, t)| t.undecided()).map(|(id, _)| *id).collect()
    }

    /// All that are undecided, or those of which something new is known.
    pub fn settle_undecided(&mut self, all: bool) {
        let unjudged = std::mem::take(&mut self.unjudged);
        let ids = if all { self.undecided() } else { unjudged.into_iter().collect() };
        if self.settle(&ids, false) {
            self.persist();
        }
    }

    /// `last_call`: nothing more will come; what is there decides. `true` where something was decided.
    fn settle(&mut self, ids: &[FileId], last_call: bool) -> bool {
        let now = self.now();
        let mut settled = false;
        for id in ids {
            let Some(tracked) = self.tracked.get(id).filter(|t| t.undecided()) else { continue };
            let called = last_call || (tracked.links == 0 && tracked.quiet_for(now) >= SUSPECTED);
            match self.judge(tracked, called) {
                Ok(verdict) => self.carry_out(*id, verdict),
                Err(error) => self.unreadable(*id, &error),
            }
            settled |= self.tracked.get(id).is_some_and(|t| t.stage == Stage::Settled);
        }
        settled
    }

    fn unreadable(&mut self, id: FileId, error: &io::Error) {
        let Some(tracked) = self.tracked.get(&id) else { return };
        let path = tracked.handle.known().facts.path.clone();
        let text = notices::cannot_open(&path, error);
        let topic = Topic::Open(path.to_path_buf());
        self.shared.board.say(topic, Level::Error, self.shared.clock.now(), text);
    }

    fn judge(&self, tracked: &Tracked, last_call: bool) -> io::Result<Verdict> {
        let (Some(file), Some(place)) = (tracked.file(), tracked.place) else {
            return Ok(Verdict::Wait);
        };
        if tracked.size == 0 {
            return Ok(Verdict::Wait);
        }
        let head = Head::read(&file)?;
        if head.is_empty() {
            return Ok(Verdict::Wait);
        }
        if let Some(what) = head.binary() {
            return Ok(Verdict::Binary(what));
        }
        if let Some(row) = self.known_row(tracked, &head, &file)? {
            return Ok(Verdict::Bind(row));
        }
        let len = if last_call { Some(head.final_len()) } else { head.settled_len() };
        let Some(len) = len else { return Ok(Verdict::Wait) };
        let identity = head.identity(len, place.inode, tracked.birth, &self.shared.config.key);
        self.suspect(tracked, &file, identity, last_call)
    }

    /// The row of a generation without a file that this inode, head and mark are.
    fn known_row(
        &self,
        tracked: &Tracked,
        head: &Head,
        file: &File,
    ) -> io::Result<Option<GenerationRow>> {
        let Some(place) = tracked.place else { return Ok(None) };
        let key = &self.shared.config.key;
        for (id, identity) in self.rows.of_inode(place.inode, tracked.birth) {
            let Some(row) = self.shared.gone().get(&id).cloned() else { continue };
            if head.fits(&identity, key) && bears(file, &row.mark, key)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Does it begin as a generation of another inode did?
    fn suspect(
        &self,
        tracked: &Tracked,
        file: &File,
        identity: Identity,
        last_call: bool,
    ) -> io::Result<Verdict> {
        let key = &self.shared.config.key;
        let mut waits = false;
        for other in self.rows.of_head(&identity) {
            let row = self.shared.gone().get(&other).cloned();
            if let Some(row) = row {
                if bears(file, &row.mark, key)? {
                    return Ok(Verdict::CopyOfRow(row));
                }
                continue;
            }
            let Some(original) = self.by_generation(other) else { continue };
            if self.is_copy_of_the_dead(original, tracked, file)? {
                return Ok(Verdict::CopyOf(original.handle.id));
            }
            waits |= original.stage == Stage::Live && self.alike(original, tracked, file)?;
        }
        let quiet = tracked.quiet_for(self.now()) >= SUSPECTED;
        Ok(match waits {
            true if tracked.sibling => Verdict::Drop,
            true if !last_call && !quiet => Verdict::Suspect,
            _ => Verdict::New(identity),
        })
    }

    fn by_generation(&self, id: GenerationId) -> Option<&Tracked> {
        let handle = self.shared.life(id);
        match handle {
            Some(handle) => self.tracked.get(&handle.id),
            None => self.tracked.values().find(|t| t.row.as_ref().is_some_and(|r| r.id == id)),
        }
    }

    /// The original was truncated, or deleted and is quiet; this file bears its mark.
    fn is_copy_of_the_dead(
        &self,
        original: &Tracked,
        tracked: &Tracked,
        file: &File,
    ) -> io::Result<bool> {
        let dead = match original.stage {
            Stage::Bereft(_) => true,
            Stage::Live => original.links == 0 && original.quiet_for(self.now()) >= SUSPECTED / 2,
            _ => false,
        };
        if !dead || (original.links == 0 && tracked.size < original.size) {
            return Ok(false);
        }
        Ok(self.best_mark(original, file)?.is_some())
    }

    /// The last mark of `original` that `file` bears.
    pub fn best_mark(&self, original: &Tracked, file: &File) -> io::Result<Option<Mark>> {
        for mark in original.marks.iter().rev() {
            if bears(file, mark, &self.shared.config.key)? {
                return Ok(Some(*mark));
            }
        }
        Ok(None)
    }

    /// No byte differs so far, as far as both were looked at: the beginning and the end of what both have.
    fn alike(&self, original: &Tracked, tracked: &Tracked, file: &File) -> io::Result<bool> {
        let (Some(other), Some(row)) = (original.file(), &original.row) else { return Ok(false) };
        let both = original.size.min(tracked.size);
        let alike = same_bytes(&other, file, 0, both.min(WINDOW))?
            && same_bytes(&other, file, both.saturating_sub(WINDOW), both)?;
        // Truncated and regrown a moment ago: what was compared is another life of the original.
        let stands = bears(&other, &row.mark, &self.shared.config.key)?;
        if !stands {
            original.handle.raise_doubt();
            self.shared.bell.ring(|hints| {
                hints.files.extend([original.handle.id, tracked.handle.id]);
            });
        }
        Ok(alike || !stands)
    }

    fn carry_out(&mut self, id: FileId, verdict: Verdict) {
        match verdict {
            Verdict::Wait => {}
            Verdict::Suspect => self.set_stage(id, Stage::Suspect),
            Verdict::Bind(row) => self.bind(id, row),
            Verdict::CopyOfRow(row) => self.bind(id, row),
            Verdict::CopyOf(original) => self.adopt(original, id),
            Verdict::New(identity) => self.begin(id, identity),
            Verdict::Binary(what) => self.refuse(id, what),
            Verdict::Drop => self.drop_file(id),
        }
    }

    fn set_stage(&mut self, id: FileId, stage: Stage) {
        if let Some(tracked) = self.tracked.get_mut(&id) {
            tracked.stage = stage;
        }
    }

    fn refuse(&mut self, id: FileId, what: &str) {
        self.set_stage(id, Stage::Refused);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let path = tracked.handle.known().facts.path.clone();
        let reason = format!("{what}, not text: not read");
        tracked.handle.update(|known| known.facts.state = FileState::Unreadable { reason });
        let text = notices::binary(&path, what);
        let topic = Topic::Binary(path.to_path_buf());
        self.shared.board.say(topic, Level::Warning, self.shared.clock.now(), text);
        self.shared.changed();
    }
}

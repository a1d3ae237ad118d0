//! Whose life is this file? The look-up order: held descriptor, same inode, suspect, new generation.
//!
//! In doubt a file is its own: its events come twice rather than never.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ends::FORGOTTEN;
use super::follower::Follower;
use super::identity::{Head, bears, same_bytes};
use super::notices::{self, Topic};
use super::tracked::{Stage, Tracked};
use crate::event::status::FileState;
use crate::event::{FileId, Identity, Level, Mark};
use crate::state::GenerationRow;

/// A file that begins as another is its own when it has not grown for this long.
pub(in crate::follow) const SUSPECTED: Duration = Duration::from_secs(2);
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
    Unpack,
    Binary(&'static str),
    /// A copy beside a file that lives on, and no path means it.
    Drop,
}

impl Follower {
    /// Matches what is there with what the state knows; with `once`, the ends are fixed here.
    pub fn first_pass(&mut self) {
        let Some(store) = self.shared.store.get().cloned() else { return };
        let mut rows = store.generations();
        rows.sort_by_key(|row| (row.first_seen, row.identity.ordinal));
        for row in rows {
            self.rows.add(row.id, &row.identity);
            self.shared.gone().insert(row.id, row);
        }
        for (fresh, source) in self.fresh.iter_mut().zip(&self.sources) {
            *fresh = store.first_start(&source.name);
        }
        self.first_look();
        self.first_pass = false;
        self.take_up_rests();
        self.conclude();
    }

    pub fn look_at_all(&mut self) {
        self.scan();
        for id in self.tracked.keys().copied().collect::<Vec<_>>() {
            self.look(id);
        }
    }

    /// With `once`: the ends were left open for standard input, and it has ended.
    pub fn input_has_ended(&self) -> bool {
        let open = !self.settling && !self.shared.settled.load(Ordering::Acquire);
        // What waits to be durable does not grow: its end would be that of an earlier look.
        !self.first_pass && open && self.urgent.is_empty() && self.shared.once()
    }

    /// Everything that is there is settled; where nothing more will come, the ends are fixed.
    pub fn conclude(&mut self) {
        self.unpack_all_once();
        let once = self.shared.once();
        let undecided = self.undecided();
        self.settle(&undecided, once);
        self.see_what_is_unpacked();
        self.judge_rows_without_file();
        if once {
            self.close_for_good();
        }
        self.settling = once || !self.shared.config.once;
        self.persist();
    }

    /// What is there, and which of it the state knows.
    pub fn first_look(&mut self) {
        self.look_at_all();
        self.find_renamed_while_away();
        self.unpack_all_once();
        self.bind_known();
    }

    /// Nothing more will be written to this one: what is there decides.
    pub fn last_call(&mut self, id: FileId) {
        if self.settle(&[id], true) {
            self.persist();
        }
    }

    /// Every inode that the state knows, before anything is taken for new.
    fn bind_known(&mut self) {
        for id in self.undecided() {
            let tracked = self.tracked.get(&id).filter(|tracked| tracked.is_whole());
            let Some(tracked) = tracked else { continue };
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
        self.look_at_what_may_have_been_compressed();
        let unjudged = std::mem::take(&mut self.unjudged);
        let mut ids = if all { self.undecided() } else { unjudged.into_iter().collect() };
        // What a file was compressed from is judged before it.
        ids.sort_by_key(|id| self.tracked.get(id).is_some_and(|tracked| tracked.packed.is_some()));
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
            if !self.is_unpacked(*id, called) {
                continue;
            }
            let Some(tracked) = self.tracked.get(id) else { continue };
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
        if tracked.packed.is_none() && head.compression().is_some() {
            return Ok(Verdict::Unpack);
        }
        if let Some(what) = head.binary() {
            return Ok(Verdict::Binary(what));
        }
        if let Some(row) = self.known_row(tracked, &head, &file)? {
            return Ok(Verdict::Bind(row));
        }
        let over = last_call || tracked.packed.is_some();
        let len = if over { Some(head.final_len()) } else { head.settled_len() };
        let Some(len) = len else { return Ok(Verdict::Wait) };
        let identity = head.identity(len, place.inode, tracked.birth, &self.shared.config.key);
        if tracked.segment {
            // Whatever came in before: the same input twice is twice the same.
            return Ok(Verdict::New(identity));
        }
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
        let lives = self.rows.of_inode(place.inode, tracked.birth);
        for (index, (id, identity)) in lives.iter().enumerate() {
            let Some(row) = self.shared.gone().get(id).cloned() else { continue };
            // One that ended and was followed by another life was truncated: it does not come back.
            if row.ended.is_some() && index > 0 {
                continue;
            }
            if head.fits(identity, key) && bears(file, &row.mark, key)? {
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
        let (mut may_be_copy, mut is_waiting) = (false, false);
        for other in self.rows.of_head(&identity) {
            let row = self.shared.gone().get(&other).cloned();
            if let Some(row) = row {
                if self.is_segment(&row.path) {
                    continue;
                }
                if self.is_rest_of(&row, tracked, file)? {
                    return Ok(Verdict::CopyOfRow(row));
                }
                continue;
            }
            let original = self.by_generation.get(&other).and_then(|id| self.tracked.get(id));
            let Some(original) = original.filter(|original| !original.segment) else { continue };
            match original.stage {
                Stage::Bereft(_) if self.is_copy(original, tracked, file)? => {
                    return Ok(Verdict::CopyOf(original.handle.id));
                }
                Stage::Live if original.links == 0 => {
                    let is_copy = self.is_copy(original, tracked, file)?;
                    // Moved to another file system. Its writer may still hold the old one.
                    let over = original.quiet_for(self.now()) >= FORGOTTEN
                        && tracked.size >= original.size;
                    if is_copy && (over || last_call || tracked.size > original.size) {
                        return Ok(Verdict::CopyOf(original.handle.id));
                    }
                    is_waiting |= is_copy;
                }
                // What it was compressed from: the compressed one was found first.
                Stage::Ended
                    if original.packed.is_some()
                        && tracked.size <= original.size
                        && self.alike(original, tracked, file)? =>
                {
                    if tracked.links == 0 {
                        return Ok(Verdict::Drop);
                    }
                    may_be_copy = true;
                }
                // Read from another copy, which was compressed, or from what was kept of it.
                Stage::Ended if tracked.packed.is_some() || original.place.is_none() => {
                    let is_copy = self.is_copy(original, tracked, file)?;
                    if is_copy && (original.links == 0 || original.place.is_none()) {
                        return Ok(Verdict::CopyOf(original.handle.id));
                    }
                    may_be_copy |= is_copy;
                }
                Stage::Live | Stage::Settled => {
                    may_be_copy |= self.alike(original, tracked, file)?;
                }
                _ => {}
            }
        }
        let quiet = tracked.quiet_for(self.now()) >= SUSPECTED;
        Ok(match may_be_copy {
            _ if is_waiting => Verdict::Suspect,
            true if tracked.sibling => Verdict::Drop,
            true if !last_call && !quiet => Verdict::Suspect,
            _ if tracked.sibling && !self.is_of_our_time(tracked) => Verdict::Drop,
            _ => Verdict::New(identity),
        })
    }

    /// The file goes on where a generation without a file ended.
    fn is_rest_of(&self, row: &GenerationRow, tracked: &Tracked, file: &File) -> io::Result<bool> {
        let path = &tracked.handle.known().facts.path.clone();
        Ok(bears(file, &row.mark, &self.shared.config.key)?
            && (related(&row.path, path) || self.tells_apart(row, &row.mark)?))
    }

    /// The file holds what the original held when it was last seen, or all but its last bytes.
    pub fn is_copy(&self, original: &Tracked, tracked: &Tracked, file: &File) -> io::Result<bool> {
        let Some(row) = &original.row else { return Ok(false) };
        let Some(mark) = self.shared_mark(original, file)? else { return Ok(false) };
        let (one, other) = (original.handle.facts().path, tracked.handle.facts().path);
        Ok(related(&one, &other) || self.tells_apart(row, &mark)?)
    }

    /// The last mark of `original` within `file`, if the file bears it.
    pub fn shared_mark(&self, original: &Tracked, file: &File) -> io::Result<Option<Mark>> {
        let size = file.metadata()?.len();
        let within = original.marks.iter().rev().find(|mark| mark.offset <= size);
        match within {
            Some(mark) if bears(file, mark, &self.shared.config.key)? => Ok(Some(*mark)),
            _ => Ok(None),
        }
    }

    /// No other file that begins alike bears this mark: it lies behind what they have in common.
    fn tells_apart(&self, row: &GenerationRow, mark: &Mark) -> io::Result<bool> {
        for other in self.rows.of_head(&row.identity) {
            let other = self.by_generation.get(&other).and_then(|id| self.tracked.get(id));
            let Some(file) = other.and_then(Tracked::file) else { continue };
            if bears(&file, mark, &self.shared.config.key)? {
                return Ok(false);
            }
        }
        Ok(true)
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
            Verdict::Unpack => self.unpack_if_compressed(id),
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

/// One name is the other with something behind it, as rotation makes them.
fn related(one: &Path, other: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let name = |path: &Path| path.file_name().map(|name| name.as_bytes().to_vec());
    match (name(one), name(other)) {
        (Some(one), Some(other)) => one.starts_with(&other) || other.starts_with(&one),
        _ => false,
    }
}

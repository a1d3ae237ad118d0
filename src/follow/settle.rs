//! Whose life is this file? The look-up order: held descriptor, same inode, suspect, new generation.
//!
//! In doubt a file is its own: its events come twice rather than never.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Start;
use super::follower::Follower;
use super::identity::{Head, bears, mark_at, same_bytes};
use super::notices::{self, Topic};
use super::tracked::{Stage, Tracked};
use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{DayMark, FileId, FormatEntry, GenerationId, Identity, Level, Mark};
use crate::format::{self, Joins};
use crate::state::GenerationRow;

/// A file that begins as another is its own when it has not grown for this long.
const SUSPECTED: Duration = Duration::from_secs(2);
/// Bytes a vote looks at, and lines.
pub(in crate::follow) const SAMPLE: u64 = 64 * 1024;
pub(in crate::follow) const SAMPLE_LINES: usize = 100;
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
        self.settle_undecided(self.shared.config.once);
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

    /// `last_call`: nothing more will come; what is there decides.
    pub fn settle_undecided(&mut self, last_call: bool) {
        let now = self.now();
        for id in self.undecided() {
            let Some(tracked) = self.tracked.get(&id) else { continue };
            let called = last_call || (tracked.links == 0 && tracked.quiet_for(now) >= SUSPECTED);
            match self.judge(tracked, called) {
                Ok(verdict) => self.carry_out(id, verdict),
                Err(error) => self.unreadable(id, &error),
            }
        }
        if self.tracked.values().any(|tracked| tracked.stage == Stage::Settled) {
            self.persist();
        }
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
        let Some(other) = original.file() else { return Ok(false) };
        let both = original.size.min(tracked.size);
        Ok(same_bytes(&other, file, 0, both.min(WINDOW))?
            && same_bytes(&other, file, both.saturating_sub(WINDOW), both)?)
    }

    fn carry_out(&mut self, id: FileId, verdict: Verdict) {
        match verdict {
            Verdict::Wait => {}
            Verdict::Suspect => self.set_stage(id, Stage::Suspect),
            Verdict::Bind(row) => self.bind(id, row),
            Verdict::CopyOfRow(row) => self.bind_copy(id, row),
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

    pub fn drop_file(&mut self, id: FileId) {
        if let Some(tracked) = self.tracked.remove(&id) {
            if let Some(place) = tracked.place
                && self.places.get(&place) == Some(&id)
            {
                self.places.remove(&place);
            }
            self.shared.remove_file(id);
            self.shared.changed();
        }
    }

    /// The generation goes on where it was left.
    fn bind(&mut self, id: FileId, mut row: GenerationRow) {
        let (now, key) = (self.shared.clock.now(), self.shared.config.key);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(file) = tracked.file() else { return };
        row.ended = None;
        row.path = tracked.handle.known().facts.path.to_path_buf();
        row.device = tracked.place.map_or(row.device, |place| place.device);
        tracked.floor = tracked.size.max(row.mark.offset);
        tracked.vote_open = tracked.handle.source.format.is_none()
            && row.formats.len() == 1
            && !enough(&file, row.mark.offset);
        tracked.push_mark(row.mark);
        if tracked.size > row.mark.offset
            && let Ok(Some(mark)) = mark_at(&file, tracked.size, &key)
        {
            note_day(&mut row, now.day());
            row.mark = mark;
            tracked.push_mark(mark);
        }
        self.shared.forget(row.id);
        settle_with(tracked, row);
    }

    /// A copy without its original: bytes and offsets are the same, the descriptor is another.
    fn bind_copy(&mut self, id: FileId, row: GenerationRow) {
        self.bind(id, row);
    }

    /// A generation that nobody has seen before.
    fn begin(&mut self, id: FileId, identity: Identity) {
        let key = self.shared.config.key;
        let fresh = self.tracked.get(&id).is_some_and(|t| t.early && self.fresh[t.source]);
        let (generation, identity) = self.rows.next_life(identity, &key);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(file) = tracked.file() else { return };
        let Ok(Some(mark)) = mark_at(&file, tracked.size, &key) else { return };
        let at_end = tracked.handle.source.start == Start::End && fresh;
        let start =
            if at_end { last_line_end(&file, 0, tracked.size).unwrap_or(tracked.size) } else { 0 };
        let sample = read_sample(&file, tracked.size);
        tracked.vote_open = tracked.handle.source.format.is_none() && !sample_is_enough(&sample);
        let modified = tracked.modified.map_or(tracked.opened, Timestamp::from);
        let row = GenerationRow {
            id: generation,
            source: tracked.handle.source.name.to_string(),
            path: tracked.handle.known().facts.path.to_path_buf(),
            device: tracked.place.map_or(0, |place| place.device),
            start,
            mark,
            formats: vec![vote(tracked.handle.source.format.as_deref(), &sample)],
            days: vec![DayMark { offset: 0, day: modified.day() }],
            cuts: Vec::new(),
            first_seen: tracked.opened,
            ended: None,
            lost: 0,
            identity,
        };
        tracked.push_mark(mark);
        self.rows.add(generation, &row.identity);
        settle_with(tracked, row);
    }

    /// `--once`: what is there is all; the last record ends at the end.
    fn close_for_good(&mut self) {
        for tracked in self.tracked.values_mut() {
            let Some(file) = tracked.file() else { continue };
            let Some(row) = &mut tracked.row else { continue };
            let end = row.mark.offset;
            let whole_lines = ends_with_line_end(&file, end);
            let joins = super::single::in_force(&row.formats, end, tracked.handle.source.multiline);
            let closed = whole_lines && joins.joins() == Joins::Never;
            if end > row.start && !closed && row.cuts.last() != Some(&end) {
                row.cuts.push(end);
                tracked.dirty = true;
                tracked.urgent = true;
            }
            tracked.handle.update(|known| known.complete = true);
        }
    }
}

fn settle_with(tracked: &mut Tracked, row: GenerationRow) {
    tracked.row = Some(row);
    tracked.stage = Stage::Settled;
    tracked.dirty = true;
    tracked.urgent = true;
}

/// Bytes from the mark on were first seen today. `true` where the row did not say so yet.
pub(in crate::follow) fn note_day(row: &mut GenerationRow, today: i32) -> bool {
    // A clock that stepped back makes no mark.
    let later = row.days.last().is_none_or(|mark| mark.day < today);
    if later {
        row.days.push(DayMark { offset: row.mark.offset, day: today });
    }
    later
}

pub(in crate::follow) fn read_sample(file: &File, size: u64) -> Vec<u8> {
    let mut sample = vec![0; size.min(SAMPLE) as usize];
    let read = super::file::read_full(file, &mut sample, 0).unwrap_or(0);
    sample.truncate(read);
    sample
}

pub(in crate::follow) fn sample_is_enough(sample: &[u8]) -> bool {
    sample.len() as u64 >= SAMPLE
        || memchr::memchr_iter(b'\n', sample).nth(SAMPLE_LINES - 1).is_some()
}

fn enough(file: &File, upto: u64) -> bool {
    sample_is_enough(&read_sample(file, upto))
}

fn vote(forced: Option<&str>, sample: &[u8]) -> FormatEntry {
    match forced {
        Some(name) => FormatEntry { offset: 0, format: name.into(), parameters: Vec::new() },
        None => {
            let vote = format::list::detect(sample);
            let format = vote.format.name().into();
            FormatEntry { offset: 0, format, parameters: vote.parameters }
        }
    }
}

fn ends_with_line_end(file: &File, end: u64) -> bool {
    let mut last = [0u8];
    end == 0
        || (super::file::read_full(file, &mut last, end - 1).is_ok_and(|read| read == 1)
            && last[0] == b'\n')
}

/// Behind the last line end in [from, to), looked for in the last MiB.
pub(in crate::follow) fn last_line_end(file: &File, from: u64, to: u64) -> Option<u64> {
    let lowest = from.max(to.saturating_sub(1024 * 1024));
    let mut end = to;
    while end > lowest {
        let begin = lowest.max(end.saturating_sub(64 * 1024));
        let mut bytes = vec![0; (end - begin) as usize];
        if super::file::read_full(file, &mut bytes, begin).ok()? < bytes.len() {
            return None;
        }
        if let Some(at) = memchr::memrchr(b'\n', &bytes) {
            return Some(begin + at as u64 + 1);
        }
        end = begin;
    }
    None
}

/// Where a file lies now says what it is called: also when it was renamed out of every pattern.
pub(in crate::follow) fn name_of(file: &Arc<File>) -> Option<std::path::PathBuf> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(link).ok().filter(|path| path.exists())
}

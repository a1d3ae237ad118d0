//! Renamed, truncated, copied, deleted: what becomes of a generation when its file does.
//!
//! Bytes that were seen and can be found are read; what cannot is counted, never passed over.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::discover::{self, Found, folder_of};
use super::follower::Follower;
use super::identity::{self, Place, mark_at};
use super::notices::{self, Topic};
use super::settle::name_of;
use super::tracked::{Stage, Tracked};
use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::state::GenerationRow;

/// A copy of a truncated file may appear this much later.
const GRACE: Duration = Duration::from_secs(2);
/// A file without a name is given up when it has not grown for this long.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// Rows of generations that are gone and read are kept this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Birth times are taken from a coarser clock than ours.
const COARSE: Duration = Duration::from_millis(20);
const EXPIRY: Duration = Duration::from_secs(60);

impl Follower {
    // ---- truncation

    /// The generation ends at its mark; the file begins another life.
    pub fn truncated(&mut self, id: FileId) {
        let (now, time) = (self.now(), self.shared.clock.now());
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(file) = tracked.file() else { return };
        tracked.handle.replace_file(None);
        tracked.handle.update(|known| known.facts.state = FileState::Ended);
        tracked.stage = Stage::Bereft(if self.shared.config.once { now } else { now + GRACE });
        if let Some(row) = &mut tracked.row {
            row.ended = Some(time);
            tracked.dirty = true;
        }
        let place = tracked.place.take();
        let (source, sibling) = (tracked.source, tracked.sibling);
        let path = tracked.handle.known().facts.path.clone();
        if let Some(place) = place {
            self.places.remove(&place);
        }
        // The descriptor is open: nothing that can fail but the look at it, and then a scan finds it.
        if self.track(file, source, &path, sibling).is_err() {
            self.next_scan = now;
        }
        self.search_copy(id);
        self.shared.changed();
    }

    /// Among the files that nobody reads yet, and beside the truncated one.
    fn search_copy(&mut self, id: FileId) {
        let Some(original) = self.tracked.get(&id) else { return };
        let path = original.handle.known().facts.path.to_path_buf();
        let source = original.source;
        for sibling in discover::siblings(&path).unwrap_or_default() {
            let Ok(metadata) = fs::metadata(&sibling) else { continue };
            let found = Found { source, path: sibling, place: Place::of(&metadata) };
            let known = self.places.contains_key(&found.place);
            let Some(candidate) = self.find_or_open(&found, true) else { continue };
            let fits = self.fits(id, candidate);
            if !fits && !known {
                self.drop_file(candidate);
            }
        }
        let best = self
            .tracked
            .keys()
            .copied()
            .filter(|other| *other != id && self.fits(id, *other))
            .max_by_key(|other| self.tracked.get(other).map(|t| (t.size, t.birth)));
        if let Some(copy) = best {
            self.adopt(id, copy);
        }
    }

    /// `candidate` is undecided, begins as the original and bears one of its marks.
    fn fits(&self, original: FileId, candidate: FileId) -> bool {
        let (Some(original), Some(candidate)) =
            (self.tracked.get(&original), self.tracked.get(&candidate))
        else {
            return false;
        };
        let (Some(row), Some(file)) = (&original.row, candidate.file()) else { return false };
        let other_inode = candidate.place.is_some_and(|p| p.inode != row.identity.inode);
        if !candidate.undecided() || !other_inode {
            return false;
        }
        let head = identity::Head::read(&file);
        head.is_ok_and(|head| head.fits(&row.identity, &self.shared.config.key))
            && matches!(self.best_mark(original, &file), Ok(Some(_)))
    }

    /// The generation is read on from this copy, under the same offsets.
    pub fn adopt(&mut self, id: FileId, copy: FileId) {
        let key = self.shared.config.key;
        let Some(copied) = self.tracked.get(&copy) else { return };
        let (file, place, size) = (copied.file(), copied.place, copied.size);
        let path = copied.handle.known().facts.path.clone();
        let Some(file) = file else { return };
        let best = self.tracked.get(&id).and_then(|t| self.best_mark(t, &file).ok().flatten());
        let Some(best) = best else { return };
        self.drop_file(copy);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(row) = &mut tracked.row else { return };
        let whole = best.offset == row.mark.offset;
        if whole && let Ok(Some(mark)) = mark_at(&file, size, &key) {
            row.mark = mark;
            tracked.marks.push_back(mark);
        }
        row.path = path.to_path_buf();
        row.ended = row.ended.or(Some(self.shared.clock.now()));
        let end = row.mark.offset;
        // Held until the copy is in its place: readers see either, never neither.
        let _front = tracked.handle.front();
        tracked.handle.replace_file(Some(file));
        let available = if whole { end } else { size.min(end) };
        let mark = row.mark;
        tracked.handle.update(|known| {
            known.facts.size = end;
            known.facts.path = path;
            known.facts.state = FileState::Ended;
            known.mark = mark;
            known.available = available;
            known.complete = true;
        });
        drop(_front);
        if let Some(old) = tracked.place.take() {
            self.places.remove(&old);
        }
        tracked.place = place;
        tracked.size = size;
        tracked.grown = self.shared.clock.uptime();
        tracked.links = 1;
        tracked.stage = Stage::Ended;
        tracked.dirty = true;
        if let Some(place) = place {
            self.places.insert(place, id);
        }
        self.shared.changed();
    }

    // ---- losses and ends

    /// Looks after generations whose file is lost: copies that may still come, names that are gone.
    pub fn mourn(&mut self) {
        let now = self.now();
        let bereft: Vec<(FileId, bool)> = self
            .tracked
            .iter()
            .filter_map(|(id, tracked)| match tracked.stage {
                Stage::Bereft(until) => Some((*id, now >= until)),
                _ => None,
            })
            .collect();
        for (id, over) in bereft {
            self.search_copy(id);
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            if over && tracked.stage != Stage::Ended {
                tracked.stage = Stage::Ended;
                tracked.handle.update(|known| known.complete = true);
                self.shared.remove_file(id);
                self.shared.changed();
            }
        }
        self.give_up_nameless(now);
    }

    /// No name left, quiet for long: what is there is all; gone once everybody is through.
    fn give_up_nameless(&mut self, now: Duration) {
        let time = self.shared.clock.now();
        let quiet = |tracked: &Tracked| {
            let nameless = tracked.links == 0 || tracked.place.is_none();
            let settled = matches!(tracked.stage, Stage::Live | Stage::Ended);
            nameless && settled && tracked.quiet_for(now) >= FORGOTTEN
        };
        let ids: Vec<FileId> =
            self.tracked.iter().filter(|(_, t)| quiet(t)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            if tracked.stage == Stage::Live {
                tracked.stage = Stage::Ended;
                tracked.handle.update(|known| {
                    known.complete = true;
                    known.facts.state = FileState::Ended;
                });
                self.shared.changed();
            }
            let Some(row) = tracked.row.clone() else { continue };
            if self.everybody_is_through(&row) {
                self.drop_file(id);
                self.bury(GenerationRow { ended: row.ended.or(Some(time)), ..row });
            }
        }
    }

    fn bury(&mut self, row: GenerationRow) {
        if let Some(store) = self.shared.store.get() {
            store.put_generation(row.clone());
        }
        self.shared.bury(row);
        self.shared.changed();
    }

    fn everybody_is_through(&self, row: &GenerationRow) -> bool {
        self.shared.behind(row).is_none_or(|behind| !behind)
    }

    /// Losses that readers met are put into the rows, and said.
    pub fn count_losses(&mut self) {
        let time = self.shared.clock.now();
        for tracked in self.tracked.values_mut() {
            let lost = tracked.handle.known().facts.lost;
            let Some(row) = tracked.row.as_mut().filter(|row| lost > row.lost) else { continue };
            row.lost = lost;
            tracked.dirty = true;
            let text = notices::truncated(&row.path, lost);
            self.shared.board.say(Topic::Truncated(row.path.clone()), Level::Error, time, text);
        }
    }

    /// Rows of our sources that no file was found for, though every place could be looked at.
    pub fn judge_rows_without_file(&mut self) {
        if self.first_pass || !self.whole {
            return;
        }
        let time = self.shared.clock.now();
        let mut gone = self.shared.gone();
        let ours = |row: &GenerationRow| self.sources.iter().any(|s| *s.name == *row.source);
        for row in gone.values_mut().filter(|row| row.ended.is_none()) {
            if ours(row) && could_look(row) {
                row.ended = Some(time);
                if let Some(store) = self.shared.store.get() {
                    store.put_generation(row.clone());
                }
            }
        }
    }

    /// Rows of generations that are gone, that everybody has read, and that nobody missed for long.
    pub fn expire(&mut self) {
        let now = self.now();
        if now < self.next_expiry {
            return;
        }
        self.next_expiry = now + EXPIRY;
        let time = self.shared.clock.now();
        let old = |row: &GenerationRow| row.ended.is_some_and(|ended| time.since(ended) >= KEPT);
        let rows: Vec<GenerationRow> =
            self.shared.gone().values().filter(|row| old(row)).cloned().collect();
        let Some(store) = self.shared.store.get().cloned() else { return };
        for row in rows {
            if self.everybody_is_through(&row) {
                store.remove_generation(row.id);
                self.rows.remove(row.id);
                self.shared.forget(row.id);
            }
        }
    }

    // ---- renames

    /// Not under any path any more: renamed away, or deleted. What is open is followed on.
    pub fn look_after_the_absent(&mut self, present: &HashSet<FileId>) {
        let absent: Vec<FileId> = self
            .tracked
            .iter()
            .filter(|(id, tracked)| !present.contains(id) && tracked.place.is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in absent {
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            let Some(file) = tracked.file() else { continue };
            if let Ok(metadata) = file.metadata() {
                tracked.links = metadata.nlink();
            }
            if tracked.links == 0 {
                tracked.handle.update(|known| known.facts.state = FileState::Ended);
                if tracked.row.is_none() && tracked.size == 0 {
                    self.drop_file(id);
                }
            } else if let Some(path) = name_of(&file) {
                self.relabel(id, &path);
            }
        }
    }

    /// Another file stands at a known path: there may have been more between the two.
    pub fn note_place(&mut self, id: FileId, found: &Found) {
        let Some(tracked) = self.tracked.get(&id) else { return };
        let Some(place) = tracked.place else { return };
        let until = Timestamp(tracked.birth);
        let now = (place, self.shared.clock.now());
        match self.last_at.get(&found.path) {
            Some((before, _)) if *before == place => {}
            before => {
                let since = before.map(|(_, since)| *since);
                self.last_at.insert(found.path.clone(), now);
                if let Some(since) = since {
                    self.find_between(found, since.minus(COARSE), until);
                }
            }
        }
    }

    /// Files beside `found` that were born after its predecessor was seen, and before itself.
    fn find_between(&mut self, found: &Found, since: Timestamp, until: Timestamp) {
        // While they are listed they may be renamed once more.
        for _ in 0..5 {
            let mut news = false;
            for path in discover::siblings(&found.path).unwrap_or_default() {
                let Ok(metadata) = fs::metadata(&path) else { continue };
                let place = Place::of(&metadata);
                let birth = Timestamp(identity::birth(&metadata));
                let between = birth >= since && birth <= until && birth.0 > 0;
                if between && !self.places.contains_key(&place) {
                    let between = Found { source: found.source, path, place };
                    news |= self.find_or_open(&between, true).is_some();
                }
            }
            if !news {
                return;
            }
        }
    }

    /// Files of known generations that were renamed while nobody looked, and those that came between.
    pub fn find_renamed_while_away(&mut self) {
        let rows: Vec<GenerationRow> = self.shared.gone().values().cloned().collect();
        let ours: HashMap<&str, usize> =
            self.sources.iter().enumerate().map(|(i, s)| (&*s.name, i)).collect();
        let ours: Vec<(usize, GenerationRow)> = rows
            .into_iter()
            .filter_map(|row| Some((*ours.get(row.source.as_str())?, row)))
            .collect();
        self.find_inodes(&ours);
        let paths: Vec<(usize, PathBuf)> = self
            .sources
            .iter()
            .enumerate()
            .flat_map(|(index, s)| s.paths.iter().map(move |path| (index, path.clone())))
            .filter(|(_, path)| !path.is_dir())
            .collect();
        for (source, path) in paths {
            let seen = ours.iter().filter(|(_, row)| was_at(row, &path)).map(|(_, r)| r.first_seen);
            let Some(since) = seen.max() else { continue };
            let place = Place { device: 0, inode: 0 };
            let found = Found { source, path, place };
            self.find_between(&found, since.minus(COARSE), Timestamp::MAX);
        }
    }

    /// Looks for the inodes of rows in the folders where their files were.
    fn find_inodes(&mut self, rows: &[(usize, GenerationRow)]) {
        let inodes: HashMap<u64, &(usize, GenerationRow)> = rows
            .iter()
            .filter(|(_, row)| row.ended.is_none())
            .map(|row| (row.1.identity.inode, row))
            .collect();
        let folders: BTreeSet<&Path> = inodes.values().map(|row| folder_of(&row.1.path)).collect();
        for folder in folders {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let Some((source, row)) = inodes.get(&entry.ino()) else { continue };
                let Ok(metadata) = entry.metadata() else { continue };
                let place = Place::of(&metadata);
                let same = identity::birth(&metadata) == row.identity.birth;
                if same && metadata.is_file() && !self.places.contains_key(&place) {
                    let found = Found { source: *source, path: entry.path(), place };
                    self.find_or_open(&found, true);
                }
            }
        }
    }
}

/// The row's file was this path, or a rotated name of it.
fn was_at(row: &GenerationRow, path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let name = |path: &Path| path.file_name().map(|n| n.as_bytes().to_vec()).unwrap_or_default();
    folder_of(&row.path) == folder_of(path) && name(&row.path).starts_with(&name(path))
}

/// Its folder is there, on the device it was on: that the file is not, means that it is gone.
fn could_look(row: &GenerationRow) -> bool {
    fs::metadata(folder_of(&row.path)).is_ok_and(|folder| folder.dev() == row.device)
}

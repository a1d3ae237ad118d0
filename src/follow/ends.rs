//! When a generation is over: no bytes, no name, nobody behind, and at last no row.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::discover::folder_of;
use super::follower::Follower;
use super::notices::{self, Topic};
use super::tracked::{Stage, Tracked};
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::state::{Absence, GenerationRow};

/// A file without a name is given up when it has not grown for this long.
pub(in crate::follow) const FORGOTTEN: Duration = Duration::from_secs(300);
/// Rows of generations that are gone and read are kept this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// So often it is counted how long they are gone.
const EXPIRY: Duration = Duration::from_secs(3600);

impl Follower {
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
            let unpacking = self.is_unpacking();
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            if over && !unpacking && tracked.stage != Stage::Ended {
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
        let quiet = |tracked: &Tracked| {
            let nameless = tracked.links == 0 || tracked.place.is_none();
            let settled = matches!(tracked.stage, Stage::Live | Stage::Ended);
            nameless && settled && !tracked.segment && tracked.quiet_for(now) >= FORGOTTEN
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
            let is_through = self.everybody_is_through(&row);
            if is_through && row.rest.is_some() {
                self.drop_rest(id);
            } else if is_through {
                self.give_up(id);
            } else {
                self.read_from_rest(id);
            }
        }
    }

    /// Its descriptor goes; its row stays.
    pub fn give_up(&mut self, id: FileId) {
        let Some(tracked) = self.tracked.get(&id) else { return };
        let Some(row) = tracked.row.clone() else { return };
        let (time, lost) = (self.shared.clock.now(), tracked.handle.known().facts.lost);
        if lost > 0 {
            self.shared.lost_without_file(&row, lost);
        }
        self.drop_file(id);
        self.bury(GenerationRow { ended: row.ended.or(Some(time)), ..row });
    }

    pub fn bury(&mut self, row: GenerationRow) {
        if let Some(store) = self.shared.store.get() {
            store.put_generation(row.clone());
        }
        self.shared.bury(row);
        self.shared.changed();
    }

    /// Where nobody keeps cursors in the state, what was handed out is what can be known.
    pub fn everybody_is_through(&self, row: &GenerationRow) -> bool {
        let handed = || self.shared.life(row.id).map(|handle| handle.front().handed);
        match self.shared.behind(row) {
            Some(behind) => !behind,
            None => handed().is_none_or(|handed| handed >= row.mark.offset),
        }
    }

    /// A loss that a reader met is put into the row, and said.
    pub fn count_loss(&mut self, id: FileId) {
        let time = self.shared.clock.now();
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let lost = tracked.handle.known().facts.lost;
        let Some(row) = tracked.row.as_mut().filter(|row| lost > row.lost) else { return };
        row.lost = lost;
        let text = match row.rest {
            Some(_) => notices::deleted(&row.path, lost),
            None => notices::truncated(&row.path, lost),
        };
        self.shared.board.say(Topic::Truncated(row.path.clone()), Level::Error, time, text);
        self.dirty.insert(id);
        self.shared.changed();
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
            if ours(row) && could_look(row) && !self.may_be_there(row) {
                row.ended = Some(time);
                if let Some(store) = self.shared.store.get() {
                    store.put_generation(row.clone());
                }
            }
        }
    }

    /// Its inode is there and not understood yet, and not shorter than what was seen.
    fn may_be_there(&self, row: &GenerationRow) -> bool {
        let inode = row.identity.inode;
        let undecided = |tracked: &Tracked| {
            let here = tracked.place.is_some_and(|place| place.inode == inode);
            here && tracked.undecided() && tracked.size >= row.mark.offset
        };
        row.rest.is_some()
            || self.is_unpacking()
            || self.unopened.contains(&inode)
            || self.tracked.values().any(undecided)
    }

    /// Rows of generations that are gone, that everybody has read, and that nobody missed for long.
    pub fn expire(&mut self) {
        let now = self.now();
        if now < self.next_expiry {
            return;
        }
        self.next_expiry = now + EXPIRY;
        let time = self.shared.clock.now();
        let Some(store) = self.shared.store.get().cloned() else { return };
        let mut old = Vec::new();
        for row in self.shared.gone().values_mut().filter(|row| row.ended.is_some()) {
            let absence = row.absence.map_or(Absence::at(time), |before| before.counted(time));
            row.absence = Some(absence);
            match absence.long >= KEPT {
                true => old.push(row.clone()),
                false => store.put_generation(row.clone()),
            }
        }
        for row in old {
            if self.everybody_is_through(&row) {
                self.remove_rest(row.id);
                store.remove_generation(row.id);
                self.rows.remove(row.id);
                self.shared.forget(row.id);
            }
        }
    }
}

/// Its folder is there, on the device it was on: that the file is not, means that it is gone.
fn could_look(row: &GenerationRow) -> bool {
    let folder = folder_of(&row.path);
    fs::read_dir(folder).is_ok()
        && fs::metadata(folder).is_ok_and(|folder| folder.dev() == row.device)
}

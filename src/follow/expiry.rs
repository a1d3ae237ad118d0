//! When a generation ends: its file is truncated, deleted or gone, everybody has read it, and at last its row expires.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::copies::GRACE;
use super::follower::{Follower, Phase};
use super::names::folder_of;
use super::notices::{self, Topic};
use crate::base::guarded;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::state::{Absence, GenerationRow};

/// A file without a name is given up when it has not grown for this long.
pub(in crate::follow) const FORGOTTEN: Duration = Duration::from_secs(300);
/// Rows of generations that are gone and read are kept this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

impl Follower {
    /// No name left, quiet for long: what is there is all; gone once everybody is through.
    pub fn retire_unlinked(&mut self) {
        let now = self.now();
        let quiet = |tracked: &Tracked| {
            let settled = matches!(tracked.stage, Stage::Live | Stage::Ended);
            let over = tracked.quiet_for(now) >= FORGOTTEN;
            tracked.is_nameless() && settled && !tracked.segment && over
        };
        let attended = self.catalog.attended();
        let ids = attended.into_iter().filter(|id| self.catalog.get(*id).is_some_and(quiet));
        for id in ids.collect::<Vec<_>>() {
            let Some(tracked) = self.catalog.get_mut(id) else { continue };
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

    /// A file that was closed to save descriptors was deleted meanwhile: its bytes are gone, unless a copy comes.
    pub fn vanished(&mut self, id: FileId) {
        let (now, time) = (self.now(), self.shared.clock.now());
        let rest = self.open_rest(id);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        tracked.links = 0;
        let was_kept = rest.is_some();
        tracked.handle.update(|known| {
            known.facts.state = FileState::Ended;
            known.complete = was_kept;
        });
        let Some(row) = &mut tracked.row else { return self.drop_file(id) };
        row.ended = Some(time);
        tracked.stage = if was_kept { Stage::Ended } else { Stage::Bereft(now + GRACE) };
        self.pending.change(id);
        self.catalog.read_on_in(id, rest);
        self.shared.changed();
    }

    /// Its descriptor goes; its row stays.
    pub fn give_up(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let Some(row) = tracked.row.clone() else { return };
        let time = self.shared.clock.now();
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
            None => handed().is_none_or(|handed| handed >= row.end()),
        }
    }

    /// A loss that a reader met is put into the row, and said.
    pub fn count_loss(&mut self, id: FileId) {
        let time = self.shared.clock.now();
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let lost = tracked.handle.known().met;
        let Some(row) = tracked.row.as_mut().filter(|_| lost > 0) else { return };
        // An earlier run may have counted it for another consumer.
        self.shared.note_loss(row, lost);
        if lost <= row.lost {
            return;
        }
        row.lost = lost;
        let text = match row.rest {
            Some(_) => notices::deleted(&row.path, lost),
            None => notices::truncated(&row.path, lost),
        };
        self.shared.board.say(Topic::Truncated(row.path.clone()), Level::Error, time, text);
        self.pending.change(id);
        self.shared.changed();
    }

    /// At the end: what nobody will be able to read any more is lost, whether a reader has met it or not.
    pub fn count_unreachable(&mut self) {
        let over = |tracked: &Tracked| {
            let ended = matches!(tracked.stage, Stage::Ended | Stage::Bereft(_));
            ended && !tracked.handle.has_bytes()
        };
        let held = self.held().filter(|tracked| over(tracked)).filter_map(|t| t.row.clone());
        let rows: Vec<GenerationRow> = held.collect();
        for row in rows {
            if let Some(slowest) =
                self.shared.slowest(&GenerationRow { ended: None, ..row.clone() })
                && slowest < row.end()
            {
                let lost = row.end() - slowest;
                self.shared.note_loss(&row, lost);
                self.bury(GenerationRow { lost: row.lost.max(lost), ..row });
            }
        }
        self.persist();
    }

    /// Rows of our sources that no file was found for, though every place could be looked at. A copy may come a
    /// moment later.
    pub fn judge_rows_without_file(&mut self) {
        let Phase::Following { since } = self.phase else { return };
        let waits = !self.shared.once() && self.now() < since + GRACE;
        if waits || self.shared.gone().is_empty() {
            return;
        }
        let time = self.shared.clock.now();
        let rows: Vec<GenerationRow> =
            self.shared.gone().values().filter(|row| row.ended.is_none()).cloned().collect();
        let mut news = false;
        for row in rows {
            let ours = self.catalog.of(row.id).is_none() && !self.shared.is_orphan(row.id);
            if ours && !self.may_be_there(&row) && could_look(&row) {
                let row_id = row.id;
                let row = GenerationRow { ended: Some(time), ..row };
                if let Some(store) = self.shared.store.get() {
                    store.put_generation(row.clone());
                }
                if let Some(gone) = self.shared.gone().get_mut(&row.id) {
                    *gone = row;
                }
                // Whoever waits there is told that nothing will come.
                self.shared.mark(row_id);
                news = true;
            }
        }
        if news {
            self.shared.changed();
        }
    }

    /// Its file is there and not understood yet, and not shorter than what was seen.
    fn may_be_there(&self, row: &GenerationRow) -> bool {
        let here = self.catalog.of_file(row.file_key());
        let undecided = here.is_some_and(|t| t.undecided() && t.size >= row.mark.offset);
        row.rest.is_some()
            || self.is_unpacking()
            || self.seen.unopened.contains(&row.file_key().inode)
            || undecided
            || self.is_passed(row)
            || row.unfinished.is_some() && self.undecided_hold(row)
    }

    /// A file whose first line is not complete holds all that was seen.
    fn undecided_hold(&self, row: &GenerationRow) -> bool {
        let undecided = self.catalog.iter().filter(|(_, tracked)| tracked.undecided());
        undecided.filter_map(|(_, t)| t.file()).any(|file| self.holds(&file, row))
    }

    /// Rows of generations that are gone, that everybody has read, and that nobody missed for long.
    pub fn expire(&mut self) {
        if !self.schedule.expiry_is_due(self.now()) {
            return;
        }
        let time = self.shared.clock.now();
        let Some(store) = self.shared.store.get().cloned() else { return };
        let mut old = Vec::new();
        // A compressed file that was read and is there: without its row it would be read again.
        let mut gone = self.shared.gone();
        for row in gone.values_mut().filter(|row| row.ended.is_some() && !self.is_passed(row)) {
            let absence = row.absence.map_or(Absence::at(time), |before| before.counted(time));
            row.absence = Some(absence);
            match absence.long >= KEPT {
                true => old.push(row.clone()),
                false => store.put_generation(row.clone()),
            }
        }
        drop(gone);
        for row in old {
            if self.everybody_is_through(&row) {
                self.remove_rest(row.id);
                store.remove_generation(row.id);
                self.catalog.history.remove(row.id);
                self.shared.forget(row.id);
            }
        }
    }
}

/// Its folder is there, on the device it was on: that the file is not, means that it is gone.
fn could_look(row: &GenerationRow) -> bool {
    // A row of an earlier version may hold the path as it was typed, in a folder that nobody knows.
    let folder = folder_of(&row.path);
    row.path.is_absolute()
        && guarded::read_dir(folder).is_ok()
        && guarded::metadata(folder).is_ok_and(|folder| folder.dev() == row.device)
}

//! Handles growth of a file: moves the mark to the new end, records where a new day begins, and reports holes and
//! truncated records.

use std::sync::Arc;

use super::catalog::Stage;
use super::cuts::drop_needless_cut;
use super::follower::Follower;
use super::identity::{HEAD_LEN, Head, next_mark};
use super::notices::{self, Topic};
use crate::base::Timestamp;
use crate::base::timed_fs::File;
use crate::event::status::FileState;
use crate::event::{FileId, Level};

impl Follower {
    /// Reports holes that readers have found since the last call.
    pub fn report_holes(&mut self, id: FileId) {
        let time = self.shared.clock.now();
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let hole = tracked.handle.take_hole();
        if hole > 0 {
            tracked.hole_bytes += hole;
            let path = tracked.handle.path();
            let text = notices::hole(&path, tracked.hole_bytes);
            self.shared.board.post(Topic::Hole(path.to_path_buf()), Level::Warning, time, text);
            self.shared.notify_changes();
        }
    }

    /// Reports records over the length limit that readers have found since the last call.
    pub fn report_truncated_records(&mut self, id: FileId) {
        let time = self.shared.clock.now();
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let (before, more) = (tracked.truncated_records, tracked.handle.cut_off.take());
        tracked.truncated_records.add(more);
        if tracked.truncated_records.should_report(before) {
            let path = tracked.handle.path();
            let text = tracked.truncated_records.notice(&path);
            self.shared.board.post(
                Topic::TruncatedRecords(path.to_path_buf()),
                Level::Warning,
                time,
                text,
            );
            self.shared.notify_changes();
        }
    }

    /// Moves the mark to the new end. Readers see the new end at once, or after the next commit if a day has begun or
    /// the generation had ended. `false`: the content was replaced meanwhile.
    pub fn advance_mark(&mut self, id: FileId, file: &Arc<File>) -> bool {
        let (time, key) = (self.shared.clock.now(), *self.key());
        let Some(tracked) = self.catalog.get_mut(id) else { return false };
        let Some(row) = &mut tracked.row else { return false };
        let before = row.mark.offset;
        let doubled = before.next_power_of_two() < tracked.size.next_power_of_two();
        let young = before < HEAD_LEN as u64 && doubled;
        let head = if young { Head::read(file).ok() } else { None };
        let Ok(Some(mark)) = next_mark(file, &row.mark, tracked.size, &key) else {
            // The content was replaced since the check: the next check handles it.
            tracked.handle.report_mismatch();
            return false;
        };
        if let Some(head) = head {
            tracked.line_hashes = head.line_hashes(&key);
        }
        if row.note_day(time.day()) {
            self.pending.change_urgently(id);
        }
        if tracked.stage == Stage::Ended {
            // Its last record was closed at the former end: that boundary stays.
            row.cuts.end_at(row.mark.offset);
            row.ended = None;
            row.absence = None;
            self.pending.change_urgently(id);
            tracked.stage = Stage::Live;
            tracked.handle.update(|known| {
                known.complete = false;
                known.facts.state = FileState::Rotated;
            });
        }
        self.work.grown.insert(id);
        drop_needless_cut(row, file, tracked.size, &tracked.handle.source);
        (row.mark, row.unfinished) = (mark, None);
        row.modified = tracked.modified.map(Timestamp::from);
        tracked.push_mark(mark);
        self.pending.change(id);
        tracked.handle.update(|known| known.facts.last_growth = time);
        if !self.pending.is_urgent(id) {
            tracked.publish();
        }
        true
    }
}

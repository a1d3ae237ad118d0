//! Tracks mounts that do not respond: their files are shown as stuck, and checked again as soon as the mount responds.
//!
//! Makes no call to a mount: the call that hangs has recorded when it began.

use std::path::PathBuf;

use super::follower::Follower;
use super::notices::{self, Topic};
use crate::base::timed_fs;
use crate::event::{FileId, Level};

impl Follower {
    /// Updates the list of mounts that do not respond.
    pub fn update_hung_mounts(&mut self) {
        let stuck = timed_fs::stuck();
        if stuck.is_empty() && self.scan_state.hung_mounts.is_empty() {
            return;
        }
        let time = self.shared.clock.now();
        let mut changed = false;
        for mount in &stuck {
            changed |= self.scan_state.hung_mounts.insert(mount.point.clone());
            let topic = Topic::Stuck(mount.point.clone());
            self.shared.board.post(topic, Level::Error, time, notices::stuck(mount));
        }
        let answers = |point: &PathBuf| !stuck.iter().any(|mount| mount.point == *point);
        let answering: Vec<PathBuf> =
            self.scan_state.hung_mounts.iter().filter(|point| answers(point)).cloned().collect();
        for point in answering {
            self.scan_state.hung_mounts.remove(&point);
            self.shared.board.withdraw(&Topic::Stuck(point));
            changed = true;
            // Find changes that happened there meanwhile.
            self.schedule.hint_scan();
        }
        if changed {
            self.mark_hung_files();
            self.shared.notify_changes();
        }
    }

    /// Shows the open files with a hanging call as stuck, and checks those again whose call has returned. A file that
    /// is closed to save descriptors is found stuck by its next check.
    fn mark_hung_files(&mut self) {
        let now = self.now();
        let time = self.shared.clock.now();
        let mut answers: Vec<FileId> = Vec::new();
        for (id, tracked) in self.catalog.iter() {
            let waited = tracked.handle.stuck_for();
            let known = tracked.handle.known().facts.stuck;
            match (known, waited) {
                (None, Some(waited)) => {
                    tracked.handle.update(|known| known.facts.stuck = Some(time.minus(waited)));
                }
                (Some(_), None) => answers.push(id),
                _ => {}
            }
        }
        for id in answers {
            self.catalog.check_at(id, now);
        }
    }
}

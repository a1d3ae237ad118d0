//! Detects the format of a generation again (a vote): if the first sample was too small, when there are more lines; and
//! when several records in a row do not fit. A changed format applies from the first byte that no consumer has got yet.

use super::catalog::{Stage, Tracked};
use super::file_sample::{read_sample, sample_before, sample_is_enough};
use super::follower::Follower;
use super::read_state::DecodeState;
use crate::event::{Encoding, FileId, FormatEntry};
use crate::format::detection;
use crate::state::GenerationRow;

impl Follower {
    /// Repeats detections whose sample was too small, if there are more lines now.
    pub fn repeat_open_votes(&mut self) {
        let grown = std::mem::take(&mut self.work.grown);
        let is_due = |tracked: &Tracked| {
            let has_more = |row: &GenerationRow| row.mark.offset != tracked.last_vote_at;
            tracked.needs_vote
                && tracked.stage == Stage::Live
                && tracked.row.as_ref().is_some_and(has_more)
        };
        let due = grown.into_iter().filter(|id| self.catalog.get(*id).is_some_and(is_due));
        let due: Vec<FileId> = due.collect();
        for id in due {
            let Some(tracked) = self.catalog.get_mut(id) else { continue };
            let (Some(file), Some(row)) = (tracked.file(), &tracked.row) else { continue };
            // Tried again at the next sweep.
            let Ok(sample) = read_sample(&file, row.mark.offset, row.encoding) else {
                self.work.grown.insert(id);
                continue;
            };
            tracked.last_vote_at = row.mark.offset;
            if sample_is_enough(&sample) {
                let handle = tracked.handle.clone();
                let decided = self.change_format(id, &sample, &handle.decode_state());
                if let Some(tracked) = self.catalog.get_mut(id) {
                    // If it could not be changed, try again at the next sweep.
                    tracked.needs_vote = !decided;
                    tracked.last_vote_at = if decided { tracked.last_vote_at } else { 0 };
                }
                if !decided {
                    self.work.grown.insert(id);
                }
            }
        }
    }

    /// Repeats the detection after several records in a row that did not fit the current format.
    pub fn vote_on_misfits(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let forced = tracked.handle.source.format.is_some();
        let Some(file) = tracked.file().filter(|_| !forced) else { return };
        let handle = tracked.handle.clone();
        let encoding = tracked.row.as_ref().map_or_else(Encoding::default, |row| row.encoding);
        let decoding = handle.decode_state();
        if let Ok(sample) = sample_before(&file, decoding.handed_out, encoding)
            && detection::detect(&sample).settled
        {
            self.change_format(id, &sample, &decoding);
        }
    }

    /// Changes the format to that of the sample, if it is another one. `false`: this is not possible now. Nothing is
    /// decoded meanwhile (`decoding` is locked), so records that consumers have got keep their format.
    fn change_format(&mut self, id: FileId, sample: &[u8], decoding: &DecodeState) -> bool {
        let Some(store) = self.shared.store.get() else { return false };
        let Some(tracked) = self.catalog.get_mut(id) else { return false };
        let Some(row) = &mut tracked.row else { return false };
        // Consumers of an earlier process may have got any bytes up to this offset.
        if decoding.handed_out < tracked.possibly_handed {
            return false;
        }
        let vote = detection::detect(sample);
        let format = vote.format.name().to_owned();
        let entry =
            FormatEntry { offset: decoding.handed_out, format, parameters: vote.parameters };
        let Some(formats) = with_entry(row, entry) else { return true };
        let before = std::mem::replace(&mut row.formats, formats);
        store.put_generation(row.clone());
        if store.commit().is_err() {
            row.formats = before;
            store.put_generation(row.clone());
            return false;
        }
        let formats = row.formats.clone();
        tracked.handle.update(|known| known.facts.formats = formats);
        self.shared.notify_changes();
        true
    }
}

/// The entries with the new one appended; `None` if it equals the current one.
fn with_entry(row: &GenerationRow, entry: FormatEntry) -> Option<Vec<FormatEntry>> {
    let current = row.formats.last();
    let is_current =
        current.is_some_and(|now| now.format == entry.format && now.parameters == entry.parameters);
    if is_current {
        return None;
    }
    let mut formats: Vec<FormatEntry> =
        row.formats.iter().filter(|other| other.offset < entry.offset).cloned().collect();
    formats.push(entry);
    formats[0].offset = 0;
    Some(formats)
}

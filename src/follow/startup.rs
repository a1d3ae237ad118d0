//! The first pass: matches the existing files with the generations known to the state and to sinks.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::file_sample::{LINE_SEARCH_BYTES, last_line_end};
use super::follower::{Follower, Phase};
use super::identity::mark_at;
use super::notices::{self, Topic};
use crate::base::Timestamp;
use crate::event::{Cursor, FileId, Level};

/// A last line without a line end is complete when nothing was written for this long.
pub(in crate::follow) const UNFINISHED_LINE_TIMEOUT: Duration = Duration::from_secs(10);

impl Follower {
    /// Loads the rows and positions and matches them with the existing files; with `--once`, this fixes the offsets up
    /// to which the files are read.
    pub fn first_pass(&mut self) {
        let Some(store) = self.shared.store.get().cloned() else { return };
        let mut rows = store.generations();
        rows.sort_by_key(|row| (row.first_seen, row.identity.ordinal));
        for row in rows {
            self.catalog.history.add(row.id, &row.identity, row.moved);
            self.shared.without_file().insert(row.id, row);
        }
        let mut known = self.shared.take_positions();
        known.sort_by_key(|position| position.identity.as_ref().map(|identity| identity.ordinal));
        for position in known {
            if let Some(identity) = position.identity {
                let Cursor { generation, offset } = position.cursor;
                self.catalog.history.add_position(generation, &identity, position.mark, offset);
            }
        }
        for (fresh, source) in self.fresh.iter_mut().zip(&self.sources) {
            *fresh = store.first_start(&source.name);
        }
        self.scan_and_bind();
        self.phase = Phase::Following { since: self.now() };
        self.shared.mark_all();
        self.clear_rests();
        self.take_up_rests();
        self.identify_existing();
        self.report_orphans();
    }

    /// Scans the sources and assigns the known generations to their files.
    pub fn scan_and_bind(&mut self) {
        self.scan_and_check_all();
        // First those whose own file was found: these generations need not be searched elsewhere.
        self.assign_rows_to_sources();
        self.bind_known();
        self.locate_missing_files();
        self.finish_unpacking_for_once();
        self.bind_known();
        self.unpack_deferred();
    }

    /// With `--once`: the ends of the files were not fixed before the end of standard input, which has come now.
    pub fn input_has_ended(&self) -> bool {
        let open =
            !self.pending.publishes_first_pass && !self.shared.settled.load(Ordering::Acquire);
        // A file that waits for a commit does not grow, so its end would be that of an earlier check.
        let ready = !self.pending.has_urgent() && self.phase != Phase::BeforeState;
        ready && open && self.shared.once()
    }

    /// Identifies all existing files; with `--once`, fixes the offsets up to which they are read.
    pub fn identify_existing(&mut self) {
        self.finish_unpacking_for_once();
        let once = self.shared.once();
        let undecided = self.undecided_files();
        self.identify(&undecided, once);
        self.check_unpacking_finished();
        self.end_rows_without_file();
        if once {
            self.close_last_records();
        }
        self.pending.publishes_first_pass = once || !self.shared.config.once;
        self.persist();
    }

    /// `--once`: no more bytes will be read, so the last record ends at the end of the file, also for every later
    /// reading. A line that may still be written is left for the next run.
    fn close_last_records(&mut self) {
        for id in self.catalog.ids() {
            if let Some(end) = self.unfinished_line(id) {
                self.leave_unfinished(id, end);
            }
            let Some(tracked) = self.catalog.get_mut(id) else { continue };
            let Some(row) = &mut tracked.row else { continue };
            let end = row.mark.offset;
            if end > row.start && row.cuts.end_at(end) {
                self.pending.change_urgently(id);
            }
            tracked.handle.update(|known| known.complete = true);
        }
    }

    /// Start of a last line that has no line end and may still be written, because the file changed a moment ago.
    fn unfinished_line(&self, id: FileId) -> Option<u64> {
        let tracked = self.catalog.get(id)?;
        let row = tracked.row.as_ref()?;
        let is_complete =
            tracked.compressed.is_some() || tracked.place().is_none() || tracked.is_segment;
        let now = self.shared.clock.now();
        let quiet = |at: SystemTime| now.since(Timestamp::from(at)) >= UNFINISHED_LINE_TIMEOUT;
        if is_complete || row.is_short() || tracked.links == 0 || tracked.modified.is_none_or(quiet)
        {
            return None;
        }
        let file = tracked.file()?;
        let end = row.mark.offset;
        let first = || (end - row.start <= LINE_SEARCH_BYTES).then_some(row.start);
        let line = last_line_end(&file, row.start, end, row.encoding).or_else(first)?;
        // An earlier run has closed the line there, or a consumer has read a part of it.
        let was_closed = row.cuts.last().is_some_and(|cut| *cut > line);
        let readers = self.shared.store.get().map(|store| store.readers_of(row.id));
        let is_partly_read = readers
            .is_some_and(|readers| readers.into_values().any(|at| at > line))
            || self.catalog.history.sink_offset(row.id) > line;
        (line < end && !was_closed && !is_partly_read).then_some(line)
    }

    /// Ends the file at `end` for this run, without its unfinished last line, and reports this.
    fn leave_unfinished(&mut self, id: FileId, end: u64) {
        let key = *self.key();
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let mark = tracked.file().and_then(|file| mark_at(&file, end, &key).ok().flatten());
        let (Some(row), Some(mark)) = (&mut tracked.row, mark) else { return };
        let bytes = row.mark.offset - end;
        row.unfinished = Some(std::mem::replace(&mut row.mark, mark));
        tracked.size = end;
        tracked.handle.update(|known| {
            (known.facts.size, known.available, known.mark) = (end, end, mark);
        });
        self.pending.change_urgently(id);
        let path = tracked.handle.path();
        let text = notices::unfinished(&path, bytes);
        let topic = Topic::Unfinished(path.to_path_buf());
        self.shared.board.post(topic, Level::Warning, self.shared.clock.now(), text);
    }
}

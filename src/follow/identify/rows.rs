//! Creates the row of a new generation, and continues the row of a known one.

use crate::base::Timestamp;
use crate::base::timed_fs::File;
use crate::event::{DayMark, Encoding, FileId, FormatEntry, GenerationId, Identity, Level, Mark};
use crate::follow::Start;
use crate::follow::catalog::{Stage, Tracked};
use crate::follow::cuts::drop_needless_cut;
use crate::follow::directory_check::home_of;
use crate::follow::file_sample::{
    LINE_SEARCH_BYTES, last_line_end, looks_binary, read_sample, sample_is_enough,
};
use crate::follow::follower::Follower;
use crate::follow::identity::{Head, mark_at, next_mark};
use crate::follow::notices::{self, Topic};
use crate::format::detection;
use crate::state::{GenerationRow, absolute};

impl Follower {
    /// Continues the generation in this file, at the known position.
    pub fn bind(&mut self, id: FileId, generation: GenerationId) {
        let row = self.shared.without_file().get(&generation).cloned();
        let Some(row) = row else { return self.bind_by_position(id, generation) };
        self.bind_row(id, row);
    }

    fn bind_row(&mut self, id: FileId, mut row: GenerationRow) {
        let (now, key) = (self.shared.clock.now(), *self.key());
        let sink_end = self.catalog.history.sink_end(row.id);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let Some(file) = tracked.file() else { return };
        row.ended = None;
        row.absence = None;
        set_location(&mut row, tracked);
        tracked.possibly_handed = tracked.size.max(row.end()).max(sink_end);
        tracked.needs_vote = tracked.handle.source.format.is_none()
            && row.formats.len() == 1
            && !read_sample(&file, row.mark.offset, row.encoding)
                .is_ok_and(|sample| sample_is_enough(&sample));
        tracked.line_hashes = Head::read(&file).map(|h| h.line_hashes(&key)).unwrap_or_default();
        tracked.push_mark(row.mark);
        if tracked.size > row.mark.offset
            && let Ok(Some(mark)) = next_mark(&file, &row.mark, tracked.size, &key)
        {
            drop_needless_cut(&mut row, &file, tracked.size, &tracked.handle.source);
            row.note_day(now.day());
            (row.mark, row.unfinished) = (mark, None);
            tracked.push_mark(mark);
        }
        if sink_end > tracked.size {
            // These bytes were seen shortly before a kill and are missing in the remaining copy.
            row.reached = row.reached.max(sink_end);
        }
        self.publish_once_durable(id, row);
    }

    /// Continues a generation whose row is lost but which a sink's own position names: it keeps its id and offsets, so
    /// the sink's cursor stays valid.
    fn bind_by_position(&mut self, id: FileId, generation: GenerationId) {
        let known = self.catalog.history.identity(generation).cloned();
        let Some((identity, mark)) = known.zip(self.catalog.history.mark_without_row(generation))
        else {
            return;
        };
        self.begin_generation_as(id, generation, identity, Some(mark));
    }

    /// Begins a generation that was never seen before.
    pub fn begin_generation(&mut self, id: FileId, identity: Identity) {
        let (generation, identity) = self.catalog.history.next_generation(identity, self.key());
        self.begin_generation_as(id, generation, identity, None);
    }

    /// `seen`: the furthest mark known before the state was lost.
    fn begin_generation_as(
        &mut self,
        id: FileId,
        generation: GenerationId,
        identity: Identity,
        seen: Option<Mark>,
    ) {
        let key = *self.key();
        let sink_end = self.catalog.history.sink_end(generation);
        let fresh =
            self.catalog.get(id).is_some_and(|t| t.existed_before_start && self.fresh[t.source]);
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        let Some(file) = tracked.file() else { return };
        let Ok(Some(mark)) = mark_at(&file, tracked.size, &key) else { return };
        let at_end = tracked.handle.source.start == Start::End && fresh && seen.is_none();
        // If reading fails here, the file is identified again.
        self.work.to_identify.insert(id);
        let raw = read_sample(&file, tracked.size, Encoding::Utf8);
        let Ok(encoding) = raw.map(|raw| Encoding::of(&raw)) else { return };
        let first_size = tracked.first_size.min(tracked.size);
        let start = if at_end { start_at_end(&file, first_size, encoding) } else { 0 };
        let Ok(sample) = read_sample(&file, tracked.size, encoding) else { return };
        let head = Head::read(&file).ok().filter(|head| head.matches(&identity, &key));
        let Some(head) = head else {
            // The file was replaced between two reads.
            self.work.to_identify.insert(id);
            return;
        };
        if looks_binary(&sample) {
            let path = tracked.handle.path();
            let text = match tracked.is_segment {
                true => notices::stdin::looks_binary(),
                false => notices::looks_binary(&path),
            };
            let topic = Topic::Binary(path.to_path_buf());
            self.shared.board.post(topic, Level::Warning, tracked.opened, text);
        }
        tracked.line_hashes = head.line_hashes(&key);
        tracked.needs_vote = tracked.handle.source.format.is_none() && !sample_is_enough(&sample);
        let modified = tracked.modified.map_or(tracked.opened, Timestamp::from);
        let mut row = GenerationRow {
            id: generation,
            source: tracked.handle.source.name.to_string(),
            path: absolute(&tracked.handle.path()),
            first_path: absolute(&tracked.handle.path()),
            device: 0,
            moved: None,
            modified: None,
            start,
            mark,
            reached: if sink_end > tracked.size { sink_end } else { 0 },
            unfinished: None,
            encoding,
            formats: vec![vote(tracked.handle.source.format.as_deref(), &sample)],
            days: vec![DayMark { offset: 0, day: modified.day() }],
            cuts: Default::default(),
            first_seen: tracked.opened,
            ended: None,
            lost: 0,
            rest: None,
            absence: None,
            home: None,
            identity,
        };
        set_location(&mut row, tracked);
        if let Some(seen) = seen {
            tracked.push_mark(seen);
            tracked.possibly_handed = seen.offset;
        }
        tracked.push_mark(mark);
        self.publish_once_durable(id, row);
    }

    /// Assigns the row to the file, which is published to readers once the row is durable.
    fn publish_once_durable(&mut self, id: FileId, row: GenerationRow) {
        // Readers find the row without a file until the file is published. It must not count as ended meanwhile.
        if let Some(gone) = self.shared.without_file().get_mut(&row.id) {
            gone.ended = None;
        }
        self.shared.mark(row.id);
        self.catalog.set_row(id, row);
        self.set_stage(id, Stage::AwaitingCommit);
        self.pending.change_urgently(id);
    }
}

/// Updates the row with the path, device and times of its file.
pub(in crate::follow) fn set_location(row: &mut GenerationRow, tracked: &Tracked) {
    row.set_path(&tracked.handle.path());
    row.source = tracked.handle.source.name.to_string();
    row.modified = tracked.modified.map(Timestamp::from);
    row.device = tracked.place().map_or(row.device, |place| place.device);
    row.home = tracked.real_path().and_then(|real| home_of(real, &row.path));
    let began = row.identity.file_key();
    row.moved = tracked.file_key().filter(|file| *file != began);
}

/// The end of the last complete line that existed when the file was found. If there is none: 0 in a small file, the
/// size of the file at that time in a large one.
fn start_at_end(file: &File, first_size: u64, encoding: Encoding) -> u64 {
    last_line_end(file, 0, first_size, encoding).unwrap_or(match first_size {
        0..=LINE_SEARCH_BYTES => 0,
        _ => first_size,
    })
}

/// The configured format, or the one detected in the sample.
fn vote(forced: Option<&str>, sample: &[u8]) -> FormatEntry {
    match forced {
        Some(name) => FormatEntry { offset: 0, format: name.into(), parameters: Vec::new() },
        None => {
            let vote = detection::detect(sample);
            let format = vote.format.name().into();
            FormatEntry { offset: 0, format, parameters: vote.parameters }
        }
    }
}

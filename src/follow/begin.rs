//! The row of a generation: begun for a new one, taken up for one that is known.

use std::borrow::Cow;
use std::fs::File;

use super::Start;
use super::file::read_full;
use super::follower::Follower;
use super::growth::drop_needless_cut;
use super::identity::{Head, mark_at, next_mark};
use super::tracked::Stage;
use super::vote::SAMPLE;
use crate::base::Timestamp;
use crate::event::{DayMark, Encoding, FileId, FormatEntry, Identity};
use crate::format::list;
use crate::state::GenerationRow;

const SAMPLE_LINES: usize = 100;

impl Follower {
    /// The generation goes on where it was left.
    pub fn bind(&mut self, id: FileId, mut row: GenerationRow) {
        let (now, key) = (self.shared.clock.now(), self.shared.config.key);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(file) = tracked.file() else { return };
        row.ended = None;
        row.path = tracked.handle.known().facts.path.to_path_buf();
        row.device = tracked.place.map_or(row.device, |place| place.device);
        tracked.floor = tracked.size.max(row.mark.offset);
        tracked.vote_open = tracked.handle.source.format.is_none()
            && row.formats.len() == 1
            && !sample_is_enough(&read_sample(&file, row.mark.offset, row.encoding));
        tracked.push_mark(row.mark);
        if tracked.size > row.mark.offset
            && let Ok(Some(mark)) = next_mark(&file, &row.mark, tracked.size, &key)
        {
            drop_needless_cut(&mut row, &file, tracked.size, tracked.handle.source.multiline);
            note_day(&mut row, now.day());
            row.mark = mark;
            tracked.push_mark(mark);
        }
        self.shared.forget(row.id);
        self.settle_with(id, row);
    }

    /// A generation that nobody has seen before.
    pub fn begin(&mut self, id: FileId, identity: Identity) {
        let key = self.shared.config.key;
        let fresh = self.tracked.get(&id).is_some_and(|t| t.early && self.fresh[t.source]);
        let (generation, identity) = self.rows.next_life(identity, &key);
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let Some(file) = tracked.file() else { return };
        let Ok(Some(mark)) = mark_at(&file, tracked.size, &key) else { return };
        let at_end = tracked.handle.source.start == Start::End && fresh;
        let encoding = Encoding::of(&read_sample(&file, tracked.size, Encoding::Utf8));
        let first_size = tracked.first_size.min(tracked.size);
        let start = if at_end { start_at_end(&file, first_size, encoding) } else { 0 };
        let sample = read_sample(&file, tracked.size, encoding);
        if !Head::read(&file).is_ok_and(|head| head.fits(&identity, &key)) {
            // Another life began between two looks at it.
            self.unjudged.insert(id);
            return;
        }
        tracked.vote_open = tracked.handle.source.format.is_none() && !sample_is_enough(&sample);
        let modified = tracked.modified.map_or(tracked.opened, Timestamp::from);
        let row = GenerationRow {
            id: generation,
            source: tracked.handle.source.name.to_string(),
            path: tracked.handle.known().facts.path.to_path_buf(),
            device: tracked.place.map_or(0, |place| place.device),
            start,
            mark,
            encoding,
            formats: vec![vote(tracked.handle.source.format.as_deref(), &sample)],
            days: vec![DayMark { offset: 0, day: modified.day() }],
            cuts: Vec::new(),
            first_seen: tracked.opened,
            ended: None,
            lost: 0,
            rest: None,
            absence: None,
            identity,
        };
        tracked.push_mark(mark);
        self.rows.add(generation, &row.identity);
        self.settle_with(id, row);
    }

    /// Published once it is durable.
    fn settle_with(&mut self, id: FileId, row: GenerationRow) {
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        self.by_generation.insert(row.id, id);
        tracked.row = Some(row);
        tracked.stage = Stage::Settled;
        self.dirty.insert(id);
        self.urgent.insert(id);
    }

    /// `--once`: what is there is all; the last record ends at the end, for every later reading too.
    pub fn close_for_good(&mut self) {
        for (id, tracked) in &mut self.tracked {
            let Some(row) = &mut tracked.row else { continue };
            let end = row.mark.offset;
            if end > row.start && row.cuts.last() != Some(&end) {
                row.cuts.push(end);
                self.dirty.insert(*id);
                self.urgent.insert(*id);
            }
            tracked.handle.update(|known| known.complete = true);
        }
    }
}

/// Behind the last line that was there at first sight; what has no line yet is not passed over.
fn start_at_end(file: &File, first_size: u64, encoding: Encoding) -> u64 {
    last_line_end(file, 0, first_size, encoding).unwrap_or(match first_size {
        0..=LOOKED_BACK => 0,
        _ => first_size,
    })
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

/// The beginning of the file, as text.
pub(in crate::follow) fn read_sample(file: &File, size: u64, encoding: Encoding) -> Vec<u8> {
    let mut sample = vec![0; size.min(SAMPLE * encoding.unit()) as usize];
    let read = read_full(file, &mut sample, 0).unwrap_or(0);
    sample.truncate(read);
    match encoding.to_utf8(&sample, 0) {
        Cow::Borrowed(_) => sample,
        Cow::Owned(text) => text,
    }
}

pub(in crate::follow) fn sample_is_enough(sample: &[u8]) -> bool {
    sample.len() as u64 >= SAMPLE
        || memchr::memchr_iter(b'\n', sample).nth(SAMPLE_LINES - 1).is_some()
}

fn vote(forced: Option<&str>, sample: &[u8]) -> FormatEntry {
    match forced {
        Some(name) => FormatEntry { offset: 0, format: name.into(), parameters: Vec::new() },
        None => {
            let vote = list::detect(sample);
            let format = vote.format.name().into();
            FormatEntry { offset: 0, format, parameters: vote.parameters }
        }
    }
}

/// How far [`last_line_end`] looks back.
const LOOKED_BACK: u64 = 1024 * 1024;

/// Behind the last line end in [from, to), looked for in the last MiB.
pub(in crate::follow) fn last_line_end(
    file: &File,
    from: u64,
    to: u64,
    encoding: Encoding,
) -> Option<u64> {
    let lowest = encoding.unit_start(from.max(to.saturating_sub(LOOKED_BACK)));
    let mut end = to;
    while end > lowest {
        let begin = lowest.max(encoding.unit_start(end.saturating_sub(64 * 1024)));
        let mut bytes = vec![0; (end - begin) as usize];
        if read_full(file, &mut bytes, begin).ok()? < bytes.len() {
            return None;
        }
        if let Some(behind) = encoding.last_line_end(&bytes, begin) {
            return Some(begin + behind as u64);
        }
        end = begin;
    }
    None
}

//! Which events had to be delivered, which may be delivered twice, and how many bytes were lost.
//!
//! Complete: both consumers take every whole line that is in a file where the design promises to find it.
//! Unique: no byte is in two events. Exceptions:
//! - `copy`, `compress.….keep`: bytes that exist beside a copy of them may be delivered once more per copy, to both;
//! - `lose`, `old`: the consumer that keeps its cursors in the state may get events again under another id, unless
//!   their bytes are still in the file that they were first written to, and no earlier stream of that file began alike;
//!   and any line that was cut before.
//!
//! Counted: bytes destroyed before they were taken are reported as lost: at least those that the follower had
//! certainly seen; at most, in one run, those that no file held at some point and that are behind the cursor with
//! which the run began.

use std::collections::{BTreeMap, HashMap, HashSet};

use logwarden::event::{EventId, GenerationId};

use super::consumers::{Lost, TakenEvent};
use super::failure::{Failure, Kind};
use super::steps::{Consumer, Paths};
use super::stream::{Piece, StreamId};
use super::world::World;

/// Events of one generation id within one epoch.
type Group = (GenerationId, usize);

/// The parts of each piece that one consumer has: bytes [from, to), and the event that holds them.
type Cover = HashMap<usize, Vec<(usize, usize, EventId, Group)>>;

/// The events that one consumer has taken, assigned to streams.
pub struct Account<'a> {
    world: &'a World,
    consumer: Consumer,
    cover: Cover,
    pub streams: BTreeMap<Group, StreamId>,
    /// Groups that fit several streams, because they hold only the constant first line.
    ambiguous: HashSet<Group>,
}

impl<'a> Account<'a> {
    pub fn new(
        world: &'a World,
        consumer: Consumer,
        events: &'a [&'a TakenEvent],
    ) -> Result<Self, Failure> {
        let mut groups: BTreeMap<Group, Vec<&TakenEvent>> = BTreeMap::new();
        for event in events {
            groups.entry((event.generation, event.taken.epoch)).or_default().push(event);
        }
        let mut account = Account {
            world,
            consumer,
            cover: Cover::new(),
            streams: BTreeMap::new(),
            ambiguous: HashSet::new(),
        };
        let mut taken = HashSet::new();
        // Groups that fit one stream are assigned first, each of the others gets a stream that is left.
        let mut open: Vec<(Group, &[&TakenEvent], Vec<StreamId>)> = groups
            .iter()
            .map(|(group, events)| (*group, &events[..], account.candidates(events)))
            .collect();
        open.sort_by_key(|(_, _, streams)| streams.len());
        for (group, events, streams) in open {
            // The same id in another epoch is the same stream where that fits.
            let earlier = account.streams.iter().find(|((id, _), _)| *id == group.0);
            let earlier =
                earlier.map(|(_, stream)| *stream).filter(|stream| streams.contains(stream));
            let left = streams.iter().find(|stream| !taken.contains(*stream)).or(streams.last());
            let Some(stream) = earlier.or(left.copied()) else {
                return Err(account.foreign(events));
            };
            taken.insert(stream);
            if streams.len() > 1 {
                account.ambiguous.insert(group);
            }
            account.streams.insert(group, stream);
            events.iter().for_each(|event| account.add(group, stream, event));
        }
        Ok(account)
    }

    fn candidates(&self, events: &[&TakenEvent]) -> Vec<StreamId> {
        let fits = |stream: &StreamId| {
            events.iter().all(|event| self.fits(*stream, event) && self.existed(*stream, event))
        };
        (0..self.world.streams.len()).filter(fits).collect()
    }

    fn fits(&self, stream: StreamId, event: &TakenEvent) -> bool {
        let (from, to) = (event.bounds.0 as usize, event.bounds.1 as usize);
        let bytes = self.world.streams[stream].bytes.get(from..to);
        let bytes = bytes.map(|bytes| bytes.strip_suffix(b"\n").unwrap_or(bytes));
        bytes == Some(&event.text[..])
    }

    /// The stream, or the one that it was copied from, existed when the event was taken.
    fn existed(&self, stream: StreamId, event: &TakenEvent) -> bool {
        let of_parent = |(parent, len)| event.bounds.1 <= len && self.existed(parent, event);
        stream < event.taken.streams || self.world.streams[stream].parent.is_some_and(of_parent)
    }

    fn foreign(&self, events: &[&TakenEvent]) -> Failure {
        let misfits = |stream: StreamId| events.iter().filter(|e| !self.fits(stream, e)).count();
        let best = (0..self.world.streams.len()).min_by_key(|stream| misfits(*stream));
        let wrong = events.iter().find(|event| best.is_none_or(|stream| !self.fits(stream, event)));
        let text = format!(
            "{}: generation {:016x} holds bytes of no one stream; best fits {best:?}, but not {:?}",
            self.consumer,
            events[0].generation.0,
            wrong.map(|event| (event.bounds, String::from_utf8_lossy(&event.text).into_owned()))
        );
        Failure::new(Kind::Foreign(self.consumer), text)
    }

    fn add(&mut self, group: Group, stream: StreamId, event: &TakenEvent) {
        let (from, to) = event.bounds;
        for span in &self.world.streams[stream].spans {
            let (start, end) = (span.start.max(from), span.end().min(to));
            if start < end {
                let at = |offset: u64| span.from + (offset - span.start) as usize;
                let part = (at(start), at(end), event.id, group);
                self.cover.entry(span.piece).or_default().push(part);
            }
        }
    }

    fn has(&self, piece: usize, from: usize, to: usize) -> bool {
        let parts = self.cover.get(&piece).map_or(&[][..], Vec::as_slice);
        let mut at = from;
        while at < to {
            let next =
                parts.iter().filter(|part| part.0 <= at && part.1 > at).map(|part| part.1).max();
            match next {
                Some(next) => at = next,
                None => return false,
            }
        }
        true
    }

    pub fn check(&self, lost: &[Lost]) -> Result<(), Failure> {
        self.complete()?;
        self.unique()?;
        self.unsplit()?;
        self.counted(lost)
    }

    fn complete(&self) -> Result<(), Failure> {
        let mut headers = 0;
        for (number, stream) in self.world.streams.iter().enumerate() {
            let (surely, _) = self.world.reach(number);
            let end = stream.whole_lines(surely);
            for span in stream.spans.iter().filter(|span| span.end() <= end) {
                // After a lost state, equal first lines at the same offset may have equal ids.
                let is_header = self.world.pieces[span.piece].is_header;
                let is_reused = stream.has_other_id || self.is_reused(number);
                let ambiguous = is_header && (is_reused || headers < self.ambiguous.len());
                if self.has(span.piece, span.from, span.to) {
                } else if ambiguous {
                    headers += 1;
                } else {
                    let text = format!(
                        "{} never got {:?}, bytes [{}, {}) of stream {number}; {}; generations {:?}",
                        self.consumer,
                        self.world.pieces[span.piece].shown(),
                        span.start,
                        span.end(),
                        self.world.whereabouts(number),
                        self.streams
                    );
                    return Err(Failure::new(Kind::Missing(self.consumer), text));
                }
            }
        }
        Ok(())
    }

    /// After an old or lost state, another stream had its id before.
    fn is_reused(&self, stream: StreamId) -> bool {
        let of_stream = self.streams.iter().filter(|(_, at)| **at == stream);
        of_stream.into_iter().any(|((id, _), _)| {
            self.streams.iter().any(|((other, _), at)| other == id && *at != stream)
        })
    }

    fn unique(&self) -> Result<(), Failure> {
        for (&piece, parts) in &self.cover {
            let is_header = self.world.pieces[piece].is_header;
            if is_header && parts.iter().any(|part| self.ambiguous.contains(&part.3)) {
                continue;
            }
            for part in parts {
                let overlapping = parts.iter().filter(|p| p.0 < part.1 && part.0 < p.1);
                let events = overlapping.clone().count();
                let ids = overlapping.map(|part| part.2).collect::<HashSet<_>>().len();
                // A consumer that keeps its own positions never takes one event twice.
                let again = self.consumer == Consumer::Archive && ids < events;
                if again || ids > self.allowed(piece, part.0) {
                    let text = format!(
                        "{} got {:?} {events} times: {parts:?}; {}",
                        self.consumer,
                        self.world.pieces[piece].shown(),
                        self.world.whereabouts(self.stream_of(piece))
                    );
                    return Err(Failure::new(Kind::Twice(self.consumer), text));
                }
            }
        }
        Ok(())
    }

    /// No line that could have been one event was delivered as several.
    fn unsplit(&self) -> Result<(), Failure> {
        for (&piece, parts) in &self.cover {
            let Piece { bytes, may_split, .. } = &self.world.pieces[piece];
            let is_whole = parts.iter().any(|part| part.0 == 0 && part.1 == bytes.len());
            if !is_whole && !may_split {
                let text = format!(
                    "{} got {:?} in parts: {parts:?}",
                    self.consumer,
                    self.world.pieces[piece].shown()
                );
                return Err(Failure::new(Kind::Split(self.consumer), text));
            }
        }
        Ok(())
    }

    fn stream_of(&self, piece: usize) -> StreamId {
        let holds =
            |stream: &super::stream::Stream| stream.spans.iter().any(|span| span.piece == piece);
        self.world.streams.iter().position(holds).expect("it was written somewhere")
    }

    /// How often this byte may be delivered.
    fn allowed(&self, piece: usize, from: usize) -> usize {
        let (mut more, mut is_forgotten) = (0, false);
        for stream in &self.world.streams {
            let mut spans = stream.spans.iter();
            let span = spans.find(|s| s.piece == piece && s.from <= from && from < s.to);
            if let Some(span) = span {
                if stream.twins.iter().any(|len| span.start < *len) {
                    more = stream.copies.max(more);
                }
                is_forgotten |= stream.has_other_id;
            }
        }
        match self.consumer {
            Consumer::Elastic if is_forgotten || self.world.pieces[piece].cut_is_forgotten => {
                usize::MAX
            }
            _ => 1 + more,
        }
    }

    /// The bytes reported as lost over all runs are at least those that were certainly seen and that no file holds.
    fn counted(&self, lost: &[Lost]) -> Result<(), Failure> {
        // Bytes that no source covers wait until a source includes them.
        if self.world.setting.paths == Paths::Rotated {
            return Ok(());
        }
        let mut gone: HashMap<usize, (usize, StreamId)> = HashMap::new();
        for (number, stream) in self.world.streams.iter().enumerate() {
            let (_, reach) = self.world.reach(number);
            for span in &stream.spans {
                let (start, end) = (span.start.max(reach), span.end().min(stream.seen));
                let at = |offset: u64| span.from + (offset - span.start) as usize;
                let is_ambiguous =
                    self.world.pieces[span.piece].is_header && !self.ambiguous.is_empty();
                if start < end && !is_ambiguous && !self.has(span.piece, at(start), at(end)) {
                    gone.insert(span.piece, (at(end) - at(start), number));
                }
            }
        }
        let least: u64 = gone.values().map(|(bytes, _)| *bytes as u64).sum();
        let reported: u64 = lost.iter().map(|lost| lost.to - lost.from).sum();
        if reported >= least {
            return Ok(());
        }
        let streams: std::collections::BTreeSet<StreamId> =
            gone.values().map(|(_, stream)| *stream).collect();
        let text = format!(
            "{reported} lost bytes were reported to {}, but {least} were seen and no file holds \
             them: streams {streams:?}, {:?}; generations {:?}; {}",
            self.consumer,
            gone.keys().map(|piece| self.world.pieces[*piece].shown()).collect::<Vec<_>>(),
            self.streams,
            streams
                .iter()
                .map(|stream| self.world.whereabouts(*stream))
                .collect::<Vec<_>>()
                .join("; ")
        );
        Err(Failure::new(Kind::Uncounted(self.consumer), text))
    }
}

/// How far each stream had been taken when the run began. `header`: length of the line with which each begins; a
/// consumer that has taken no more may have taken it from any of them.
pub fn confirmed(
    streams: &BTreeMap<Group, StreamId>,
    cursors: impl Iterator<Item = (GenerationId, u64)>,
    header: u64,
) -> BTreeMap<StreamId, u64> {
    let mut all = BTreeMap::new();
    for (generation, offset) in cursors.filter(|(_, offset)| *offset > header) {
        for ((other, _), stream) in streams {
            if *other == generation {
                let known = all.entry(*stream).or_insert(offset);
                *known = offset.min(*known);
            }
        }
    }
    all
}

/// The bytes reported as lost in one run are at most those that no file held at some point, behind the cursors with
/// which it began.
pub fn not_overcounted(
    world: &World,
    consumer: Consumer,
    confirmed: &BTreeMap<StreamId, u64>,
    lost: &[Lost],
) -> Result<(), Failure> {
    let reported: u64 = lost.iter().map(|lost| lost.to - lost.from).sum();
    let mut most = 0;
    for (number, stream) in world.streams.iter().enumerate() {
        if let Some(from) = stream.destroyed_from {
            let from = from.max(confirmed.get(&number).copied().unwrap_or(0));
            most += stream.len().saturating_sub(from);
        }
        // A copy that is read as a file of its own can be lost on its own.
        most += stream.twins.iter().max().unwrap_or(&0) * stream.gone as u64;
    }
    if reported <= most {
        return Ok(());
    }
    let places: Vec<String> =
        (0..world.streams.len()).map(|stream| world.whereabouts(stream)).collect();
    let text = format!(
        "{reported} lost bytes were reported to {consumer} in this run ({lost:?}), but at most \
         {most} were lost: {}",
        places.join("; ")
    );
    Err(Failure::new(Kind::Overcounted(consumer), text))
}

impl World {
    pub fn whereabouts(&self, stream: StreamId) -> String {
        let known = &self.streams[stream];
        let files = self.files.iter().filter(|file| file.stream == Some(stream));
        let files: Vec<String> = files
            .map(|file| match &file.path {
                Some(path) => format!("{} ({})", path.display(), file.len),
                None => format!("no name, kept: {:?} ({})", file.kept, file.len),
            })
            .collect();
        format!(
            "stream {stream}: {} bytes, {} seen, {:?} surely and maybe found, destroyed from {:?}, in [{}]",
            known.len(),
            known.seen,
            self.reach(stream),
            known.destroyed_from,
            files.join(", ")
        )
    }
}

//! Whatever happens in whatever order: the sums are those of a walk over all tracks, the account adds up, and
//! nothing is kept of what nobody knows any more.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::base::{SystemClock, Timestamp};
use crate::event::{Identity, Mark};
use crate::follow::{Changes, Hub, Queue, Read};
use crate::sink::worker::byte_accounting::account;
use crate::sink::worker::tests::fake::FakeSink;
use crate::sink::worker::{Filter, Mode};
use crate::state::{GenerationRow, Store};

/// What the log says of its generations.
#[derive(Default)]
struct Extents {
    /// Start, end, and whether it is listed.
    known: Mutex<BTreeMap<GenerationId, (u64, u64, bool)>>,
    /// A row of the state is all there is of these.
    without_file: Mutex<Vec<GenerationId>>,
    hub: Hub,
}

impl Extents {
    fn set(&self, id: GenerationId, extent: Option<(u64, u64, bool)>) {
        let mut known = self.known.lock().unwrap();
        match extent {
            Some(extent) => known.insert(id, extent),
            None => known.remove(&id),
        };
        self.hub.mark(&News::of([id]));
    }
}

impl Queue for Extents {
    fn generations(&self) -> Vec<GenerationId> {
        let known = self.known.lock().unwrap();
        known.iter().filter(|(_, extent)| extent.2).map(|(id, _)| *id).collect()
    }

    fn holds(&self, id: GenerationId) -> bool {
        self.known.lock().unwrap().get(&id).is_some_and(|extent| extent.2)
    }

    fn extent(&self, id: GenerationId) -> Option<(u64, u64)> {
        self.known.lock().unwrap().get(&id).map(|(start, end, _)| (*start, *end))
    }

    fn changes(&self) -> Changes {
        self.hub.subscribe()
    }

    fn read(&self, _: Cursor) -> std::io::Result<Read> {
        Ok(Read::Waiting)
    }

    fn settled(&self) -> bool {
        true
    }

    fn has_file(&self, id: GenerationId) -> bool {
        !self.without_file.lock().unwrap().contains(&id)
    }
}

struct Bench {
    queue: Arc<Extents>,
    config: WorkerConfig,
    changes: Changes,
    tracks: Tracks,
    /// Read and not done.
    under_way: Vec<Place>,
}

impl Bench {
    fn new(earlier: u64) -> Self {
        let queue = Arc::new(Extents::default());
        let config = WorkerConfig {
            name: "sink".into(),
            kind: "fake".into(),
            sink: Arc::new(FakeSink::new()),
            queue: queue.clone(),
            store: Store::ephemeral(),
            policy: Arc::default(),
            filter: Filter::default(),
            mode: Mode::Auto,
            budget: 1024,
            dead_letters: Arc::new(super::super::tests::Kept::default()),
            clock: Arc::new(SystemClock::new()),
        };
        let earlier = (0..6).map(|number| (GenerationId(number), earlier)).collect();
        let mut tracks = Tracks::new("*".into(), earlier, None);
        tracks.reset(vec![Cursor { generation: GenerationId(1), offset: 7 }], None, &config);
        let changes = queue.changes();
        Bench { queue, config, changes, tracks, under_way: Vec::new() }
    }

    fn put_row(&self, id: GenerationId) {
        self.config.store.put_generation(GenerationRow {
            id,
            identity: Identity { inode: id.0, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 },
            source: "app".into(),
            path: "/app.log".into(),
            device: 0,
            first_path: Default::default(),
            moved: None,
            modified: None,
            start: 0,
            mark: Mark::default(),
            encoding: Default::default(),
            formats: Vec::new(),
            days: Vec::new(),
            cuts: Default::default(),
            first_seen: Default::default(),
            ended: None,
            lost: 0,
            reached: 0,
            unfinished: None,
            rest: None,
            absence: None,
            home: None,
        });
    }

    fn take(&mut self, step: &Step) {
        let id = |number: &u64| GenerationId(*number);
        match step {
            Step::Extent(number, start, length, listed) => {
                self.put_row(id(number));
                self.queue.set(id(number), Some((*start, start + length, *listed)));
            }
            Step::Vanish(number) => {
                self.config.store.remove_generation(id(number));
                self.queue.set(id(number), None);
            }
            Step::Look => self.tracks.discover(&self.config, &self.changes.take()),
            Step::Walk => self.tracks.discover(&self.config, &News::everything()),
            Step::Read(number, length) => self.read(id(number), *length),
            Step::Done(which, fate) if !self.under_way.is_empty() => {
                let place = self.under_way.swap_remove(which % self.under_way.len());
                self.tracks.complete(place, FATES[fate % FATES.len()]);
            }
            Step::Done(..) => {}
            Step::Wait(number, stale, troubled) => {
                if let Some(&index) = self.tracks.known.get(&id(number)) {
                    let mut read = self.tracks.at(index).reading;
                    if *stale {
                        // The log tells of it while it is read.
                        self.tracks.change(index, |track| track.hear(read.end));
                    }
                    match troubled {
                        true => read.fail(),
                        false => read.wait(),
                    }
                    self.tracks.follow(index, &read);
                }
            }
            Step::LookAgain => self.tracks.look_again(),
            Step::FixEnds => self.tracks.fix_ends(),
            Step::Rewind => {
                self.under_way.clear();
                self.tracks.rewind();
            }
            Step::Commit => self.commit(),
            Step::Forget => _ = self.tracks.forget(&self.config),
            Step::Reset => {
                self.under_way.clear();
                let cursors = self.tracks.cursors();
                self.tracks.reset(cursors, None, &self.config);
            }
        }
    }

    fn read(&mut self, id: GenerationId, length: u64) {
        let Some(&index) = self.tracks.known.get(&id) else { return };
        let track = self.tracks.at(index);
        // What is there may be more than the worker has heard of.
        let there = self.queue.extent(id).map_or(track.reading.end, |(_, end)| end);
        let mut read = track.reading;
        let (start, end) = (read.offset, (read.offset + length).min(there));
        if start < end {
            self.under_way.push(Place { track: index, start, end });
            read.reach(end);
            self.tracks.follow(index, &read);
        }
    }

    fn commit(&mut self) {
        let moved: Vec<Cursor> = self
            .tracks
            .iter()
            .filter(|track| track.committed != track.prefix.end())
            .map(|track| Cursor {
                generation: track.reading.generation,
                offset: track.prefix.end(),
            })
            .collect();
        let mut told = Vec::new();
        self.tracks.commit(&mut |cursor| told.push(cursor));
        told.sort_by_key(|cursor| cursor.generation);
        let mut wanted = moved;
        wanted.sort_by_key(|cursor| cursor.generation);
        assert_eq!(told, wanted);
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let tracks = &self.tracks;
        let mut walked = Sums::default();
        for (index, track) in tracks.all.iter().enumerate() {
            let Some(track) = track else { continue };
            walked.replace(index, Share::default(), track.share());
            prop_assert_eq!(tracks.known.get(&track.reading.generation), Some(&index));
            prop_assert!(track.reading.end >= track.prefix.reach());
        }
        prop_assert_eq!(&tracks.sums, &walked);
        prop_assert_eq!(tracks.iter().count(), tracks.known.len());
        prop_assert_eq!(tracks.all.len(), tracks.known.len() + tracks.free.len());
        prop_assert_eq!(tracks.are_read(), tracks.iter().all(|track| track.reading.is_through()));
        prop_assert_eq!(tracks.moved(), tracks.iter().any(|t| t.prefix.end() > t.committed));
        for round in [false, true] {
            let open = |track: &&Track| {
                let Reading { offset, end, until, .. } = track.reading;
                let end = if round { until.min(end) } else { end };
                offset < end && !track.reading.waits()
            };
            let wanted: Vec<_> = tracks.iter().filter(open).map(|t| t.reading.generation).collect();
            let found = tracks.positions(round);
            let found: Vec<_> = found.iter().map(|position| position.reading.generation).collect();
            prop_assert_eq!(found, wanted);
        }
        let bytes = account(tracks.ledger(), tracks.seen(), tracks.outstanding(), 0);
        prop_assert!(bytes.adds_up(), "{:?}", bytes);
        Ok(())
    }

    /// Everything is delivered, the log and the state forget all of it, and so does the worker.
    fn end(&mut self) -> Result<(), TestCaseError> {
        for place in std::mem::take(&mut self.under_way) {
            self.tracks.complete(place, Fate::Confirmed);
        }
        self.take(&Step::Look);
        for track in self.tracks.known.values().copied().collect::<Vec<_>>() {
            let (start, end) =
                (self.tracks.at(track).prefix.end(), self.tracks.at(track).reading.end);
            self.tracks.complete(Place { track, start, end }, Fate::Filtered);
            self.tracks.change(track, |track| track.reading.reach(end));
        }
        let seen = self.tracks.seen();
        for number in 0..6 {
            self.take(&Step::Vanish(number));
        }
        self.take(&Step::Look);
        self.take(&Step::Forget);
        self.check()?;
        prop_assert_eq!((self.tracks.seen(), self.tracks.outstanding()), (seen, 0));
        let tracks = &self.tracks;
        let maps = [tracks.known.len(), tracks.begun.len(), tracks.earlier.len()];
        prop_assert_eq!(maps, [0; 3]);
        prop_assert_eq!((tracks.elsewhere.len(), tracks.lapsed.len()), (0, 0));
        Ok(())
    }
}

const FATES: [Fate; 6] = [
    Fate::Confirmed,
    Fate::Accepted,
    Fate::Filtered,
    Fate::DeadLetter,
    Fate::Lost,
    Fate::Elsewhere,
];

#[derive(Clone, Debug)]
enum Step {
    Extent(u64, u64, u64, bool),
    Vanish(u64),
    Look,
    Walk,
    Read(u64, u64),
    Done(usize, usize),
    Wait(u64, bool, bool),
    LookAgain,
    FixEnds,
    Rewind,
    Commit,
    Forget,
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 0u64..6;
    let step = prop_oneof![
        6 => (id(), 0u64..5, 0u64..60, prop::bool::weighted(0.9))
            .prop_map(|(id, start, length, listed)| Step::Extent(id, start, length, listed)),
        1 => id().prop_map(Step::Vanish),
        6 => Just(Step::Look),
        1 => Just(Step::Walk),
        8 => (id(), 1u64..20).prop_map(|(id, length)| Step::Read(id, length)),
        8 => (any::<usize>(), any::<usize>()).prop_map(|(which, fate)| Step::Done(which, fate)),
        3 => (id(), any::<bool>(), any::<bool>())
            .prop_map(|(id, stale, troubled)| Step::Wait(id, stale, troubled)),
        1 => Just(Step::LookAgain),
        1 => Just(Step::FixEnds),
        1 => Just(Step::Rewind),
        3 => Just(Step::Commit),
        3 => Just(Step::Forget),
        1 => Just(Step::Reset),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn the_sums_are_those_of_a_walk_over_all_tracks(earlier in 0u64..30, steps in steps()) {
        let mut bench = Bench::new(earlier);
        for step in &steps {
            bench.take(step);
            bench.check()?;
        }
        bench.end()?;
    }
}

/// The state is lost, and the follower tells of a file before its row is durable.
#[test]
fn a_cursor_that_the_sink_keeps_waits_until_the_log_knows_its_generation() {
    let mut bench = Bench::new(0);
    let id = GenerationId(1);
    let own = vec![Cursor { generation: id, offset: 7 }];
    bench.tracks.reset(own, Some(HashMap::new()), &bench.config);
    bench.queue.hub.mark(&News::of([id]));
    bench.take(&Step::Look);
    bench.take(&Step::Forget);
    bench.take(&Step::Extent(1, 0, 20, true));
    bench.take(&Step::Look);
    assert_eq!(bench.tracks.of(id).map(|track| track.reading.offset), Some(7));
}

/// An older state is put back, and the file is not there: it may still come, else the sink has all there was.
#[test]
fn a_cursor_beyond_what_was_seen_waits_until_it_is_known_what_became_of_the_file() {
    let mut bench = Bench::new(0);
    let id = GenerationId(1);
    bench.queue.without_file.lock().unwrap().push(id);
    let own = vec![Cursor { generation: id, offset: 30 }];
    bench.tracks.reset(own, Some(HashMap::new()), &bench.config);
    bench.take(&Step::Extent(1, 0, 20, true));
    bench.take(&Step::Look);
    assert!(bench.tracks.of(id).is_none());
    let row = bench.config.store.generation(id).unwrap();
    bench.config.store.put_generation(GenerationRow { ended: Some(Timestamp(1)), ..row });
    bench.queue.hub.mark(&News::of([id]));
    bench.take(&Step::Look);
    assert_eq!(bench.tracks.of(id).map(|track| track.reading.offset), Some(20));
}

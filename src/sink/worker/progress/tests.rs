//! Whatever happens in whatever order: the totals are those of a walk over all progress, the account adds up, and
//! nothing is kept of what nobody knows any more.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::base::{SystemClock, Timestamp};
use crate::event::{Identity, Mark};
use crate::follow::{Changes, Hub, Queue, Read};
use crate::sink::worker::byte_accounting::byte_status;
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
        let mut known = self.slot_of.lock().unwrap();
        match extent {
            Some(extent) => known.insert(id, extent),
            None => known.remove(&id),
        };
        self.hub.mark(&News::of([id]));
    }
}

impl Queue for Extents {
    fn generations(&self) -> Vec<GenerationId> {
        let known = self.slot_of.lock().unwrap();
        known.iter().filter(|(_, extent)| extent.2).map(|(id, _)| *id).collect()
    }

    fn holds(&self, id: GenerationId) -> bool {
        self.slot_of.lock().unwrap().get(&id).is_some_and(|extent| extent.2)
    }

    fn extent(&self, id: GenerationId) -> Option<(u64, u64)> {
        self.slot_of.lock().unwrap().get(&id).map(|(start, end, _)| (*start, *end))
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
    progress: Progress,
    /// Read and not done.
    under_way: Vec<Span>,
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
        let mut progress = Progress::new("*".into(), earlier, None);
        progress.reset(vec![Cursor { generation: GenerationId(1), offset: 7 }], None, &config);
        let changes = queue.changes();
        Bench { queue, config, changes, progress, under_way: Vec::new() }
    }

    fn put_row(&self, id: GenerationId) {
        self.config.store.put_generation(GenerationRow {
            id,
            identity: Identity {
                inode: id.0,
                lane_start: 0,
                head_len: 0,
                head_hash: 0,
                ordinal: 0,
            },
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
            Step::Look => self.progress.discover(&self.config, &self.changes.take()),
            Step::Walk => self.progress.discover(&self.config, &News::everything()),
            Step::Read(number, length) => self.read(id(number), *length),
            Step::Done(which, byte_outcome) if !self.under_way.is_empty() => {
                let span = self.under_way.swap_remove(which % self.under_way.len());
                self.progress.complete(span, BYTE_OUTCOMES[byte_outcome % BYTE_OUTCOMES.len()]);
            }
            Step::Done(..) => {}
            Step::Wait(number, stale, troubled) => {
                if let Some(&index) = self.progress.slot_of.get(&id(number)) {
                    let mut read = self.progress.at(index).reading;
                    if *stale {
                        // The log tells of it while it is read.
                        self.progress.change(index, |progress| progress.note_end(read.end));
                    }
                    match troubled {
                        true => read.fail(),
                        false => read.wait(),
                    }
                    self.progress.note_read(index, &read);
                }
            }
            Step::LookAgain => self.progress.recheck_waiting(),
            Step::FixEnds => self.progress.fix_ends(),
            Step::Rewind => {
                self.under_way.clear();
                self.progress.rewind();
            }
            Step::Commit => self.commit(),
            Step::Forget => _ = self.progress.forget(&self.config),
            Step::Reset => {
                self.under_way.clear();
                let cursors = self.progress.cursors();
                self.progress.reset(cursors, None, &self.config);
            }
        }
    }

    fn read(&mut self, id: GenerationId, length: u64) {
        let Some(&index) = self.progress.slot_of.get(&id) else { return };
        let progress = self.progress.at(index);
        // What is there may be more than the worker has heard of.
        let there = self.queue.extent(id).map_or(progress.reading.end, |(_, end)| end);
        let mut read = progress.reading;
        let (start, end) = (read.offset, (read.offset + length).min(there));
        if start < end {
            self.under_way.push(Span { slot: index, start, end });
            read.reach(end);
            self.progress.note_read(index, &read);
        }
    }

    fn commit(&mut self) {
        let moved: Vec<Cursor> = self
            .progress
            .iter()
            .filter(|progress| progress.committed != progress.prefix.end())
            .map(|progress| Cursor {
                generation: progress.reading.generation,
                offset: progress.prefix.end(),
            })
            .collect();
        let mut told = Vec::new();
        self.progress.commit(&mut |cursor| told.push(cursor));
        told.sort_by_key(|cursor| cursor.generation);
        let mut wanted = moved;
        wanted.sort_by_key(|cursor| cursor.generation);
        assert_eq!(told, wanted);
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let progress = &self.progress;
        let mut walked = Totals::default();
        for (index, progress) in progress.slots.iter().enumerate() {
            let Some(progress) = progress else { continue };
            walked.replace(index, Contribution::default(), progress.contribution());
            prop_assert_eq!(progress.slot_of.get(&progress.reading.generation), Some(&index));
            prop_assert!(progress.reading.end >= progress.prefix.furthest());
        }
        prop_assert_eq!(&progress.totals, &walked);
        prop_assert_eq!(progress.iter().count(), progress.slot_of.len());
        prop_assert_eq!(progress.slots.len(), progress.slot_of.len() + progress.free_slots.len());
        prop_assert_eq!(
            progress.is_read(),
            progress.iter().all(|progress| progress.reading.is_through())
        );
        prop_assert_eq!(
            progress.has_cursor_behind(),
            progress.iter().any(|t| t.prefix.end() > t.committed)
        );
        for round in [false, true] {
            let open = |progress: &&GenerationProgress| {
                let Reading { offset, end, until, .. } = progress.reading;
                let end = if round { until.min(end) } else { end };
                offset < end && !progress.reading.waits()
            };
            let wanted: Vec<_> =
                progress.iter().filter(open).map(|t| t.reading.generation).collect();
            let found = progress.positions(round);
            let found: Vec<_> = found.iter().map(|position| position.reading.generation).collect();
            prop_assert_eq!(found, wanted);
        }
        let bytes = byte_status(progress.account(), progress.seen(), progress.outstanding(), 0);
        prop_assert!(bytes.adds_up(), "{:?}", bytes);
        Ok(())
    }

    /// Everything is delivered, the log and the state forget all of it, and so does the worker.
    fn end(&mut self) -> Result<(), TestCaseError> {
        for span in std::mem::take(&mut self.under_way) {
            self.progress.complete(span, ByteOutcome::Confirmed);
        }
        self.take(&Step::Look);
        for progress in self.progress.slot_of.values().copied().collect::<Vec<_>>() {
            let (start, end) =
                (self.progress.at(progress).prefix.end(), self.progress.at(progress).reading.end);
            self.progress.complete(Span { slot: progress, start, end }, ByteOutcome::Filtered);
            self.progress.change(progress, |progress| progress.reading.reach(end));
        }
        let seen = self.progress.seen();
        for number in 0..6 {
            self.take(&Step::Vanish(number));
        }
        self.take(&Step::Look);
        self.take(&Step::Forget);
        self.check()?;
        prop_assert_eq!((self.progress.seen(), self.progress.outstanding()), (seen, 0));
        let progress = &self.progress;
        let maps =
            [progress.slot_of.len(), progress.accounted_from.len(), progress.earlier_ends.len()];
        prop_assert_eq!(maps, [0; 3]);
        prop_assert_eq!((progress.unlisted.len(), progress.delisted.len()), (0, 0));
        Ok(())
    }
}

const BYTE_OUTCOMES: [ByteOutcome; 6] = [
    ByteOutcome::Confirmed,
    ByteOutcome::Accepted,
    ByteOutcome::Filtered,
    ByteOutcome::DeadLetter,
    ByteOutcome::Lost,
    ByteOutcome::OtherWorker,
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
        8 => (any::<usize>(), any::<usize>()).prop_map(|(which, byte_outcome)| Step::Done(which, byte_outcome)),
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
    bench.progress.reset(own, Some(HashMap::new()), &bench.config);
    bench.queue.hub.mark(&News::of([id]));
    bench.take(&Step::Look);
    bench.take(&Step::Forget);
    bench.take(&Step::Extent(1, 0, 20, true));
    bench.take(&Step::Look);
    assert_eq!(bench.progress.of(id).map(|progress| progress.reading.offset), Some(7));
}

/// An older state is put back, and the file is not there: it may still come, else the sink has all there was.
#[test]
fn a_cursor_beyond_what_was_seen_waits_until_it_is_known_what_became_of_the_file() {
    let mut bench = Bench::new(0);
    let id = GenerationId(1);
    bench.queue.without_file.lock().unwrap().push(id);
    let own = vec![Cursor { generation: id, offset: 30 }];
    bench.progress.reset(own, Some(HashMap::new()), &bench.config);
    bench.take(&Step::Extent(1, 0, 20, true));
    bench.take(&Step::Look);
    assert!(bench.progress.of(id).is_none());
    let row = bench.config.store.generation(id).unwrap();
    bench.config.store.put_generation(GenerationRow { ended: Some(Timestamp(1)), ..row });
    bench.queue.hub.mark(&News::of([id]));
    bench.take(&Step::Look);
    assert_eq!(bench.progress.of(id).map(|progress| progress.reading.offset), Some(20));
}

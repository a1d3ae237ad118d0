//! In any order of operations: the totals equal the sum over all generations, the byte accounting adds up, and
//! nothing is kept of unknown generations.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::base::{SystemClock, Timestamp};
use crate::event::{Identity, Mark};
use crate::follow::{ChangeHub, Changes, Queue, Read};
use crate::sink::worker::byte_accounting::byte_status;
use crate::sink::worker::tests::fake::FakeSink;
use crate::sink::worker::{Filter, Mode};
use crate::state::{GenerationRow, Store};

/// The generations of a log.
#[derive(Default)]
struct Extents {
    /// Start, end, and whether it is listed.
    known: Mutex<BTreeMap<GenerationId, (u64, u64, bool)>>,
    /// Only a row in the state is left of these.
    without_file: Mutex<Vec<GenerationId>>,
    hub: ChangeHub,
}

impl Extents {
    fn set(&self, id: GenerationId, extent: Option<(u64, u64, bool)>) {
        let mut known = self.known.lock().unwrap();
        match extent {
            Some(extent) => known.insert(id, extent),
            None => known.remove(&id),
        };
        self.hub.mark(&ChangeSet::of([id]));
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

struct Setup {
    queue: Arc<Extents>,
    config: WorkerConfig,
    changes: Changes,
    progress: Progress,
    /// Read and not done.
    in_flight: Vec<Span>,
}

impl Setup {
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
            dead_letters: Arc::new(super::super::tests::StoredLetters::default()),
            clock: Arc::new(SystemClock::new()),
        };
        let earlier = (0..6).map(|number| (GenerationId(number), earlier)).collect();
        let mut progress = Progress::new("*".into(), earlier, None);
        progress.reset(vec![Cursor { generation: GenerationId(1), offset: 7 }], None, &config);
        let changes = queue.changes();
        Setup { queue, config, changes, progress, in_flight: Vec::new() }
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
            Step::ApplyNews => self.progress.discover(&self.config, &self.changes.take()),
            Step::ApplyAll => self.progress.discover(&self.config, &ChangeSet::everything()),
            Step::Read(number, length) => self.read(id(number), *length),
            Step::Done(which, byte_outcome) if !self.in_flight.is_empty() => {
                let span = self.in_flight.swap_remove(which % self.in_flight.len());
                self.progress.complete(span, BYTE_OUTCOMES[byte_outcome % BYTE_OUTCOMES.len()]);
            }
            Step::Done(..) => {}
            Step::Wait(number, stale, fails) => {
                if let Some(&index) = self.progress.slot_of.get(&id(number)) {
                    let mut read = self.progress.at(index).reading;
                    if *stale {
                        // The log reports growth while it is read.
                        self.progress.change(index, |progress| progress.note_end(read.end));
                    }
                    match fails {
                        true => read.fail(),
                        false => read.wait(),
                    }
                    self.progress.note_read(index, &read);
                }
            }
            Step::Recheck => self.progress.recheck_waiting(),
            Step::FixEnds => self.progress.fix_ends(),
            Step::Rewind => {
                self.in_flight.clear();
                self.progress.rewind();
            }
            Step::Commit => self.commit(),
            Step::Forget => _ = self.progress.forget(&self.config),
            Step::Reset => {
                self.in_flight.clear();
                let cursors = self.progress.cursors();
                self.progress.reset(cursors, None, &self.config);
            }
        }
    }

    fn read(&mut self, id: GenerationId, length: u64) {
        let Some(&index) = self.progress.slot_of.get(&id) else { return };
        let progress = self.progress.at(index);
        // The file may be longer than the worker knows.
        let there = self.queue.extent(id).map_or(progress.reading.end, |(_, end)| end);
        let mut read = progress.reading;
        let (start, end) = (read.offset, (read.offset + length).min(there));
        if start < end {
            self.in_flight.push(Span { slot: index, start, end });
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
        let mut stored = Vec::new();
        self.progress.commit(&mut |cursor| stored.push(cursor));
        stored.sort_by_key(|cursor| cursor.generation);
        let mut wanted = moved;
        wanted.sort_by_key(|cursor| cursor.generation);
        assert_eq!(stored, wanted);
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let progress = &self.progress;
        let mut walked = Totals::default();
        for (index, one) in progress.slots.iter().enumerate() {
            let Some(one) = one else { continue };
            walked.replace(index, Contribution::default(), one.contribution());
            prop_assert_eq!(progress.slot_of.get(&one.reading.generation), Some(&index));
            prop_assert!(one.reading.end >= one.prefix.furthest());
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

    /// Everything is delivered and forgotten by the log and the state, and then by the worker.
    fn end(&mut self) -> Result<(), TestCaseError> {
        for span in std::mem::take(&mut self.in_flight) {
            self.progress.complete(span, ByteOutcome::Confirmed);
        }
        self.take(&Step::ApplyNews);
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
        self.take(&Step::ApplyNews);
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
    ApplyNews,
    ApplyAll,
    Read(u64, u64),
    Done(usize, usize),
    Wait(u64, bool, bool),
    Recheck,
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
        6 => Just(Step::ApplyNews),
        1 => Just(Step::ApplyAll),
        8 => (id(), 1u64..20).prop_map(|(id, length)| Step::Read(id, length)),
        8 => (any::<usize>(), any::<usize>()).prop_map(|(which, byte_outcome)| Step::Done(which, byte_outcome)),
        3 => (id(), any::<bool>(), any::<bool>())
            .prop_map(|(id, stale, fails)| Step::Wait(id, stale, fails)),
        1 => Just(Step::Recheck),
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
    fn the_totals_equal_the_sum_over_all_generations(earlier in 0u64..30, steps in steps()) {
        let mut setup = Setup::new(earlier);
        for step in &steps {
            setup.take(step);
            setup.check()?;
        }
        setup.end()?;
    }
}

/// The state is lost, and the follower reports a file before its row is durable.
#[test]
fn a_cursor_of_the_sink_is_kept_until_the_log_lists_its_generation() {
    let mut setup = Setup::new(0);
    let id = GenerationId(1);
    let own = vec![Cursor { generation: id, offset: 7 }];
    setup.progress.reset(own, Some(HashMap::new()), &setup.config);
    setup.queue.hub.mark(&ChangeSet::of([id]));
    setup.take(&Step::ApplyNews);
    setup.take(&Step::Forget);
    setup.take(&Step::Extent(1, 0, 20, true));
    setup.take(&Step::ApplyNews);
    assert_eq!(setup.progress.of(id).map(|progress| progress.reading.offset), Some(7));
}

/// An older state is restored, and the file does not exist: it may still appear, or the sink has all of it.
#[test]
fn a_cursor_beyond_the_known_end_waits_until_the_file_is_known_to_be_deleted() {
    let mut setup = Setup::new(0);
    let id = GenerationId(1);
    setup.queue.without_file.lock().unwrap().push(id);
    let own = vec![Cursor { generation: id, offset: 30 }];
    setup.progress.reset(own, Some(HashMap::new()), &setup.config);
    setup.take(&Step::Extent(1, 0, 20, true));
    setup.take(&Step::ApplyNews);
    assert!(setup.progress.of(id).is_none());
    let row = setup.config.store.generation(id).unwrap();
    setup.config.store.put_generation(GenerationRow { ended: Some(Timestamp(1)), ..row });
    setup.queue.hub.mark(&ChangeSet::of([id]));
    setup.take(&Step::ApplyNews);
    assert_eq!(setup.progress.of(id).map(|progress| progress.reading.offset), Some(20));
}

//! The promises of a pull, against a log in memory.

mod fake;

use proptest::prelude::*;

use self::fake::{Files, LENGTH};
use super::*;
use crate::follow::Changes;

/// An event: its generation, its number in it, its time.
type Event = (u64, u64, i64);

/// A pull and its results.
struct Bench {
    files: Files,
    changes: Changes,
    pull: Pull,
    events: Vec<Event>,
    /// Generation, from, to.
    lost: Vec<(u64, u64, u64)>,
    /// Generations that could not be read.
    failed: Vec<u64>,
}

impl Bench {
    fn new(files: Files, pull: Pull) -> Self {
        let changes = files.changes();
        Bench { files, changes, pull, events: Vec::new(), lost: Vec::new(), failed: Vec::new() }
    }

    fn look(&mut self) -> Vec<GenerationId> {
        self.pull.look(&self.files, self.changes.take())
    }

    /// `false` if nothing is due.
    fn step(&mut self) -> bool {
        let Some((GenerationId(id), pulled)) = self.pull.next(&self.files) else { return false };
        match pulled {
            Pulled::Events { batch, records } => {
                assert_eq!(batch.generation.id.0, id);
                let records = &batch.records[records];
                self.events.extend(records.iter().map(|r| (id, r.start / LENGTH, r.time.0)));
            }
            Pulled::Lost { from, to } => self.lost.push((id, from, to)),
            Pulled::Failed(_) => self.failed.push(id),
        }
        true
    }

    /// Looks, reads all that is due, and returns the events.
    fn read(&mut self) -> Vec<Event> {
        self.look();
        while self.step() {}
        std::mem::take(&mut self.events)
    }

    fn cursors(&self) -> Vec<Cursor> {
        let mut all: Vec<Cursor> = self.pull.cursors().collect();
        all.sort_by_key(|cursor| cursor.generation);
        all
    }
}

fn times(numbers: Range<i64>) -> Vec<i64> {
    numbers.collect()
}

#[test]
fn generations_are_read_in_fair_turns() {
    let files = Files::new(2, [times(0..6), times(0..2), times(0..3)]);
    let mut bench = Bench::new(files, Pull::fair());
    let turns: Vec<(u64, u64)> =
        bench.read().iter().map(|(id, number, _)| (*id, *number)).collect();
    let wanted = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (0, 2), (0, 3), (2, 2)];
    assert_eq!(turns[..9], wanted);
    assert_eq!(turns[9..], [(0, 4), (0, 5)]);
}

#[test]
fn returned_records_are_handed_out_first_without_another_read() {
    let files = Files::new(4, [times(0..8), times(0..4)]);
    let mut bench = Bench::new(files, Pull::fair());
    bench.look();
    let Some((_, Pulled::Events { batch, records })) = bench.pull.next(&bench.files) else {
        panic!("events are due")
    };
    assert_eq!(records, 0..4);
    bench.pull.give_back(batch, 1);
    assert_eq!(bench.cursors()[0].offset, LENGTH);
    bench.files.take_reads();
    assert!(bench.step());
    assert_eq!(bench.events, [(0, 1, 1), (0, 2, 2), (0, 3, 3)]);
    assert!(bench.files.take_reads().is_empty());
    assert!(bench.step());
    assert_eq!(bench.events[3].0, 1, "then the next generation has its turn");
}

#[test]
fn only_generations_that_the_log_reports_are_read() {
    let files = Files::new(10, (0..20).map(|_| times(0..3)));
    let mut bench = Bench::new(files, Pull::by_time());
    assert_eq!(bench.look().len(), 20, "all are new");
    assert_eq!(bench.read().len(), 60);
    bench.files.take_reads();
    assert_eq!(bench.read(), []);
    bench.files.change(7, |file| file.times.push(3));
    assert_eq!(bench.look(), [], "none is new");
    assert_eq!(bench.read(), [(7, 3, 3)]);
    assert_eq!(bench.files.take_reads(), [7]);
    bench.files.change(20, |file| file.times.push(0));
    assert_eq!(bench.look(), [GenerationId(20)]);
}

#[test]
fn an_incomplete_record_is_read_again_after_a_change_or_on_request() {
    let files = Files::new(10, [times(0..2)]);
    files.change(0, |file| file.open = true);
    let mut bench = Bench::new(files, Pull::fair());
    assert_eq!(bench.read().len(), 2);
    assert!(bench.pull.is_open() && bench.pull.is_through() && !bench.pull.is_due());
    bench.files.take_reads();
    assert_eq!((bench.read(), bench.files.take_reads()), (vec![], vec![]));
    bench.pull.look_again();
    assert_eq!((bench.read(), bench.files.take_reads()), (vec![], vec![0]));
    bench.files.change(0, |file| (file.open, file.times) = (false, times(0..3)));
    assert_eq!(bench.read(), [(0, 2, 2)]);
    assert!(!bench.pull.is_open() && bench.pull.is_through());
}

#[test]
fn lost_bytes_are_reported_once_and_reading_continues_after_them() {
    for pull in [Pull::fair(), Pull::by_time()] {
        let files = Files::new(10, [times(0..5), times(0..2)]);
        files.change(0, |file| file.gone = 3 * LENGTH);
        let mut bench = Bench::new(files, pull);
        let mut events = bench.read();
        events.sort();
        assert_eq!(events, [(0, 3, 3), (0, 4, 4), (1, 0, 0), (1, 1, 1)]);
        assert_eq!(bench.lost, [(0, 0, 3 * LENGTH)]);
    }
}

#[test]
fn an_unreadable_generation_does_not_delay_others_and_is_read_later() {
    let files = Files::new(10, [times(0..5), times(0..2)]);
    files.change(0, |file| file.broken = true);
    let mut bench = Bench::new(files, Pull::by_time());
    assert_eq!(bench.read(), [(1, 0, 0), (1, 1, 1)]);
    for _ in 0..3 {
        assert!(bench.pull.fails() && !bench.pull.is_through());
        bench.pull.look_again();
        assert_eq!(bench.read(), []);
    }
    bench.pull.look_again();
    bench.read();
    assert_eq!(bench.failed, [0; 5]);
    assert!(bench.pull.is_through(), "no longer waited for");
    bench.files.change(0, |file| file.broken = false);
    assert_eq!(bench.read().len(), 5);
    assert!(!bench.pull.fails());
}

/// For example an event whose key is missing, after events that were taken.
#[test]
fn a_record_that_cannot_be_taken_is_retried() {
    let mut bench = Bench::new(Files::new(4, [times(0..8)]), Pull::fair());
    bench.look();
    for refused in 1..=5 {
        assert!(!bench.pull.is_through());
        let Some((_, Pulled::Events { batch, records })) = bench.pull.next(&bench.files) else {
            panic!("events are due")
        };
        bench.pull.refuse(&batch, if refused == 1 { 2 } else { records.start });
        assert_eq!(bench.cursors()[0].offset, 2 * LENGTH);
        assert!(bench.pull.fails());
        if refused < 5 {
            bench.pull.look_again();
        }
    }
    assert!(bench.pull.is_through(), "no longer waited for");
    bench.pull.look_again();
    assert_eq!(bench.read().len(), 6);
    assert!(!bench.pull.fails());
}

#[test]
fn a_file_that_grows_without_end_does_not_starve_others() {
    let files = Files::new(2, [times(0..4), times(100..104)]);
    let mut bench = Bench::new(files, Pull::by_time());
    bench.look();
    while bench.step() {
        // Older than all other events, and reported while the others are due.
        bench.files.change(0, |file| file.times.extend([0; 4]));
        assert!(bench.events.len() < 20, "the other file waits");
    }
    assert_eq!(bench.events.iter().filter(|(id, ..)| *id == 1).count(), 4);
}

#[test]
fn a_generation_that_the_log_no_longer_holds_is_dropped() {
    let files = Files::new(2, [times(0..4), times(0..4)]);
    let mut bench = Bench::new(files, Pull::by_time());
    bench.look();
    bench.step();
    bench.files.files.lock().unwrap().remove(&0);
    bench.files.hub.mark(&ChangeSet::everything());
    bench.look();
    while bench.step() {}
    assert_eq!(bench.cursors(), [Cursor { generation: GenerationId(1), offset: 4 * LENGTH }]);
}

/// Changes reported while a copy is read must survive taking over the progress of the copy.
#[test]
fn changes_reported_while_a_copy_is_read_are_kept() {
    let cursor = Cursor { generation: GenerationId(1), offset: 0 };
    let mut reading = Reading::new(cursor, 10);
    let mut copy = reading;
    copy.reach(5);
    copy.wait();
    reading.hear(20);
    reading.follow(&copy);
    assert_eq!((reading.offset, reading.is_due()), (5, true));
    copy = reading;
    copy.wait();
    reading.follow(&copy);
    assert!(!reading.is_due() && reading.is_through());
}

/// Files with ascending times, each within its own part of an hour.
fn sorted() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let file = (0..50i64, prop::collection::vec(0..5i64, 0..40)).prop_map(|(first, steps)| {
        steps.into_iter().scan(first, |time, step| Some(std::mem::replace(time, *time + step)))
    });
    prop::collection::vec(file.prop_map(|times| times.collect()), 0..6)
}

proptest! {
    #[test]
    fn files_with_ascending_times_are_merged_by_time(files in sorted(), batch in 1usize..12) {
        let mut wanted: Vec<i64> = files.iter().flatten().copied().collect();
        wanted.sort_unstable();
        let mut bench = Bench::new(Files::new(batch, files), Pull::by_time());
        let events = bench.read();
        prop_assert_eq!(events.iter().map(|(.., time)| *time).collect::<Vec<_>>(), wanted);
    }

    /// Also checks that a batch is not read again for each event, even with many files.
    #[test]
    fn every_event_of_any_files_is_read_once(
        files in prop::collection::vec(prop::collection::vec(0..100i64, 0..30), 0..100),
        batch in 1usize..12,
        by_time: bool,
    ) {
        let batches: usize = files.iter().map(|times| times.len().div_ceil(batch)).sum();
        let pull = if by_time { Pull::by_time() } else { Pull::fair() };
        let mut bench = Bench::new(Files::new(batch, files), pull);
        let events = bench.read();
        prop_assert!(events.len() == bench.files.events());
        prop_assert!(bench.files.take_reads().len() <= 3 * batches);
        let mut next = HashMap::new();
        for (id, number, _) in events {
            prop_assert_eq!(number, *next.entry(id).and_modify(|next| *next += 1).or_insert(0));
        }
        prop_assert!(bench.pull.is_through() && bench.pull.held.is_empty());
    }

    #[test]
    fn a_pull_that_starts_at_the_cursors_of_another_reads_the_rest(
        files in sorted(),
        batch in 1usize..12,
        steps in 0usize..20,
        by_time: bool,
    ) {
        let pull = || if by_time { Pull::by_time() } else { Pull::fair() };
        let mut bench = Bench::new(Files::new(batch, files), pull());
        bench.look();
        (0..steps).for_each(|_| _ = bench.step());
        let cursors = bench.cursors();
        bench.pull = pull();
        bench.pull.start_at(cursors.iter().copied());
        prop_assert_eq!(bench.cursors(), cursors, "including generations not reported yet");
        bench.changes = bench.files.changes();
        let mut events = std::mem::take(&mut bench.events);
        events.extend(bench.read());
        prop_assert_eq!(events.len(), bench.files.events());
        events.sort_unstable();
        events.dedup();
        prop_assert_eq!(events.len(), bench.files.events());
        let ends = bench.files.generations().into_iter();
        let end = |generation| {
            let (_, offset) = bench.files.extent(generation).unwrap();
            Cursor { generation, offset }
        };
        prop_assert_eq!(bench.cursors(), ends.map(end).collect::<Vec<_>>());
    }
}

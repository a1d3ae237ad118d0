//! Failures between two commits: every event is in the archive once, and the positions agree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tantivy::collector::DocSetCollector;
use tantivy::directory::RamDirectory;
use tantivy::query::AllQuery;

use super::*;
use crate::base::Timestamp;
use crate::event::test_batches::Lines;
use crate::event::{
    Batch, Cursor, Flags, Generation, GenerationId, IdKey, Identity, Level, Mark, Record,
};
use crate::privacy::{Policy, shown};

mod erase;
mod faulty;
use faulty::{Disk, FaultyDirectory};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn identity(generation: u64) -> Identity {
    Identity { inode: generation, birth: 7, head_len: 3, head_hash: 9, ordinal: 0 }
}

struct AllKnown;

impl Generations for AllKnown {
    fn fact(&self, generation: GenerationId) -> Option<GenerationFacts> {
        let mark = Mark { offset: 1 << 40, hash: 1, wide: 0 };
        Some(GenerationFacts { identity: identity(generation.0), mark })
    }
}

/// Events `from..to` of a generation: each is 16 bytes, its message `g<generation> event <number>`.
fn batch(generation: u64, from: u64, to: u64, seen: Timestamp) -> Batch {
    let mut bytes = Vec::new();
    let mut records = Vec::new();
    for number in from..to {
        let at = bytes.len() as u32;
        bytes.extend_from_slice(format!("g{generation} event {number:>6}\n").as_bytes());
        records.push(Record {
            start: number * 16,
            end: number * 16 + 16,
            at,
            len: 15,
            time: NOW.plus(Duration::from_millis(number)),
            level: Some(Level::Info),
            precision: 3,
            flags: Flags::default(),
        });
    }
    Batch {
        generation: Arc::new(Generation {
            id: GenerationId(generation),
            identity: identity(generation),
            source: "test".into(),
            service: None,
            host: "host".into(),
            key: IdKey::from_host_id("host"),
        }),
        path: Path::new("/var/log/app.log").into(),
        decode: Arc::new(Lines),
        seen,
        day: seen.day(),
        start: from * 16,
        end: to * 16,
        bytes: bytes.into(),
        records,
    }
}

fn items(batch: &Batch) -> (Vec<u8>, Vec<usize>) {
    let (mut body, mut ends) = (Vec::new(), Vec::new());
    for event in batch.events() {
        encode(&shown(&Policy::default(), event), &mut body);
        ends.push(body.len());
    }
    (body, ends)
}

fn add(archive: &mut Archive, generation: u64, from: u64, to: u64) -> Result<u64, ArchiveError> {
    add_seen(archive, batch(generation, from, to, NOW))
}

fn add_seen(archive: &mut Archive, batch: Batch) -> Result<u64, ArchiveError> {
    let (body, ends) = items(&batch);
    Ok(archive.add(body.into(), &ends)?.into_iter().filter(|new| *new).count() as u64)
}

fn commit(archive: &mut Archive, generation: u64, events: u64) -> Result<(), ArchiveError> {
    commit_at(archive, generation, events, NOW)
}

fn commit_at(
    archive: &mut Archive,
    generation: u64,
    events: u64,
    now: Timestamp,
) -> Result<(), ArchiveError> {
    let upto = [Cursor { generation: GenerationId(generation), offset: events * 16 }];
    archive.commit(&upto, &AllKnown, now)
}

fn open(directory: &Path) -> Archive {
    let (archive, notes) = Archive::open_writer(directory, NOW).expect("opens");
    assert!(notes.is_empty(), "{notes:?}");
    archive
}

/// The number of times that each message is in the archive.
fn messages(reader: &Reader) -> BTreeMap<String, u32> {
    let snapshot = reader.snapshot().unwrap();
    let hits = snapshot.searcher.search(&AllQuery, &DocSetCollector).unwrap();
    let mut messages = BTreeMap::new();
    for hit in hits {
        let event = snapshot.document(hit).unwrap();
        let document: serde_json::Value = serde_json::from_str(&event.json).unwrap();
        *messages.entry(document["message"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    messages
}

fn expected(generation: u64, events: u64) -> BTreeMap<String, u32> {
    (0..events).map(|number| (format!("g{generation} event {number:>6}"), 1)).collect()
}

/// The archive contains the events before its position, each once, and no others.
fn assert_complete(directory: &Path, generation: u64, least: u64) -> u64 {
    assert_complete_in(&Reader::open(directory).unwrap(), generation, least)
}

fn assert_complete_in(reader: &Reader, generation: u64, least: u64) -> u64 {
    let positions = reader.positions().unwrap();
    let events = positions.offset(GenerationId(generation)) / 16;
    assert!(events >= least, "{events} of {least} events that were confirmed");
    assert_eq!(messages(reader), expected(generation, events));
    events
}

#[test]
fn events_and_positions_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    add(&mut archive, 1, 0, 100).unwrap();
    commit(&mut archive, 1, 100).unwrap();
    add(&mut archive, 1, 100, 150).unwrap();
    drop(archive);
    assert_eq!(assert_complete(directory.path(), 1, 100), 100);
    let archive = open(directory.path());
    let position = &archive.positions().rows[&GenerationId(1)];
    assert_eq!(position.offset, 1600);
    assert_eq!(position.identity, Some(identity(1)));
}

#[test]
fn events_delivered_twice_are_stored_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    assert_eq!(add(&mut archive, 1, 0, 100).unwrap(), 100);
    assert_eq!(add(&mut archive, 1, 50, 120).unwrap(), 20);
    commit(&mut archive, 1, 120).unwrap();
    assert_eq!(add(&mut archive, 1, 0, 130).unwrap(), 10);
    commit(&mut archive, 1, 130).unwrap();
    assert_eq!(assert_complete(directory.path(), 1, 130), 130);
}

#[test]
fn a_commit_includes_all_additions_even_if_the_cursors_lag() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    add(&mut archive, 1, 0, 100).unwrap();
    commit(&mut archive, 1, 40).unwrap();
    drop(archive);
    assert_eq!(assert_complete(directory.path(), 1, 100), 100);
}

#[test]
fn a_second_writer_is_rejected_but_not_a_reader() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    let error = Archive::open_writer(directory.path(), NOW).unwrap_err();
    assert!(matches!(error, ArchiveError::Busy { .. }), "{error}");
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.snapshot().unwrap().events(), 0);
    add(&mut archive, 1, 0, 10).unwrap();
    commit(&mut archive, 1, 10).unwrap();
    assert_eq!(reader.snapshot().unwrap().events(), 10);
}

/// An archive in memory, on a disk with the faults of the test.
struct Scratch {
    memory: RamDirectory,
}

impl Scratch {
    fn new() -> Self {
        let scratch = Scratch { memory: RamDirectory::create() };
        drop(scratch.open(&Disk::full_after(u64::MAX)).unwrap());
        scratch
    }

    fn open(&self, disk: &Disk) -> Result<Archive, ArchiveError> {
        let (memory, disk) = (self.memory.clone(), disk.clone());
        let opener: Opener =
            Arc::new(move || Ok(Box::new(FaultyDirectory::new(memory.clone(), disk.clone()))));
        Archive::open_with(Path::new("scratch"), opener)
    }

    fn assert_complete(&self, least: u64) -> u64 {
        let inner = Box::new(self.memory.clone());
        let reader = Reader::open_with(Path::new("scratch"), inner).unwrap();
        assert_complete_in(&reader, 1, least)
    }
}

/// Does what a worker does on this disk, which is full at first. Returns the number of confirmed events, and whether
/// the disk was ever full.
fn run_until_full(scratch: &Scratch, disk: &Disk) -> (u64, bool) {
    let Ok(mut archive) = scratch.open(disk) else { return (0, true) };
    let mut confirmed = 0;
    let mut failed = false;
    for round in 1..=9 {
        let from = archive.positions().offset(GenerationId(1)) / 16;
        let to = round * 40;
        let done = add(&mut archive, 1, from, to).and_then(|_| commit(&mut archive, 1, to));
        if done.is_ok() {
            confirmed = to;
            continue;
        }
        failed = true;
        if round % 3 == 0 {
            disk.make_room();
        }
        let _ = archive.resume();
    }
    (confirmed, failed)
}

#[test]
fn s46_a_full_disk_at_any_write_and_a_kill_leave_every_event_once() {
    let mut n = 0;
    loop {
        let scratch = Scratch::new();
        let disk = Disk::full_after(n);
        let (confirmed, failed) = run_until_full(&scratch, &disk);
        disk.kill();
        let events = scratch.assert_complete(confirmed);
        let mut archive = scratch.open(&Disk::full_after(u64::MAX)).unwrap();
        add(&mut archive, 1, events, 500).unwrap();
        commit(&mut archive, 1, 500).unwrap();
        drop(archive);
        assert_eq!(scratch.assert_complete(500), 500);
        if !failed {
            break;
        }
        // After every write of the first commits, then less often.
        n += 1 + n / 25;
    }
    assert!(n > 100, "only {n} writes were ever tried");
}

#[test]
fn after_a_failed_commit_only_the_data_on_disk_is_published() {
    let scratch = Scratch::new();
    let disk = Disk::full_after(u64::MAX);
    let mut archive = scratch.open(&disk).unwrap();
    for round in 1..=7 {
        add(&mut archive, 1, (round - 1) * 10, round * 10).unwrap();
        commit(&mut archive, 1, round * 10).unwrap();
    }
    // The eighth segment makes a merge due; its commit fails at the last step.
    disk.refuse_meta();
    add(&mut archive, 1, 70, 80).unwrap();
    commit(&mut archive, 1, 80).unwrap_err();
    disk.make_room();
    add(&mut archive, 1, 80, 90).unwrap();
    commit(&mut archive, 1, 90).unwrap_err();
    assert_eq!(scratch.assert_complete(70), 70);
    assert_eq!(archive.resume().unwrap().offset(GenerationId(1)), 70 * 16);
    add(&mut archive, 1, 70, 90).unwrap();
    commit(&mut archive, 1, 90).unwrap();
    drop(archive);
    assert_eq!(scratch.assert_complete(90), 90);
}

#[test]
fn a_sweep_removes_whole_days_and_keeps_the_positions() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    for day in 0..4u64 {
        let seen = NOW.plus(DAY * day as u32);
        add_seen(&mut archive, batch(1, day * 10, day * 10 + 10, seen)).unwrap();
        commit_at(&mut archive, 1, day * 10 + 10, seen).unwrap();
    }
    archive.sweep(DAY * 2, NOW.plus(DAY * 3), Duration::ZERO).unwrap();
    let snapshot = Reader::open(directory.path()).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.events(), 30);
    let segments = snapshot.searcher.segment_readers();
    assert!(segments.iter().all(|segment| !segment.has_deletes()));
    drop(archive);
    let archive = open(directory.path());
    assert_eq!(archive.positions().offset(GenerationId(1)), 640);
}

#[test]
fn a_clock_step_removes_nothing_immediately() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    add_seen(&mut archive, batch(1, 0, 10, NOW)).unwrap();
    commit_at(&mut archive, 1, 10, NOW).unwrap();
    let wrong = NOW.plus(DAY * 365);
    archive.sweep(DAY * 30, wrong, Duration::ZERO).unwrap();
    add_seen(&mut archive, batch(1, 10, 20, wrong)).unwrap();
    commit_at(&mut archive, 1, 20, wrong).unwrap();
    archive.sweep(DAY * 30, wrong, Duration::ZERO).unwrap();
    // After a step back, new events are not the first to be removed.
    let right = NOW.plus(DAY);
    add_seen(&mut archive, batch(2, 0, 10, Timestamp::from_seconds(0))).unwrap();
    commit_at(&mut archive, 2, 10, right).unwrap();
    archive.sweep(DAY * 30, right, Duration::ZERO).unwrap();
    let events = || Reader::open(directory.path()).unwrap().snapshot().unwrap().events();
    assert_eq!(events(), 30);
    // A clock that stays at its new time is accepted in the end.
    for _ in 0..24 * 40 {
        archive.sweep(DAY * 30, wrong, Duration::ZERO).unwrap();
    }
    assert_eq!(events(), 20);
}

#[test]
fn segments_of_different_days_are_never_merged() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    for round in 0..40u64 {
        let seen = NOW.plus(DAY * (round / 20) as u32);
        add_seen(&mut archive, batch(1, round * 2, round * 2 + 2, seen)).unwrap();
        commit(&mut archive, 1, round * 2 + 2).unwrap();
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let snapshot = Reader::open(directory.path()).unwrap().snapshot().unwrap();
        let days: Vec<(i64, i64)> = snapshot
            .searcher
            .segment_readers()
            .iter()
            .map(|segment| segment.fast_fields().i64(schema::DAY_NAME).unwrap())
            .map(|days| (days.min_value(), days.max_value()))
            .collect();
        assert!(days.iter().all(|(first, last)| first == last), "{days:?}");
        assert_eq!(snapshot.events(), 80);
        let first_day = days.iter().map(|(day, _)| *day).min().unwrap();
        if days.iter().filter(|(day, _)| *day == first_day).count() == 1 {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the first day is not one segment: {days:?}");
        // A commit lets the policy check the segments again.
        let events = archive.positions().offset(GenerationId(2)) / 16 + 1;
        commit(&mut archive, 2, events).unwrap();
    }
}

fn damage(change: impl FnOnce(&Path)) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("archive");
    let mut archive = open_new(&directory);
    add(&mut archive, 1, 0, 100).unwrap();
    commit(&mut archive, 1, 100).unwrap();
    drop(archive);
    change(&directory);
    let (archive, notes) = Archive::open_writer(&directory, NOW).unwrap();
    assert_eq!(archive.positions().rows.len(), 0);
    drop(archive);
    assert_eq!(messages(&Reader::open(&directory).unwrap()).len(), 0);
    let aside = scratch.path().join("archive.damaged-2023-11-14T22-13-20Z");
    assert!(aside.join(".managed.json").exists(), "set aside as a whole");
    notes.concat()
}

fn open_new(directory: &Path) -> Archive {
    Archive::open_writer(directory, NOW).unwrap().0
}

fn file_of(directory: &Path, extension: &str) -> PathBuf {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .unwrap()
}

#[test]
fn a_damaged_archive_is_set_aside_and_recreated() {
    let note = damage(|directory| std::fs::remove_file(directory.join("meta.json")).unwrap());
    assert!(note.contains("its meta.json is missing"), "{note}");
    damage(|directory| std::fs::write(directory.join("meta.json"), "{").unwrap());
    damage(|directory| std::fs::remove_file(file_of(directory, "idx")).unwrap());
    damage(|directory| std::fs::write(file_of(directory, "store"), "").unwrap());
    let note = damage(|directory| {
        let path = file_of(directory, "store");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(path, bytes).unwrap();
    });
    assert!(note.contains("checksum"), "{note}");
}

#[test]
fn an_archive_of_a_newer_version_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = open(directory.path());
    add(&mut archive, 1, 0, 3).unwrap();
    commit(&mut archive, 1, 3).unwrap();
    drop(archive);
    let path = directory.path().join("meta.json");
    let meta = std::fs::read_to_string(&path).unwrap();
    let newer = meta.replace(r#"{\"version\":1"#, r#"{\"version\":2"#);
    assert_ne!(newer, meta);
    std::fs::write(&path, newer).unwrap();
    let error = Archive::open_writer(directory.path(), NOW).unwrap_err();
    assert!(matches!(error, ArchiveError::Newer { version: 2, .. }), "{error}");
}

//! The journal after a kill, after damage, and when it belongs to another state.

use super::*;
use crate::state::journal::record;
use crate::state::tables::{Changes, RowName};

/// The files of a killed store after `commits` commits, each of one cursor. None of them is in the database.
fn journaled(commits: u64) -> tempfile::TempDir {
    let home = home();
    let (store, _) = open(home.path());
    for number in 1..=commits {
        store.put_cursor("c", "*", cursor(1, number));
        store.commit().unwrap();
    }
    killed(home.path())
}

/// Opens the state and returns the cursor and the notices. A second opening has no notices.
fn found(directory: &Path) -> (Option<u64>, String) {
    let (store, notices) = open(directory);
    let found = offset(&store);
    drop(store);
    let (store, again) = open(directory);
    assert_eq!((offset(&store), again), (found, Vec::new()));
    (found, notices.join("; "))
}

fn aside(directory: &Path) -> usize {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains("damaged-")).count()
}

/// The end of each record, and the end of the file.
fn ends(directory: &Path) -> Vec<usize> {
    let bytes = fs::read(directory.join("state.journal")).unwrap();
    let salt = record::salt_of(&bytes).unwrap();
    let count = |end: usize| record::read(&bytes[..end], salt, 0).records.len();
    let mut ends = vec![record::FILE_HEAD];
    ends.extend((1..=bytes.len()).filter(|end| count(*end) > count(end - 1)));
    ends
}

#[test]
fn commits_before_a_kill_are_restored_from_the_journal() {
    let home = journaled(7);
    let database = fs::read(home.path().join("state.redb")).unwrap();
    assert_eq!(found(home.path()), (Some(7), String::new()));
    assert_ne!(fs::read(home.path().join("state.redb")).unwrap(), database);
    fs::write(home.path().join("state.redb"), database).unwrap();
    // Its records remain until they are overwritten: with the earlier database they give the same rows.
    assert_eq!(found(home.path()), (Some(7), String::new()));
}

#[test]
fn a_truncated_journal_gives_every_complete_record() {
    let good = journaled(4);
    let ends = ends(good.path());
    assert_eq!(ends.len(), 5);
    let bytes = fs::read(good.path().join("state.journal")).unwrap();
    for length in (record::FILE_HEAD..=bytes.len()).step_by(5) {
        for garbage in [&b""[..], &[0; 300], &[0xa5; 300]] {
            let home = killed(good.path());
            let torn = [&bytes[..length], garbage].concat();
            fs::write(home.path().join("state.journal"), torn).unwrap();
            let whole = ends.iter().filter(|end| **end <= length).count() as u64 - 1;
            let cursor = (whole > 0).then_some(whole);
            assert_eq!(found(home.path()), (cursor, String::new()), "{length}");
        }
    }
}

#[test]
fn a_damaged_record_before_others_is_reported_and_the_records_before_it_are_used() {
    let good = journaled(4);
    let ends = ends(good.path());
    let bytes = fs::read(good.path().join("state.journal")).unwrap();
    for at in (0..bytes.len()).step_by(3) {
        let home = killed(good.path());
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        fs::write(home.path().join("state.journal"), bad).unwrap();
        let broken = ends.iter().filter(|end| **end <= at).count() as u64;
        let (cursor, said) = found(home.path());
        let expected = match broken {
            // The file header: every record is intact.
            0 => Some(4),
            1 => None,
            _ => Some(broken - 1),
        };
        assert_eq!(cursor, expected, "byte {at}: {said}");
        // A damaged last record cannot be distinguished from an incomplete one.
        assert_eq!(said.contains("is damaged"), broken < 4, "byte {at}: {said}");
        assert_eq!(aside(home.path()), usize::from(broken < 4), "byte {at}: {said}");
    }
}

#[test]
fn a_missing_journal_is_reported() {
    let home = journaled(3);
    fs::remove_file(home.path().join("state.journal")).unwrap();
    let (cursor, said) = found(home.path());
    assert_eq!(cursor, None);
    assert!(said.contains("state.journal is missing; events"), "{said}");
}

#[test]
fn the_journal_of_another_state_is_not_used() {
    let (home, other) = (journaled(3), journaled(5));
    fs::copy(other.path().join("state.journal"), home.path().join("state.journal")).unwrap();
    let (cursor, said) = found(home.path());
    assert_eq!((cursor, aside(home.path())), (None, 1));
    assert!(said.contains("belongs to another state; it is kept as"), "{said}");
}

/// Otherwise some rows would be older than others.
#[test]
fn a_journal_that_continues_a_later_database_is_not_used() {
    let home = home();
    let (store, _) = open(home.path());
    store.put_cursor("c", "*", cursor(1, 1));
    store.commit().unwrap();
    drop(store);
    let old = killed(home.path());
    let (store, _) = open(home.path());
    store.put_cursor("c", "*", cursor(1, 2));
    store.put_cursor("d", "*", cursor(1, 2));
    store.commit().unwrap();
    drop(store);
    let (store, _) = open(home.path());
    store.put_cursor("d", "*", cursor(1, 3));
    store.commit().unwrap();
    fs::copy(killed(home.path()).path().join("state.journal"), old.path().join("state.journal"))
        .unwrap();
    let (left, notices) = open(old.path());
    assert!(notices[0].contains("does not continue the state file"), "{notices:?}");
    assert_eq!((offset(&left), left.cursors("d").len()), (Some(1), 0));
}

/// The snapshot says which records it includes; the journal has the later ones.
#[test]
fn a_lost_or_damaged_database_is_restored_from_snapshot_and_journal() {
    let home = home();
    let (store, _) = open(home.path());
    store.put_generation(generation(1));
    store.put_cursor("c", "*", cursor(1, 1));
    store.commit().unwrap();
    store.take_snapshot();
    for number in 2..9 {
        store.put_cursor("c", "*", cursor(1, number));
        store.put_generation(GenerationRow { lost: number, ..generation(1) });
        store.commit().unwrap();
    }
    for damage in [None, Some(b"no database"), Some(&[0; 11])] {
        let left = killed(home.path());
        let path = left.path().join("state.redb");
        match damage {
            Some(damage) => fs::write(&path, damage).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let (cursor, said) = found(left.path());
        assert_eq!(cursor, Some(8), "{said}");
        assert!(said.contains("snapshot is used"), "{said}");
    }
}

/// The snapshot is older than the checkpoint: the commits in between are in neither file.
#[test]
fn a_snapshot_is_not_continued_by_a_journal_that_started_after_it() {
    let home = home();
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
    let (store, _) = Store::open_with(home.path(), clock.clone(), storage::on_disk()).unwrap();
    let commit = |consumer: &str, offset| {
        store.put_cursor(consumer, "*", cursor(1, offset));
        store.commit().unwrap();
    };
    commit("c", 1);
    store.take_snapshot();
    let old = killed(home.path());
    clock.advance(Duration::from_secs(61));
    commit("d", 1);
    commit("c", 2);
    let left = killed(home.path());
    fs::copy(old.path().join("cursors.snapshot"), left.path().join("cursors.snapshot")).unwrap();
    fs::remove_file(left.path().join("state.redb")).unwrap();
    let (store, _) = open(left.path());
    assert_eq!((offset(&store), store.cursors("d").len()), (Some(1), 0));
}

#[test]
fn commits_go_to_the_database_if_the_journal_is_removed_or_cannot_be_written() {
    let home = home();
    let (store, _) = open(home.path());
    for number in 1..5 {
        fs::remove_file(home.path().join("state.journal")).unwrap();
        store.put_cursor("c", "*", cursor(1, number));
        store.commit().unwrap();
        assert_eq!(found(killed(home.path()).path()), (Some(number), String::new()));
    }
}

#[test]
fn commits_go_to_the_journal_and_once_per_minute_to_the_database() {
    let home = home();
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
    let (store, _) = Store::open_with(home.path(), clock.clone(), storage::on_disk()).unwrap();
    let database = || fs::read(home.path().join("state.redb")).unwrap();
    let mut changes = Vec::new();
    for second in 0..180 {
        let before = database();
        store.put_cursor("c", "*", cursor(1, second));
        store.commit().unwrap();
        if database() != before {
            changes.push(second);
        }
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(changes, [60, 120]);
    let length = fs::metadata(home.path().join("state.journal")).unwrap().len();
    assert!(length < 8 * 1024, "{length}");
}

#[test]
fn the_journal_never_exceeds_its_limit() {
    let home = home();
    let (store, _) = open(home.path());
    for round in 0..30 {
        for number in 0..300 {
            store.put_generation(GenerationRow { lost: round, ..generation(number) });
        }
        store.commit().unwrap();
        let length = fs::metadata(home.path().join("state.journal")).unwrap().len();
        assert!(length <= 1 << 20, "{length}");
    }
    let left = killed(home.path());
    let (store, notices) = open(left.path());
    assert_eq!(notices, Vec::<String>::new());
    assert!(store.generations().iter().all(|row| row.lost == 29));
}

/// Rows that are in no record yet are still written later, whichever rows a failed checkpoint took.
#[test]
fn the_journal_accepts_commits_while_the_database_cannot_be_written() {
    let home = home();
    let disk = FaultyDisk::default();
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
    let (store, _) = Store::open_with(home.path(), clock.clone(), disk.storage()).unwrap();
    disk.fill_up_database();
    for number in 1..5 {
        clock.advance(Duration::from_secs(61));
        store.put_cursor("c", "*", cursor(1, number));
        store.commit().unwrap();
        assert_eq!(found(killed(home.path()).path()), (Some(number), String::new()));
    }
    // Too large for the journal.
    let names = (0..3000).map(|number| format!("{number} {}", "long ".repeat(100)));
    names.for_each(|name| _ = store.first_start(&name));
    assert!(store.commit().is_err());
    store.put_cursor("c", "*", cursor(1, 5));
    assert!(store.commit().is_err(), "the names are not durable");
    assert_eq!(found(killed(home.path()).path()), (Some(4), String::new()));
    disk.make_room();
    store.commit().unwrap();
    let (left, _) = open(killed(home.path()).path());
    assert_eq!(offset(&left), Some(5));
    assert!(!left.first_start(&format!("2999 {}", "long ".repeat(100))));
}

#[test]
fn a_record_is_read_completely_or_not_at_all() {
    let salt = Salt(1, 2);
    let changes = |number: u64| -> Changes {
        let name = |key: &str| RowName { table: "cursors".into(), key: key.into() };
        let row = vec![number as u8; 40];
        [(name("a"), Some(row)), (name("b"), None)].into()
    };
    let mut file = record::file_head(salt);
    let mut ends = vec![file.len()];
    for number in 11..15 {
        file.extend(record::encode(salt, number, number - 1, &changes(number)));
        ends.push(file.len());
    }
    let expected: Vec<_> = (11..15).map(|number| (number, changes(number))).collect();
    let whole = record::read(&file, salt, 10);
    assert_eq!((&whole.records, whole.after, whole.is_damaged), (&expected, 10, false));
    for bit in 8 * record::FILE_HEAD..8 * file.len() {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let read = record::read(&bad, salt, 10);
        let broken = ends.iter().filter(|end| **end <= bit / 8).count() - 1;
        assert_eq!(read.records, expected[..broken], "bit {bit}");
        assert_eq!(read.is_damaged, broken < 3, "bit {bit}");
    }
    assert_eq!(record::read(&file, Salt(1, 3), 10), record::Content::default());
}

/// [S04] Every write, sync and change of length is a step: in commits, in the checkpoint of each minute, at the start.
#[test]
fn s04_a_power_cut_at_any_step_of_journal_and_checkpoint_keeps_every_commit() {
    let mut last = 0;
    for step in 0..90 {
        let home = home();
        let disk = FaultyDisk::default();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
        let open = || Store::open_with(home.path(), clock.clone(), disk.storage());
        drop(open().unwrap());
        disk.cut_power_after(step);
        let (mut put, mut durable) = (0, 0);
        'runs: for _ in 0..2 {
            let Ok((store, _)) = open() else { break };
            for _ in 0..4 {
                put += 1;
                store.put_cursor("c", "*", cursor(1, put));
                store.put_cursor("d", "*", cursor(1, put));
                if store.commit().is_err() {
                    break 'runs;
                }
                durable = put;
                clock.advance(Duration::from_secs(30));
            }
        }
        disk.restart(home.path(), step);
        let (store, notices) = open().unwrap();
        assert_eq!(notices, Vec::<String>::new(), "step {step}");
        let left = offset(&store).unwrap_or(0);
        let other = store.cursor("d", "*", GenerationId(1)).unwrap_or(0);
        assert_eq!(left, other, "step {step}");
        assert!((durable..=put).contains(&left), "step {step}: {left} of {durable} to {put}");
        last = durable;
    }
    assert_eq!(last, 8, "too few steps to reach the end");
}

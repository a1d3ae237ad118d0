//! The state after a restart, a crash, a disk failure, and with a second process.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::faulty_disk::FaultyDisk;
use super::journal::{JournalPosition, record::Salt};
use super::rows::Rows;
use super::snapshot::Snapshot;
use super::tables::{self, RowError};
use super::*;
use crate::base::SystemClock;
use crate::base::clock::ManualClock;
use crate::event::{Cursor, Encoding};

mod earlier;
mod journal;
mod model;
mod on_disk;

fn generation(number: u64) -> GenerationRow {
    GenerationRow {
        id: GenerationId(number),
        identity: Identity {
            inode: number,
            birth: 1_700_000_000_000_000_000,
            head_len: 12,
            head_hash: number ^ 0xabcd,
            ordinal: 0,
        },
        source: "app".into(),
        path: format!("/var/log/app-{number}.log").into(),
        device: 7,
        first_path: Default::default(),
        moved: None,
        modified: None,
        start: 0,
        mark: Mark { offset: number % 1000 * 100, hash: number, wide: 0 },
        encoding: Encoding::default(),
        formats: vec![FormatEntry { offset: 0, format: "json".into(), parameters: Vec::new() }],
        days: vec![DayMark { offset: 0, day: 20_000 }],
        cuts: vec![17, 400].into(),
        first_seen: Timestamp::from_seconds(1_700_000_000 + (number % 1000) as i64),
        ended: None,
        lost: 0,
        reached: 0,
        unfinished: None,
        rest: None,
        absence: None,
        home: None,
    }
}

/// A state directory with the permissions that the program gives it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    home
}

/// A copy of the files, as after a kill.
fn killed(directory: &Path) -> tempfile::TempDir {
    let copy = home();
    for name in ["state.redb", "state.journal", "cursors.snapshot"] {
        let from = directory.join(name);
        if from.exists() {
            fs::copy(from, copy.path().join(name)).unwrap();
        }
    }
    copy
}

fn cursor(generation: u64, offset: u64) -> Cursor {
    Cursor { generation: GenerationId(generation), offset }
}

fn open(directory: &Path) -> (Store, Vec<String>) {
    Store::open(directory).expect("opens")
}

/// The one cursor of consumer `c` in generation 1.
fn offset(store: &Store) -> Option<u64> {
    store.cursors("c").first().map(|row| row.offset)
}

#[test]
fn rows_are_unchanged_after_a_restart() {
    let home = home();
    let directory = home.path().join("deep/state");
    let (store, notices) = open(&directory);
    assert_eq!(notices, Vec::<String>::new());
    assert!(store.first_start("app"));
    assert!(!store.first_start("app"));
    let odd = GenerationRow {
        path: OsString::from_vec(b"/tmp/\xff\n".to_vec()).into(),
        ..generation(u64::MAX)
    };
    for row in [generation(2), generation(1), odd.clone()] {
        store.put_generation(row);
    }
    store.put_cursor("c", "*", cursor(1, 5));
    store.put_cursor("c", "blocked", cursor(1, 3));
    store.put_cursor("ca", "*", cursor(1, 9));
    assert!(store.dirty());
    store.commit().unwrap();
    assert!(!store.dirty());
    store.remove_generation(GenerationId(2));
    store.commit().unwrap();
    let before = (store.generations(), store.all_cursors());
    drop(store);
    let (store, notices) = open(&directory);
    assert_eq!(notices, Vec::<String>::new());
    assert_eq!((store.generations(), store.all_cursors()), before);
    assert!(store.generations().contains(&odd));
    assert_eq!(store.cursors("c").len(), 2);
    assert!(!store.first_start("app"));
    for (path, mode) in
        [("", 0o700), ("lock", 0o600), ("state.redb", 0o600), ("state.journal", 0o600)]
    {
        let permissions = fs::metadata(directory.join(path)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn a_put_is_visible_immediately_and_durable_after_a_commit() {
    let home = home();
    let (store, _) = open(home.path());
    store.put_cursor("c", "*", cursor(1, 5));
    store.commit().unwrap();
    store.put_cursor("c", "*", cursor(1, 9));
    assert_eq!(offset(&store), Some(9));
    drop(store);
    assert_eq!(offset(&open(home.path()).0), Some(5));
}

#[test]
fn a_second_process_gets_the_number_of_the_first() {
    let home = home();
    let (store, _) = open(home.path());
    match Store::open(home.path()) {
        Err(StateError::Owned { process, directory }) => {
            assert_eq!(process, std::process::id().to_string());
            assert_eq!(directory, home.path());
        }
        other => panic!("{other:?}"),
    }
    drop(store);
    open(home.path());
}

#[test]
fn an_ephemeral_store_keeps_rows_in_memory_and_writes_nothing() {
    let store = Store::ephemeral();
    assert!(store.first_start("app"));
    assert!(store.dirty());
    store.commit().unwrap();
    assert!(!store.dirty());
    assert!(!store.first_start("app"));
}

#[test]
fn an_unusable_directory_is_an_error_with_advice() {
    let home = home();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    for directory in [file.clone(), file.join("below")] {
        let error = Store::open(&directory).expect_err("a file is not a directory");
        assert!(matches!(error, StateError::Directory { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&*directory.to_string_lossy()), "{text}");
        assert!(text.contains("--state-dir"), "{text}");
    }
}

#[test]
fn a_newer_state_is_rejected_and_not_changed() {
    let home = home();
    drop(open(home.path()));
    let path = home.path().join("state.redb");
    let table: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert("version", b"\x044".as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let error = Store::open(home.path()).expect_err("newer");
        assert!(matches!(error, StateError::Newer { version: 4, known: 3, .. }), "{error:?}");
    }
}

#[test]
fn rows_have_a_version() {
    let row = generation(4);
    let bytes = tables::encode(&row);
    assert_eq!(bytes[0], tables::VERSION);
    assert_eq!(tables::decode(&bytes), Ok(row));
    assert_eq!(tables::decode::<u64>(&[9, b'1']), Err(RowError::Newer(9)));
    for malformed in [&[][..], &[0, b'1'], &[1, b'x']] {
        assert!(matches!(tables::decode::<u64>(malformed), Err(RowError::Malformed(_))));
    }
}

fn open_on(disk: &FaultyDisk, directory: &Path) -> Result<(Store, Vec<String>), StateError> {
    Store::open_with(directory, Arc::new(SystemClock::new()), disk.storage())
}

/// [S04] Every write, sync and change of length of a commit is a step; unsynced writes are torn.
#[test]
fn s04_power_cut_at_any_step_leaves_the_old_or_the_new_state() {
    let mut step = 0;
    let mut old_and_new = [0, 0];
    loop {
        let home = home();
        let disk = FaultyDisk::default();
        let (store, _) = open_on(&disk, home.path()).unwrap();
        store.put_cursor("c", "*", cursor(1, 1));
        store.put_generation(generation(1));
        store.commit().unwrap();
        disk.cut_power_after(step);
        store.put_cursor("c", "*", cursor(1, 2));
        store.put_generation(GenerationRow { cuts: vec![99].into(), ..generation(1) });
        let through = store.commit().is_ok();
        drop(store);
        disk.restart(home.path(), step);
        let (store, notices) = open_on(&disk, home.path()).unwrap();
        assert_eq!(notices, Vec::<String>::new(), "step {step}");
        let (offset, cuts) = (offset(&store), store.generations().remove(0).cuts);
        let old = (Some(1), generation(1).cuts);
        let new = (Some(2), Cuts::from(vec![99]));
        let state = (offset, cuts);
        assert!(state == new || (!through && state == old), "step {step}: {state:?}");
        old_and_new[usize::from(state == new)] += 1;
        if step > 60 {
            break;
        }
        step += 1;
    }
    assert!(old_and_new.iter().all(|count| *count > 0), "{old_and_new:?}");
}

/// [S04]
#[test]
fn s04_power_cut_at_any_step_of_the_very_first_start_leaves_a_state_that_opens() {
    for step in 0..40 {
        let home = home();
        let disk = FaultyDisk::default();
        disk.cut_power_after(step);
        let done = open_on(&disk, home.path()).is_ok();
        disk.restart(home.path(), step);
        let (store, notices) = open_on(&disk, home.path()).unwrap();
        assert_eq!(notices, Vec::<String>::new(), "step {step}, {done}");
        assert_eq!(store.all_cursors(), Vec::new());
    }
}

#[test]
fn a_commit_after_a_full_disk_writes_all_earlier_changes() {
    let mut refused = 0;
    for step in 0..25 {
        let home = home();
        let disk = FaultyDisk::default();
        let (store, _) = open_on(&disk, home.path()).unwrap();
        store.put_cursor("c", "*", cursor(1, 1));
        store.commit().unwrap();
        // Without a journal commits go into the database.
        fs::remove_file(home.path().join("state.journal")).unwrap();
        disk.fill_up_after(step);
        store.put_cursor("c", "*", cursor(1, 2));
        for number in 0..100 {
            store.put_generation(generation(number));
        }
        for _ in 0..3 {
            match store.commit() {
                Ok(()) => assert!(!store.dirty()),
                Err(error) => {
                    assert!(matches!(error, StateError::Write { .. }), "{error:?}");
                    assert!(store.dirty());
                    refused += 1;
                }
            }
        }
        store.put_cursor("d", "*", cursor(1, 3));
        disk.make_room();
        store.commit().unwrap();
        drop(store);
        disk.restart(home.path(), step);
        let (store, notices) = open_on(&disk, home.path()).unwrap();
        assert_eq!(notices, Vec::<String>::new(), "step {step}");
        assert_eq!(offset(&store), Some(2), "step {step}");
        assert_eq!((store.generations().len(), store.cursors("d").len()), (100, 1));
    }
    assert!(refused >= 10, "{refused}");
}

#[test]
fn concurrent_commits_share_transactions() {
    let home = home();
    let disk = FaultyDisk::default();
    let (store, _) = open_on(&disk, home.path()).unwrap();
    let alone = {
        let before = disk.steps();
        store.put_cursor("x", "*", cursor(1, 1));
        store.commit().unwrap();
        let once = disk.steps();
        store.commit().unwrap();
        assert_eq!(disk.steps(), once, "nothing to do");
        once - before
    };
    let writers = 16;
    let rounds = 20;
    let before = disk.steps();
    let everyone_has_put = Barrier::new(writers as usize);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (store, everyone_has_put) = (&store, &everyone_has_put);
            scope.spawn(move || {
                for round in 1..=rounds {
                    store.put_cursor(&format!("w{writer}"), "*", cursor(1, round));
                    everyone_has_put.wait();
                    store.commit().unwrap();
                    everyone_has_put.wait();
                }
            });
        }
    });
    assert_eq!(disk.steps() - before, alone * rounds);
    drop(store);
    let (store, _) = open_on(&disk, home.path()).unwrap();
    for writer in 0..writers {
        assert_eq!(store.cursors(&format!("w{writer}"))[0].offset, rounds);
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_replaced_from_the_snapshot() {
    let home = home();
    let path = home.path().join("state.redb");
    let (store, _) = open(home.path());
    store.first_start("app");
    store.put_generation(generation(1));
    store.put_cursor("c", "*", cursor(1, 5));
    store.commit().unwrap();
    drop(store);
    for damage in [b"".as_slice(), b"no database", &[0; 70_000]] {
        fs::write(&path, damage).unwrap();
        let (store, notices) = open(home.path());
        if !damage.is_empty() {
            assert!(notices[0].contains("damaged-"), "{notices:?}");
        }
        assert!(notices[0].contains("snapshot is used"), "{notices:?}");
        assert_eq!(store.generations(), vec![generation(1)]);
        assert_eq!(offset(&store), Some(5));
        assert!(!store.first_start("app"));
        drop(store);
        assert_eq!(open(home.path()).1, Vec::<String>::new(), "permanently repaired");
    }
    let aside = fs::read_dir(home.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged-"));
    assert!(aside.count() >= 2);
}

#[test]
fn a_missing_file_is_replaced_from_the_snapshot_and_a_missing_directory_is_empty() {
    let home = home();
    let directory = home.path().join("state");
    let (store, _) = open(&directory);
    store.put_cursor("c", "*", cursor(1, 5));
    store.commit().unwrap();
    drop(store);
    fs::remove_file(directory.join("state.redb")).unwrap();
    let (store, notices) = open(&directory);
    assert!(notices[0].contains("missing"), "{notices:?}");
    assert_eq!(offset(&store), Some(5));
    drop(store);
    fs::remove_dir_all(&directory).unwrap();
    let (store, notices) = open(&directory);
    assert_eq!((offset(&store), notices), (None, Vec::new()));
}

#[test]
fn a_flipped_byte_never_leads_to_wrong_rows() {
    let home = home();
    let path = home.path().join("state.redb");
    let (store, _) = open(home.path());
    for number in 0..40 {
        store.put_generation(generation(number));
        store.put_cursor("c", "*", cursor(number, number));
    }
    store.commit().unwrap();
    let (generations, cursors) = (store.generations(), store.all_cursors());
    drop(store);
    let good = fs::read(&path).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    let mut set_aside = 0;
    for at in (0..64).chain((64..used).step_by(used / 120)) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&path, &bad).unwrap();
        let (store, notices) = open(home.path());
        assert_eq!(store.generations(), generations, "byte {at}: {notices:?}");
        assert_eq!(store.all_cursors(), cursors, "byte {at}: {notices:?}");
        set_aside += usize::from(notices.iter().any(|notice| notice.contains("damaged-")));
    }
    assert!(set_aside > 5, "{set_aside}");
}

#[test]
fn the_snapshot_is_written_at_most_once_per_minute() {
    let home = home();
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
    let (store, _) = Store::open_with(home.path(), clock.clone(), storage::on_disk()).unwrap();
    let commit = |offset| {
        store.put_cursor("c", "*", cursor(1, offset));
        store.commit().unwrap();
        let rows = snapshot::read(home.path()).unwrap_or_default().rows;
        rows.all_cursors().first().map(|row| row.offset)
    };
    assert_eq!(commit(1), None);
    clock.advance(Duration::from_secs(61));
    assert_eq!(commit(2), Some(2));
    clock.advance(Duration::from_secs(30));
    assert_eq!(commit(3), Some(2));
    clock.advance(Duration::from_secs(31));
    assert_eq!(commit(4), Some(4));
}

#[test]
fn an_incomplete_or_changed_snapshot_is_not_used() {
    let mut rows = Rows::default();
    rows.sources.insert("a\nb".into());
    rows.keys.insert("2021_April.key 0123".into());
    rows.generations.insert(GenerationId(1), generation(1));
    rows.put_cursor(CursorRow {
        consumer: "c".into(),
        lane: "*".into(),
        generation: GenerationId(1),
        offset: 7,
    });
    let base = JournalPosition { salt: Salt(7, 8), through: 9 };
    let text = snapshot::encode(&rows, &base);
    assert_eq!(snapshot::decode(&text), Some(Snapshot { rows, base: Some(base) }));
    for end in 0..text.len() {
        assert_eq!(snapshot::decode(&text[..end]), None, "{end}");
    }
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(snapshot::decode(&changed), None, "{at}");
    }
}

#[test]
fn a_missing_state_with_a_damaged_snapshot_is_reported() {
    let home = home();
    drop(open(home.path()));
    fs::remove_file(home.path().join("state.redb")).unwrap();
    fs::write(home.path().join("cursors.snapshot"), "logwarden state snapshot 1\n").unwrap();
    let (_, notices) = open(home.path());
    assert!(notices[0].contains("its last snapshot cannot be used (it is damaged)"), "{notices:?}");
}

/// Also if another thread commits in between.
#[test]
fn puts_of_one_apply_are_durable_together() {
    let home = home();
    let (store, _) = open(home.path());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let stopped = || stop.load(std::sync::atomic::Ordering::Acquire);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                store.apply(|puts| {
                    puts.cursor("c", "*", cursor(1, number));
                    puts.cursor("d", "*", cursor(1, number));
                });
                if stopped() {
                    return;
                }
            }
        });
        for round in 0..40 {
            store.commit().unwrap();
            let (left, _) = open(killed(home.path()).path());
            let at = |consumer| left.cursor(consumer, "*", GenerationId(1));
            assert_eq!(at("c"), at("d"), "round {round}");
        }
        stop.store(true, std::sync::atomic::Ordering::Release);
    });
}

#[test]
fn cuts_are_unchanged_after_many_additions_and_removals() {
    let home = home();
    let mut row = generation(1);
    let mut random = 7_u64;
    for round in 0..40 {
        let (store, _) = open(home.path());
        assert_eq!(store.generation(row.id).map_or(row.cuts.clone(), |row| row.cuts), row.cuts);
        for _ in 0..20 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (fewer, more) = (random >> 40 & 0x7f, random >> 50 & 0xff);
            for _ in 0..fewer.min(row.cuts.len() as u64) {
                row.cuts.pop();
            }
            for _ in 0..more {
                row.cuts.push(row.cuts.last().map_or(0, |last| last + 3));
            }
            store.put_generation(row.clone());
            if random >> 60 > 4 {
                store.commit().unwrap();
            }
        }
        store.commit().unwrap();
        assert!(round < 10 || row.cuts.len() > 256, "{}", row.cuts.len());
    }
    open(home.path()).0.remove_generation(row.id);
    let (store, _) = open(home.path());
    store.remove_generation(row.id);
    store.commit().unwrap();
    drop(store);
    // No cuts are left over for a later generation with the same id.
    let (store, _) = open(home.path());
    store.put_generation(GenerationRow { cuts: Cuts::default(), ..generation(1) });
    store.commit().unwrap();
    drop(store);
    assert!(open(home.path()).0.generations()[0].cuts.is_empty());
}

#[test]
fn a_panic_in_the_database_fails_only_the_current_commit() {
    let home = home();
    let disk = FaultyDisk::default();
    let (store, _) = open_on(&disk, home.path()).unwrap();
    for step in 0..12 {
        store.put_cursor("c", "*", cursor(1, 2 * step + 1));
        // Without a journal commits go into the database.
        fs::remove_file(home.path().join("state.journal")).unwrap();
        disk.panic_after(step);
        let failed = store.commit().is_err();
        store.put_cursor("c", "*", cursor(1, 2 * step + 2));
        disk.panic_after(1_000_000);
        store.commit().unwrap();
        assert!(failed || step > 2, "step {step}");
    }
    drop(store);
    let (store, notices) = open_on(&disk, home.path()).unwrap();
    assert_eq!((offset(&store), notices), (Some(24), Vec::new()));
}

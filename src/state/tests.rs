//! What a restart, a crash, a bad disk and a second process leave of the state.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::event::Cursor;

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
        start: 0,
        mark: Mark { offset: number % 1000 * 100, hash: number },
        formats: vec![FormatEntry { offset: 0, format: "json".into(), parameters: Vec::new() }],
        days: vec![DayMark { offset: 0, day: 20_000 }],
        cuts: vec![17, 400],
        first_seen: Timestamp::from_seconds(1_700_000_000 + (number % 1000) as i64),
        ended: None,
        lost: 0,
    }
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
fn rows_come_back_after_a_restart_as_they_were_put() {
    let home = tempfile::tempdir().unwrap();
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
    for (path, mode) in [("", 0o700), ("lock", 0o600), ("state.redb", 0o600)] {
        let permissions = fs::metadata(directory.join(path)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn a_put_is_seen_at_once_and_durable_only_after_a_commit() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open(home.path());
    store.put_cursor("c", "*", cursor(1, 5));
    store.commit().unwrap();
    store.put_cursor("c", "*", cursor(1, 9));
    assert_eq!(offset(&store), Some(9));
    drop(store);
    assert_eq!(offset(&open(home.path()).0), Some(5));
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let home = tempfile::tempdir().unwrap();
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

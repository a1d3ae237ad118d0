use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::privacy::keys::{KeyId, Slot};

fn scratch() -> (tempfile::TempDir, PathBuf, Directory) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("keys");
    let directory = Directory::open_or_create(&path).unwrap();
    (scratch, path.join("used"), directory)
}

fn used(file: &str, id: u8) -> UsedKey {
    UsedKey { slot: Slot::parse(file).unwrap(), id: KeyId([id; 8]) }
}

fn put(directory: &Directory, keys: &[UsedKey]) -> Result<UsedKeys, KeyError> {
    add(directory, &keys.iter().copied().collect(), Timestamp::from_seconds(1_617_235_200))
}

#[test]
fn an_added_key_is_listed_once() {
    let (_scratch, list, directory) = scratch();
    let (april, may) = (used("2021_April", 1), used("2021_May.2", 2));
    for keys in [&[april][..], &[april, may], &[may]] {
        put(&directory, keys).unwrap();
    }
    let text = "0101010101010101 2021_April.key 2021-04-01T00:00:00Z\n\
                0202020202020202 2021_May.2.key 2021-04-01T00:00:00Z\n";
    assert_eq!(fs::read_to_string(list).unwrap(), text);
}

/// A kill or a full disk may truncate a line at any byte.
#[test]
fn a_line_after_a_truncated_one_counts() {
    let whole = "0101010101010101 2021_April.key 2021-04-01T00:00:00Z\n";
    let may = used("2021_May", 2);
    for cut in 0..=whole.len() {
        let (_scratch, list, directory) = scratch();
        fs::write(&list, &whole[..cut]).unwrap();
        fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).unwrap();
        let uses = put(&directory, &[may]).unwrap();
        assert!(uses.contains(may), "cut at {cut}");
        let is_whole = cut + 1 >= whole.len();
        assert_eq!(uses.contains(used("2021_April", 1)), is_whole, "cut at {cut}");
    }
}

/// Two processes append at once, and the other process's line is truncated after this one read the list.
#[test]
fn a_line_damaged_by_another_process_is_written_again() {
    let (_scratch, list, directory) = scratch();
    put(&directory, &[used("2021_April", 1)]).unwrap();
    let read = UsedList::read(&directory).unwrap();
    let mut text = fs::read_to_string(&list).unwrap();
    text.push_str("0303030303030303 2021_Ju");
    fs::write(&list, text).unwrap();
    let may = used("2021_May", 2);
    append(&directory, read.lines(&[(may, None)], Timestamp::default()).as_bytes()).unwrap();
    assert!(!UsedList::read(&directory).unwrap().entries.contains(may), "the two lines became one");
    assert!(put(&directory, &[may]).unwrap().contains(may));
}

#[test]
fn zeros_left_by_a_crash_are_ignored() {
    let (_scratch, list, directory) = scratch();
    put(&directory, &[used("2021_April", 1)]).unwrap();
    let mut text = fs::read(&list).unwrap();
    text.extend_from_slice(&[0; 100]);
    fs::write(&list, text).unwrap();
    let uses = put(&directory, &[used("2021_May", 2)]).unwrap();
    assert_eq!(uses.keys().count(), 2);
}

#[test]
fn a_clock_that_was_set_back_keeps_the_order_of_one_slot() {
    let (_scratch, _, directory) = scratch();
    for (id, now) in [(1, 2_000_000_000), (2, 10)] {
        let key = used("2021_April", id);
        add(&directory, &UsedKeys::from_iter([key]), Timestamp::from_seconds(now)).unwrap();
        let uses = UsedList::read(&directory).unwrap().entries;
        assert_eq!(uses.last(key.slot.month), [key]);
    }
}

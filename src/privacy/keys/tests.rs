use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::*;

mod lost;
mod shared;

/// A keys directory with the used key of one month.
struct Case {
    _scratch: tempfile::TempDir,
    directory: PathBuf,
    id: KeyId,
}

fn april() -> Month {
    Month::typed("2021_April").unwrap()
}

fn may() -> Month {
    Month::typed("2021_May").unwrap()
}

impl Case {
    fn new() -> Case {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("keys");
        let id = Keyring::open_or_create(&directory).unwrap().for_sealing(april()).unwrap().id();
        Case { _scratch: scratch, directory, id }
    }

    fn key(&self) -> PathBuf {
        self.directory.join("2021_April.key")
    }

    /// The keyring of a process that starts now.
    fn ring(&self) -> Keyring {
        Keyring::open(&self.directory).unwrap()
    }

    /// Sealing and decrypting for April fail for these reasons; May is not affected.
    #[track_caller]
    fn refused(&self, reasons: &[&str]) {
        let sealing = self.ring().for_sealing(april()).map(|key| key.id()).unwrap_err();
        let opening = self.ring().for_opening(april(), self.id).map(|key| key.id()).unwrap_err();
        for error in [sealing.to_string(), opening.to_string()] {
            let error = error.replace(&self.directory.display().to_string(), "KEYS");
            for reason in reasons {
                assert!(error.contains(reason), "`{reason}` is not in: {error}");
            }
        }
        self.ring().for_sealing(may()).expect("another month continues");
        let listed = self.ring().list().unwrap();
        assert!(matches!(listed[0].state, KeyState::Unusable(_)), "{listed:?}");
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_is_created_once_and_found_by_every_process() {
    let case = Case::new();
    assert_eq!(case.ring().for_sealing(april()).unwrap().id(), case.id);
    assert_eq!(case.ring().for_opening(april(), case.id).unwrap().id(), case.id);
    let file = fs::metadata(case.key()).unwrap();
    assert_eq!(file.permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(&case.directory).unwrap().permissions().mode() & 0o777, 0o700);
    let used = fs::read_to_string(case.directory.join("used")).unwrap();
    assert!(used.starts_with(&format!("{} 2021_April.key 2", case.id)), "{used}");
    assert_eq!(used.lines().count(), 1, "listed once, although used several times");
    mode(&case.key(), 0o400);
    assert_eq!(case.ring().for_sealing(april()).unwrap().id(), case.id);
}

#[test]
fn a_missing_used_key_is_never_created_again() {
    let case = Case::new();
    fs::remove_file(case.key()).unwrap();
    case.refused(&[
        "was used but is missing: KEYS/2021_April.key",
        "backup",
        "keys rotate 2021_April",
    ]);
    assert!(!case.key().exists());
}

#[test]
fn a_remembered_used_key_is_not_created_again_in_an_empty_directory() {
    let case = Case::new();
    let remembered = case.ring().used().unwrap();
    fs::remove_dir_all(&case.directory).unwrap();
    let ring = Keyring::open_or_create(&case.directory).unwrap();
    ring.remember(&remembered);
    let error = ring.for_sealing(april()).unwrap_err().to_string();
    assert!(error.contains("was used but is missing"), "{error}");
    assert!(!case.key().exists());
}

#[test]
fn another_key_in_the_slot_of_the_used_one_is_refused() {
    let case = Case::new();
    let other = Case::new();
    fs::copy(other.key(), case.key()).unwrap();
    let error = case.ring().for_sealing(april()).unwrap_err().to_string();
    assert!(error.contains("is not the key that was used"), "{error}");
    assert!(error.contains(&case.id.to_string()) && error.contains(&other.id.to_string()));
}

#[test]
fn a_damaged_key_is_refused() {
    for (text, reason) in [
        ("", "it is empty"),
        ("\n", "it is empty"),
        ("lwkey1.", "checksum"),
        ("lwkey1.AAAA", "checksum"),
        ("lwkey1.?", "truncated or modified"),
        ("-----BEGIN PRIVATE KEY-----\n", "does not start with `lwkey1.`"),
        (&"A".repeat(1000), "too long"),
    ] {
        let case = Case::new();
        fs::write(case.key(), text).unwrap();
        case.refused(&[
            "KEYS/2021_April.key is damaged",
            reason,
            "cp -p BACKUP/2021_April.key KEYS/",
        ]);
    }
    let case = Case::new();
    let whole = fs::read(case.key()).unwrap();
    fs::write(case.key(), &whole[..whole.len() / 2]).unwrap();
    case.refused(&["is damaged", "backup"]);
}

#[test]
fn a_key_that_others_can_access_is_refused() {
    for open in [0o644, 0o640, 0o604, 0o660, 0o601, 0o700, 0o200, 0o4600] {
        let case = Case::new();
        mode(&case.key(), open);
        if open == 0o200 && directory::user() != 0 {
            continue;
        }
        case.refused(&["is accessible to others (mode", "chmod 600 KEYS/2021_April.key"]);
    }
}

#[test]
fn a_key_of_another_user_is_refused() {
    let case = Case::new();
    if std::os::unix::fs::chown(case.key(), Some(12_345), None).is_err() {
        eprintln!("NOT TESTED: only root can give a file away");
        return;
    }
    case.refused(&["belongs to user 12345, not to the current user", "chown"]);
    std::os::unix::fs::chown(&case.directory, Some(12_345), None).unwrap();
    let error = Keyring::open(&case.directory).unwrap_err().to_string();
    assert!(
        error.contains("the keys directory") && error.contains("belongs to user 12345"),
        "{error}"
    );
}

#[test]
fn a_key_that_is_not_a_regular_file_is_refused_without_blocking() {
    let case = Case::new();
    let real = case.directory.join("elsewhere");
    fs::rename(case.key(), &real).unwrap();
    symlink(&real, case.key()).unwrap();
    case.refused(&["KEYS/2021_April.key is a symbolic link", "cp -p --remove-destination"]);

    fs::remove_file(case.key()).unwrap();
    fs::create_dir(case.key()).unwrap();
    case.refused(&["is a directory, not a file"]);
    fs::remove_dir(case.key()).unwrap();

    let _socket = std::os::unix::net::UnixListener::bind(case.key()).unwrap();
    case.refused(&["is a socket, not a file"]);
    fs::remove_file(case.key()).unwrap();

    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, case.key(), mode).unwrap();
    case.refused(&["is a named pipe, not a file"]);
}

#[test]
fn a_key_with_a_second_hard_link_is_refused() {
    let case = Case::new();
    fs::hard_link(case.key(), case.directory.join("copy")).unwrap();
    case.refused(&[
        "has 2 hard links, only one is allowed",
        "find KEYS -samefile KEYS/2021_April.key",
    ]);
}

#[test]
fn a_key_with_the_file_name_of_another_month_is_refused() {
    let case = Case::new();
    fs::rename(case.key(), case.directory.join("2021_June.key")).unwrap();
    let june = Month::typed("2021_June").unwrap();
    let error = case.ring().for_sealing(june).unwrap_err().to_string();
    assert!(error.contains("contains the key of 2021_April; rename it with: mv -n"), "{error}");
    assert!(error.ends_with("2021_April.key"), "{error}");
}

#[test]
fn an_unsafe_directory_is_refused() {
    let refused = |directory: &Path, reasons: [&str; 2]| {
        let error = Keyring::open(directory).unwrap_err().to_string();
        assert!(reasons.iter().all(|reason| error.contains(reason)), "{error}");
    };
    let case = Case::new();
    refused(&case.directory.join("none"), ["not found; create it with", "mkdir -m 700"]);
    refused(&case.key(), ["cannot open the keys directory", ""]);
    for open in [0o770, 0o720, 0o702, 0o777] {
        mode(&case.directory, open);
        refused(&case.directory, ["is writable by others; fix it with", "chmod 700"]);
    }
    mode(&case.directory, 0o755);
    Keyring::open(&case.directory).unwrap();
    let link = case.directory.with_extension("link");
    symlink(&case.directory, &link).unwrap();
    refused(&link, ["is a symbolic link", "realpath"]);
}

#[test]
fn a_truncated_list_still_counts_and_can_be_extended() {
    let case = Case::new();
    let list = case.directory.join("used");
    let whole = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{whole}0123456789abcdef 2021_M")).unwrap();
    let id = case.ring().for_sealing(may()).unwrap().id();
    let used: Vec<KeyId> = case.ring().used().unwrap().iter().map(|used| used.id).collect();
    assert_eq!(used, [case.id, id]);
}

#[test]
fn a_key_is_not_returned_if_the_list_cannot_be_written() {
    let case = Case::new();
    mode(&case.directory.join("used"), 0o644);
    let error = case.ring().for_sealing(may()).unwrap_err().to_string();
    assert!(error.contains("used is accessible to others"), "{error}");
}

#[test]
fn a_rotated_month_seals_with_the_new_key_and_decrypts_with_both() {
    let case = Case::new();
    let ring = case.ring();
    assert_eq!(ring.for_sealing(april()).unwrap().id(), case.id);
    let new = case.ring().rotate(april()).unwrap();
    assert_eq!(new.slot().to_string(), "2021_April.2");
    assert!(ring.refresh(), "the directory has changed");
    assert_eq!(ring.for_sealing(april()).unwrap().id(), new.id());
    for id in [case.id, new.id()] {
        assert_eq!(case.ring().for_opening(april(), id).unwrap().id(), id);
    }
    fs::remove_file(case.directory.join("2021_April.2.key")).unwrap();
    let error = case.ring().for_sealing(april()).unwrap_err().to_string();
    assert!(error.contains("2021_April.2 was used but is missing"), "{error}");
    assert_eq!(case.ring().rotate(april()).unwrap().slot().to_string(), "2021_April.3");
}

#[test]
fn a_destroyed_key_decrypts_nothing_and_is_not_created_again() {
    let case = Case::new();
    let ring = case.ring();
    ring.for_sealing(april()).unwrap();
    let slot = Slot::first(april());
    case.ring().destroy(slot).unwrap();
    assert!(!case.key().exists());
    ring.refresh();
    for ring in [ring, case.ring()] {
        let error = ring.for_opening(april(), case.id).unwrap_err().to_string();
        assert!(error.starts_with("the key of 2021_April was destroyed on 2"), "{error}");
        let error = ring.for_sealing(april()).unwrap_err().to_string();
        assert!(error.contains("was destroyed on 2") && error.contains("keys rotate"), "{error}");
    }
    assert!(matches!(case.ring().list().unwrap()[0].state, KeyState::Destroyed { .. }));
    // Interrupted: both the tombstone and the key exist.
    let other = Case::new();
    fs::copy(other.key(), case.key()).unwrap();
    case.refused(&["was destroyed on"]);
    case.ring().destroy(slot).unwrap();
    assert!(!case.key().exists());
    let new = case.ring().rotate(april()).unwrap();
    assert_eq!(case.ring().for_sealing(april()).unwrap().id(), new.id());
    assert!(case.ring().for_opening(april(), case.id).is_err());
}

#[test]
fn a_key_is_imported_once() {
    let case = Case::new();
    let master = Zeroizing::new(*b"0123456789abcdefghijklmnopqrstuv");
    let key = case.ring().import(may(), master.clone()).unwrap();
    assert_eq!(case.ring().for_sealing(may()).unwrap().master(), &*master);
    assert!(matches!(case.ring().import(may(), master.clone()), Err(KeyError::Exists { .. })));
    assert!(matches!(case.ring().import(may(), Zeroizing::new([7; 32])), Err(KeyError::NoKey)));
    fs::remove_file(case.directory.join("2021_May.key")).unwrap();
    let back = case.ring().import(may(), master.clone()).unwrap();
    assert_eq!(
        (back.id(), back.slot()),
        (key.id(), key.slot()),
        "the lost key returned to its slot"
    );
    assert_eq!(case.ring().import(april(), master).unwrap().slot().to_string(), "2021_April.2");
}

#[test]
fn a_backup_is_a_keys_directory_of_its_own() {
    let case = Case::new();
    case.ring().for_sealing(may()).unwrap();
    let target = case.directory.with_extension("backup");
    let backup = case.ring().backup(&target).unwrap();
    assert_eq!((backup.copied, backup.there), (2, 0));
    assert_eq!(Keyring::open(&target).unwrap().for_sealing(april()).unwrap().id(), case.id);
    assert_eq!(Keyring::open(&target).unwrap().used().unwrap(), case.ring().used().unwrap());
    case.ring().destroy(Slot::first(may())).unwrap();
    let again = case.ring().backup(&target).unwrap();
    assert_eq!((again.copied, again.there), (1, 1));
    assert_eq!(again.destroyed_here, [Slot::first(may())]);
    fs::copy(Case::new().key(), target.join("2021_April.key")).unwrap();
    let error = case.ring().backup(&target).unwrap_err().to_string();
    assert!(error.contains("contains a different key under the same name"), "{error}");
}

#[test]
fn suggested_commands_quote_any_path() {
    let directory = PathBuf::from("/a b/it's");
    let error = KeyError::NoDirectory { directory }.to_string();
    assert!(error.contains(r"mkdir -m 700 '/a b/it'\''s', or"), "{error}");
}

#[test]
fn an_id_has_a_tag_for_every_existing_key() {
    let case = Case::new();
    let (april_2, may) =
        (case.ring().rotate(april()).unwrap(), case.ring().for_sealing(may()).unwrap());
    let keys = case.ring().all().unwrap();
    let ids: Vec<KeyId> = keys.ready.iter().map(MonthKey::id).collect();
    assert_eq!(ids, [case.id, april_2.id(), may.id()]);
    assert!(keys.problems.is_empty());
    mode(&case.key(), 0o644);
    let keys = case.ring().all().unwrap();
    assert_eq!((keys.ready.len(), keys.problems.len()), (2, 1));
}

//! Tests a keys directory that disappears, is replaced by another one, or loses a part. Nothing is sealed then that the
//! right directory could not decrypt, and sealing continues when the right directory is back.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::base::clock::ManualClock;

fn june() -> Month {
    Month::typed("2021_June").unwrap()
}

/// A directory with used keys of April and May, in that order, and a process that has sealed with both.
struct Running {
    case: Case,
    ring: Keyring,
    may: KeyId,
    /// A copy from before May had a key.
    old: PathBuf,
}

impl Running {
    fn new() -> Running {
        let case = Case::new();
        let old = case.directory.with_extension("old");
        copy(&case.directory, &old);
        let ring = Keyring::lazy(&case.directory, true);
        ring.for_sealing(april()).unwrap();
        let may = ring.for_sealing(may()).unwrap().id();
        ring.refresh();
        Running { case, ring, may, old }
    }

    fn aside(&self) -> PathBuf {
        self.case.directory.with_extension("aside")
    }

    fn put_back(&self) {
        if self.case.directory.exists() {
            fs::remove_dir_all(&self.case.directory).unwrap();
        }
        fs::rename(self.aside(), &self.case.directory).unwrap();
    }

    #[track_caller]
    fn waits(&self, month: Month, reason: &str) {
        let error = self.ring.for_sealing(month).map(|key| key.id()).unwrap_err().to_string();
        assert!(error.contains(reason), "`{reason}` is not in: {error}");
    }
}

/// Copies like `cp -a`.
fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

fn keys_in(directory: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut keys: Vec<String> = names.filter(|name| name.ends_with(".key")).collect();
    keys.sort();
    keys
}

fn empty(directory: &Path) {
    fs::create_dir(directory).unwrap();
    mode(directory, 0o700);
}

const MISSING: &str = "was used but is missing";
const OTHER: &str = "is not the one that was used: it does not know key";

/// The kind of loss, and why April, May and June wait; `None`: the month continues.
type Loss = (&'static str, fn(&Running), [Option<&'static str>; 3]);

const LOSSES: [Loss; 5] = [
    ("missing", |_| {}, [Some(MISSING); 3]),
    (
        "empty",
        |running| empty(&running.case.directory),
        [Some(MISSING), Some(MISSING), Some(OTHER)],
    ),
    (
        "an old copy",
        |running| copy(&running.old, &running.case.directory),
        [None, Some(MISSING), Some(OTHER)],
    ),
    (
        "an old copy without its list",
        |running| {
            copy(&running.old, &running.case.directory);
            fs::remove_file(running.case.directory.join("used")).unwrap();
        },
        [None, Some(MISSING), Some(OTHER)],
    ),
    (
        "of another machine",
        |running| {
            let other = Case::new();
            for month in [may(), june()] {
                other.ring().for_sealing(month).unwrap();
            }
            // Even with later times in its list.
            let list = other.directory.join("used");
            let later = fs::read_to_string(&list).unwrap().replace(".key 20", ".key 21");
            fs::write(&list, later).unwrap();
            copy(&other.directory, &running.case.directory);
        },
        [
            Some("is not the key that was used last"),
            Some("is not the key that was used last"),
            Some(OTHER),
        ],
    ),
];

#[test]
fn any_directory_in_place_of_the_right_one_gets_no_second_key() {
    for (name, lose, reasons) in LOSSES {
        let running = Running::new();
        fs::rename(&running.case.directory, running.aside()).unwrap();
        lose(&running);
        let there = keys_in(&running.case.directory);
        assert!(running.ring.refresh(), "{name}: the change is detected");
        for (month, reason) in [april(), may(), june()].into_iter().zip(reasons) {
            match reason {
                Some(reason) => running.waits(month, reason),
                None => _ = running.ring.for_sealing(month).unwrap(),
            }
        }
        assert_eq!(keys_in(&running.case.directory), there, "{name}: no key was created");
        assert_eq!(
            running.case.directory.exists(),
            name != "missing",
            "{name}: no directory was created"
        );

        running.put_back();
        assert!(running.ring.refresh(), "{name}: the change is detected");
        assert_eq!(running.ring.for_sealing(april()).unwrap().id(), running.case.id, "{name}");
        assert_eq!(running.ring.for_sealing(may()).unwrap().id(), running.may, "{name}");
        running.ring.for_sealing(june()).unwrap();
        assert_eq!(
            keys_in(&running.case.directory),
            ["2021_April.key", "2021_June.key", "2021_May.key"]
        );
    }
}

#[test]
fn after_a_loss_a_start_knows_the_keys_recorded_in_the_state() {
    for (name, lose, reasons) in LOSSES {
        let mut running = Running::new();
        let used = running.case.ring().used().unwrap();
        fs::rename(&running.case.directory, running.aside()).unwrap();
        lose(&running);
        let there = keys_in(&running.case.directory);
        running.ring = Keyring::lazy(&running.case.directory, true);
        running.ring.remember(&used);
        for (month, reason) in [april(), may(), june()].into_iter().zip(reasons) {
            match reason {
                Some(reason) => running.waits(month, reason),
                None => _ = running.ring.for_sealing(month).unwrap(),
            }
        }
        assert_eq!(keys_in(&running.case.directory), there, "{name}: no key was created");
    }
}

#[test]
fn a_lost_list_is_written_again_in_the_directory_with_the_keys() {
    let running = Running::new();
    let list = running.case.directory.join("used");
    fs::remove_file(&list).unwrap();
    assert!(running.ring.refresh());
    assert_eq!(running.ring.for_sealing(april()).unwrap().id(), running.case.id);
    running.ring.for_sealing(june()).unwrap();
    let months: Vec<Month> =
        running.case.ring().used().unwrap().iter().map(|used| used.slot.month).collect();
    assert_eq!(months, [april(), may(), june()]);
}

#[test]
fn a_list_without_its_keys_blocks_only_their_months() {
    let running = Running::new();
    for key in keys_in(&running.case.directory) {
        fs::remove_file(running.case.directory.join(key)).unwrap();
    }
    running.ring.refresh();
    running.waits(april(), MISSING);
    running.waits(may(), MISSING);
    running.ring.for_sealing(june()).unwrap();
}

#[test]
fn keys_read_from_a_list_are_remembered_without_it() {
    // The state is lost: only the list tells this process about April and May.
    let running = Running::new();
    let ring = Keyring::lazy(&running.case.directory, true);
    let recorded = std::sync::Arc::new(Mutex::new(Vec::new()));
    let keep = recorded.clone();
    ring.tell(move |keys| {
        keep.lock().unwrap().extend_from_slice(keys);
        Ok(())
    });
    fs::remove_file(running.case.key()).unwrap();
    ring.for_sealing(april()).unwrap_err();
    let ids: Vec<KeyId> = recorded.lock().unwrap().iter().map(|used| used.id).collect();
    assert_eq!(ids, [running.case.id, running.may], "the state records them too");
    fs::remove_dir_all(&running.case.directory).unwrap();
    empty(&running.case.directory);
    ring.refresh();
    for month in [april(), may()] {
        let error = ring.for_sealing(month).unwrap_err().to_string();
        assert!(error.contains(MISSING), "{error}");
    }
    assert_eq!(keys_in(&running.case.directory), [""; 0]);
}

#[test]
fn a_key_is_not_returned_if_the_state_cannot_record_it() {
    let case = Case::new();
    let ring = case.ring();
    ring.tell(|_| Err(std::io::Error::other("the disk is full")));
    let error = ring.for_sealing(may()).unwrap_err().to_string();
    assert!(error.contains("cannot record in the state"), "{error}");
}

#[test]
fn a_directory_that_is_lost_for_good_is_replaced_by_hand() {
    let running = Running::new();
    let used = running.case.ring().used().unwrap();
    fs::remove_dir_all(&running.case.directory).unwrap();
    empty(&running.case.directory);
    let person = Keyring::lazy(&running.case.directory, true);
    person.remember(&used);
    let error = person.create_first(june()).unwrap_err().to_string();
    assert!(error.contains(OTHER) && error.contains("keys rotate 2021_May"), "{error}");
    // One rotation is enough: from now on this is the right directory, and only April waits.
    let new = person.rotate(may()).unwrap();
    person.list_used().unwrap();
    running.ring.refresh();
    assert_eq!(running.ring.for_sealing(may()).unwrap().id(), new.id());
    running.ring.for_sealing(june()).unwrap();
    running.waits(april(), MISSING);
}

#[test]
fn a_month_rotated_without_the_state_continues() {
    let running = Running::new();
    fs::remove_dir_all(&running.case.directory).unwrap();
    let person = Keyring::open_or_create(&running.case.directory).unwrap();
    for month in [april(), may()] {
        person.rotate(month).unwrap();
        running.ring.refresh();
        running.waits(month, "is not the key that was used last");
        person.rotate(month).unwrap();
    }
    running.ring.refresh();
    for month in [april(), may(), june()] {
        running.ring.for_sealing(month).unwrap();
    }
}

#[test]
fn commands_report_a_lost_directory() {
    let running = Running::new();
    fs::rename(&running.case.directory, running.aside()).unwrap();
    let error = running.ring.list().unwrap_err().to_string();
    let directory = running.case.directory.display();
    assert!(error.contains(&format!("keys directory {directory} not found")), "{error}");
    assert!(error.contains(&format!("cp -a BACKUP {directory}")), "{error}");
    assert!(
        error.contains(&format!("mkdir -p -m 700 {directory} && logwarden keys rotate 2021_May")),
        "{error}"
    );
}

#[test]
fn a_key_file_changed_in_place_is_detected() {
    let running = Running::new();
    running.ring.for_sealing(april()).unwrap();
    running.ring.refresh();
    let key = running.ring.for_sealing(april()).unwrap();
    assert_eq!(key.id(), running.case.id);
    mode(&running.case.key(), 0o644);
    assert!(running.ring.refresh());
    running.waits(april(), "is accessible to others");
    mode(&running.case.key(), 0o600);
    running.ring.for_sealing(april()).unwrap();
    // Overwritten, as by `cp`: names in the directory do not change.
    fs::copy(Case::new().key(), running.case.key()).unwrap();
    assert!(running.ring.refresh());
    running.waits(april(), "is not the key that was used last");
}

#[test]
fn a_copy_with_the_same_times_is_detected() {
    let running = Running::new();
    let modified = fs::metadata(&running.case.directory).unwrap().modified().unwrap();
    fs::rename(&running.case.directory, running.aside()).unwrap();
    copy(&running.old, &running.case.directory);
    let copied = fs::File::open(&running.case.directory).unwrap();
    copied.set_times(fs::FileTimes::new().set_modified(modified)).unwrap();
    assert!(running.ring.refresh());
    running.waits(may(), MISSING);
}

#[test]
fn keys_loaded_soon_after_a_change_are_loaded_once_more() {
    let case = Case::new();
    let clock = std::sync::Arc::new(ManualClock::at(crate::base::Timestamp::from_seconds(1_000)));
    let mut ring = case.ring();
    ring.clock = clock.clone();
    fs::write(case.directory.join("other"), "").unwrap();
    assert!(ring.refresh() && !ring.refresh());
    clock.advance(Duration::from_millis(1_999));
    assert!(!ring.refresh());
    clock.advance(Duration::from_millis(1));
    assert!(ring.refresh() && !ring.refresh());
    clock.advance(Duration::from_secs(3_600));
    assert!(!ring.refresh());
}

#[test]
fn a_link_with_a_trailing_slash_is_not_followed() {
    let case = Case::new();
    let link = case.directory.with_extension("link");
    symlink(&case.directory, &link).unwrap();
    for end in ["/", "//", "/."] {
        let path = PathBuf::from(format!("{}{end}", link.display()));
        let error = Keyring::open(&path).unwrap_err().to_string();
        assert!(error.contains("is a symbolic link"), "{end}: {error}");
        let error = Keyring::lazy(&path, true).for_sealing(may()).unwrap_err().to_string();
        assert!(error.contains("is a symbolic link"), "{end}: {error}");
    }
    let path = PathBuf::from(format!("{}/", case.directory.display()));
    Keyring::open(&path).unwrap();
}

#[test]
fn a_path_whose_parent_is_a_link_that_flips_seals_in_one_directory() {
    let running = Running::new();
    let other = Case::new();
    let home = running.case.directory.parent().unwrap();
    let current = home.join("current");
    symlink(home, &current).unwrap();
    let ring = Keyring::lazy(&current.join("keys"), true);
    assert_eq!(ring.for_sealing(april()).unwrap().id(), running.case.id);
    ring.refresh();
    fs::remove_file(&current).unwrap();
    symlink(other.directory.parent().unwrap(), &current).unwrap();
    assert!(ring.refresh());
    for month in [april(), may(), june()] {
        ring.for_sealing(month).unwrap_err();
    }
    fs::remove_file(&current).unwrap();
    symlink(home, &current).unwrap();
    assert!(ring.refresh());
    assert_eq!(ring.for_sealing(may()).unwrap().id(), running.may);
}

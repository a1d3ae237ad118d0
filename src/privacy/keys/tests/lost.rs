//! The directory goes away, comes back as another one, or loses a part. Nothing is sealed then that the right directory
//! could not open, and all goes on when that is back.

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
    /// As it was when May had no key yet.
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

/// As `cp -a` does.
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

/// How it is lost, and why April, May and June wait; `None`: it goes on.
type Loss = (&'static str, fn(&Running), [Option<&'static str>; 3]);

const LOSSES: [Loss; 5] = [
    ("it is away", |_| {}, [Some(MISSING); 3]),
    (
        "it is empty",
        |running| empty(&running.case.directory),
        [Some(MISSING), Some(MISSING), Some(OTHER)],
    ),
    (
        "it is an old copy",
        |running| copy(&running.old, &running.case.directory),
        [None, Some(MISSING), Some(OTHER)],
    ),
    (
        "it is an old copy without its list",
        |running| {
            copy(&running.old, &running.case.directory);
            fs::remove_file(running.case.directory.join("used")).unwrap();
        },
        [None, Some(MISSING), Some(OTHER)],
    ),
    (
        "it is that of another machine",
        |running| {
            let other = Case::new();
            for month in [may(), june()] {
                other.ring().for_sealing(month).unwrap();
            }
            // Whatever times its list says.
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
fn whatever_comes_in_the_place_of_the_directory_gets_no_second_key() {
    for (name, lose, reasons) in LOSSES {
        let running = Running::new();
        fs::rename(&running.case.directory, running.aside()).unwrap();
        lose(&running);
        let there = keys_in(&running.case.directory);
        assert!(running.ring.refresh(), "{name}: it is noticed");
        for (month, reason) in [april(), may(), june()].into_iter().zip(reasons) {
            match reason {
                Some(reason) => running.waits(month, reason),
                None => _ = running.ring.for_sealing(month).unwrap(),
            }
        }
        assert_eq!(keys_in(&running.case.directory), there, "{name}: none was made");
        assert_eq!(running.case.directory.exists(), name != "it is away", "nor a directory");

        running.put_back();
        assert!(running.ring.refresh(), "{name}: it is noticed");
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
fn a_start_after_the_loss_knows_what_the_state_knows() {
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
        assert_eq!(keys_in(&running.case.directory), there, "{name}: none was made");
    }
}

#[test]
fn a_list_that_is_lost_is_written_again_where_the_keys_are() {
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
fn a_list_without_its_keys_stops_their_months_alone() {
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
fn what_the_list_said_once_is_known_without_it() {
    // The state is lost: this process learns of April and May only from the list.
    let running = Running::new();
    let ring = Keyring::lazy(&running.case.directory, true);
    let told = std::sync::Arc::new(Mutex::new(Vec::new()));
    let keep = told.clone();
    ring.tell(move |keys| {
        keep.lock().unwrap().extend_from_slice(keys);
        Ok(())
    });
    fs::remove_file(running.case.key()).unwrap();
    ring.for_sealing(april()).unwrap_err();
    let ids: Vec<KeyId> = told.lock().unwrap().iter().map(|used| used.id).collect();
    assert_eq!(ids, [running.case.id, running.may], "and so does the state");
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
fn a_state_that_cannot_keep_the_name_of_a_key_keeps_the_key_back() {
    let case = Case::new();
    let ring = case.ring();
    ring.tell(|_| Err(std::io::Error::other("the disk is full")));
    let error = ring.for_sealing(may()).unwrap_err().to_string();
    assert!(error.contains("cannot keep in the state"), "{error}");
}

#[test]
fn a_directory_that_is_lost_for_good_is_gone_on_from_by_hand() {
    let running = Running::new();
    let used = running.case.ring().used().unwrap();
    fs::remove_dir_all(&running.case.directory).unwrap();
    empty(&running.case.directory);
    let person = Keyring::lazy(&running.case.directory, true);
    person.remember(&used);
    let error = person.create_first(june()).unwrap_err().to_string();
    assert!(error.contains(OTHER) && error.contains("keys rotate 2021_May"), "{error}");
    // One is enough: from now on this is the directory of these keys, and April waits alone.
    let new = person.rotate(may()).unwrap();
    person.list_used().unwrap();
    running.ring.refresh();
    assert_eq!(running.ring.for_sealing(may()).unwrap().id(), new.id());
    running.ring.for_sealing(june()).unwrap();
    running.waits(april(), MISSING);
}

#[test]
fn a_month_that_was_rotated_by_somebody_without_the_state_goes_on() {
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
fn a_lost_directory_that_a_person_looks_at_is_said_to_be_lost() {
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
fn a_key_file_that_changes_in_its_place_is_noticed() {
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
    // Written over, as `cp` does: names in the directory stay as they are.
    fs::copy(Case::new().key(), running.case.key()).unwrap();
    assert!(running.ring.refresh());
    running.waits(april(), "is not the key that was used last");
}

#[test]
fn a_copy_that_keeps_the_times_is_noticed() {
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
fn what_was_loaded_soon_after_a_change_is_loaded_once_more() {
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
fn a_link_is_not_followed_for_a_slash_behind_it() {
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

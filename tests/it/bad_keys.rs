//! Damaged, missing or replaced keys: the engine names the problem, the affected month waits, the others continue, and
//! nothing leaves in plain text. Once the key is restored, every line arrives once.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixture::Fixture;
use crate::leaks;
use crate::program;
use crate::small_disk::SmallDisk;

mod lost_directory;

const APRIL: &str = "2021_April.key";
/// The directory of the keys when no other is configured.
const DEFAULT: &str = "state/keys";

/// Logs of several months, delivered to one file.
struct Months {
    fixture: Fixture,
    keys: PathBuf,
    number: usize,
}

impl Months {
    /// With an explicitly configured directory of keys, which is therefore never created automatically.
    fn new() -> Months {
        let months = Months::with_keys_in("keys");
        fs::create_dir(&months.keys).unwrap();
        set_mode(&months.keys, 0o700);
        months
    }

    fn with_keys_in(directory: &str) -> Months {
        let fixture = Fixture::new("urls = [\"http://127.0.0.1:1\"]");
        let keys = fixture.path(directory);
        let named = format!("[privacy]\nkeys = \"{}\"\n", keys.display());
        let text = format!(
            "{}[source.sre]\npaths = [\"{}/*.txt\"]\n\
             [sink.out]\nkind = \"file\"\npath = \"{}\"\n",
            if directory == DEFAULT { "" } else { &named },
            fixture.path("logs").display(),
            fixture.path("out.jsonl").display()
        );
        fs::write(fixture.path("config.toml"), text).unwrap();
        Months { fixture, keys, number: 0 }
    }

    /// Appends one line for each of these months.
    fn append(&mut self, months: &[&str]) {
        for month in months {
            self.number += 1;
            let line = leaks::line(&format!("CLIENTID{}", self.number % 7), self.number);
            self.fixture.append(&format!("logs_2021_{month}.txt"), &line);
        }
    }

    fn key(&self, name: &str) -> PathBuf {
        self.keys.join(name)
    }

    /// The number of delivered lines of this month's file; checks that none is in plain text or delivered twice.
    fn delivered(&self, month: &str) -> usize {
        let text = fs::read_to_string(self.fixture.path("out.jsonl")).unwrap();
        assert!(!text.contains("CLIENTID"), "{text}");
        let documents = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let path = self.fixture.path(&format!("logs/logs_2021_{month}.txt")).display().to_string();
        let offsets = documents.filter(|it| it["log"]["file"]["path"] == path);
        let mut offsets: Vec<u64> =
            offsets.map(|it| it["log"]["offset"].as_u64().unwrap()).collect();
        let all = offsets.len();
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), all, "{text}");
        all
    }
}

/// Name, cause, expected message and remedy.
type Damage = (&'static str, fn(&Path), &'static str, fn(&Months));

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// As if restored from a backup.
fn put_back(months: &Months) {
    let (key, kept) = (months.key(APRIL), months.fixture.path("kept").join(APRIL));
    if fs::symlink_metadata(&key).is_ok() {
        fs::remove_file(&key).unwrap();
    }
    fs::copy(&kept, &key).unwrap();
    set_mode(&key, 0o600);
}

fn close(months: &Months) {
    set_mode(&months.key(APRIL), 0o600);
}

fn rotate(months: &Months) {
    program::expect(&mut months.fixture.beside(&["keys", "rotate", "2021_April"]), 0);
}

const DAMAGES: [Damage; 9] = [
    ("missing", |key| fs::remove_file(key).unwrap(), "was used but is missing", put_back),
    (
        "cut",
        |key| File::options().write(true).open(key).unwrap().set_len(40).unwrap(),
        "is damaged",
        put_back,
    ),
    ("loose", |key| set_mode(key, 0o644), "is accessible to others (mode 644)", close),
    (
        "a link",
        |key| {
            fs::rename(key, key.with_extension("real")).unwrap();
            symlink(key.with_extension("real"), key).unwrap();
        },
        "is a symbolic link",
        put_back,
    ),
    (
        "a pipe",
        |key| {
            fs::remove_file(key).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                key,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        },
        "is a named pipe, not a file",
        put_back,
    ),
    (
        "two names",
        |key| fs::hard_link(key, key.with_file_name("other")).unwrap(),
        "has 2 hard links, only one is allowed",
        |months| fs::remove_file(months.key("other")).unwrap(),
    ),
    (
        "of another month",
        |key| _ = fs::copy(key.with_file_name("2021_May.key"), key).unwrap(),
        "contains the key of 2021_May",
        put_back,
    ),
    (
        "made anew",
        |key| {
            let other = tempfile::tempdir().unwrap();
            let mut new = program::logwarden(other.path());
            new.args(["keys", "new", "2021_April", "--keys"]).arg(other.path().join("keys"));
            program::expect(&mut new, 0);
            fs::copy(other.path().join("keys").join(APRIL), key).unwrap();
        },
        "is not the key that was used",
        put_back,
    ),
    (
        "destroyed",
        |key| {
            let keys = key.parent().unwrap();
            let mut destroy = program::logwarden(keys.parent().unwrap());
            destroy.args(["keys", "destroy", "2021_April", "--confirm", "2021_April", "--keys"]);
            program::expect(destroy.arg(keys), 0);
        },
        "was destroyed on 2",
        rotate,
    ),
];

#[test]
fn a_month_with_an_unusable_key_waits_and_the_others_continue() {
    for (name, damage, message, mend) in DAMAGES {
        let mut months = Months::new();
        months.append(&["Apr", "May"]);
        assert_eq!(months.fixture.once().0, Some(0), "{name}");
        let kept = months.fixture.path("kept");
        program::expect(months.fixture.beside(&["keys", "backup"]).arg(&kept), 0);

        damage(&months.key(APRIL));
        months.append(&["Apr", "May", "Jun"]);
        let (code, messages) = months.fixture.once();
        assert_eq!(code, Some(1), "{name}: {messages}");
        assert!(messages.contains(message), "{name}: {messages}");
        assert!(messages.contains("nothing leaves in plain text"), "{name}: {messages}");
        let delivered = ["Apr", "May", "Jun"].map(|month| months.delivered(month));
        assert_eq!(delivered, [1, 2, 1], "{name}");

        mend(&months);
        let (code, messages) = months.fixture.once();
        assert_eq!(code, Some(0), "{name}: {messages}");
        let delivered = ["Apr", "May", "Jun"].map(|month| months.delivered(month));
        assert_eq!(delivered, [2, 2, 1], "{name}");
    }
}

/// A month that needs a new key waits while none can be created.
#[test]
fn a_key_that_cannot_be_created_blocks_its_month() {
    for name in ["full", "read-only"] {
        let mut months = Months::new();
        let Some(disk) = SmallDisk::mount(&months.keys, "64k") else { return };
        months.append(&["Apr"]);
        assert_eq!(months.fixture.once().0, Some(0));
        match name {
            "full" => disk.fill(),
            _ => disk.remount("ro"),
        }
        months.append(&["Apr", "May"]);
        let (code, messages) = months.fixture.once();
        assert_eq!(code, Some(1), "{name}: {messages}");
        assert!(messages.contains("cannot create a key in"), "{name}: {messages}");
        assert_eq!([months.delivered("Apr"), months.delivered("May")], [2, 0], "{name}");
        if name == "read-only" {
            let check = program::run(&mut months.fixture.beside(&["check"]));
            let messages = program::text(&check.stdout);
            assert!(messages.contains("no key for a new month can be created"), "{messages}");
        }
        match name {
            "full" => disk.make_room(),
            _ => disk.remount("rw"),
        }
        assert_eq!(months.fixture.once().0, Some(0), "{name}");
        assert_eq!([months.delivered("Apr"), months.delivered("May")], [2, 1], "{name}");
    }
}

/// The key exists, but the disk has no space for its name, or only for half of it, in the list of used keys.
#[test]
fn a_list_that_cannot_grow_blocks_the_month() {
    for room in [0, 20] {
        let mut months = Months::new();
        let Some(disk) = SmallDisk::mount(&months.keys, "64k") else { return };
        months.append(&["Apr"]);
        assert_eq!(months.fixture.once().0, Some(0));
        program::expect(&mut months.fixture.beside(&["keys", "new", "2021_May"]), 0);
        // A partly filled page still has space.
        let list = months.key("used");
        let mut text = fs::read(&list).unwrap();
        text.resize(4096 - room - 1, b'-');
        text.push(b'\n');
        fs::write(&list, text).unwrap();
        disk.fill();
        months.append(&["Apr", "May"]);
        let (code, messages) = months.fixture.once();
        assert_eq!(code, Some(1), "{messages}");
        assert!(messages.contains("/used; free space on that disk"), "{messages}");
        assert_eq!([months.delivered("Apr"), months.delivered("May")], [2, 0], "{messages}");
        disk.make_room();
        assert_eq!(months.fixture.once().0, Some(0));
        assert_eq!([months.delivered("Apr"), months.delivered("May")], [2, 1]);
        let list = fs::read_to_string(list).unwrap();
        assert_eq!(
            list.lines().filter(|line| line.contains(" 2021_May.key ")).count(),
            1,
            "{list}"
        );
    }
}

/// A backup that ran out of disk space, or was killed, is completed by the next one.
#[test]
fn an_interrupted_backup_is_completed_by_the_next() {
    let mut months = Months::new();
    months.append(&["Apr", "May"]);
    assert_eq!(months.fixture.once().0, Some(0));
    let target = months.fixture.path("backup");
    let Some(disk) = SmallDisk::mount(&target, "64k") else { return };
    disk.fill();
    let backup = || {
        let output = program::run(months.fixture.beside(&["keys", "backup"]).arg(&target));
        (output.status.code(), program::text(&output.stderr))
    };
    let (code, messages) = backup();
    assert!(code == Some(1) && messages.contains("free space on that disk"), "{messages}");
    disk.make_room();
    fs::write(target.join(APRIL), "lwkey1.AF6").unwrap();
    set_mode(&target.join(APRIL), 0o600);
    let (code, messages) = backup();
    assert!(code == Some(0) && messages.contains("2 keys copied"), "{messages}");
    let (code, messages) = backup();
    assert!(
        code == Some(0)
            && messages.contains("0 keys copied")
            && messages.contains("2 already there"),
        "{messages}"
    );
}

/// The state knows which keys were used, so new keys never take their names.
#[test]
fn after_the_loss_of_all_keys_delivery_continues_with_new_ones() {
    let mut months = Months::with_keys_in(DEFAULT);
    months.append(&["Apr", "May"]);
    assert_eq!(months.fixture.once().0, Some(0));
    fs::remove_dir_all(&months.keys).unwrap();
    months.append(&["Apr", "May", "Jun"]);
    let (code, messages) = months.fixture.once();
    assert_eq!(code, Some(1), "{messages}");
    let advice = |month: &str| format!("keys rotate {month} --keys {}", months.keys.display());
    let any = ["2021_April", "2021_May"].iter().any(|month| messages.contains(&advice(month)));
    assert!(any, "{messages}");
    assert!(!months.keys.exists(), "the directory is not created again");
    let check = program::run(&mut months.fixture.beside(&["check"]));
    let check = program::text(&check.stdout);
    assert!(check.contains("not found: key ") && check.contains(&advice("2021_May")), "{check}");
    fs::create_dir(&months.keys).unwrap();
    set_mode(&months.keys, 0o700);
    let ask = |arguments: &[&str]| program::run(&mut months.fixture.beside(arguments));
    let check = ask(&["keys", "check"]);
    assert_eq!(check.status.code(), Some(1), "{}", program::text(&check.stdout));
    let new = ask(&["keys", "new", "2021_April"]);
    assert!(program::text(&new.stderr).contains("was used but is missing"), "{new:?}");
    // A directory given with `--keys` may belong to another machine.
    let other = months.fixture.path("other");
    let named = |arguments: &[&str]| {
        let mut command = months.fixture.beside(arguments);
        program::expect(command.arg("--keys").arg(&other), 0)
    };
    named(&["keys", "new", "2021_April"]);
    assert!(named(&["keys", "check"]).contains("2021_April"));
    for month in ["2021_April", "2021_May"] {
        let made = program::text(&ask(&["keys", "rotate", month]).stdout);
        assert!(made.starts_with(&format!("{month}.2 ")), "{made}");
    }
    assert_eq!(months.fixture.once().0, Some(0));
    let delivered = ["Apr", "May", "Jun"].map(|month| months.delivered(month));
    assert_eq!(delivered, [2, 2, 1]);
}

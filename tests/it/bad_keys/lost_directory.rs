//! The keys directory disappears or is replaced by another one: months wait, and no value is sealed with a key that the
//! restored directory lacks. Once it is restored, every line arrives once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::program::{Random, seed, wait_for};
use crate::steps;

const PATIENCE: Duration = Duration::from_secs(120);

/// The directory is moved here while another one takes its place.
fn moved_directory(months: &Months) -> PathBuf {
    months.fixture.path("aside")
}

/// A copy of the directory from the time when only April had a key.
fn old_copy(months: &Months) -> PathBuf {
    months.fixture.path("old")
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn create_empty(directory: &Path) {
    fs::create_dir(directory).unwrap();
    set_mode(directory, 0o700);
}

fn move_aside(months: &Months) {
    fs::rename(&months.keys, moved_directory(months)).unwrap();
}

fn put_directory_back(months: &Months) {
    if months.keys.exists() {
        fs::remove_dir_all(&months.keys).unwrap();
    }
    fs::rename(moved_directory(months), &months.keys).unwrap();
}

/// Names in the directory; empty if it does not exist.
fn names_in(directory: &Path) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(directory) else { return BTreeSet::new() };
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn keys_in(directory: &Path) -> BTreeSet<String> {
    names_in(directory).into_iter().filter(|name| name.ends_with(".key")).collect()
}

fn delivered(months: &Months) -> [usize; 3] {
    ["Apr", "May", "Jun"].map(|month| months.delivered(month))
}

/// Checks that the directory decrypts every token of the output, and that each month was sealed with one key.
fn assert_each_token_opens(months: &Months) {
    let mut decrypt = months.fixture.beside(&["decrypt"]);
    program::expect(
        decrypt.arg(months.fixture.path("out.jsonl")).arg("--keys").arg(&months.keys),
        0,
    );
    for (month, ids) in sealed_with(months) {
        assert_eq!(ids.len(), 1, "month {month}: {ids:x?}");
    }
}

/// Month and key id of every token in the output.
fn sealed_with(months: &Months) -> BTreeMap<u16, BTreeSet<[u8; 8]>> {
    let text = fs::read_to_string(months.fixture.path("out.jsonl")).unwrap_or_default();
    let mut sealed: BTreeMap<u16, BTreeSet<[u8; 8]>> = BTreeMap::new();
    for token in text.split("enc1.").skip(1) {
        let head = URL_SAFE_NO_PAD.decode(&token[..16]).unwrap();
        let month = u16::from_be_bytes([head[1], head[2]]);
        sealed.entry(month).or_default().insert(head[3..11].try_into().unwrap());
    }
    sealed
}

/// The id of each key file.
fn ids_in(directory: &Path) -> BTreeSet<[u8; 8]> {
    let id = |name: String| {
        let line = fs::read_to_string(directory.join(name)).unwrap();
        let key = URL_SAFE_NO_PAD.decode(line.trim_end().strip_prefix("lwkey1.").unwrap()).unwrap();
        key[11..19].try_into().unwrap()
    };
    keys_in(directory).into_iter().map(id).collect()
}

/// Name; cause, applied while April and May have keys and June has none; number of lines then delivered of two in
/// April, two in May and one in June.
type Loss = (&'static str, fn(&Months), [usize; 3]);

const LOSSES: [Loss; 5] = [
    ("away", move_aside, [1, 1, 0]),
    (
        "empty",
        |months| {
            move_aside(months);
            create_empty(&months.keys);
        },
        [1, 1, 0],
    ),
    (
        "emptied",
        |months| {
            copy(&months.keys, &moved_directory(months));
            for name in names_in(&months.keys) {
                fs::remove_file(months.keys.join(name)).unwrap();
            }
        },
        [1, 1, 0],
    ),
    (
        "an old copy",
        |months| {
            move_aside(months);
            copy(&old_copy(months), &months.keys);
        },
        [2, 1, 0],
    ),
    (
        "of another machine",
        |months| {
            move_aside(months);
            for month in ["2021_April", "2021_May", "2021_June"] {
                let mut new = program::logwarden(months.fixture.path("other").as_path());
                fs::create_dir_all(months.fixture.path("other")).unwrap();
                new.args(["keys", "new", month, "--keys"]).arg(&months.keys);
                program::expect(&mut new, 0);
            }
        },
        [1, 1, 0],
    ),
];

/// April and May each have a key and a line.
fn with_keys_of_april_and_may(directory: &str) -> Months {
    let mut months = match directory {
        DEFAULT => Months::with_keys_in(DEFAULT),
        _ => Months::new(),
    };
    months.append(&["Apr"]);
    assert_eq!(months.fixture.once().0, Some(0));
    copy(&months.keys, &old_copy(&months));
    months.append(&["May"]);
    assert_eq!(months.fixture.once().0, Some(0));
    months
}

/// Waits until files are waiting and a later line without a need for a key was delivered: then each file was tried.
fn wait_for_a_try(months: &Months, engine: &program::Engine) {
    wait_for("a file waits", PATIENCE, || {
        engine.messages().contains("is paused, so that nothing leaves in plain text").then_some(())
    });
    let before = months.delivered("Dec");
    let time = jiff::Timestamp::now();
    let line = format!("{{\"timestamp\":\"{time:.3}\",\"level\":\"info\",\"message\":\"m\"}}\n");
    months.fixture.append("logs_2021_Dec.txt", &line);
    wait_for("the others", PATIENCE, || (months.delivered("Dec") > before).then_some(()));
}

#[test]
fn months_wait_while_the_directory_is_lost_under_a_running_engine() {
    for directory in ["keys", DEFAULT] {
        for (name, lose, expected) in LOSSES {
            let name = format!("{directory}: {name}");
            let mut months = with_keys_of_april_and_may(directory);
            let engine = months.fixture.engine();
            months.append(&["Apr"]);
            wait_for("April", PATIENCE, || (months.delivered("Apr") == 2).then_some(()));

            lose(&months);
            let there = keys_in(&months.keys);
            months.append(&["Apr", "May", "Jun"]);
            wait_for_a_try(&months, &engine);
            let [april, may, june] = expected;
            assert_eq!(delivered(&months), [april + 1, may, june], "{name}: {}", engine.messages());
            assert_eq!(keys_in(&months.keys), there, "{name}: no key was created");
            assert_eq!(
                months.keys.exists(),
                !name.ends_with("away"),
                "{name}: no directory was created"
            );

            put_directory_back(&months);
            let retry = || program::run(&mut months.fixture.beside(&["ship", "retry"]));
            wait_for(&format!("{name}: all of it"), PATIENCE, || {
                retry();
                (delivered(&months) == [3, 2, 1]).then_some(())
            });
            assert_eq!(engine.terminate().code(), Some(0), "{name}");
            assert_eq!(delivered(&months), [3, 2, 1], "{name}");
            assert_each_token_opens(&months);
            program::expect(&mut months.fixture.beside(&["keys", "check"]), 0);
        }
    }
}

#[test]
fn months_wait_where_the_directory_was_lost_before_the_start() {
    for directory in ["keys", DEFAULT] {
        for (name, lose, expected) in LOSSES {
            let mut months = with_keys_of_april_and_may(directory);
            lose(&months);
            let there = keys_in(&months.keys);
            months.append(&["Apr", "May", "Jun"]);
            let (code, messages) = months.fixture.once();
            assert_eq!(code, Some(1), "{directory}: {name}: {messages}");
            assert_eq!(delivered(&months), expected, "{directory}: {name}: {messages}");
            assert_eq!(keys_in(&months.keys), there, "{directory}: {name}: no key was created");
            put_directory_back(&months);
            assert_eq!(months.fixture.once().0, Some(0), "{directory}: {name}");
            assert_eq!(delivered(&months), [2, 2, 1], "{directory}: {name}");
            assert_each_token_opens(&months);
        }
    }
}

/// The disk is unmounted, and its empty mount point stays.
#[test]
fn months_wait_while_the_disk_of_the_directory_is_not_mounted() {
    let mut months = Months::new();
    let real = months.fixture.path("real");
    create_empty(&real);
    let mount = |arguments: &[&Path]| {
        let (command, arguments) = arguments.split_first().unwrap();
        let done = Command::new(command).args(arguments).output();
        done.is_ok_and(|output| output.status.success())
    };
    let attach = || mount(&[Path::new("mount"), Path::new("--bind"), &real, &months.keys]);
    let detach = || mount(&[Path::new("umount"), Path::new("-l"), &months.keys]);
    if !attach() {
        println!("SKIPPED: this user may not mount a file system");
        return;
    }
    let mut number = 0;
    let mut append = |month: &str| {
        number += 1;
        let line = leaks::line(&format!("CLIENTID{number}"), number);
        months.fixture.append(&format!("logs_2021_{month}.txt"), &line);
    };
    append("Apr");
    let engine = months.fixture.engine();
    let april = |lines| {
        let out = months.fixture.path("out.jsonl");
        move || {
            (fs::read_to_string(&out).unwrap_or_default().lines().count() == lines).then_some(())
        }
    };
    wait_for("April", PATIENCE, april(1));
    assert!(detach());
    ["Apr", "May"].iter().for_each(|month| append(month));
    wait_for_a_try(&months, &engine);
    assert_eq!(
        names_in(&months.keys),
        BTreeSet::new(),
        "nothing was created below the mount point"
    );
    assert!(attach());
    wait_for("all of it", PATIENCE, || {
        program::run(&mut months.fixture.beside(&["ship", "retry"]));
        april(4)()
    });
    assert_eq!(engine.terminate().code(), Some(0));
    assert_eq!([months.delivered("Apr"), months.delivered("May")], [2, 1]);
    months.number = number;
    assert_each_token_opens(&months);
    assert!(detach());
}

/// Two engines, each with its own state, share the directory.
#[test]
fn two_engines_that_share_a_directory_both_wait_for_it() {
    let mut months = with_keys_of_april_and_may("keys");
    let config = fs::read_to_string(months.fixture.path("config.toml")).unwrap();
    let other = config.replace("out.jsonl", "other.jsonl");
    fs::write(months.fixture.path("other.toml"), other).unwrap();
    let engine = months.fixture.engine();
    let home = months.fixture.path("other-home");
    fs::create_dir(&home).unwrap();
    let mut second = program::logwarden(&home);
    second.arg("--no-ui").arg("--config").arg(months.fixture.path("other.toml"));
    second.arg("--state-dir").arg(home.join("state"));
    let second = program::Engine::spawn(&home, &mut second);
    let lines = |name: &str| {
        let text = fs::read_to_string(months.fixture.path(name)).unwrap_or_default();
        text.lines().count()
    };
    wait_for("both", PATIENCE, || (lines("out.jsonl") + lines("other.jsonl") == 4).then_some(()));
    fs::rename(&months.keys, months.fixture.path("aside")).unwrap();
    create_empty(&months.keys);
    let number = months.number;
    for (more, month) in ["Apr", "May", "Jun"].iter().enumerate() {
        let line = leaks::line("CLIENTID9", number + more + 1);
        months.fixture.append(&format!("logs_2021_{month}.txt"), &line);
    }
    for engine in [&engine, &second] {
        wait_for("a file waits", PATIENCE, || {
            engine.messages().contains("so that nothing leaves in plain text").then_some(())
        });
    }
    wait_for_a_try(&months, &engine);
    assert_eq!(names_in(&months.keys), BTreeSet::new());
    fs::remove_dir(&months.keys).unwrap();
    fs::rename(months.fixture.path("aside"), &months.keys).unwrap();
    wait_for("all of it", PATIENCE, || {
        (lines("out.jsonl") + lines("other.jsonl") == 12).then_some(())
    });
    for engine in [engine, second] {
        assert_eq!(engine.terminate().code(), Some(0));
    }
    months.number += 3;
    assert_each_token_opens(&months);
    assert_eq!(keys_in(&months.keys).len(), 3, "one key per month");
    fs::copy(months.fixture.path("other.jsonl"), months.fixture.path("out.jsonl")).unwrap();
    assert_each_token_opens(&months);
}

/// Only the list is lost, or only the list is left.
#[test]
fn a_list_without_keys_and_keys_without_a_list_are_distinguished() {
    let mut months = with_keys_of_april_and_may("keys");
    fs::remove_file(months.key("used")).unwrap();
    months.append(&["Apr", "May", "Jun"]);
    assert_eq!(months.fixture.once().0, Some(0));
    assert_eq!(delivered(&months), [2, 2, 1]);

    let kept = months.fixture.path("kept");
    copy(&months.keys, &kept);
    keys_in(&months.keys).iter().for_each(|name| fs::remove_file(months.keys.join(name)).unwrap());
    // A key in the list is not created again if the state is lost, either.
    fs::remove_dir_all(months.fixture.path("state")).unwrap();
    for output in ["out.jsonl", "out.jsonl.cursor"] {
        fs::remove_file(months.fixture.path(output)).unwrap();
    }
    let (code, messages) = months.fixture.once();
    assert_eq!(code, Some(1), "{messages}");
    assert!(messages.contains("was used but is missing"), "{messages}");
    assert_eq!(delivered(&months), [0; 3]);
    assert_eq!(keys_in(&months.keys), BTreeSet::new());
    fs::remove_dir_all(&months.keys).unwrap();
    fs::rename(kept, &months.keys).unwrap();
    assert_eq!(months.fixture.once().0, Some(0));
    assert_eq!(delivered(&months), [2, 2, 1]);
    assert_each_token_opens(&months);
}

#[test]
fn commands_know_a_new_key_as_soon_as_the_state_does() {
    let mut months = with_keys_of_april_and_may("keys");
    let engine = months.fixture.engine();
    months.append(&["Jun"]);
    wait_for("June", PATIENCE, || (months.delivered("Jun") == 1).then_some(()));
    fs::rename(&months.keys, moved_directory(&months)).unwrap();
    create_empty(&months.keys);
    let check = program::run(&mut months.fixture.beside(&["keys", "check"]));
    assert_eq!(check.status.code(), Some(1));
    for month in ["2021_April", "2021_May", "2021_June"] {
        let wrong = format!("ERROR {month}: key ");
        assert!(program::text(&check.stdout).contains(&wrong), "{}", program::text(&check.stdout));
    }
    engine.kill();
}

/// Loses the directory in a random way.
fn lose_at_random(months: &Months, random: &mut Random) {
    move_aside(months);
    match random.below(3) {
        0 => {}
        1 => create_empty(&months.keys),
        _ => copy(&old_copy(months), &months.keys),
    }
}

fn sleep(random: &mut Random, most_millis: u64) {
    std::thread::sleep(Duration::from_micros(random.below(most_millis * 1000)));
}

/// Appends a line for a month that never had a key, and one for each of two months with keys.
fn append_round(months: &Months, round: u64) -> usize {
    let names =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let new = format!("logs_{}_{}.txt", 2010 + round / 12, names[(round % 12) as usize]);
    let files = [new.as_str(), "logs_2021_Apr.txt", "logs_2021_May.txt"];
    for (number, file) in files.iter().enumerate() {
        months.fixture.append(file, &leaks::line("CLIENTID5", number));
    }
    files.len()
}

#[track_caller]
fn assert_one_existing_key_per_month(months: &Months, when: &str) {
    let there = ids_in(&months.keys);
    for (month, ids) in sealed_with(months) {
        assert_eq!(ids.len(), 1, "{when}: month {month} {ids:x?}");
        assert!(ids.is_subset(&there), "{when}: month {month} {ids:x?} is not in the directory");
    }
}

#[test]
fn kills_around_a_new_key_and_a_lost_directory_leave_one_key_per_month() {
    let mut random = Random(seed("lost_directory"));
    let months = with_keys_of_april_and_may("keys");
    let mut lines = 2;
    for round in 0..20 {
        let engine = months.fixture.engine();
        lines += append_round(&months, round);
        sleep(&mut random, 400);
        lose_at_random(&months, &mut random);
        sleep(&mut random, 200);
        engine.kill();
        if random.below(2) == 0 {
            let engine = months.fixture.engine();
            sleep(&mut random, 400);
            engine.kill();
        }
        put_directory_back(&months);
        assert_one_existing_key_per_month(&months, &format!("round {round}"));
    }
    let (code, messages) = months.fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    let out = fs::read_to_string(months.fixture.path("out.jsonl")).unwrap();
    assert_eq!(out.lines().count(), lines, "every line once");
    assert_one_existing_key_per_month(&months, "at the end");
    assert_each_token_opens(&months);
}

/// Kills at each call that makes a key, its name in the list, or the state durable; at the next start the directory is
/// empty.
#[test]
fn killed_at_every_durable_step_of_a_new_key_before_the_directory_is_lost() {
    let months = with_keys_of_april_and_may("keys");
    if !steps::can_trace(months.fixture.home.path()) {
        println!("SKIPPED: strace is not there, or may not trace");
        return;
    }
    let (mut round, mut lines, mut kills) = (0, 2, 0);
    for call in ["fsync", "fdatasync", "linkat", "unlinkat"] {
        for number in 1.. {
            let (names, sealed) = (names_in(&months.keys), sealed_with(&months).len());
            lines += append_round(&months, round);
            round += 1;
            let once = months.fixture.command(&["--once"]);
            if steps::killed_at(&once, months.fixture.home.path(), call, number).is_none() {
                break;
            }
            assert_one_existing_key_per_month(&months, &format!("{call} {number}"));
            // The kill was between the first step of creating the key and the first token.
            if names_in(&months.keys) != names && sealed_with(&months).len() == sealed {
                kills += 1;
                move_aside(&months);
                create_empty(&months.keys);
                assert_eq!(months.fixture.once().0, Some(1), "{call} {number}");
                assert_eq!(names_in(&months.keys), BTreeSet::new(), "{call} {number}");
                put_directory_back(&months);
            }
            assert_eq!(months.fixture.once().0, Some(0), "{call} {number}");
        }
    }
    let out = fs::read_to_string(months.fixture.path("out.jsonl")).unwrap();
    assert_eq!(out.lines().count(), lines, "every line once");
    assert_each_token_opens(&months);
    println!("{round} rounds, {kills} kills between a key's first step and its first token");
    assert!(kills >= 2, "{kills} kills");
}

/// A disk error, or a full disk, at any call that makes a key and its name in the list durable.
#[test]
fn a_failed_call_leaves_no_token_under_a_key_that_is_missing_or_unlisted() {
    let months = with_keys_of_april_and_may("keys");
    if !steps::can_trace(months.fixture.home.path()) {
        println!("SKIPPED: strace is not there, or may not trace");
        return;
    }
    let (mut round, mut lines, mut held_back) = (0, 2, 0);
    for (call, error) in
        [("fsync", "EIO"), ("linkat", "EIO"), ("linkat", "ENOSPC"), ("unlinkat", "EROFS")]
    {
        for number in 1.. {
            lines += append_round(&months, round);
            round += 1;
            let once = months.fixture.command(&["--once"]);
            let when = format!("{error} at {call} {number}");
            let home = months.fixture.home.path();
            let Some(output) = steps::failed_at(&once, home, call, number, error) else { break };
            held_back +=
                usize::from(program::text(&output.stderr).contains("nothing leaves in plain text"));
            assert_one_existing_key_per_month(&months, &when);
            let list = fs::read_to_string(months.key("used")).unwrap();
            for id in sealed_with(&months).values().flatten() {
                let id = format!("{:016x} ", u64::from_be_bytes(*id));
                assert!(list.lines().any(|line| line.starts_with(&id)), "{when}: {id}{list}");
            }
            assert_eq!(months.fixture.once().0, Some(0), "{when}");
        }
    }
    let out = fs::read_to_string(months.fixture.path("out.jsonl")).unwrap();
    assert_eq!(out.lines().count(), lines, "every line once");
    assert_each_token_opens(&months);
    println!("{round} rounds, {held_back} held back at first");
    assert!(held_back > 0);
}

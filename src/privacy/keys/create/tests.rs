//! Tests key creation by several processes at once, and kills and failures at every step. The other processes are this
//! test binary, running only [`another_process`].

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::privacy::keys::Keyring;

const STEPS: [Step; 6] =
    [Step::Open, Step::Write, Step::Sync, Step::Link, Step::Unlink, Step::SyncDirectory];

const WORK: &str = "LOGWARDEN_TEST_KEYS";

fn april() -> Slot {
    Slot::parse("2021_April").unwrap()
}

fn key() -> MonthKey {
    random(april(), Timestamp::from_seconds(1_617_235_200)).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    Directory::open(directory).unwrap().names().unwrap()
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("keys");
    Directory::open_or_create(&directory).unwrap();
    (scratch, directory)
}

/// Not a test, but the code of the other processes. Each line of its input is a directory; it answers with the id of
/// the key that it would seal April with. Or it creates a key and is killed before the given step.
#[test]
fn another_process() {
    let Ok(work) = std::env::var(WORK) else { return };
    if let Some((step, directory)) = work.split_once(' ') {
        let step: usize = step.parse().unwrap();
        let directory = Directory::open(Path::new(directory)).unwrap();
        let _ = publish_with(&directory, &key(), &mut |now| {
            if now == STEPS[step] {
                let us = rustix::process::getpid();
                rustix::process::kill_process(us, rustix::process::Signal::KILL)?;
            }
            Ok(())
        });
        unreachable!("it was killed");
    }
    println!("\nready");
    for directory in std::io::stdin().lines().map(Result::unwrap) {
        let keyring = Keyring::open(Path::new(&directory)).unwrap();
        println!("key {}", keyring.for_sealing(april().month).unwrap().id());
    }
}

fn start(work: &str) -> Child {
    let name = concat!(module_path!(), "::another_process").split_once("::").unwrap().1;
    Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(WORK, work)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A running other process.
struct Other {
    child: Child,
    ask: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Other {
    fn start() -> Other {
        let mut child = start("answer");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line == "ready" || line.starts_with("key ") {
                    let _ = sender.send(line);
                }
            }
        });
        let ask = child.stdin.take();
        let other = Other { child, ask, answers };
        assert_eq!(other.answer(), "ready");
        other
    }

    fn ask(&mut self, directory: &Path) {
        writeln!(self.ask.as_mut().unwrap(), "{}", directory.display()).unwrap();
    }

    fn answer(&self) -> String {
        self.answers.recv_timeout(std::time::Duration::from_secs(60)).expect("an answer")
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.ask = None;
        self.child.wait().unwrap();
    }
}

#[test]
fn processes_that_create_a_month_at_once_have_one_key() {
    let rounds = 300;
    let mut others: Vec<Other> = (0..32).map(|_| Other::start()).collect();
    let mut raced = 0;
    for round in 0..rounds {
        let (_scratch, directory) = scratch();
        others.iter_mut().for_each(|other| other.ask(&directory));
        let answers: Vec<String> = others.iter().map(Other::answer).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "round {round}: {answers:?}");
        assert_eq!(names(&directory), ["2021_April.key", "used"], "round {round}");
        let used = Keyring::open(&directory).unwrap().used().unwrap();
        // Each process wrote its line before it read that of another one.
        let lines = std::fs::read_to_string(directory.join("used")).unwrap().lines().count();
        raced += usize::from(lines > 1);
        assert!(used.iter().all(|used| format!("key {}", used.id) == answers[0]), "{used:?}");
    }
    println!(
        "32 processes, {rounds} rounds, in {raced} of them several at the same moment: one key"
    );
    assert!(raced > 0, "the processes never raced, so nothing was tested");
}

#[test]
fn a_kill_at_any_step_leaves_a_whole_key_or_none() {
    for (number, step) in STEPS.iter().enumerate() {
        let (_scratch, directory) = scratch();
        let mut killed = start(&format!("{number} {}", directory.display()));
        assert!(killed.wait().unwrap().code().is_none(), "{step:?}: not killed");
        let published = Directory::open(&directory).unwrap().load(april()).map(|key| key.id());
        let whole = matches!(step, Step::Unlink | Step::SyncDirectory);
        assert_eq!(published.is_ok(), whole, "{step:?}: {published:?}");
        let keyring = Keyring::open(&directory).unwrap();
        assert_eq!(keyring.used().unwrap(), [], "{step:?}: nothing was sealed yet");
        let key = keyring.for_sealing(april().month).unwrap();
        if let Ok(id) = published {
            assert_eq!(key.id(), id, "{step:?}");
        }
        assert_eq!(names(&directory), ["2021_April.key", "used"], "{step:?}");
    }
}

#[test]
fn a_failure_at_any_step_is_reported_and_leaves_nothing_half_done() {
    let failures = [
        (Errno::NOSPC, "nothing was sealed with it; free space on that disk"),
        (Errno::DQUOT, "nothing was sealed with it; free space on that disk"),
        (Errno::ROFS, "nothing was sealed with it; mount it writable, or choose another"),
        (Errno::ACCESS, "nothing was sealed with it; give this user write access: chmod u+rwx /"),
        (Errno::PERM, "if its file system has no hard links, choose another directory"),
        (Errno::IO, "; nothing was sealed with it"),
    ];
    for (failure, said) in failures {
        for step in STEPS {
            let (_scratch, path) = scratch();
            let directory = Directory::open(&path).unwrap();
            let error = publish_with(&directory, &key(), &mut |now| match now == step {
                true => Err(failure.into()),
                false => Ok(()),
            });
            let error = error.unwrap_err().to_string();
            assert!(error.contains(said), "{failure:?} at {step:?}: {error}");
            let keyring = Keyring::open(&path).unwrap();
            assert_eq!(keyring.used().unwrap(), [], "{step:?}");
            let id = keyring.for_sealing(april().month).unwrap().id();
            assert_eq!(directory.load(april()).unwrap().id(), id, "{step:?}");
            assert_eq!(names(&path), ["2021_April.key", "used"], "{step:?}");
        }
    }
}

#[test]
fn leftovers_of_killed_processes_are_removed_and_files_of_running_ones_stay() {
    let (_scratch, path) = scratch();
    std::fs::write(path.join(".new-dead"), "lwkey1.").unwrap();
    let living = File::create(path.join(".new-living")).unwrap();
    flock(&living, FlockOperation::LockExclusive).unwrap();
    Keyring::open(&path).unwrap().for_sealing(april().month).unwrap();
    assert_eq!(names(&path), [".new-living", "2021_April.key", "used"]);
}

#[test]
fn of_two_keys_for_one_slot_the_first_stays() {
    let (_scratch, path) = scratch();
    let directory = Directory::open(&path).unwrap();
    let first = key();
    publish(&directory, &first).unwrap();
    let error = publish(&directory, &key()).unwrap_err();
    assert!(matches!(error, KeyError::Exists { .. }), "{error}");
    assert_eq!(directory.load(april()).unwrap().id(), first.id());
}

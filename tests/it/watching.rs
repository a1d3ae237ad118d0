//! Files are followed under unusual conditions of the machine: a clock that steps, no notifications from the kernel,
//! ten thousand idle files.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use logwarden::base::{Clock, SystemClock, Timestamp};
use logwarden::event::Cursor;

use crate::fixture::resident;
use crate::program::{self, Engine, wait_for};
use crate::rotation::{self, Fixture, line, lines};

const PATIENCE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Runs at the speed of the machine's clock, with an offset.
#[derive(Debug)]
pub struct SteppedClock {
    system: SystemClock,
    /// How far the wall clock is ahead and behind, and how far the uptime is ahead.
    steps: Mutex<(Duration, Duration, Duration)>,
}

impl SteppedClock {
    pub fn new() -> Arc<Self> {
        Arc::new(SteppedClock { system: SystemClock::new(), steps: Mutex::default() })
    }

    pub fn forward(&self, by: Duration) {
        self.steps.lock().unwrap().0 += by;
    }

    fn back(&self, by: Duration) {
        self.steps.lock().unwrap().1 += by;
    }

    pub fn pass(&self, by: Duration) {
        self.steps.lock().unwrap().2 += by;
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        let (ahead, behind, _) = *self.steps.lock().unwrap();
        self.system.now().plus(ahead).minus(behind)
    }

    fn uptime(&self) -> Duration {
        self.system.uptime() + self.steps.lock().unwrap().2
    }
}

fn append(path: &Path, text: String) {
    rotation::append(path, text.as_bytes());
}

/// The number of rows of ended generations that the state keeps.
fn kept(fixture: &Fixture) -> usize {
    fixture.store().generations().iter().filter(|row| row.ended.is_some()).count()
}

/// Long enough for rows to be checked.
fn an_hour_passes(fixture: &mut Fixture, clock: &SteppedClock, number: &mut usize) {
    clock.pass(HOUR);
    fixture.append("app.log", lines("a", *number..*number + 1));
    *number += 1;
    let expected = *number;
    fixture.until("the next line", |fixture| fixture.consumer.events.len() >= expected + 5);
}

/// Two hours back and a year forward during reading: nothing is read again, and nothing is forgotten.
#[test]
fn s42_clock_steps_repeat_nothing_and_forget_nothing() {
    let clock = SteppedClock::new();
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.append("app.log", lines("a", 0..5));
    fixture.append("over.log", lines("o", 0..5));
    fixture.open_with(clock.clone());
    fixture.until("both", |fixture| fixture.consumer.events.len() == 10);
    fs::remove_file(fixture.path("over.log")).unwrap();
    let mut number = 5;
    for _ in 0..2 {
        an_hour_passes(&mut fixture, &clock, &mut number);
    }
    fixture.until("the removed one is over", |fixture| kept(fixture) == 1);
    for step in 0..4 {
        match step {
            0 => clock.back(2 * HOUR),
            1 => clock.forward(YEAR),
            2 => clock.back(YEAR),
            _ => {
                fixture.close();
                clock.forward(YEAR);
                fixture.open_with(clock.clone());
            }
        }
        for _ in 0..2 {
            an_hour_passes(&mut fixture, &clock, &mut number);
        }
        assert_eq!(kept(&fixture), 1, "forgotten after step {step}");
    }
    let both = (0..number).map(|n| line("a", n)).chain((0..5).map(|n| line("o", n)));
    fixture.expect_lines(both);
    // After 32 real days the row is removed.
    for _ in 0..32 {
        clock.forward(24 * HOUR);
        an_hour_passes(&mut fixture, &clock, &mut number);
    }
    fixture.until("the removal of its row", |fixture| kept(fixture) == 0);
}

/// Saved bytes are removed when they are read, even long after the file's last growth.
#[test]
fn s29_saved_bytes_are_removed_once_they_are_read() {
    let clock = SteppedClock::new();
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.rescue = true;
    fixture.append("app.log", lines("a", 0..50));
    fixture.open_with(clock.clone());
    fixture.until("all", |fixture| fixture.consumer.events.len() == 50);
    let row = fixture.store().generations().remove(0);
    let cursor = |offset| Cursor { generation: row.id, offset };
    fixture.store().put_cursor("es", "*", cursor(0));
    fs::remove_file(fixture.path("app.log")).unwrap();
    let kept = fixture.directory.path().join("intake");
    let files = || fs::read_dir(&kept).map_or(0, Iterator::count);
    fixture.until("it is kept", |_| files() == 1);
    for _ in 0..2 {
        clock.pass(HOUR);
        fixture.append("other.log", lines("o", 0..1));
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(files(), 1, "it is not read yet");
    fixture.store().put_cursor(
        "es",
        "*",
        cursor(row.mark.offset.max(lines("a", 0..50).len() as u64)),
    );
    clock.pass(HOUR);
    fixture.until("it is removed", |_| files() == 0);
    let rest = |fixture: &Fixture| fixture.store().generation(row.id).unwrap().rest;
    fixture.until("the update of the row", |fixture| rest(fixture).is_none());
    fixture.until("its notice to disappear", |fixture| {
        !fixture.log().notices().iter().any(|notice| notice.text.contains("intake"))
    });
}

/// In a name space of its own, in which the kernel watches at most eight directories for this user.
fn with_eight_watches(command: &Command) -> Command {
    let mut wrapped = Command::new("unshare");
    let limit = "echo 8 >/proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\"";
    wrapped.args(["--user", "--map-root-user", "sh", "-c", limit]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.current_dir(command.get_current_dir().expect("it is given")).stdin(Stdio::null());
    wrapped
}

/// Twenty directories and eight watches: all lines are delivered, and polling is reported.
#[test]
fn s25_more_directories_than_the_kernel_watches() {
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let logs = home.join("logs");
    let log = |directory: usize| logs.join(directory.to_string()).join("app.log");
    for directory in 0..20 {
        fs::create_dir_all(log(directory).parent().unwrap()).unwrap();
        append(&log(directory), lines("w", directory * 10..directory * 10 + 5));
    }
    let mut command = program::logwarden(home);
    command.arg("--no-ui").arg("--state-dir").arg(&state).arg(logs.join("*/app.log"));
    let mut command = with_eight_watches(&command);
    if !Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("SKIPPED: this user may make no name space of his own");
        return;
    }
    let engine = Engine::spawn(home, &mut command);
    let archived = |count| (program::archived(home, &state, "*") == count).then_some(());
    wait_for("the existing lines", PATIENCE, || archived(100));
    for directory in 0..20 {
        append(&log(directory), lines("w", directory * 10 + 5..directory * 10 + 8));
        fs::rename(log(directory), log(directory).with_extension("1")).unwrap();
        append(&log(directory), lines("w", directory * 10 + 8..directory * 10 + 10));
    }
    wait_for("the new lines", PATIENCE, || archived(200));
    assert!(engine.messages().contains("by polling only"), "{}", engine.messages());
    assert!(engine.terminate().success());
    let documents = program::documents(home, &state);
    let mut numbers: Vec<u64> =
        documents.iter().map(|document| document["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<u64>>());
}

/// The work that a process has done so far, in figures that do not depend on the load of the machine.
#[derive(Clone, Copy, Debug)]
struct Work {
    /// How often its threads have gone to sleep (proc(5): `voluntary_ctxt_switches`).
    wakes: u64,
    /// Number of read calls (proc(5): `syscr`).
    reads: u64,
}

impl Work {
    fn of(process: u32) -> Work {
        let figure = |path: &str, name: &str| -> u64 {
            let text = fs::read_to_string(path).unwrap_or_default();
            let figure = text.lines().find_map(|line| line.strip_prefix(name));
            figure.and_then(|figure| figure.trim().parse().ok()).unwrap_or(0)
        };
        let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
        let status = |thread: fs::DirEntry| thread.path().join("status").display().to_string();
        let wakes = threads.map(|thread| figure(&status(thread), "voluntary_ctxt_switches:"));
        Work { wakes: wakes.sum(), reads: figure(&format!("/proc/{process}/io"), "syscr:") }
    }

    fn since(self, before: Work) -> Work {
        Work { wakes: self.wakes.saturating_sub(before.wakes), reads: self.reads - before.reads }
    }
}

/// Ten thousand idle files cost almost nothing while ten others grow.
#[test]
fn s43_ten_thousand_idle_files_and_ten_hot_ones() {
    const IDLE: usize = 10_000;
    const HOT: usize = 10;
    let scratch = tempfile::tempdir().unwrap();
    let (home, out) = (scratch.path(), scratch.path().join("out"));
    let logs = home.join("logs");
    for file in 0..IDLE {
        let directory = logs.join((file % 20).to_string());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{file}.log")), lines("idle", file..file + 1)).unwrap();
    }
    let config = home.join("config.toml");
    let text = format!(
        "[source.app]\npaths = [\"{}/*/*.log\"]\n[sink.out]\nkind = \"file\"\npath = \"{}\"\n",
        logs.display(),
        out.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = program::logwarden(home);
    command.args(["--no-ui", "--config"]).arg(&config).arg("--state-dir").arg(home.join("state"));
    let engine = Engine::spawn(home, &mut command);
    let written = || fs::read_to_string(&out).unwrap_or_default().lines().count();
    wait_for("every idle file", 6 * PATIENCE, || (written() == IDLE).then_some(()));

    let (before, began) = (Work::of(engine.id()), Instant::now());
    std::thread::sleep(Duration::from_secs(4));
    let idle = Work::of(engine.id()).since(before);
    let seconds = began.elapsed().as_secs() + 1;
    let grow = |upto: usize, rounds: usize| {
        for round in upto - rounds..upto {
            for file in 0..HOT {
                append(&logs.join(format!("0/hot-{file}.log")), line("hot", round) + "\n");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        wait_for("hot lines", PATIENCE, || (written() == IDLE + HOT * upto).then_some(()));
    };
    grow(20, 20);
    let (began, before) = (Work::of(engine.id()), resident(engine.id()));
    grow(60, 40);
    let hot = Work::of(engine.id()).since(began);
    let after = resident(engine.id());
    println!(
        "{idle:?} in {seconds} s, {hot:?} for {} lines; {} KiB, then {} KiB",
        HOT * 40,
        before >> 10,
        after >> 10
    );
    assert!(engine.terminate().success());
    // Idle files are not read; a walk over all of them per line would take 4,000,000 checks. `docs/idle.sh` measures
    // the cost.
    assert!(idle.reads < 1_000, "{idle:?} while nothing happens");
    assert!(idle.wakes < 200 * seconds, "{idle:?} in {seconds} s");
    assert!(hot.reads < 50 * (HOT * 40) as u64, "{hot:?}");
    assert!(after < 96 << 20 && after < before + (8 << 20), "{before} bytes, then {after}");
}

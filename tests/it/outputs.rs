//! Events written to standard output or to the file of a sink are confirmed only if that output exists and stores them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::fixture::{Fixture, lines};
use crate::program::{expect, run, send_signal, text, wait_for};
use crate::small_disk::SmallDisk;

const PATIENCE: Duration = Duration::from_secs(120);
const NO_SERVER: &str = "enabled = false\nurls = [\"http://localhost:1\"]\n";

fn open_for_append(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}

/// The numbers of the complete lines.
fn numbers(output: &str) -> HashSet<u64> {
    let whole = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    whole.map(|line| line["number"].as_u64().unwrap()).collect()
}

fn check_that_a_full_disk_confirms_nothing(end: &str) {
    let fixture = Fixture::new(&format!("{NO_SERVER}[sink.stdout]"));
    let Some(disk) = SmallDisk::mount(&fixture.path("disk"), "256k") else { return };
    fixture.append("a.log", &lines(1, 0..2_000));
    let (output, errors) = (fixture.path("disk/out"), fixture.path("errors"));
    let mut command = fixture.command(&[]);
    command.stdout(open_for_append(&output)).stderr(open_for_append(&errors));
    let mut engine = command.spawn().unwrap();
    wait_for("a full disk", PATIENCE, || {
        let messages = fs::read_to_string(&errors).unwrap();
        messages.contains("cannot write to standard output").then_some(())
    });
    send_signal(engine.id(), end);
    wait_for("the end", PATIENCE, || engine.try_wait().unwrap());
    disk.remount("size=20m");
    let again = run(fixture.command(&["--once"]).stdout(open_for_append(&output)));
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(numbers(&fs::read_to_string(&output).unwrap()), (0..2_000).collect());
}

#[test]
fn events_not_written_to_a_full_disk_are_not_confirmed_by_a_stop() {
    check_that_a_full_disk_confirms_nothing("TERM");
}

#[test]
fn events_not_written_to_a_full_disk_are_not_confirmed_after_a_kill() {
    check_that_a_full_disk_confirms_nothing("KILL");
}

/// The same command, with standard output closed.
fn with_closed_output(command: &Command) -> Command {
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$0\" \"$@\" >&-"]).arg(command.get_program());
    closed.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => closed.env(name, value),
            None => closed.env_remove(name),
        };
    }
    closed.stdin(Stdio::null());
    closed
}

#[test]
fn a_closed_standard_output_is_rejected_and_confirms_nothing() {
    let fixture = Fixture::new(&format!("{NO_SERVER}[sink.stdout]"));
    fixture.append("a.log", &lines(1, 0..100));
    let refused = run(&mut with_closed_output(&fixture.command(&["--once"])));
    let messages = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{messages}");
    assert!(messages.contains("standard output is closed"), "{messages}");
    let output = expect(&mut fixture.command(&["--once"]), 0);
    assert_eq!(numbers(&output), (0..100).collect());
}

#[test]
fn standard_output_to_the_null_device_is_not_a_closed_one() {
    let fixture = Fixture::new(&format!("{NO_SERVER}[sink.stdout]"));
    fixture.append("a.log", &lines(1, 0..100));
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let output = run(fixture.command(&["--once"]).stdout(null));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(expect(&mut fixture.command(&["--once"]), 0), "", "they are confirmed");
}

fn with_file_sink() -> Fixture {
    let fixture = Fixture::new("");
    let path = fixture.path("out.jsonl");
    fixture.configure(&format!(
        "{NO_SERVER}[sink.out]\nkind = \"file\"\npath = \"{}\"",
        path.display()
    ));
    fixture.append("a.log", &lines(1, 0..100));
    fixture
}

/// A disturbance, its remedy, and the expected message.
type Disturbance = (fn(&Path), fn(&Path), &'static str);

fn moved_path(path: &Path) -> std::path::PathBuf {
    path.with_extension("aside")
}

const DISTURBANCES: [Disturbance; 3] = [
    (
        |path| fs::rename(path, moved_path(path)).unwrap(),
        |path| fs::rename(moved_path(path), path).unwrap(),
        "no longer exists: it was moved or removed",
    ),
    (
        |path| {
            fs::copy(path, moved_path(path)).unwrap();
            File::options().write(true).truncate(true).open(path).unwrap();
        },
        |path| fs::rename(moved_path(path), path).unwrap(),
        "has 0 bytes",
    ),
    (
        |path| {
            fs::rename(path, moved_path(path)).unwrap();
            fs::write(path, "").unwrap();
        },
        |path| fs::rename(moved_path(path), path).unwrap(),
        "nothing is written to it",
    ),
];

#[test]
fn a_removed_output_blocks_its_sink_until_it_is_restored() {
    for (disturb, mend, words) in DISTURBANCES {
        let fixture = with_file_sink();
        let path = fixture.path("out.jsonl");
        let engine = fixture.engine();
        let side = path.with_extension("jsonl.cursor");
        let confirmed = || {
            let side = fs::read_to_string(&side).unwrap_or_default();
            let length = fs::metadata(&path).map_or(0, |found| found.len());
            (length > 0 && side.contains(&format!("\"length\":{length},"))).then_some(())
        };
        wait_for("a first commit", PATIENCE, || {
            let whole = fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 100);
            if whole { confirmed() } else { None }
        });
        disturb(&path);
        fixture.append("a.log", &lines(1, 100..200));
        wait_for("the message", PATIENCE, || {
            let messages = engine.messages();
            (messages.contains("sink out is blocked") && messages.contains(words)).then_some(())
        });
        assert!(engine.terminate().success());
        let (code, messages) = fixture.once();
        assert_eq!(code, Some(1), "{messages}");
        assert!(
            messages.contains("nothing is written to it") && messages.contains(".cursor file away"),
            "{messages}"
        );
        mend(&path);
        assert_eq!(fixture.once().0, Some(0));
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!((written.lines().count(), numbers(&written)), (200, (0..200).collect()));
    }
}

#[test]
fn a_blocked_sink_without_pending_events_fails_the_run() {
    let fixture = with_file_sink();
    assert_eq!(fixture.once().0, Some(0));
    let path = fixture.path("out.jsonl");
    fs::remove_file(&path).unwrap();
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(1), "{messages}");
    assert!(messages.contains("sink out is blocked"), "{messages}");
    assert!(!path.exists(), "the right file can be put back");
}

/// Runs with an output among the logs; returns the fixture and the messages. `paths` and `sink` are settings, in which
/// `ROOT` stands for the directory.
fn output_beside_logs(paths: &str, sink: &str, prepare: fn(&Fixture)) -> (Fixture, String) {
    let fixture = Fixture::new("");
    let root = fixture.home.path().display().to_string();
    let config = format!("[source.app]\npaths = [{paths}]\n{sink}\n").replace("ROOT", &root);
    fs::write(fixture.path("config.toml"), config).unwrap();
    fixture.append("a.log", &lines(1, 0..20));
    prepare(&fixture);
    let output = fixture.path("logs/out.log");
    let mut command = fixture.command(&[]);
    let errors = fixture.path("errors");
    command.stdout(open_for_append(&output)).stderr(open_for_append(&errors));
    let mut engine = command.spawn().unwrap();
    let written = |count: usize| {
        wait_for("the lines", PATIENCE, || {
            let text = fs::read_to_string(&output).unwrap_or_default();
            (text.lines().count() >= count).then_some(())
        });
    };
    written(20);
    // Two more passes, so that the follower has found the output.
    for round in 1..=2 {
        wait_for("the notice", PATIENCE, || {
            let messages = fs::read_to_string(&errors).unwrap();
            messages.contains("is written by Logwarden itself").then_some(())
        });
        fixture.append("a.log", &lines(1, 20 * round..20 * (round + 1)));
        written(20 * (round + 1));
    }
    send_signal(engine.id(), "TERM");
    wait_for("the end", PATIENCE, || engine.try_wait().unwrap());
    let again = run(fixture.command(&["--once"]).stdout(open_for_append(&output)));
    assert!(again.status.success(), "{}", text(&again.stderr));
    let text = fs::read_to_string(&output).unwrap();
    assert_eq!((text.lines().count(), numbers(&text)), (60, (0..60).collect()));
    (fixture, fs::read_to_string(&errors).unwrap())
}

const FILE: &str = "[sink.out]\nkind = \"file\"\npath = \"ROOT/logs/out.log\"";

#[test]
fn an_output_in_a_watched_directory_is_not_followed() {
    let (fixture, messages) = output_beside_logs("\"ROOT/logs\"", FILE, |_| {});
    assert_eq!(messages.matches("out.log is written by Logwarden itself").count(), 1, "{messages}");
    let checked = text(&run(&mut fixture.beside(&["check"])).stdout);
    assert!(checked.contains("logs/out.log is written by Logwarden itself"), "{checked}");
}

#[test]
fn standard_output_in_a_watched_directory_is_not_followed() {
    let (_, messages) = output_beside_logs("\"ROOT/logs\"", "[sink.stdout]", |_| {});
    assert!(messages.contains("standard output is written by Logwarden itself"), "{messages}");
}

#[test]
fn an_output_behind_a_link_is_not_followed() {
    output_beside_logs("\"ROOT/logs/a.log\", \"ROOT/links\"", FILE, |fixture| {
        fs::create_dir(fixture.path("links")).unwrap();
        std::os::unix::fs::symlink(fixture.path("logs/out.log"), fixture.path("links/x")).unwrap();
    });
}

#[test]
fn the_state_in_a_watched_directory_is_not_followed() {
    let sinks = format!("{FILE}\n[sink.archive]");
    let (_, messages) =
        output_beside_logs("\"ROOT/logs/*.log\", \"ROOT/state/**/*\"", &sinks, |_| {});
    assert!(messages.contains("/state is written by Logwarden itself"), "{messages}");
    assert!(messages.contains("/state/archive is written by Logwarden itself"), "{messages}");
}

//! Files that begin with the same bytes: one may be a copy of the other, or a file of its own.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use logwarden::base::Timestamp;
use logwarden::base::clock::ManualClock;

use crate::fixture::lines;
use crate::program::{Engine, archived, logwarden, run, text, wait_for};
use crate::rotation::{Fixture, append};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs once per file, in this order, and returns the number of events delivered by each run.
fn runs(order: &[&str]) -> (Vec<u64>, Vec<Option<i32>>, String) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("app.log"), lines(1, 0..2000)).unwrap();
    fs::write(home.path().join("copy.log"), lines(1, 0..2005)).unwrap();
    let state = home.path().join("state");
    let (mut counts, mut codes, mut messages) = (Vec::new(), Vec::new(), String::new());
    let mut before = 0;
    for name in order {
        let mut command = logwarden(home.path());
        command.args(["--no-ui", "--once", "--state-dir"]).arg(&state);
        let output = run(command.arg(home.path().join(name)));
        let now = archived(home.path(), &state, "*");
        counts.push(now - before);
        before = now;
        codes.push(output.status.code());
        messages.push_str(&text(&output.stderr));
    }
    (counts, codes, messages)
}

#[test]
fn a_copy_opened_after_its_original_is_a_file_of_its_own_while_the_original_exists() {
    let (counts, codes, messages) = runs(&["app.log", "copy.log", "app.log", "copy.log"]);
    assert_eq!(counts, [2000, 2005, 0, 0], "{messages}");
    assert_eq!(codes, [Some(0); 4], "{messages}");
    assert!(!messages.contains("lost") && !messages.contains("destroyed"), "{messages}");
}

#[test]
fn an_original_opened_after_its_copy_is_a_file_of_its_own() {
    let (counts, codes, messages) = runs(&["copy.log", "app.log", "copy.log", "app.log"]);
    assert_eq!(counts, [2005, 2000, 0, 0], "{messages}");
    assert_eq!(codes, [Some(0); 4], "{messages}");
}

#[test]
fn a_file_that_only_repeats_another_is_reported() {
    let home = tempfile::tempdir().unwrap();
    let (state, log) = (home.path().join("state"), home.path().join("app.log"));
    let once = |name: &str| {
        let mut command = logwarden(home.path());
        command.args(["--no-ui", "--once", "--state-dir"]).arg(&state);
        run(command.arg(home.path().join(name)))
    };
    fs::write(&log, lines(1, 0..500)).unwrap();
    once("app.log");
    // Rotated by copy, and only the copy is read.
    fs::copy(&log, home.path().join("app.log.1")).unwrap();
    fs::remove_file(&log).unwrap();
    let output = once("app.log.1");
    let messages = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{messages}");
    assert_eq!(archived(home.path(), &state, "*"), 500);
    assert!(
        messages.contains("app.log.1 is a copy of") && messages.contains("not delivered again"),
        "{messages}"
    );
}

#[test]
fn an_editors_temporary_file_is_not_a_log_and_its_save_is_not_a_new_log() {
    let home = tempfile::tempdir().unwrap();
    let logs = home.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let line = |n: usize| format!("2026-11-29 20:00:0{n} INFO line {n}\n");
    fs::write(logs.join("app.log"), (0..3).map(line).collect::<String>()).unwrap();
    let state = home.path().join("state");
    let engine = Engine::start(home.path(), &state, &[&logs]);
    wait_for("the lines", PATIENCE, || (archived(home.path(), &state, "*") == 3).then_some(()));
    for ending in ["app.log~", "app.log.bak", "app.log.tmp", "4913.swp"] {
        fs::copy(logs.join("app.log"), logs.join(ending)).unwrap();
    }
    fs::write(logs.join(".app.log.swp"), (0..4).map(line).collect::<String>()).unwrap();
    fs::rename(logs.join(".app.log.swp"), logs.join("app.log")).unwrap();
    wait_for("the new line", PATIENCE, || {
        (archived(home.path(), &state, "\"line 3\"") == 1).then_some(())
    });
    // Longer than a file is treated as a possible copy.
    std::thread::sleep(Duration::from_secs(3));
    assert!(engine.terminate().success());
    assert_eq!(archived(home.path(), &state, "*"), 4);
}

/// A file of the same name in another directory, read by a run that is started there: another file, although it begins
/// with the same bytes.
#[test]
fn a_copy_with_the_same_name_in_another_directory_is_a_file_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    for directory in ["one", "two"] {
        fs::create_dir(home.path().join(directory)).unwrap();
        fs::write(home.path().join(directory).join("app.log"), lines(1, 0..100)).unwrap();
    }
    for (directory, expected) in [("one", 100), ("two", 200), ("one", 200), ("two", 200)] {
        let mut command = logwarden(home.path());
        command.args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg("app.log");
        let output = run(command.current_dir(home.path().join(directory)));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(archived(home.path(), &state, "*"), expected, "after {directory}");
    }
}

/// A first line without a line end for ten seconds becomes an event, and the file is identified by it. The copy has the
/// whole line.
#[test]
fn a_copy_is_recognised_after_an_incomplete_first_line_became_an_event() {
    for while_it_runs in [false, true] {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_790_000_000)));
        let mut fixture = Fixture::new(&["app.log*"]);
        fixture.append("app.log", "start ");
        fixture.open_with(clock.clone());
        fixture.until("the beginning of the line", |fixture| {
            clock.advance(Duration::from_secs(1));
            fixture.consumer.events.len() == 1
        });
        fixture.append("app.log", "of the service\nsecond\n");
        fixture.until("the rest of it", |fixture| {
            clock.advance(Duration::from_millis(100));
            fixture.consumer.events.len() == 3
        });
        if !while_it_runs {
            fixture.close();
        }
        fixture.append("app.log", "third\n");
        fs::copy(fixture.path("app.log"), fixture.path("app.log.1")).unwrap();
        fs::write(fixture.path("app.log"), "another\n").unwrap();
        if !while_it_runs {
            fixture.open_with(clock.clone());
        }
        append(&fixture.path("app.log"), b"more\n");
        fixture.until("all", |fixture| {
            clock.advance(Duration::from_millis(100));
            fixture.consumer.events.len() >= 6
        });
        for _ in 0..40 {
            clock.advance(Duration::from_millis(500));
            std::thread::sleep(Duration::from_millis(5));
            fixture.drain();
        }
        let mut texts = fixture.texts();
        texts.sort_unstable();
        let all = ["another", "more", "of the service", "second", "start ", "third"];
        assert_eq!((texts, fixture.consumer.lost), (all.to_vec(), 0), "{while_it_runs}");
        fixture.close();
    }
}

//! Renamed, moved or deleted files: they are read to their ends.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use super::setup::{Fixture, line, lines};

#[test]
fn renamed_a_thousand_times_under_a_pattern_that_covers_the_new_names() {
    rename_often(&["app.log*"], 1000);
}

#[test]
fn renamed_a_thousand_times_with_only_the_path_known() {
    rename_often(&["app.log"], 1000);
}

fn rename_often(paths: &[&str], times: usize) {
    let mut fixture = Fixture::new(paths);
    fixture.append("app.log", lines("a", 0..3));
    fixture.open();
    for time in 0..times {
        fixture.append("app.log", lines("a", time * 5 + 3..time * 5 + 5));
        fs::rename(fixture.path("app.log"), fixture.path(&format!("app.log.{time}"))).unwrap();
        fixture.append("app.log", lines("a", time * 5 + 5..time * 5 + 8));
        if time % 7 == 0 {
            fixture.drain();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    fixture.expect_lines((0..times * 5 + 3).map(|n| line("a", n)));
}

#[test]
fn renamed_while_the_log_is_closed() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log.0", lines("old", 0..3));
    // Longer than the resolution of the clock used for birth times.
    std::thread::sleep(Duration::from_millis(40));
    fixture.append("app.log", lines("a", 0..5));
    fixture.open();
    fixture.until("first lines", |fixture| fixture.consumer.events.len() == 5);
    fixture.close();
    for time in 1..4 {
        fixture.append("app.log", lines("a", time * 5..time * 5 + 3));
        fs::rename(fixture.path("app.log"), fixture.path(&format!("app.log.{time}"))).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        fixture.append("app.log", lines("a", time * 5 + 3..time * 5 + 5));
    }
    fixture.open();
    fixture.expect_lines((0..20).map(|n| line("a", n)));
}

/// Written, rotated and written again before the follower has checked its path.
#[test]
fn renamed_before_its_path_was_ever_seen() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.hints = false;
    fixture.append("other.log", lines("other", 0..1));
    fixture.open();
    fixture.expect_lines([line("other", 0)]);
    let mut expected = vec![line("other", 0)];
    for log in 0..20 {
        std::thread::sleep(Duration::from_millis(37));
        let (name, writer) = (format!("app{log}.log"), format!("w{log}"));
        fixture.append(&name, lines(&writer, 0..3));
        fs::rename(fixture.path(&name), fixture.path(&format!("{name}.1"))).unwrap();
        fixture.append(&name, lines(&writer, 3..5));
        expected.extend((0..5).map(|number| line(&writer, number)));
    }
    fixture.expect_lines(expected);
}

/// A file is renamed so that no pattern matches, and its writer continues.
#[test]
fn late_lines_of_a_writer_that_keeps_the_old_file() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.append("app.log", lines("a", 0..3));
    fixture.open();
    let mut writer = OpenOptions::new().append(true).open(fixture.path("app.log")).unwrap();
    fs::rename(fixture.path("app.log"), fixture.path("app.old")).unwrap();
    fixture.append("app.log", lines("b", 0..3));
    fixture.until("both", |fixture| fixture.consumer.events.len() == 6);
    writer.write_all(lines("a", 3..6).as_bytes()).unwrap();
    fixture.expect_lines((0..6).map(|n| line("a", n)).chain((0..3).map(|n| line("b", n))));
    // No pattern matches now, and it is still the same generation after a restart.
    fixture.close();
    writer.write_all(lines("a", 6..8).as_bytes()).unwrap();
    fixture.open();
    fixture.expect_lines((0..8).map(|n| line("a", n)).chain((0..3).map(|n| line("b", n))));
}

#[test]
fn moved_like_to_another_file_system_while_its_writer_continues() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.append("app.log", lines("a", 0..50));
    fixture.open();
    fixture.until("all", |fixture| fixture.consumer.events.len() == 50);
    let mut writer = OpenOptions::new().append(true).open(fixture.path("app.log")).unwrap();
    fs::copy(fixture.path("app.log"), fixture.path("moved.log")).unwrap();
    fs::remove_file(fixture.path("app.log")).unwrap();
    // Longer than the follower suspects that it is a copy.
    let began = Instant::now();
    fixture.until("some time", |_| began.elapsed() > Duration::from_millis(2500));
    writer.write_all(lines("a", 50..60).as_bytes()).unwrap();
    fixture.expect_lines((0..60).map(|n| line("a", n)));
}

#[test]
fn deleted_while_unread_is_read_to_its_end() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..20_000));
    fixture.open();
    fs::remove_file(fixture.path("app.log")).unwrap();
    fixture.append("app.log", lines("b", 0..10));
    fixture.until("the new file", |fixture| fixture.log().generations().len() == 2);
    fixture.expect_lines((0..20_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

//! Renamed, moved or deleted files: they are read to their ends.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use super::setup::{Bench, line, lines};

#[test]
fn renamed_a_thousand_times_under_a_pattern_that_covers_the_new_names() {
    rename_often(&["app.log*"], 1000);
}

#[test]
fn renamed_a_thousand_times_with_only_the_path_known() {
    rename_often(&["app.log"], 1000);
}

fn rename_often(paths: &[&str], times: usize) {
    let mut bench = Bench::new(paths);
    bench.append("app.log", lines("a", 0..3));
    bench.open();
    for time in 0..times {
        bench.append("app.log", lines("a", time * 5 + 3..time * 5 + 5));
        fs::rename(bench.path("app.log"), bench.path(&format!("app.log.{time}"))).unwrap();
        bench.append("app.log", lines("a", time * 5 + 5..time * 5 + 8));
        if time % 7 == 0 {
            bench.drain();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.expect_lines((0..times * 5 + 3).map(|n| line("a", n)));
}

#[test]
fn renamed_while_nobody_looks() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log.0", lines("old", 0..3));
    // Longer than the resolution of the clock used for birth times.
    std::thread::sleep(Duration::from_millis(40));
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    bench.until("first lines", |bench| bench.consumer.events.len() == 5);
    bench.close();
    for time in 1..4 {
        bench.append("app.log", lines("a", time * 5..time * 5 + 3));
        fs::rename(bench.path("app.log"), bench.path(&format!("app.log.{time}"))).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        bench.append("app.log", lines("a", time * 5 + 3..time * 5 + 5));
    }
    bench.open();
    bench.expect_lines((0..20).map(|n| line("a", n)));
}

/// Written, rotated and written again before the follower has checked its path.
#[test]
fn renamed_before_its_path_was_ever_seen() {
    let mut bench = Bench::new(&["*.log"]);
    bench.hints = false;
    bench.append("other.log", lines("other", 0..1));
    bench.open();
    bench.expect_lines([line("other", 0)]);
    let mut expected = vec![line("other", 0)];
    for log in 0..20 {
        std::thread::sleep(Duration::from_millis(37));
        let (name, writer) = (format!("app{log}.log"), format!("w{log}"));
        bench.append(&name, lines(&writer, 0..3));
        fs::rename(bench.path(&name), bench.path(&format!("{name}.1"))).unwrap();
        bench.append(&name, lines(&writer, 3..5));
        expected.extend((0..5).map(|number| line(&writer, number)));
    }
    bench.expect_lines(expected);
}

/// A file is renamed so that no pattern matches, and its writer continues.
#[test]
fn late_lines_of_a_writer_that_keeps_the_old_file() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("app.log", lines("a", 0..3));
    bench.open();
    let mut writer = OpenOptions::new().append(true).open(bench.path("app.log")).unwrap();
    fs::rename(bench.path("app.log"), bench.path("app.old")).unwrap();
    bench.append("app.log", lines("b", 0..3));
    bench.until("both", |bench| bench.consumer.events.len() == 6);
    writer.write_all(lines("a", 3..6).as_bytes()).unwrap();
    bench.expect_lines((0..6).map(|n| line("a", n)).chain((0..3).map(|n| line("b", n))));
    // No pattern matches any more, and it is still the same generation after a restart.
    bench.close();
    writer.write_all(lines("a", 6..8).as_bytes()).unwrap();
    bench.open();
    bench.expect_lines((0..8).map(|n| line("a", n)).chain((0..3).map(|n| line("b", n))));
}

#[test]
fn moved_as_to_another_file_system_while_its_writer_goes_on() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("app.log", lines("a", 0..50));
    bench.open();
    bench.until("all", |bench| bench.consumer.events.len() == 50);
    let mut writer = OpenOptions::new().append(true).open(bench.path("app.log")).unwrap();
    fs::copy(bench.path("app.log"), bench.path("moved.log")).unwrap();
    fs::remove_file(bench.path("app.log")).unwrap();
    // Longer than the follower suspects that it is a copy.
    let began = Instant::now();
    bench.until("some time", |_| began.elapsed() > Duration::from_millis(2500));
    writer.write_all(lines("a", 50..60).as_bytes()).unwrap();
    bench.expect_lines((0..60).map(|n| line("a", n)));
}

#[test]
fn deleted_while_unread_is_read_to_its_end() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..20_000));
    bench.open();
    fs::remove_file(bench.path("app.log")).unwrap();
    bench.append("app.log", lines("b", 0..10));
    bench.until("the new file", |bench| bench.log().generations().len() == 2);
    bench.expect_lines((0..20_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

//! Truncated files, with and without a copy.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use logwarden::event::Flags;

use super::setup::{
    ERROR, Fixture, HeldClock, INFO, TRACE, copytruncate, line, lines, seen_by_the_follower,
};

#[test]
fn truncated_before_it_was_read_is_counted_to_the_byte() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open();
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    let unread = lines("a", 10..1000);
    fixture.append("app.log", &unread);
    seen_by_the_follower(&fixture);
    File::create(fixture.path("app.log")).unwrap();
    fixture.append("app.log", lines("b", 0..5));
    fixture.until("new content and the loss", |fixture| {
        fixture.consumer.events.len() >= 15 && fixture.consumer.lost > 0
    });
    assert_eq!(fixture.consumer.lost, unread.len() as u64);
    let texts = fixture.texts().join("\n");
    assert!(texts.contains(&line("b", 4)) && !texts.contains(&line("a", 500)));
    fixture.until("the loss is reported", |fixture| {
        fixture.log().notices().iter().any(|notice| notice.text.contains("was truncated"))
    });
    fixture.restart();
    fixture.drain();
    assert_eq!(fixture.consumer.events.len(), 15);
    assert_eq!(fixture.consumer.lost, unread.len() as u64);
    let lost: u64 = fixture.store().generations().iter().map(|row| row.lost).sum();
    assert_eq!(lost, unread.len() as u64);
}

#[test]
fn truncated_and_regrown_beyond_the_mark_between_two_polls() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open();
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    fs::write(fixture.path("app.log"), lines("b", 0..50)).unwrap();
    fixture.expect_lines((0..10).map(|n| line("a", n)).chain((0..50).map(|n| line("b", n))));
}

#[test]
fn copytruncate_with_unread_bytes_is_read_from_the_copy() {
    for paths in [&["app.log"][..], &["app.log*"][..]] {
        let mut fixture = Fixture::new(paths);
        fixture.append("app.log", format!("constant header\n{}", lines("a", 0..10)));
        fixture.open();
        fixture.until("ten", |fixture| fixture.consumer.events.len() == 11);
        let mut expected = vec!["constant header".to_owned()];
        expected.extend((0..2000).map(|n| line("a", n)));
        fixture.append("app.log", lines("a", 10..2000));
        copytruncate(&fixture, "app.log", "app.log.1");
        for generation in 0..3 {
            fixture.append(
                "app.log",
                format!("constant header\n{}", lines("b", generation * 9..generation * 9 + 9)),
            );
            expected.push("constant header".to_owned());
            expected.extend((generation * 9..generation * 9 + 9).map(|n| line("b", n)));
            fixture.until("this generation", |fixture| {
                fixture.consumer.events.len() >= expected.len()
            });
            copytruncate(&fixture, "app.log", &format!("app.log.{}", generation + 2));
        }
        fixture.append("app.log", "end\n");
        expected.push("end".to_owned());
        fixture.expect_lines(expected.clone());
        // The copies are recognised.
        fixture.restart();
        fixture.expect_lines(expected);
    }
}

/// At least 1 MiB is unread when the copy is made.
#[test]
fn copytruncate_with_a_mebibyte_unread_is_complete_from_the_copy() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open();
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    let unread = lines("a", 10..60_000);
    assert!(unread.len() > 1 << 20);
    fixture.append("app.log", unread);
    copytruncate(&fixture, "app.log", "app.log.1");
    fixture.append("app.log", lines("b", 0..10));
    fixture.expect_lines((0..60_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
    fixture.restart();
    fixture.expect_lines((0..60_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

#[test]
fn copytruncate_while_the_log_is_closed() {
    let mut fixture = Fixture::new(&["app.log*"]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open();
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    fixture.close();
    fixture.append("app.log", lines("a", 10..20));
    copytruncate(&fixture, "app.log", "app.log.1");
    fixture.append("app.log", lines("a", 20..30));
    fixture.open();
    fixture.expect_lines((0..30).map(|n| line("a", n)));
}

#[test]
fn a_copy_that_lacks_the_last_lines_loses_only_those() {
    // After two seconds the copy would count as a file of its own, and on a busy machine they may pass.
    let clock = Arc::new(HeldClock::default());
    let mut fixture = Fixture::new(&["app.log*"]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open_with(clock.clone());
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    fixture.append("app.log", lines("a", 10..500));
    seen_by_the_follower(&fixture);
    fs::copy(fixture.path("app.log"), fixture.path("app.log.1")).unwrap();
    let late = lines("late", 0..20);
    fixture.append("app.log", &late);
    seen_by_the_follower(&fixture);
    OpenOptions::new().write(true).open(fixture.path("app.log")).unwrap().set_len(0).unwrap();
    fixture.append("app.log", lines("b", 0..10));
    fixture.within(Duration::from_secs(1), &clock, "both generations and the loss", |fixture| {
        fixture.consumer.events.len() >= 510 && fixture.consumer.lost > 0
    });
    assert_eq!(fixture.consumer.lost, late.len() as u64);
    fixture.restart();
    fixture.drain();
    fixture.consumer.lost -= late.len() as u64;
    fixture.expect_lines((0..500).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

/// The writer continues at its old offset, so a hole of NULs precedes its line.
#[test]
fn a_hole_left_by_copytruncate_is_not_in_any_event() {
    for first in [300, 90_000] {
        hole_of(first);
    }
}

fn hole_of(first: usize) {
    let mut fixture = Fixture::new(&["app.log*"]);
    let mut writer = File::create(fixture.path("app.log")).unwrap();
    writer.write_all(lines("a", 0..first).as_bytes()).unwrap();
    fixture.open();
    fixture.until("the first", |fixture| fixture.consumer.events.len() == first);
    let hole = fs::metadata(fixture.path("app.log")).unwrap().len();
    copytruncate(&fixture, "app.log", "app.log.1");
    writer.write_all(lines("a", first..first + 2).as_bytes()).unwrap();
    fixture.until("the rest", |fixture| fixture.consumer.events.len() == first + 3);
    let [nuls, behind_hole, last] = &fixture.consumer.events[first..] else { panic!("three") };
    assert!(nuls.flags.contains(Flags::HOLE) && nuls.flags.contains(Flags::QUIET));
    assert_eq!(behind_hole.text, line("a", first));
    assert_eq!((behind_hole.bounds.0, behind_hole.bounds.1), (hole, last.bounds.0));
    assert_eq!(last.text, line("a", first + 1));
    assert_eq!(fixture.consumer.lost, 0);
    let messages = format!("{} NUL bytes were skipped", logwarden::base::bytes::count(hole));
    fixture.until("the notice", |fixture| {
        fixture.log().notices().iter().any(|notice| notice.text.contains(&messages))
    });
    fixture.restart();
    fixture.drain();
    assert_eq!(fixture.consumer.events.len(), first + 3);
}

/// A timeout has cut a record that is not in the copy: that cut is after the end of the copy.
#[test]
fn a_run_once_over_a_copy_without_the_record_cut_by_the_timeout() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", INFO.repeat(10));
    fixture.open();
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    fs::copy(fixture.path("app.log"), fixture.path("app.log.1")).unwrap();
    fixture.append("app.log", format!("{ERROR}{TRACE}"));
    fixture.until("the record with its trace", |fixture| fixture.consumer.events.len() == 11);
    File::create(fixture.path("app.log")).unwrap();
    fixture.until("the copy", |fixture| {
        fixture.log().statuses().iter().any(|file| file.path.ends_with("app.log.1"))
    });
    fixture.close();
    fixture.once = true;
    fixture.open();
    fixture.drain();
    assert_eq!((fixture.consumer.events.len(), fixture.consumer.lost), (11, 0));
}

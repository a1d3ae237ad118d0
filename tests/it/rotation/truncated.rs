//! Truncated files, with and without a copy.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use logwarden::event::Flags;

use super::setup::{
    Bench, ERROR, HeldClock, INFO, TRACE, copytruncate, line, lines, seen_by_the_follower,
};

#[test]
fn truncated_before_it_was_read_is_counted_to_the_byte() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    let unread = lines("a", 10..1000);
    bench.append("app.log", &unread);
    seen_by_the_follower(&bench);
    File::create(bench.path("app.log")).unwrap();
    bench.append("app.log", lines("b", 0..5));
    bench.until("new content and the loss", |bench| {
        bench.consumer.events.len() >= 15 && bench.consumer.lost > 0
    });
    assert_eq!(bench.consumer.lost, unread.len() as u64);
    let texts = bench.texts().join("\n");
    assert!(texts.contains(&line("b", 4)) && !texts.contains(&line("a", 500)));
    bench.until("the loss is said", |bench| {
        bench.log().notices().iter().any(|notice| notice.text.contains("was truncated"))
    });
    bench.restart();
    bench.drain();
    assert_eq!(bench.consumer.events.len(), 15);
    assert_eq!(bench.consumer.lost, unread.len() as u64);
    let lost: u64 = bench.store().generations().iter().map(|row| row.lost).sum();
    assert_eq!(lost, unread.len() as u64);
}

#[test]
fn truncated_and_regrown_beyond_the_mark_between_two_looks() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    fs::write(bench.path("app.log"), lines("b", 0..50)).unwrap();
    bench.expect_lines((0..10).map(|n| line("a", n)).chain((0..50).map(|n| line("b", n))));
}

#[test]
fn copytruncate_with_unread_bytes_is_read_from_the_copy() {
    for paths in [&["app.log"][..], &["app.log*"][..]] {
        let mut bench = Bench::new(paths);
        bench.append("app.log", format!("constant header\n{}", lines("a", 0..10)));
        bench.open();
        bench.until("ten", |bench| bench.consumer.events.len() == 11);
        let mut expected = vec!["constant header".to_owned()];
        expected.extend((0..2000).map(|n| line("a", n)));
        bench.append("app.log", lines("a", 10..2000));
        copytruncate(&bench, "app.log", "app.log.1");
        for life in 0..3 {
            bench.append(
                "app.log",
                format!("constant header\n{}", lines("b", life * 9..life * 9 + 9)),
            );
            expected.push("constant header".to_owned());
            expected.extend((life * 9..life * 9 + 9).map(|n| line("b", n)));
            bench.until("this life", |bench| bench.consumer.events.len() >= expected.len());
            copytruncate(&bench, "app.log", &format!("app.log.{}", life + 2));
        }
        bench.append("app.log", "end\n");
        expected.push("end".to_owned());
        bench.expect_lines(expected.clone());
        // The copies are recognised.
        bench.restart();
        bench.expect_lines(expected);
    }
}

/// At least 1 MiB is unread when the copy is made.
#[test]
fn copytruncate_with_a_mebibyte_unread_is_complete_from_the_copy() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    let unread = lines("a", 10..60_000);
    assert!(unread.len() > 1 << 20);
    bench.append("app.log", unread);
    copytruncate(&bench, "app.log", "app.log.1");
    bench.append("app.log", lines("b", 0..10));
    bench.expect_lines((0..60_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
    bench.restart();
    bench.expect_lines((0..60_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

#[test]
fn copytruncate_while_nobody_looks() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    bench.close();
    bench.append("app.log", lines("a", 10..20));
    copytruncate(&bench, "app.log", "app.log.1");
    bench.append("app.log", lines("a", 20..30));
    bench.open();
    bench.expect_lines((0..30).map(|n| line("a", n)));
}

#[test]
fn a_copy_that_lacks_the_last_lines_loses_only_those() {
    // After two seconds the copy would count as a file of its own, and on a busy machine they may pass.
    let clock = Arc::new(HeldClock::default());
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open_with(clock.clone());
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    bench.append("app.log", lines("a", 10..500));
    seen_by_the_follower(&bench);
    fs::copy(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    let late = lines("late", 0..20);
    bench.append("app.log", &late);
    seen_by_the_follower(&bench);
    OpenOptions::new().write(true).open(bench.path("app.log")).unwrap().set_len(0).unwrap();
    bench.append("app.log", lines("b", 0..10));
    bench.within(Duration::from_secs(1), &clock, "both lives and the loss", |bench| {
        bench.consumer.events.len() >= 510 && bench.consumer.lost > 0
    });
    assert_eq!(bench.consumer.lost, late.len() as u64);
    bench.restart();
    bench.drain();
    bench.consumer.lost -= late.len() as u64;
    bench.expect_lines((0..500).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

/// The writer continues at its old offset, so a hole of NULs precedes its line.
#[test]
fn the_hole_that_copytruncate_leaves_is_in_no_event() {
    for first in [300, 90_000] {
        hole_of(first);
    }
}

fn hole_of(first: usize) {
    let mut bench = Bench::new(&["app.log*"]);
    let mut writer = File::create(bench.path("app.log")).unwrap();
    writer.write_all(lines("a", 0..first).as_bytes()).unwrap();
    bench.open();
    bench.until("the first", |bench| bench.consumer.events.len() == first);
    let hole = fs::metadata(bench.path("app.log")).unwrap().len();
    copytruncate(&bench, "app.log", "app.log.1");
    writer.write_all(lines("a", first..first + 2).as_bytes()).unwrap();
    bench.until("the rest", |bench| bench.consumer.events.len() == first + 3);
    let [nuls, behind_hole, last] = &bench.consumer.events[first..] else { panic!("three") };
    assert!(nuls.flags.contains(Flags::HOLE) && nuls.flags.contains(Flags::QUIET));
    assert_eq!(behind_hole.text, line("a", first));
    assert_eq!((behind_hole.bounds.0, behind_hole.bounds.1), (hole, last.bounds.0));
    assert_eq!(last.text, line("a", first + 1));
    assert_eq!(bench.consumer.lost, 0);
    let said = format!("{} NUL bytes were skipped", logwarden::base::bytes::count(hole));
    bench.until("it is said", |bench| {
        bench.log().notices().iter().any(|notice| notice.text.contains(&said))
    });
    bench.restart();
    bench.drain();
    assert_eq!(bench.consumer.events.len(), first + 3);
}

/// A pause has made a cut in a record that is not in the copy: that cut is after the end of the copy.
#[test]
fn a_run_once_over_a_copy_that_lacks_what_quiet_has_cut() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", INFO.repeat(10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    fs::copy(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    bench.append("app.log", format!("{ERROR}{TRACE}"));
    bench.until("the record with its trace", |bench| bench.consumer.events.len() == 11);
    File::create(bench.path("app.log")).unwrap();
    bench.until("the copy", |bench| {
        bench.log().statuses().iter().any(|file| file.path.ends_with("app.log.1"))
    });
    bench.close();
    bench.once = true;
    bench.open();
    bench.drain();
    assert_eq!((bench.consumer.events.len(), bench.consumer.lost), (11, 0));
}

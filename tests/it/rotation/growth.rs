//! Growing files: their lines are read as they are written, soon, and from any offset.

use std::sync::Arc;
use std::time::Duration;

use logwarden::event::Cursor;
use logwarden::follow::Read;

use super::setup::{Bench, HeldClock, PATIENCE, line, lines};
use crate::program::wait_for;

#[test]
fn a_growing_file_is_read_as_it_grows() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.append("app.log", lines("a", 10..20));
    bench.expect_lines((0..20).map(|n| line("a", n)));
    bench.close();
    bench.append("app.log", lines("a", 20..25));
    bench.open();
    bench.append("app.log", lines("a", 25..30));
    bench.expect_lines((0..30).map(|n| line("a", n)));
}

#[test]
fn empty_and_tiny_files_come_within_a_second() {
    let mut bench = Bench::new(&["*"]);
    bench.append("empty.log", "");
    bench.append("tiny.log", "x\n");
    let clock = Arc::new(HeldClock::default());
    bench.open_with(clock.clone());
    let second = Duration::from_secs(1);
    bench.within(second, &clock, "the tiny one", |bench| bench.consumer.events.len() == 1);
    bench.append("empty.log", "y\n");
    bench.within(second, &clock, "the other one", |bench| bench.consumer.events.len() == 2);
    bench.expect_lines(["x".to_owned(), "y".to_owned()]);
}

/// No time passes, so no check is due.
#[test]
fn a_growing_file_wakes_its_readers_at_once() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..5));
    bench.open_with(Arc::new(HeldClock::default()));
    bench.expect_lines((0..5).map(|n| line("a", n)));
    for number in 5..25 {
        let changes = bench.log().changes();
        bench.append("app.log", line("a", number) + "\n");
        wait_for("the readers are told", PATIENCE, || changes.is_notified().then_some(()));
        let events = number + 1;
        bench.until("the line", |bench| bench.consumer.events.len() == events);
    }
    bench.expect_lines((0..25).map(|n| line("a", n)));
}

#[test]
fn one_line_in_five_writes_with_restarts_between() {
    let mut bench = Bench::new(&["app.log"]);
    bench.open();
    let whole = line("a", 7);
    let step = whole.len() / 4;
    for part in 0..5 {
        let piece = &whole.as_bytes()[part * step..whole.len().min((part + 1) * step)];
        bench.append("app.log", piece);
        if part % 2 == 1 {
            bench.restart();
        }
        bench.drain();
        assert!(bench.consumer.events.is_empty());
    }
    bench.append("app.log", "\n");
    bench.expect_lines([whole]);
}

#[test]
fn a_reader_near_another_gets_the_same_batch() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..100));
    bench.open();
    let generation = bench.log().generations()[0];
    let read = |offset| match bench.log().read(Cursor { generation, offset }).unwrap() {
        Read::Batch { batch, first } => (batch, first),
        other => panic!("{other:?}"),
    };
    let (one, first) = read(0);
    assert_eq!(first, 0);
    let (other, tenth) = read(one.records[10].start);
    assert_eq!(tenth, 10);
    assert!(Arc::ptr_eq(&one, &other));
}

/// Without notifications and without time passing, a requested check finds all bytes written before the request.
#[test]
fn a_look_that_is_asked_for_finds_what_was_written_before_it() {
    let mut bench = Bench::new(&["*.log"]);
    bench.hints = false;
    bench.append("a.log", lines("a", 0..10));
    bench.open_with(Arc::new(HeldClock::default()));
    bench.until("the beginning", |bench| bench.consumer.events.len() == 10);
    for round in 1..4 {
        bench.append("a.log", lines("a", round * 10..round * 10 + 10));
        bench.append(&format!("b{round}.log"), lines("b", round * 10..round * 10 + 10));
        let look = bench.log().request_check();
        wait_for("the look", PATIENCE, || bench.log().is_check_done(look).then_some(()));
        bench.drain();
        assert_eq!(bench.consumer.events.len(), 10 + round * 20);
    }
}

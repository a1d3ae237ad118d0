//! Growing files: their lines are read as they are written, soon, and from any offset.

use std::sync::Arc;
use std::time::Duration;

use logwarden::event::Cursor;
use logwarden::follow::Read;

use super::setup::{Fixture, HeldClock, PATIENCE, line, lines};
use crate::program::wait_for;

#[test]
fn a_growing_file_is_read_as_it_grows() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open();
    fixture.append("app.log", lines("a", 10..20));
    fixture.expect_lines((0..20).map(|n| line("a", n)));
    fixture.close();
    fixture.append("app.log", lines("a", 20..25));
    fixture.open();
    fixture.append("app.log", lines("a", 25..30));
    fixture.expect_lines((0..30).map(|n| line("a", n)));
}

#[test]
fn empty_and_tiny_files_come_within_a_second() {
    let mut fixture = Fixture::new(&["*"]);
    fixture.append("empty.log", "");
    fixture.append("tiny.log", "x\n");
    let clock = Arc::new(HeldClock::default());
    fixture.open_with(clock.clone());
    let second = Duration::from_secs(1);
    fixture.within(second, &clock, "the tiny one", |fixture| fixture.consumer.events.len() == 1);
    fixture.append("empty.log", "y\n");
    fixture.within(second, &clock, "the other one", |fixture| fixture.consumer.events.len() == 2);
    fixture.expect_lines(["x".to_owned(), "y".to_owned()]);
}

/// No time passes, so no check is due.
#[test]
fn a_growing_file_wakes_its_readers_at_once() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..5));
    fixture.open_with(Arc::new(HeldClock::default()));
    fixture.expect_lines((0..5).map(|n| line("a", n)));
    for number in 5..25 {
        let changes = fixture.log().changes();
        fixture.append("app.log", line("a", number) + "\n");
        wait_for("the readers are notified", PATIENCE, || changes.is_notified().then_some(()));
        let events = number + 1;
        fixture.until("the line", |fixture| fixture.consumer.events.len() == events);
    }
    fixture.expect_lines((0..25).map(|n| line("a", n)));
}

#[test]
fn one_line_in_five_writes_with_restarts_between() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.open();
    let whole = line("a", 7);
    let step = whole.len() / 4;
    for part in 0..5 {
        let piece = &whole.as_bytes()[part * step..whole.len().min((part + 1) * step)];
        fixture.append("app.log", piece);
        if part % 2 == 1 {
            fixture.restart();
        }
        fixture.drain();
        assert!(fixture.consumer.events.is_empty());
    }
    fixture.append("app.log", "\n");
    fixture.expect_lines([whole]);
}

#[test]
fn a_reader_near_another_gets_the_same_batch() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..100));
    fixture.open();
    let generation = fixture.log().generations()[0];
    let read = |offset| match fixture.log().read(Cursor { generation, offset }).unwrap() {
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
fn a_requested_check_finds_bytes_written_before_it() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.hints = false;
    fixture.append("a.log", lines("a", 0..10));
    fixture.open_with(Arc::new(HeldClock::default()));
    fixture.until("the beginning", |fixture| fixture.consumer.events.len() == 10);
    for round in 1..4 {
        fixture.append("a.log", lines("a", round * 10..round * 10 + 10));
        fixture.append(&format!("b{round}.log"), lines("b", round * 10..round * 10 + 10));
        let check = fixture.log().request_check();
        wait_for("the check", PATIENCE, || fixture.log().is_check_done(check).then_some(()));
        fixture.drain();
        assert_eq!(fixture.consumer.events.len(), 10 + round * 20);
    }
}

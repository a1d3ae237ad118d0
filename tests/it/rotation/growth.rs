//! A file that grows: its lines come as they are written, at once and from anywhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use logwarden::event::Cursor;
use logwarden::follow::Read;

use super::setup::{Bench, PATIENCE, line, lines};

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

/// S24.
#[test]
fn empty_and_tiny_files_come_within_a_second() {
    let mut bench = Bench::new(&["*"]);
    bench.append("empty.log", "");
    bench.append("tiny.log", "x\n");
    bench.open();
    let began = Instant::now();
    bench.expect_lines(["x".to_owned()]);
    assert!(began.elapsed() < Duration::from_secs(1));
    let began = Instant::now();
    bench.append("empty.log", "y\n");
    bench.expect_lines(["x".to_owned(), "y".to_owned()]);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_growing_file_wakes_its_readers_at_once() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    let mut waits: Vec<Duration> = (5..25)
        .map(|number| {
            let changes = bench.log().changes();
            let began = Instant::now();
            bench.append("app.log", line("a", number) + "\n");
            while !changes.told() {
                assert!(began.elapsed() < PATIENCE);
                std::thread::yield_now();
            }
            bench.drain();
            began.elapsed()
        })
        .collect();
    bench.expect_lines((0..25).map(|n| line("a", n)));
    waits.sort();
    assert!(waits[10] < Duration::from_millis(50), "{waits:?}");
}

/// S17.
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

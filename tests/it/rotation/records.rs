//! Where records begin and end, and which bytes of each are kept.

use std::fs::{self, OpenOptions};
use std::sync::Arc;
use std::time::Duration;

use logwarden::base::{Clock, SystemClock};
use logwarden::event::{Cursor, Flags};
use logwarden::follow::Read;

use super::setup::{Bench, ERROR, INFO, TRACE, append, line, lines};

#[test]
fn line_ends_across_read_buffers() {
    let mut bench = Bench::new(&["app.log"]);
    let expected: Vec<String> =
        (0..40_000).map(|n| format!("{n} {}", "x".repeat(n % 29))).collect();
    bench.append("app.log", expected.iter().map(|l| l.clone() + "\r\n").collect::<String>());
    bench.open();
    bench.expect_lines(expected);
    for event in &bench.consumer.events {
        assert_eq!(event.bounds.1 - event.bounds.0, event.text.len() as u64 + 2, "{event:?}");
    }
}

/// NULs, bytes that are not UTF-8, a lone CR, a file name that is not text.
#[test]
fn any_bytes_in_content_and_name() {
    use std::os::unix::ffi::OsStrExt;
    let mut bench = Bench::new(&["*.log"]);
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe\n.log");
    let path = bench.path("x").with_file_name(name);
    append(&path, b"a\0\0b\nbad \xc3\x28 bytes\n\xff\rlone\n");
    bench.open();
    bench.until("three", |bench| bench.consumer.events.len() == 3);
    assert_eq!(bench.consumer.events[0].text, "a\0\0b");
    assert_eq!(bench.consumer.events[2].bounds, (18, 25));
    bench.restart();
    bench.drain();
    assert_eq!(bench.consumer.events.len(), 3);
}

#[test]
fn a_huge_line_is_kept_in_part_and_the_next_one_is_right() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "first\n.");
    let file = OpenOptions::new().write(true).open(bench.path("app.log")).unwrap();
    bench.open();
    // NULs within a line are part of it, and those of a sparse file take no disk space.
    file.set_len(6 + (64 << 20)).unwrap();
    bench.until("seen", |bench| bench.log().files()[0].facts().size > 64 << 20);
    assert_eq!(bench.texts(), ["first"]);
    bench.append("app.log", "\nnext\n");
    bench.until("three", |bench| bench.consumer.events.len() == 3);
    let huge = &bench.consumer.events[1];
    assert!(huge.flags.contains(Flags::TRUNCATED));
    assert!(!huge.flags.contains(Flags::PARTIAL));
    assert_eq!(huge.text.len(), 1 << 20);
    assert_eq!(huge.bounds, (6, 6 + (64 << 20) + 1));
    assert_eq!(bench.consumer.events[2].text, "next");
}

#[test]
fn a_trace_after_its_error_was_sent_is_a_record_of_its_own() {
    let mut bench = Bench::new(&["app.log"]);
    let before: String = (0..20).map(|_| INFO).collect();
    bench.append("app.log", &before);
    bench.append("app.log", ERROR);
    bench.open();
    bench.until("the error, after some quiet", |bench| bench.consumer.events.len() == 21);
    // Killed before the cursor was stored: everything is read again.
    let sent = std::mem::take(&mut bench.consumer);
    bench.close();
    bench.append("app.log", TRACE);
    bench.append("app.log", INFO);
    bench.open();
    bench.until("all of it", |bench| {
        bench.texts().join("\n").contains("ValueError") && bench.consumer.events.len() >= 23
    });
    assert_eq!(bench.consumer.events[..21], sent.events[..], "the same records, the same ids");
    let mut at = 0;
    for event in &bench.consumer.events {
        assert_eq!(event.bounds.0, at, "every byte once");
        at = event.bounds.1;
    }
    assert_eq!(at, (before.len() + ERROR.len() + TRACE.len() + INFO.len()) as u64);
}

#[test]
fn a_cut_that_the_bytes_make_anyway_is_not_kept() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", INFO.repeat(3));
    bench.open();
    bench.until("three", |bench| bench.consumer.events.len() == 3);
    assert_eq!(bench.store().generations()[0].cuts.to_vec(), [3 * INFO.len() as u64]);
    bench.append("app.log", INFO.repeat(2));
    bench.until("five", |bench| bench.consumer.events.len() == 5);
    bench.until("one cut", |bench| {
        bench.store().generations()[0].cuts.to_vec() == [5 * INFO.len() as u64]
    });
}

#[test]
fn a_format_that_shows_later_holds_from_there_on() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "starting up\n");
    bench.open();
    bench.until("the first line", |bench| bench.consumer.events.len() == 1);
    bench.append("app.log", lines("a", 0..200));
    bench.until("a second vote", |bench| {
        bench.log().files()[0].facts().formats.last().is_some_and(|entry| entry.format == "json")
    });
    bench.append("app.log", lines("a", 200..300));
    bench.until("all", |bench| bench.texts().last() == Some(&line("a", 299).as_str()));
    let formats = bench.log().files()[0].facts().formats;
    assert_eq!(formats.len(), 2, "{formats:?}");
    assert_eq!(bench.store().generations()[0].formats, formats);
    // A restart reads the same records.
    let before = std::mem::take(&mut bench.consumer);
    bench.restart();
    bench.until("all again", |bench| bench.consumer.events.len() == before.events.len());
    assert_eq!(before.events, bench.consumer.events);
}

#[test]
fn a_format_that_no_longer_fits_is_voted_again() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..150));
    bench.open();
    bench.until("json", |bench| bench.consumer.events.len() == 150);
    // Lines that do not fit the format are joined, at most a thousand of them.
    for _ in 0..30 {
        bench.append("app.log", INFO.repeat(100));
        bench.drain();
    }
    bench.until("another format", |bench| {
        bench.log().files()[0].facts().formats.last().is_some_and(|entry| entry.format != "json")
    });
    bench.append("app.log", INFO.repeat(5));
    let whole = fs::metadata(bench.path("app.log")).unwrap().len();
    bench.until("all", |bench| bench.consumer.cursors.values().sum::<u64>() == whole);
}

#[test]
fn a_record_has_the_same_time_from_wherever_it_is_read() {
    let mut bench = Bench::new(&["app.log"]);
    for n in 0..5000 {
        let time = if n % 10 == 0 {
            format!("\"time\":\"2024-05-01T10:{:02}:{:02}Z\",", n / 60 % 60, n % 60)
        } else {
            String::new()
        };
        bench.append("app.log", format!("{{{time}\"number\":{n}}}\n"));
    }
    let times = |bench: &Bench, wanted: Option<u64>| {
        let generation = bench.log().generations()[0];
        let (mut offset, mut times) = (wanted.unwrap_or(0), Vec::new());
        while let Read::Batch { batch, first } =
            bench.log().read(Cursor { generation, offset }).unwrap()
        {
            times.extend(batch.records[first..].iter().map(|r| (r.start, r.time, r.flags)));
            offset = batch.end;
            if wanted.is_some() {
                break;
            }
        }
        times
    };
    bench.open();
    bench.until("all", |bench| bench.consumer.events.len() == 5000);
    let all = times(&bench, None);
    for at in [1, 7, 2503, 4999] {
        // The restart drops the decode state.
        bench.restart();
        assert_eq!(times(&bench, Some(all[at].0))[0], all[at]);
    }
}

#[test]
fn the_day_on_which_bytes_were_first_seen_is_kept() {
    use logwarden::base::clock::ManualClock;
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..5));
    let size = fs::metadata(bench.path("app.log")).unwrap().len();
    let written = SystemClock::new().now();
    let clock = Arc::new(ManualClock::at(written.plus(Duration::from_secs(3 * 86_400))));
    bench.open_with(clock.clone());
    let days = |bench: &Bench| -> Vec<(u64, i32)> {
        let row = &bench.store().generations()[0];
        row.days.iter().map(|mark| (mark.offset, mark.day - written.day())).collect()
    };
    assert_eq!(days(&bench), [(0, 0)], "bytes that were there: the day they were written");
    bench.append("app.log", lines("a", 5..6));
    bench.until("seen", |bench| bench.consumer.events.len() == 6);
    assert_eq!(days(&bench), [(0, 0), (size, 3)]);
    // A clock that steps back creates no day mark.
    clock.step_to(written);
    bench.append("app.log", lines("a", 6..7));
    bench.until("seen", |bench| bench.consumer.events.len() == 7);
    assert_eq!(days(&bench), [(0, 0), (size, 3)]);
}

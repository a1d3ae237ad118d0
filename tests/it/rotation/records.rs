//! Where records begin and end, and which bytes of each are kept.

use std::fs::{self, OpenOptions};
use std::sync::Arc;
use std::time::Duration;

use logwarden::base::{Clock, SystemClock};
use logwarden::event::{Cursor, Flags};
use logwarden::follow::Read;

use super::setup::{ERROR, Fixture, INFO, TRACE, append, line, lines};

#[test]
fn line_ends_across_read_buffers() {
    let mut fixture = Fixture::new(&["app.log"]);
    let expected: Vec<String> =
        (0..40_000).map(|n| format!("{n} {}", "x".repeat(n % 29))).collect();
    fixture.append("app.log", expected.iter().map(|l| l.clone() + "\r\n").collect::<String>());
    fixture.open();
    fixture.expect_lines(expected);
    for event in &fixture.consumer.events {
        assert_eq!(event.bounds.1 - event.bounds.0, event.text.len() as u64 + 2, "{event:?}");
    }
}

/// NULs, bytes that are not UTF-8, a lone CR, a file name that is not text.
#[test]
fn any_bytes_in_content_and_name() {
    use std::os::unix::ffi::OsStrExt;
    let mut fixture = Fixture::new(&["*.log"]);
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe\n.log");
    let path = fixture.path("x").with_file_name(name);
    append(&path, b"a\0\0b\nbad \xc3\x28 bytes\n\xff\rlone\n");
    fixture.open();
    fixture.until("three", |fixture| fixture.consumer.events.len() == 3);
    assert_eq!(fixture.consumer.events[0].text, "a\0\0b");
    assert_eq!(fixture.consumer.events[2].bounds, (18, 25));
    fixture.restart();
    fixture.drain();
    assert_eq!(fixture.consumer.events.len(), 3);
}

#[test]
fn a_huge_line_is_truncated_and_the_next_one_is_complete() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", "first\n.");
    let file = OpenOptions::new().write(true).open(fixture.path("app.log")).unwrap();
    fixture.open();
    // NULs within a line are part of it, and those of a sparse file take no disk space.
    file.set_len(6 + (64 << 20)).unwrap();
    fixture.until("seen", |fixture| fixture.log().files()[0].facts().size > 64 << 20);
    assert_eq!(fixture.texts(), ["first"]);
    fixture.append("app.log", "\nnext\n");
    fixture.until("three", |fixture| fixture.consumer.events.len() == 3);
    let huge = &fixture.consumer.events[1];
    assert!(huge.flags.contains(Flags::TRUNCATED));
    assert!(!huge.flags.contains(Flags::PARTIAL));
    assert_eq!(huge.text.len(), 1 << 20);
    assert_eq!(huge.bounds, (6, 6 + (64 << 20) + 1));
    assert_eq!(fixture.consumer.events[2].text, "next");
}

#[test]
fn a_trace_after_its_error_was_sent_is_a_record_of_its_own() {
    let mut fixture = Fixture::new(&["app.log"]);
    let before: String = (0..20).map(|_| INFO).collect();
    fixture.append("app.log", &before);
    fixture.append("app.log", ERROR);
    fixture.open();
    fixture.until("the error, after some quiet", |fixture| fixture.consumer.events.len() == 21);
    // Killed before the cursor was stored: everything is read again.
    let sent = std::mem::take(&mut fixture.consumer);
    fixture.close();
    fixture.append("app.log", TRACE);
    fixture.append("app.log", INFO);
    fixture.open();
    fixture.until("all of it", |fixture| {
        fixture.texts().join("\n").contains("ValueError") && fixture.consumer.events.len() >= 23
    });
    assert_eq!(fixture.consumer.events[..21], sent.events[..], "the same records, the same ids");
    let mut at = 0;
    for event in &fixture.consumer.events {
        assert_eq!(event.bounds.0, at, "every byte once");
        at = event.bounds.1;
    }
    assert_eq!(at, (before.len() + ERROR.len() + TRACE.len() + INFO.len()) as u64);
}

#[test]
fn a_cut_at_a_natural_record_boundary_is_not_stored() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", INFO.repeat(3));
    fixture.open();
    fixture.until("three", |fixture| fixture.consumer.events.len() == 3);
    assert_eq!(fixture.store().generations()[0].cuts.to_vec(), [3 * INFO.len() as u64]);
    fixture.append("app.log", INFO.repeat(2));
    fixture.until("five", |fixture| fixture.consumer.events.len() == 5);
    fixture.until("one cut", |fixture| {
        fixture.store().generations()[0].cuts.to_vec() == [5 * INFO.len() as u64]
    });
}

#[test]
fn a_format_detected_later_applies_from_there_on() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", "starting up\n");
    fixture.open();
    fixture.until("the first line", |fixture| fixture.consumer.events.len() == 1);
    fixture.append("app.log", lines("a", 0..200));
    fixture.until("a second vote", |fixture| {
        fixture.log().files()[0].facts().formats.last().is_some_and(|entry| entry.format == "json")
    });
    fixture.append("app.log", lines("a", 200..300));
    fixture.until("all", |fixture| fixture.texts().last() == Some(&line("a", 299).as_str()));
    let formats = fixture.log().files()[0].facts().formats;
    assert_eq!(formats.len(), 2, "{formats:?}");
    assert_eq!(fixture.store().generations()[0].formats, formats);
    // A restart reads the same records.
    let before = std::mem::take(&mut fixture.consumer);
    fixture.restart();
    fixture.until("all again", |fixture| fixture.consumer.events.len() == before.events.len());
    assert_eq!(before.events, fixture.consumer.events);
}

#[test]
fn a_format_that_no_longer_fits_is_detected_again() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..150));
    fixture.open();
    fixture.until("json", |fixture| fixture.consumer.events.len() == 150);
    // Lines that do not fit the format are joined, at most a thousand of them.
    for _ in 0..30 {
        fixture.append("app.log", INFO.repeat(100));
        fixture.drain();
    }
    fixture.until("another format", |fixture| {
        fixture.log().files()[0].facts().formats.last().is_some_and(|entry| entry.format != "json")
    });
    fixture.append("app.log", INFO.repeat(5));
    let whole = fs::metadata(fixture.path("app.log")).unwrap().len();
    fixture.until("all", |fixture| fixture.consumer.cursors.values().sum::<u64>() == whole);
}

#[test]
fn a_record_has_the_same_time_from_any_start_offset() {
    let mut fixture = Fixture::new(&["app.log"]);
    for n in 0..5000 {
        let time = if n % 10 == 0 {
            format!("\"time\":\"2024-05-01T10:{:02}:{:02}Z\",", n / 60 % 60, n % 60)
        } else {
            String::new()
        };
        fixture.append("app.log", format!("{{{time}\"number\":{n}}}\n"));
    }
    let times = |fixture: &Fixture, wanted: Option<u64>| {
        let generation = fixture.log().generations()[0];
        let (mut offset, mut times) = (wanted.unwrap_or(0), Vec::new());
        while let Read::Batch { batch, first } =
            fixture.log().read(Cursor { generation, offset }).unwrap()
        {
            times.extend(batch.records[first..].iter().map(|r| (r.start, r.time, r.flags)));
            offset = batch.end;
            if wanted.is_some() {
                break;
            }
        }
        times
    };
    fixture.open();
    fixture.until("all", |fixture| fixture.consumer.events.len() == 5000);
    let all = times(&fixture, None);
    for at in [1, 7, 2503, 4999] {
        // The restart drops the decode state.
        fixture.restart();
        assert_eq!(times(&fixture, Some(all[at].0))[0], all[at]);
    }
}

#[test]
fn the_day_on_which_bytes_were_first_seen_is_kept() {
    use logwarden::base::clock::ManualClock;
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..5));
    let size = fs::metadata(fixture.path("app.log")).unwrap().len();
    let written = SystemClock::new().now();
    let clock = Arc::new(ManualClock::at(written.plus(Duration::from_secs(3 * 86_400))));
    fixture.open_with(clock.clone());
    let days = |fixture: &Fixture| -> Vec<(u64, i32)> {
        let row = &fixture.store().generations()[0];
        row.days.iter().map(|mark| (mark.offset, mark.day - written.day())).collect()
    };
    assert_eq!(days(&fixture), [(0, 0)], "existing bytes: the day they were written");
    fixture.append("app.log", lines("a", 5..6));
    fixture.until("seen", |fixture| fixture.consumer.events.len() == 6);
    assert_eq!(days(&fixture), [(0, 0), (size, 3)]);
    // A clock that steps back creates no day mark.
    clock.step_to(written);
    fixture.append("app.log", lines("a", 6..7));
    fixture.until("seen", |fixture| fixture.consumer.events.len() == 7);
    assert_eq!(days(&fixture), [(0, 0), (size, 3)]);
}

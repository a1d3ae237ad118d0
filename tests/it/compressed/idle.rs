//! The decompressed copy of a compressed file is removed once all consumers have read it. The file stays followed, and
//! is decompressed again for a consumer that needs it.

use std::fs::{self, File};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use logwarden::base::{Clock, SystemClock};
use logwarden::event::{Cursor, GenerationId};
use logwarden::follow::Read;
use logwarden::follow::view::FileView;

use super::{gzip, numbered};
use crate::rotation::{Fixture, line, lines, seen_by_the_follower};
use crate::watching::SteppedClock;

const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "app.log.1.gz";
const LINES: usize = 20_000;

/// Bytes of all copies.
fn bytes_of_copies(fixture: &Fixture) -> u64 {
    let directory = fixture.directory.path().join("intake");
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let copies = open
        .filter(|open| fs::read_link(open.path()).is_ok_and(|path| path.starts_with(&directory)))
        .filter_map(|open| fs::metadata(open.path()).ok());
    copies.map(|copy| copy.len()).sum()
}

/// Advances the clock by more than the time for which an unused copy is kept.
fn expire_idle_copies(clock: &SteppedClock) {
    clock.pass(Duration::from_secs(6));
}

fn until_idle(fixture: &mut Fixture, clock: &SteppedClock) {
    expire_idle_copies(clock);
    fixture.until("its disk space is free", |fixture| bytes_of_copies(fixture) == 0);
}

fn with_file(name: &str, clock: &Arc<SteppedClock>) -> Fixture {
    let mut fixture = Fixture::new(&["*"]);
    fixture.rescue = true;
    fixture.append(name, gzip(lines("a", 0..LINES).as_bytes()));
    fixture.open_with(clock.clone());
    fixture.expect_lines(numbered(0..LINES));
    fixture
}

/// A file that all consumers have read, and whose copy is empty.
fn idle(clock: &Arc<SteppedClock>) -> Fixture {
    let mut fixture = with_file(NAME, clock);
    assert_eq!(bytes_of_copies(&fixture), lines("a", 0..LINES).len() as u64);
    until_idle(&mut fixture, clock);
    // A reload with the same sources empties the cache of batches.
    fixture.log().set_sources(vec![fixture.source()]);
    assert_eq!(bytes_of_copies(&fixture), 0);
    fixture
}

/// Waits until the file can be read at this cursor; returns the texts and the next offset.
fn read(fixture: &Fixture, cursor: Cursor) -> Option<(Vec<String>, u64)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fixture.log().read(cursor).unwrap() {
            Read::Batch { batch, first } => {
                let texts = batch.events().skip(first);
                let texts = texts.map(|event| String::from_utf8_lossy(event.text()).into_owned());
                return Some((texts.collect(), batch.end));
            }
            Read::Lost { to } => panic!("lost up to {to}"),
            Read::Finished => return None,
            Read::Waiting => {
                assert!(Instant::now() < deadline, "never decompressed again");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Reads from the beginning to the end; `consumer`: the one whose cursor is kept in the state, if any.
fn read_all(fixture: &Fixture, generation: GenerationId, consumer: Option<&str>) -> Vec<String> {
    let (mut all, mut offset) = (Vec::new(), 0);
    while let Some((texts, end)) = read(fixture, Cursor { generation, offset }) {
        all.extend(texts);
        offset = end;
        if let Some(name) = consumer {
            fixture.store().put_cursor(name, "*", Cursor { generation, offset });
        }
    }
    all
}

fn is_known_as(fixture: &Fixture, name: &str) -> bool {
    fixture.log().files().iter().any(|file| file.facts().path.ends_with(name))
}

#[test]
fn a_fully_read_copy_frees_its_disk_space_and_its_file_stays_known() {
    let clock = SteppedClock::new();
    let mut fixture = with_file(NAME, &clock);
    let (rows, statuses) = (fixture.store().generations(), fixture.log().statuses());
    until_idle(&mut fixture, &clock);
    assert_eq!((fixture.store().generations(), fixture.log().statuses()), (rows, statuses));
    for _ in 0..2 {
        fixture.close();
        fixture.open_with(clock.clone());
        fixture.until("decompressed again", |fixture| !fixture.log().generations().is_empty());
        until_idle(&mut fixture, &clock);
        fixture.expect_lines(numbered(0..LINES));
    }
    assert_eq!(fixture.log().notices(), []);
}

#[test]
fn a_later_consumer_reads_an_idle_copy_from_its_beginning() {
    let clock = SteppedClock::new();
    let mut fixture = idle(&clock);
    let generation = fixture.log().generations()[0];
    // A sink that was added, and a rule, which keeps no cursor.
    fixture.log().set_consumers(vec!["test".into(), "late".into()]);
    assert!(read_all(&fixture, generation, Some("late")).into_iter().eq(numbered(0..LINES)));
    until_idle(&mut fixture, &clock);
    fixture.log().set_sources(vec![fixture.source()]);
    assert!(read_all(&fixture, generation, None).into_iter().eq(numbered(0..LINES)));
    until_idle(&mut fixture, &clock);
    fixture.expect_lines(numbered(0..LINES));
    assert_eq!(fixture.log().notices(), []);
}

#[test]
fn a_copy_is_kept_as_long_as_a_consumer_needs_it() {
    let clock = SteppedClock::new();
    let mut fixture = with_file(NAME, &clock);
    fixture.append("other.gz", gzip(lines("b", 0..10).as_bytes()));
    fixture.until("the other", |fixture| fixture.consumer.events.len() == LINES + 10);
    fixture.log().set_consumers(vec!["test".into(), "late".into()]);
    let size = lines("a", 0..LINES).len() as u64;
    for Cursor { generation, offset } in fixture.log().ends() {
        let at = if offset == size { offset - 1 } else { offset };
        fixture.store().put_cursor("late", "*", Cursor { generation, offset: at });
    }
    expire_idle_copies(&clock);
    fixture
        .until("the disk space of the other is free", |fixture| bytes_of_copies(fixture) == size);
    for Cursor { generation, offset } in fixture.log().ends() {
        fixture.store().put_cursor("late", "*", Cursor { generation, offset });
    }
    fixture.until("the disk space of this one is free", |fixture| bytes_of_copies(fixture) == 0);
}

#[test]
fn a_screen_reads_existing_and_removed_copies() {
    let clock = SteppedClock::new();
    let mut fixture = idle(&clock);
    let handle = fixture.log().files()[0].clone();
    let mut view = FileView::new(handle, SystemClock::new().now());
    let last = |view: &mut FileView| {
        let piece = view.tail()?;
        let text = piece.batch.events().last().map(|event| event.text().to_vec())?;
        Some(String::from_utf8(text).unwrap())
    };
    let deadline = Instant::now() + PATIENCE;
    while last(&mut view).is_none() {
        assert!(Instant::now() < deadline, "never decompressed again");
        std::thread::sleep(Duration::from_millis(5));
        view.refresh(SystemClock::new().now());
    }
    assert_eq!(last(&mut view), Some(line("a", LINES - 1)));
    fixture.append("other.gz", gzip(lines("b", 0..10).as_bytes()));
    fixture.until("the other", |fixture| fixture.consumer.events.len() == LINES + 10);
    expire_idle_copies(&clock);
    let size = lines("a", 0..LINES).len() as u64;
    fixture
        .until("the disk space of the other is free", |fixture| bytes_of_copies(fixture) == size);
    drop(view);
    fixture.until("the disk space of this one is free", |fixture| bytes_of_copies(fixture) == 0);
}

#[test]
fn an_idle_copy_stays_known_after_any_change_of_its_file() {
    type Change = fn(&Fixture);
    let changes: [(&str, Change, usize, &str); 6] = [
        (
            "renamed",
            |b| fs::rename(b.path(NAME), b.path("app.log.2.gz")).unwrap(),
            0,
            "app.log.2.gz",
        ),
        (
            "touched",
            |b| {
                let file = File::options().write(true).open(b.path(NAME)).unwrap();
                file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
            },
            0,
            NAME,
        ),
        ("longer", |b| b.append(NAME, gzip(lines("b", 0..10).as_bytes())), 10, NAME),
        (
            "overwritten",
            |b| {
                fs::write(b.path(NAME), gzip(lines("b", 0..10).as_bytes())).unwrap();
            },
            10,
            NAME,
        ),
        (
            "replaced",
            |b| {
                b.append("new", gzip(lines("b", 0..10).as_bytes()));
                fs::rename(b.path("new"), b.path(NAME)).unwrap();
            },
            10,
            NAME,
        ),
        ("deleted", |b| fs::remove_file(b.path(NAME)).unwrap(), 0, ""),
    ];
    for (what, change, more, name) in changes {
        let clock = SteppedClock::new();
        let mut fixture = idle(&clock);
        let before = fixture.log().files()[0].id;
        change(&fixture);
        fixture.until(what, |fixture| {
            let is_new = || fixture.log().files().iter().all(|file| file.id != before);
            fixture.consumer.events.len() >= LINES + more
                && (name.is_empty() || is_known_as(fixture, name))
                && (what != "touched" || is_new())
        });
        let expected = || numbered(0..LINES).chain((0..more).map(|n| line("b", n)));
        // While the copy is idle, and after a start that decompresses it again.
        for _ in 0..2 {
            until_idle(&mut fixture, &clock);
            fixture.expect_lines(expected());
            fixture.close();
            fixture.open_with(clock.clone());
        }
        fixture.expect_lines(expected());
    }
}

#[test]
fn a_later_consumer_reads_a_file_deleted_while_its_copy_was_idle() {
    let clock = SteppedClock::new();
    let fixture = idle(&clock);
    let generation = fixture.log().generations()[0];
    fs::remove_file(fixture.path(NAME)).unwrap();
    assert!(read_all(&fixture, generation, None).into_iter().eq(numbered(0..LINES)));
}

#[test]
fn a_file_with_the_same_beginning_is_distinguished_from_an_idle_copy() {
    let clock = SteppedClock::new();
    let mut fixture = idle(&clock);
    // The same first line, another second one: known without the copy.
    fixture.append("other.log", line("a", 0) + "\n" + &lines("b", 0..100));
    fixture.until("the other", |fixture| fixture.consumer.events.len() == LINES + 101);
    assert_eq!(bytes_of_copies(&fixture), 0);
    // The same content in another file is a file of its own, as if the copy were not idle.
    fixture.append("restored.log", lines("a", 0..LINES));
    fixture.until("it is compared", |fixture| bytes_of_copies(fixture) > 0);
    fixture.until("all", |fixture| fixture.consumer.events.len() >= 2 * LINES + 101);
    until_idle(&mut fixture, &clock);
    assert_eq!(fixture.consumer.events.len(), 2 * LINES + 101);
}

#[test]
fn a_source_removed_and_added_again_delivers_nothing_twice() {
    let clock = SteppedClock::new();
    let mut fixture = idle(&clock);
    fixture.log().set_sources(Vec::new());
    assert_eq!(fixture.log().files().len(), 0);
    fixture.log().set_sources(vec![fixture.source()]);
    fixture.until("it is known again", |fixture| fixture.log().generations().len() == 1);
    until_idle(&mut fixture, &clock);
    fixture.expect_lines(numbered(0..LINES));
}

#[test]
fn a_month_with_an_idle_copy_and_a_restart_deliver_nothing_twice() {
    const DAY: Duration = Duration::from_secs(86_400);
    let clock = SteppedClock::new();
    let mut fixture = idle(&clock);
    // The row of a deleted file shows when rows expire.
    fixture.append("over.log", lines("o", 0..5));
    fixture.until("the other", |fixture| fixture.consumer.events.len() == LINES + 5);
    fs::remove_file(fixture.path("over.log")).unwrap();
    let rows = |fixture: &Fixture| fixture.store().generations().len();
    fixture.until("both are known", |fixture| rows(fixture) == 2);
    let began = Instant::now();
    while rows(&fixture) == 2 {
        assert!(began.elapsed() < PATIENCE, "its row is never removed");
        clock.forward(DAY);
        clock.pass(DAY);
        std::thread::sleep(Duration::from_millis(20));
        fixture.drain();
    }
    fixture.close();
    fixture.open_with(clock.clone());
    until_idle(&mut fixture, &clock);
    fixture.expect_lines(numbered(0..LINES).chain((0..5).map(|n| line("o", n))));
}

/// A compressor that was killed before it wrote anything, and a log that is truncated without a copy.
#[test]
fn an_empty_stream_does_not_hide_a_loss() {
    let mut fixture = Fixture::new(&["app.log*"]);
    fixture.append("app.log.1.gz", &gzip(b"")[..10]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open();
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    let unread = lines("a", 10..1000);
    fixture.append("app.log", &unread);
    seen_by_the_follower(&fixture);
    File::create(fixture.path("app.log")).unwrap();
    fixture.append("app.log", lines("b", 0..5));
    fixture.until("new content and the loss", |fixture| {
        fixture.consumer.events.len() == 15 && fixture.consumer.lost == unread.len() as u64
    });
    fixture.until("the loss is reported", |fixture| {
        fixture.log().notices().iter().any(|notice| notice.text.contains("was truncated"))
    });
    assert_eq!(fixture.log().torn(), 1);
}

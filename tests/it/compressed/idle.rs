//! The copy of a compressed file gives its room back when everybody has read it; the file is followed on, and unpacked
//! again for whoever wants to read it.

use std::fs::{self, File};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use logwarden::base::{Clock, SystemClock};
use logwarden::event::{Cursor, GenerationId};
use logwarden::follow::Read;
use logwarden::follow::view::FileView;

use super::{gzip, numbered};
use crate::rotation::{Bench, line, lines, seen_by_the_follower};
use crate::watching::SteppedClock;

const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "app.log.1.gz";
const LINES: usize = 20_000;

/// Bytes of all copies.
fn room(bench: &Bench) -> u64 {
    let directory = bench.directory.path().join("intake");
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let copies = open
        .filter(|open| fs::read_link(open.path()).is_ok_and(|path| path.starts_with(&directory)))
        .filter_map(|open| fs::metadata(open.path()).ok());
    copies.map(|copy| copy.len()).sum()
}

/// Longer than a copy is kept that nobody reads.
fn a_while_passes(clock: &SteppedClock) {
    clock.pass(Duration::from_secs(6));
}

fn until_idle(bench: &mut Bench, clock: &SteppedClock) {
    a_while_passes(clock);
    bench.until("its room is free", |bench| room(bench) == 0);
}

fn with_file(name: &str, clock: &Arc<SteppedClock>) -> Bench {
    let mut bench = Bench::new(&["*"]);
    bench.rescue = true;
    bench.append(name, gzip(lines("a", 0..LINES).as_bytes()));
    bench.open_with(clock.clone());
    bench.expect_lines(numbered(0..LINES));
    bench
}

/// A file that everybody has read, and whose copy holds nothing any more.
fn idle(clock: &Arc<SteppedClock>) -> Bench {
    let mut bench = with_file(NAME, clock);
    assert_eq!(room(&bench), lines("a", 0..LINES).len() as u64);
    until_idle(&mut bench, clock);
    // A reload with the same sources; nothing is in the cache of batches after that.
    bench.log().set_sources(vec![bench.source()]);
    assert_eq!(room(&bench), 0);
    bench
}

/// Whoever waits for a place of the file, and gets it.
fn read(bench: &Bench, cursor: Cursor) -> Option<(Vec<String>, u64)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match bench.log().read(cursor).unwrap() {
            Read::Batch { batch, first } => {
                let texts = batch.events().skip(first);
                let texts = texts.map(|event| String::from_utf8_lossy(event.text()).into_owned());
                return Some((texts.collect(), batch.end));
            }
            Read::Lost { to } => panic!("lost up to {to}"),
            Read::Finished => return None,
            Read::Waiting => {
                assert!(Instant::now() < deadline, "never unpacked again");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// From its beginning to its end, by somebody who keeps a cursor in the state or not.
fn read_all(bench: &Bench, generation: GenerationId, consumer: Option<&str>) -> Vec<String> {
    let (mut all, mut offset) = (Vec::new(), 0);
    while let Some((texts, end)) = read(bench, Cursor { generation, offset }) {
        all.extend(texts);
        offset = end;
        if let Some(name) = consumer {
            bench.store().put_cursor(name, "*", Cursor { generation, offset });
        }
    }
    all
}

fn is_known_as(bench: &Bench, name: &str) -> bool {
    bench.log().files().iter().any(|file| file.facts().path.ends_with(name))
}

#[test]
fn a_copy_that_everybody_has_read_gives_its_room_back_and_its_file_stays_known() {
    let clock = SteppedClock::new();
    let mut bench = with_file(NAME, &clock);
    let (rows, statuses) = (bench.store().generations(), bench.log().statuses());
    until_idle(&mut bench, &clock);
    assert_eq!((bench.store().generations(), bench.log().statuses()), (rows, statuses));
    for _ in 0..2 {
        bench.close();
        bench.open_with(clock.clone());
        bench.until("unpacked again", |bench| !bench.log().generations().is_empty());
        until_idle(&mut bench, &clock);
        bench.expect_lines(numbered(0..LINES));
    }
    assert_eq!(bench.log().notices(), []);
}

#[test]
fn who_comes_later_reads_an_idle_copy_from_its_beginning() {
    let clock = SteppedClock::new();
    let mut bench = idle(&clock);
    let generation = bench.log().generations()[0];
    // A sink that was added, and a rule, which keeps no cursor.
    bench.log().set_consumers(vec!["test".into(), "late".into()]);
    assert!(read_all(&bench, generation, Some("late")).into_iter().eq(numbered(0..LINES)));
    until_idle(&mut bench, &clock);
    bench.log().set_sources(vec![bench.source()]);
    assert!(read_all(&bench, generation, None).into_iter().eq(numbered(0..LINES)));
    until_idle(&mut bench, &clock);
    bench.expect_lines(numbered(0..LINES));
    assert_eq!(bench.log().notices(), []);
}

#[test]
fn a_copy_is_kept_as_long_as_somebody_is_behind() {
    let clock = SteppedClock::new();
    let mut bench = with_file(NAME, &clock);
    bench.append("other.gz", gzip(lines("b", 0..10).as_bytes()));
    bench.until("the other", |bench| bench.consumer.events.len() == LINES + 10);
    bench.log().set_consumers(vec!["test".into(), "late".into()]);
    let size = lines("a", 0..LINES).len() as u64;
    for Cursor { generation, offset } in bench.log().ends() {
        let at = if offset == size { offset - 1 } else { offset };
        bench.store().put_cursor("late", "*", Cursor { generation, offset: at });
    }
    a_while_passes(&clock);
    bench.until("the room of the other is free", |bench| room(bench) == size);
    for Cursor { generation, offset } in bench.log().ends() {
        bench.store().put_cursor("late", "*", Cursor { generation, offset });
    }
    bench.until("and of this one", |bench| room(bench) == 0);
}

#[test]
fn a_screen_reads_what_it_shows_and_what_was_given_back_before() {
    let clock = SteppedClock::new();
    let mut bench = idle(&clock);
    let handle = bench.log().files()[0].clone();
    let mut view = FileView::new(handle, SystemClock::new().now());
    let last = |view: &mut FileView| {
        let piece = view.tail()?;
        let text = piece.batch.events().last().map(|event| event.text().to_vec())?;
        Some(String::from_utf8(text).unwrap())
    };
    let deadline = Instant::now() + PATIENCE;
    while last(&mut view).is_none() {
        assert!(Instant::now() < deadline, "never unpacked again");
        std::thread::sleep(Duration::from_millis(5));
        view.refresh(SystemClock::new().now());
    }
    assert_eq!(last(&mut view), Some(line("a", LINES - 1)));
    bench.append("other.gz", gzip(lines("b", 0..10).as_bytes()));
    bench.until("the other", |bench| bench.consumer.events.len() == LINES + 10);
    a_while_passes(&clock);
    let size = lines("a", 0..LINES).len() as u64;
    bench.until("the room of the other is free", |bench| room(bench) == size);
    drop(view);
    bench.until("and of this one", |bench| room(bench) == 0);
}

#[test]
fn an_idle_copy_is_known_whatever_becomes_of_its_file() {
    type Change = fn(&Bench);
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
        let mut bench = idle(&clock);
        let before = bench.log().files()[0].id;
        change(&bench);
        bench.until(what, |bench| {
            let is_new = || bench.log().files().iter().all(|file| file.id != before);
            bench.consumer.events.len() >= LINES + more
                && (name.is_empty() || is_known_as(bench, name))
                && (what != "touched" || is_new())
        });
        let expected = || numbered(0..LINES).chain((0..more).map(|n| line("b", n)));
        // As long as a copy is idle, and after a start that unpacks it again.
        for _ in 0..2 {
            until_idle(&mut bench, &clock);
            bench.expect_lines(expected());
            bench.close();
            bench.open_with(clock.clone());
        }
        bench.expect_lines(expected());
    }
}

#[test]
fn who_comes_later_reads_what_was_deleted_while_its_copy_was_idle() {
    let clock = SteppedClock::new();
    let bench = idle(&clock);
    let generation = bench.log().generations()[0];
    fs::remove_file(bench.path(NAME)).unwrap();
    assert!(read_all(&bench, generation, None).into_iter().eq(numbered(0..LINES)));
}

#[test]
fn a_file_that_begins_alike_is_told_from_an_idle_copy() {
    let clock = SteppedClock::new();
    let mut bench = idle(&clock);
    // The same first line, and another second one: that is known without the copy.
    bench.append("other.log", line("a", 0) + "\n" + &lines("b", 0..100));
    bench.until("the other", |bench| bench.consumer.events.len() == LINES + 101);
    assert_eq!(room(&bench), 0);
    // The same content beside it is a file of its own, as beside a copy that is not idle.
    bench.append("restored.log", lines("a", 0..LINES));
    bench.until("it is compared", |bench| room(bench) > 0);
    bench.until("all", |bench| bench.consumer.events.len() >= 2 * LINES + 101);
    until_idle(&mut bench, &clock);
    assert_eq!(bench.consumer.events.len(), 2 * LINES + 101);
}

#[test]
fn a_source_that_is_removed_and_added_again_delivers_nothing_anew() {
    let clock = SteppedClock::new();
    let mut bench = idle(&clock);
    bench.log().set_sources(Vec::new());
    assert_eq!(bench.log().files().len(), 0);
    bench.log().set_sources(vec![bench.source()]);
    bench.until("it is known again", |bench| bench.log().generations().len() == 1);
    until_idle(&mut bench, &clock);
    bench.expect_lines(numbered(0..LINES));
}

#[test]
fn a_month_with_an_idle_copy_and_a_restart_deliver_nothing_anew() {
    const DAY: Duration = Duration::from_secs(86_400);
    let clock = SteppedClock::new();
    let mut bench = idle(&clock);
    // The row of one that is gone says when rows expire.
    bench.append("over.log", lines("o", 0..5));
    bench.until("the other", |bench| bench.consumer.events.len() == LINES + 5);
    fs::remove_file(bench.path("over.log")).unwrap();
    let rows = |bench: &Bench| bench.store().generations().len();
    bench.until("both are known", |bench| rows(bench) == 2);
    let began = Instant::now();
    while rows(&bench) == 2 {
        assert!(began.elapsed() < PATIENCE, "its row never goes");
        clock.forward(DAY);
        clock.pass(DAY);
        std::thread::sleep(Duration::from_millis(20));
        bench.drain();
    }
    bench.close();
    bench.open_with(clock.clone());
    until_idle(&mut bench, &clock);
    bench.expect_lines(numbered(0..LINES).chain((0..5).map(|n| line("o", n))));
}

/// A compressor that was killed before it wrote anything, and a log that is truncated without a copy.
#[test]
fn a_stream_that_holds_nothing_keeps_no_loss_from_being_told() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log.1.gz", &gzip(b"")[..10]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    let unread = lines("a", 10..1000);
    bench.append("app.log", &unread);
    seen_by_the_follower(&bench);
    File::create(bench.path("app.log")).unwrap();
    bench.append("app.log", lines("b", 0..5));
    bench.until("new content and the loss", |bench| {
        bench.consumer.events.len() == 15 && bench.consumer.lost == unread.len() as u64
    });
    bench.until("the loss is said", |bench| {
        bench.log().notices().iter().any(|notice| notice.text.contains("was truncated"))
    });
    assert_eq!(bench.log().torn(), 1);
}

//! Which files paths, patterns, directories and links include, and which they no longer include.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::setup::{Bench, HeldClock, append, line, lines};

#[test]
fn a_path_and_a_pattern_that_match_nothing_wait() {
    let mut bench = Bench::new(&["app.log", "*.txt"]);
    bench.open();
    let notices = bench.log().notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices.iter().all(|notice| notice.text.contains("picked up when created")), "{notices:?}");
    bench.append("app.log", lines("a", 0..3));
    bench.append("b.txt", lines("b", 0..3));
    bench.expect_lines((0..3).flat_map(|n| [line("a", n), line("b", n)]));
    bench.until("no notice", |bench| bench.log().notices().is_empty());
}

/// Shorter than the time to the next scan that checks all paths regardless of directory times.
const SOON: Duration = Duration::from_secs(5);

/// Long enough for directory times to be old, both for the log and for the file system.
fn quiet(bench: &mut Bench, clock: &HeldClock) {
    let (long, until) = (Duration::from_millis(3500), Instant::now() + Duration::from_millis(3500));
    bench.within(long, clock, "some quiet", |_| Instant::now() >= until);
}

/// The directory did not exist before, so there was no time to compare.
#[test]
fn a_directory_that_comes_later_is_seen_within_seconds() {
    for (pattern, there) in [("app/*.log", ""), ("*/logs/*.log", "app")] {
        let mut bench = Bench::new(&[pattern]);
        fs::create_dir_all(bench.path(there)).unwrap();
        let clock = Arc::new(HeldClock::default());
        bench.open_with(clock.clone());
        quiet(&mut bench, &clock);
        let directory = bench.path(if there.is_empty() { "app" } else { "app/logs" });
        fs::create_dir(&directory).unwrap();
        append(&directory.join("a.log"), lines("a", 0..3).as_bytes());
        bench.within(SOON, &clock, pattern, |bench| bench.consumer.events.len() == 3);
        bench.expect_lines((0..3).map(|number| line("a", number)));
    }
}

/// The configured link stays, and the link that it leads to gets another target.
#[test]
fn a_link_behind_a_link_is_seen_within_seconds() {
    use std::os::unix::fs::symlink;
    let mut bench = Bench::new(&["app.log"]);
    for version in ["v1", "v2"] {
        fs::create_dir(bench.directory.path().join(version)).unwrap();
    }
    let at = |bench: &Bench, name: &str| bench.directory.path().join(name);
    append(&at(&bench, "v1/a.log"), lines("a", 0..3).as_bytes());
    append(&at(&bench, "v2/a.log"), lines("b", 0..3).as_bytes());
    symlink("v1", at(&bench, "current")).unwrap();
    symlink(at(&bench, "current/a.log"), bench.path("app.log")).unwrap();
    let clock = Arc::new(HeldClock::default());
    bench.open_with(clock.clone());
    bench.expect_lines((0..3).map(|number| line("a", number)));
    quiet(&mut bench, &clock);
    fs::remove_file(at(&bench, "current")).unwrap();
    symlink("v2", at(&bench, "current")).unwrap();
    bench.within(SOON, &clock, "the other one", |bench| bench.consumer.events.len() == 6);
    let all = ["a", "b"].into_iter().flat_map(|writer| (0..3).map(move |n| line(writer, n)));
    bench.expect_lines(all);
}

/// A directory that cannot be read never counts as deleted.
#[test]
fn a_directory_behind_a_pattern_that_cannot_be_looked_at_is_not_deleted() {
    let mut bench = Bench::new(&["*/app.log"]);
    fs::create_dir(bench.path("svc")).unwrap();
    bench.append("svc/app.log", lines("a", 0..5));
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    bench.close();
    bench.append("svc/app.log", lines("a", 5..9));
    // A loop of links is unreadable even for root.
    fs::rename(bench.path("svc"), bench.path("kept")).unwrap();
    std::os::unix::fs::symlink("svc", bench.path("svc")).unwrap();
    fs::rename(bench.path("kept/app.log"), bench.path("aside")).unwrap();
    bench.open();
    let ended = bench.store().generations().iter().filter(|row| row.ended.is_some()).count();
    assert_eq!(ended, 0);
    fs::remove_file(bench.path("svc")).unwrap();
    fs::rename(bench.path("aside"), bench.path("kept/app.log")).unwrap();
    fs::rename(bench.path("kept"), bench.path("svc")).unwrap();
    bench.expect_lines((0..9).map(|n| line("a", n)));
}

#[test]
fn polling_alone_is_enough_and_said() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.hints = false;
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    assert!(bench.log().notices().iter().any(|notice| notice.text.contains("polling only")));
    bench.append("app.log", lines("a", 5..10));
    fs::rename(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    bench.append("app.log", lines("a", 10..15));
    bench.expect_lines((0..15).map(|n| line("a", n)));
}

#[test]
fn a_link_that_flips_between_two_files() {
    let mut bench = Bench::new(&["current.log"]);
    bench.append("one", lines("a", 0..5));
    bench.append("two", lines("b", 0..5));
    for flip in 0..6 {
        let target = ["one", "two"][flip % 2];
        let _ = fs::remove_file(bench.path("next"));
        std::os::unix::fs::symlink(bench.path(target), bench.path("next")).unwrap();
        fs::rename(bench.path("next"), bench.path("current.log")).unwrap();
        if flip == 0 {
            bench.open();
        }
        bench.append("one", lines("a", flip * 5 + 5..flip * 5 + 10));
        bench.append("two", lines("b", flip * 5 + 5..flip * 5 + 10));
        std::thread::sleep(Duration::from_millis(50));
        bench.drain();
    }
    bench.expect_lines((0..35).flat_map(|n| [line("a", n), line("b", n)]));
}

#[test]
fn compressed_files_are_left_and_said() {
    let mut bench = Bench::new(&["*"]);
    bench.append("app.log", lines("a", 0..2));
    bench.append("app.log.1.xz", b"\xfd7zXZ\0 whatever\n");
    bench.append("hidden-gzip", b"\x1f\x8b whatever\n");
    bench.open();
    bench.expect_lines((0..2).map(|n| line("a", n)));
    let notices = bench.log().notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
}

#[test]
fn a_directory_that_goes_and_comes_back_is_not_read_again() {
    let mut bench = Bench::new(&["app.log", "*.txt"]);
    bench.append("app.log", lines("a", 0..5));
    bench.append("b.txt", lines("b", 0..5));
    bench.open();
    let expected = |upto: usize| (0..upto).flat_map(|n| [line("a", n), line("b", n)]);
    bench.expect_lines(expected(5));
    let away = bench.directory.path().join("away");
    fs::rename(bench.path(""), &away).unwrap();
    bench.until("missed", |bench| !bench.log().notices().is_empty());
    // Across a restart, too: a missing directory does not mean that its files are deleted.
    bench.restart();
    let ended = bench.store().generations().iter().filter(|row| row.ended.is_some()).count();
    assert_eq!(ended, 0);
    fs::rename(&away, bench.path("")).unwrap();
    bench.append("app.log", lines("a", 5..6));
    bench.append("b.txt", lines("b", 5..6));
    bench.expect_lines(expected(6));
}

#[test]
fn what_no_source_names_any_more_ends_when_its_file_is_gone() {
    let mut bench = Bench::new(&["*.log"]);
    for name in ["a", "b"] {
        bench.append(&format!("{name}.log"), lines(name, 0..10));
    }
    bench.open();
    bench.until("both", |bench| bench.consumer.events.len() == 20);
    let ended = |bench: &Bench, name: &str| {
        let rows = bench.store().generations();
        let row = rows.iter().find(|row| row.path.ends_with(name)).unwrap();
        row.ended.is_some()
    };
    bench.close();
    bench.paths = vec![bench.path("other")];
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.open();
    bench.until("its end", |bench| ended(bench, "a.log"));
    assert!(!ended(&bench, "b.log"), "its file is there");
}

//! Which files paths, patterns, directories and links include, and which they no longer include.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::setup::{Fixture, HeldClock, append, line, lines};

#[test]
fn a_path_and_a_pattern_that_match_nothing_wait() {
    let mut fixture = Fixture::new(&["app.log", "*.txt"]);
    fixture.open();
    let notices = fixture.log().notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(
        notices.iter().all(|notice| notice.text.contains("picked up when created")),
        "{notices:?}"
    );
    fixture.append("app.log", lines("a", 0..3));
    fixture.append("b.txt", lines("b", 0..3));
    fixture.expect_lines((0..3).flat_map(|n| [line("a", n), line("b", n)]));
    fixture.until("no notice", |fixture| fixture.log().notices().is_empty());
}

/// Shorter than the time to the next scan that checks all paths regardless of directory times.
const SOON: Duration = Duration::from_secs(5);

/// Long enough for directory times to be old, both for the log and for the file system.
fn quiet(fixture: &mut Fixture, clock: &HeldClock) {
    let (long, until) = (Duration::from_millis(3500), Instant::now() + Duration::from_millis(3500));
    fixture.within(long, clock, "some quiet", |_| Instant::now() >= until);
}

/// The directory did not exist before, so there was no time to compare.
#[test]
fn a_directory_created_later_is_found_within_seconds() {
    for (pattern, there) in [("app/*.log", ""), ("*/logs/*.log", "app")] {
        let mut fixture = Fixture::new(&[pattern]);
        fs::create_dir_all(fixture.path(there)).unwrap();
        let clock = Arc::new(HeldClock::default());
        fixture.open_with(clock.clone());
        quiet(&mut fixture, &clock);
        let directory = fixture.path(if there.is_empty() { "app" } else { "app/logs" });
        fs::create_dir(&directory).unwrap();
        append(&directory.join("a.log"), lines("a", 0..3).as_bytes());
        fixture.within(SOON, &clock, pattern, |fixture| fixture.consumer.events.len() == 3);
        fixture.expect_lines((0..3).map(|number| line("a", number)));
    }
}

/// The configured link stays, and the link that it leads to gets another target.
#[test]
fn a_link_behind_a_link_is_seen_within_seconds() {
    use std::os::unix::fs::symlink;
    let mut fixture = Fixture::new(&["app.log"]);
    for version in ["v1", "v2"] {
        fs::create_dir(fixture.directory.path().join(version)).unwrap();
    }
    let at = |fixture: &Fixture, name: &str| fixture.directory.path().join(name);
    append(&at(&fixture, "v1/a.log"), lines("a", 0..3).as_bytes());
    append(&at(&fixture, "v2/a.log"), lines("b", 0..3).as_bytes());
    symlink("v1", at(&fixture, "current")).unwrap();
    symlink(at(&fixture, "current/a.log"), fixture.path("app.log")).unwrap();
    let clock = Arc::new(HeldClock::default());
    fixture.open_with(clock.clone());
    fixture.expect_lines((0..3).map(|number| line("a", number)));
    quiet(&mut fixture, &clock);
    fs::remove_file(at(&fixture, "current")).unwrap();
    symlink("v2", at(&fixture, "current")).unwrap();
    fixture.within(SOON, &clock, "the other one", |fixture| fixture.consumer.events.len() == 6);
    let all = ["a", "b"].into_iter().flat_map(|writer| (0..3).map(move |n| line(writer, n)));
    fixture.expect_lines(all);
}

/// A directory that cannot be read never counts as deleted.
#[test]
fn an_unreadable_directory_of_a_pattern_does_not_count_as_deleted() {
    let mut fixture = Fixture::new(&["*/app.log"]);
    fs::create_dir(fixture.path("svc")).unwrap();
    fixture.append("svc/app.log", lines("a", 0..5));
    fixture.open();
    fixture.expect_lines((0..5).map(|n| line("a", n)));
    fixture.close();
    fixture.append("svc/app.log", lines("a", 5..9));
    // A loop of links is unreadable even for root.
    fs::rename(fixture.path("svc"), fixture.path("kept")).unwrap();
    std::os::unix::fs::symlink("svc", fixture.path("svc")).unwrap();
    fs::rename(fixture.path("kept/app.log"), fixture.path("aside")).unwrap();
    fixture.open();
    let ended = fixture.store().generations().iter().filter(|row| row.ended.is_some()).count();
    assert_eq!(ended, 0);
    fs::remove_file(fixture.path("svc")).unwrap();
    fs::rename(fixture.path("aside"), fixture.path("kept/app.log")).unwrap();
    fs::rename(fixture.path("kept"), fixture.path("svc")).unwrap();
    fixture.expect_lines((0..9).map(|n| line("a", n)));
}

#[test]
fn polling_alone_is_enough_and_is_reported() {
    let mut fixture = Fixture::new(&["app.log*"]);
    fixture.hints = false;
    fixture.append("app.log", lines("a", 0..5));
    fixture.open();
    assert!(fixture.log().notices().iter().any(|notice| notice.text.contains("polling only")));
    fixture.append("app.log", lines("a", 5..10));
    fs::rename(fixture.path("app.log"), fixture.path("app.log.1")).unwrap();
    fixture.append("app.log", lines("a", 10..15));
    fixture.expect_lines((0..15).map(|n| line("a", n)));
}

#[test]
fn a_link_that_flips_between_two_files() {
    let mut fixture = Fixture::new(&["current.log"]);
    fixture.append("one", lines("a", 0..5));
    fixture.append("two", lines("b", 0..5));
    for flip in 0..6 {
        let target = ["one", "two"][flip % 2];
        let _ = fs::remove_file(fixture.path("next"));
        std::os::unix::fs::symlink(fixture.path(target), fixture.path("next")).unwrap();
        fs::rename(fixture.path("next"), fixture.path("current.log")).unwrap();
        if flip == 0 {
            fixture.open();
        }
        fixture.append("one", lines("a", flip * 5 + 5..flip * 5 + 10));
        fixture.append("two", lines("b", flip * 5 + 5..flip * 5 + 10));
        std::thread::sleep(Duration::from_millis(50));
        fixture.drain();
    }
    fixture.expect_lines((0..35).flat_map(|n| [line("a", n), line("b", n)]));
}

#[test]
fn unsupported_compressed_files_are_skipped_and_reported() {
    let mut fixture = Fixture::new(&["*"]);
    fixture.append("app.log", lines("a", 0..2));
    fixture.append("app.log.1.xz", b"\xfd7zXZ\0 whatever\n");
    fixture.append("hidden-gzip", b"\x1f\x8b whatever\n");
    fixture.open();
    fixture.expect_lines((0..2).map(|n| line("a", n)));
    let notices = fixture.log().notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
}

#[test]
fn a_directory_moved_away_and_back_is_not_read_again() {
    let mut fixture = Fixture::new(&["app.log", "*.txt"]);
    fixture.append("app.log", lines("a", 0..5));
    fixture.append("b.txt", lines("b", 0..5));
    fixture.open();
    let expected = |upto: usize| (0..upto).flat_map(|n| [line("a", n), line("b", n)]);
    fixture.expect_lines(expected(5));
    let away = fixture.directory.path().join("away");
    fs::rename(fixture.path(""), &away).unwrap();
    fixture.until("missed", |fixture| !fixture.log().notices().is_empty());
    // Across a restart, too: a missing directory does not mean that its files are deleted.
    fixture.restart();
    let ended = fixture.store().generations().iter().filter(|row| row.ended.is_some()).count();
    assert_eq!(ended, 0);
    fs::rename(&away, fixture.path("")).unwrap();
    fixture.append("app.log", lines("a", 5..6));
    fixture.append("b.txt", lines("b", 5..6));
    fixture.expect_lines(expected(6));
}

#[test]
fn a_generation_without_a_source_ends_when_its_file_is_deleted() {
    let mut fixture = Fixture::new(&["*.log"]);
    for name in ["a", "b"] {
        fixture.append(&format!("{name}.log"), lines(name, 0..10));
    }
    fixture.open();
    fixture.until("both", |fixture| fixture.consumer.events.len() == 20);
    let ended = |fixture: &Fixture, name: &str| {
        let rows = fixture.store().generations();
        let row = rows.iter().find(|row| row.path.ends_with(name)).unwrap();
        row.ended.is_some()
    };
    fixture.close();
    fixture.paths = vec![fixture.path("other")];
    fs::remove_file(fixture.path("a.log")).unwrap();
    fixture.open();
    fixture.until("its end", |fixture| ended(fixture, "a.log"));
    assert!(!ended(&fixture, "b.log"), "its file exists");
}

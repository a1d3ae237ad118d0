//! Unusual files, directories and file systems: each is handled as docs/DELIVERY.md describes, without silent gaps.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::rotation::{Fixture, append, line, lines};
use crate::small_disk::SmallDisk;

/// A link that leads to itself is not a file; it must not prevent the detection of renamed and deleted files.
#[test]
fn circular_links_are_not_followed() {
    let mut fixture = Fixture::new(&["*", "one"]);
    symlink(fixture.path("two"), fixture.path("one")).unwrap();
    symlink(fixture.path("one"), fixture.path("two")).unwrap();
    symlink(fixture.path("."), fixture.path("here")).unwrap();
    fixture.append("app.log", lines("a", 0..5));
    fixture.open();
    fixture.expect_lines((0..5).map(|n| line("a", n)));
    fs::rename(fixture.path("app.log"), fixture.path("app.log.1")).unwrap();
    fixture.append("app.log.1", lines("a", 5..6));
    fixture.append("app.log", lines("a", 6..8));
    fixture.expect_lines((0..8).map(|n| line("a", n)));
    fs::remove_file(fixture.path("app.log.1")).unwrap();
    fixture.append("app.log", lines("a", 8..9));
    fixture.expect_lines((0..9).map(|n| line("a", n)));
}

/// The run reports it, once per path or pattern, together with the alternative; all other files are followed.
#[test]
fn paths_that_are_neither_files_nor_directories_are_named_and_not_followed() {
    let mut fixture = Fixture::new(&["app.fifo", "*.pipe", "app.sock", "null", "*.log"]);
    for name in ["app.fifo", "one.pipe", "two.pipe"] {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, fixture.path(name), mode).unwrap();
    }
    let _socket = UnixListener::bind(fixture.path("app.sock")).unwrap();
    symlink("/dev/null", fixture.path("null")).unwrap();
    fixture.append("app.log", lines("a", 0..5));
    fixture.open();
    fixture.expect_lines((0..5).map(|n| line("a", n)));
    let path = |name: &str| fixture.path(name).display().to_string();
    let reason = "not a regular file";
    let (fifo, pipe, null) = (path("app.fifo"), path("one.pipe"), path("null"));
    let mut expected = [
        format!(
            "{fifo} is a pipe (FIFO) and is not followed: {reason}; pass it as an argument (logwarden --no-ui {fifo}) \
             or pipe it in (logwarden --no-ui - < {fifo})"
        ),
        format!(
            "{pipe} is a pipe (FIFO) and is not followed, like 1 other file that this path or pattern includes: \
             {reason}; pass it as an argument (logwarden --no-ui {pipe}) or pipe it in (logwarden --no-ui - < {pipe})"
        ),
        format!(
            "{} is a socket and is not followed: {reason}; let its receiver write a log file, or pipe the receiver's \
             output in (RECEIVER | logwarden --no-ui -)",
            path("app.sock")
        ),
        format!(
            "{null} is a device and is not followed: {reason}; pipe it in (logwarden --no-ui - < {null}) or configure \
             a log file"
        ),
    ];
    let notice_texts = |fixture: &Fixture| {
        let mut texts: Vec<String> =
            fixture.log().notices().into_iter().map(|notice| notice.text).collect();
        texts.sort();
        texts
    };
    expected.sort();
    assert_eq!(notice_texts(&fixture), expected);
    // Once it is replaced by a regular file, that is followed and the notice disappears.
    fs::remove_file(fixture.path("app.fifo")).unwrap();
    fixture.append("app.fifo", lines("b", 0..5));
    fixture.until("it is followed", |fixture| fixture.consumer.events.len() == 10);
    fixture.until("its notice to disappear", |fixture| notice_texts(fixture).len() == 3);
}

#[test]
fn a_hundred_thousand_rotated_siblings_delay_no_other_file() {
    const SIBLINGS: usize = 100_000;
    let mut fixture = Fixture::new(&["app.log"]);
    for number in 1..=SIBLINGS {
        File::create(fixture.path(&format!("app.log.{number}"))).unwrap();
    }
    fixture.append("app.log", lines("a", 0..100));
    let began = Instant::now();
    fixture.open();
    fixture.expect_lines((0..100).map(|n| line("a", n)));
    println!("the first lines after {:?}", began.elapsed());
    // By rename, by copy, and across a restart.
    fs::rename(fixture.path("app.log"), fixture.path("app.log.0")).unwrap();
    fixture.append("app.log", lines("a", 100..200));
    fixture.expect_lines((0..200).map(|n| line("a", n)));
    println!("renamed after {:?}", began.elapsed());
    fixture.append("app.log", lines("a", 200..300));
    fs::copy(fixture.path("app.log"), fixture.path("app.log.00")).unwrap();
    File::create(fixture.path("app.log")).unwrap();
    fixture.append("app.log", lines("a", 300..400));
    fixture.expect_lines((0..400).map(|n| line("a", n)));
    println!("copied after {:?}", began.elapsed());
    fixture.close();
    fixture.append("app.log", lines("a", 400..500));
    fs::copy(fixture.path("app.log"), fixture.path("app.log.000")).unwrap();
    File::create(fixture.path("app.log")).unwrap();
    fixture.append("app.log", lines("a", 500..600));
    fixture.open();
    fixture.expect_lines((0..600).map(|n| line("a", n)));
    println!("restarted after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn a_directory_removed_with_its_logs_and_created_with_others_is_read() {
    let mut fixture = Fixture::new(&["web/*.log"]);
    fs::create_dir(fixture.path("web")).unwrap();
    fixture.append("web/app.log", lines("a", 0..50));
    fixture.open();
    fixture.until("seen", |fixture| fixture.log().ends().iter().any(|end| end.offset > 0));
    // Unread and still open: it is read to its end.
    fs::remove_dir_all(fixture.path("web")).unwrap();
    fixture.expect_lines((0..50).map(|n| line("a", n)));
    fs::create_dir(fixture.path("web")).unwrap();
    fixture.append("web/app.log", lines("a", 50..60));
    fixture.expect_lines((0..60).map(|n| line("a", n)));
}

#[test]
fn names_that_are_not_utf8_are_rotated_like_any_other() {
    let mut fixture = Fixture::new(&["*"]);
    let directory = fixture.path("x").parent().unwrap().to_owned();
    let name = |end: &[u8]| {
        directory.join(OsString::from_vec([b"app\xff\xfe.log".as_slice(), end].concat()))
    };
    let (log, rotated, copy) = (name(b""), name(b".1"), name(b".2"));
    append(&log, lines("a", 0..10).as_bytes());
    fixture.open();
    fixture.expect_lines((0..10).map(|n| line("a", n)));
    fs::rename(&log, &rotated).unwrap();
    append(&log, lines("a", 10..20).as_bytes());
    fixture.expect_lines((0..20).map(|n| line("a", n)));
    append(&log, lines("a", 20..30).as_bytes());
    fs::copy(&log, &copy).unwrap();
    File::create(&log).unwrap();
    append(&log, lines("a", 30..40).as_bytes());
    fixture.expect_lines((0..40).map(|n| line("a", n)));
    fixture.close();
    fs::rename(&log, name(b".3")).unwrap();
    append(&log, lines("a", 40..50).as_bytes());
    fixture.open();
    fixture.expect_lines((0..50).map(|n| line("a", n)));
}

/// On a file system without birth times that reuses inodes at once, files are distinguished by content alone.
#[test]
fn without_birth_times_a_reused_inode_is_another_file() {
    let mut fixture = Fixture::new(&["app.log"]);
    let (at, image) =
        (fixture.directory.path().join("logs"), fixture.directory.path().join("image"));
    let Some(_disk) = SmallDisk::mount_without_births(&at, &image) else { return };
    let mut written = 0;
    let mut write = |fixture: &Fixture, count: usize| {
        fixture.append("app.log", lines("a", written..written + count));
        written += count;
        written
    };
    let header = "this log begins here\n";
    let mut headers = 0;
    for round in 0..12 {
        // Every second file begins with the same bytes as the one before it.
        if round % 2 == 0 {
            fixture.append("app.log", header);
            headers += 1;
        }
        let upto = write(&fixture, 20);
        fixture.open();
        fixture.until("all", |fixture| fixture.consumer.events.len() == upto + headers);
        let upto = write(&fixture, 5);
        let open = round % 3 == 0;
        if open {
            fixture.until("more", |fixture| fixture.consumer.events.len() == upto + headers);
        }
        match round % 4 {
            0 if open => fs::remove_file(fixture.path("app.log")).unwrap(),
            1 => {
                fs::rename(fixture.path("app.log"), fixture.path(&format!("app.log.{round}")))
                    .unwrap();
            }
            2 => {
                let copy = fixture.path(&format!("app.log.{round}"));
                fs::copy(fixture.path("app.log"), copy).unwrap();
                File::create(fixture.path("app.log")).unwrap();
            }
            _ => {}
        }
        fixture.close();
    }
    fixture.open();
    let expected = written + headers;
    fixture.until("every line", |fixture| fixture.consumer.events.len() >= expected);
    fixture.drain();
    let mut texts = fixture.texts();
    texts.retain(|text| *text != header.trim_end());
    texts.sort_unstable();
    texts.dedup();
    assert_eq!((texts.len(), fixture.consumer.events.len()), (written, expected));
    assert_eq!(fixture.consumer.lost, 0);
    fixture.close();
}

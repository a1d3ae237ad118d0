//! Unusual files, directories and file systems: each is handled as docs/DELIVERY.md says, never with a silent gap.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::rotation::{Bench, append, line, lines};
use crate::small_disk::SmallDisk;

/// A link that leads to itself is not a file; it must not prevent the detection of renamed and deleted files.
#[test]
fn links_in_a_circle_lead_to_nothing() {
    let mut bench = Bench::new(&["*", "one"]);
    symlink(bench.path("two"), bench.path("one")).unwrap();
    symlink(bench.path("one"), bench.path("two")).unwrap();
    symlink(bench.path("."), bench.path("here")).unwrap();
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    fs::rename(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    bench.append("app.log.1", lines("a", 5..6));
    bench.append("app.log", lines("a", 6..8));
    bench.expect_lines((0..8).map(|n| line("a", n)));
    fs::remove_file(bench.path("app.log.1")).unwrap();
    bench.append("app.log", lines("a", 8..9));
    bench.expect_lines((0..9).map(|n| line("a", n)));
}

/// The run reports it, once per path or pattern, together with the alternative; all other files are followed.
#[test]
fn what_is_no_file_and_no_directory_is_named_and_not_followed() {
    let mut bench = Bench::new(&["app.fifo", "*.pipe", "app.sock", "null", "*.log"]);
    for name in ["app.fifo", "one.pipe", "two.pipe"] {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, bench.path(name), mode).unwrap();
    }
    let _socket = UnixListener::bind(bench.path("app.sock")).unwrap();
    symlink("/dev/null", bench.path("null")).unwrap();
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    let path = |name: &str| bench.path(name).display().to_string();
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
    let said = |bench: &Bench| {
        let mut texts: Vec<String> =
            bench.log().notices().into_iter().map(|notice| notice.text).collect();
        texts.sort();
        texts
    };
    expected.sort();
    assert_eq!(said(&bench), expected);
    // Once it is replaced by a regular file, that is followed and the notice disappears.
    fs::remove_file(bench.path("app.fifo")).unwrap();
    bench.append("app.fifo", lines("b", 0..5));
    bench.until("it is followed", |bench| bench.consumer.events.len() == 10);
    bench.until("its notice to disappear", |bench| said(bench).len() == 3);
}

#[test]
fn a_hundred_thousand_rotated_siblings_stand_in_nobodys_way() {
    const SIBLINGS: usize = 100_000;
    let mut bench = Bench::new(&["app.log"]);
    for number in 1..=SIBLINGS {
        File::create(bench.path(&format!("app.log.{number}"))).unwrap();
    }
    bench.append("app.log", lines("a", 0..100));
    let began = Instant::now();
    bench.open();
    bench.expect_lines((0..100).map(|n| line("a", n)));
    println!("the first lines after {:?}", began.elapsed());
    // By rename, by copy, and across a restart.
    fs::rename(bench.path("app.log"), bench.path("app.log.0")).unwrap();
    bench.append("app.log", lines("a", 100..200));
    bench.expect_lines((0..200).map(|n| line("a", n)));
    println!("renamed after {:?}", began.elapsed());
    bench.append("app.log", lines("a", 200..300));
    fs::copy(bench.path("app.log"), bench.path("app.log.00")).unwrap();
    File::create(bench.path("app.log")).unwrap();
    bench.append("app.log", lines("a", 300..400));
    bench.expect_lines((0..400).map(|n| line("a", n)));
    println!("copied after {:?}", began.elapsed());
    bench.close();
    bench.append("app.log", lines("a", 400..500));
    fs::copy(bench.path("app.log"), bench.path("app.log.000")).unwrap();
    File::create(bench.path("app.log")).unwrap();
    bench.append("app.log", lines("a", 500..600));
    bench.open();
    bench.expect_lines((0..600).map(|n| line("a", n)));
    println!("restarted after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn a_directory_that_vanishes_with_its_logs_and_comes_back_with_others() {
    let mut bench = Bench::new(&["web/*.log"]);
    fs::create_dir(bench.path("web")).unwrap();
    bench.append("web/app.log", lines("a", 0..50));
    bench.open();
    bench.until("seen", |bench| bench.log().ends().iter().any(|end| end.offset > 0));
    // Unread and still open: it is read to its end.
    fs::remove_dir_all(bench.path("web")).unwrap();
    bench.expect_lines((0..50).map(|n| line("a", n)));
    fs::create_dir(bench.path("web")).unwrap();
    bench.append("web/app.log", lines("a", 50..60));
    bench.expect_lines((0..60).map(|n| line("a", n)));
}

#[test]
fn names_that_are_no_text_are_rotated_like_any_other() {
    let mut bench = Bench::new(&["*"]);
    let directory = bench.path("x").parent().unwrap().to_owned();
    let name = |end: &[u8]| {
        directory.join(OsString::from_vec([b"app\xff\xfe.log".as_slice(), end].concat()))
    };
    let (log, rotated, copy) = (name(b""), name(b".1"), name(b".2"));
    append(&log, lines("a", 0..10).as_bytes());
    bench.open();
    bench.expect_lines((0..10).map(|n| line("a", n)));
    fs::rename(&log, &rotated).unwrap();
    append(&log, lines("a", 10..20).as_bytes());
    bench.expect_lines((0..20).map(|n| line("a", n)));
    append(&log, lines("a", 20..30).as_bytes());
    fs::copy(&log, &copy).unwrap();
    File::create(&log).unwrap();
    append(&log, lines("a", 30..40).as_bytes());
    bench.expect_lines((0..40).map(|n| line("a", n)));
    bench.close();
    fs::rename(&log, name(b".3")).unwrap();
    append(&log, lines("a", 40..50).as_bytes());
    bench.open();
    bench.expect_lines((0..50).map(|n| line("a", n)));
}

/// On a file system without birth times that reuses inodes at once, files are distinguished by content alone.
#[test]
fn without_birth_times_an_inode_that_comes_again_is_another_file() {
    let mut bench = Bench::new(&["app.log"]);
    let (at, image) = (bench.directory.path().join("logs"), bench.directory.path().join("image"));
    let Some(_disk) = SmallDisk::mount_without_births(&at, &image) else { return };
    let mut written = 0;
    let mut write = |bench: &Bench, count: usize| {
        bench.append("app.log", lines("a", written..written + count));
        written += count;
        written
    };
    let header = "this log begins here\n";
    let mut headers = 0;
    for round in 0..12 {
        // Every second file begins with the same bytes as the one before it.
        if round % 2 == 0 {
            bench.append("app.log", header);
            headers += 1;
        }
        let upto = write(&bench, 20);
        bench.open();
        bench.until("all", |bench| bench.consumer.events.len() == upto + headers);
        let upto = write(&bench, 5);
        let open = round % 3 == 0;
        if open {
            bench.until("more", |bench| bench.consumer.events.len() == upto + headers);
        }
        match round % 4 {
            0 if open => fs::remove_file(bench.path("app.log")).unwrap(),
            1 => {
                fs::rename(bench.path("app.log"), bench.path(&format!("app.log.{round}"))).unwrap();
            }
            2 => {
                let copy = bench.path(&format!("app.log.{round}"));
                fs::copy(bench.path("app.log"), copy).unwrap();
                File::create(bench.path("app.log")).unwrap();
            }
            _ => {}
        }
        bench.close();
    }
    bench.open();
    let expected = written + headers;
    bench.until("every line", |bench| bench.consumer.events.len() >= expected);
    bench.drain();
    let mut texts = bench.texts();
    texts.retain(|text| *text != header.trim_end());
    texts.sort_unstable();
    texts.dedup();
    assert_eq!((texts.len(), bench.consumer.events.len()), (written, expected));
    assert_eq!(bench.consumer.lost, 0);
    bench.close();
}

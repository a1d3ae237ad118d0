//! Files that begin with the same bytes, and a file after the loss of the state.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use logwarden::event::EventId;

use super::setup::{Bench, Consumer, copytruncate, line, lines};

#[test]
fn a_neighbour_with_the_same_header_is_no_copy_of_a_truncated_one() {
    let mut bench = Bench::new(&["*.log"]);
    let header = "the same header\n".repeat(300);
    bench.append("one.log", &header);
    bench.append("two.log", format!("{header}{}", lines("two", 0..3)));
    bench.open();
    bench.until("both", |bench| bench.consumer.events.len() == 603);
    // It begins with the same bytes, and one.log is removed before the two differ.
    bench.append("three.log", &header);
    File::create(bench.path("one.log")).unwrap();
    bench.append("three.log", lines("three", 0..3));
    bench.append("one.log", lines("one", 0..3));
    let headers = std::iter::repeat_n("the same header".to_owned(), 900);
    let named = ["one", "two", "three"].into_iter().flat_map(|w| (0..3).map(move |n| line(w, n)));
    bench.expect_lines(headers.chain(named));
}

/// While the log runs, it holds the descriptor, so the inode cannot be reused.
#[test]
fn an_inode_that_is_used_again_is_another_generation() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    bench.close();
    let inode = |bench: &Bench| fs::metadata(bench.path("app.log")).unwrap().ino();
    let before = inode(&bench);
    // The next file has the same inode: at once on most file systems, soon on the others.
    for _ in 0..100 {
        fs::remove_file(bench.path("app.log")).unwrap();
        bench.append("app.log", lines("b", 0..12));
        if inode(&bench) == before {
            break;
        }
    }
    bench.open();
    bench.expect_lines((0..10).map(|n| line("a", n)).chain((0..12).map(|n| line("b", n))));
}

#[test]
fn five_hundred_files_that_begin_alike() {
    let mut bench = Bench::new(&["*.log"]);
    let header = "#".repeat(100) + "\n";
    let header = header.repeat(45);
    let mut expected = Vec::new();
    for file in 0..500 {
        bench
            .append(&format!("{file}.log"), format!("{header}{}", lines(&format!("{file}"), 0..3)));
        expected.extend(vec!["#".repeat(100); 45]);
        expected.extend((0..3).map(|n| line(&format!("{file}"), n)));
    }
    bench.open();
    bench.expect_lines(expected);
}

#[test]
fn growing_files_that_begin_alike_are_no_copies_of_each_other() {
    let mut bench = Bench::new(&["*.log*"]);
    let header = format!("{}\n", "h".repeat(127)).repeat(48);
    let mut expected = Vec::new();
    let mut write = |bench: &Bench, file: usize, text: String| {
        expected.extend(text.lines().map(str::to_owned));
        bench.append(&format!("{file}.log"), text);
    };
    for file in 0..20 {
        write(&bench, file, format!("{header}{}", lines(&format!("w{file}"), 0..5)));
    }
    bench.open();
    for round in 1..4 {
        for file in 0..20 {
            let numbers = round * 10..round * 10 + 5;
            write(&bench, file, lines(&format!("w{file}"), numbers));
        }
        bench.drain();
        std::thread::sleep(Duration::from_millis(60));
        for file in 0..20 {
            let (from, to) = (format!("{file}.log"), format!("{file}.log.{round}"));
            match file % 2 {
                0 => fs::rename(bench.path(&from), bench.path(&to)).unwrap(),
                _ => copytruncate(&bench, &from, &to),
            }
            let numbers = round * 10 + 5..round * 10 + 8;
            write(&bench, file, format!("{header}{}", lines(&format!("w{file}"), numbers)));
        }
    }
    bench.expect_lines(expected);
}

#[test]
fn ids_are_the_same_without_the_state() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("a.log", lines("a", 0..50));
    bench.append("b.log", "same\nsame\n");
    bench.open();
    bench.until("all", |bench| bench.consumer.events.len() == 52);
    let before = std::mem::take(&mut bench.consumer);
    bench.close();
    fs::remove_dir_all(bench.directory.path().join("state")).unwrap();
    bench.open();
    bench.until("all again", |bench| bench.consumer.events.len() == 52);
    let ids = |consumer: &Consumer| {
        let mut ids: Vec<EventId> = consumer.events.iter().map(|event| event.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&before), ids(&bench.consumer));
}

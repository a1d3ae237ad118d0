//! Files that begin with the same bytes, and a file after the loss of the state.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use logwarden::event::EventId;

use super::setup::{Consumer, Fixture, copytruncate, line, lines};

#[test]
fn a_neighbour_with_the_same_header_is_not_a_copy_of_a_truncated_file() {
    let mut fixture = Fixture::new(&["*.log"]);
    let header = "the same header\n".repeat(300);
    fixture.append("one.log", &header);
    fixture.append("two.log", format!("{header}{}", lines("two", 0..3)));
    fixture.open();
    fixture.until("both", |fixture| fixture.consumer.events.len() == 603);
    // It begins with the same bytes, and one.log is removed before the two differ.
    fixture.append("three.log", &header);
    File::create(fixture.path("one.log")).unwrap();
    fixture.append("three.log", lines("three", 0..3));
    fixture.append("one.log", lines("one", 0..3));
    let headers = std::iter::repeat_n("the same header".to_owned(), 900);
    let named = ["one", "two", "three"].into_iter().flat_map(|w| (0..3).map(move |n| line(w, n)));
    fixture.expect_lines(headers.chain(named));
}

/// While the log runs, it holds the descriptor, so the inode cannot be reused.
#[test]
fn an_inode_that_is_used_again_is_another_generation() {
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", lines("a", 0..10));
    fixture.open();
    fixture.until("ten", |fixture| fixture.consumer.events.len() == 10);
    fixture.close();
    let inode = |fixture: &Fixture| fs::metadata(fixture.path("app.log")).unwrap().ino();
    let before = inode(&fixture);
    // The next file has the same inode: at once on most file systems, soon on the others.
    for _ in 0..100 {
        fs::remove_file(fixture.path("app.log")).unwrap();
        fixture.append("app.log", lines("b", 0..12));
        if inode(&fixture) == before {
            break;
        }
    }
    fixture.open();
    fixture.expect_lines((0..10).map(|n| line("a", n)).chain((0..12).map(|n| line("b", n))));
}

#[test]
fn five_hundred_files_with_the_same_beginning_are_all_read() {
    let mut fixture = Fixture::new(&["*.log"]);
    let header = "#".repeat(100) + "\n";
    let header = header.repeat(45);
    let mut expected = Vec::new();
    for file in 0..500 {
        fixture
            .append(&format!("{file}.log"), format!("{header}{}", lines(&format!("{file}"), 0..3)));
        expected.extend(vec!["#".repeat(100); 45]);
        expected.extend((0..3).map(|n| line(&format!("{file}"), n)));
    }
    fixture.open();
    fixture.expect_lines(expected);
}

#[test]
fn growing_files_with_the_same_beginning_are_not_copies() {
    let mut fixture = Fixture::new(&["*.log*"]);
    let header = format!("{}\n", "h".repeat(127)).repeat(48);
    let mut expected = Vec::new();
    let mut write = |fixture: &Fixture, file: usize, text: String| {
        expected.extend(text.lines().map(str::to_owned));
        fixture.append(&format!("{file}.log"), text);
    };
    for file in 0..20 {
        write(&fixture, file, format!("{header}{}", lines(&format!("w{file}"), 0..5)));
    }
    fixture.open();
    for round in 1..4 {
        for file in 0..20 {
            let numbers = round * 10..round * 10 + 5;
            write(&fixture, file, lines(&format!("w{file}"), numbers));
        }
        fixture.drain();
        std::thread::sleep(Duration::from_millis(60));
        for file in 0..20 {
            let (from, to) = (format!("{file}.log"), format!("{file}.log.{round}"));
            match file % 2 {
                0 => fs::rename(fixture.path(&from), fixture.path(&to)).unwrap(),
                _ => copytruncate(&fixture, &from, &to),
            }
            let numbers = round * 10 + 5..round * 10 + 8;
            write(&fixture, file, format!("{header}{}", lines(&format!("w{file}"), numbers)));
        }
    }
    fixture.expect_lines(expected);
}

#[test]
fn ids_are_the_same_without_the_state() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.append("a.log", lines("a", 0..50));
    fixture.append("b.log", "same\nsame\n");
    fixture.open();
    fixture.until("all", |fixture| fixture.consumer.events.len() == 52);
    let before = std::mem::take(&mut fixture.consumer);
    fixture.close();
    fs::remove_dir_all(fixture.directory.path().join("state")).unwrap();
    fixture.open();
    fixture.until("all again", |fixture| fixture.consumer.events.len() == 52);
    let ids = |consumer: &Consumer| {
        let mut ids: Vec<EventId> = consumer.events.iter().map(|event| event.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&before), ids(&fixture.consumer));
}

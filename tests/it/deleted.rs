//! Files that are deleted before they are delivered: their unread bytes are saved, or counted exactly as lost.

use std::fs::{self, OpenOptions};
use std::time::Duration;

use logwarden::app::control::{self, Reply, Request};
use serde_json::Value;

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fixture::{Fixture, assert_each_once, line, lines};
use crate::program::{Engine, Random, seed, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
/// About 10 MiB of lines.
const MANY: usize = 95_000;

/// A configuration whose server is down, and that server.
fn outage(most: &str) -> (Fixture, FakeElasticsearch) {
    let server = FakeElasticsearch::prepared();
    let fixture =
        Fixture::new(&format!("urls = [\"{}\"]\n[intake]\nmost = \"{most}\"", server.url()));
    (fixture, server)
}

fn wait_for_message(engine: &Engine, text: &str) {
    wait_for(text, PATIENCE, || engine.messages().contains(text).then_some(()));
}

/// Waits until the engine knows every existing byte.
fn wait_until_known(fixture: &Fixture, engine: &Engine, bytes: u64) {
    wait_for_message(engine, "cannot reach");
    wait_for("every byte to be known", PATIENCE, || {
        let reply = control::ask(&fixture.path("state"), &Request::Status, &mut |_, _| {}).ok()?;
        let Reply::Status { status, .. } = reply else { return None };
        (status.files.iter().map(|file| file.size).sum::<u64>() >= bytes).then_some(())
    });
}

fn saved_files(fixture: &Fixture) -> usize {
    fs::read_dir(fixture.path("state/intake")).map_or(0, Iterator::count)
}

/// The N of `N bytes were lost`, which the program prints at its end; 0 without that line.
fn lost(messages: &str) -> u64 {
    let words: Vec<&str> = messages.split_whitespace().collect();
    let at = words.windows(3).position(|words| words == ["bytes", "were", "lost"]);
    at.map_or(0, |at| words[at - 1].replace(',', "").parse().expect("a figure"))
}

#[test]
fn s14_deleted_while_ten_mebibytes_are_unread_and_the_server_is_down() {
    let (fixture, server) = outage("1GiB");
    let text = lines(0, 0..MANY);
    fixture.append("app.log", &text);
    let engine = fixture.engine();
    wait_until_known(&fixture, &engine, text.len() as u64);
    fs::remove_file(fixture.path("logs/app.log")).unwrap();
    wait_for_message(&engine, "are saved in the intake directory until they are delivered");
    engine.kill();
    server.launch();
    let engine = fixture.engine();
    wait_for("every line", PATIENCE, || (server.count() >= MANY).then_some(()));
    // The copy is removed when it is read.
    wait_for("an empty intake", PATIENCE, || (saved_files(&fixture) == 0).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&server.documents(), 1, MANY);
    assert_eq!(fixture.once().0, Some(0), "nothing is lost");
    assert_eq!(server.count(), MANY);
}

/// Truncating a deleted file that is still open does not affect the saved bytes.
#[test]
fn s14_deleted_and_then_truncated_through_a_descriptor() {
    let (fixture, server) = outage("1GiB");
    let text = lines(0, 0..2_000);
    fixture.append("app.log", &text);
    let held = OpenOptions::new().write(true).open(fixture.path("logs/app.log")).unwrap();
    let engine = fixture.engine();
    wait_until_known(&fixture, &engine, text.len() as u64);
    fs::remove_file(fixture.path("logs/app.log")).unwrap();
    wait_for_message(&engine, "are saved in the intake directory until they are delivered");
    held.set_len(0).unwrap();
    // Longer than the follower searches for a copy.
    std::thread::sleep(Duration::from_secs(3));
    server.launch();
    wait_for("every line", PATIENCE, || (server.count() >= 2_000).then_some(()));
    wait_for("an empty intake", PATIENCE, || (saved_files(&fixture) == 0).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&server.documents(), 1, 2_000);
}

/// The copy from which a truncated file is read is deleted, too, before the sink has started to read it.
#[test]
fn s14_the_copy_of_a_truncated_file_is_deleted_while_the_server_is_down() {
    let (fixture, server) = outage("1GiB");
    let text = lines(0, 0..2_000);
    fixture.append("app.log", &text);
    let engine = fixture.engine();
    wait_until_known(&fixture, &engine, text.len() as u64);
    fs::copy(fixture.path("logs/app.log"), fixture.path("logs/app.log.1")).unwrap();
    fs::write(fixture.path("logs/app.log"), lines(1, 0..10)).unwrap();
    wait_until_known(&fixture, &engine, text.len() as u64 + lines(1, 0..10).len() as u64);
    fs::remove_file(fixture.path("logs/app.log.1")).unwrap();
    wait_for_message(&engine, "are saved in the intake directory until they are delivered");
    engine.kill();
    server.launch();
    assert_eq!(fixture.once().0, Some(0));
    let documents = server.documents();
    assert_eq!(documents.len(), 2_010);
    let first: Vec<&Value> = documents.iter().filter(|d| d["writer"] == 0).collect();
    assert_each_once(first, 1, 2_000);
}

#[test]
fn s29_rotation_deletes_while_the_server_is_down_and_up_again() {
    let (fixture, server) = outage("1MiB");
    let engine = fixture.engine();
    let mut bytes = 0;
    for number in 0..4 {
        let name = format!("app-{number}.log");
        let text = lines(number, 0..8_000);
        bytes += text.len() as u64;
        fixture.append(&name, &text);
        wait_until_known(&fixture, &engine, bytes);
        fs::remove_file(fixture.path("logs").join(&name)).unwrap();
    }
    wait_for_message(&engine, "can be read only as long as Logwarden runs");
    // As long as it runs, the bytes beyond the limit can be read, too.
    server.launch();
    wait_for("every line", PATIENCE, || (server.count() >= 32_000).then_some(()));
    wait_for("an empty intake", PATIENCE, || (saved_files(&fixture) == 0).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&server.documents(), 4, 8_000);
}

#[test]
fn s29_beyond_the_cap_the_loss_is_counted_to_the_byte() {
    let (fixture, server) = outage("1MiB");
    let text = lines(0, 0..20_000);
    fixture.append("app.log", &text);
    let engine = fixture.engine();
    wait_until_known(&fixture, &engine, text.len() as u64);
    fs::remove_file(fixture.path("logs/app.log")).unwrap();
    wait_for_message(&engine, "can be read only as long as Logwarden runs");
    engine.kill();
    server.launch();
    let (code, messages) = fixture.once();
    assert_eq!((code, lost(&messages)), (Some(3), text.len() as u64 - (1 << 20)), "{messages}");
    assert_prefix(&server, text.len() as u64 - lost(&messages));
    assert_eq!(saved_files(&fixture), 0);
}

#[test]
fn a_kill_while_it_is_copied_loses_no_more_than_it_counts() {
    let mut random = Random(seed("deleted"));
    let text = lines(0, 0..3 * MANY);
    let mut losses = Vec::new();
    for _ in 0..4 {
        let (fixture, server) = outage("1GiB");
        fixture.append("app.log", &text);
        let engine = fixture.engine();
        wait_until_known(&fixture, &engine, text.len() as u64);
        fs::remove_file(fixture.path("logs/app.log")).unwrap();
        if random.below(4) > 0 {
            wait_for("the copy's beginning", PATIENCE, || {
                (saved_files(&fixture) > 0).then_some(())
            });
        }
        std::thread::sleep(Duration::from_millis(random.below(150)));
        engine.kill();
        server.launch();
        let (code, messages) = fixture.once();
        let lost = lost(&messages);
        assert_eq!(code, Some(if lost > 0 { 3 } else { 0 }), "{messages}");
        assert_prefix(&server, text.len() as u64 - lost);
        losses.push(lost);
    }
    println!("lost of {}: {losses:?}", text.len());
}

/// Checks the first writer's lines: every complete line in these bytes arrived once, and none after them.
fn assert_prefix(server: &FakeElasticsearch, mut bytes: u64) {
    let mut whole = 0;
    while let Some(left) = bytes.checked_sub(line(0, whole).len() as u64) {
        bytes = left;
        whole += 1;
    }
    let documents = server.documents();
    // The last line of the bytes may be incomplete.
    let complete: Vec<&Value> = documents.iter().filter(|d| d["number"].is_u64()).collect();
    assert_each_once(complete.iter().copied(), 1, whole);
    assert!(documents.len() - complete.len() <= 1);
}

#[test]
fn a_restored_copy_is_not_a_second_generation() {
    let (fixture, server) = outage("1GiB");
    let text = lines(0, 0..2_000);
    fixture.append("app.log", &text);
    let engine = fixture.engine();
    wait_until_known(&fixture, &engine, text.len() as u64);
    // As if it was moved to another file system: the same bytes, another inode.
    fs::write(fixture.path("copy"), &text).unwrap();
    fs::remove_file(fixture.path("logs/app.log")).unwrap();
    wait_for_message(&engine, "are saved in the intake directory");
    engine.kill();
    fs::rename(fixture.path("copy"), fixture.path("logs/app.log.1.log")).unwrap();
    server.launch();
    assert_eq!(fixture.once().0, Some(0));
    assert_each_once(&server.documents(), 1, 2_000);
    assert_eq!(fixture.once().0, Some(0));
    assert_eq!((server.count(), saved_files(&fixture)), (2_000, 0));
}

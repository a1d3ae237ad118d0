//! Bytes that can no longer be delivered are counted exactly: in the exit code, on standard error and in the metrics.

use std::fs::File;
use std::time::Duration;

use logwarden::app::control::{self, Reply, Request};
use logwarden::event::Status;

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fixture::{Fixture, line, lines};
use crate::program::{Engine, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn status(fixture: &Fixture) -> Option<Status> {
    let reply = control::ask(&fixture.path("state"), &Request::Status, &mut |_, _| {}).ok()?;
    let Reply::Status { status, .. } = reply else { return None };
    Some(*status)
}

fn wait_until_known(fixture: &Fixture, bytes: u64) {
    wait_for("every byte to be known", PATIENCE, || {
        let files = status(fixture)?.files;
        (files.iter().map(|file| file.size).sum::<u64>() >= bytes).then_some(())
    });
}

/// A log that is truncated without a copy before any of it is delivered; returns its size in bytes.
fn truncated_unread(fixture: &Fixture) -> (Engine, u64) {
    let text = lines(1, 0..1000);
    fixture.append("app.log", &text);
    let engine = fixture.engine();
    wait_until_known(fixture, text.len() as u64);
    // Its generation is known once a sink has read from it.
    wait_for("the outage", PATIENCE, || engine.messages().contains("cannot reach").then_some(()));
    File::create(fixture.path("logs/app.log")).unwrap();
    fixture.append("app.log", &lines(1, 1000..1010));
    (engine, text.len() as u64)
}

fn figure(lost: u64) -> String {
    let text = lost.to_string();
    match text.len() {
        ..=3 => format!("{text} bytes lost"),
        digits => format!("{},{} bytes lost", &text[..digits - 3], &text[digits - 3..]),
    }
}

#[test]
fn truncated_while_the_server_is_away_and_back_after_the_grace() {
    let server = FakeElasticsearch::prepared();
    let fixture = Fixture::new(&format!("urls = [\"{}\"]", server.url()));
    let (engine, lost) = truncated_unread(&fixture);
    // The follower searches for a copy for two seconds; no consumer reads meanwhile.
    std::thread::sleep(Duration::from_secs(4));
    server.launch();
    // Events that were read before and waited for the server may still arrive.
    let came = || server.documents().iter().filter_map(|it| it["number"].as_u64()).collect();
    let expected = || {
        let came: Vec<u64> = came();
        let new = came.iter().filter(|number| **number >= 1000).count();
        let old = came.iter().filter(|number| **number < 1000);
        (new == 10)
            .then(|| lost - old.map(|number| line(1, *number as usize).len() as u64).sum::<u64>())
    };
    wait_for("the figure", PATIENCE, || (status(&fixture)?.lost == expected()?).then_some(()));
    let lost = expected().expect("all new lines came");
    let code = engine.terminate().code();
    let messages = std::fs::read_to_string(fixture.path("engine.stderr")).unwrap();
    assert_eq!(code, Some(if lost > 0 { 3 } else { 0 }), "{messages}");
    assert!(lost == 0 || messages.contains(&figure(lost)), "{messages}");
}

#[test]
fn truncated_and_the_server_never_comes_back() {
    let server = FakeElasticsearch::prepared();
    let fixture = Fixture::new(&format!("urls = [\"{}\"]", server.url()));
    let (engine, lost) = truncated_unread(&fixture);
    std::thread::sleep(Duration::from_secs(4));
    let stderr = fixture.path("engine.stderr");
    assert_eq!(engine.terminate().code(), Some(3));
    let messages = std::fs::read_to_string(stderr).unwrap();
    assert!(messages.contains(&figure(lost)), "{messages}");
}

/// More than readers keep in memory: the bytes that can no longer be read are counted while the server is still down.
#[test]
fn truncated_bytes_are_reported_while_the_server_is_down() {
    let server = FakeElasticsearch::prepared();
    let fixture = Fixture::new(&format!("urls = [\"{}\"]", server.url()));
    let text = lines(1, 0..120_000);
    fixture.append("app.log", &text);
    let engine = fixture.engine();
    wait_until_known(&fixture, text.len() as u64);
    wait_for("the outage", PATIENCE, || engine.messages().contains("cannot reach").then_some(()));
    File::create(fixture.path("logs/app.log")).unwrap();
    let counted = || {
        let status = status(&fixture)?;
        let bytes = status.sinks.first()?.bytes;
        let is_reported = status.lost > 0 && bytes.lost == status.lost;
        assert!(bytes.adds_up(), "{bytes:?}");
        (is_reported && bytes.waiting + bytes.in_flight < 9 * 1024 * 1024).then_some(())
    };
    wait_for("the loss", PATIENCE, counted);
    let notice = || engine.messages().contains("bytes are lost").then_some(());
    wait_for("the notice", PATIENCE, notice);
    assert_eq!(engine.terminate().code(), Some(3));
}

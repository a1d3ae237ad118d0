//! A source is renamed, by a reload or between two runs, while a rotated file of it is unread: the file belongs to the
//! source that includes its path.

use std::fs;
use std::time::Duration;

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fixture::{Fixture, assert_each_once, lines};
use crate::program::{send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// The server is down; 2,000 lines are unread in a rotated file, 500 in the log.
fn with_unread_files() -> (Fixture, FakeElasticsearch, crate::program::Engine) {
    let server = FakeElasticsearch::prepared();
    let fixture = Fixture::new("");
    configure(&fixture, &server, "app", "logs/app.log");
    fixture.append("app.log", &lines(1, 0..2000));
    let engine = fixture.engine();
    wait_for("the outage", PATIENCE, || engine.messages().contains("cannot reach").then_some(()));
    fs::rename(fixture.path("logs/app.log"), fixture.path("logs/app.log.1")).unwrap();
    fixture.append("app.log", &lines(1, 2000..2500));
    std::thread::sleep(Duration::from_millis(1500));
    (fixture, server, engine)
}

fn configure(fixture: &Fixture, server: &FakeElasticsearch, name: &str, path: &str) {
    let config = format!(
        "[source.{name}]\npaths = [\"{}\"]\n[sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n",
        fixture.path(path).display(),
        server.url()
    );
    fs::write(fixture.path("config.toml"), config).unwrap();
}

#[test]
fn a_source_renamed_by_a_reload_keeps_its_unread_files() {
    let (fixture, server, engine) = with_unread_files();
    configure(&fixture, &server, "web", "logs/app.log");
    send_signal(engine.id(), "HUP");
    wait_for("the reload", PATIENCE, || {
        engine.messages().contains("configuration reloaded").then_some(())
    });
    server.launch();
    wait_for("every line", PATIENCE, || (server.count() >= 2500).then_some(()));
    assert_eq!(engine.terminate().code(), Some(0));
    assert_each_once(&server.documents(), 1, 2500);
}

#[test]
fn a_source_renamed_between_two_runs_keeps_its_unread_files() {
    for kill in [false, true] {
        let (fixture, server, engine) = with_unread_files();
        match kill {
            true => engine.kill(),
            false => _ = engine.terminate(),
        }
        configure(&fixture, &server, "web", "logs/app.log");
        server.launch();
        let engine = fixture.engine();
        wait_for("every line", PATIENCE, || (server.count() >= 2500).then_some(()));
        assert_eq!(engine.terminate().code(), Some(0));
        assert_each_once(&server.documents(), 1, 2500);
    }
}

#[test]
fn unread_bytes_of_a_path_that_no_source_includes_are_reported() {
    let (fixture, server, engine) = with_unread_files();
    engine.terminate();
    configure(&fixture, &server, "other", "logs/other.log");
    let engine = fixture.engine();
    wait_for("the notice", PATIENCE, || {
        let messages = engine.messages();
        (messages.contains("no source includes this file any more")
            && messages.contains("app.log.1"))
        .then_some(())
    });
    engine.terminate();
    // Once a source includes it again, it is read on.
    configure(&fixture, &server, "again", "logs/app.log");
    server.launch();
    let engine = fixture.engine();
    wait_for("every line", PATIENCE, || (server.count() >= 2500).then_some(()));
    engine.terminate();
    assert_each_once(&server.documents(), 1, 2500);
}

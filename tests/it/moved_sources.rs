//! A source is renamed, by a reload or between two runs, while a rotated file of it is unread: the file belongs to the
//! source that includes its path.

use std::fs;
use std::time::Duration;

use crate::bench::{Bench, assert_each_once, lines};
use crate::fake_elasticsearch::FakeElasticsearch;
use crate::program::{send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// The server is down; 2,000 lines are unread in a rotated file, 500 in the log.
fn unread() -> (Bench, FakeElasticsearch, crate::program::Engine) {
    let server = FakeElasticsearch::prepared();
    let bench = Bench::new("");
    configure(&bench, &server, "app", "logs/app.log");
    bench.append("app.log", &lines(1, 0..2000));
    let engine = bench.engine();
    wait_for("the outage", PATIENCE, || engine.said().contains("cannot reach").then_some(()));
    fs::rename(bench.path("logs/app.log"), bench.path("logs/app.log.1")).unwrap();
    bench.append("app.log", &lines(1, 2000..2500));
    std::thread::sleep(Duration::from_millis(1500));
    (bench, server, engine)
}

fn configure(bench: &Bench, server: &FakeElasticsearch, name: &str, path: &str) {
    let config = format!(
        "[source.{name}]\npaths = [\"{}\"]\n[sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n",
        bench.path(path).display(),
        server.url()
    );
    fs::write(bench.path("config.toml"), config).unwrap();
}

#[test]
fn renamed_by_a_reload() {
    let (bench, server, engine) = unread();
    configure(&bench, &server, "web", "logs/app.log");
    send_signal(engine.id(), "HUP");
    wait_for("the reload", PATIENCE, || engine.said().contains("configuration reloaded").then_some(()));
    server.launch();
    wait_for("every line", PATIENCE, || (server.count() >= 2500).then_some(()));
    assert_eq!(engine.terminate().code(), Some(0));
    assert_each_once(&server.documents(), 1, 2500);
}

#[test]
fn renamed_between_two_runs() {
    for kill in [false, true] {
        let (bench, server, engine) = unread();
        match kill {
            true => engine.kill(),
            false => _ = engine.terminate(),
        }
        configure(&bench, &server, "web", "logs/app.log");
        server.launch();
        let engine = bench.engine();
        wait_for("every line", PATIENCE, || (server.count() >= 2500).then_some(()));
        assert_eq!(engine.terminate().code(), Some(0));
        assert_each_once(&server.documents(), 1, 2500);
    }
}

#[test]
fn of_a_path_that_no_source_means_any_more_it_is_said_what_is_unread() {
    let (bench, server, engine) = unread();
    engine.terminate();
    configure(&bench, &server, "other", "logs/other.log");
    let engine = bench.engine();
    wait_for("the notice", PATIENCE, || {
        let said = engine.said();
        (said.contains("no source includes this file any more") && said.contains("app.log.1"))
            .then_some(())
    });
    engine.terminate();
    // Once a source includes it again, it is read on.
    configure(&bench, &server, "again", "logs/app.log");
    server.launch();
    let engine = bench.engine();
    wait_for("every line", PATIENCE, || (server.count() >= 2500).then_some(()));
    engine.terminate();
    assert_each_once(&server.documents(), 1, 2500);
}

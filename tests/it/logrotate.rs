//! All kinds of rotation of a log with unread bytes, across kills and restarts: renamed, numbered, dated, copied,
//! compressed, moved to another directory of the source.

use std::fs;
use std::path::Path;
use std::time::Duration;

use logwarden::app::control::{self, Reply, Request};

use crate::compressed::{gzip, zstd};
use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fixture::{Fixture, assert_each_once, lines};
use crate::program::{Engine, Random, seed, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
const SEEN: usize = 1500;
const LATER: usize = 100;

/// One run of rotation in the directory of the log; the log is `app.log`.
type Rotate = fn(&Path);

const WAYS: &[(&str, Rotate)] = &[
    ("renamed", |logs| rename(logs, "app.log", "app.log.1")),
    ("dated", |logs| rename(logs, "app.log", "app.log-20261129")),
    ("named before its extension", |logs| rename(logs, "app.log", "app.1.log")),
    ("copied and truncated", |logs| copytruncate(logs, "app.log.1")),
    ("copied under a date and truncated", |logs| copytruncate(logs, "app.log-20261129")),
    ("copied before its extension and truncated", |logs| copytruncate(logs, "app-20261129.log")),
    ("renamed and gzipped", |logs| {
        rename(logs, "app.log", "app.log.1");
        compress(logs, "app.log.1", "gz", gzip);
    }),
    ("renamed and compressed with zstd", |logs| {
        rename(logs, "app.log", "app.log.1");
        compress(logs, "app.log.1", "zst", zstd);
    }),
    ("copied, truncated and gzipped", |logs| {
        copytruncate(logs, "app.log.1");
        compress(logs, "app.log.1", "gz", gzip);
    }),
    ("copied, truncated, compressed with zstd under a date", |logs| {
        copytruncate(logs, "app.log-20261129");
        compress(logs, "app.log-20261129", "zst", zstd);
    }),
    ("moved into another directory", |logs| rename(logs, "app.log", "../old/app.log.1")),
    ("copied into another directory and truncated", |logs| copytruncate(logs, "../old/app.log.1")),
    ("moved into another directory and gzipped", |logs| {
        rename(logs, "app.log", "../old/app.log.1");
        compress(logs, "../old/app.log.1", "gz", gzip);
    }),
];

/// A second run of rotation, on the files that the first one created.
const AGAIN: &[(&str, Rotate)] = &[
    ("and left there", |_| {}),
    ("and renamed again", |logs| shift(logs, "app.log.1", "app.log.2")),
    ("and gzipped the next day", |logs| {
        if logs.join("app.log.1").exists() {
            compress(logs, "app.log.1", "gz", gzip);
        }
    }),
    ("and, if compressed, renamed again", |logs| {
        shift(logs, "app.log.1.gz", "app.log.2.gz");
        shift(logs, "app.log.1.zst", "app.log.2.zst");
    }),
];

fn rename(logs: &Path, from: &str, to: &str) {
    fs::rename(logs.join(from), logs.join(to)).unwrap();
}

fn shift(logs: &Path, from: &str, to: &str) {
    if logs.join(from).exists() {
        rename(logs, from, to);
    }
}

fn copytruncate(logs: &Path, to: &str) {
    fs::copy(logs.join("app.log"), logs.join(to)).unwrap();
    fs::File::options().write(true).open(logs.join("app.log")).unwrap().set_len(0).unwrap();
}

fn compress(logs: &Path, name: &str, ending: &str, pack: fn(&[u8]) -> Vec<u8>) {
    let bytes = fs::read(logs.join(name)).unwrap();
    fs::write(logs.join(format!("{name}.{ending}")), pack(&bytes)).unwrap();
    fs::remove_file(logs.join(name)).unwrap();
}

/// A log whose server is down.
fn outage() -> (Fixture, FakeElasticsearch) {
    let server = FakeElasticsearch::prepared();
    let fixture = Fixture::new("");
    fs::create_dir(fixture.path("old")).unwrap();
    let config = format!(
        "[source.app]\npaths = [\"{}\", \"{}\"]\n[sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n",
        fixture.path("logs/app.log").display(),
        fixture.path("old/app.log*").display(),
        server.url()
    );
    fs::write(fixture.path("config.toml"), config).unwrap();
    (fixture, server)
}

fn wait_until_known(fixture: &Fixture, bytes: u64) {
    wait_for("every byte to be known", PATIENCE, || {
        let reply = control::ask(&fixture.path("state"), &Request::Status, &mut |_, _| {}).ok()?;
        let Reply::Status { status, .. } = reply else { return None };
        (status.files.iter().map(|file| file.size).sum::<u64>() >= bytes).then_some(())
    });
}

/// Waits until the engine has committed its current state.
fn started(fixture: &Fixture, bytes: u64) -> Engine {
    let engine = fixture.engine();
    wait_until_known(fixture, bytes);
    engine
}

/// 1,500 lines are known while the server is down. Rotation happens while the engine runs or does not; the engine is
/// killed and started twice, and the rotated files are rotated again in between.
fn check(way: &(&str, Rotate), again: &(&str, Rotate), running: bool) {
    let name = format!("{} {}, running: {running}", way.0, again.0);
    println!("{name}");
    let (fixture, server) = outage();
    let logs = fixture.path("logs");
    let text = lines(1, 0..SEEN);
    fixture.append("app.log", &text);
    let engine = started(&fixture, text.len() as u64);
    // The row is durable once a group commit has passed.
    std::thread::sleep(Duration::from_millis(600));
    match running {
        true => {
            (way.1)(&logs);
            fixture.append("app.log", &lines(1, SEEN..SEEN + LATER));
            std::thread::sleep(Duration::from_millis(900));
            engine.kill();
        }
        false => {
            engine.kill();
            (way.1)(&logs);
            fixture.append("app.log", &lines(1, SEEN..SEEN + LATER));
        }
    }
    let engine = fixture.engine();
    wait_for("its start", PATIENCE, || fixture.path("state/control.sock").exists().then_some(()));
    std::thread::sleep(Duration::from_millis(1200));
    engine.kill();
    (again.1)(&logs);
    server.launch();
    let engine = fixture.engine();
    wait_for(&name, PATIENCE, || (server.count() >= SEEN + LATER).then_some(()));
    assert_eq!(engine.terminate().code(), Some(0), "{name}");
    assert_each_once(&server.documents(), 1, SEEN + LATER);
}

fn check_all(running: bool) {
    let seed = seed("logrotate");
    let mut random = Random(seed);
    for way in WAYS {
        // Each first rotation with one of the second rotations, so that each of both occurs.
        check(way, &AGAIN[random.below(AGAIN.len() as u64) as usize], running);
    }
}

#[test]
fn files_rotated_while_the_engine_runs_are_found_after_two_kills() {
    check_all(true);
}

#[test]
fn files_rotated_while_no_engine_runs_are_found_after_two_kills() {
    check_all(false);
}

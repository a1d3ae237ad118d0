//! The triggers of shipping: automatic, manual, a signal, a schedule or a count; for all sinks or for one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{self, Engine, expect, run, send_signal, text, wait_for};
use crate::rotation::{append, lines};

const PATIENCE: Duration = Duration::from_secs(60);

/// A log that is delivered to two files.
struct Fixture {
    home: TempDir,
}

impl Fixture {
    /// `settings`: additional tables.
    fn new(settings: &str) -> Self {
        let fixture = Fixture { home: TempDir::new().unwrap() };
        let path = |name| fixture.path(name).display().to_string();
        let sink = |name| format!("[sink.{name}]\nkind = \"file\"\npath = \"{}\"\n", path(name));
        let source = format!("[source.app]\npaths = [\"{}\"]\n", path("app.log"));
        let config = format!("{source}{}{}{settings}\n", sink("one"), sink("two"));
        fs::write(fixture.path("config.toml"), config).unwrap();
        append(&fixture.path("app.log"), lines("a", 0..10).as_bytes());
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program::logwarden(self.home.path());
        command.args(arguments).arg("--config").arg(self.path("config.toml"));
        command.arg("--state-dir").arg(self.path("state"));
        command
    }

    fn engine(&self) -> Engine {
        let engine = Engine::spawn(self.home.path(), &mut self.command(&["--no-ui"]));
        let socket = self.path("state/control.sock");
        wait_for("the engine", PATIENCE, || socket.exists().then_some(()));
        engine
    }

    fn has(&self, sink: &str) -> usize {
        fs::read_to_string(self.path(sink)).unwrap_or_default().lines().count()
    }

    #[track_caller]
    fn until(&self, one: usize, two: usize) {
        wait_for(&format!("{one} and {two}"), PATIENCE, || {
            ((self.has("one"), self.has("two")) == (one, two)).then_some(())
        });
    }
}

#[test]
fn manual_for_one_sink_and_by_signal_for_all() {
    let fixture = Fixture::new("[ship]\nstart = \"manual\"");
    let engine = fixture.engine();
    expect(&mut fixture.command(&["ship", "now", "two"]), 0);
    fixture.until(0, 10);
    append(&fixture.path("app.log"), lines("a", 10..20).as_bytes());
    send_signal(engine.id(), "USR1");
    fixture.until(20, 20);
    expect(&mut fixture.command(&["ship", "resume", "one"]), 0);
    append(&fixture.path("app.log"), lines("a", 20..30).as_bytes());
    fixture.until(30, 20);
    expect(&mut fixture.command(&["ship", "pause", "one"]), 0);
    wait_for("the notice about the pause", PATIENCE, || {
        engine.messages().contains("sink one was paused by logwarden ship").then_some(())
    });
    append(&fixture.path("app.log"), lines("a", 30..40).as_bytes());
    expect(&mut fixture.command(&["ship", "now", "two"]), 0);
    fixture.until(30, 40);
    let output = run(&mut fixture.command(&["ship", "now", "three"]));
    let messages = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains("unknown sink: three; configured sinks: one, two"), "{messages}");
    assert!(engine.terminate().success());
    let output = run(&mut fixture.command(&["ship", "now"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no engine is running"), "{}", text(&output.stderr));
}

#[test]
fn one_sink_starts_manually_and_the_other_automatically() {
    let fixture = Fixture::new("[sink.one.ship]\nstart = \"manual\"");
    let engine = fixture.engine();
    fixture.until(0, 10);
    append(&fixture.path("app.log"), lines("a", 10..20).as_bytes());
    fixture.until(0, 20);
    expect(&mut fixture.command(&["ship", "now"]), 0);
    fixture.until(20, 20);
    assert!(engine.terminate().success());
}

#[test]
fn in_passes_by_time_and_by_count() {
    let fixture = Fixture::new("[ship]\nafter = 50\n[sink.two.ship]\nevery = \"500ms\"");
    let engine = fixture.engine();
    fixture.until(10, 10);
    append(&fixture.path("app.log"), lines("a", 10..50).as_bytes());
    fixture.until(10, 50);
    append(&fixture.path("app.log"), lines("a", 50..60).as_bytes());
    fixture.until(60, 60);
    assert!(engine.terminate().success());
}

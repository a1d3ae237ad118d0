//! A request to stop is obeyed even while a thread is in a blocking call.

use std::io::Read;
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fixture::{Fixture, line, lines};
use crate::program::{Engine, archived, logwarden, send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// Like `logwarden --no-ui --to stdout | less`: the reader has stopped reading, the pipe is full, a write blocks.
struct BlockedProgram {
    child: Child,
    _pipe: ChildStdout,
    fixture: Fixture,
}

impl BlockedProgram {
    fn start() -> BlockedProgram {
        let fixture =
            Fixture::new("enabled = false\nurls = [\"http://localhost:1\"]\n[sink.stdout]");
        fixture.append("a.log", &lines(1, 0..5_000));
        let mut command = fixture.command(&[]);
        let messages = std::fs::File::create(fixture.path("messages")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(messages).spawn().expect("it starts");
        let pipe = child.stdout.take().expect("it is a pipe");
        let size = rustix::pipe::fcntl_getpipe_size(&pipe).unwrap() as u64;
        // The last page may be partly filled.
        let full = || rustix::io::ioctl_fionread(&pipe).unwrap() + 4096 > size;
        wait_for("a write that blocks", PATIENCE, || full().then_some(()));
        BlockedProgram { child, _pipe: pipe, fixture }
    }

    fn signal(&self) {
        send_signal(self.child.id(), "TERM");
    }

    fn messages(&self) -> String {
        std::fs::read_to_string(self.fixture.path("messages")).unwrap()
    }

    fn ended(&mut self) -> ExitStatus {
        wait_for("its end", PATIENCE, || self.child.try_wait().unwrap())
    }
}

impl Drop for BlockedProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stop_waits_some_seconds_for_a_pipe_without_a_reader() {
    let mut stuck = BlockedProgram::start();
    stuck.signal();
    assert!(stuck.ended().success());
    assert!(!stuck.messages().contains("stopped immediately"), "{}", stuck.messages());
}

#[test]
fn a_second_signal_does_not_wait_for_a_pipe() {
    let mut stuck = BlockedProgram::start();
    let asked = Instant::now();
    stuck.signal();
    // Signals within one second of the first count as one.
    for more in 1..=4 {
        wait_for("the next one", PATIENCE, || {
            (asked.elapsed() > Duration::from_millis(1_500) * more).then_some(())
        });
        if stuck.child.try_wait().unwrap().is_some() {
            break;
        }
        stuck.signal();
    }
    assert!(stuck.ended().success());
    assert!(stuck.messages().contains("stopped immediately"), "{}", stuck.messages());
}

/// timeout(1) sends one signal to the program and one to its group.
#[test]
fn two_signals_in_a_row_count_as_one() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("app.log");
    std::fs::write(&log, lines(1, 0..100)).unwrap();
    let state = home.path().join("state");
    let engine = Engine::start(home.path(), &state, &[&log]);
    wait_for("the engine", PATIENCE, || engine.messages().contains("1 file,").then_some(()));
    send_signal(engine.id(), "TERM");
    let messages = home.path().join("engine.stderr");
    assert!(engine.terminate().success());
    let messages = std::fs::read_to_string(messages).unwrap();
    assert!(!messages.contains("stopped immediately"), "{messages}");
}

/// Like `logwarden … | head -1`.
#[test]
fn a_closed_reader_is_reported_and_ends_the_program() {
    for once in [&[][..], &["--once"]] {
        let fixture =
            Fixture::new("enabled = false\nurls = [\"http://localhost:1\"]\n[sink.stdout]");
        fixture.append("a.log", &lines(1, 0..50_000));
        let mut command = fixture.command(once);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut first = [0; 100];
        let mut output = child.stdout.take().expect("it is a pipe");
        output.read_exact(&mut first).unwrap();
        drop(output);
        let ended = child.wait_with_output().unwrap();
        let messages = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{messages}");
        assert!(messages.contains("standard output was closed by its reader"), "{messages}");
        assert!(!messages.contains("next try"), "{messages}");
    }
}

/// Like `logwarden … 2>&1 | head -1`: the work does not depend on a reader of standard error.
#[test]
fn a_closed_standard_error_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (log, state) = (home.path().join("app.log"), home.path().join("state"));
    std::fs::write(&log, lines(1, 0..100)).unwrap();
    let mut command = logwarden(home.path());
    command.args(["--no-ui", "--once", "--log-level", "trace", "--state-dir"]).arg(&state);
    let mut child = command.arg(&log).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stderr.take());
    let ended = wait_for("its end", PATIENCE, || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    assert_eq!(archived(home.path(), &state, "*"), 100);
    for wrong in [&["parse", "no-such-file"][..], &["no-such-command"], &["--no-ui", "--once"]] {
        let mut child =
            logwarden(home.path()).args(wrong).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stderr.take());
        let ended = wait_for("its end", PATIENCE, || child.try_wait().unwrap());
        assert!(matches!(ended.code(), Some(1 | 2)), "{wrong:?}: {ended}");
    }
}

/// Like Ctrl-S on the terminal, or `2>&1 >/dev/null | a program that reads nothing`.
#[test]
fn a_standard_error_without_a_reader_blocks_nothing() {
    for signals in [1, 2] {
        let fake = FakeElasticsearch::start();
        let fixture = Fixture::new(&format!("urls = [\"{}\"]", fake.url()));
        fixture.append("a.log", &lines(1, 0..10));
        let (unread, full) = std::io::pipe().unwrap();
        fill(&full);
        let mut command = fixture.command(&["--log-level", "debug"]);
        let mut child = command.stdout(Stdio::null()).stderr(full).spawn().expect("it starts");
        let arrived = |count| {
            wait_for("every line", PATIENCE, || (fake.count() >= count).then_some(()));
        };
        arrived(10);
        // Servers reject this field name; the encoder reports that it changes it.
        fixture.append("a.log", &line(1, 10).replace("\"message\"", "\"a..b\":1,\"message\""));
        arrived(11);
        fixture.append("a.log", &lines(1, 11..60));
        arrived(60);
        let asked = Instant::now();
        send_signal(child.id(), "TERM");
        let mut ended = None;
        for more in 1..signals {
            wait_for("the next signal", PATIENCE, || {
                ended = child.try_wait().unwrap();
                let due = asked.elapsed() > Duration::from_millis(1_500) * more;
                (due || ended.is_some()).then_some(())
            });
            if ended.is_none() {
                send_signal(child.id(), "TERM");
            }
        }
        let ended = ended.unwrap_or_else(|| {
            let late = || asked.elapsed() > PATIENCE;
            let ended = wait_for("its end", 2 * PATIENCE, || match child.try_wait().unwrap() {
                None if late() => Some(None),
                ended => ended.map(Some),
            });
            ended.unwrap_or_else(|| {
                let _ = child.kill();
                panic!("it is still running: {:?}", child.wait());
            })
        });
        assert!(ended.success(), "{ended}");
        drop(unread);
    }
}

/// Fills the pipe, so that the next write blocks.
fn fill(pipe: &std::io::PipeWriter) {
    let flags = rustix::fs::fcntl_getfl(pipe).unwrap();
    rustix::fs::fcntl_setfl(pipe, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while rustix::io::write(pipe, &vec![b'x'; size]).is_ok() {}
    }
    rustix::fs::fcntl_setfl(pipe, flags).unwrap();
}

//! The control socket handles any input, and limits its size.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::program::{Engine, logwarden, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

struct Fixture {
    _home: tempfile::TempDir,
    socket: PathBuf,
    engine: Engine,
}

impl Fixture {
    fn new() -> Fixture {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("app.log"), "one\n").unwrap();
        let state = home.path().join("state");
        let mut command = logwarden(home.path());
        command.args(["--no-ui", "app.log", "--state-dir"]).arg(&state);
        let engine = Engine::spawn(home.path(), &mut command);
        let socket = state.join("control.sock");
        wait_for("its start", PATIENCE, || UnixStream::connect(&socket).ok());
        Fixture { _home: home, socket, engine }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

#[test]
fn an_overlong_or_incomplete_request_is_rejected_once_and_never_split() {
    let fixture = Fixture::new();
    let status = b"{\"request\":\"status\"}\n";
    for request in [[&[b'x'; 70_000], &status[..]].concat(), status[..status.len() - 1].to_vec()] {
        let mut stream = fixture.connect();
        // The engine may close its side before everything is written.
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut replies = Vec::new();
        let _ = stream.read_to_end(&mut replies);
        let replies = String::from_utf8(replies).unwrap();
        assert!(replies.lines().count() <= 1, "{replies}");
        assert!(!replies.contains("process"), "{replies}");
    }
    let mut stream = fixture.connect();
    stream.write_all(status).unwrap();
    let mut reply = String::new();
    BufReader::new(&stream).read_line(&mut reply).unwrap();
    assert!(reply.contains("\"process\""), "{reply}");
    assert_eq!(fixture.engine.terminate().code(), Some(0));
}

#[test]
fn connections_are_limited_and_released() {
    let fixture = Fixture::new();
    let held: Vec<UnixStream> = (0..32).map(|_| fixture.connect()).collect();
    let refused = |fixture: &Fixture| {
        let mut reply = String::new();
        let stream = fixture.connect();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        BufReader::new(stream).read_line(&mut reply).is_ok()
            && reply.contains("too many connections")
    };
    wait_for("one too many", PATIENCE, || refused(&fixture).then_some(()));
    drop(held);
    wait_for("a free place", PATIENCE, || (!refused(&fixture)).then_some(()));
    assert_eq!(fixture.engine.terminate().code(), Some(0));
}

//! Whoever says stop is obeyed, whatever a blocking call waits for.

use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{Bench, lines};
use crate::program::{send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// As `logwarden --no-ui --to stdout | less`: the reader has stopped reading, the pipe is full, a write hangs.
struct Stuck {
    child: Child,
    _pipe: ChildStdout,
    _bench: Bench,
}

impl Stuck {
    fn start() -> Stuck {
        let bench = Bench::new("enabled = false\nurls = [\"http://localhost:1\"]\n[sink.stdout]");
        bench.append("a.log", &lines(1, 0..5_000));
        let mut command = bench.command(&[]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let pipe = child.stdout.take().expect("it is a pipe");
        let size = rustix::pipe::fcntl_getpipe_size(&pipe).unwrap() as u64;
        // The last page may be filled in part.
        let full = || rustix::io::ioctl_fionread(&pipe).unwrap() + 4096 > size;
        wait_for("a write that hangs", PATIENCE, || full().then_some(()));
        Stuck { child, _pipe: pipe, _bench: bench }
    }

    fn signal(&self) {
        send_signal(self.child.id(), "TERM");
    }

    fn ended(&mut self) -> ExitStatus {
        wait_for("its end", PATIENCE, || self.child.try_wait().unwrap())
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_waited_for_some_seconds() {
    let mut stuck = Stuck::start();
    let asked = Instant::now();
    stuck.signal();
    assert!(stuck.ended().success());
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[test]
fn a_second_signal_waits_for_no_pipe() {
    let mut stuck = Stuck::start();
    let asked = Instant::now();
    stuck.signal();
    // Two that come at the same moment are one.
    wait_for("the first one is taken", PATIENCE, || {
        (asked.elapsed() > Duration::from_millis(300)).then_some(())
    });
    stuck.signal();
    assert!(stuck.ended().success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

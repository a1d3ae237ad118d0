//! The real binary, run as a person or a service manager would.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A command that sees no configuration, environment or home of the machine it runs on.
pub fn logwarden(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logwarden"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOGWARDEN_")) {
        command.env_remove(name);
    }
    command
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm-256color")
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> Output {
    command.output().expect("the binary starts")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it, checks the exit code and returns standard output.
pub fn expect(command: &mut Command, code: i32) -> String {
    let output = run(command);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{command:?}\nstdout: {}\nstderr: {}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// An engine without a screen. Killed when dropped.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    stderr: PathBuf,
}

impl Engine {
    /// `logwarden --no-ui --state-dir STATE PATHS…`, stderr into a file below `home`.
    pub fn start(home: &Path, state: &Path, paths: &[&Path]) -> Engine {
        let mut command = logwarden(home);
        command.arg("--no-ui").arg("--state-dir").arg(state).args(paths);
        Engine::spawn(home, &mut command)
    }

    pub fn spawn(home: &Path, command: &mut Command) -> Engine {
        let stderr = home.join("engine.stderr");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&stderr).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary starts");
        Engine { child, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, if that is a pipe.
    pub fn input(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().expect("it is a pipe that was not taken yet")
    }

    /// Waits until it ends on its own.
    pub fn ended(mut self) -> ExitStatus {
        wait_for("the engine's end", Duration::from_secs(60), || {
            self.child.try_wait().expect("it is a child of this process")
        })
    }

    pub fn kill(mut self) {
        self.child.kill().expect("it is a child of this process");
        self.child.wait().expect("it is a child of this process");
    }

    /// Sends SIGTERM once the engine handles it, then waits for the end. Before, the signal would kill the process.
    pub fn terminate(mut self) -> ExitStatus {
        wait_for("its signal handler", Duration::from_secs(60), || {
            listens(self.id()).then_some(())
        });
        send_signal(self.id(), "TERM");
        wait_for("the engine's end", Duration::from_secs(60), || {
            self.child.try_wait().expect("it is a child of this process")
        })
    }

    pub fn messages(&self) -> String {
        let mut messages = String::new();
        std::fs::File::open(&self.stderr).unwrap().read_to_string(&mut messages).unwrap();
        messages
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the process handles SIGTERM or has ended (proc(5): `SigCgt` is a mask of signals; the lowest bit is
/// signal 1).
fn listens(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask == 0 && status.contains("\nState:\tZ") || mask & (1 << 14) != 0)
}

pub fn send_signal(process: u32, signal: &str) {
    let done = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status();
    assert!(done.expect("`kill` is installed").success());
}

/// Polls until there is a result. Tests use this instead of sleeping for a fixed time.
pub fn wait_for<T>(what: &str, deadline: Duration, mut poll: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `logwarden search … --in archive --count`.
pub fn archived(home: &Path, state: &Path, query: &str) -> u64 {
    let output = run(logwarden(home)
        .args(["search", "--count", "--state-dir"])
        .arg(state)
        .args(["--", query]));
    text(&output.stdout).trim().parse().unwrap_or(0)
}

/// Documents of the archive, one JSON object each.
pub fn documents(home: &Path, state: &Path) -> Vec<serde_json::Value> {
    let output = run(logwarden(home)
        .args(["search", "--format", "json", "--limit", "100000000", "--state-dir"])
        .arg(state)
        .args(["--", "*"]));
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("search prints JSON"))
        .collect()
}

/// Printed with every random test, and read back from `LOGWARDEN_SEED` to replay it.
pub fn seed(test: &str) -> u64 {
    let seed = std::env::var("LOGWARDEN_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_nanos() as u64
    });
    println!("{test}: LOGWARDEN_SEED={seed}");
    seed
}

/// xorshift64 (Marsaglia 2003).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

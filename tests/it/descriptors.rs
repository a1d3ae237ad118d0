//! More files than descriptors: files are opened in turns, nothing is lost, and descriptors are left for the state, the
//! sinks and the sockets.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use crate::compressed::gzip;
use crate::program::{Engine, archived, logwarden, run, text, wait_for};

const PATIENCE: Duration = Duration::from_secs(120);
const FILES: usize = 2000;
const LIMIT: u64 = 64;

/// The same command with this soft and hard limit of descriptors.
pub fn limited(command: &std::process::Command) -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\""));
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(command.get_current_dir().unwrap()).stdin(std::process::Stdio::null());
    shell
}

fn write(directory: &std::path::Path, file: usize, line: usize) {
    let path = directory.join(format!("{file}.log"));
    let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(log, "{{\"level\":\"info\",\"message\":\"file {file} line {line}\"}}").unwrap();
}

#[test]
fn all_files_are_delivered_once_by_one_run() {
    let home = tempfile::tempdir().unwrap();
    let logs = home.path().join("logs");
    fs::create_dir(&logs).unwrap();
    (0..FILES).for_each(|file| write(&logs, file, 0));
    let state = home.path().join("state");
    let mut command = logwarden(home.path());
    command.args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg(&logs);
    let output = run(&mut limited(&command));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(archived(home.path(), &state, "*"), FILES as u64);
}

#[test]
fn all_files_are_followed_while_they_grow_and_are_renamed() {
    let home = tempfile::tempdir().unwrap();
    let logs = home.path().join("logs");
    fs::create_dir(&logs).unwrap();
    (0..FILES).for_each(|file| write(&logs, file, 0));
    let state = home.path().join("state");
    let mut command = logwarden(home.path());
    command.args(["--no-ui", "--state-dir"]).arg(&state).arg(&logs);
    let engine = Engine::spawn(home.path(), &mut limited(&command));
    let wait = |count: usize| {
        wait_for("every line", PATIENCE, || {
            (archived(home.path(), &state, "*") >= count as u64).then_some(())
        });
    };
    wait(FILES);
    (0..FILES).for_each(|file| write(&logs, file, 1));
    // Most of the files are closed at this time.
    for file in 0..20 {
        fs::rename(logs.join(format!("{file}.log")), logs.join(format!("{file}.log.1"))).unwrap();
    }
    wait(2 * FILES);
    let messages = engine.messages();
    assert_eq!(engine.terminate().code(), Some(0), "{messages}");
    assert_eq!(archived(home.path(), &state, "*"), 2 * FILES as u64);
    assert!(!messages.contains("too many open files"), "{messages}");
}

/// A compressed file needs two descriptors while it is read: each run reads some of the files.
#[test]
fn compressed_files_are_delivered_once_by_several_runs() {
    let home = tempfile::tempdir().unwrap();
    let logs = home.path().join("logs");
    fs::create_dir(&logs).unwrap();
    for file in 0..20 {
        let line = format!("{{\"level\":\"info\",\"message\":\"file {file}\"}}\n");
        fs::write(logs.join(format!("{file}.log.gz")), gzip(line.as_bytes())).unwrap();
    }
    let state = home.path().join("state");
    let mut command = logwarden(home.path());
    command.args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg(&logs);
    let mut ends = Vec::new();
    while ends.last() != Some(&Some(0)) {
        let before = archived(home.path(), &state, "*");
        let output = run(&mut limited(&command));
        let after = archived(home.path(), &state, "*");
        assert!(after > before, "{before} → {after}: {}", text(&output.stderr));
        ends.push(output.status.code());
    }
    assert!(ends.len() > 2, "the first run should not have had room for all of them");
    assert_eq!(archived(home.path(), &state, "*"), 20);
}

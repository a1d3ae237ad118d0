//! The state survives its process: kill -9 at any moment, a second process, a directory of no use.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use logwarden::event::{Cursor, GenerationId};
use logwarden::state::{StateError, Store};

use super::bench::open_state;

const DIRECTORY: &str = "LOGWARDEN_TEST_STATE_WRITER";

/// Runs [`writer_for_the_tests_below`] in a process of its own. It prints each number that is durable.
fn writer(directory: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["state::writer_for_the_tests_below", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// As a state directory is made.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    home
}

/// Commits cursor after cursor until it is killed. In the process of the tests it has nothing to do.
#[test]
fn writer_for_the_tests_below() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let (store, notices) = Store::open(directory.as_ref()).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    for number in last(&store) + 1.. {
        for generation in 0..20 {
            let cursor = Cursor { generation: GenerationId(generation), offset: number };
            store.put_cursor("archive", "*", cursor);
        }
        store.commit().unwrap();
        println!("\ndurable {number}");
    }
}

/// The number of the last commit. All rows of one commit are there, or none.
fn last(store: &Store) -> u64 {
    let rows = store.cursors("archive");
    let offset = rows.first().map_or(0, |row| row.offset);
    assert!(rows.iter().all(|row| row.offset == offset), "{rows:?}");
    assert!(rows.is_empty() || rows.len() == 20, "{rows:?}");
    offset
}

fn next_durable(output: &mut impl BufRead) -> u64 {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the writer ended");
        if let Some(number) = line.trim().strip_prefix("durable ") {
            return number.parse().unwrap();
        }
    }
}

/// [S04] From outside; `src/state/tests.rs` cuts the power at each step.
#[test]
fn kill_9_at_any_moment_keeps_every_committed_row_and_no_half_transaction() {
    let home = home();
    let mut random = std::process::id();
    println!("seed {random}");
    let mut before = 0;
    for _ in 0..20 {
        let (mut child, mut output) = writer(home.path());
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut durable = next_durable(&mut output);
        for _ in 0..(random >> 16) % 12 {
            durable = next_durable(&mut output);
        }
        // Somewhere between two commits, or inside of one.
        std::thread::sleep(Duration::from_micros(u64::from(random >> 8) % 3_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open_state(home.path());
        let found = last(&store);
        assert!(found >= durable && durable > before, "{found} of {durable} after {before}");
        before = found;
    }
}

#[test]
fn a_second_process_is_refused_by_name_and_let_in_after_the_first_died() {
    let home = home();
    let (mut child, mut output) = writer(home.path());
    next_durable(&mut output);
    match Store::open(home.path()) {
        Err(StateError::Owned { process, .. }) => assert_eq!(process, child.id().to_string()),
        other => panic!("{other:?}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(last(&Store::open(home.path()).unwrap().0) > 0);
}

#[test]
fn a_directory_that_cannot_be_made_is_named_with_what_to_do() {
    let error = Store::open(Path::new("/proc/logwarden/state")).unwrap_err();
    assert!(matches!(error, StateError::Directory { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("/proc/logwarden/state") && text.contains("--state-dir"), "{text}");
}

//! The state after kills at any moment, with a second process, and in an unusable directory.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use logwarden::event::{Cursor, GenerationId};
use logwarden::state::{StateError, Store};

use super::fixture::open_state;

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

/// A state directory with the permissions that the program gives it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    home
}

/// Commits one cursor after another until it is killed. Does nothing in the process of the tests.
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

/// The number of the last commit. The rows of a commit are present all or none.
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

/// [S04] Kills from outside; `src/state/tests.rs` cuts the power at each step.
#[test]
fn kill_9_at_any_moment_keeps_every_committed_row_and_no_partial_transaction() {
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
        // Between two commits, or during one.
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
fn a_second_process_gets_the_number_of_the_first_and_can_open_after_its_end() {
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
fn a_directory_that_cannot_be_created_is_an_error_with_advice() {
    let error = Store::open(Path::new("/proc/logwarden/state")).unwrap_err();
    assert!(matches!(error, StateError::Directory { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("/proc/logwarden/state") && text.contains("--state-dir"), "{text}");
}

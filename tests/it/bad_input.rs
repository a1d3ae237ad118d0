//! Bad input is reported with its location and advice, and nothing is lost.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::program::{self, Engine, archived, documents, logwarden, run, text, wait_for};
use crate::small_disk::SmallDisk;

const PATIENCE: Duration = Duration::from_secs(60);

fn once(home: &Path, paths: &[&Path]) -> (Option<i32>, String) {
    let mut command = logwarden(home);
    command.args(["--no-ui", "--once", "--state-dir"]).arg(home.join("state")).args(paths);
    let output = run(&mut command);
    (output.status.code(), text(&output.stderr))
}

fn line(message: &str) -> String {
    format!("2026-11-20 10:00:00,000 - [INFO] - {message}\n")
}

#[test]
fn a_missing_path_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let (code, messages) = once(scratch.path(), &[&scratch.path().join("absent.log")]);
    assert_eq!(code, Some(2), "{messages}");
    assert!(messages.contains("absent.log"), "{messages}");
}

#[test]
fn a_glob_without_matches_waits_and_reports_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let engine = Engine::start(home, &state, &[&home.join("*.log")]);
    wait_for("the notice", PATIENCE, || engine.messages().contains("*.log").then_some(()));
    std::fs::write(home.join("late.log"), line("late")).unwrap();
    wait_for("the event", PATIENCE, || (archived(home, &state, "late") == 1).then_some(()));
    assert!(engine.terminate().success());
}

#[test]
fn a_file_without_permission_is_named_and_the_others_are_read() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let (secret, open) = (home.join("secret.log"), home.join("open.log"));
    std::fs::write(&secret, line("secret")).unwrap();
    std::fs::write(&open, line("open")).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o0)).unwrap();
    if std::fs::read(&secret).is_ok() {
        println!("SKIPPED: this user may read everything (root)");
        return;
    }
    let (_, messages) = once(home, &[&secret, &open]);
    assert!(messages.contains("secret.log") && messages.contains("ermission"), "{messages}");
    assert_eq!(archived(home, &home.join("state"), "open"), 1);
}

#[test]
fn directories_empty_files_and_binary_files_do_no_harm() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let directory = home.join("logs");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("empty.log"), "").unwrap();
    std::fs::write(directory.join("a.log"), line("in the directory")).unwrap();
    let noise: Vec<u8> =
        (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(directory.join("noise.bin.log"), noise).unwrap();
    let (code, messages) = once(home, &[&directory]);
    assert_eq!(code, Some(0), "{messages}");
    assert_eq!(archived(home, &home.join("state"), "\"in the directory\""), 1);
}

#[test]
fn nuls_invalid_utf8_and_odd_names_are_kept() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let name = std::ffi::OsStr::from_bytes(b"odd\nname\xff.log");
    let path = home.join(name);
    let mut bytes = line("before").into_bytes();
    bytes.extend_from_slice(b"\0\0\0\0");
    bytes.extend_from_slice(line("after the hole").as_bytes());
    bytes.extend_from_slice(b"2026-11-20 10:00:00,000 - [INFO] - caf\xe9 done\r\n");
    std::fs::write(&path, &bytes).unwrap();
    let (code, messages) = once(home, &[&path]);
    assert_eq!(code, Some(0), "{messages}");
    let documents = documents(home, &home.join("state"));
    let messages: Vec<&str> = documents.iter().filter_map(|d| d["message"].as_str()).collect();
    assert!(messages.iter().any(|m| m.contains("after the hole")), "{messages:?}");
    assert!(messages.iter().any(|m| m.contains("caf\u{fffd} done")), "{messages:?}");
    let shown = program::expect(
        logwarden(home).args(["search", "--state-dir"]).arg(home.join("state")).arg("done"),
        0,
    );
    assert_eq!(shown.lines().count(), 1, "a name with a newline may not break a line: {shown}");
}

#[test]
fn a_line_of_64_mib_is_cut_and_the_next_lines_are_right() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let path = home.join("long.log");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(line("first").as_bytes()).unwrap();
    file.write_all(b"2026-11-20 10:00:00,000 - [INFO] - ").unwrap();
    for _ in 0..64 {
        file.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    file.write_all(b"\n").unwrap();
    file.write_all(line("next").as_bytes()).unwrap();
    let (code, messages) = once(home, &[&path]);
    assert_eq!(code, Some(0), "{messages}");
    let documents = documents(home, &home.join("state"));
    assert_eq!(documents.len(), 3);
    let truncated: Vec<_> = documents.iter().filter(|d| d["log"]["truncated"] == true).collect();
    assert_eq!(truncated.len(), 1);
    assert!(documents.iter().any(|d| d["message"] == "next"));
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    std::fs::write(home.join("state"), "a file").unwrap();
    std::fs::write(home.join("a.log"), line("a")).unwrap();
    let (code, messages) = once(home, &[&home.join("a.log")]);
    assert!(matches!(code, Some(1 | 2)), "{code:?} {messages}");
    assert!(messages.contains(&home.join("state").display().to_string()), "{messages}");
}

#[test]
fn a_damaged_state_is_set_aside_without_duplicates() {
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let path = home.join("a.log");
    std::fs::write(&path, line("one")).unwrap();
    assert_eq!(once(home, &[&path]).0, Some(0));
    let database = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "redb"))
        .expect("the state is one redb file");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[..middle].fill(0x5a);
    std::fs::write(&database, bytes).unwrap();
    std::fs::write(&path, line("one") + &line("two")).unwrap();
    let (code, messages) = once(home, &[&path]);
    assert_eq!(code, Some(0), "{messages}");
    assert!(messages.contains("set aside") || messages.contains("damaged"), "{messages}");
    assert_eq!(archived(home, &state, "one"), 1);
    assert_eq!(archived(home, &state, "two"), 1);
}

#[test]
fn a_damaged_archive_is_set_aside_and_rebuilt_from_the_logs() {
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let path = home.join("a.log");
    std::fs::write(&path, line("one") + &line("two")).unwrap();
    assert_eq!(once(home, &[&path]).0, Some(0));
    std::fs::write(state.join("archive").join("meta.json"), "{ not json").unwrap();
    let (code, messages) = once(home, &[&path]);
    assert_eq!(code, Some(0), "{messages}");
    assert!(messages.contains("set aside") || messages.contains("damaged"), "{messages}");
    assert_eq!(archived(home, &state, "*"), 2);
}

/// A real full disk: a small file system of its own, where this user may mount one.
#[test]
fn a_full_disk_loses_nothing_and_delivery_resumes_when_space_is_free() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let disk = home.join("disk");
    let Some(small) = SmallDisk::mount(&disk, "24m") else { return };
    let state = disk.join("state");
    let path = home.join("a.log");
    std::fs::write(&path, line("first")).unwrap();
    let engine = Engine::start(home, &state, &[&path]);
    wait_for("the first event", PATIENCE, || (archived(home, &state, "first") == 1).then_some(()));
    small.fill();
    let mut log = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    for number in 0..5000 {
        log.write_all(line(&format!("while full {number}")).as_bytes()).unwrap();
    }
    wait_for("the notice about the full disk", PATIENCE, || {
        small.fill();
        log.write_all(line("while full, too").as_bytes()).unwrap();
        engine.messages().to_lowercase().contains("space").then_some(())
    });
    small.make_room();
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count() as u64;
    wait_for("the rest", Duration::from_secs(60), || {
        (archived(home, &state, "*") == lines()).then_some(())
    });
    assert!(engine.terminate().success());
    assert_eq!(archived(home, &state, "*"), lines());
}

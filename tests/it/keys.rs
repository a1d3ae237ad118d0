//! `logwarden keys` and `logwarden decrypt`, through the real binary: the keys directory alone is enough to decrypt
//! sealed values.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use logwarden::privacy::{Keyring, Month, Sealer};

use crate::program::{expect, logwarden, run, text};

struct Case {
    home: tempfile::TempDir,
    keys: PathBuf,
}

impl Case {
    fn new() -> Case {
        let home = tempfile::tempdir().unwrap();
        let keys = home.path().join("keys");
        Case { keys, home }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = logwarden(self.home.path());
        command.arg("--keys").arg(&self.keys).args(arguments);
        command
    }

    /// Returns standard output and standard error; checks the exit code.
    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output = run(&mut self.command(arguments));
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn pipe(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        output
    }

    fn seal(&self, month: &str, value: &str) -> String {
        let sealer = Sealer::new(Arc::new(Keyring::open_or_create(&self.keys).unwrap())).unwrap();
        let mut token = String::new();
        sealer
            .seal(Month::typed(month).unwrap(), "clientid", value, &mut token, &mut String::new())
            .unwrap();
        token
    }
}

#[test]
fn keys_are_created_listed_checked_and_rotated() {
    let case = Case::new();
    let (_, err) = case.run(&["keys", "list"], 2);
    assert!(err.contains("create it with: mkdir -m 700"), "{err}");
    let (out, err) = case.run(&["keys", "new", "2021-04"], 0);
    assert!(out.starts_with("2021_April ") && err.contains("backup"), "{out}{err}");
    let (_, err) = case.run(&["keys", "new", "apr 2021"], 1);
    assert!(err.contains("2021_April already has a key"), "{err}");
    case.seal("2021_April", "x");
    let (out, _) = case.run(&["keys", "rotate", "2021_April"], 0);
    assert!(out.starts_with("2021_April.2 "), "{out}");
    let (out, _) = case.run(&["keys", "list"], 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[1].starts_with("2021_April    ") && lines[1].ends_with("  used"), "{out}");
    assert!(
        lines[2].starts_with("2021_April.2  ") && lines[2].ends_with("  not used yet"),
        "{out}"
    );
    let (out, _) = case.run(&["keys", "list", "--format", "json"], 0);
    let keys: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&keys[0]["key"], &keys[0]["state"]), (&"2021_April".into(), &"ready".into()));
    case.run(&["keys", "check"], 0);
    let loose = case.keys.join("2021_April.key");
    std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (out, _) = case.run(&["keys", "check"], 1);
    assert!(out.contains("ERROR 2021_April: ") && out.contains("chmod 600 "), "{out}");
    assert!(out.contains("ok    2021_April.2: not used yet"), "{out}");
    case.run(&["keys", "new", "smarch"], 2);
    case.run(&["keys", "new"], 0);
}

/// A key of mode 0400 is overwritten: a second link to it shows zeros. Runs as another user, because root can write to
/// any file.
#[test]
fn a_read_only_key_is_overwritten_too() {
    use std::os::unix::fs::{MetadataExt, chown};
    use std::os::unix::process::CommandExt;

    let case = Case::new();
    let other_user = 65_534;
    let superuser = case.home.path().metadata().unwrap().uid() == 0;
    let as_other_user = |arguments: &[&str]| {
        let mut command = case.command(arguments);
        if superuser {
            command.uid(other_user).gid(other_user);
        }
        command.output()
    };
    if superuser {
        chown(case.home.path(), Some(other_user), Some(other_user)).unwrap();
    }
    match as_other_user(&["keys", "new", "2021_April"]) {
        Ok(made) => assert!(made.status.success(), "{}", text(&made.stderr)),
        // The binary is in a directory that another user cannot access.
        Err(error) => return println!("SKIPPED: {error}"),
    }
    let (key, other) = (case.keys.join("2021_April.key"), case.home.path().join("other"));
    std::fs::hard_link(&key, &other).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o400)).unwrap();
    let destroy = ["keys", "destroy", "2021_April", "--confirm", "2021_April"];
    let destroyed = as_other_user(&destroy).unwrap();
    assert!(destroyed.status.success(), "{}", text(&destroyed.stderr));
    let left = std::fs::read(&other).unwrap();
    assert!(!left.is_empty() && left.iter().all(|byte| *byte == 0), "{left:?}");
}

#[test]
fn later_reads_of_a_destroyed_month_report_the_destruction() {
    let case = Case::new();
    let (april, may) = (case.seal("2021_April", "CLIENTID2"), case.seal("2021_May", "CLIENTID3"));
    case.run(&["keys", "rotate", "2021_April"], 0);
    for wrong in [
        &["keys", "destroy", "2021_April"][..],
        &["keys", "destroy", "2021_April", "--confirm", "yes"],
    ] {
        let (_, err) = case.run(wrong, 1);
        assert!(
            err.contains("2021_April.key, 2021_April.2.key would be destroyed permanently"),
            "{err}"
        );
        assert!(err.contains("nothing was destroyed"), "{err}");
    }
    let (out, _) = case.run(&["decrypt", &april], 0);
    assert_eq!(out, "CLIENTID2\n");
    let (out, err) = case.run(&["keys", "destroy", "2021-04", "--confirm", "2021_April"], 0);
    assert_eq!(out, "2021_April destroyed\n2021_April.2 destroyed\n");
    assert!(err.contains("backups"), "{err}");
    let (out, err) = case.run(&["decrypt", &april], 1);
    assert!(out.is_empty() && err.contains("the key of 2021_April was destroyed on 2"), "{err}");
    assert_eq!(case.run(&["decrypt", &may], 0).0, "CLIENTID3\n");
    let (out, _) = case.run(&["keys", "list"], 0);
    assert!(out.contains("destroyed on 2"), "{out}");
    case.run(&["keys", "destroy", "2021_April", "--confirm", "2021_April"], 1);
}

#[test]
fn a_raw_key_is_imported_and_a_backup_decrypts_everything() {
    let case = Case::new();
    let raw = case.home.path().join("raw");
    std::fs::write(&raw, [b"k".as_slice(), &[7; 31]].concat()).unwrap();
    let raw_name = raw.display().to_string();
    let (out, _) = case.run(&["keys", "import", "2021_April", &raw_name], 0);
    assert!(out.starts_with("2021_April "), "{out}");
    case.run(&["keys", "import", "2021_April", &raw_name], 1);
    for (bytes, messages) in
        [(31, "contains 31 bytes"), (33, "contains 33 bytes"), (99, "64 or more bytes")]
    {
        std::fs::write(&raw, vec![7; bytes]).unwrap();
        let (_, err) = case.run(&["keys", "import", "2021_May", &raw_name], 2);
        assert!(err.contains(messages) && err.contains("a raw key has 32"), "{err}");
    }
    let token = case.seal("2021_April", "CLIENTID2");
    let backup = case.home.path().join("backup").display().to_string();
    let (_, err) = case.run(&["keys", "backup", &backup], 0);
    assert!(err.contains("1 key copied"), "{err}");
    std::fs::remove_dir_all(&case.keys).unwrap();
    let mut command = logwarden(case.home.path());
    assert_eq!(expect(command.args(["--keys", &backup, "decrypt", &token]), 0), "CLIENTID2\n");
}

#[test]
fn decrypt_copies_all_other_bytes_unchanged_and_counts_undecrypted_tokens() {
    let case = Case::new();
    let (one, quote) = (case.seal("2021_April", "CLIENTID2"), case.seal("2021_May", "a\"b"));
    let foreign = Case::new().seal("2021_April", "X");
    let text = format!("{{\"client id\":\"{quote}\"}}\r\n\0\u{1b}[31m {one}\n{one}-2 enc1. ");
    let clear = "{\"client id\":\"a\\\"b\"}\r\n\0\u{1b}[31m CLIENTID2\nCLIENTID2-2 enc1. ";
    let binary = [text.as_bytes(), &[0xff, 0xfe, b'"']].concat();
    let output = case.pipe(&["decrypt", "-"], &binary);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, [clear.as_bytes(), &[0xff, 0xfe, b'"']].concat());
    let file = case.home.path().join("events.jsonl");
    std::fs::write(&file, format!("{one} {foreign} {foreign} {}", &one[..60])).unwrap();
    let (out, err) = case.run(&["decrypt", &file.display().to_string()], 1);
    assert_eq!(out, format!("CLIENTID2 {foreign} {foreign} {}", &one[..60]));
    assert!(err.contains("3 of 4 tokens cannot be decrypted and are copied unchanged"), "{err}");
    assert!(err.contains("2 × no key ") && err.contains(" of 2021_April in "), "{err}");
    assert!(err.contains("1 × invalid token: truncated or modified"), "{err}");
}

/// [Audit] Each decryption is recorded with its actor. If the audit log cannot be written, this is reported, and
/// decryption still works.
#[test]
fn decrypt_records_each_decryption_in_the_audit_log_without_values() {
    let case = Case::new();
    let (one, other) = (case.seal("2021_April", "CLIENTID2"), case.seal("2021_May", "CLIENTID3"));
    let audit = case.home.path().join("state/logwarden/audit.jsonl");
    let lines = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&audit).unwrap_or_default();
        assert!(!text.contains("CLIENTID"), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    case.run(&["decrypt", "enc1.AAAA"], 1);
    assert!(lines().is_empty());
    case.run(&["decrypt", &one], 0);
    assert_eq!(lines().len(), 1);
    assert_eq!(lines()[0]["file"], "the command line");
    assert_eq!(audit.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // One record for the first value of each month, one for their number.
    let file = case.home.path().join("CLIENTID2.jsonl");
    std::fs::write(&file, format!("{one}\n{one}\n{other}\n{one}\n")).unwrap();
    case.run(&["decrypt", &file.display().to_string()], 0);
    let found = lines().split_off(1);
    let month_and_values =
        |line: &serde_json::Value| (line["month"].clone(), line["values"].clone());
    let expected = [("2021_April", None), ("2021_May", None), ("2021_April", Some(3))];
    let expected = expected.map(|(month, values)| (month.into(), values.into()));
    assert_eq!(
        found.iter().map(month_and_values).collect::<Vec<(serde_json::Value, serde_json::Value)>>(),
        expected
    );
    assert!(found[0]["file"].as_str().unwrap().ends_with("/[sealed].jsonl"), "{found:?}");
    assert!(found.iter().all(|line| line["by"] == "decrypt" && line["field"] == "clientid"));
    // The audit log cannot be written.
    std::fs::remove_file(&audit).unwrap();
    std::fs::create_dir(&audit).unwrap();
    let (out, err) = case.run(&["decrypt", &file.display().to_string()], 0);
    assert_eq!(out, "CLIENTID2\nCLIENTID2\nCLIENTID3\nCLIENTID2\n");
    assert_eq!(err.matches("decryption continues without an audit record").count(), 1, "{err}");
}

#[test]
fn an_endless_stream_uses_constant_memory() {
    let case = Case::new();
    let one = case.seal("2021_April", "CLIENTID2");
    // Without a line end, and only of characters that a token can contain.
    let mut text = vec![b'A'; 60 << 20];
    text[..5].copy_from_slice(b"enc1.");
    text.extend_from_slice(format!(" {one}").as_bytes());
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 400000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_logwarden")]);
    limited.arg("--keys").arg(&case.keys).args(["decrypt", "-"]);
    limited.env("HOME", case.home.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = limited.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&text).map(|()| text.len()));
    let output = child.wait_with_output().unwrap();
    let length = writer.join().unwrap().unwrap();
    assert_eq!(output.stdout.len(), length - one.len() + "CLIENTID2".len());
    assert!(output.stdout.ends_with(b"A CLIENTID2"));
    assert_eq!(output.status.code(), Some(1), "one text that begins like a token");
}

#[test]
fn check_reports_the_state_of_the_keys() {
    let case = Case::new();
    let (out, _) = case.run(&["check"], 0);
    assert!(out.contains("/keys: not found; created with the first key"), "{out}");
    case.seal("2021_April", "x");
    case.seal("2021_May", "x");
    let (out, _) = case.run(&["check"], 0);
    assert!(out.contains("/keys: only its owner can write to it; 2 usable, 0 destroyed"), "{out}");
    assert!(
        out.contains("ok    months with sealed values: 2021_April to 2021_May: key present"),
        "{out}"
    );
    assert!(
        out.contains("sealed only in their own field: not known, because no engine is running"),
        "{out}"
    );
    std::fs::remove_file(case.keys.join("2021_May.key")).unwrap();
    let (out, _) = case.run(&["check"], 1);
    assert!(
        out.contains("ERROR key 2021_May: key ") && out.contains("was used but is missing"),
        "{out}"
    );
    assert!(
        out.contains(
            "ERROR months with sealed values: 2021_May: key missing; 2021_April: key present"
        ),
        "{out}"
    );
    std::fs::set_permissions(&case.keys, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (out, _) = case.run(&["check"], 1);
    assert!(out.contains("is writable by others"), "{out}");
}

#[test]
fn a_wrong_argument_is_reported() {
    let case = Case::new();
    case.seal("2021_April", "x");
    let (_, err) = case.run(&["decrypt", "enc1.AAAA"], 1);
    assert!(err.contains("invalid token: "), "{err}");
    let (_, err) = case.run(&["decrypt", "/nowhere/file"], 2);
    assert!(err.contains("/nowhere/file: no such file"), "{err}");
    let missing = case.home.path().join("none").display().to_string();
    let mut command = logwarden(case.home.path());
    let output = run(command.args(["decrypt", "enc1.AAAA", "--keys", &missing]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("create it with: mkdir -m 700"), "{output:?}");
    assert!(!Path::new(&missing).exists());
}

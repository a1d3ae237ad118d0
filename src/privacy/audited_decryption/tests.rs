use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::base::Timestamp;
use crate::base::clock::ManualClock;
use crate::privacy::audit::Actor;
use crate::privacy::keys::Slot;
use crate::privacy::tests::keys::{Keys, month};

struct Case {
    keys: Keys,
    disclosure: AuditedDecryptor,
}

impl Case {
    fn new() -> Case {
        let keys = Keys::new();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_617_235_200)));
        let who = Actor { user: Some("ann".to_owned()), host: "web1".to_owned(), by: "test" };
        let path = keys.home().join("state/audit.jsonl");
        let disclosure = AuditedDecryptor::new(keys.keyring(), Audit::new(path, who, clock));
        Case { keys, disclosure }
    }

    fn seal(&self, in_month: &str, value: &str) -> String {
        self.keys.seal(month(in_month), "clientid", value)
    }

    fn audit(&self) -> PathBuf {
        self.keys.home().join("state/audit.jsonl")
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.audit()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn open(&self, text: &str) -> Result<(Vec<String>, Vec<String>), AuditError> {
        let place = TokenLocation { file: "/logs/of-CLIENTID2.jsonl", offset: Some(7) };
        let disclosed = self.disclosure.open(text.as_bytes(), place)?;
        let values = disclosed.values.iter().map(|opened| opened.value.to_string()).collect();
        Ok((values, disclosed.problems))
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn every_decryption_is_one_audit_line_without_the_value() {
    let case = Case::new();
    let (one, again, two) = (
        case.seal("2021_April", "CLIENTID2"),
        case.seal("2021_April", "CLIENTID2"),
        case.seal("2021_May", "CLIENTID3"),
    );
    let (values, problems) =
        case.open(&format!("{{\"a\":\"{one}\",\"b\":\"x {again} {two}\"}}")).unwrap();
    assert_eq!(values, texts(&["CLIENTID2", "CLIENTID3"]));
    assert_eq!(problems, texts(&[]));
    let lines = case.lines();
    assert_eq!(lines.len(), 2);
    let key = case.keys.keyring().for_sealing(month("2021_April")).unwrap();
    let expected = serde_json::json!({
        "time": "2021-04-01T00:00:00.000Z", "uid": rustix::process::getuid().as_raw(), "user": "ann",
        "host": "web1", "by": "test", "key": key.id().to_string(), "month": "2021_April",
        "field": "clientid", "file": "/logs/of-[sealed].jsonl", "offset": 7,
    });
    assert_eq!(lines[0], expected);
    assert_eq!(lines[1]["month"], "2021_May");
    let text = std::fs::read_to_string(case.audit()).unwrap();
    assert!(!text.contains("CLIENTID"), "{text}");
    let mode = case.audit().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        !format!(
            "{:?}",
            case.disclosure.open(one.as_bytes(), TokenLocation { file: "", offset: None })
        )
        .contains("CLIENTID2")
    );
}

#[test]
fn failed_decryptions_are_reported_without_an_audit_line() {
    let case = Case::new();
    let (april, may) = (case.seal("2021_April", "CLIENTID2"), case.seal("2021_May", "CLIENTID3"));
    case.keys.keyring().destroy(Slot::first(month("2021_April"))).unwrap();
    let away = case.keys.home().join("keys/2021_May.key");
    std::fs::rename(&away, case.keys.home().join("away")).unwrap();
    let (values, problems) =
        case.open(&format!("{april} {may} {may} enc1.{}", "A".repeat(150))).unwrap();
    assert_eq!(values, texts(&[]));
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("2021_April was destroyed on"), "{problems:?}");
    assert!(problems[1].contains("2021_May was used but is missing"), "{problems:?}");
    assert!(case.lines().is_empty());
}

#[test]
fn a_repaired_key_decrypts_at_the_next_attempt() {
    let case = Case::new();
    let token = case.seal("2021_April", "CLIENTID2");
    let key = case.keys.home().join("keys/2021_April.key");
    let set = |mode| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o644);
    let (values, problems) = case.open(&token).unwrap();
    assert!(values.is_empty() && problems[0].contains("chmod 600"), "{problems:?}");
    set(0o600);
    assert_eq!(case.open(&token).unwrap(), (texts(&["CLIENTID2"]), texts(&[])));
}

/// Without its audit line, no value is returned.
#[test]
fn nothing_is_decrypted_without_an_audit_line() {
    let case = Case::new();
    let token = case.seal("2021_April", "CLIENTID2");
    case.open(&token).unwrap();
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&case.audit(), 0o644);
    let problem = case.open(&token).unwrap_err().to_string();
    assert!(problem.contains("chmod 600"), "{problem}");
    std::fs::remove_file(case.audit()).unwrap();
    std::os::unix::fs::symlink("/dev/null", case.audit()).unwrap();
    assert!(matches!(case.open(&token), Err(AuditError::Open { .. })));
    std::fs::remove_file(case.audit()).unwrap();
    std::fs::create_dir(case.audit()).unwrap();
    assert!(matches!(case.open(&token), Err(AuditError::Open { .. })));
    std::fs::remove_dir_all(case.audit().parent().unwrap()).unwrap();
    std::fs::write(case.audit().parent().unwrap(), "").unwrap();
    assert!(matches!(case.open(&token), Err(AuditError::Directory { .. })));
}

#[test]
fn an_incomplete_line_of_a_killed_process_damages_no_other() {
    let case = Case::new();
    let token = case.seal("2021_April", "CLIENTID2");
    case.open(&token).unwrap();
    let whole = std::fs::read_to_string(case.audit()).unwrap();
    std::fs::write(case.audit(), format!("{whole}{{\"time\":\"20")).unwrap();
    case.open(&token).unwrap();
    let text = std::fs::read_to_string(case.audit()).unwrap();
    assert_eq!(text, format!("{whole}{{\"time\":\"20\n{whole}"));
}

//! Client ids on the screen: shown in full, hidden by the mask, and decrypted from tokens on request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use logwarden::base::SystemClock;
use logwarden::privacy::audit::Actor;
use logwarden::privacy::{
    AddressMode, Audit, AuditedDecryptor, Keyring, Month, Pattern, Policy, Sealer,
};
use logwarden::ui::Mask;
use ratatui::buffer::Cell;

use super::memory_terminal::{PATIENCE, Screen, Setup};
use super::scenes::{NOW, directory, write};
use crate::program::wait_for;

const ID: &str = "MKQWERTYUI";
const ADDRESS: &str = "192.0.2.77";

fn policy() -> Arc<Policy> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let pattern = Pattern::new("client_id", regex::Regex::new(r"customer (\w+)").unwrap()).unwrap();
    let policy = Policy::new(&names(&["client_id"]), false)
        .with_addresses(&names(&["ip"]), AddressMode::Hmac, false)
        .with_patterns(vec![pattern]);
    Arc::new(policy)
}

/// With a message, without one, over several lines; a short id, an address, and an id that only a pattern finds.
fn log(directory: &Path) -> PathBuf {
    let time = |second: i64| {
        jiff::Timestamp::from_second(NOW - 60 + second).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ")
    };
    let first = time(0);
    let mut text = format!(
        "{{\"time\":\"{first}\",\"level\":\"error\",\"CLIENT ID\":\"{ID}\",\"ip\":\"{ADDRESS}\",\
         \"message\":\"login of {ID} failed\\nfrom {ADDRESS}\\nfor {ID}\",\
         \"request\":{{\"clientId\":\"{ID}\",\"list\":[\"{ID}\"]}}}}\n"
    );
    text += &format!("{{\"time\":\"{}\",\"client_id\":\"Q9\",\"status\":201}}\n", time(1));
    text += &format!("{{\"time\":\"{}\",\"message\":\"customer Wanda42 came\"}}\n", time(2));
    text += &format!("{{\"time\":\"{}\",\"message\":\"the end\"}}\n", time(3));
    write(directory, &format!("of {ID}.json"), &text)
}

const HIDDEN: [&str; 4] = [ID, ADDRESS, "Q9", "Wanda42"];

#[track_caller]
fn hides_all(text: &str) {
    // The file name is in the list of files; it is not part of a record.
    let text = text.replace(&format!("of {ID}.json"), "").replace("of MKQWER", "");
    for hidden in HIDDEN {
        assert!(!text.contains(hidden), "{hidden} is on the screen:\n{text}");
    }
}

#[test]
fn no_sealed_value_is_on_a_masked_screen() {
    let directory = directory();
    let path = log(directory.path());
    let mask = Mask::new(policy(), false);
    let mut screen = Setup { mask, ..Setup::new(160, 50) }.open(&[path]);
    let text = screen.wait_for_text("the end");
    for shown in HIDDEN {
        assert!(text.contains(shown), "{shown} is missing in:\n{text}");
    }
    assert!(!text.contains("masked"));
    screen.press("m");
    let text = screen.wait_for("masked", |text| text.contains(" masked") && text.contains("end"));
    hides_all(&text);
    assert!(text.contains("login of [sealed] failed"), "{text}");
    assert!(text.contains("from [sealed]"), "{text}");
    assert!(text.contains("customer [sealed] came"), "{text}");
    assert!(text.contains("client_id=[sealed]  status=201"), "{text}");
    // The detail of each.
    for _ in 0..4 {
        screen.press("enter");
        let text = screen.wait_for_text("the raw record is hidden");
        hides_all(&text);
        screen.press("esc k");
        screen.rest();
    }
    screen.press("m");
    screen.wait_for_text("mask off");
    screen.wait_for_text("Wanda42");
}

#[test]
fn masked_values_are_not_found_and_typed_patterns_are_not_drawn() {
    let directory = directory();
    let path = log(directory.path());
    let mask = Mask::new(policy(), false);
    let mut screen = Setup { mask, ..Setup::new(160, 50) }.open(&[path]);
    screen.wait_for_text("the end");
    screen.press("&");
    screen.type_text(&format!("client_id:{ID}\r"));
    screen.wait_for("the filter", |text| text.contains("from") && !text.contains("the end"));
    screen.press("m");
    let text = screen.wait_for_text("nothing matches");
    hides_all(&text);
    screen.press("& enter");
    screen.wait_for_text("the end");
    screen.press("/");
    screen.type_text("wanda\r");
    screen.wait_for_text("no match for");
    screen.press("/");
    screen.type_text("customer .sealed. came\r");
    let text = screen.wait_for_text("/***/");
    hides_all(&text);
    let marked = || {
        screen.terminal.with(|backend| {
            let cells = backend.buffer().content.iter();
            let yellow = cells.filter(|cell| cell.bg == ratatui::style::Color::Yellow);
            yellow.map(Cell::symbol).collect::<String>()
        })
    };
    wait_for("the match is marked", PATIENCE, || {
        marked().contains("customer [sealed] came").then_some(())
    });
}

/// The setting `mask`, and a policy that hides nothing.
#[test]
fn a_screen_can_start_masked_and_reports_when_there_is_nothing_to_mask() {
    let directory = directory();
    let path = log(directory.path());
    let masked = Setup { mask: Mask::new(policy(), true), ..Setup::new(160, 50) };
    let screen = masked.open(std::slice::from_ref(&path));
    hides_all(&screen.wait_for_text("the end"));
    let mut screen = Setup::new(160, 50).open(&[path]);
    screen.wait_for_text("the end");
    screen.press("m");
    let text = screen.wait_for_text("nothing to mask");
    assert!(text.contains(ID) && !text.contains(" masked"), "{text}");
}

/// An output with tokens of two months, the keys, and the audit log.
struct Sealed {
    directory: tempfile::TempDir,
    sealer: Sealer,
}

impl Sealed {
    fn new() -> Sealed {
        let directory = directory();
        let keyring = Keyring::open_or_create(&directory.path().join("keys")).unwrap();
        Sealed { sealer: Sealer::new(Arc::new(keyring)).unwrap(), directory }
    }

    fn token(&self, month: &str, value: &str) -> String {
        let mut token = String::new();
        let month = Month::typed(month).unwrap();
        self.sealer.seal(month, "clientid", value, &mut token, &mut String::new()).unwrap();
        token
    }

    fn output(&self) -> PathBuf {
        let (april, may) = (self.token("2021_April", ID), self.token("2021_May", "MKOTHERID"));
        let time = jiff::Timestamp::from_second(NOW - 60).unwrap();
        let line = |message: &str, token: &str| {
            format!(
                "{{\"@timestamp\":\"{time}\",\"message\":\"{message} {token}\",\"CLIENT ID\":\"{token}\"}}\n"
            )
        };
        let text = line("one of April", &april) + &line("one of May", &may) + &line("no", "token");
        write(self.directory.path(), "out.jsonl", &text)
    }

    fn audit(&self) -> PathBuf {
        self.directory.path().join("state/audit.jsonl")
    }

    fn open(&self, path: PathBuf) -> Screen {
        let who = Actor { user: None, host: "here".to_owned(), by: "screen" };
        let audit = Audit::new(self.audit(), who, Arc::new(SystemClock::new()));
        let keyring = Keyring::lazy(&self.directory.path().join("keys"), false);
        let disclosure = Some(Arc::new(AuditedDecryptor::new(Arc::new(keyring), audit)));
        let mask = Mask::new(policy(), false);
        let setup = Setup { mask, disclosure, ..Setup::new(160, 50) };
        let screen = setup.open(&[path]);
        screen.wait_for_text("no token");
        screen
    }
}

#[test]
fn a_token_with_its_key_is_decrypted_until_the_details_are_left_and_the_audit_log_records_it() {
    let sealed = Sealed::new();
    let mut screen = sealed.open(sealed.output());
    screen.press("o");
    screen.wait_for_text("press Enter");
    screen.press("enter o");
    screen.wait_for_text("no token in this event");
    screen.press("esc k k enter");
    let text = screen.wait_for_text("o decrypt");
    assert!(!text.contains(ID), "{text}");
    assert!(!sealed.audit().exists());
    screen.press("o");
    let text = screen.wait_for_text("recorded in the audit log");
    assert!(text.contains(&format!("clientid   2021_April  {ID}")), "{text}");
    let written = std::fs::read_to_string(sealed.audit()).unwrap();
    let line: serde_json::Value = serde_json::from_str(written.trim_end()).unwrap();
    assert_eq!((&line["by"], &line["month"]), (&"screen".into(), &"2021_April".into()));
    assert_eq!((&line["offset"], &line["field"]), (&0.into(), &"clientid".into()));
    assert!(line["file"].as_str().unwrap().ends_with("/out.jsonl"), "{line}");
    assert!(!written.contains(ID), "{written}");
    // After the details were closed and opened again, the token is not decrypted.
    screen.press("esc enter");
    let text = screen.rest();
    assert!(text.contains("fields") && !text.contains(ID), "{text}");
    screen.press("o");
    screen.wait_for_text(ID);
    // The mask hides it too, and prevents decryption.
    screen.press("m");
    let text = screen.wait_for_text("the raw record is hidden");
    assert!(!text.contains(ID), "{text}");
    screen.press("o");
    screen.wait_for_text("turn the mask off to decrypt tokens");
    screen.press("m");
    screen.wait_for_text("mask off");
    let text = screen.rest();
    assert!(!text.contains(ID), "{text}");
    assert_eq!(std::fs::read_to_string(sealed.audit()).unwrap().lines().count(), 2);
}

#[test]
fn a_token_without_its_key_or_without_an_audit_log_is_not_decrypted() {
    let sealed = Sealed::new();
    let path = sealed.output();
    let keys = sealed.directory.path().join("keys");
    std::fs::rename(keys.join("2021_May.key"), sealed.directory.path().join("away")).unwrap();
    let mut screen = sealed.open(path);
    screen.press("k enter o");
    screen.wait_for_text("2021_May was used but is missing");
    assert!(!sealed.audit().exists());
    screen.press("esc k enter");
    std::fs::create_dir_all(sealed.audit()).unwrap();
    screen.press("o");
    let text = screen.wait_for_text("not decrypted: cannot open the audit file");
    assert!(!text.contains(ID), "{text}");
    std::fs::remove_dir(sealed.audit()).unwrap();
    screen.press("o");
    screen.wait_for_text(ID);
}

//! What the screen shows of ids: all of it, nothing under the mask.

use logwarden::privacy::{AddressMode, Pattern, Policy};

use super::*;

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
fn log(folder: &Path) -> PathBuf {
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
    write(folder, &format!("of {ID}.json"), &text)
}

const HIDDEN: [&str; 4] = [ID, ADDRESS, "Q9", "Wanda42"];

#[track_caller]
fn hides_all(text: &str) {
    // The name of the file is in the list of sources, and no text of a record.
    let text = text.replace(&format!("of {ID}.json"), "").replace("of MKQWER", "");
    for hidden in HIDDEN {
        assert!(!text.contains(hidden), "{hidden} is on the screen:\n{text}");
    }
}

#[test]
fn nothing_that_never_leaves_in_clear_is_on_a_masked_screen() {
    let folder = folder();
    let path = log(folder.path());
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
        let text = screen.wait_for_text("the record itself is not shown");
        hides_all(&text);
        screen.press("esc k");
        screen.rest();
    }
    screen.press("m");
    screen.wait_for_text("records are shown as they are");
    screen.wait_for_text("Wanda42");
}

#[test]
fn what_is_masked_is_not_found_and_what_was_typed_is_not_drawn() {
    let folder = folder();
    let path = log(folder.path());
    let mask = Mask::new(policy(), false);
    let mut screen = Setup { mask, ..Setup::new(160, 50) }.open(&[path]);
    screen.wait_for_text("the end");
    screen.press("&");
    screen.type_text(&format!("client_id:{ID}\r"));
    screen.wait_for("the filter", |text| text.contains("from") && !text.contains("the end"));
    screen.press("m");
    let text = screen.wait_for_text("no event is shown");
    hides_all(&text);
    screen.press("& enter");
    screen.wait_for_text("the end");
    screen.press("/");
    screen.type_text("wanda\r");
    screen.wait_for_text("no older match");
    screen.press("/");
    screen.type_text("customer .sealed. came\r");
    let text = screen.wait_for_text("/***/");
    hides_all(&text);
    let marked = || {
        screen.glass.with(|backend| {
            let cells = backend.buffer().content.iter();
            let yellow = cells.filter(|cell| cell.bg == ratatui::style::Color::Yellow);
            yellow.map(Cell::symbol).collect::<String>()
        })
    };
    wait_for("the match is marked", PATIENCE, || {
        marked().contains("customer [sealed] came").then_some(())
    });
}

/// The setting, and a policy that hides nothing.
#[test]
fn a_screen_may_begin_masked_and_says_when_there_is_nothing_to_mask() {
    let folder = folder();
    let path = log(folder.path());
    let masked = Setup { mask: Mask::new(policy(), true), ..Setup::new(160, 50) };
    let screen = masked.open(std::slice::from_ref(&path));
    hides_all(&screen.wait_for_text("the end"));
    let mut screen = Setup::new(160, 50).open(&[path]);
    screen.wait_for_text("the end");
    screen.press("m");
    let text = screen.wait_for_text("there is nothing to mask");
    assert!(text.contains(ID) && !text.contains(" masked"), "{text}");
}

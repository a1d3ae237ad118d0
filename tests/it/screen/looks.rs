//! The display of the screen: panes, colours, help, unusual text and unusual sizes.

use logwarden::ui::Palette;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

use super::memory_terminal::{Setup, snapshot, text_of};
use super::scenes::{busy, directory, line, two_logs, write};

fn snapshot_at(width: u16, height: u16) {
    let directory = directory();
    let paths = two_logs(directory.path());
    let screen = Setup { status: busy(), ..Setup::new(width, height) }.open(&paths);
    snapshot(&format!("screen_{width}x{height}"), || screen.rest());
}

#[test]
fn all_panes_fit_at_80x24() {
    snapshot_at(80, 24);
}

#[test]
fn all_panes_fit_at_120x40() {
    snapshot_at(120, 40);
}

#[test]
fn all_panes_fit_at_200x60() {
    snapshot_at(200, 60);
}

#[test]
fn a_small_screen_shows_one_pane_and_a_hint() {
    snapshot_at(59, 14);
}

/// The text, then the cells with a special style.
fn styled(buffer: &Buffer) -> String {
    let mut dump = text_of(buffer);
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let look = (cell.fg, cell.bg, cell.modifier);
            let start = x;
            while x < buffer.area.width
                && (buffer[(x, y)].fg, buffer[(x, y)].bg, buffer[(x, y)].modifier) == look
            {
                x += 1;
            }
            let text: String = (start..x).map(|x| buffer[(x, y)].symbol()).collect();
            let strong = Modifier::REVERSED | Modifier::BOLD | Modifier::UNDERLINED;
            if look.2.intersects(strong) {
                dump.push_str(&format!("{y:2} {:?} {:?}\n", look.2, text.trim_end()));
            }
            assert_eq!(format!("{:?}{:?}", look.0, look.1), "ResetReset", "colour at {start},{y}");
        }
    }
    dump
}

#[test]
fn without_colour_selection_and_matches_are_still_seen() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let setup =
        Setup { status: busy(), palette: Palette::Monochrome, ascii: true, ..Setup::new(80, 24) };
    let mut screen = setup.open(&paths);
    screen.wait_for_text("order 36");
    screen.press("/");
    screen.type_text("reset\r");
    screen.wait_for_text("/reset/");
    snapshot("screen_monochrome", || {
        screen.rest();
        screen.terminal.with(|backend| styled(backend.buffer()))
    });
    let dump = screen.terminal.with(|backend| styled(backend.buffer()));
    assert!(dump.is_ascii(), "{dump}");
}

#[test]
fn help_names_the_keys_and_detail_the_fields() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(100, 50).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("?");
    let help = screen.wait_for_text("follow the end, or pause scrolling");
    assert!(help.contains("ctrl-d"), "{help}");
    screen.press("esc /");
    screen.type_text("orders/36\r");
    screen.wait_for_text("/orders/36/");
    screen.press("enter");
    let detail = screen.wait_for_text("\"client\": \"10.0.0.36\"");
    for wanted in ["fields", "status", "200", "JSON", "raw", "web.json", "UTC"] {
        assert!(detail.contains(wanted), "{wanted} is missing in:\n{detail}");
    }
}

#[test]
fn times_are_shown_in_another_zone() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("as logged");
    screen.press("t");
    screen.wait_for_text("UTC");
}

#[test]
fn hostile_text_is_shown_and_never_executed() {
    let directory = directory();
    let text = line(0, "INFO", "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u{202e}drow\u{200b}\0\u{9b}")
        + &line(1, "INFO", "日本語 👩‍👩‍👧 e\u{301}\u{301}\u{301} wide")
        + &line(2, "INFO", "after");
    let name = "a\nb\x1b[31m.log";
    let path = write(directory.path(), name, &text);
    let mut screen = Setup::new(80, 24).open(&[path.clone(), write(directory.path(), "b.log", "")]);
    let text = screen.wait_for_text("after");
    assert!(text.contains("␛]0;owned␇"), "{text}");
    screen.press("enter");
    screen.rest();
    let evil = |symbol: &str| {
        symbol.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}'))
    };
    let bad = screen
        .terminal
        .with(|backend| backend.buffer().content.iter().any(|cell| evil(cell.symbol())));
    assert!(!bad, "{}", screen.text());
}

#[test]
fn any_size_is_safe_and_the_screen_comes_back() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup { status: busy(), ..Setup::new(80, 24) }.open(&paths);
    screen.wait_for_text("order 36");
    for (width, height) in
        [(1, 1), (2, 2), (5, 1), (1, 5), (20, 6), (59, 14), (60, 15), (300, 100), (3, 60), (80, 24)]
    {
        screen.resize(width, height);
        screen.press("tab ? j esc k pgup G /");
        screen.type_text("x\x1b");
        screen.press("esc");
        let frames = screen.frames();
        screen.press("ctrl-l");
        screen.wait_for("a frame", |_| screen.frames() > frames);
    }
    screen.press("esc G");
    screen.wait_for_text("order 36");
}

#[test]
fn a_size_that_changes_while_a_frame_is_drawn_is_safe() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup { status: busy(), ..Setup::new(100, 60) }.open(&paths);
    screen.wait_for_text("order 36");
    let (memory_terminal, queries) = (screen.terminal.clone(), 40);
    for sizes in
        [&[(100, 60), (60, 15), (120, 40)][..], &[(100, 60), (60, 15)], &[(120, 9), (1, 1)]]
    {
        memory_terminal.change_size_at_each_query(sizes);
        let enough = memory_terminal.sizes_given() + queries;
        while memory_terminal.sizes_given() < enough {
            assert!(!screen.thread.as_ref().unwrap().is_finished(), "the screen has ended");
            let frames = screen.frames();
            screen.press("tab ? j esc");
            screen.wait_for("a frame", |_| screen.frames() > frames);
        }
    }
    memory_terminal.change_size_at_each_query(&[]);
    screen.resize(80, 24);
    screen.press("esc G");
    screen.wait_for_text("order 36");
}

#[test]
fn a_full_redraw_sends_the_terminal_no_query() {
    let directory = directory();
    let mut screen = Setup::new(80, 24).open(&two_logs(directory.path()));
    screen.wait_for_text("order 36");
    screen.rest();
    screen.terminal.with(ratatui::backend::Backend::clear).unwrap();
    assert!(!screen.text().contains("order 36"));
    screen.press("ctrl-l");
    screen.wait_for_text("order 36");
    assert_eq!(screen.terminal.cursor_queries(), 0);
}

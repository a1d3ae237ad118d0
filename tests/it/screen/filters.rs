//! Levels, searches, filters and hidden files: the shown events and the marked matches.

use ratatui::buffer::Cell;

use super::memory_terminal::Setup;
use super::scenes::{directory, line, numbered, two_logs, write};

#[test]
fn levels_are_toggled_and_the_minimum_raised() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    let shows = |text: &str, letter: char| {
        text.lines().any(|line| line.starts_with("10:2") && line.chars().nth(13) == Some(letter))
    };
    screen.press("3");
    screen.wait_for("no info", |text| !shows(text, 'I') && shows(text, 'E'));
    screen.press("3 > > > > >");
    let text = screen.wait_for("only errors", |text| !shows(text, 'W') && shows(text, 'E'));
    assert!(text.contains("error or worse"), "{text}");
    screen.press("<");
    screen.wait_for("warnings too", |text| shows(text, 'W') && !shows(text, 'I'));
    screen.press("< < < <");
    screen.wait_for("all", |text| shows(text, 'D') && shows(text, 'I'));
}

#[test]
fn search_covers_the_whole_file_and_marks_matches() {
    let directory = directory();
    let mut text = numbered(30_000);
    text.insert_str(text.len() / 2, &line(1_500, "ERROR", "needle in the middle"));
    text.insert_str(0, &line(0, "ERROR", "first Needle"));
    let path = write(directory.path(), "a.log", &text);
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 29999");
    screen.press("/");
    screen.type_text("needle\r");
    screen.wait_for_text("needle in the middle");
    screen.press("N");
    screen.wait_for_text("first Needle");
    screen.press("N");
    screen.wait_for_text("wrapped to the end");
    screen.wait_for_text("needle in the middle");
    let found = screen.terminal.with(|backend| {
        let buffer = backend.buffer();
        let marked = |cell: &&Cell| cell.bg == ratatui::style::Color::Yellow;
        buffer.content.iter().filter(marked).map(Cell::symbol).collect::<String>()
    });
    assert!(found.contains("needle"), "{found}");
    // Smart case: a capital counts.
    screen.press("/");
    screen.type_text("Needle\r");
    screen.wait_for_text("first Needle");
}

#[test]
fn filters_include_and_exclude_by_query_or_expression() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("&");
    screen.type_text("level>=warning\r");
    screen.wait_for("warnings and errors", |text| {
        text.contains("queue is 81 %") && !text.contains("stored in")
    });
    screen.press("&");
    screen.type_text("!/queue/\r");
    screen.wait_for("errors", |text| text.contains("cannot store") && !text.contains("queue is"));
    screen.press("\\");
    screen.wait_for_text("stored in");
    screen.press("\\");
    screen.wait_for("errors", |text| !text.contains("stored in"));
    screen.press("& enter");
    screen.wait_for_text("stored in");
    screen.press("&");
    screen.type_text("client:10.0.0.36\r");
    screen.wait_for("one event", |text| {
        text.contains("GET /orders/36") && !text.contains("order 35")
    });
}

#[test]
fn a_filter_that_leaves_nothing_says_so() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("&");
    screen.type_text("nowhere\r");
    screen.wait_for_text("nothing matches");
    screen.press("\\");
    screen.wait_for_text("order 36");
}

#[test]
fn a_source_is_hidden_and_shown_again() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("GET /orders/36");
    screen.press("/");
    screen.type_text("orders/36\r");
    screen.wait_for_text("/orders/36/");
    screen.press("x");
    screen.wait_for("no web log", |text| !text.contains("GET /orders"));
    screen.wait_for_text("1 hidden");
    screen.press("tab j x");
    screen.wait_for_text("GET /orders/");
}

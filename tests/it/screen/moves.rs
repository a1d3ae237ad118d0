//! Following the end, pausing, and paging through a file.

use super::memory_terminal::Setup;
use super::scenes::{append, directory, line, numbered, write};

#[test]
fn new_lines_are_shown_while_following_and_counted_while_paused() {
    let directory = directory();
    let path = write(directory.path(), "a.log", &numbered(500));
    let mut screen = Setup::new(80, 24).open(std::slice::from_ref(&path));
    screen.wait_for_text("event 498");
    append(&path, &line(100, "ERROR", "fresh one"));
    append(&path, &line(101, "INFO", "and its neighbour"));
    screen.wait_for_text("fresh one");
    screen.press("k k");
    screen.wait_for_text("paused");
    let before = screen.rest();
    let more: String = (0..312).map(|n| line(200, "INFO", &format!("later {n}"))).collect();
    append(&path, &more);
    append(&path, &line(300, "INFO", "last"));
    // The neighbour was open until now.
    screen.wait_for_text("paused, 313 new");
    assert!(!screen.text().contains("later 3"), "{}", screen.text());
    assert!(before.contains("fresh one"));
    screen.press("F");
    let text = screen.wait_for_text("later 311");
    assert!(text.contains("following"));
    assert!(!text.contains("new"));
}

#[test]
fn the_whole_file_is_walked_to_its_top_and_back() {
    let directory = directory();
    let path = write(directory.path(), "a.log", &numbered(60_000));
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 59999 here");
    screen.press("g");
    screen.wait_for_text("event 0 here");
    for _ in 0..30 {
        screen.press("pgdn");
    }
    screen.wait_for_text("event 450 here");
    for _ in 0..40 {
        screen.press("pgup");
    }
    screen.wait_for_text("event 0 here");
    screen.press("G");
    screen.wait_for_text("event 59999 here");
    for _ in 0..100 {
        screen.press("b");
    }
    // A page is one line less than the screen has.
    let text = screen.wait_for("a hundred pages", |text| text.contains("event 58"));
    assert!(text.contains("paused"));
}

#[test]
fn paging_up_and_down_shows_every_line_once() {
    let directory = directory();
    let path = write(directory.path(), "a.log", &numbered(1_000));
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 999 here");
    screen.press("g");
    screen.wait_for_text("event 0 here");
    let numbers = |text: &str| -> Vec<u32> {
        let number = |line: &str| line.split("event ").nth(1)?.split(' ').next()?.parse().ok();
        text.lines().filter_map(number).collect()
    };
    let mut text = screen.text();
    let mut seen: std::collections::BTreeSet<u32> = numbers(&text).into_iter().collect();
    while !seen.contains(&999) {
        screen.press("pgdn");
        text = screen.wait_for("the next page", |now| numbers(now) != numbers(&text));
        seen.extend(numbers(&text));
    }
    assert_eq!(seen.len(), 1_000);
}

//! Where `/`, `n`, `e` and similar keys land, and the records around it.

use std::path::{Path, PathBuf};

use super::memory_terminal::{Screen, Setup};
use super::scenes::{append, directory, line, numbered, write};

/// A file of 34 lines, ten minutes apart, whose last one has no line end; and a file of many lines, one second apart,
/// that starts after it.
fn unfinished_and_long(directory: &Path, lines: i64) -> Vec<PathBuf> {
    let mut short = String::new();
    for number in 0..34 {
        let (level, text) = if number == 31 { ("ERROR", "broke") } else { ("INFO", "done") };
        short.push_str(&line(number * 600, level, &format!("batch {number} {text}")));
    }
    let long: String = (0..lines)
        .map(|number| line(20_000 + number, "INFO", &format!("request {number}")))
        .collect();
    vec![write(directory, "f2.log", short.trim_end()), write(directory, "d.log", &long)]
}

/// The lines of the stream, without time, level and file.
fn texts(screen: &str) -> Vec<String> {
    let shown = |line: &str| {
        let at = line.find("batch ").or_else(|| line.find("request "))?;
        Some(line[at..].split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    };
    screen.lines().filter_map(shown).collect()
}

#[test]
fn a_jump_lands_in_a_timeline_without_a_hole_beside_a_file_whose_last_line_is_open() {
    for height in [16, 24, 40, 60] {
        for keys in ["E", "W", "/broke"] {
            let directory = directory();
            let paths = unfinished_and_long(directory.path(), 3_000);
            let mut screen = Setup::new(100, height).open(&paths);
            screen.wait_for_text("request 2999");
            screen.rest();
            for _ in 0..2 {
                screen.type_text(keys);
                if keys.starts_with('/') {
                    screen.press("enter");
                }
                screen.wait_for_text("batch 31");
                let texts = texts(&screen.rest());
                let at = texts.iter().position(|text| text == "batch 31").unwrap();
                let wanted = ["batch 31", "batch 32", "batch 33", "request 0", "request 1"];
                let behind = &texts[at..];
                let length = wanted.len().min(behind.len());
                assert_eq!(behind[..length], wanted[..length], "{keys} at {height}: {texts:?}");
                assert!(length > 3, "{keys} at {height}: {texts:?}");
                if at > 0 {
                    assert_eq!(texts[at - 1], "batch 30", "{keys} at {height}");
                }
                screen.press("G");
                screen.wait_for_text("request 2999");
                let end = texts_at_end(&screen);
                assert!(!end.iter().any(|text| text.starts_with("batch")), "{end:?}");
            }
        }
    }
}

fn texts_at_end(screen: &Screen) -> Vec<String> {
    texts(&screen.rest())
}

#[test]
fn a_late_record_is_placed_by_its_time() {
    let directory = directory();
    let paths = unfinished_and_long(directory.path(), 600);
    let mut screen = Setup::new(100, 30).open(&paths);
    screen.wait_for_text("request 599");
    screen.rest();
    screen.press("k k k k");
    screen.wait_for_text("paused");
    // The open line of the other file is finished, far above what is loaded.
    append(&paths[0], "\n");
    append(&paths[1], &line(20_600, "INFO", "request 600"));
    append(&paths[1], &line(20_595, "INFO", "request 601"));
    screen.press("G");
    screen.wait_for_text("request 601");
    let texts = texts(&screen.rest());
    assert!(!texts.iter().any(|text| text.starts_with("batch")), "{texts:?}");
    screen.press("E");
    screen.wait_for("the records behind the error", |screen| {
        let texts = self::texts(screen);
        let at = texts.iter().position(|text| text == "batch 31");
        at.is_some_and(|at| {
            texts[at + 1..].starts_with(&["batch 32", "batch 33", "request 0"].map(str::to_owned))
        })
    });
}

fn three_needles(directory: &Path) -> PathBuf {
    let text: String = (0..300)
        .map(|number| {
            let found = if [5, 150, 290].contains(&number) { " needle" } else { "" };
            line(number, "INFO", &format!("row {number}{found}"))
        })
        .collect();
    write(directory, "app.log", &text)
}

#[test]
fn a_search_runs_up_from_the_end_else_down_and_wraps_with_a_message() {
    let directory = directory();
    let path = three_needles(directory.path());
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("row 299");
    screen.press("g");
    screen.wait_for_text("row 0");
    screen.type_text("/needle\r");
    screen.wait_for_text("no match above");
    screen.wait_for_text("row 5 needle");
    screen.press("n");
    let text = screen.wait_for_text("row 150 needle");
    assert!(!text.contains("no match above") && !text.contains(" above; n searches"), "{text}");
    screen.press("n");
    screen.wait_for_text("row 290 needle");
    screen.press("n");
    screen.wait_for_text("wrapped to the start");
    screen.wait_for_text("row 5 needle");
    screen.press("N");
    screen.wait_for_text("wrapped to the end");
    screen.wait_for_text("row 290 needle");
    screen.type_text("/nowhere\r");
    screen.wait_for_text("no match for `nowhere`");
}

#[test]
fn a_hit_beyond_the_right_edge_is_scrolled_to() {
    for (width, height) in [(80, 24), (200, 60)] {
        let directory = directory();
        let long = format!("begin {} far away", "x".repeat(1_500));
        let text = line(0, "INFO", &long) + &line(1, "INFO", "near");
        let path = write(directory.path(), "app.log", &text);
        let mut screen = Setup::new(width, height).open(&[path]);
        screen.wait_for_text("near");
        screen.type_text("/far away\r");
        screen.wait_for_text("far away");
        screen.type_text("/begin\r");
        screen.wait_for_text("begin x");
    }
}

#[test]
fn every_key_of_a_burst_is_handled() {
    let directory = directory();
    let path = write(directory.path(), "app.log", &numbered(1_000));
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 999");
    screen.press("g");
    screen.wait_for_text("event 0 ");
    screen.type_text(&format!("{}\r", "j".repeat(700)));
    // The detail of the selected event.
    let text = screen.wait_for_text("bytes long");
    assert!(text.contains("event 700 here"), "{text}");
}

#[test]
fn errors_are_jumped_to() {
    let directory = directory();
    let mut text = numbered(20_000);
    text.insert_str(0, &line(0, "ERROR", "the one error"));
    let path = write(directory.path(), "a.log", &text);
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 19999");
    screen.press("E");
    screen.wait_for_text("the one error");
    screen.press("e");
    screen.wait_for_text("no error below; E searches above");
}

//! The start and the end of reading: `--once`, and sources with `start = "end"`.

use logwarden::event::Flags;
use logwarden::follow::{Read, Start};

use super::setup::{Fixture, INFO, line, lines};

#[test]
fn once_reads_all_existing_bytes_and_closes_the_file() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.once = true;
    fixture.append("a.log", lines("a", 0..5) + "unfini");
    fixture.append("b.log", INFO);
    fixture.append("c.log", "no line end");
    fixture.age(&["a.log", "c.log"]);
    fixture.open();
    fixture.until("all", |fixture| {
        let ends = fixture.log().ends();
        ends.len() == 3
            && ends
                .iter()
                .all(|end| fixture.consumer.cursors.get(&end.generation) == Some(&end.offset))
    });
    for end in fixture.log().ends() {
        assert!(matches!(fixture.log().read(end).unwrap(), Read::Finished));
    }
    let partial: Vec<&str> = fixture
        .consumer
        .events
        .iter()
        .filter(|event| event.flags.contains(Flags::PARTIAL))
        .map(|event| event.text.as_str())
        .collect();
    assert_eq!(partial, ["unfini", "no line end"]);
    assert_eq!(fixture.consumer.events.len(), 8);
    // The next line is a record of its own.
    fixture.close();
    fixture.append("a.log", "shed\n");
    fixture.open();
    fixture.until("the rest", |fixture| fixture.consumer.events.len() == 9);
    assert_eq!(fixture.consumer.events[8].text, "shed");
}

/// A timer runs `--once` during a write: the incomplete line is left for the next run.
#[test]
fn once_leaves_a_last_line_that_may_still_be_written_for_the_next_run() {
    let mut fixture = Fixture::new(&["a.log"]);
    fixture.once = true;
    fixture.append("a.log", lines("a", 0..5) + "{\"writer\":");
    fixture.open();
    fixture.expect_lines((0..5).map(|n| line("a", n)));
    let notices = fixture.log().notices();
    assert!(
        notices.iter().any(|notice| notice.text.contains("its 10 bytes are left")),
        "{notices:?}"
    );
    fixture.close();
    fixture.append("a.log", "\"a\",\"number\":5}\n");
    fixture.open();
    fixture.expect_lines((0..6).map(|n| line("a", n)));
    fixture.close();
    // The file stays unchanged: the line is delivered without a line end.
    fixture.append("a.log", "the end");
    fixture.open();
    fixture.drain();
    fixture.close();
    fixture.age(&["a.log"]);
    fixture.open();
    fixture.expect_lines((0..6).map(|n| line("a", n)).chain(["the end".to_owned()]));
    let last = fixture.consumer.events.last().unwrap();
    assert!(last.flags.contains(Flags::PARTIAL));
}

#[test]
fn start_at_the_end_means_after_the_last_existing_line() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.start = Start::End;
    fixture.append("a.log", lines("a", 0..50) + "half");
    fixture.open();
    fixture.append("a.log", " a line\n");
    fixture.append("new.log", lines("n", 0..3));
    let expected = || ["half a line".to_owned()].into_iter().chain((0..3).map(|n| line("n", n)));
    fixture.expect_lines(expected());
    fixture.restart();
    fixture.expect_lines(expected());
}

#[test]
fn start_at_the_end_of_an_empty_file_reads_every_new_line() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.start = Start::End;
    fixture.append("empty.log", "");
    fixture.append("half.log", "half");
    fixture.open();
    fixture.append("empty.log", lines("e", 0..100));
    fixture.append("half.log", " a line\nand another\n");
    let rest = ["half a line".to_owned(), "and another".to_owned()];
    fixture.expect_lines((0..100).map(|n| line("e", n)).chain(rest));
}

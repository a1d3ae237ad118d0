//! The start and the end of reading: `--once`, and sources with `start = "end"`.

use logwarden::event::Flags;
use logwarden::follow::{Read, Start};

use super::setup::{Bench, INFO, line, lines};

#[test]
fn once_reads_what_is_there_and_closes_it() {
    let mut bench = Bench::new(&["*.log"]);
    bench.once = true;
    bench.append("a.log", lines("a", 0..5) + "unfini");
    bench.append("b.log", INFO);
    bench.append("c.log", "no line end");
    bench.age(&["a.log", "c.log"]);
    bench.open();
    bench.until("all", |bench| {
        let ends = bench.log().ends();
        ends.len() == 3
            && ends
                .iter()
                .all(|end| bench.consumer.cursors.get(&end.generation) == Some(&end.offset))
    });
    for end in bench.log().ends() {
        assert!(matches!(bench.log().read(end).unwrap(), Read::Finished));
    }
    let partial: Vec<&str> = bench
        .consumer
        .events
        .iter()
        .filter(|event| event.flags.contains(Flags::PARTIAL))
        .map(|event| event.text.as_str())
        .collect();
    assert_eq!(partial, ["unfini", "no line end"]);
    assert_eq!(bench.consumer.events.len(), 8);
    // The next line is a record of its own.
    bench.close();
    bench.append("a.log", "shed\n");
    bench.open();
    bench.until("the rest", |bench| bench.consumer.events.len() == 9);
    assert_eq!(bench.consumer.events[8].text, "shed");
}

/// A timer runs `--once` during a write: the incomplete line is left for the next run.
#[test]
fn once_leaves_a_last_line_that_may_still_be_written_for_the_next_run() {
    let mut bench = Bench::new(&["a.log"]);
    bench.once = true;
    bench.append("a.log", lines("a", 0..5) + "{\"writer\":");
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    let notices = bench.log().notices();
    assert!(
        notices.iter().any(|notice| notice.text.contains("its 10 bytes are left")),
        "{notices:?}"
    );
    bench.close();
    bench.append("a.log", "\"a\",\"number\":5}\n");
    bench.open();
    bench.expect_lines((0..6).map(|n| line("a", n)));
    bench.close();
    // The file stays unchanged: the line is delivered without a line end.
    bench.append("a.log", "the end");
    bench.open();
    bench.drain();
    bench.close();
    bench.age(&["a.log"]);
    bench.open();
    bench.expect_lines((0..6).map(|n| line("a", n)).chain(["the end".to_owned()]));
    let last = bench.consumer.events.last().unwrap();
    assert!(last.flags.contains(Flags::PARTIAL));
}

#[test]
fn at_the_end_means_behind_the_last_line_that_was_there() {
    let mut bench = Bench::new(&["*.log"]);
    bench.start = Start::End;
    bench.append("a.log", lines("a", 0..50) + "half");
    bench.open();
    bench.append("a.log", " a line\n");
    bench.append("new.log", lines("n", 0..3));
    let expected = || ["half a line".to_owned()].into_iter().chain((0..3).map(|n| line("n", n)));
    bench.expect_lines(expected());
    bench.restart();
    bench.expect_lines(expected());
}

#[test]
fn at_the_end_of_an_empty_file_means_everything_that_comes() {
    let mut bench = Bench::new(&["*.log"]);
    bench.start = Start::End;
    bench.append("empty.log", "");
    bench.append("half.log", "half");
    bench.open();
    bench.append("empty.log", lines("e", 0..100));
    bench.append("half.log", " a line\nand another\n");
    let rest = ["half a line".to_owned(), "and another".to_owned()];
    bench.expect_lines((0..100).map(|n| line("e", n)).chain(rest));
}

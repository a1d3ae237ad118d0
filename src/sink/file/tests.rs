use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::{SystemClock, Timestamp};
use crate::event::{Cursor, GenerationId};

mod cursor_file;

fn items(lines: &[&str]) -> Items {
    let mut items = Items::default();
    for line in lines {
        items.body.extend_from_slice(format!("{line}\n").as_bytes());
        items.ends.push(items.body.len());
    }
    items
}

fn upto(offset: u64) -> Cursors {
    vec![Cursor { generation: GenerationId(7), offset }]
}

/// A new open output in its directory.
async fn opened() -> (tempfile::TempDir, PathBuf, FileSink) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("out.jsonl");
    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(vec![]));
    (scratch, path, sink)
}

async fn deliver(sink: &FileSink, lines: &[&str]) {
    let (_, delivery) = sink.deliver(items(lines)).await;
    assert!(matches!(delivery, Delivery::All(Outcome::Accepted)), "{delivery:?}");
}

/// Delivers these lines and commits everything up to there.
async fn commit(sink: &FileSink, lines: &[&str], offset: u64) {
    deliver(sink, lines).await;
    sink.commit(&upto(offset)).await.unwrap();
}

fn refused(result: Result<Option<Vec<Position>>, SinkError>) -> String {
    match result {
        Err(SinkError::Misconfigured(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

fn sink_at(path: &Path) -> FileSink {
    sink_with(path, Arc::new(SystemClock::new()))
}

fn sink_with(path: &Path, clock: Arc<dyn Clock>) -> FileSink {
    FileSink::new(path.to_owned(), Arc::new(crate::state::Store::ephemeral()), clock)
}

/// The cursors alone: no state has these generations.
fn cursors(positions: Option<Vec<Position>>) -> Option<Cursors> {
    positions.map(|all| all.into_iter().map(|position| position.cursor).collect())
}

#[tokio::test]
async fn a_kill_between_append_and_commit_repeats_no_line() {
    let (_scratch, path, sink) = opened().await;
    deliver(&sink, &["before the first commit"]).await;
    drop(sink);

    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(vec![]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    commit(&sink, &["one", "two"], 8).await;
    deliver(&sink, &["three"]).await;
    drop(sink);

    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(8)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    commit(&sink, &["three"], 14).await;
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(14)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
}

#[tokio::test]
async fn a_generation_that_the_log_does_not_know_yet_keeps_its_cursor() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("out.jsonl");
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
    let sink = sink_with(&path, clock.clone());
    sink.resume().await.unwrap();
    deliver(&sink, &["one"]).await;
    let other = Cursor { generation: GenerationId(8), offset: 3 };
    sink.commit(&vec![upto(4)[0], other]).await.unwrap();
    drop(sink);

    // The state is lost, and a large copy is still being unpacked.
    let days = |days: u64| Duration::from_secs(days * 86_400);
    for day in 1..=29 {
        clock.advance(days(1));
        let sink = sink_with(&path, clock.clone());
        let kept = cursors(sink.resume().await.unwrap()).unwrap();
        assert_eq!(kept, vec![upto(3 + day)[0], other]);
        sink.commit(&upto(4 + day)).await.unwrap();
    }
    clock.advance(days(1));
    let sink = sink_with(&path, clock.clone());
    sink.resume().await.unwrap();
    sink.commit(&upto(40)).await.unwrap();
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(40)));
}

#[tokio::test]
async fn other_bytes_under_the_same_id_are_written_again() {
    let (_scratch, _, sink) = opened().await;
    sink.commit(&upto(8)).await.unwrap();
    sink.forget(vec![GenerationId(7)]).await.unwrap();
    sink.commit(&upto(3)).await.unwrap();
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(3)));
}

#[tokio::test]
async fn a_truncated_or_replaced_output_is_refused_and_not_changed() {
    let (_scratch, path, sink) = opened().await;
    commit(&sink, &["one", "two"], 8).await;
    drop(sink);
    for (content, reason) in [("one\n", "has 4 bytes, but 8"), ("ONE\nTWO\nTHREE\n", "replaced")] {
        fs::write(&path, content).unwrap();
        let text = refused(sink_at(&path).resume().await);
        assert!(text.contains(reason), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn lines_of_other_programs_stay() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("out.jsonl");
    fs::write(&path, "theirs").unwrap();
    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(vec![]));
    commit(&sink, &["ours"], 5).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs\nours\n");
}

#[tokio::test]
async fn an_unusable_output_is_reported_with_a_solution() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("out.jsonl");
    let first = sink_at(&path);
    first.resume().await.unwrap();
    let text = refused(sink_at(&path).resume().await);
    assert!(text.contains("give each its own file"), "{text}");
    drop(first);

    fs::write(scratch.path().join("out.jsonl.cursor"), "{").unwrap();
    refused(sink_at(&path).resume().await);
    fs::write(
        scratch.path().join("out.jsonl.cursor"),
        r#"{"version":9,"length":0,"tail":0,"cursors":[]}"#,
    )
    .unwrap();
    let text = refused(sink_at(&path).resume().await);
    assert!(text.contains("its version is 9"), "{text}");

    let nowhere = sink_at(&scratch.path().join("no/such/out.jsonl"));
    assert!(refused(nowhere.resume().await).contains("cannot open"));
}

/// Changes of an output by others, how they are undone, and the messages.
type Disturbance = (fn(&Path), fn(&Path), &'static str);

fn aside(path: &Path) -> PathBuf {
    path.with_extension("aside")
}

fn put_back(path: &Path) {
    fs::rename(aside(path), path).unwrap();
}

const DISTURBANCES: [Disturbance; 4] = [
    (
        |path| fs::rename(path, aside(path)).unwrap(),
        put_back,
        "no longer exists: it was moved or removed",
    ),
    (
        |path| {
            fs::rename(path, aside(path)).unwrap();
            fs::write(path, "ONE\nTWO\n").unwrap();
        },
        put_back,
        "it was replaced",
    ),
    (
        |path| {
            fs::copy(path, aside(path)).unwrap();
            OpenOptions::new().write(true).truncate(true).open(path).unwrap();
        },
        put_back,
        "has 0 bytes",
    ),
    // Truncated, and extended to the same length by another program.
    (
        |path| {
            fs::copy(path, aside(path)).unwrap();
            fs::write(path, "THEIRS, AND LONGER\n").unwrap();
        },
        put_back,
        "it was replaced",
    ),
];

#[tokio::test]
async fn an_output_that_is_changed_while_it_is_open_confirms_nothing() {
    for (disturb, mend, words) in DISTURBANCES {
        let (_scratch, path, sink) = opened().await;
        commit(&sink, &["one", "two"], 8).await;
        deliver(&sink, &["three"]).await;
        disturb(&path);

        let (_, delivery) = sink.deliver(items(&["four"])).await;
        let Delivery::Down(SinkError::Misconfigured(text)) = delivery else {
            panic!("not refused: {delivery:?}")
        };
        assert!(text.contains(words), "{text}");
        let text = sink.commit(&upto(14)).await.unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
        assert!(refused(sink.resume().await).contains("nothing is written to it"));

        mend(&path);
        assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(8)));
        commit(&sink, &["three"], 14).await;
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }
}

#[tokio::test]
async fn an_output_that_is_truncated_during_a_write_is_noticed_by_the_commit() {
    let (_scratch, path, sink) = opened().await;
    deliver(&sink, &["one"]).await;
    deliver(&sink, &["two"]).await;
    // Truncated between the check and the write.
    fs::write(&path, "\0\0\0\0two\n").unwrap();
    let text = sink.commit(&upto(8)).await.unwrap_err().to_string();
    assert!(text.contains("it was replaced"), "{text}");
}

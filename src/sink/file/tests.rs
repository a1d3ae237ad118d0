use std::fs;
use std::path::Path;

use super::*;
use crate::event::{Cursor, GenerationId};

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

async fn deliver(sink: &FileSink, lines: &[&str]) {
    let delivery = sink.deliver(&items(lines)).await;
    assert!(matches!(delivery, Delivery::All(Outcome::Accepted)), "{delivery:?}");
}

fn refused(result: Result<Option<Vec<Position>>, SinkError>) -> String {
    match result {
        Err(SinkError::Misconfigured(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

fn sink_at(path: &Path) -> FileSink {
    FileSink::new(path.to_owned(), Arc::new(crate::state::Store::ephemeral()))
}

/// The cursors alone: these generations stand in no state.
fn cursors(positions: Option<Vec<Position>>) -> Option<Cursors> {
    positions.map(|all| all.into_iter().map(|position| position.cursor).collect())
}

#[tokio::test]
async fn a_kill_between_append_and_commit_repeats_no_line() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("out.jsonl");
    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(vec![]));
    deliver(&sink, &["before the first commit"]).await;
    drop(sink);

    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(vec![]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    deliver(&sink, &["one", "two"]).await;
    sink.commit(&upto(8)).await.unwrap();
    deliver(&sink, &["three"]).await;
    drop(sink);

    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(8)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    deliver(&sink, &["three"]).await;
    sink.commit(&upto(14)).await.unwrap();
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(14)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
}

#[tokio::test]
async fn a_cut_or_replaced_output_is_refused_and_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("out.jsonl");
    let sink = sink_at(&path);
    sink.resume().await.unwrap();
    deliver(&sink, &["one", "two"]).await;
    sink.commit(&upto(8)).await.unwrap();
    drop(sink);
    for (content, reason) in [("one\n", "has 4 bytes, but 8"), ("ONE\nTWO\nTHREE\n", "replaced")] {
        fs::write(&path, content).unwrap();
        let text = refused(sink_at(&path).resume().await);
        assert!(text.contains(reason), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn lines_of_somebody_else_stay() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("out.jsonl");
    fs::write(&path, "theirs").unwrap();
    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(vec![]));
    deliver(&sink, &["ours"]).await;
    sink.commit(&upto(5)).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs\nours\n");
}

#[tokio::test]
async fn what_cannot_work_says_what_to_do() {
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
    let check = nowhere.check().await;
    assert!(check.unwrap_err().to_string().contains("create it first"));
}

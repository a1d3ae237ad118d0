//! The archive as a worker uses it: events are accepted, then confirmed by the commit; every event once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use logwarden::archive::{Archive, Reader};
use logwarden::base::clock::ManualClock;
use logwarden::base::{Clock, Timestamp};
use logwarden::event::{Batch, Cursor, Encoding, Generation, GenerationId, IdKey, Identity, Mark};
use logwarden::format::{Context, End, Framer, detection};
use logwarden::privacy::{Policy, shown};
use logwarden::query::Expr;
use logwarden::search::{Options, archive};
use logwarden::sink::archive::ArchiveSink;
use logwarden::sink::{Delivery, Items, Outcome, Sink, SinkError};
use logwarden::state::{GenerationRow, Store};

pub const NOW: Timestamp = Timestamp(1_714_557_600_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// All records of a text, as one batch.
pub fn batch(path: &Path, text: &[u8], seen: Timestamp) -> Batch {
    let key = IdKey::from_host_id("test");
    let identity = Identity { inode: 5, birth: 6, head_len: 7, head_hash: 8, ordinal: 0 };
    let zone = TimeZone::UTC;
    let mut context = Context { zone, day_mark: seen.day(), last: None, since_last: 0, seen };
    let mut records = Vec::new();
    let format = detection::detect(text).format;
    let framer = Framer { format: format.clone(), encoding: Encoding::Utf8, max_length: 1 << 20 };
    framer.frame(text, 0, &[], End::Closed, &mut context, &mut records);
    Batch {
        generation: Arc::new(Generation {
            id: identity.id(&key),
            identity,
            source: "test".into(),
            service: None,
            host: "host".into(),
            key,
        }),
        path: path.into(),
        decode: format,
        seen,
        day: seen.day(),
        start: 0,
        end: text.len() as u64,
        bytes: text.into(),
        records,
    }
}

pub fn items(sink: &dyn Sink, policy: &Policy, batch: &Batch) -> Items {
    let mut items = Items::default();
    for event in batch.events() {
        sink.encode(&shown(policy, event), &mut items.body);
        items.ends.push(items.body.len());
    }
    items
}

fn lines(from: u32, to: u32) -> String {
    (from..to)
        .map(|n| format!("2024-05-01 10:00:00 [INFO] client_id=C{n:05} event {n:03}\n"))
        .collect()
}

fn store_with(batch: &Batch) -> Store {
    let store = Store::ephemeral();
    store.put_generation(GenerationRow {
        id: batch.generation.id,
        identity: batch.generation.identity.clone(),
        source: "test".into(),
        path: batch.path.to_path_buf(),
        device: 1,
        first_path: Default::default(),
        moved: None,
        modified: None,
        start: 0,
        mark: Mark { offset: batch.end, hash: 77, wide: 0 },
        encoding: Encoding::Utf8,
        formats: Vec::new(),
        days: Vec::new(),
        cuts: Default::default(),
        first_seen: NOW,
        ended: None,
        lost: 0,
        reached: 0,
        unfinished: None,
        rest: None,
        absence: None,
        home: None,
    });
    store
}

fn open(directory: &Path, store: &Store, clock: &Arc<ManualClock>) -> ArchiveSink {
    let archive = Archive::open_writer(directory, clock.now()).unwrap().0;
    ArchiveSink::new(archive, Arc::new(store.clone()), clock.clone(), Some(DAY * 30))
}

fn documents(directory: &Path) -> Vec<String> {
    let mut documents = Vec::new();
    let reader = Reader::open(directory).unwrap();
    archive(&reader, &Expr::All, &Options::default(), &mut |json| {
        documents.push(json.to_owned());
        Ok(())
    })
    .unwrap();
    documents
}

fn cursor(generation: GenerationId, offset: u64) -> Vec<Cursor> {
    vec![Cursor { generation, offset }]
}

#[tokio::test]
async fn accepted_events_are_confirmed_by_the_commit_and_found_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let batch = batch(Path::new("/var/log/a.log"), lines(0, 100).as_bytes(), NOW);
    let store = store_with(&batch);
    let sink = open(directory.path(), &store, &clock);
    assert_eq!(sink.resume().await.unwrap(), Some(vec![]));
    let items = items(&sink, &Policy::default(), &batch);
    let sent = items.body.clone();
    let (items, delivery) = sink.deliver(items).await;
    assert!(matches!(delivery, Delivery::All(Outcome::Accepted)), "{delivery:?}");
    assert!(items.body == sent, "the bodies are returned");
    assert_eq!(documents(directory.path()).len(), 0, "not before the commit");
    let end = cursor(batch.generation.id, batch.end);
    sink.commit(&end).await.unwrap();
    assert_eq!(documents(directory.path()).len(), 100);
    drop(sink);

    let sink = open(directory.path(), &Store::ephemeral(), &clock);
    let positions = sink.resume().await.unwrap().expect("it keeps its own");
    assert_eq!(positions.iter().map(|position| position.cursor).collect::<Vec<_>>(), end);
    let (_, delivery) = sink.deliver(items).await;
    let Delivery::Each(outcomes) = delivery else { panic!("{delivery:?}") };
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Duplicate));
    drop(sink);
    // The archive contains the identity: the state that knew it no longer exists.
    let positions = Reader::open(directory.path()).unwrap().positions().unwrap();
    let position = &positions.rows[&batch.generation.id];
    assert_eq!(position.identity.as_ref(), Some(&batch.generation.identity));
    assert_eq!(position.mark, Mark { offset: batch.end, hash: 77, wide: 0 });
}

#[tokio::test]
async fn an_archive_that_cannot_be_written_fails_the_commit_and_continues_later() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("archive");
    let clock = Arc::new(ManualClock::at(NOW));
    let batch = batch(Path::new("/var/log/a.log"), lines(0, 50).as_bytes(), NOW);
    let sink = open(&directory, &store_with(&batch), &clock);
    let items = items(&sink, &Policy::default(), &batch);
    let end = cursor(batch.generation.id, batch.end);
    // Permissions do not apply to root: the directory is removed instead.
    let away = scratch.path().join("away");
    std::fs::rename(&directory, &away).unwrap();
    let (items, _) = sink.deliver(items).await;
    let error = sink.commit(&end).await.unwrap_err();
    let SinkError::Unavailable(text) = &error else { panic!("{error:?}") };
    assert!(text.contains("cannot write to the archive in"), "{text}");
    sink.resume().await.unwrap_err();
    std::fs::rename(&away, &directory).unwrap();
    assert_eq!(sink.resume().await.unwrap(), Some(vec![]));
    let _ = sink.deliver(items).await;
    sink.commit(&end).await.unwrap();
    assert_eq!(documents(&directory).len(), 50);
}

#[tokio::test]
async fn events_read_longer_ago_than_keep_are_removed_at_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let text = lines(0, 60);
    let half = text.len() as u64 / 2;
    let (mut first, mut second) = (
        batch(Path::new("/var/log/a.log"), text.as_bytes(), NOW),
        batch(Path::new("/var/log/a.log"), text.as_bytes(), NOW.plus(DAY * 20)),
    );
    first.records.truncate(30);
    second.records.drain(..30);
    let sink = open(directory.path(), &store_with(&first), &clock);
    let id = first.generation.id;
    for (batch, upto) in [(first, half), (second, half * 2)] {
        let items = items(&sink, &Policy::default(), &batch);
        let _ = sink.deliver(items).await;
        sink.commit(&cursor(id, upto)).await.unwrap();
        clock.advance(DAY * 20);
    }
    assert_eq!(documents(directory.path()).len(), 60);
    // 40 days after the first half, 20 after the second.
    sink.commit(&[cursor(id, half * 2), cursor(GenerationId(1), 1)].concat()).await.unwrap();
    let left = documents(directory.path());
    assert_eq!(left.len(), 30);
    assert!(left.iter().all(|json| (30..60).any(|n| json.contains(&format!("event {n:03}")))));
    assert_eq!(sink.resume().await.unwrap().unwrap().len(), 2, "positions are kept");
}

#[tokio::test]
async fn no_sealed_value_is_in_the_archive() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let text: String = (0..200)
        .map(|n| {
            format!("{{\"message\":\"paid by MARKER{n:04}\",\"client_id\":\"MARKER{n:04}\"}}\n")
        })
        .collect();
    let batch = batch(Path::new("/var/log/a.log"), text.as_bytes(), NOW);
    let sink = open(directory.path(), &store_with(&batch), &clock);
    let policy = Policy::new(&["client_id".to_owned()], false);
    let items = items(&sink, &policy, &batch);
    let _ = sink.deliver(items).await;
    sink.commit(&cursor(batch.generation.id, batch.end)).await.unwrap();
    let documents = documents(directory.path());
    assert_eq!(documents.len(), 200);
    assert!(documents.iter().all(|json| json.contains("[sealed]") && !json.contains("MARKER")));
    // Documents are compressed; terms are not.
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap().to_ascii_lowercase();
        assert!(memchr::memmem::find(&bytes, b"marker").is_none());
    }
}

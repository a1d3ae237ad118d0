//! Stored letters stay until they are delivered or dropped, whatever else is in the files.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::{SystemClock, Timestamp};
use crate::event::test_batches::batch;
use crate::privacy::{Origin, Outgoing, Policy, shown};
use crate::query::ParseContext;
use crate::sink::{
    Cursors, Delivery, Items, Limits, Outcome, Refusal, Sink, SinkError, StdoutSink,
};

type Answer = Box<dyn FnMut(&[String]) -> Delivery + Send>;

/// Records the ids that it accepted.
struct Target {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<Vec<String>>>,
}

impl Target {
    fn new(answer: impl FnMut(&[String]) -> Delivery + Send + 'static) -> Arc<Self> {
        Arc::new(Target { answer: Mutex::new(Box::new(answer)), requests: Mutex::default() })
    }

    fn sizes(&self) -> Vec<usize> {
        self.requests.lock().unwrap().iter().map(Vec::len).collect()
    }
}

impl Sink for Target {
    fn limits(&self) -> Limits {
        Limits::default()
    }
    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        body.extend_from_slice(format!("day-{}/{}", event.day(), event.id()).as_bytes());
    }
    fn target<'a>(&self, item: &'a [u8]) -> &'a str {
        std::str::from_utf8(item).unwrap().split('/').next().unwrap()
    }
    fn document<'a>(&self, _item: &'a [u8]) -> Cow<'a, str> {
        unreachable!("letters are sent, not made")
    }
    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<crate::event::Position>>, SinkError>> {
        Box::pin(async { Ok(None) })
    }
    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)> {
        let id =
            |item: &[u8]| std::str::from_utf8(item).unwrap().rsplit('/').next().map(Into::into);
        let ids: Vec<String> = items.iter().filter_map(id).collect();
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let delivery = answer(&ids);
        self.requests.lock().unwrap().push(ids);
        Box::pin(async { (items, delivery) })
    }
    fn commit<'a>(&'a self, _upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

struct Setup {
    _scratch: TempDir,
    directory: Arc<DeadLetterDirectory>,
    path: PathBuf,
    runtime: Runtime,
    clock: Arc<ManualClock>,
}

impl Setup {
    fn new(most: u64) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("dead-letters");
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(86_400)));
        let directory = Arc::new(DeadLetterDirectory::new(path.clone(), clock.clone(), most));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Setup { _scratch: scratch, directory, path, runtime, clock }
    }

    fn keep(&self, texts: &[&str]) {
        self.directory.keep("es", texts.iter().map(|text| letter(text)).collect()).unwrap();
    }

    fn today(&self) -> PathBuf {
        self.path.join("es/1970-01-02.jsonl")
    }

    fn append(&self, bytes: &[u8]) {
        OpenOptions::new().append(true).open(self.today()).unwrap().write_all(bytes).unwrap();
    }

    /// The stored letters: their messages, or `?`.
    fn kept(&self) -> Vec<String> {
        let files = self.directory.files(&LetterFilter::default()).unwrap();
        let lines = files.iter().flat_map(|file| Lines::open(file).unwrap());
        lines
            .map(|line| line.unwrap().letter.map_or("?".into(), |letter| message(&letter)))
            .collect()
    }

    fn replay(&self, target: &Arc<Target>, choice: &LetterFilter) -> Replayed {
        let sinks = |name: &str| -> Result<Arc<dyn Sink>, String> {
            match name {
                "es" => Ok(target.clone()),
                _ => Err(format!("no sink {name}")),
            }
        };
        let replay = Replay {
            directory: &self.directory,
            choice,
            sinks: &sinks,
            runtime: self.runtime.handle().clone(),
            stop: CancellationToken::new(),
            progress: &mut |_, _| {},
        };
        replay.run().unwrap().expect("no other replay runs")
    }
}

fn letter(text: &str) -> DeadLetter {
    let batch = batch(&format!("message={text} client_id=7654321"), None);
    let policy = Policy::new(&["client_id".into()], false);
    let event = shown(&policy, batch.event(0));
    let kind = Some("document_parsing_exception".to_owned());
    let refusal = Refusal { status: Some(400), kind, reason: "no such field".to_owned() };
    let mut document = Vec::new();
    event.write_json(&mut document);
    let document = String::from_utf8(document).unwrap();
    let origin = Origin { generation: event.generation(), day: Some(event.day()) };
    let letter = DeadLetter::of(document, origin, "app", "index-1".to_owned(), 2).unwrap();
    letter.refused(refusal)
}

fn message(letter: &DeadLetter) -> String {
    let document: serde_json::Value = serde_json::from_str(letter.document.get()).unwrap();
    document["message"].as_str().unwrap().to_owned()
}

fn done() -> Arc<Target> {
    Target::new(|_| Delivery::All(Outcome::Done))
}

#[test]
fn a_letter_is_found_by_its_event_and_unreadable_lines_are_skipped() {
    let setup = Setup::new(MOST);
    let ids = ["one", "two"].map(|text| letter(text).id);
    assert!(!setup.directory.holds("es", &ids[0]), "nothing is kept yet");
    setup.keep(&["one"]);
    setup.append(b"{\"version\":2,\"id\":\"cut in the mid\n");
    assert!(setup.directory.holds("es", &ids[0]));
    assert!(!setup.directory.holds("es", &ids[1]) && !setup.directory.holds("other", &ids[0]));
}

#[test]
fn a_letter_is_a_line_of_its_own_and_stays_sealed() {
    let setup = Setup::new(MOST);
    setup.keep(&["for:7654321"]);
    setup.append(b"{\"torn");
    setup.keep(&["for:7654321"]);
    let text = fs::read_to_string(setup.today()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[1]), (3, "{\"torn"));
    let last: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!(last["version"], 2);
    assert_eq!((&last["target"], &last["status"]), (&"index-1".into(), &400.into()));
    assert_eq!(last["type"], "document_parsing_exception");
    assert_eq!(last["reason"], "no such field");
    assert_eq!(last["time"], "1970-01-02T00:00:00.000Z");
    assert_eq!(last["document"]["message"], "for:[sealed]");
    assert_eq!(lines[0], lines[2]);
}

#[test]
fn a_full_directory_stores_nothing_and_reports_it() {
    let room = serde_json::to_vec(&letter("a")).unwrap().len() as u64 + 100;
    let setup = Setup::new(room);
    setup.keep(&["a"]);
    setup.clock.advance(std::time::Duration::from_secs(86_400));
    let error = setup.directory.keep("es", vec![letter("b")]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "all days together");
    assert!(error.to_string().contains("replay or drop"), "{error}");
    setup.directory.keep("other", vec![letter("b")]).unwrap();
    assert_eq!(setup.kept(), ["a", "b"]);
    assert_eq!(setup.replay(&done(), &LetterFilter::default()).delivered, 1);
    setup.keep(&["c"]);
}

/// As written by an earlier version.
#[test]
fn older_lines_are_read() {
    let setup = Setup::new(MOST);
    setup.keep(&["new"]);
    let mut old: serde_json::Value = serde_json::to_value(letter("old")).unwrap();
    for name in ["epoch_day", "status", "type"] {
        old.as_object_mut().unwrap().remove(name).unwrap();
    }
    old["version"] = 1.into();
    old["target"] = "*".into();
    setup.append(format!("{old}\n").as_bytes());
    let target = done();
    assert_eq!(setup.replay(&target, &LetterFilter::default()).delivered, 2);
    assert_eq!(setup.kept(), [""; 0]);
}

#[test]
fn unreadable_lines_are_reported_and_left_as_they_are() {
    let setup = Setup::new(MOST);
    setup.keep(&["a"]);
    setup.append(b"garbage \xff\x1b[2J\n\n{\"version\":9,");
    setup.keep(&["b"]);
    let mut newer: serde_json::Value = serde_json::to_value(letter("c")).unwrap();
    newer["version"] = 3.into();
    setup.append(format!("{newer}\n{{\"torn\":").as_bytes());
    let odd = |odd: &MalformedLines| {
        let short = |text: &String| text.rsplit('/').next().unwrap().to_owned();
        (odd.lines, odd.first.iter().map(short).collect::<Vec<_>>())
    };
    let mut found = MalformedLines::default();
    let file = &setup.directory.files(&LetterFilter::default()).unwrap()[0];
    let overview = overview(file, &LetterFilter::default(), &mut found).unwrap();
    assert_eq!((overview.letters, overview.bytes), (2, fs::metadata(&file.path).unwrap().len()));
    let (lines, texts) = odd(&found);
    assert_eq!(lines, 4);
    assert!(texts[0].starts_with("1970-01-02.jsonl:2: not a dead letter ("), "{texts:?}");
    assert!(texts[1].starts_with("1970-01-02.jsonl:4: truncated line"), "{texts:?}");
    assert!(texts[2].starts_with("1970-01-02.jsonl:6: written by a newer version"), "{texts:?}");
    assert!(texts[3].starts_with("1970-01-02.jsonl:7: truncated line"), "{texts:?}");
    let replayed = setup.replay(&done(), &LetterFilter::default());
    assert_eq!((replayed.delivered, odd(&replayed.odd)), (2, (lines, texts)));
    let text = fs::read(setup.today()).unwrap();
    assert!(text.starts_with(b"garbage \xff\x1b[2J\n{\"version\":9,\n"));
    assert!(text.ends_with(b"{\"torn\":"));
    setup.keep(&["d"]);
    assert_eq!(remove(&setup.directory, &LetterFilter::default()).unwrap().unwrap().letters, 1);
    assert_eq!(setup.kept(), ["?", "?", "?", "?"]);
}

#[test]
fn delivered_letters_are_removed_and_rejected_ones_stay() {
    let setup = Setup::new(MOST);
    setup.keep(&["a", "b", "c", "d"]);
    let ids: Vec<String> =
        ["a", "b", "c", "d"].iter().map(|text| letter(text).id.clone()).collect();
    let directory = setup.directory.clone();
    let target = Target::new({
        let ids = ids.clone();
        move |sent: &[String]| {
            // Another event is rejected meanwhile.
            directory.keep("es", vec![letter("e")]).unwrap();
            assert_eq!(sent, ids);
            let reason = "still no such field".to_owned();
            let refusal = Refusal { status: Some(413), kind: None, reason };
            Delivery::Each(vec![
                Outcome::Done,
                Outcome::Reject(refusal),
                Outcome::Duplicate,
                Outcome::Blocked("the index is read-only".into()),
            ])
        }
    });
    let replayed = setup.replay(&target, &LetterFilter::default());
    let figures = (replayed.delivered, replayed.duplicates, replayed.refused, replayed.left);
    assert_eq!(figures, (2, 1, 1, 1));
    assert_eq!(replayed.problems, ["sink es: the index is read-only"]);
    assert_eq!(setup.kept(), ["b", "d", "e"]);
    let file = &setup.directory.files(&LetterFilter::default()).unwrap()[0];
    let mut letters = Lines::open(file).unwrap().map(|line| line.unwrap().letter.unwrap());
    let refused = letters.next().unwrap();
    assert_eq!((refused.attempts, refused.target.as_str()), (3, "day-0"));
    assert_eq!(refused.refusal().to_string(), "413: still no such field");
    assert_eq!(letters.next().unwrap().attempts, 2, "a letter that was not accepted is unchanged");
}

#[test]
fn an_unreachable_target_changes_nothing() {
    let setup = Setup::new(MOST);
    setup.keep(&["a", "b"]);
    setup.directory.keep("gone", vec![letter("c")]).unwrap();
    let before = fs::read(setup.today()).unwrap();
    let target = Target::new(|_| Delivery::Down(SinkError::Misconfigured("wrong password".into())));
    let replayed = setup.replay(&target, &LetterFilter::default());
    assert_eq!(replayed.problems, ["sink es: wrong password", "no sink gone"]);
    assert_eq!((replayed.delivered, replayed.left), (0, 2));
    assert_eq!(fs::read(setup.today()).unwrap(), before);
    assert_eq!(setup.kept(), ["a", "b", "c"]);
}

#[test]
fn busy_targets_are_retried_and_large_requests_halved() {
    let setup = Setup::new(MOST);
    setup.keep(&["a", "b", "c", "d"]);
    let mut busy = true;
    let target = Target::new(move |sent| {
        if std::mem::take(&mut busy) {
            return Delivery::Busy(None);
        }
        match sent.len() > 1 {
            true => Delivery::TooLarge("raise the limit".into()),
            false => Delivery::All(Outcome::Done),
        }
    });
    assert_eq!(setup.replay(&target, &LetterFilter::default()).delivered, 4);
    assert_eq!(target.sizes(), [4, 4, 2, 1, 1, 2, 1, 1]);
    assert!(!setup.today().exists());
}

#[test]
fn a_crash_in_the_middle_repeats_and_loses_nothing() {
    let setup = Setup::new(MOST);
    setup.keep(&["a"]);
    // More than one group: the first is delivered before the crash.
    let long = "x".repeat(700_000);
    setup.keep(&[&long, &long, "b"]);
    let mut requests = 0;
    let target = Target::new(move |_| {
        requests += 1;
        assert_ne!(requests, 2, "killed");
        Delivery::All(Outcome::Done)
    });
    let crashed =
        catch_unwind(AssertUnwindSafe(|| setup.replay(&target, &LetterFilter::default())));
    assert!(crashed.is_err());
    assert!(setup.path.join("es/1970-01-02.new").exists());
    assert_eq!(setup.kept().len(), 4);
    assert_eq!(setup.replay(&target, &LetterFilter::default()).delivered, 4);
    assert!(!setup.path.join("es/1970-01-02.new").exists());
    assert_eq!(setup.kept().len(), 0);
}

#[test]
fn letters_are_selected_by_sink_day_id_and_query() {
    let setup = Setup::new(MOST);
    setup.keep(&["a", "b"]);
    setup.clock.advance(std::time::Duration::from_secs(86_400));
    setup.keep(&["c"]);
    let context = ParseContext { now: Timestamp(0), zone: jiff::tz::TimeZone::UTC };
    let chosen = |selection: Selection| {
        let choice = selection.choice(&context).unwrap();
        // As the owner of the state receives it.
        let choice = choice.selection().choice(&context).unwrap();
        let files = setup.directory.files(&choice).unwrap();
        let lines = files.iter().flat_map(|file| Lines::open(file).unwrap());
        let letters = lines.map(|line| line.unwrap().letter.unwrap());
        letters.filter(|letter| choice.takes(letter)).map(|letter| message(&letter)).collect()
    };
    let all: Vec<String> = chosen(Selection::default());
    assert_eq!(all, ["a", "b", "c"]);
    let text = |text: &str| Some(text.to_owned());
    assert!(chosen(Selection { sink: text("pg"), ..Selection::default() }).is_empty());
    assert_eq!(chosen(Selection { day: text("1970-01-03"), ..Selection::default() }), ["c"]);
    assert_eq!(chosen(Selection { id: Some(letter("b").id), ..Selection::default() }), ["b"]);
    assert_eq!(chosen(Selection { query: text("not a"), ..Selection::default() }), ["b", "c"]);
    assert!(Selection { query: text("("), ..Selection::default() }.choice(&context).is_err());
}

#[test]
fn one_replay_runs_at_a_time_and_a_stop_keeps_the_unsent_letters() {
    let setup = Setup::new(MOST);
    setup.keep(&["a"]);
    let changing = setup.directory.lock_changes().unwrap();
    assert!(remove(&setup.directory, &LetterFilter::default()).unwrap().is_none());
    drop(changing);
    let stop = CancellationToken::new();
    stop.cancel();
    let replay = Replay {
        directory: &setup.directory,
        choice: &LetterFilter::default(),
        sinks: &|_| Ok(Arc::new(StdoutSink::new().0)),
        runtime: setup.runtime.handle().clone(),
        stop,
        progress: &mut |_, _| {},
    };
    assert_eq!(replay.run().unwrap().unwrap().delivered, 0);
    assert_eq!(setup.kept(), ["a"]);
    // Letter files of a real day are distinguished from other files in the directory.
    fs::write(setup.path.join("notes.txt"), "x").unwrap();
    let clock = Arc::new(SystemClock::new());
    assert!(
        DeadLetterDirectory::new("/nowhere".into(), clock, MOST)
            .files(&LetterFilter::default())
            .is_ok()
    );
}

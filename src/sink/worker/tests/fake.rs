//! A log in memory and a target that fails on demand.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::base::Timestamp;
use crate::event::test_batches::Lines;
use crate::event::{
    Batch, Cursor, Flags, Generation, GenerationId, IdKey, Identity, Mark, Position, Record,
};
use crate::follow::{ChangeHub, ChangeSet, Changes, Queue, Read};
use crate::privacy::Outgoing;
use crate::sink::{Cursors, Delivery, Items, Limits, Outcome, Sink, SinkError};
use futures::future::BoxFuture;

struct FakeFile {
    generation: Arc<Generation>,
    bytes: Vec<u8>,
    /// Bytes before this no longer exist.
    gone: u64,
}

/// Lines of some generations. A line that starts with `#` is quiet.
pub struct FakeQueue {
    files: Mutex<Vec<FakeFile>>,
    changes: ChangeHub,
    pub settled: AtomicBool,
    /// The requested scan is not done.
    pub is_scanning: AtomicBool,
    pub requested_scans: AtomicU64,
    /// No file is found yet.
    pub hidden: AtomicBool,
    pub broken: AtomicBool,
    /// How often the extent of a generation was requested.
    pub extent_calls: AtomicUsize,
    /// One read waits for this, and then returns that nothing is complete.
    pub early: Mutex<Option<mpsc::Receiver<()>>>,
}

impl FakeQueue {
    pub fn new(files: usize) -> Arc<Self> {
        let file = |number: usize| FakeFile {
            generation: Arc::new(Generation {
                id: GenerationId(number as u64),
                identity: Identity {
                    inode: number as u64,
                    birth: 0,
                    head_len: 0,
                    head_hash: 0,
                    ordinal: 0,
                },
                source: "test".into(),
                service: None,
                host: "host".into(),
                key: IdKey::from_host_id("host"),
            }),
            bytes: Vec::new(),
            gone: 0,
        };
        Arc::new(FakeQueue {
            files: Mutex::new((0..files).map(file).collect()),
            changes: ChangeHub::default(),
            settled: AtomicBool::new(true),
            is_scanning: AtomicBool::new(false),
            requested_scans: AtomicU64::new(0),
            hidden: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            extent_calls: AtomicUsize::new(0),
            early: Mutex::default(),
        })
    }

    pub fn files(&self) -> u64 {
        self.files.lock().unwrap().len() as u64
    }

    pub fn append(&self, file: usize, text: &str) {
        self.files.lock().unwrap()[file].bytes.extend_from_slice(text.as_bytes());
        self.changes.mark(&ChangeSet::of([GenerationId(file as u64)]));
        self.changes.notify();
    }

    pub fn hide(&self, hidden: bool) {
        self.hidden.store(hidden, Ordering::SeqCst);
        self.changes.mark(&ChangeSet::everything());
        self.changes.notify();
    }

    /// Destroys everything up to the current end.
    pub fn destroy(&self, file: usize) {
        let mut files = self.files.lock().unwrap();
        files[file].gone = files[file].bytes.len() as u64;
        drop(files);
        self.changes.mark(&ChangeSet::of([GenerationId(file as u64)]));
        self.changes.notify();
    }

    /// Copied away, truncated, and written again: the same number of bytes, in capitals.
    pub fn rewrite(&self, file: usize) {
        self.files.lock().unwrap()[file].bytes.make_ascii_uppercase();
    }

    pub fn length(&self, file: usize) -> u64 {
        self.files.lock().unwrap()[file].bytes.len() as u64
    }

    /// All complete lines that a sink must get: `generation:start:text`.
    pub fn expected(&self) -> Vec<String> {
        let files = self.files.lock().unwrap();
        let mut all = Vec::new();
        for file in files.iter() {
            let mut start = 0;
            for line in file.bytes.split_inclusive(|byte| *byte == b'\n') {
                if line.ends_with(b"\n") && !line.starts_with(b"#") && start >= file.gone as usize {
                    let text = String::from_utf8_lossy(&line[..line.len() - 1]);
                    all.push(format!("{}:{start}:{text}", file.generation.id.0));
                }
                start += line.len();
            }
        }
        all.sort();
        all
    }
}

impl Queue for FakeQueue {
    fn holds(&self, _: GenerationId) -> bool {
        !self.hidden.load(Ordering::SeqCst)
    }

    fn generations(&self) -> Vec<GenerationId> {
        if self.hidden.load(Ordering::SeqCst) {
            return Vec::new();
        }
        self.files.lock().unwrap().iter().map(|file| file.generation.id).collect()
    }

    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        self.extent_calls.fetch_add(1, Ordering::SeqCst);
        self.holds(generation).then(|| (0, self.length(generation.0 as usize)))
    }

    fn changes(&self) -> Changes {
        self.changes.subscribe()
    }

    fn read(&self, cursor: Cursor) -> io::Result<Read> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is on fire"));
        }
        let early = self.early.lock().unwrap().take();
        if let Some(early) = early {
            early.recv().unwrap();
            return Ok(Read::Waiting);
        }
        let files = self.files.lock().unwrap();
        let file = &files[cursor.generation.0 as usize];
        if cursor.offset < file.gone {
            return Ok(Read::Lost { to: file.gone });
        }
        let from = cursor.offset as usize;
        let (mut at, mut records) = (from, Vec::new());
        for line in file.bytes[from..].split_inclusive(|byte| *byte == b'\n').take(100) {
            if !line.ends_with(b"\n") {
                break;
            }
            let quiet = if line[0] == b'#' { Flags::QUIET } else { Flags::default() };
            records.push(Record {
                start: at as u64,
                end: (at + line.len()) as u64,
                at: (at - from) as u32,
                len: line.len() as u32 - 1,
                time: Timestamp(0),
                level: None,
                precision: 0,
                flags: quiet,
            });
            at += line.len();
        }
        if records.is_empty() {
            return Ok(Read::Waiting);
        }
        let batch = Batch {
            generation: file.generation.clone(),
            path: std::path::Path::new("/test.log").into(),
            decode: Arc::new(Lines),
            seen: Timestamp::from_seconds(1000),
            day: 0,
            start: from as u64,
            end: at as u64,
            bytes: file.bytes[from..at].into(),
            records,
        };
        Ok(Read::Batch { batch: Arc::new(batch), first: 0 })
    }

    fn destroyed(&self, cursor: Cursor) -> Option<std::ops::Range<u64>> {
        let gone = self.files.lock().unwrap()[cursor.generation.0 as usize].gone;
        (cursor.offset < gone).then_some(cursor.offset..gone)
    }

    fn settled(&self) -> bool {
        self.settled.load(Ordering::SeqCst)
    }

    fn request_check(&self) -> u64 {
        self.requested_scans.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn is_check_done(&self, _: u64) -> bool {
        !self.is_scanning.load(Ordering::SeqCst)
    }
}

/// Answers a delivery; `None` is "done".
pub type Fault = Box<dyn FnMut(&Items) -> Option<Delivery> + Send>;

/// Stores the events that it gets, as `generation:start:text`.
pub struct FakeSink {
    pub limits: Limits,
    /// Keeps its own cursors, and answers `Accepted`.
    pub transactional: bool,
    fault: Mutex<Fault>,
    pub commit_fails: Mutex<u32>,
    pub routing: u64,
    pub slow: Duration,
    /// Never answers, and stores the items here.
    pub silent: AtomicBool,
    pub swallowed: Mutex<String>,
    /// The next items are not returned.
    pub loses: AtomicBool,
    pub state: Mutex<Stored>,
    flying: AtomicUsize,
    pub most_flying: AtomicUsize,
    pub largest_body: AtomicUsize,
}

#[derive(Default)]
pub struct Stored {
    /// Durable.
    pub documents: Vec<String>,
    pub cursors: BTreeMap<GenerationId, u64>,
    accepted: Vec<String>,
}

impl FakeSink {
    pub fn new() -> Self {
        FakeSink {
            limits: Limits {
                events: 50,
                bytes: 4096,
                requests: 3,
                commit_every: Duration::from_millis(20),
            },
            transactional: false,
            fault: Mutex::new(Box::new(|_| None)),
            commit_fails: Mutex::new(0),
            routing: 1,
            slow: Duration::ZERO,
            silent: AtomicBool::new(false),
            swallowed: Mutex::default(),
            loses: AtomicBool::new(false),
            state: Mutex::default(),
            flying: AtomicUsize::new(0),
            most_flying: AtomicUsize::new(0),
            largest_body: AtomicUsize::new(0),
        }
    }

    pub fn transactional() -> Self {
        FakeSink { transactional: true, ..Self::new() }
    }

    pub fn fault(self, fault: impl FnMut(&Items) -> Option<Delivery> + Send + 'static) -> Self {
        FakeSink { fault: Mutex::new(Box::new(fault)), ..self }
    }

    pub fn documents(&self) -> Vec<String> {
        let mut documents = self.state.lock().unwrap().documents.clone();
        documents.sort();
        documents
    }

    fn answer(&self, items: &Items) -> Delivery {
        let good = if self.transactional { Outcome::Accepted } else { Outcome::Done };
        // A fault may panic.
        let delivery = (self.fault.lock().unwrap_or_else(PoisonError::into_inner))(items);
        let delivery = delivery.unwrap_or(Delivery::All(good.clone()));
        let mut state = self.state.lock().unwrap();
        for (index, item) in items.iter().enumerate() {
            let outcome = match &delivery {
                Delivery::All(outcome) => Some(outcome),
                Delivery::Each(outcomes) if outcomes.len() == items.len() => outcomes.get(index),
                _ => None,
            };
            let text = String::from_utf8(item.to_vec()).unwrap();
            match outcome {
                Some(Outcome::Done) => state.documents.push(text),
                Some(Outcome::Accepted) => state.accepted.push(text),
                _ => {}
            }
        }
        delivery
    }
}

impl Sink for FakeSink {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        let message = event.message().unwrap();
        if message == "no form" {
            return;
        }
        let item = format!("{}:{}:{message}", event.generation().0, event.offset());
        body.extend_from_slice(item.as_bytes());
    }

    /// `red line 7` is for the target `red`.
    fn target<'a>(&self, item: &'a [u8]) -> &'a str {
        let item = std::str::from_utf8(item).unwrap();
        match item.rsplit(':').next().unwrap().split_once(' ') {
            Some((colour @ ("red" | "green" | "blue"), _)) => colour,
            _ => "*",
        }
    }

    fn document<'a>(&self, item: &'a [u8]) -> Cow<'a, str> {
        let item = std::str::from_utf8(item).unwrap();
        let mut parts = item.splitn(3, ':').skip(1);
        let (offset, message) = (parts.next().unwrap(), parts.next().unwrap());
        let (time, id) = ("1970-01-01T00:00:00Z", "A".repeat(26));
        Cow::Owned(format!(
            r#"{{"@timestamp":"{time}","message":"{message}","log":{{"file":{{"path":"/test.log"}},"offset":{offset}}},"event":{{"id":"{id}","created":"{time}"}}}}"#
        ))
    }

    fn routing(&self) -> u64 {
        self.routing
    }

    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<Position>>, SinkError>> {
        let mut state = self.state.lock().unwrap();
        state.accepted.clear();
        let cursors = state.cursors.iter();
        let position = |(&generation, &offset): (&GenerationId, &u64)| Position {
            cursor: Cursor { generation, offset },
            identity: None,
            mark: Mark::default(),
        };
        let own = self.transactional.then_some(cursors.map(position).collect());
        Box::pin(async { Ok(own) })
    }

    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)> {
        Box::pin(async move {
            let flying = self.flying.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_flying.fetch_max(flying, Ordering::SeqCst);
            self.largest_body.fetch_max(items.body.len(), Ordering::SeqCst);
            tokio::time::sleep(self.slow).await;
            if self.silent.load(Ordering::SeqCst) {
                self.swallowed.lock().unwrap().push_str(&String::from_utf8_lossy(&items.body));
                std::future::pending::<()>().await;
            }
            self.flying.fetch_sub(1, Ordering::SeqCst);
            let delivery = self.answer(&items);
            let loses = self.loses.swap(false, Ordering::SeqCst);
            let items = if loses { Items::default() } else { items };
            (items, delivery)
        })
    }

    fn commit<'a>(&'a self, upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>> {
        assert_eq!(self.flying.load(Ordering::SeqCst), 0, "a commit beside a delivery");
        let mut fails = self.commit_fails.lock().unwrap();
        if *fails > 0 {
            *fails -= 1;
            return Box::pin(async { Err(SinkError::Unavailable("the disk is full".into())) });
        }
        let mut state = self.state.lock().unwrap();
        let accepted = std::mem::take(&mut state.accepted);
        state.documents.extend(accepted);
        for cursor in upto {
            let before = state.cursors.insert(cursor.generation, cursor.offset);
            assert!(before.is_none_or(|before| before <= cursor.offset), "a cursor went back");
        }
        Box::pin(async { Ok(()) })
    }
}

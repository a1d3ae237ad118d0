//! A log in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::base::Timestamp;
use crate::event::{
    Batch, Cursor, Decode, Flags, Generation, GenerationId, IdKey, Identity, Part, Record,
};
use crate::follow::{ChangeHub, ChangeSet, Changes, Queue, Read};

/// Bytes of a record.
pub const LENGTH: u64 = 10;

#[derive(Debug)]
struct Nothing;

impl Decode for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }
    fn parts<'a>(&self, _: &'a [u8], _: &mut dyn FnMut(Part<'a>)) {}
}

#[derive(Clone, Default)]
pub struct File {
    /// The times of its records.
    pub times: Vec<i64>,
    /// An incomplete record follows the last one.
    pub open: bool,
    pub broken: bool,
    /// Bytes before this offset no longer exist.
    pub gone: u64,
}

/// Files of records of the same length.
#[derive(Default)]
pub struct Files {
    pub files: Mutex<BTreeMap<u64, File>>,
    /// Records in a batch.
    batch: usize,
    pub hub: ChangeHub,
    reads: Mutex<Vec<u64>>,
}

impl Files {
    pub fn new(batch: usize, files: impl IntoIterator<Item = Vec<i64>>) -> Self {
        let file = |(id, times)| (id, File { times, ..File::default() });
        let files = Mutex::new((0..).zip(files).map(file).collect());
        Files { files, batch, ..Files::default() }
    }

    /// Applies the change and marks it.
    pub fn change(&self, id: u64, change: impl FnOnce(&mut File)) {
        change(self.files.lock().unwrap().entry(id).or_default());
        self.hub.mark(&ChangeSet::of([GenerationId(id)]));
    }

    pub fn take_reads(&self) -> Vec<u64> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    pub fn events(&self) -> usize {
        self.files.lock().unwrap().values().map(|file| file.times.len()).sum()
    }
}

impl Queue for Files {
    fn generations(&self) -> Vec<GenerationId> {
        self.files.lock().unwrap().keys().map(|id| GenerationId(*id)).collect()
    }

    fn holds(&self, id: GenerationId) -> bool {
        self.files.lock().unwrap().contains_key(&id.0)
    }

    fn extent(&self, id: GenerationId) -> Option<(u64, u64)> {
        let files = self.files.lock().unwrap();
        let file = files.get(&id.0)?;
        Some((0, file.times.len() as u64 * LENGTH + u64::from(file.open)))
    }

    fn changes(&self) -> Changes {
        self.hub.subscribe()
    }

    fn read(&self, cursor: Cursor) -> io::Result<Read> {
        let id = cursor.generation.0;
        self.reads.lock().unwrap().push(id);
        let file = self.files.lock().unwrap()[&id].clone();
        if file.broken {
            return Err(io::Error::other("disk error"));
        }
        if cursor.offset < file.gone {
            return Ok(Read::Lost { to: file.gone });
        }
        let first = (cursor.offset / LENGTH) as usize;
        // Batch boundaries do not depend on the cursor, as in the cache.
        let start = first / self.batch * self.batch;
        let times: Vec<i64> = file.times.iter().skip(start).take(self.batch).copied().collect();
        if start + times.len() <= first {
            return Ok(Read::Waiting);
        }
        let batch = batch(cursor.generation, start as u64, &times);
        Ok(Read::Batch { batch: Arc::new(batch), first: first - start })
    }

    fn settled(&self) -> bool {
        true
    }
}

fn batch(id: GenerationId, start: u64, times: &[i64]) -> Batch {
    let record = |(number, time): (u64, &i64)| Record {
        start: number * LENGTH,
        end: (number + 1) * LENGTH,
        at: 0,
        len: 0,
        time: Timestamp(*time),
        level: None,
        precision: 0,
        flags: Flags::default(),
    };
    Batch {
        generation: Arc::new(Generation {
            id,
            identity: Identity { inode: id.0, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 },
            source: "test".into(),
            service: None,
            host: "host".into(),
            key: IdKey::from_host_id("host"),
        }),
        path: Path::new("/test.log").into(),
        decode: Arc::new(Nothing),
        seen: Timestamp(0),
        day: 0,
        start: start * LENGTH,
        end: (start + times.len() as u64) * LENGTH,
        bytes: Arc::default(),
        records: (start..).zip(times).map(record).collect(),
    }
}

//! For tests: a simulated disk for database and journal that is full, panics or loses power at a chosen step. After a
//! loss of power, unsynced writes are lost, incomplete or reordered.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{Database, DatabaseError, StorageBackend};

use super::storage::{Storage, builder};

/// A sector is written completely or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct FaultyDisk {
    inner: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    /// By inode: a file keeps its history when it is renamed.
    files: HashMap<u64, History>,
    /// Steps (writes, syncs, changes of length) so far.
    steps: u64,
    power_cut_at: Option<u64>,
    full_from: Option<u64>,
    panics_at: Option<u64>,
    /// Only the database cannot be written any more.
    database_is_full: bool,
}

#[derive(Debug, Default)]
struct History {
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl FaultyDisk {
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    fn open(&self, path: &Path, is_database: bool) -> io::Result<FaultyFile> {
        // It may have the inode of a deleted file.
        let is_new = !path.exists();
        let options = OpenOptions::new().read(true).write(true).create(true).clone();
        let file = options.open(path)?;
        let inode = file.metadata()?.ino();
        let durable = fs::read(path)?;
        let mut faults = self.inner.lock().unwrap();
        if is_new {
            faults.files.remove(&inode);
        }
        faults.files.entry(inode).or_insert(History { durable, unsynced: Vec::new() });
        drop(faults);
        Ok(FaultyFile { disk: self.clone(), inode, is_database, file })
    }

    pub fn steps(&self) -> u64 {
        self.inner.lock().unwrap().steps
    }

    /// After `after` more steps nothing reaches the disk and every call fails.
    pub fn cut_power_after(&self, after: u64) {
        let mut faults = self.inner.lock().unwrap();
        faults.power_cut_at = Some(faults.steps + after);
    }

    /// After `after` more steps the disk is full.
    pub fn fill_up_after(&self, after: u64) {
        let mut faults = self.inner.lock().unwrap();
        faults.full_from = Some(faults.steps + after);
    }

    /// The step after `after` more steps panics, like a bug in the database.
    pub fn panic_after(&self, after: u64) {
        let mut faults = self.inner.lock().unwrap();
        faults.panics_at = Some(faults.steps + after);
    }

    /// The disk is full for the database only.
    pub fn fill_up_database(&self) {
        self.inner.lock().unwrap().database_is_full = true;
    }

    pub fn make_room(&self) {
        let mut faults = self.inner.lock().unwrap();
        (faults.full_from, faults.database_is_full) = (None, false);
    }

    /// Power is back: rewrites the files as the disk may have them then. Synced data is intact; of unsynced data any
    /// sectors may be missing.
    pub fn restart(&self, directory: &Path, seed: u64) {
        let mut faults = self.inner.lock().unwrap();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let Some(history) = faults.files.remove(&entry.metadata().unwrap().ino()) else {
                continue;
            };
            let mut image = history.durable;
            for change in history.unsynced {
                apply_torn(&mut image, change, &mut random);
            }
            fs::write(entry.path(), image).unwrap();
        }
        *faults = Faults::default();
    }
}

impl Storage for FaultyDisk {
    fn database(&self, path: &Path) -> Result<Database, DatabaseError> {
        builder().create_with_backend(self.open(path, true)?)
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.open(path, false)?))
    }
}

fn apply(image: &mut Vec<u8>, change: Change) {
    match change {
        Change::Length(length) => image.resize(length as usize, 0),
        Change::Write(offset, data) => {
            let end = offset as usize + data.len();
            image.resize(image.len().max(end), 0);
            image[offset as usize..end].copy_from_slice(&data);
        }
    }
}

fn apply_torn(image: &mut Vec<u8>, change: Change, random: &mut Random) {
    match (random.next() % 4, change) {
        (0, _) => {}
        (1, Change::Write(offset, data)) => {
            for (index, sector) in data.chunks(SECTOR).enumerate() {
                if random.next().is_multiple_of(2) {
                    let at = offset + (index * SECTOR) as u64;
                    apply(image, Change::Write(at, sector.to_vec()));
                }
            }
        }
        (_, change) => apply(image, change),
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 7
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    inode: u64,
    is_database: bool,
    file: File,
}

impl FaultyFile {
    /// Performs a change, or a sync (`None`), unless a fault prevents it.
    fn step(&self, change: Option<Change>) -> io::Result<()> {
        let mut faults = self.disk.inner.lock().unwrap();
        if faults.power_cut_at.is_some_and(|at| faults.steps >= at) {
            return Err(io::Error::other("no power"));
        }
        let is_full = faults.full_from.is_some_and(|at| faults.steps >= at)
            || (self.is_database && faults.database_is_full);
        if is_full && change.is_some() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        faults.steps += 1;
        if faults.panics_at.is_some_and(|at| at < faults.steps) {
            faults.panics_at = None;
            drop(faults);
            panic!("a deliberate panic");
        }
        let Some(history) = faults.files.get_mut(&self.inode) else {
            return Err(io::Error::other("opened before the restart"));
        };
        match change {
            None => {
                for change in std::mem::take(&mut history.unsynced) {
                    apply(&mut history.durable, change);
                }
            }
            Some(change) => {
                match &change {
                    Change::Write(offset, data) => self.file.write_all_at(data, *offset)?,
                    Change::Length(length) => self.file.set_len(*length)?,
                }
                history.unsynced.push(change);
            }
        }
        Ok(())
    }
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.step(Some(Change::Length(length)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step(Some(Change::Write(offset, data.to_vec())))
    }
}

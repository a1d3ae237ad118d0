//! Files, writers and the operator: on the disk, and as the model knows them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::life::{Life, LifeId, Piece, PieceId, Span, header, line};
use super::places::{Filed, Key, Sure, birth};
use super::steps::{Naming, Packing, Setting};
use crate::compressed::{gzip, zstd};

/// Names of the logs.
pub const LOGS: [&str; 2] = ["app.log", "web.log"];

pub struct World {
    pub root: PathBuf,
    pub setting: Setting,
    pub pieces: Vec<Piece>,
    pub lives: Vec<Life>,
    pub files: Vec<Filed>,
    /// By path below the root.
    pub names: BTreeMap<PathBuf, Key>,
    pub logs: Vec<Log>,
    /// The follower is at work.
    pub running: bool,
}

/// One log, its writer and what was rotated of it.
pub struct Log {
    pub path: PathBuf,
    next_line: usize,
    half: Option<(PieceId, usize)>,
    /// How long the half line has been one.
    half_for: Duration,
    held: Option<(File, Key)>,
    /// What was rotated, the newest first; two files where the compressed one stands beside its original.
    slots: Vec<Vec<Key>>,
    next_stamp: usize,
    backup: Option<Key>,
    /// A life of it is known to the state.
    pub is_known: bool,
}

impl World {
    pub fn new(root: PathBuf, setting: Setting) -> World {
        fs::create_dir_all(root.join("old")).unwrap();
        let log = |number: usize| Log {
            path: LOGS[number].into(),
            next_line: 0,
            half: None,
            half_for: Duration::ZERO,
            held: None,
            slots: Vec::new(),
            next_stamp: 0,
            backup: None,
            is_known: false,
        };
        World {
            root,
            setting,
            pieces: Vec::new(),
            lives: Vec::new(),
            files: Vec::new(),
            names: BTreeMap::new(),
            logs: (0..setting.logs).map(log).collect(),
            running: false,
        }
    }

    pub fn write(&mut self, log: usize, lines: usize) {
        self.finish(log);
        let mut parts = Vec::new();
        for _ in 0..lines {
            let piece = self.next_piece(log);
            parts.push((piece, 0, self.pieces[piece].bytes.len()));
        }
        self.append(log, &parts);
    }

    pub fn half(&mut self, log: usize) {
        self.finish(log);
        let piece = self.next_piece(log);
        // Behind its name, so that each half is unlike any other.
        let names = self.pieces[piece].bytes.iter().enumerate().filter(|(_, byte)| **byte == b'#');
        let middle = names.map(|(at, _)| at).nth(1).expect("a name stands between two of them") + 1;
        self.append(log, &[(piece, 0, middle)]);
        (self.logs[log].half, self.logs[log].half_for) = (Some((piece, middle)), Duration::ZERO);
    }

    pub fn finish(&mut self, log: usize) {
        if let Some((piece, from)) = self.logs[log].half.take() {
            self.append(log, &[(piece, from, self.pieces[piece].bytes.len())]);
        }
    }

    /// What happens to its file now may end a line in its middle.
    pub fn may_split(&mut self, log: usize) {
        if let Some((piece, _)) = self.logs[log].half {
            self.pieces[piece].may_split = true;
        }
    }

    /// Time passes: a line without its end is not waited for without end.
    pub fn pass(&mut self, time: Duration) {
        for log in 0..self.logs.len() {
            self.logs[log].half_for += time;
            if self.logs[log].half_for > Duration::from_secs(8) {
                self.may_split(log);
            }
        }
    }

    pub fn reopen(&mut self, log: usize) {
        self.may_split(log);
        self.logs[log].held = None;
    }

    fn next_piece(&mut self, log: usize) -> PieceId {
        let bytes = line(self.setting.lines, log, self.logs[log].next_line);
        self.logs[log].next_line += 1;
        self.add_piece(bytes, false)
    }

    fn add_piece(&mut self, bytes: Vec<u8>, is_header: bool) -> PieceId {
        self.pieces.push(Piece { bytes, is_header, may_split: false });
        self.pieces.len() - 1
    }

    /// Bytes [from, to) of these pieces, to wherever the writer writes.
    fn append(&mut self, log: usize, parts: &[(PieceId, usize, usize)]) {
        let (mut file, key) = self.writer(log);
        let mut parts = parts.to_vec();
        let life = match self.files[key].life {
            Some(life) => life,
            None => {
                if let Some(bytes) = header(self.setting.lines) {
                    let piece = self.add_piece(bytes, true);
                    parts.insert(0, (piece, 0, self.pieces[piece].bytes.len()));
                }
                self.begin_life(log, key)
            }
        };
        let before = self.lives[life].bytes.len();
        parts.into_iter().for_each(|part| self.add_span(life, part));
        file.write_all(&self.lives[life].bytes[before..]).unwrap();
        self.files[key].len = self.lives[life].len();
    }

    fn add_span(&mut self, life: LifeId, (piece, from, to): (PieceId, usize, usize)) {
        let life = &mut self.lives[life];
        match life.spans.last_mut().filter(|last| last.piece == piece && last.to == from) {
            Some(last) => last.to = to,
            None => life.spans.push(Span { start: life.len(), piece, from, to }),
        }
        life.bytes.extend_from_slice(&self.pieces[piece].bytes[from..to]);
    }

    fn writer(&mut self, log: usize) -> (File, Key) {
        let held = self.logs[log].held.take();
        if let Some((file, key)) = held.filter(|(_, key)| self.files[*key].path.is_some()) {
            self.logs[log].held = Some((file.try_clone().unwrap(), key));
            return (file, key);
        }
        let path = self.logs[log].path.clone();
        let file =
            OpenOptions::new().create(true).append(true).open(self.root.join(&path)).unwrap();
        let key = match self.names.get(&path) {
            Some(key) => *key,
            None => self.add_file(&path, None, 0, None),
        };
        if self.setting.late {
            self.logs[log].held = Some((file.try_clone().unwrap(), key));
        }
        (file, key)
    }

    fn begin_life(&mut self, log: usize, key: Key) -> LifeId {
        self.lives.push(Life {
            log,
            bytes: Vec::new(),
            spans: Vec::new(),
            home: self.files[key].place,
            parent: None,
            seen: 0,
            expected: self.logs[log].is_known,
            twins: Vec::new(),
            copies: 0,
            has_other_id: false,
            destroyed_from: None,
        });
        self.files[key].life = Some(self.lives.len() - 1);
        self.lives.len() - 1
    }

    /// The model learns of a file that stands there.
    fn add_file(
        &mut self,
        path: &Path,
        life: Option<LifeId>,
        len: u64,
        packing: Option<Packing>,
    ) -> Key {
        let metadata = fs::metadata(self.root.join(path)).unwrap();
        let place = (metadata.ino(), birth(&metadata));
        if let Some(life) = life {
            self.lives[life].copies += 1;
        }
        let path = path.to_owned();
        self.names.insert(path.clone(), self.files.len());
        self.files.push(Filed {
            life,
            len,
            packing,
            place,
            path: Some(path),
            open: Sure::No,
            kept: Sure::No,
            rescued: Sure::No,
        });
        self.files.len() - 1
    }

    /// The file that stands at the log's own path, with something in it.
    fn current(&self, log: usize) -> Option<Key> {
        let key = *self.names.get(&self.logs[log].path)?;
        self.files[key].life.map(|_| key)
    }

    fn rename_file(&mut self, key: Key, to: &Path) {
        let from = self.files[key].path.replace(to.to_owned()).expect("it has a name");
        fs::rename(self.root.join(&from), self.root.join(to)).unwrap();
        self.names.remove(&from);
        self.names.insert(to.to_owned(), key);
    }

    fn unlink(&mut self, key: Key) {
        let path = self.files[key].path.take().expect("it has a name");
        fs::remove_file(self.root.join(&path)).unwrap();
        self.names.remove(&path);
        self.lost_its_name(key);
    }

    fn lost_its_name(&mut self, key: Key) {
        let running = self.running;
        let file = &mut self.files[key];
        file.kept = if running { file.open } else { Sure::No };
    }

    fn copy_file(&mut self, key: Key, to: &Path) -> Key {
        let from = self.files[key].path.clone().expect("it has a name");
        fs::copy(self.root.join(from), self.root.join(to)).unwrap();
        let (life, len) = (self.files[key].life, self.files[key].len);
        self.add_file(to, life, len, None)
    }

    fn rotated_name(&self, log: usize, number: usize, stamp: usize) -> PathBuf {
        let name = LOGS[log];
        let name = match self.setting.naming {
            Naming::Numbered => format!("{name}.{number}"),
            Naming::Dated => format!("{name}-{}", 20_261_101 + stamp),
            Naming::Extension => format!("{}.{number}.log", name.trim_end_matches(".log")),
        };
        if self.setting.olddir { Path::new("old").join(name) } else { name.into() }
    }

    /// The older ones make room; where the newest goes.
    fn next_slot(&mut self, log: usize) -> PathBuf {
        let stamp = self.logs[log].next_stamp;
        self.logs[log].next_stamp += 1;
        if self.setting.naming != Naming::Dated {
            for slot in (0..self.logs[log].slots.len()).rev() {
                for key in self.logs[log].slots[slot].clone() {
                    let name = self.rotated_name(log, slot + 2, stamp);
                    let name = with_ending(&name, self.files[key].packing);
                    self.rename_file(key, &name);
                }
            }
        }
        self.rotated_name(log, 1, stamp)
    }

    pub fn rename(&mut self, log: usize) {
        self.may_split(log);
        let Some(key) = self.current(log) else { return };
        let name = self.next_slot(log);
        self.rename_file(key, &name);
        self.logs[log].slots.insert(0, vec![key]);
    }

    pub fn copy(&mut self, log: usize, truncate: bool) {
        self.may_split(log);
        let Some(key) = self.current(log) else { return };
        let name = self.next_slot(log);
        let copy = self.copy_file(key, &name);
        self.logs[log].slots.insert(0, vec![copy]);
        match truncate {
            true => self.truncate(log),
            false => self.note_twins(key),
        }
    }

    fn note_twins(&mut self, key: Key) {
        if let Some(life) = self.files[key].life {
            let len = self.files[key].len;
            self.lives[life].twins.push(len);
        }
    }

    pub fn truncate(&mut self, log: usize) {
        self.may_split(log);
        let Some(key) = self.current(log) else { return };
        let path = self.root.join(&self.logs[log].path);
        OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
        (self.files[key].life, self.files[key].len) = (None, 0);
    }

    pub fn compress(&mut self, log: usize, packing: Packing, keep: bool) {
        let held = self.logs[log].held.as_ref().map(|(_, key)| *key);
        let plain = |slot: &Vec<Key>| match slot[..] {
            [key] => self.files[key].packing.is_none() && held != Some(key),
            _ => false,
        };
        let Some(slot) = self.logs[log].slots.iter().position(plain) else { return };
        let key = self.logs[log].slots[slot][0];
        let path = self.files[key].path.clone().expect("it has a name");
        let packed = with_ending(&path, Some(packing));
        let (from, to) = (self.root.join(&path), self.root.join(&packed));
        let bytes = fs::read(&from).unwrap();
        let bytes = match packing {
            Packing::Gzip => gzip(&bytes),
            Packing::Zstd => zstd(&bytes),
        };
        fs::write(&to, bytes).unwrap();
        let modified = fs::metadata(&from).unwrap().modified().unwrap();
        File::options().write(true).open(&to).unwrap().set_modified(modified).unwrap();
        let (life, len) = (self.files[key].life, self.files[key].len);
        let new = self.add_file(&packed, life, len, Some(packing));
        self.logs[log].slots[slot] = if keep { vec![key, new] } else { vec![new] };
        match keep {
            true => self.note_twins(key),
            false => self.unlink(key),
        }
    }

    pub fn extend(&mut self, log: usize, lines: usize) {
        let plain = |key: &&Key| self.files[**key].packing.is_none();
        let newest = self.logs[log].slots.first().and_then(|slot| slot.iter().find(plain));
        let Some(&key) = newest.filter(|_| self.logs[log].half.is_none()) else { return };
        let (Some(life), len) = (self.files[key].life, self.files[key].len) else { return };
        let life = match self.files[key].place == self.lives[life].home {
            true => life,
            false => self.derived(life, len),
        };
        let from = self.lives[life].bytes.len();
        for _ in 0..lines {
            let piece = self.next_piece(log);
            self.add_span(life, (piece, 0, self.pieces[piece].bytes.len()));
        }
        let path = self.root.join(self.files[key].path.as_ref().expect("it has a name"));
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(&self.lives[life].bytes[from..]).unwrap();
        (self.files[key].life, self.files[key].len) = (Some(life), self.lives[life].len());
    }

    pub fn expire(&mut self, log: usize) {
        let Some(slot) = self.logs[log].slots.pop() else { return };
        slot.into_iter().for_each(|key| self.unlink(key));
    }

    pub fn delete(&mut self, log: usize) {
        self.may_split(log);
        if let Some(key) = self.current(log) {
            self.unlink(key);
        }
    }

    pub fn recreate(&mut self, log: usize, lines: usize) {
        if self.current(log).is_some() {
            self.delete(log);
            self.reopen(log);
            self.write(log, lines);
        }
    }

    /// As an editor saves: a backup, the new content aside, and over the old name.
    pub fn edit(&mut self, log: usize) {
        let Some(key) = self.current(log) else { return };
        if self.logs[log].half.is_some() {
            return;
        }
        self.tidy(log);
        let path = self.logs[log].path.clone();
        let mut backup = path.clone().into_os_string();
        backup.push("~");
        self.logs[log].backup = Some(self.copy_file(key, Path::new(&backup)));
        let (Some(life), len) = (self.files[key].life, self.files[key].len) else { return };
        let edited = self.edited(log, life, len);
        let aside = self.root.join(format!(".{}.swp", path.display()));
        fs::write(&aside, &self.lives[edited].bytes).unwrap();
        fs::rename(&aside, self.root.join(&path)).unwrap();
        self.files[key].path = None;
        self.lost_its_name(key);
        let new = self.add_file(&path, Some(edited), self.lives[edited].len(), None);
        self.lives[edited].home = self.files[new].place;
        self.reopen(log);
    }

    fn edited(&mut self, log: usize, parent: LifeId, len: u64) -> LifeId {
        let (life, piece) = (self.derived(parent, len), self.next_piece(log));
        self.add_span(life, (piece, 0, self.pieces[piece].bytes.len()));
        life
    }

    /// Another life that begins with the first `len` bytes of this one.
    fn derived(&mut self, parent: LifeId, len: u64) -> LifeId {
        let mut life = self.lives[parent].clone();
        life.bytes.truncate(len as usize);
        life.spans.retain(|span| span.start < len);
        if let Some(last) = life.spans.last_mut() {
            last.to -= last.end().saturating_sub(len) as usize;
        }
        life.parent = Some((parent, len));
        life.seen = 0;
        life.destroyed_from = None;
        self.lives.push(life);
        self.lives.len() - 1
    }

    pub fn tidy(&mut self, log: usize) {
        if let Some(key) = self.logs[log].backup.take() {
            self.unlink(key);
        }
    }
}

fn with_ending(path: &Path, packing: Option<Packing>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if let Some(packing) = packing {
        name.push(".");
        name.push(packing.ending());
    }
    name.into()
}

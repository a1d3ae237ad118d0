//! An operator's actions on files: every form of rotation that logrotate has, and saving in an editor.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::places::{Certainty, Key};
use super::steps::{Naming, Packing};
use super::stream::StreamId;
use super::world::{LOGS, World};
use crate::compressed::{gzip, zstd};

/// The action on a log after it was copied.
pub enum AfterCopy {
    Stay,
    Truncate,
    Delete,
}

impl World {
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

    fn note_gone(&mut self, key: Key) {
        if let Some(stream) = self.files[key].stream {
            self.streams[stream].gone += 1;
        }
    }

    fn lost_its_name(&mut self, key: Key) {
        self.note_gone(key);
        let running = self.running;
        let file = &mut self.files[key];
        file.kept = if running { file.open } else { Certainty::No };
    }

    fn copy_file(&mut self, key: Key, to: &Path) -> Key {
        let from = self.files[key].path.clone().expect("it has a name");
        fs::copy(self.root.join(from), self.root.join(to)).unwrap();
        let (stream, len) = (self.files[key].stream, self.files[key].len);
        self.add_file(to, stream, len, None)
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

    /// Shifts the numbered names and returns the name of the newest rotated file.
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

    /// Copies the log to its rotated name, then does `then` with the log.
    pub fn copy(&mut self, log: usize, then: AfterCopy) {
        self.may_split(log);
        let Some(key) = self.current(log) else { return };
        let name = self.next_slot(log);
        let copy = self.copy_file(key, &name);
        self.logs[log].slots.insert(0, vec![copy]);
        match then {
            AfterCopy::Stay => self.note_twins(key),
            AfterCopy::Truncate => self.truncate(log),
            AfterCopy::Delete => self.unlink(key),
        }
    }

    fn note_twins(&mut self, key: Key) {
        if let Some(stream) = self.files[key].stream {
            let len = self.files[key].len;
            self.streams[stream].twins.push(len);
        }
    }

    pub fn truncate(&mut self, log: usize) {
        self.may_split(log);
        let Some(key) = self.current(log) else { return };
        let path = self.root.join(&self.logs[log].path);
        OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
        self.note_gone(key);
        (self.files[key].stream, self.files[key].len) = (None, 0);
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
        let (stream, len) = (self.files[key].stream, self.files[key].len);
        let new = self.add_file(&packed, stream, len, Some(packing));
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
        let (Some(stream), len) = (self.files[key].stream, self.files[key].len) else { return };
        let stream = match self.files[key].place == self.streams[stream].home {
            true => stream,
            // Bytes appended to a copy without the end cannot be distinguished from the end.
            false if len < self.streams[stream].len() => return,
            false => self.derived(stream, len),
        };
        let from = self.streams[stream].bytes.len();
        for _ in 0..lines {
            let piece = self.next_piece(log);
            self.add_span(stream, (piece, 0, self.pieces[piece].bytes.len()));
        }
        let path = self.root.join(self.files[key].path.as_ref().expect("it has a name"));
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(&self.streams[stream].bytes[from..]).unwrap();
        (self.files[key].stream, self.files[key].len) = (Some(stream), self.streams[stream].len());
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

    /// Saves as an editor does: a backup, then the new content in another file, which is renamed over the log.
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
        let (Some(stream), len) = (self.files[key].stream, self.files[key].len) else { return };
        let edited = self.edited(log, stream, len);
        let aside = self.root.join(format!(".{}.swp", path.display()));
        fs::write(&aside, &self.streams[edited].bytes).unwrap();
        fs::rename(&aside, self.root.join(&path)).unwrap();
        self.files[key].path = None;
        self.lost_its_name(key);
        // The new file is read on in its place, so the follower may close it.
        self.files[key].kept = self.files[key].kept.min(Certainty::Maybe);
        let new = self.add_file(&path, Some(edited), self.streams[edited].len(), None);
        self.streams[edited].home = self.files[new].place;
        self.reopen(log);
    }

    fn edited(&mut self, log: usize, parent: StreamId, len: u64) -> StreamId {
        let (stream, piece) = (self.derived(parent, len), self.next_piece(log));
        self.add_span(stream, (piece, 0, self.pieces[piece].bytes.len()));
        stream
    }

    /// A new stream that begins with the first `len` bytes of this one.
    fn derived(&mut self, parent: StreamId, len: u64) -> StreamId {
        let mut stream = self.streams[parent].clone();
        stream.bytes.truncate(len as usize);
        stream.spans.retain(|span| span.start < len);
        if let Some(last) = stream.spans.last_mut() {
            last.to -= last.end().saturating_sub(len) as usize;
        }
        stream.parent = Some((parent, len));
        stream.seen = 0;
        stream.destroyed_from = None;
        self.streams.push(stream);
        self.streams.len() - 1
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

//! Files and writers, on disk and as the model tracks them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::places::{Certainty, Key, TrackedFile, birth};
use super::steps::{Packing, Setting};
use super::stream::{Piece, PieceId, Span, Stream, StreamId, header, line};

/// Names of the logs.
pub const LOGS: [&str; 2] = ["app.log", "web.log"];

pub struct World {
    pub root: PathBuf,
    pub setting: Setting,
    pub pieces: Vec<Piece>,
    pub streams: Vec<Stream>,
    pub files: Vec<TrackedFile>,
    /// Files by path, relative to the root.
    pub names: BTreeMap<PathBuf, Key>,
    pub logs: Vec<Log>,
    /// The follower is running.
    pub running: bool,
}

/// One log, its writer and its rotated files.
pub struct Log {
    pub path: PathBuf,
    pub next_line: usize,
    pub half: Option<(PieceId, usize)>,
    /// How long the current line has been incomplete.
    pub half_for: Duration,
    pub held: Option<(File, Key)>,
    /// Rotated files, newest first; two in one slot where the original was kept beside the compressed one.
    pub slots: Vec<Vec<Key>>,
    pub next_stamp: usize,
    pub backup: Option<Key>,
    /// The state knows a stream of it.
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
            streams: Vec::new(),
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
        // After the name, so that no two first parts are equal.
        let names = self.pieces[piece].bytes.iter().enumerate().filter(|(_, byte)| **byte == b'#');
        let middle = names.map(|(at, _)| at).nth(1).expect("a name is between two of them") + 1;
        self.append(log, &[(piece, 0, middle)]);
        (self.logs[log].half, self.logs[log].half_for) = (Some((piece, middle)), Duration::ZERO);
    }

    pub fn finish(&mut self, log: usize) {
        if let Some((piece, from)) = self.logs[log].half.take() {
            self.append(log, &[(piece, from, self.pieces[piece].bytes.len())]);
            let holds = |stream: &&Stream| stream.spans.iter().any(|span| span.piece == piece);
            // Its file was deleted, and the writer has created another.
            self.pieces[piece].may_split |= self.streams.iter().filter(holds).count() > 1;
        }
    }

    /// The current line, if incomplete, may come as several events.
    pub fn may_split(&mut self, log: usize) {
        if let Some((piece, _)) = self.logs[log].half {
            self.pieces[piece].may_split = true;
        }
    }

    /// Lets time pass: an incomplete line does not wait forever.
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

    pub fn next_piece(&mut self, log: usize) -> PieceId {
        let bytes = line(self.setting.lines, log, self.logs[log].next_line);
        self.logs[log].next_line += 1;
        self.add_piece(bytes, false)
    }

    pub fn add_piece(&mut self, bytes: Vec<u8>, is_header: bool) -> PieceId {
        self.pieces.push(Piece { bytes, is_header, may_split: false, cut_is_forgotten: false });
        self.pieces.len() - 1
    }

    /// Appends bytes [from, to) of these pieces to the writer's file.
    pub fn append(&mut self, log: usize, parts: &[(PieceId, usize, usize)]) {
        let (mut file, key) = self.writer(log);
        let mut parts = parts.to_vec();
        let stream = match self.files[key].stream {
            Some(stream) => stream,
            None => {
                if let Some(bytes) = header(self.setting.lines) {
                    let piece = self.add_piece(bytes, true);
                    parts.insert(0, (piece, 0, self.pieces[piece].bytes.len()));
                }
                self.begin_stream(log, key)
            }
        };
        let before = self.streams[stream].bytes.len();
        parts.into_iter().for_each(|part| self.add_span(stream, part));
        file.write_all(&self.streams[stream].bytes[before..]).unwrap();
        self.files[key].len = self.streams[stream].len();
    }

    pub fn add_span(&mut self, stream: StreamId, (piece, from, to): (PieceId, usize, usize)) {
        let stream = &mut self.streams[stream];
        match stream.spans.last_mut().filter(|last| last.piece == piece && last.to == from) {
            Some(last) => last.to = to,
            None => stream.spans.push(Span { start: stream.len(), piece, from, to }),
        }
        stream.bytes.extend_from_slice(&self.pieces[piece].bytes[from..to]);
    }

    pub fn writer(&mut self, log: usize) -> (File, Key) {
        let held = self.logs[log].held.take();
        if let Some((file, key)) = held.filter(|(_, key)| self.files[*key].path.is_some()) {
            self.logs[log].held = Some((file.try_clone().unwrap(), key));
            return (file, key);
        }
        // If its file was deleted, the rest of a line is written to the next one.
        self.may_split(log);
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

    pub fn begin_stream(&mut self, log: usize, key: Key) -> StreamId {
        self.streams.push(Stream {
            log,
            bytes: Vec::new(),
            spans: Vec::new(),
            home: self.files[key].place,
            parent: None,
            seen: 0,
            expected: self.logs[log].is_known,
            twins: Vec::new(),
            copies: 0,
            gone: 0,
            has_other_id: false,
            destroyed_from: None,
        });
        self.files[key].stream = Some(self.streams.len() - 1);
        self.streams.len() - 1
    }

    /// Registers a file that exists on disk.
    pub fn add_file(
        &mut self,
        path: &Path,
        stream: Option<StreamId>,
        len: u64,
        packing: Option<Packing>,
    ) -> Key {
        let metadata = fs::metadata(self.root.join(path)).unwrap();
        let place = (metadata.ino(), birth(&metadata));
        if let Some(stream) = stream {
            self.streams[stream].copies += 1;
        }
        let path = path.to_owned();
        self.names.insert(path.clone(), self.files.len());
        self.files.push(TrackedFile {
            stream,
            len,
            packing,
            place,
            path: Some(path),
            open: Certainty::No,
            kept: Certainty::No,
            rescued: Certainty::No,
        });
        self.files.len() - 1
    }

    /// The file at the log's path, if it is not empty.
    pub fn current(&self, log: usize) -> Option<Key> {
        let key = *self.names.get(&self.logs[log].path)?;
        self.files[key].stream.map(|_| key)
    }
}

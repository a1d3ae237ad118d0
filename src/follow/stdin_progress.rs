//! What the writer of segments and the follower both know: where standard input is kept, and how far it is durable.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::identity::Place;
use super::{SourceConfig, Start};

/// Name of the source of standard input, and of each of its segments.
pub(in crate::follow) const NAME: &str = "stdin";

/// The directory, and what this process does with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    pub directory: PathBuf,
    /// Standard input is written to it: with `--once` the ends are fixed when that has ended.
    pub input: bool,
    /// It is only looked at: what nobody has asked to deliver, and no sink has begun to take, is removed at the end.
    pub looking: bool,
    /// Most bytes of deleted files that are kept; 0: nobody has to be waited for, none are.
    pub rescue: u64,
}

impl Intake {
    /// The source that standard input is; also that of an earlier run.
    pub fn source(&self, zone: jiff::tz::TimeZone) -> SourceConfig {
        SourceConfig {
            name: NAME.into(),
            paths: vec![self.pattern()],
            format: None,
            zone,
            service: None,
            start: Start::Beginning,
            multiline: true,
        }
    }

    /// An earlier run has left segments.
    pub fn holds_segments(&self) -> bool {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten();
        entries.filter_map(Result::ok).any(|entry| entry.path().join(NAME).exists())
    }

    /// Every segment. Letters of the directory's name that mean something in a pattern mean themselves.
    pub fn pattern(&self) -> PathBuf {
        let mut escaped = Vec::new();
        for byte in self.directory.as_os_str().as_bytes() {
            match byte {
                b'*' | b'?' | b'[' => escaped.extend([b'[', *byte, b']']),
                byte => escaped.push(*byte),
            }
        }
        PathBuf::from(OsString::from_vec(escaped)).join("*").join(NAME)
    }

    pub(in crate::follow) fn is_segment(&self, path: &Path) -> bool {
        path.file_name() == Some(OsStr::new(NAME))
            && path.parent().and_then(Path::parent) == Some(&*self.directory)
    }
}

/// What the writer of segments tells the follower.
#[derive(Debug, Default)]
pub(in crate::follow) struct Incoming {
    /// Inputs that have not ended.
    open: AtomicUsize,
    /// It is to be delivered, though it was only looked at first.
    kept: AtomicBool,
    /// A segment is being unpacked, or is about to be.
    unpacked: AtomicBool,
    lost: Mutex<InputLoss>,
    segments: Mutex<Segments>,
}

/// What came by standard input and could not be read, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputLoss {
    /// No text, or compressed and damaged: bytes as they came.
    pub unread: u64,
    /// Compressed streams that ended early.
    pub cut: u64,
}

#[derive(Debug, Default)]
struct Segments {
    /// Made by this process.
    made: HashSet<Place>,
    /// Those that are being written, one an input, and how far they are durable.
    current: Vec<(Place, u64)>,
    /// Those whose end is known to readers.
    ended: HashSet<Place>,
}

impl Incoming {
    pub fn new(open: bool) -> Self {
        Incoming { open: AtomicUsize::new(usize::from(open)), ..Incoming::default() }
    }

    pub fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }

    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    /// So many inputs are about to begin.
    pub fn expect(&self, inputs: usize) {
        self.open.store(inputs, Ordering::Release);
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    /// All have ended, and so has what was written of them.
    pub fn is_through(&self) -> bool {
        let segments = self.segments();
        !self.is_open() && segments.made.iter().all(|place| segments.ended.contains(place))
    }

    pub fn set_unpacked(&self, unpacked: bool) {
        self.unpacked.store(unpacked, Ordering::Release);
    }

    /// A segment is being unpacked, or is about to be.
    pub fn is_unpacked(&self) -> bool {
        self.unpacked.load(Ordering::Acquire)
    }

    pub fn count_loss(&self, more: InputLoss) {
        let mut lost = self.lost.lock().expect("no holder of the losses panics");
        *lost = InputLoss { unread: lost.unread + more.unread, cut: lost.cut + more.cut };
    }

    pub fn lost(&self) -> InputLoss {
        *self.lost.lock().expect("no holder of the losses panics")
    }

    /// Nothing more of it will be read: it has ended, or is no text.
    pub fn note_end(&self, place: Place) -> bool {
        self.segments().ended.insert(place)
    }

    /// What a file's size is to us: bytes that are not durable are not there yet.
    pub fn size_of(&self, metadata: &Metadata) -> u64 {
        let place = Place::of(metadata);
        let segments = self.segments();
        let written = segments.current.iter().find(|(current, _)| *current == place);
        written.map_or(metadata.len(), |(_, durable)| metadata.len().min(*durable))
    }

    pub fn is_written(&self, place: Place) -> bool {
        self.segments().current.iter().any(|(current, _)| *current == place)
    }

    pub fn was_made_here(&self, place: Place) -> bool {
        self.segments().made.contains(&place)
    }

    pub fn begin(&self, place: Place) {
        let mut segments = self.segments();
        // Another one had it before, which is gone: file systems give an inode to the next file at once.
        segments.ended.remove(&place);
        segments.made.insert(place);
        segments.current.push((place, 0));
    }

    pub fn grew(&self, place: Place, durable: u64) {
        let mut segments = self.segments();
        let written = segments.current.iter_mut().find(|(current, _)| *current == place);
        written.into_iter().for_each(|(_, known)| *known = durable);
    }

    pub fn end_segment(&self, place: Place) {
        self.segments().current.retain(|(current, _)| *current != place);
    }

    /// It is removed: the next file may get its inode.
    pub fn forget(&self, place: Place) {
        let mut segments = self.segments();
        segments.made.remove(&place);
        segments.ended.remove(&place);
    }

    /// One input has ended.
    pub fn end(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    fn segments(&self) -> std::sync::MutexGuard<'_, Segments> {
        self.segments.lock().expect("no holder of the segments panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_gets_the_inode_of_a_removed_segment_was_not_made_here() {
        let incoming = Incoming::new(false);
        let place = Place { device: 1, inode: 2 };
        incoming.begin(place);
        incoming.end_segment(place);
        assert!(!incoming.is_through());
        incoming.note_end(place);
        assert!(incoming.is_through() && incoming.was_made_here(place));
        incoming.forget(place);
        assert!(incoming.is_through() && !incoming.was_made_here(place));
    }
}

//! The intake directory, and the progress of standard input that the writer of segments and the follower share: which
//! segments exist, and how many bytes of them are durable. Does no I/O on segments.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::identity::DeviceInode;
use super::{SourceConfig, Start};

/// The name of the source for standard input, and the file name of its segments.
pub(in crate::follow) const NAME: &str = "stdin";

/// The intake directory and its use by this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    pub directory: PathBuf,
    /// Standard input is written to it; with `--once`, the ends up to which files are read are fixed when it has ended.
    pub input: bool,
    /// Standard input is only viewed: the stored input is removed at the stop, unless its delivery was requested or a
    /// sink has started to read it.
    pub looking: bool,
    /// Maximum number of unread bytes of deleted files that are saved; 0: none are, since no consumer may need them.
    pub rescue: u64,
}

impl Intake {
    /// The source for standard input, including that of earlier runs.
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

    /// Whether the directory contains segments.
    pub fn holds_segments(&self) -> bool {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten();
        entries.filter_map(Result::ok).any(|entry| entry.path().join(NAME).exists())
    }

    /// The pattern that matches all segments; pattern characters in the name of the directory are escaped.
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

/// State of standard input that the writer of segments shares with the follower.
#[derive(Debug, Default)]
pub(in crate::follow) struct StdinProgress {
    /// Number of inputs that have not ended.
    open: AtomicUsize,
    /// Its delivery was requested, although it was only viewed at first.
    delivery_requested: AtomicBool,
    /// A segment is being unpacked, or is about to be.
    unpacking: AtomicBool,
    lost: Mutex<InputLoss>,
    segments: Mutex<Segments>,
}

/// Losses of standard input since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputLoss {
    /// Bytes that could not be read, as received: not text, or compressed and damaged.
    pub unread: u64,
    /// Number of compressed streams that ended early.
    pub cut: u64,
}

#[derive(Debug, Default)]
struct Segments {
    /// Segments created by this process.
    made: HashSet<DeviceInode>,
    /// Segments that are being written, one per input, with the number of their durable bytes.
    current: Vec<(DeviceInode, u64)>,
    /// Segments whose end is published to readers.
    ended: HashSet<DeviceInode>,
}

impl StdinProgress {
    pub fn new(open: bool) -> Self {
        StdinProgress { open: AtomicUsize::new(usize::from(open)), ..StdinProgress::default() }
    }

    pub fn request_delivery(&self) {
        self.delivery_requested.store(true, Ordering::Release);
    }

    pub fn is_delivery_requested(&self) -> bool {
        self.delivery_requested.load(Ordering::Acquire)
    }

    /// Sets the number of inputs that are about to start.
    pub fn set_open_inputs(&self, inputs: usize) {
        self.open.store(inputs, Ordering::Release);
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    /// All inputs have ended, and the ends of all their segments are published.
    pub fn is_through(&self) -> bool {
        let segments = self.segments();
        !self.is_open() && segments.made.iter().all(|place| segments.ended.contains(place))
    }

    pub fn set_unpacking(&self, unpacking: bool) {
        self.unpacking.store(unpacking, Ordering::Release);
    }

    /// A segment is being unpacked, or is about to be.
    pub fn is_unpacking(&self) -> bool {
        self.unpacking.load(Ordering::Acquire)
    }

    pub fn count_loss(&self, more: InputLoss) {
        let mut lost = self.lost.lock().expect("no holder of the losses panics");
        *lost = InputLoss { unread: lost.unread + more.unread, cut: lost.cut + more.cut };
    }

    pub fn loss(&self) -> InputLoss {
        *self.lost.lock().expect("no holder of the losses panics")
    }

    /// The end of the segment is published, or the segment is not text. `true` if that was not noted before.
    pub fn note_end_of_segment(&self, place: DeviceInode) -> bool {
        self.segments().ended.insert(place)
    }

    /// The size of a file without those bytes of a segment that are not durable yet.
    pub fn size_of(&self, metadata: &Metadata) -> u64 {
        let place = DeviceInode::of(metadata);
        let segments = self.segments();
        let written = segments.current.iter().find(|(current, _)| *current == place);
        written.map_or(metadata.len(), |(_, durable)| metadata.len().min(*durable))
    }

    /// Whether the file is a segment that is being written.
    pub fn is_written(&self, place: DeviceInode) -> bool {
        self.segments().current.iter().any(|(current, _)| *current == place)
    }

    /// Whether the file is a segment that this process created.
    pub fn was_made_here(&self, place: DeviceInode) -> bool {
        self.segments().made.contains(&place)
    }

    pub fn begin_segment(&self, place: DeviceInode) {
        let mut segments = self.segments();
        // File systems reuse the inode of a removed segment at once.
        segments.ended.remove(&place);
        segments.made.insert(place);
        segments.current.push((place, 0));
    }

    pub fn set_durable(&self, place: DeviceInode, durable: u64) {
        let mut segments = self.segments();
        let written = segments.current.iter_mut().find(|(current, _)| *current == place);
        written.into_iter().for_each(|(_, known)| *known = durable);
    }

    pub fn end_segment(&self, place: DeviceInode) {
        self.segments().current.retain(|(current, _)| *current != place);
    }

    /// The segment is removed: the next file may get its inode.
    pub fn forget(&self, place: DeviceInode) {
        let mut segments = self.segments();
        segments.made.remove(&place);
        segments.ended.remove(&place);
    }

    /// One input has ended.
    pub fn end_input(&self) {
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
    fn a_file_with_the_inode_of_a_removed_segment_was_not_made_here() {
        let progress = StdinProgress::new(false);
        let place = DeviceInode { device: 1, inode: 2 };
        progress.begin_segment(place);
        progress.end_segment(place);
        assert!(!progress.is_through());
        progress.note_end_of_segment(place);
        assert!(progress.is_through() && progress.was_made_here(place));
        progress.forget(place);
        assert!(progress.is_through() && !progress.was_made_here(place));
    }
}

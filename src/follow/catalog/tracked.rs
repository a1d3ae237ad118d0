//! The follower's data about one file, which only its thread knows.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::Timestamp;
use crate::base::timed_fs::File;
use crate::event::{FileKey, Mark};
use crate::follow::descriptors::Pins;
use crate::follow::file::FileHandle;
use crate::follow::identity::{DeviceInode, Head};
use crate::follow::open_file;
use crate::follow::origin::Origin;
use crate::follow::truncated_records::TruncatedRecords;
use crate::follow::unpacker::{CompressedFile, Progress, Version};
use crate::follow::watch::Coverage;
use crate::state::GenerationRow;

/// Maximum number of remembered marks. A copy that ends before the last mark is still recognised by an earlier one.
const MAX_MARKS: usize = 32;

/// How far a file has come: from its discovery to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Stage {
    /// Its first line is not complete, or it has not been checked yet.
    Unidentified,
    /// It begins like another generation and may be its copy. Not read yet.
    PossibleCopy,
    /// Its row has been written to the state but is not durable yet.
    AwaitingCommit,
    /// Followed: consumers read it, and it may grow.
    Live,
    /// Truncated; its copy is searched for until this time.
    AwaitingCopy(Duration),
    /// No more bytes will be added.
    Ended,
    /// Not followed because it is not text.
    Rejected,
}

/// A file that is followed, or is being identified.
#[derive(Debug)]
pub(in crate::follow) struct Tracked {
    pub handle: Arc<FileHandle>,
    /// Index of the source.
    pub source: usize,
    pub birth: i64,
    pub opened: Timestamp,
    pub stage: Stage,
    /// A segment of standard input: written by Logwarden, and removed once it has been read.
    pub is_segment: bool,
    pub origin: Origin,
    /// It existed before its source was started for the first time.
    pub existed_before_start: bool,
    /// Number of hard links.
    pub links: u64,
    pub size: u64,
    /// Size when it was found.
    pub first_size: u64,
    /// Records that begin before this offset existed when the file was found; 0 if all bytes came while its name was
    /// followed.
    pub existing_bytes: u64,
    pub modified: Option<SystemTime>,
    /// Uptime at the last growth.
    pub last_growth: Duration,
    pub marks: VecDeque<Mark>,
    /// See [`Head::line_hashes`](crate::follow::identity::Head::line_hashes): most files with the same first line
    /// differ soon after it.
    pub line_hashes: Vec<u64>,
    /// Set once, by [`super::Catalog::set_row`]; the generation of the row never changes.
    pub row: Option<GenerationRow>,
    /// The sample was too small for the first format detection.
    pub needs_vote: bool,
    /// Bytes of holes that readers have found.
    pub hole_bytes: u64,
    /// Records of which only the beginning was kept, because they are too long.
    pub truncated_records: TruncatedRecords,
    /// Mark at the last format detection whose sample was too small.
    pub last_vote_at: u64,
    /// For a compressed file: the original and its unpacked copy.
    pub compressed: Option<Arc<CompressedFile>>,
    /// Descriptors that the compressed file keeps open.
    pub descriptor_pins: Option<Pins>,
    /// Version of the compressed file at the last check.
    pub version: Version,
    /// When unpacking is tried again after it failed or had no space.
    pub retry_unpacking_at: Option<Duration>,
    /// Head of the unpacked copy, if the copy has been emptied.
    pub idle_head: Option<Head>,
    /// An earlier process may have handed out bytes up to this offset: the size when the generation was found again.
    pub possibly_handed: u64,
    // The catalog indexes these fields, and only it changes them.
    /// Device and inode; `None`: no file with a name is open.
    pub(super) place: Option<DeviceInode>,
    /// The real path, by which hints name the file.
    pub(super) real_path: Option<PathBuf>,
    /// Uptime of the next check.
    pub(super) next_check: Duration,
}

impl Tracked {
    /// A file without device and inode: nothing but its bytes is known.
    pub fn new(handle: Arc<FileHandle>, source: usize, size: u64, now: Duration) -> Self {
        Tracked {
            handle,
            source,
            birth: 0,
            opened: Timestamp(0),
            stage: Stage::Unidentified,
            is_segment: false,
            origin: Origin::Path,
            existed_before_start: false,
            links: 0,
            size,
            first_size: size,
            existing_bytes: size,
            modified: None,
            last_growth: now,
            marks: VecDeque::new(),
            line_hashes: Vec::new(),
            row: None,
            needs_vote: false,
            hole_bytes: 0,
            truncated_records: TruncatedRecords::default(),
            last_vote_at: 0,
            compressed: None,
            descriptor_pins: None,
            version: (0, None),
            retry_unpacking_at: None,
            idle_head: None,
            possibly_handed: 0,
            place: None,
            real_path: None,
            next_check: now,
        }
    }

    /// Device and inode; `None`: no file with a name is open.
    pub fn place(&self) -> Option<DeviceInode> {
        self.place
    }

    /// The real path, by which hints name the file.
    pub fn real_path(&self) -> Option<&Path> {
        self.real_path.as_deref()
    }

    /// Key of the open file in its file system.
    pub fn file_key(&self) -> Option<FileKey> {
        self.place.map(|place| place.file(self.birth))
    }

    /// The file that is read has no name in the file system (any more).
    pub fn is_nameless(&self) -> bool {
        self.links == 0 || self.place.is_none()
    }

    /// It needs a step at each sweep, even while it does not change.
    pub fn needs_attention(&self) -> bool {
        let is_stable = matches!(self.stage, Stage::Live | Stage::Ended | Stage::Rejected);
        !is_stable
            || self.is_nameless()
            || self.is_segment
            || self.compressed.is_some()
            || self.row.as_ref().is_some_and(|row| row.rest.is_some())
    }

    /// The open file that is read: for a compressed file its unpacked copy.
    pub fn file(&self) -> Option<Arc<File>> {
        self.handle.file()
    }

    /// As [`Tracked::file`]; an error if the file is being unpacked again and its bytes will be available afterwards.
    pub fn file_or_wait(&self) -> io::Result<Option<Arc<File>>> {
        match self.handle.open_file() {
            Err(error) if open_file::is_unpacking(&error) => Err(error),
            opened => Ok(opened.ok().flatten()),
        }
    }

    /// The file that has a name: for a compressed file the original, not the copy.
    pub fn named_file(&self) -> Option<Arc<File>> {
        self.compressed
            .as_ref()
            .map(|compressed| compressed.original.clone())
            .or_else(|| self.file())
    }

    pub fn push_mark(&mut self, mark: Mark) {
        if self.marks.len() == MAX_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    pub fn quiet_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_growth)
    }

    /// Not identified yet, so that consumers cannot read it.
    pub fn is_undecided(&self) -> bool {
        matches!(self.stage, Stage::Unidentified | Stage::PossibleCopy)
    }

    /// Not compressed, or unpacked completely.
    pub fn is_fully_unpacked(&self) -> bool {
        self.compressed
            .as_ref()
            .is_none_or(|compressed| compressed.progress() == Progress::Complete)
    }

    /// Compressed, and its unpacking has not finished.
    pub fn is_being_unpacked(&self) -> bool {
        self.compressed
            .as_ref()
            .is_some_and(|compressed| compressed.progress() == Progress::Unfinished)
    }

    /// Compressed, and its copy is growing or has grown since the last check.
    pub fn is_unpacking(&self) -> bool {
        self.compressed.as_ref().is_some_and(|compressed| {
            let size = compressed.copy.metadata().map_or(0, |copy| copy.len());
            compressed.progress() == Progress::Unfinished || size != self.size
        })
    }

    /// Time of the next check: soon after growth, later the longer the file has been quiet.
    pub fn next_check_after(&self, now: Duration, watched: Option<Coverage>) -> Duration {
        const MIN_PAUSE: Duration = Duration::from_millis(250);
        const SHARED_INTERVAL: Duration = Duration::from_secs(1);
        let quiet = self.quiet_for(now);
        // Writes under another hard link are reported for the directory of that link.
        let watched = watched.map(|it| if self.links > 1 { Coverage::Some } else { it });
        let pause = match (self.stage, watched) {
            (Stage::PossibleCopy, _) => MIN_PAUSE,
            (_, None) => (quiet / 8).clamp(MIN_PAUSE, SHARED_INTERVAL),
            (_, Some(Coverage::Some)) => (quiet / 8).clamp(MIN_PAUSE, Duration::from_secs(5)),
            // Notify reports growth, except for writes through a memory map, a mount of the single file, or an overlay.
            (_, Some(Coverage::All)) => quiet.clamp(MIN_PAUSE, Duration::from_secs(10)),
        };
        let next = now + pause;
        // Each sweep goes through all due files: idle files share one sweep per second.
        let together = Duration::from_secs(next.as_secs());
        if together > now + SHARED_INTERVAL { together } else { next }
    }

    /// Replaces the open file by `rest`, its unread bytes in the intake, if they were kept. From now on no file with a
    /// name is open.
    pub(super) fn continue_in(&mut self, rest: Option<Arc<File>>) {
        let handle = self.handle.clone();
        // Held until all fields are updated, so that readers see either the old or the new file.
        let _guard = handle.decode_state();
        let is_kept = rest.is_some();
        handle.replace_file(rest);
        self.place = None;
        if is_kept {
            self.publish();
        }
    }

    /// Makes the data of the row visible to readers.
    pub fn publish(&mut self) {
        let Some(row) = &self.row else { return };
        self.handle.update(|known| {
            known.facts.size = known.facts.size.max(row.readable_end());
            known.available = if row.is_short() { row.mark.offset } else { known.facts.size };
            known.mark = row.mark;
            known.facts.start = row.start;
            if let Some(rest) = row.rest.filter(|_| self.place.is_none()) {
                known.available = rest.upto;
                known.facts.begin = rest.from;
                known.facts.start = row.start.max(rest.from);
            }
            known.facts.encoding = Some(row.encoding);
            known.facts.formats.clone_from(&row.formats);
            known.facts.cuts.clone_from(&row.cuts);
            known.facts.days.clone_from(&row.days);
            known.facts.lost = known.facts.lost.max(row.lost);
        });
    }
}

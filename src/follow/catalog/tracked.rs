//! What the follower's thread alone knows about one file.

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
use crate::follow::identity::{Head, Place};
use crate::follow::open_file;
use crate::follow::origin::Origin;
use crate::follow::truncated_records::CutOff;
use crate::follow::unpacker::{CompressedFile, Progress, Version};
use crate::follow::watch::Coverage;
use crate::state::GenerationRow;

/// Marks that are remembered, so that a copy that ends before the last one is still known as one.
const MARKS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Stage {
    /// Its first line is not complete, or nobody has looked yet.
    Unidentified,
    /// Begins as another generation did: perhaps its copy. Not read yet.
    PossibleCopy,
    /// Its row is put, not durable yet.
    AwaitingCommit,
    Live,
    /// Truncated; its copy is looked for until then.
    AwaitingCopy(Duration),
    /// What was there is all there will be.
    Ended,
    /// Not followed: not text.
    Rejected,
}

#[derive(Debug)]
pub(in crate::follow) struct Tracked {
    pub handle: Arc<FileHandle>,
    /// Index of its source.
    pub source: usize,
    pub birth: i64,
    pub opened: Timestamp,
    pub stage: Stage,
    /// Of standard input: written by us, and removed when it is read.
    pub is_segment: bool,
    pub origin: Origin,
    /// There before the source was started for the first time.
    pub existed_before_start: bool,
    /// Names that the file system has for it.
    pub links: u64,
    pub size: u64,
    /// At first sight.
    pub first_size: u64,
    /// What begins before it stood in the file at first sight; 0 where all of it came while we followed its name.
    pub existing_bytes: u64,
    pub modified: Option<SystemTime>,
    /// Uptime of the last growth.
    pub last_growth: Duration,
    pub marks: VecDeque<Mark>,
    /// See [`Head::line_hashes`](crate::follow::identity::Head::line_hashes): most files that begin alike differ soon.
    pub line_hashes: Vec<u64>,
    /// Set once, by [`super::Catalog::set_row`]; its generation never changes.
    pub row: Option<GenerationRow>,
    /// The first vote on its format had too little to go by.
    pub needs_vote: bool,
    /// Bytes of holes that readers have met.
    pub hole_bytes: u64,
    /// Records whose ends are not kept.
    pub truncated_records: CutOff,
    /// Mark at the last vote that had too little.
    pub last_vote_at: u64,
    /// Compressed: the file that a copy is read of.
    pub compressed: Option<Arc<CompressedFile>>,
    /// What that holds open.
    pub descriptor_pins: Option<Pins>,
    /// Of the compressed file, at the last look.
    pub version: Version,
    /// When what there was no room for is unpacked again.
    pub retry_unpacking_at: Option<Duration>,
    /// What its copy began with, where that has given its room back.
    pub idle_head: Option<Head>,
    /// Size when its row was found again: what was handed out before is not known beyond it.
    pub possibly_handed: u64,
    // Indexed by the catalog, which alone changes them.
    /// Where it lies; `None`: no file with a name is held.
    pub(super) place: Option<Place>,
    /// Its real path, as hints name it.
    pub(super) real_path: Option<PathBuf>,
    /// Uptime of the next look.
    pub(super) next_check: Duration,
}

impl Tracked {
    /// Without a place: nothing is known of it but its bytes.
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
            truncated_records: CutOff::default(),
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

    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Its real path, as hints name it.
    pub fn real_path(&self) -> Option<&Path> {
        self.real_path.as_deref()
    }

    /// Which file of the file system it is, while one is held.
    pub fn file_key(&self) -> Option<FileKey> {
        self.place.map(|place| place.file(self.birth))
    }

    /// What is read has no name in the file system (any more).
    pub fn is_nameless(&self) -> bool {
        self.links == 0 || self.place.is_none()
    }

    /// Something about it has to be looked after at each sweep, also while it lies still.
    pub fn needs_attention(&self) -> bool {
        let settled = matches!(self.stage, Stage::Live | Stage::Ended | Stage::Rejected);
        !settled
            || self.is_nameless()
            || self.is_segment
            || self.compressed.is_some()
            || self.row.as_ref().is_some_and(|row| row.rest.is_some())
    }

    pub fn file(&self) -> Option<Arc<File>> {
        self.handle.file()
    }

    /// As [`Tracked::file`]; an error where the bytes can be had a moment later.
    pub fn file_or_wait(&self) -> io::Result<Option<Arc<File>>> {
        match self.handle.open_file() {
            Err(error) if open_file::is_unpacking(&error) => Err(error),
            opened => Ok(opened.ok().flatten()),
        }
    }

    /// The file that has a name: for a compressed one not the copy that is read.
    pub fn named_file(&self) -> Option<Arc<File>> {
        self.compressed
            .as_ref()
            .map(|compressed| compressed.original.clone())
            .or_else(|| self.file())
    }

    pub fn push_mark(&mut self, mark: Mark) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    pub fn quiet_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_growth)
    }

    /// Takes part in matching: not read by anybody yet.
    pub fn is_undecided(&self) -> bool {
        matches!(self.stage, Stage::Unidentified | Stage::PossibleCopy)
    }

    /// Not compressed, or unpacked as far as it can be.
    pub fn is_fully_unpacked(&self) -> bool {
        self.compressed
            .as_ref()
            .is_none_or(|compressed| compressed.progress() == Progress::Complete)
    }

    /// Compressed, and what can be had of it is not there yet.
    pub fn is_being_unpacked(&self) -> bool {
        self.compressed
            .as_ref()
            .is_some_and(|compressed| compressed.progress() == Progress::Unfinished)
    }

    /// Compressed, and more of it comes, or has come since the last look.
    pub fn is_unpacking(&self) -> bool {
        self.compressed.as_ref().is_some_and(|compressed| {
            let size = compressed.copy.metadata().map_or(0, |copy| copy.len());
            compressed.progress() == Progress::Unfinished || size != self.size
        })
    }

    /// Soon where it was hot a moment ago, later the longer it has been quiet.
    pub fn next_check_after(&self, now: Duration, watched: Option<Coverage>) -> Duration {
        const HOT: Duration = Duration::from_millis(250);
        const TOGETHER: Duration = Duration::from_secs(1);
        let quiet = self.quiet_for(now);
        // What is written under another name is told of the directory of that one.
        let watched = watched.map(|it| if self.links > 1 { Coverage::Some } else { it });
        let pause = match (self.stage, watched) {
            (Stage::PossibleCopy, _) => HOT,
            (_, None) => (quiet / 8).clamp(HOT, TOGETHER),
            (_, Some(Coverage::Some)) => (quiet / 8).clamp(HOT, Duration::from_secs(5)),
            // Growth is told, but for writes through a mapping, a mount of the file alone, or an overlay above it.
            (_, Some(Coverage::All)) => quiet.clamp(HOT, Duration::from_secs(10)),
        };
        let next = now + pause;
        // Each sweep goes through all files: those that lie still share one a second.
        let together = Duration::from_secs(next.as_secs());
        if together > now + TOGETHER { together } else { next }
    }

    /// From now on without the file that had a place: in what was kept of it, if that is given.
    pub(super) fn continue_in(&mut self, rest: Option<Arc<File>>) {
        let handle = self.handle.clone();
        // Held until all of it is true, so that readers see either, never neither.
        let _front = handle.front();
        let is_kept = rest.is_some();
        handle.replace_file(rest);
        self.place = None;
        if is_kept {
            self.publish();
        }
    }

    /// Brings what readers see in line with the row.
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

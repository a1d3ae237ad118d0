//! Which files hold the bytes of a stream, and whether the design promises to find them there.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::steps::{Packing, Paths};
use super::stream::StreamId;
use super::world::{LOGS, World};

pub type Key = usize;

/// How certain a fact is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    #[default]
    No,
    Maybe,
    Yes,
}

/// A file, with or without a name.
#[derive(Clone, Debug)]
pub struct TrackedFile {
    pub stream: Option<StreamId>,
    /// How many bytes of the stream it holds, from the first on.
    pub len: u64,
    pub packing: Option<Packing>,
    pub place: (u64, i64),
    pub path: Option<PathBuf>,
    /// The running follower has it open.
    pub open: Certainty,
    /// It was deleted and can still be read.
    pub kept: Certainty,
    /// It was deleted and can be read even after a kill.
    pub rescued: Certainty,
}

pub fn birth(metadata: &Metadata) -> i64 {
    let created = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    created.map_or(0, |since| since.as_nanos() as i64)
}

impl Paths {
    /// The patterns, relative to the directory of the logs.
    pub fn patterns(self) -> &'static [&'static str] {
        match self {
            Paths::Bare => &["app.log", "web.log"],
            Paths::Star => &["app.log*", "web.log*"],
            Paths::Ending => &["*.log"],
            Paths::All => &["*.log*"],
            Paths::Directory => &[""],
            Paths::StarAndOld => &["app.log*", "web.log*", "old/*"],
            Paths::BareAndOld => &["app.log", "web.log", "old/*"],
            Paths::Rotated => &["app.log?*", "web.log?*"],
        }
    }

    fn cover(self, path: &Path) -> bool {
        let name = path.to_str().expect("names in these tests are UTF-8");
        let is_log = |name: &str| LOGS.contains(&name);
        let begins = |name: &str| LOGS.iter().any(|log| name.starts_with(log));
        let beside = !name.contains('/');
        match self {
            Paths::Bare => is_log(name),
            Paths::Star => begins(name),
            Paths::Ending => beside && name.ends_with(".log"),
            Paths::All => beside && name.contains(".log"),
            Paths::Directory => beside,
            Paths::StarAndOld => !beside || begins(name),
            Paths::BareAndOld => !beside || is_log(name),
            Paths::Rotated => begins(name) && !is_log(name),
        }
    }
}

/// Its name is that of a log with a suffix, as rotation creates it.
fn is_sibling(path: &Path) -> bool {
    let name = path.to_str().expect("names in these tests are UTF-8");
    let rest = LOGS.iter().find_map(|log| name.strip_prefix(log));
    rest.is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric()))
}

impl World {
    /// Whether the design promises to find the stream in this file.
    fn is_found(&self, file: &TrackedFile, stream: StreamId) -> Certainty {
        let stream = &self.streams[stream];
        let Some(path) = &file.path else {
            // It was created and deleted between two polls, or no source includes it now.
            let is_missed = stream.seen == 0 || self.setting.paths == Paths::Rotated;
            return if is_missed { file.kept.min(Certainty::Maybe) } else { file.kept };
        };
        if path.to_string_lossy().ends_with('~') {
            return Certainty::Maybe;
        }
        if self.setting.paths.cover(path) {
            return Certainty::Yes;
        }
        // Created and renamed between two polls: searched for once another file has the log's name.
        let log = Path::new(LOGS[stream.log]);
        let is_missed =
            stream.expected && file.place == stream.home && self.names.contains_key(log);
        let came_and_went = stream.seen == 0 && !is_missed;
        match is_sibling(path) {
            true if !came_and_went => Certainty::Yes,
            _ => Certainty::Maybe,
        }
    }

    /// How many bytes `outer` may share with `inner`, which is `outer` or the stream that `outer` was copied from.
    fn shared(&self, outer: StreamId, inner: StreamId) -> Option<u64> {
        let (mut at, mut most) = (outer, u64::MAX);
        while at != inner {
            let (parent, len) = self.streams[at].parent?;
            (at, most) = (parent, most.min(len));
        }
        Some(most)
    }

    /// The longest prefix that is certainly found, and the longest that may be found.
    pub fn reach(&self, stream: StreamId) -> (u64, u64) {
        let (mut surely, mut perhaps) = (0, 0);
        for file in &self.files {
            let Some(most) = file.stream.and_then(|outer| self.shared(outer, stream)) else {
                continue;
            };
            let len = file.len.min(most);
            match self.is_found(file, stream) {
                Certainty::Yes => surely = len.max(surely),
                Certainty::Maybe => perhaps = len.max(perhaps),
                Certainty::No => {}
            }
        }
        (surely, perhaps.max(surely))
    }

    /// The prefix in the file that it was written to, if that has a name: not lost, even if no source covers it.
    fn at_home(&self, stream: StreamId) -> u64 {
        let is_home = |file: &&TrackedFile| {
            let beside =
                file.path.as_ref().is_some_and(|path| path.parent() == Some(Path::new("")));
            beside && file.stream == Some(stream) && file.place == self.streams[stream].home
        };
        self.files.iter().filter(is_home).map(|file| file.len).max().unwrap_or(0)
    }

    /// Called after every step: records the bytes that no file holds now.
    pub fn note_destroyed(&mut self) {
        for stream in 0..self.streams.len() {
            let surely = self.reach(stream).0.max(self.at_home(stream));
            let stream = &mut self.streams[stream];
            if surely < stream.len() {
                stream.destroyed_from = Some(stream.destroyed_from.unwrap_or(surely).min(surely));
            }
        }
    }

    /// The follower has polled for this long while no file changed.
    pub fn note_polled(&mut self, millis: u64) {
        // A file with the same first line as another is a suspect for 2 s.
        let identified_after =
            if self.setting.lines == super::steps::Lines::Json { 1000 } else { 3000 };
        if millis < 1000 {
            return;
        }
        for key in 0..self.files.len() {
            let file = self.files[key].clone();
            let Some(stream) = file.stream else { continue };
            let is_found =
                self.is_found(&file, stream) == Certainty::Yes || file.open == Certainty::Yes;
            let is_home = file.place == self.streams[stream].home && file.packing.is_none();
            let is_line = self.streams[stream].first_line().is_some();
            let is_open = match is_home {
                true => millis >= identified_after,
                false => millis >= 3000,
            };
            let open =
                if is_found && is_line && is_open { Certainty::Yes } else { Certainty::Maybe };
            let file = &mut self.files[key];
            if file.path.is_none() {
                file.rescued = file.kept.max(file.rescued);
                continue;
            }
            file.open = open.max(file.open);
            // Before its first line is complete the log cannot be identified.
            if is_home && is_line && file.open == Certainty::Yes {
                let stream = &mut self.streams[stream];
                stream.seen = file.len.max(stream.seen);
                self.logs[stream.log].is_known = true;
            }
        }
    }

    /// The source has other paths now; files that they do not cover may be closed.
    pub fn reloaded(&mut self, paths: Paths) {
        self.setting.paths = paths;
        for file in &mut self.files {
            if file.path.as_ref().is_some_and(|path| !paths.cover(path)) {
                file.open = file.open.min(Certainty::Maybe);
            }
        }
    }

    /// The follower was started and has seen the files that exist.
    pub fn started(&mut self) {
        self.running = true;
    }

    pub fn stopped(&mut self) {
        self.running = false;
        for file in &mut self.files {
            (file.open, file.rescued) = (Certainty::No, file.kept);
        }
    }

    pub fn killed(&mut self) {
        self.running = false;
        for file in &mut self.files {
            if file.path.is_none() && file.rescued != Certainty::Yes {
                file.kept = file.kept.min(Certainty::Maybe);
            }
            file.open = Certainty::No;
        }
    }

    /// The state's knowledge of the streams.
    pub fn knowledge(&self) -> Knowledge {
        Knowledge {
            seen: self.streams.iter().map(|stream| stream.seen).collect(),
            logs: self.logs.iter().map(|log| log.is_known).collect(),
        }
    }

    /// Replaces the state by one with this knowledge.
    pub fn forget_but(&mut self, known: &Knowledge) {
        for (stream, seen) in
            self.streams.iter_mut().zip(known.seen.iter().chain(std::iter::repeat(&0)))
        {
            stream.seen = stream.seen.min(*seen);
            stream.expected &= known.logs.get(stream.log) == Some(&true);
        }
        for (number, log) in self.logs.iter_mut().enumerate() {
            log.is_known &= known.logs.get(number) == Some(&true);
        }
        let some = known.seen.iter().any(|seen| *seen > 0);
        for file in self.files.iter_mut().filter(|file| file.path.is_none()) {
            file.kept = if some { file.kept.min(Certainty::Maybe) } else { Certainty::No };
            file.rescued = file.kept;
        }
    }

    /// A stream that the state does not know gets a new id. It equals the old one only if the stream is still in its
    /// own file, uncompressed, and no earlier stream of that file began with the same line.
    /// The cuts within lines are no longer known.
    pub fn give_other_ids(&mut self) {
        for piece in self.pieces.iter_mut().filter(|piece| piece.may_split) {
            piece.cut_is_forgotten = true;
        }
        for id in 0..self.streams.len() {
            let stream = &self.streams[id];
            let alike = |other: &super::stream::Stream| {
                other.home == stream.home && other.first_line() == stream.first_line()
            };
            let is_first = !self.streams[..id].iter().any(alike);
            let at_home = self.files.iter().any(|file| {
                let named = file.path.is_some() && file.packing.is_none();
                named && file.stream == Some(id) && file.place == stream.home
            });
            if stream.seen == 0 && (stream.parent.is_some() || !is_first || !at_home) {
                self.streams[id].has_other_id = true;
            }
        }
    }
}

/// The knowledge of streams and logs in a state directory.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    seen: Vec<u64>,
    logs: Vec<bool>,
}

//! Where the bytes of a life lie, and whether the design promises to find them there.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::life::LifeId;
use super::steps::{Packing, Paths};
use super::world::{LOGS, World};

pub type Key = usize;

/// How sure it is that something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    #[default]
    No,
    Maybe,
    Yes,
}

/// A file; it stays here when it has no name any more.
#[derive(Clone, Debug)]
pub struct Filed {
    pub life: Option<LifeId>,
    /// Of the life, from its beginning.
    pub len: u64,
    pub packing: Option<Packing>,
    pub place: (u64, i64),
    pub path: Option<PathBuf>,
    /// The follower that is at work has it open.
    pub open: Sure,
    /// It has no name, and can be read all the same.
    pub kept: Sure,
    /// … also after a kill.
    pub rescued: Sure,
}

pub fn birth(metadata: &Metadata) -> i64 {
    let created = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    created.map_or(0, |since| since.as_nanos() as i64)
}

impl Paths {
    /// As a source has them; relative to the folder of the logs.
    pub fn patterns(self) -> &'static [&'static str] {
        match self {
            Paths::Bare => &["app.log", "web.log"],
            Paths::Star => &["app.log*", "web.log*"],
            Paths::Ending => &["*.log"],
            Paths::All => &["*.log*"],
            Paths::Folder => &[""],
            Paths::StarAndOld => &["app.log*", "web.log*", "old/*"],
            Paths::BareAndOld => &["app.log", "web.log", "old/*"],
            Paths::Rotated => &["app.log?*", "web.log?*"],
        }
    }

    fn cover(self, path: &Path) -> bool {
        let name = path.to_str().expect("our names are text");
        let is_log = |name: &str| LOGS.contains(&name);
        let begins = |name: &str| LOGS.iter().any(|log| name.starts_with(log));
        let beside = !name.contains('/');
        match self {
            Paths::Bare => is_log(name),
            Paths::Star => begins(name),
            Paths::Ending => beside && name.ends_with(".log"),
            Paths::All => beside && name.contains(".log"),
            Paths::Folder => beside,
            Paths::StarAndOld => !beside || begins(name),
            Paths::BareAndOld => !beside || is_log(name),
            Paths::Rotated => begins(name) && !is_log(name),
        }
    }
}

/// Called as rotation calls what lies beside a log: its name and something behind it.
fn is_sibling(path: &Path) -> bool {
    let name = path.to_str().expect("our names are text");
    let rest = LOGS.iter().find_map(|log| name.strip_prefix(log));
    rest.is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric()))
}

impl World {
    /// Whether what lies in this file is promised to be found.
    fn is_found(&self, file: &Filed, life: LifeId) -> Sure {
        let life = &self.lives[life];
        let Some(path) = &file.path else {
            // Came and went between two looks.
            return if life.seen == 0 { file.kept.min(Sure::Maybe) } else { file.kept };
        };
        if path.to_string_lossy().ends_with('~') {
            return Sure::Maybe;
        }
        if self.setting.paths.cover(path) {
            return Sure::Yes;
        }
        // Between two looks: it is looked for when another file stands in its place.
        let log = Path::new(LOGS[life.log]);
        let is_missed = life.expected && file.place == life.home && self.names.contains_key(log);
        let came_and_went = life.seen == 0 && !is_missed;
        match is_sibling(path) {
            true if !came_and_went => Sure::Yes,
            _ => Sure::Maybe,
        }
    }

    /// So much of the life `inner` is in `outer`: all that is there, or what an editor left.
    fn shared(&self, outer: LifeId, inner: LifeId) -> Option<u64> {
        let (mut at, mut most) = (outer, u64::MAX);
        while at != inner {
            let (parent, len) = self.lives[at].parent?;
            (at, most) = (parent, most.min(len));
        }
        Some(most)
    }

    /// How far the life reaches where it is surely found, and where it may be.
    pub fn reach(&self, life: LifeId) -> (u64, u64) {
        let (mut surely, mut perhaps) = (0, 0);
        for file in &self.files {
            let Some(most) = file.life.and_then(|outer| self.shared(outer, life)) else { continue };
            let len = file.len.min(most);
            match self.is_found(file, life) {
                Sure::Yes => surely = len.max(surely),
                Sure::Maybe => perhaps = len.max(perhaps),
                Sure::No => {}
            }
        }
        (surely, perhaps.max(surely))
    }

    /// In its own file, which has a name: whatever the source means, the bytes are not lost.
    fn at_home(&self, life: LifeId) -> u64 {
        let is_home = |file: &&Filed| {
            let beside =
                file.path.as_ref().is_some_and(|path| path.parent() == Some(Path::new("")));
            beside && file.life == Some(life) && file.place == self.lives[life].home
        };
        self.files.iter().filter(is_home).map(|file| file.len).max().unwrap_or(0)
    }

    /// After every step: what lies nowhere now.
    pub fn note_destroyed(&mut self) {
        for life in 0..self.lives.len() {
            let surely = self.reach(life).0.max(self.at_home(life));
            let life = &mut self.lives[life];
            if surely < life.len() {
                life.destroyed_from = Some(life.destroyed_from.unwrap_or(surely).min(surely));
            }
        }
    }

    /// The follower has looked for so long, and nothing has changed meanwhile.
    pub fn looked(&mut self, millis: u64) {
        // One that begins as another does is a suspect at first.
        let judged = if self.setting.lines == super::steps::Lines::Json { 1000 } else { 3000 };
        if millis < 1000 {
            return;
        }
        for key in 0..self.files.len() {
            let file = self.files[key].clone();
            let Some(life) = file.life else { continue };
            let is_found = self.is_found(&file, life) == Sure::Yes || file.open == Sure::Yes;
            let is_home = file.place == self.lives[life].home && file.packing.is_none();
            let is_line = self.lives[life].first_line().is_some();
            let is_open = match is_home {
                true => millis >= judged,
                false => millis >= 3000,
            };
            let open = if is_found && is_line && is_open { Sure::Yes } else { Sure::Maybe };
            let file = &mut self.files[key];
            if file.path.is_none() {
                file.rescued = file.kept.max(file.rescued);
                continue;
            }
            file.open = open.max(file.open);
            if is_home && file.open == Sure::Yes {
                let life = &mut self.lives[life];
                life.seen = file.len.max(life.seen);
                self.logs[life.log].is_known = true;
            }
        }
    }

    /// Other paths: what none means may be let go.
    pub fn reloaded(&mut self, paths: Paths) {
        self.setting.paths = paths;
        for file in &mut self.files {
            if file.path.as_ref().is_some_and(|path| !paths.cover(path)) {
                file.open = file.open.min(Sure::Maybe);
            }
        }
    }

    /// It was started, and has seen what is there.
    pub fn started(&mut self) {
        self.running = true;
    }

    pub fn stopped(&mut self) {
        self.running = false;
        for file in &mut self.files {
            (file.open, file.rescued) = (Sure::No, file.kept);
        }
    }

    pub fn killed(&mut self) {
        self.running = false;
        for file in &mut self.files {
            if file.path.is_none() && file.rescued != Sure::Yes {
                file.kept = file.kept.min(Sure::Maybe);
            }
            file.open = Sure::No;
        }
    }

    /// What the state knows of the lives.
    pub fn knowledge(&self) -> Knowledge {
        Knowledge {
            seen: self.lives.iter().map(|life| life.seen).collect(),
            logs: self.logs.iter().map(|log| log.is_known).collect(),
        }
    }

    /// The state is this one from now on.
    pub fn forget_but(&mut self, known: &Knowledge) {
        for (life, seen) in
            self.lives.iter_mut().zip(known.seen.iter().chain(std::iter::repeat(&0)))
        {
            life.seen = life.seen.min(*seen);
            life.expected &= known.logs.get(life.log) == Some(&true);
        }
        for (number, log) in self.logs.iter_mut().enumerate() {
            log.is_known &= known.logs.get(number) == Some(&true);
        }
        let some = known.seen.iter().any(|seen| *seen > 0);
        for file in self.files.iter_mut().filter(|file| file.path.is_none()) {
            file.kept = if some { file.kept.min(Sure::Maybe) } else { Sure::No };
            file.rescued = file.kept;
        }
    }

    /// Who is not known to the state gets an id anew: the same only where its own file lies there, uncompressed, and
    /// no life before it began alike in that file.
    pub fn give_other_ids(&mut self) {
        for id in 0..self.lives.len() {
            let life = &self.lives[id];
            let alike = |other: &super::life::Life| {
                other.home == life.home && other.first_line() == life.first_line()
            };
            let is_first = !self.lives[..id].iter().any(alike);
            let at_home = self.files.iter().any(|file| {
                let named = file.path.is_some() && file.packing.is_none();
                named && file.life == Some(id) && file.place == life.home
            });
            if life.seen == 0 && (life.parent.is_some() || !is_first || !at_home) {
                self.lives[id].has_other_id = true;
            }
        }
    }
}

/// What a state directory knows.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    seen: Vec<u64>,
    logs: Vec<bool>,
}

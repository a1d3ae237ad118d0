//! A history as a value: the setting it happens in, and its steps; as text, and at random.
//!
//! A step carries everything that it needs, and does nothing where it does not apply (no rotated file to compress), so
//! that any part of a history is a history.

use std::fmt;
use std::str::FromStr;

use crate::program::Random;

/// What a history happens in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub lines: Lines,
    /// Logs beside each other: `app.log`, `web.log`.
    pub logs: usize,
    pub paths: Paths,
    pub naming: Naming,
    /// Rotated files lie in the folder `old`.
    pub olddir: bool,
    /// The writer keeps its descriptor until it is told to open its log again.
    pub late: bool,
    pub pace: Pace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// JSON lines, each unlike any other.
    Json,
    /// The same, but each file begins with the same line: the hard case for identity.
    Header,
    /// As [`Lines::Header`], with a time before each line: a record ends where the next begins.
    Stamped,
}

/// What the source means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    Bare,
    Star,
    Ending,
    All,
    Folder,
    StarAndOld,
    BareAndOld,
    /// What was rotated, and the logs not.
    Rotated,
}

/// How logrotate calls what it rotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `app.log.1`, `app.log.2` …: the names shift.
    Numbered,
    /// `app.log-20261129`.
    Dated,
    /// `app.1.log`, `app.2.log` …
    Extension,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The follower looks when a step says so, and never between two others.
    Stepped,
    /// It looks whenever it likes.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Keeps its cursors in the state, and one document an event id.
    Elastic,
    /// Keeps its own positions together with what it took.
    Archive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Write {
        log: usize,
        lines: usize,
    },
    /// The first half of a line.
    Half {
        log: usize,
    },
    /// The rest of it.
    Finish {
        log: usize,
    },
    /// The writer opens its log again.
    Reopen {
        log: usize,
    },
    Rename {
        log: usize,
    },
    CopyTruncate {
        log: usize,
    },
    /// A copy, and the log goes on.
    Copy {
        log: usize,
    },
    /// The rotated file that is the newest of those that are not compressed.
    Compress {
        log: usize,
        packing: Packing,
        keep: bool,
    },
    /// Somebody adds lines to the newest rotated file.
    Extend {
        log: usize,
        lines: usize,
    },
    /// Deletes the oldest rotated file.
    Expire {
        log: usize,
    },
    Truncate {
        log: usize,
    },
    Delete {
        log: usize,
    },
    Recreate {
        log: usize,
        lines: usize,
    },
    /// An editor adds a line and puts a new file in the place of the log; its backup stays.
    Edit {
        log: usize,
    },
    /// The editor's backup goes.
    Tidy {
        log: usize,
    },
    /// The follower looks, for so long; who is there reads.
    Look {
        millis: u64,
    },
    /// So many events are taken, and not confirmed yet.
    Take {
        who: Who,
        events: usize,
    },
    Away {
        who: Who,
    },
    Back {
        who: Who,
    },
    /// The state is made durable.
    Commit,
    Stop,
    Start,
    /// Reads what is there, and ends.
    Once,
    Kill,
    /// The state directory is lost.
    Lose,
    /// A copy of the state directory is made.
    Keep,
    /// … and put in its place.
    Old,
    /// Other paths, or another name for the source.
    Reload {
        paths: Paths,
        name: usize,
    },
    /// Everything is awaited, and checked.
    Check,
}

/// What is generated and printed, and can be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub setting: Setting,
    pub steps: Vec<Step>,
}

const LINES: [(Lines, &str); 3] =
    [(Lines::Json, "json"), (Lines::Header, "header"), (Lines::Stamped, "stamped")];
const PATHS: [(Paths, &str); 8] = [
    (Paths::Bare, "bare"),
    (Paths::Star, "star"),
    (Paths::Ending, "ending"),
    (Paths::All, "all"),
    (Paths::Folder, "folder"),
    (Paths::StarAndOld, "star+old"),
    (Paths::BareAndOld, "bare+old"),
    (Paths::Rotated, "rotated"),
];
const NAMING: [(Naming, &str); 3] =
    [(Naming::Numbered, "numbered"), (Naming::Dated, "dated"), (Naming::Extension, "extension")];
const OLDDIR: [(bool, &str); 2] = [(false, "beside"), (true, "olddir")];
const LATE: [(bool, &str); 2] = [(false, "prompt"), (true, "late")];
const PACE: [(Pace, &str); 2] = [(Pace::Stepped, "stepped"), (Pace::Free, "free")];
const PACKING: [(Packing, &str); 2] = [(Packing::Gzip, "gz"), (Packing::Zstd, "zst")];
const KEEP: [(bool, &str); 2] = [(false, "move"), (true, "keep")];
const WHO: [(Who, &str); 2] = [(Who::Elastic, "elastic"), (Who::Archive, "archive")];

fn name_of<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(other, _)| *other == value).expect("each has a name").1
}

fn value_of<T: Copy>(all: &[(T, &'static str)], name: &str) -> Result<T, String> {
    let found = all.iter().find(|(_, other)| *other == name).map(|(value, _)| *value);
    found.ok_or_else(|| format!("no such name: {name:?}"))
}

impl Packing {
    pub fn ending(self) -> &'static str {
        name_of(&PACKING, self)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&WHO, *self))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}.{}.{}.{}",
            name_of(&LINES, self.lines),
            self.logs,
            name_of(&PATHS, self.paths),
            name_of(&NAMING, self.naming),
            name_of(&OLDDIR, self.olddir),
            name_of(&LATE, self.late),
            name_of(&PACE, self.pace)
        )
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        let [lines, logs, paths, naming, olddir, late, pace] = parts[..] else {
            return Err(format!("no setting: {text}"));
        };
        Ok(Setting {
            lines: value_of(&LINES, lines)?,
            logs: number(logs)?,
            paths: value_of(&PATHS, paths)?,
            naming: value_of(&NAMING, naming)?,
            olddir: value_of(&OLDDIR, olddir)?,
            late: value_of(&LATE, late)?,
            pace: value_of(&PACE, pace)?,
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Step::Write { log, lines } => write!(f, "write.{log}.{lines}"),
            Step::Half { log } => write!(f, "half.{log}"),
            Step::Finish { log } => write!(f, "finish.{log}"),
            Step::Reopen { log } => write!(f, "reopen.{log}"),
            Step::Rename { log } => write!(f, "rename.{log}"),
            Step::CopyTruncate { log } => write!(f, "copytruncate.{log}"),
            Step::Copy { log } => write!(f, "copy.{log}"),
            Step::Compress { log, packing, keep } => {
                write!(f, "compress.{log}.{}.{}", packing.ending(), name_of(&KEEP, keep))
            }
            Step::Extend { log, lines } => write!(f, "extend.{log}.{lines}"),
            Step::Expire { log } => write!(f, "expire.{log}"),
            Step::Truncate { log } => write!(f, "truncate.{log}"),
            Step::Delete { log } => write!(f, "delete.{log}"),
            Step::Recreate { log, lines } => write!(f, "recreate.{log}.{lines}"),
            Step::Edit { log } => write!(f, "edit.{log}"),
            Step::Tidy { log } => write!(f, "tidy.{log}"),
            Step::Look { millis } => write!(f, "look.{millis}"),
            Step::Take { who, events } => write!(f, "take.{who}.{events}"),
            Step::Away { who } => write!(f, "away.{who}"),
            Step::Back { who } => write!(f, "back.{who}"),
            Step::Commit => f.write_str("commit"),
            Step::Stop => f.write_str("stop"),
            Step::Start => f.write_str("start"),
            Step::Once => f.write_str("once"),
            Step::Kill => f.write_str("kill"),
            Step::Lose => f.write_str("lose"),
            Step::Keep => f.write_str("keep"),
            Step::Old => f.write_str("old"),
            Step::Reload { paths, name } => {
                write!(f, "reload.{}.{name}", name_of(&PATHS, paths))
            }
            Step::Check => f.write_str("check"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        let who = |name| value_of(&WHO, name);
        Ok(match parts[..] {
            ["write", log, lines] => Step::Write { log: number(log)?, lines: number(lines)? },
            ["half", log] => Step::Half { log: number(log)? },
            ["finish", log] => Step::Finish { log: number(log)? },
            ["reopen", log] => Step::Reopen { log: number(log)? },
            ["rename", log] => Step::Rename { log: number(log)? },
            ["copytruncate", log] => Step::CopyTruncate { log: number(log)? },
            ["copy", log] => Step::Copy { log: number(log)? },
            ["compress", log, packing, keep] => Step::Compress {
                log: number(log)?,
                packing: value_of(&PACKING, packing)?,
                keep: value_of(&KEEP, keep)?,
            },
            ["extend", log, lines] => Step::Extend { log: number(log)?, lines: number(lines)? },
            ["expire", log] => Step::Expire { log: number(log)? },
            ["truncate", log] => Step::Truncate { log: number(log)? },
            ["delete", log] => Step::Delete { log: number(log)? },
            ["recreate", log, lines] => Step::Recreate { log: number(log)?, lines: number(lines)? },
            ["edit", log] => Step::Edit { log: number(log)? },
            ["tidy", log] => Step::Tidy { log: number(log)? },
            ["look", millis] => Step::Look { millis: number(millis)? as u64 },
            ["take", name, events] => Step::Take { who: who(name)?, events: number(events)? },
            ["away", name] => Step::Away { who: who(name)? },
            ["back", name] => Step::Back { who: who(name)? },
            ["commit"] => Step::Commit,
            ["stop"] => Step::Stop,
            ["start"] => Step::Start,
            ["once"] => Step::Once,
            ["kill"] => Step::Kill,
            ["lose"] => Step::Lose,
            ["keep"] => Step::Keep,
            ["old"] => Step::Old,
            ["reload", paths, name] => {
                Step::Reload { paths: value_of(&PATHS, paths)?, name: number(name)? }
            }
            ["check"] => Step::Check,
            _ => return Err(format!("no step: {text}")),
        })
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.setting)?;
        self.steps.iter().try_for_each(|step| write!(f, " {step}"))
    }
}

impl FromStr for History {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let setting = words.next().unwrap_or_default().parse()?;
        Ok(History { setting, steps: words.map(str::parse).collect::<Result<_, _>>()? })
    }
}

/// Steps with what they weigh, while the log is open and while it is not.
type Make = fn(&mut Random, &Setting) -> Step;
const STEPS: [(u64, u64, Make); 29] = [
    (26, 20, |r, s| Step::Write { log: log(r, s), lines: some(r, &[1, 2, 3, 5, 12, 40, 300]) }),
    (3, 2, |r, s| Step::Half { log: log(r, s) }),
    (2, 1, |r, s| Step::Finish { log: log(r, s) }),
    (4, 4, |r, s| Step::Reopen { log: log(r, s) }),
    (8, 9, |r, s| Step::Rename { log: log(r, s) }),
    (7, 7, |r, s| Step::CopyTruncate { log: log(r, s) }),
    (1, 1, |r, s| Step::Copy { log: log(r, s) }),
    (6, 7, |r, s| Step::Compress { log: log(r, s), packing: packing(r), keep: r.below(10) == 0 }),
    (1, 1, |r, s| Step::Extend { log: log(r, s), lines: some(r, &[1, 5]) }),
    (2, 1, |r, s| Step::Expire { log: log(r, s) }),
    (2, 1, |r, s| Step::Truncate { log: log(r, s) }),
    (2, 1, |r, s| Step::Delete { log: log(r, s) }),
    (2, 2, |r, s| Step::Recreate { log: log(r, s), lines: some(r, &[1, 4, 12]) }),
    (1, 1, |r, s| Step::Edit { log: log(r, s) }),
    (1, 1, |r, s| Step::Tidy { log: log(r, s) }),
    (22, 0, |r, _| Step::Look { millis: some(r, &[100, 300, 1000, 1500, 3000, 6000]) as u64 }),
    (7, 0, |r, _| Step::Take { who: who(r), events: some(r, &[1, 2, 5, 50, 1000]) }),
    (4, 1, |r, _| Step::Away { who: who(r) }),
    (4, 1, |r, _| Step::Back { who: who(r) }),
    (2, 0, |_, _| Step::Commit),
    (5, 0, |_, _| Step::Stop),
    (0, 14, |_, _| Step::Start),
    (0, 4, |_, _| Step::Once),
    (5, 0, |_, _| Step::Kill),
    (0, 2, |_, _| Step::Lose),
    (1, 1, |_, _| Step::Keep),
    (0, 3, |_, _| Step::Old),
    (2, 2, reload),
    (1, 0, |_, _| Step::Check),
];

fn some(random: &mut Random, all: &[usize]) -> usize {
    all[random.below(all.len() as u64) as usize]
}

fn one<T: Copy>(random: &mut Random, all: &[T]) -> T {
    all[random.below(all.len() as u64) as usize]
}

fn log(random: &mut Random, setting: &Setting) -> usize {
    random.below(setting.logs as u64) as usize
}

fn who(random: &mut Random) -> Who {
    one(random, &[Who::Elastic, Who::Archive])
}

fn packing(random: &mut Random) -> Packing {
    one(random, &[Packing::Gzip, Packing::Zstd])
}

/// Paths that mean the logs, and rotated files where the rotation of this setting puts them.
fn other_paths(random: &mut Random, setting: &Setting) -> Paths {
    match (setting.olddir, setting.naming) {
        (true, _) => one(random, &[Paths::StarAndOld, Paths::BareAndOld]),
        (false, Naming::Extension) => one(random, &[Paths::Ending, Paths::All, Paths::Folder]),
        (false, _) => one(
            random,
            &[Paths::Bare, Paths::Star, Paths::Ending, Paths::All, Paths::Folder, Paths::Star],
        ),
    }
}

fn reload(random: &mut Random, setting: &Setting) -> Step {
    let only_rotated = !setting.olddir && random.below(6) == 0;
    let paths = if only_rotated { Paths::Rotated } else { other_paths(random, setting) };
    Step::Reload { paths, name: random.below(3) as usize }
}

impl Setting {
    fn random(random: &mut Random) -> Setting {
        let lines =
            one(random, &[Lines::Json, Lines::Json, Lines::Header, Lines::Header, Lines::Stamped]);
        let naming =
            one(random, &[Naming::Numbered, Naming::Numbered, Naming::Dated, Naming::Extension]);
        let setting = Setting {
            lines,
            logs: some(random, &[1, 1, 2]),
            paths: Paths::Star,
            naming,
            olddir: naming != Naming::Extension && random.below(5) == 0,
            late: random.below(4) == 0,
            pace: if random.below(5) == 0 { Pace::Free } else { Pace::Stepped },
        };
        Setting { paths: other_paths(random, &setting), ..setting }
    }
}

impl History {
    pub fn random(seed: u64) -> History {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        let setting = Setting::random(&mut random);
        let count = 10 + random.below(35) as usize;
        let mut open = true;
        let mut steps = vec![
            Step::Write { log: log(&mut random, &setting), lines: some(&mut random, &[1, 3, 10]) },
            Step::Start,
        ];
        while steps.len() < count {
            let step = random_step(&mut random, &setting, open);
            match step {
                Step::Stop | Step::Kill => open = false,
                Step::Start => open = true,
                _ => {}
            }
            steps.push(step);
        }
        History { setting, steps }
    }
}

fn random_step(random: &mut Random, setting: &Setting, open: bool) -> Step {
    let weight = |(while_open, while_closed, _): &(u64, u64, Make)| match open {
        true => *while_open,
        false => *while_closed,
    };
    let mut at = random.below(STEPS.iter().map(weight).sum());
    for step in &STEPS {
        match at.checked_sub(weight(step)) {
            Some(rest) => at = rest,
            None => return (step.2)(random, setting),
        }
    }
    unreachable!("below the sum of all weights")
}

#[test]
fn a_history_is_read_back_as_it_was_written() {
    for seed in 0..200 {
        let history = History::random(seed);
        assert_eq!(history.to_string().parse(), Ok(history));
    }
}

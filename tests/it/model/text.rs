//! Histories as text, to print one and to run it again.

use std::fmt;
use std::str::FromStr;

use super::steps::{Consumer, History, Lines, Naming, Pace, Packing, Paths, Setting, Step};

const LINES: [(Lines, &str); 3] =
    [(Lines::Json, "json"), (Lines::Header, "header"), (Lines::Stamped, "stamped")];
const PATHS: [(Paths, &str); 8] = [
    (Paths::Bare, "bare"),
    (Paths::Star, "star"),
    (Paths::Ending, "ending"),
    (Paths::All, "all"),
    (Paths::Directory, "directory"),
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
const CONSUMERS: [(Consumer, &str); 2] =
    [(Consumer::Elastic, "elastic"), (Consumer::Archive, "archive")];

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

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&CONSUMERS, *self))
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
            Step::Carry { log } => write!(f, "carry.{log}"),
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
            Step::Take { consumer, events } => write!(f, "take.{consumer}.{events}"),
            Step::Away { consumer } => write!(f, "away.{consumer}"),
            Step::Back { consumer } => write!(f, "back.{consumer}"),
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
        let consumer = |name| value_of(&CONSUMERS, name);
        Ok(match parts[..] {
            ["write", log, lines] => Step::Write { log: number(log)?, lines: number(lines)? },
            ["half", log] => Step::Half { log: number(log)? },
            ["finish", log] => Step::Finish { log: number(log)? },
            ["reopen", log] => Step::Reopen { log: number(log)? },
            ["rename", log] => Step::Rename { log: number(log)? },
            ["copytruncate", log] => Step::CopyTruncate { log: number(log)? },
            ["carry", log] => Step::Carry { log: number(log)? },
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
            ["take", name, events] => {
                Step::Take { consumer: consumer(name)?, events: number(events)? }
            }
            ["away", name] => Step::Away { consumer: consumer(name)? },
            ["back", name] => Step::Back { consumer: consumer(name)? },
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

#[test]
fn a_history_is_read_back_as_it_was_written() {
    for seed in 0..200 {
        let history = History::random(seed);
        assert_eq!(history.to_string().parse(), Ok(history));
    }
}

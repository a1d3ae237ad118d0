//! The notices that hold now: of problems that stand, and of what happened.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use super::{Problem, Topic};
use crate::base::{Timestamp, bytes, timed_fs};
use crate::event::Level;
use crate::event::status::Notice;

/// Of one log.
#[derive(Debug, Default)]
pub(in crate::follow) struct Board {
    notices: Mutex<Notices>,
}

#[derive(Debug, Default)]
struct Notices {
    /// Of problems that are said again until they are mended: all of them, so that none is new twice.
    standing: BTreeMap<Topic, Notice>,
    /// Said once.
    told: BTreeMap<Topic, Notice>,
    /// Of standing problems that are not shown, and since when there are so many.
    hidden: Option<(usize, Notice)>,
}

/// Most notices that are shown of standing problems, and most that are kept of others.
const MOST: usize = 100;

impl Notices {
    fn of(&mut self, topic: &Topic) -> &mut BTreeMap<Topic, Notice> {
        if topic.is_standing() { &mut self.standing } else { &mut self.told }
    }

    /// Those that are shown: the worst, and of those the first.
    fn shown(&self) -> Vec<&Notice> {
        let mut shown: Vec<&Notice> = self.standing.values().collect();
        shown.sort_by_key(|notice| (Reverse(notice.level), notice.time));
        shown.truncate(MOST);
        shown
    }
}

impl Board {
    pub fn all(&self) -> Vec<Notice> {
        let notices = self.notices();
        let hidden = notices.hidden.as_ref().map(|(_, notice)| notice);
        let all = notices.shown().into_iter().chain(notices.told.values()).chain(hidden);
        let mut all: Vec<Notice> = all.cloned().collect();
        all.sort_by_key(|notice| notice.time);
        all
    }

    /// `true` where it was not said before.
    pub fn say(&self, topic: Topic, level: Level, time: Timestamp, text: String) -> bool {
        let mut notices = self.notices();
        let said = notices.of(&topic).get(&topic).is_some_and(|notice| notice.text == text);
        if !said {
            notices.of(&topic).insert(topic, Notice { time, level, text });
        }
        if notices.told.len() > MOST {
            // The least of them, and of those the oldest.
            let least = notices.told.iter().min_by_key(|(_, notice)| (notice.level, notice.time));
            if let Some(topic) = least.map(|(topic, _)| topic.clone()) {
                notices.told.remove(&topic);
            }
        }
        !said
    }

    pub fn says(&self, topic: &Topic) -> bool {
        self.notices().of(topic).contains_key(topic)
    }

    pub fn unsay(&self, topic: &Topic) -> bool {
        self.notices().of(topic).remove(topic).is_some()
    }

    /// Says how many problems are not shown, when a scan has met them all. `true` where that is another number.
    pub fn count_hidden(&self, time: Timestamp) -> bool {
        let mut notices = self.notices();
        let count = notices.standing.len().saturating_sub(MOST);
        let known = notices.hidden.as_ref().map_or(0, |(count, _)| *count);
        if count == known {
            return false;
        }
        let level = notices.shown().last().map_or(Level::Warning, |last| last.level);
        notices.hidden = (count > 0).then(|| (count, Notice { time, level, text: more(count) }));
        true
    }

    /// Drops the notices about paths that are no problem any more, or no longer there.
    pub fn keep_current(&self, problems: &[Problem]) -> bool {
        let paths: HashSet<&Path> = problems.iter().map(Problem::path).collect();
        let topics = {
            let notices = self.notices();
            notices.standing.keys().chain(notices.told.keys()).cloned().collect::<Vec<_>>()
        };
        // Asked without the lock: a mount that does not answer would hold up everybody who reads notices.
        let is_over = |topic: &Topic| match topic {
            Topic::Path(path) => !paths.contains(&**path),
            Topic::Open(path) | Topic::Binary(path) | Topic::Packed(path) | Topic::Copy(path) => {
                timed_fs::symlink_metadata(path).is_err_and(|error| !timed_fs::is_stuck(&error))
            }
            _ => false,
        };
        let over: Vec<Topic> = topics.into_iter().filter(is_over).collect();
        let said = over.iter().filter(|topic| self.unsay(topic)).count();
        said > 0
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().expect("no holder of the board panics")
    }
}

impl Topic {
    /// Said again and again for as long as it holds.
    fn is_standing(&self) -> bool {
        match self {
            Topic::Path(_) | Topic::Open(_) | Topic::Packed(_) | Topic::Stuck(_) => true,
            Topic::Watch | Topic::State | Topic::Intake => true,
            Topic::Binary(_) | Topic::Truncated(_) | Topic::Hole(_) | Topic::CutOff(_) => false,
            Topic::Copy(_) | Topic::Unfinished(_) | Topic::Orphan(_) => false,
            Topic::Unread(_) | Topic::Rest(_) => false,
        }
    }
}

fn more(count: usize) -> String {
    format!(
        "{} more problems of files and directories are not shown; they are shown as others are mended",
        bytes::count(count as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp(0);

    fn say(board: &Board, topic: Topic, level: Level, time: i64) -> bool {
        board.say(topic, level, Timestamp(time), "it cannot be read".to_owned())
    }

    fn scan(board: &Board, files: std::ops::Range<usize>, time: i64) -> bool {
        let path = |file: usize| Topic::Open(format!("/logs/{file:03}").into());
        let new = files.filter(|file| say(board, path(*file), Level::Error, time)).count();
        board.count_hidden(Timestamp(time)) || new > 0
    }

    #[test]
    fn problems_that_stand_are_told_once_however_many_there_are() {
        let board = Board::default();
        assert!(scan(&board, 0..300, 1));
        let told = board.all();
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(told.iter().filter(|notice| notice.text.starts_with("200 more")).count(), 1);
        assert!(!scan(&board, 0..300, 2), "nothing is new");
        assert_eq!(board.all(), told);
        // One more is counted, and as some are mended others take their places.
        assert!(scan(&board, 0..301, 3));
        assert!(board.all().iter().any(|notice| notice.text.starts_with("201 more")));
        for file in 0..250 {
            assert!(board.unsay(&Topic::Open(format!("/logs/{file:03}").into())));
        }
        assert!(board.count_hidden(TIME));
        assert_eq!(board.all().len(), 51);
    }

    #[test]
    fn what_happened_is_told_beside_any_number_of_problems() {
        let board = Board::default();
        scan(&board, 0..300, 1);
        assert!(say(&board, Topic::Truncated("/logs/a".into()), Level::Info, 2));
        assert!(board.all().iter().any(|notice| notice.level == Level::Info));
        for file in 0..300 {
            say(&board, Topic::Hole(format!("/logs/{file}").into()), Level::Warning, 3);
        }
        assert_eq!(board.all().len(), 2 * MOST + 1, "the latest are kept");
    }
}

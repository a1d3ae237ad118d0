//! The current notices about files: ongoing problems, and occurrences that are reported once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use super::{Problem, Topic};
use crate::base::{Timestamp, bytes, timed_fs};
use crate::event::Level;
use crate::event::status::Notice;

/// The notices of one log.
#[derive(Debug, Default)]
pub(in crate::follow) struct Board {
    notices: Mutex<Notices>,
}

#[derive(Debug, Default)]
struct Notices {
    /// Ongoing problems, which each scan reports again until they are solved. All of them are kept, so that none counts
    /// as new twice.
    ongoing: BTreeMap<Topic, Notice>,
    /// Occurrences that are reported once.
    occurrences: BTreeMap<Topic, Notice>,
    /// The number of ongoing problems that are not shown, and the notice that says so.
    hidden: Option<(usize, Notice)>,
}

/// Maximum number of ongoing problems shown, and of occurrences kept.
const MOST: usize = 100;

impl Notices {
    fn of(&mut self, topic: &Topic) -> &mut BTreeMap<Topic, Notice> {
        if topic.is_ongoing() { &mut self.ongoing } else { &mut self.occurrences }
    }

    /// The ongoing problems that are shown: by level, the oldest first within a level.
    fn shown(&self) -> Vec<&Notice> {
        let mut shown: Vec<&Notice> = self.ongoing.values().collect();
        shown.sort_by_key(|notice| (Reverse(notice.level), notice.time));
        shown.truncate(MOST);
        shown
    }
}

impl Board {
    pub fn all(&self) -> Vec<Notice> {
        let notices = self.notices();
        let hidden = notices.hidden.as_ref().map(|(_, notice)| notice);
        let all = notices.shown().into_iter().chain(notices.occurrences.values()).chain(hidden);
        let mut all: Vec<Notice> = all.cloned().collect();
        all.sort_by_key(|notice| notice.time);
        all
    }

    /// Adds or replaces the notice about a topic; `true` if its text is new.
    pub fn post(&self, topic: Topic, level: Level, time: Timestamp, text: String) -> bool {
        let mut notices = self.notices();
        let known = notices.of(&topic).get(&topic).is_some_and(|notice| notice.text == text);
        if !known {
            notices.of(&topic).insert(topic, Notice { time, level, text });
        }
        if notices.occurrences.len() > MOST {
            // The least severe goes first; of those, the oldest.
            let least =
                notices.occurrences.iter().min_by_key(|(_, notice)| (notice.level, notice.time));
            if let Some(topic) = least.map(|(topic, _)| topic.clone()) {
                notices.occurrences.remove(&topic);
            }
        }
        !known
    }

    pub fn has(&self, topic: &Topic) -> bool {
        self.notices().of(topic).contains_key(topic)
    }

    pub fn withdraw(&self, topic: &Topic) -> bool {
        self.notices().of(topic).remove(topic).is_some()
    }

    /// Updates the notice about the number of hidden problems, after a scan has reported all. `true` if it changed.
    pub fn count_hidden(&self, time: Timestamp) -> bool {
        let mut notices = self.notices();
        let count = notices.ongoing.len().saturating_sub(MOST);
        let known = notices.hidden.as_ref().map_or(0, |(count, _)| *count);
        if count == known {
            return false;
        }
        let level = notices.shown().last().map_or(Level::Warning, |last| last.level);
        notices.hidden = (count > 0).then(|| (count, Notice { time, level, text: more(count) }));
        true
    }

    /// Removes the notices about paths that are no longer a problem or no longer exist; `true` if there were any.
    pub fn keep_current(&self, problems: &[Problem]) -> bool {
        let paths: HashSet<&Path> = problems.iter().map(Problem::path).collect();
        let topics = {
            let notices = self.notices();
            notices.ongoing.keys().chain(notices.occurrences.keys()).cloned().collect::<Vec<_>>()
        };
        // Checked without the lock: a mount that does not answer would block all readers of notices.
        let is_over = |topic: &Topic| match topic {
            Topic::Path(path) => !paths.contains(&**path),
            Topic::Open(path) | Topic::Binary(path) | Topic::Packed(path) | Topic::Copy(path) => {
                timed_fs::symlink_metadata(path).is_err_and(|error| !timed_fs::is_stuck(&error))
            }
            _ => false,
        };
        let over: Vec<Topic> = topics.into_iter().filter(is_over).collect();
        let removed = over.iter().filter(|topic| self.withdraw(topic)).count();
        removed > 0
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().expect("no holder of the board panics")
    }
}

impl Topic {
    /// Whether it is a problem that each scan reports again for as long as it lasts.
    fn is_ongoing(&self) -> bool {
        match self {
            Topic::Path(_) | Topic::Open(_) | Topic::Packed(_) | Topic::Stuck(_) => true,
            Topic::Watch | Topic::State | Topic::Intake => true,
            Topic::Binary(_)
            | Topic::Truncated(_)
            | Topic::Hole(_)
            | Topic::TruncatedRecords(_) => false,
            Topic::Copy(_) | Topic::Unfinished(_) | Topic::Orphan(_) => false,
            Topic::Unread(_) | Topic::Rest(_) => false,
        }
    }
}

fn more(count: usize) -> String {
    format!(
        "{} more problems with files and directories are not shown; they appear as the shown ones are solved",
        bytes::count(count as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp(0);

    fn say(board: &Board, topic: Topic, level: Level, time: i64) -> bool {
        board.post(topic, level, Timestamp(time), "it cannot be read".to_owned())
    }

    fn scan(board: &Board, files: std::ops::Range<usize>, time: i64) -> bool {
        let path = |file: usize| Topic::Open(format!("/logs/{file:03}").into());
        let new = files.filter(|file| say(board, path(*file), Level::Error, time)).count();
        board.count_hidden(Timestamp(time)) || new > 0
    }

    #[test]
    fn any_number_of_ongoing_problems_is_reported_once_each() {
        let board = Board::default();
        assert!(scan(&board, 0..300, 1));
        let shown = board.all();
        assert_eq!(shown.len(), MOST + 1);
        assert_eq!(shown.iter().filter(|notice| notice.text.starts_with("200 more")).count(), 1);
        assert!(!scan(&board, 0..300, 2), "nothing is new");
        assert_eq!(board.all(), shown);
        // One more is counted, and hidden problems appear as shown ones are solved.
        assert!(scan(&board, 0..301, 3));
        assert!(board.all().iter().any(|notice| notice.text.starts_with("201 more")));
        for file in 0..250 {
            assert!(board.withdraw(&Topic::Open(format!("/logs/{file:03}").into())));
        }
        assert!(board.count_hidden(TIME));
        assert_eq!(board.all().len(), 51);
    }

    #[test]
    fn occurrences_are_reported_beside_any_number_of_ongoing_problems() {
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

//! What the operator is told in the bottom line: one message at a time, the others wait their turn.
//!
//! Promises: the answer to a key is shown at once and covered by nothing but the next answer; a notice gives way
//! only to a worse one or to an answer, and comes back after it; an error stays until somebody has taken note of
//! it. Never more than [`MOST`] wait: the least of them go first. All of them can be read again ([`Messages::past`]).

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Timestamp;
use crate::event::Level;

/// One line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub level: Level,
    pub text: String,
    pub until: Timestamp,
    /// To a key: whoever pressed it looks at the screen now, and the next answer replaces it.
    is_answer: bool,
}

/// One that was said, for the list of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub time: Timestamp,
    pub level: Level,
    pub text: String,
}

const STAYS: Duration = Duration::from_secs(6);
const ANSWER_STAYS: Duration = Duration::from_secs(5);
const MOST: usize = 50;
/// That many can be read again.
const MOST_PAST: usize = 500;

#[derive(Debug, Default)]
pub struct Messages {
    shown: Option<Message>,
    /// Notices in the order in which they came.
    waiting: VecDeque<Message>,
    past: VecDeque<Said>,
}

impl Messages {
    pub fn shown(&self) -> Option<&Message> {
        self.shown.as_ref()
    }

    /// How many come after the one that is shown.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// All that was said, the newest last.
    pub fn past(&self) -> impl DoubleEndedIterator<Item = &Said> {
        self.past.iter()
    }

    /// What a key brought is shown at once.
    pub fn answer(&mut self, level: Level, text: String, now: Timestamp) {
        self.keep(level, &text, now);
        self.set_aside();
        let until = now.plus(ANSWER_STAYS);
        self.shown = Some(Message { level, text, until, is_answer: true });
    }

    /// What the engine says waits behind what is as bad or worse.
    pub fn notice(&mut self, level: Level, text: String, now: Timestamp) {
        self.keep(level, &text, now);
        let is_said = |said: &Message| said.level == level && said.text == text;
        if self.shown.iter().chain(&self.waiting).any(is_said) {
            return;
        }
        let until = until(level, now);
        self.waiting.push_back(Message { level, text, until, is_answer: false });
        if self.shown.as_ref().is_none_or(|shown| shown.level < level && !shown.is_answer) {
            self.set_aside();
            self.show_next(now);
        }
        self.bound();
    }

    /// Takes the shown one away; `false`: there was none.
    pub fn acknowledge(&mut self, now: Timestamp) -> bool {
        let was_shown = self.shown.take().is_some();
        self.show_next(now);
        was_shown
    }

    /// What the last key brought is not true any more.
    pub fn take_answer(&mut self, now: Timestamp) {
        if self.shown.take_if(|shown| shown.is_answer).is_some() {
            self.show_next(now);
        }
    }

    fn keep(&mut self, level: Level, text: &str, time: Timestamp) {
        self.past.push_back(Said { time, level, text: text.to_owned() });
        if self.past.len() > MOST_PAST {
            self.past.pop_front();
        }
    }

    pub fn pass(&mut self, now: Timestamp) {
        if self.shown.as_ref().is_some_and(|shown| shown.until <= now) {
            self.show_next(now);
        }
    }

    fn set_aside(&mut self) {
        if let Some(covered) = self.shown.take_if(|shown| !shown.is_answer) {
            self.waiting.push_front(covered);
            self.bound();
        }
    }

    /// Of the worst the oldest.
    fn show_next(&mut self, now: Timestamp) {
        let worst = self.waiting.iter().map(|message| message.level).max();
        let place = self.waiting.iter().position(|message| Some(message.level) == worst);
        let next = place.and_then(|place| self.waiting.remove(place));
        self.shown = next.map(|message| Message { until: until(message.level, now), ..message });
    }

    fn bound(&mut self) {
        while self.waiting.len() > MOST {
            let least = self.waiting.iter().map(|message| message.level).min();
            let place = self.waiting.iter().position(|message| Some(message.level) == least);
            self.waiting.remove(place.unwrap_or(0));
        }
    }
}

/// What is at risk stays until somebody has taken note of it.
fn until(level: Level, now: Timestamp) -> Timestamp {
    match level {
        Level::Error | Level::Fatal => Timestamp::MAX,
        _ => now.plus(STAYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn shown(messages: &Messages) -> &str {
        messages.shown().map_or("", |message| message.text.as_str())
    }

    #[test]
    fn a_notice_waits_behind_a_worse_one_and_an_answer_only_covers_it() {
        let mut messages = Messages::default();
        messages.notice(Level::Info, "listening".to_owned(), NOW);
        messages.notice(Level::Error, "disk full".to_owned(), NOW);
        messages.notice(Level::Warning, "slow".to_owned(), NOW);
        assert_eq!((shown(&messages), messages.waiting()), ("disk full", 2));
        messages.answer(Level::Info, "zone".to_owned(), NOW);
        assert_eq!((shown(&messages), messages.waiting()), ("zone", 3));
        messages.notice(Level::Fatal, "worst".to_owned(), NOW);
        assert_eq!((shown(&messages), messages.waiting()), ("zone", 4), "an answer comes first");
        messages.take_answer(NOW);
        assert_eq!(shown(&messages), "worst");
        messages.acknowledge(NOW);
        messages.answer(Level::Error, "not taken".to_owned(), NOW);
        assert_eq!(shown(&messages), "not taken");
        messages.pass(NOW.plus(STAYS));
        for expected in ["disk full", "slow", "listening"] {
            assert_eq!(shown(&messages), expected);
            assert!(messages.acknowledge(NOW));
        }
        let past: Vec<&str> = messages.past().map(|said| said.text.as_str()).collect();
        assert_eq!(past, ["listening", "disk full", "slow", "zone", "worst", "not taken"]);
        assert_eq!(shown(&messages), "");
        assert!(!messages.acknowledge(NOW));
    }

    /// Two groups of a rule may be told by the same text.
    #[test]
    fn what_is_said_twice_is_shown_once_and_kept_twice() {
        let mut messages = Messages::default();
        for _ in 0..2 {
            messages.notice(Level::Error, "errors fires for [sealed]".to_owned(), NOW);
        }
        assert_eq!((messages.waiting(), messages.past().count()), (0, 2));
    }

    #[test]
    fn no_more_than_a_screen_can_tell_wait_and_the_worst_are_kept() {
        let mut messages = Messages::default();
        messages.notice(Level::Fatal, "worst".to_owned(), NOW);
        messages.notice(Level::Error, "bad".to_owned(), NOW);
        for number in 0..200 {
            messages.notice(Level::Info, format!("event {number}"), NOW);
        }
        assert_eq!((shown(&messages), messages.waiting()), ("worst", MOST));
        messages.acknowledge(NOW);
        assert_eq!(shown(&messages), "bad");
        messages.acknowledge(NOW);
        assert_eq!(shown(&messages), "event 151");
    }
}

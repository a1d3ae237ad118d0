//! The queue of messages for the bottom line, which shows one at a time.
//!
//! Promises: the answer to a key is shown at once and replaced only by the next answer; a notice is replaced only by
//! a more severe one or by an answer, and is shown again after it; an error stays until the operator acknowledges it.
//! At most [`MAX_PENDING`] messages are pending: the least severe are dropped first. All messages stay in a history
//! ([`Messages::history`]).

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Timestamp;
use crate::event::Level;

/// One line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub level: Level,
    pub text: String,
    /// When it disappears.
    pub until: Timestamp,
    /// The answer to a key press: shown at once, replaced by the next answer.
    is_answer: bool,
}

/// An entry of the message history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMessage {
    pub time: Timestamp,
    pub level: Level,
    pub text: String,
}

const NOTICE_DURATION: Duration = Duration::from_secs(6);
const ANSWER_DURATION: Duration = Duration::from_secs(5);
const MAX_PENDING: usize = 50;
/// Maximum number of messages in the history.
const MAX_HISTORY: usize = 500;

#[derive(Debug, Default)]
pub struct Messages {
    shown: Option<Message>,
    /// Notices in order of arrival.
    pending: VecDeque<Message>,
    history: VecDeque<PastMessage>,
}

impl Messages {
    pub fn shown(&self) -> Option<&Message> {
        self.shown.as_ref()
    }

    /// Number of messages that are queued behind the one that is shown.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// All messages, the newest last.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &PastMessage> {
        self.history.iter()
    }

    /// Shows the answer to a key at once.
    pub fn answer(&mut self, level: Level, text: String, now: Timestamp) {
        self.remember(level, &text, now);
        self.requeue_shown();
        let until = now.plus(ANSWER_DURATION);
        self.shown = Some(Message { level, text, until, is_answer: true });
    }

    /// Queues a notice of the engine behind those of the same or a higher severity. A notice that is already shown or
    /// queued is only added to the history.
    pub fn notice(&mut self, level: Level, text: String, now: Timestamp) {
        self.remember(level, &text, now);
        let is_repeated = |message: &Message| message.level == level && message.text == text;
        if self.shown.iter().chain(&self.pending).any(is_repeated) {
            return;
        }
        let until = until(level, now);
        self.pending.push_back(Message { level, text, until, is_answer: false });
        if self.shown.as_ref().is_none_or(|shown| shown.level < level && !shown.is_answer) {
            self.requeue_shown();
            self.show_next(now);
        }
        self.drop_excess();
    }

    /// Dismisses the shown message; `false` if there was none.
    pub fn acknowledge(&mut self, now: Timestamp) -> bool {
        let was_shown = self.shown.take().is_some();
        self.show_next(now);
        was_shown
    }

    /// Removes the answer to the last key, which is no longer valid.
    pub fn clear_answer(&mut self, now: Timestamp) {
        if self.shown.take_if(|shown| shown.is_answer).is_some() {
            self.show_next(now);
        }
    }

    fn remember(&mut self, level: Level, text: &str, time: Timestamp) {
        self.history.push_back(PastMessage { time, level, text: text.to_owned() });
        if self.history.len() > MAX_HISTORY {
            self.history.pop_front();
        }
    }

    /// Replaces the shown message by the next one if its time is over.
    pub fn expire(&mut self, now: Timestamp) {
        if self.shown.as_ref().is_some_and(|shown| shown.until <= now) {
            self.show_next(now);
        }
    }

    fn requeue_shown(&mut self) {
        if let Some(covered) = self.shown.take_if(|shown| !shown.is_answer) {
            self.pending.push_front(covered);
            self.drop_excess();
        }
    }

    /// Shows the oldest of the most severe notices.
    fn show_next(&mut self, now: Timestamp) {
        let highest = self.pending.iter().map(|message| message.level).max();
        let index = self.pending.iter().position(|message| Some(message.level) == highest);
        let next = index.and_then(|index| self.pending.remove(index));
        self.shown = next.map(|message| Message { until: until(message.level, now), ..message });
    }

    fn drop_excess(&mut self) {
        while self.pending.len() > MAX_PENDING {
            let lowest = self.pending.iter().map(|message| message.level).min();
            let index = self.pending.iter().position(|message| Some(message.level) == lowest);
            self.pending.remove(index.unwrap_or(0));
        }
    }
}

/// Errors stay until acknowledged: data may be at risk.
fn until(level: Level, now: Timestamp) -> Timestamp {
    match level {
        Level::Error | Level::Fatal => Timestamp::MAX,
        _ => now.plus(NOTICE_DURATION),
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
    fn a_notice_queues_behind_a_more_severe_one_and_returns_after_an_answer() {
        let mut messages = Messages::default();
        messages.notice(Level::Info, "listening".to_owned(), NOW);
        messages.notice(Level::Error, "disk full".to_owned(), NOW);
        messages.notice(Level::Warning, "slow".to_owned(), NOW);
        assert_eq!((shown(&messages), messages.pending()), ("disk full", 2));
        messages.answer(Level::Info, "zone".to_owned(), NOW);
        assert_eq!((shown(&messages), messages.pending()), ("zone", 3));
        messages.notice(Level::Fatal, "worst".to_owned(), NOW);
        assert_eq!((shown(&messages), messages.pending()), ("zone", 4), "an answer comes first");
        messages.clear_answer(NOW);
        assert_eq!(shown(&messages), "worst");
        messages.acknowledge(NOW);
        messages.answer(Level::Error, "not taken".to_owned(), NOW);
        assert_eq!(shown(&messages), "not taken");
        messages.expire(NOW.plus(NOTICE_DURATION));
        for expected in ["disk full", "slow", "listening"] {
            assert_eq!(shown(&messages), expected);
            assert!(messages.acknowledge(NOW));
        }
        let history: Vec<&str> = messages.history().map(|message| message.text.as_str()).collect();
        assert_eq!(history, ["listening", "disk full", "slow", "zone", "worst", "not taken"]);
        assert_eq!(shown(&messages), "");
        assert!(!messages.acknowledge(NOW));
    }

    /// Alerts of two groups may have the same text.
    #[test]
    fn a_repeated_message_is_shown_once_and_kept_twice_in_the_history() {
        let mut messages = Messages::default();
        for _ in 0..2 {
            messages.notice(Level::Error, "errors firing for [sealed]".to_owned(), NOW);
        }
        assert_eq!((messages.pending(), messages.history().count()), (0, 2));
    }

    #[test]
    fn pending_messages_are_bounded_and_the_most_severe_are_kept() {
        let mut messages = Messages::default();
        messages.notice(Level::Fatal, "worst".to_owned(), NOW);
        messages.notice(Level::Error, "bad".to_owned(), NOW);
        for number in 0..200 {
            messages.notice(Level::Info, format!("event {number}"), NOW);
        }
        assert_eq!((shown(&messages), messages.pending()), ("worst", MAX_PENDING));
        messages.acknowledge(NOW);
        assert_eq!(shown(&messages), "bad");
        messages.acknowledge(NOW);
        assert_eq!(shown(&messages), "event 151");
    }
}

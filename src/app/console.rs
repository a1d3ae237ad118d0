//! What is said on standard error while an engine runs without a screen: every message, in its order. What standard
//! error takes too slowly is counted, and the number is said.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::base::{bytes, sanitize};
use crate::event::Level;

/// Lines that wait for standard error; what comes then is counted.
const MOST: usize = 10_000;

/// Lines on their way to standard error. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Console {
    waiting: Arc<Mutex<Waiting>>,
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<String>,
    left_out: u64,
}

impl Console {
    /// Never waits.
    pub fn say(&self, level: Level, text: &str) {
        let mut waiting = self.waiting();
        match waiting.lines.len() < MOST {
            true => waiting.lines.push_back(format!("{level}: {}", sanitize::line(text))),
            false => waiting.left_out += 1,
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// Pends until there is something to take.
    pub async fn changed(&self) {
        self.bell.notified().await;
    }

    pub fn take(&self) -> Vec<String> {
        let Waiting { lines, left_out } = std::mem::take(&mut *self.waiting());
        let mut lines = Vec::from(lines);
        if left_out > 0 {
            let count = bytes::count(left_out);
            let what = if left_out == 1 { "message is" } else { "messages are" };
            lines.push(format!(
                "warning: {count} more {what} not written here: standard error took them too slowly"
            ));
        }
        lines
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_said() {
        let console = Console::default();
        (0..MOST + 7).for_each(|n| console.say(Level::Error, &format!("alert {n}")));
        let lines = console.take();
        assert_eq!(lines.len(), MOST + 1);
        assert_eq!(lines[MOST - 1], format!("error: alert {}", MOST - 1));
        assert!(
            lines[MOST].starts_with("warning: 7 more messages are not written"),
            "{}",
            lines[MOST]
        );
        assert_eq!(console.take(), [""; 0]);
    }
}

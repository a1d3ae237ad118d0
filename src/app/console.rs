//! What is said on standard error while an engine runs without a screen: every message, in its order, written by one
//! thread that waits for standard error alone. Nobody else waits for it: what it takes too slowly is counted, and the
//! number is said.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::{OnPanic, Supervisor, bytes, sanitize, stderr};
use crate::event::Level;

/// Texts that wait for standard error; what comes then is counted.
const MOST: usize = 10_000;
/// … and what they take.
const MOST_BYTES: usize = 4 << 20;
/// How long the end waits for standard error.
pub const LAST_WORDS: Duration = Duration::from_secs(1);
/// … after a second signal.
pub const LAST_WORD: Duration = Duration::from_millis(100);
/// Name of this part in failure messages.
const PART: &str = "standard error writer";

/// Texts on their way to standard error. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Console(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    supervisor: OnceLock<Supervisor>,
}

#[derive(Debug, Default)]
struct Waiting {
    texts: VecDeque<String>,
    bytes: usize,
    left_out: u64,
    /// The newest: bytes that are done, and all.
    progress: Option<(u64, u64)>,
    /// No bar any more.
    no_progress: bool,
    /// The thread holds what it took last.
    writing: bool,
}

/// What the thread writes next.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    text: String,
    progress: Option<(u64, u64)>,
    no_progress: bool,
}

impl Console {
    /// From now on everything that this process says on standard error is written by a thread, which ends with it.
    pub fn begin() -> Console {
        let console = Console::default();
        let (taker, writer) = (console.clone(), console.clone());
        stderr::hand_to(Box::new(move |text| taker.put(text)));
        let thread = std::thread::Builder::new().name("stderr".to_owned());
        thread.spawn(move || writer.write_watched()).expect("a thread can be started");
        console
    }

    /// Who is told where the thread breaks.
    pub fn watched_by(&self, supervisor: Supervisor) {
        let _ = self.0.supervisor.set(supervisor);
    }

    /// Never waits.
    pub fn say(&self, level: Level, text: &str) {
        self.put(format!("logwarden: {level}: {}\n", sanitize::line(text)));
    }

    /// On a terminal, a bar below everything that is said. Never waits.
    pub fn progress(&self, done: u64, all: u64) {
        self.waiting().progress = Some((done, all));
        self.0.changed.notify_all();
    }

    pub fn end_progress(&self) {
        let mut waiting = self.waiting();
        (waiting.progress, waiting.no_progress) = (None, true);
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, at most so long: then it is not, and nobody waits any more.
    pub fn finish(&self, wait: Duration) {
        let left = |waiting: &mut Waiting| waiting.writing || waiting.is_something();
        let _ = self.0.changed.wait_timeout_while(self.waiting(), wait, left);
    }

    fn put(&self, text: String) {
        let mut waiting = self.waiting();
        if waiting.texts.len() < MOST && waiting.bytes + text.len() <= MOST_BYTES {
            waiting.bytes += text.len();
            waiting.texts.push_back(text);
        } else {
            waiting.left_out += 1;
        }
        drop(waiting);
        self.0.changed.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_watched(&self) {
        loop {
            let supervisor = self.0.supervisor.get().cloned().unwrap_or_default();
            match supervisor.guard(PART, OnPanic::Restart, || self.write()) {
                Ok(()) => return,
                Err(wait) => std::thread::sleep(wait.unwrap_or_default()),
            }
        }
    }

    /// Without end.
    fn write(&self) {
        let mut bar = None;
        loop {
            let taken = self.next();
            if let Some(supervisor) = self.0.supervisor.get() {
                supervisor.checkpoint(PART);
            }
            put_out(&taken, &mut bar);
        }
    }

    /// Waits for something. What was taken before is written.
    fn next(&self) -> Taken {
        let mut waiting = self.waiting();
        waiting.writing = false;
        self.0.changed.notify_all();
        let nothing = |waiting: &mut Waiting| !waiting.is_something();
        let waiting = self.0.changed.wait_while(waiting, nothing);
        waiting.unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Waiting {
    fn is_something(&self) -> bool {
        !self.texts.is_empty() || self.left_out > 0 || self.progress.is_some() || self.no_progress
    }

    fn take(&mut self) -> Taken {
        let Waiting { texts, left_out, progress, no_progress, .. } = std::mem::take(self);
        self.writing = true;
        let mut text = Vec::from(texts).concat();
        if left_out > 0 {
            let count = bytes::count(left_out);
            let what = if left_out == 1 { "message is" } else { "messages are" };
            text.push_str(&format!(
                "logwarden: warning: {count} more {what} not written here: standard error took them too slowly\n"
            ));
        }
        Taken { text, progress, no_progress }
    }
}

fn put_out(taken: &Taken, bar: &mut Option<ProgressBar>) {
    if taken.no_progress
        && let Some(bar) = bar.take()
    {
        bar.finish_and_clear();
    }
    if !taken.text.is_empty() {
        match &*bar {
            Some(bar) => bar.suspend(|| stderr::write_now(&taken.text)),
            None => stderr::write_now(&taken.text),
        }
    }
    if let Some((done, all)) = taken.progress.filter(|_| std::io::stderr().is_terminal()) {
        let bar = bar.get_or_insert_with(progress_bar);
        bar.set_length(all);
        bar.set_position(done);
    }
}

fn progress_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
            .expect("the template is right");
    ProgressBar::new(0).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_said() {
        let console = Console::default();
        (0..MOST + 7).for_each(|n| console.say(Level::Error, &format!("alert {n}")));
        let taken = console.waiting().take();
        let lines: Vec<&str> = taken.text.lines().collect();
        assert_eq!(lines.len(), MOST + 1);
        assert_eq!(lines[MOST - 1], format!("logwarden: error: alert {}", MOST - 1));
        let said = "logwarden: warning: 7 more messages are not written here";
        assert!(lines[MOST].starts_with(said), "{}", lines[MOST]);
        assert_eq!(console.waiting().take(), Taken::default());
        console.put("x".repeat(MOST_BYTES));
        console.put("y".to_owned());
        assert!(console.waiting().take().text.contains("1 more message is"));
    }

    /// The end waits for standard error as long as something is on its way, but not for ever.
    #[test]
    fn the_end_waits_for_what_is_being_written() {
        let console = Console::default();
        console.finish(LAST_WORDS);
        console.put("last\n".to_owned());
        assert_eq!(console.next().text, "last\n");
        let ending = {
            let console = console.clone();
            std::thread::spawn(move || console.finish(60 * LAST_WORDS))
        };
        // Written; whoever waits for more is told.
        let reader = {
            let console = console.clone();
            std::thread::spawn(move || console.next())
        };
        ending.join().unwrap();
        console.put("more\n".to_owned());
        assert_eq!(reader.join().unwrap().text, "more\n");
        // Never written.
        console.finish(LAST_WORDS);
    }
}

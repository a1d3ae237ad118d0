//! Writes all messages of an engine without a screen to standard error, in order, on a thread of its own. No other
//! thread ever waits for standard error: if it accepts text too slowly, messages are dropped, and their number is
//! reported.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::{OnPanic, Supervisor, bytes, sanitize, stderr};
use crate::event::Level;

/// Maximum number of queued messages; further ones are dropped and counted.
const MAX_MESSAGES: usize = 10_000;
/// Maximum size of all queued messages, in bytes.
const MAX_QUEUED_BYTES: usize = 4 << 20;
/// How long the program waits for standard error when it ends.
pub const FLUSH_WAIT: Duration = Duration::from_secs(1);
/// How long it waits when a second signal ends it.
pub const SHORT_FLUSH_WAIT: Duration = Duration::from_millis(100);
/// Name of this part in failure messages.
const PART: &str = "standard error writer";

/// The queue of messages for standard error. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Console(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queue: Mutex<Queue>,
    changed: Condvar,
    supervisor: OnceLock<Supervisor>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    /// The newest progress: bytes done and total bytes.
    progress: Option<(u64, u64)>,
    /// The progress bar is to be removed.
    ends_progress: bool,
    /// The thread is still writing the previous batch.
    is_writing: bool,
}

/// What the writer thread writes next.
#[derive(Debug, Default, PartialEq, Eq)]
struct OutputBatch {
    text: String,
    progress: Option<(u64, u64)>,
    ends_progress: bool,
}

impl Console {
    /// Starts the writer thread, which from now on writes all standard error output of this process.
    pub fn start() -> Console {
        let console = Console::default();
        let (queue, writer) = (console.clone(), console.clone());
        stderr::hand_to(Box::new(move |text| queue.enqueue(text)));
        let thread = std::thread::Builder::new().name("stderr".to_owned());
        thread.spawn(move || writer.write_watched()).expect("a thread can be started");
        console
    }

    /// Sets the supervisor that is notified when the thread panics.
    pub fn watched_by(&self, supervisor: Supervisor) {
        let _ = self.0.supervisor.set(supervisor);
    }

    /// Queues one message; never waits.
    pub fn say(&self, level: Level, text: &str) {
        self.enqueue(format!("logwarden: {level}: {}\n", sanitize::line(text)));
    }

    /// Shows a progress bar below the messages if standard error is a terminal: `done` of `all` bytes. Never waits.
    pub fn progress(&self, done: u64, all: u64) {
        self.queue().progress = Some((done, all));
        self.0.changed.notify_all();
    }

    /// Removes the progress bar.
    pub fn end_progress(&self) {
        let mut queue = self.queue();
        (queue.progress, queue.ends_progress) = (None, true);
        drop(queue);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, but no longer than `wait`.
    pub fn finish(&self, wait: Duration) {
        let is_unfinished = |queue: &mut Queue| queue.is_writing || !queue.is_empty();
        let _ = self.0.changed.wait_timeout_while(self.queue(), wait, is_unfinished);
    }

    fn enqueue(&self, text: String) {
        let mut queue = self.queue();
        if queue.messages.len() < MAX_MESSAGES && queue.bytes + text.len() <= MAX_QUEUED_BYTES {
            queue.bytes += text.len();
            queue.messages.push_back(text);
        } else {
            queue.dropped += 1;
        }
        drop(queue);
        self.0.changed.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Writes each batch as it comes; never returns.
    fn write(&self) {
        let mut bar = None;
        loop {
            let batch = self.next();
            if let Some(supervisor) = self.0.supervisor.get() {
                supervisor.checkpoint(PART);
            }
            write_batch(&batch, &mut bar);
        }
    }

    /// Waits for the next batch. To be called when the previous one has been written.
    fn next(&self) -> OutputBatch {
        let mut queue = self.queue();
        queue.is_writing = false;
        self.0.changed.notify_all();
        let is_empty = |queue: &mut Queue| queue.is_empty();
        let queue = self.0.changed.wait_while(queue, is_empty);
        queue.unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.dropped == 0
            && self.progress.is_none()
            && !self.ends_progress
    }

    fn take(&mut self) -> OutputBatch {
        let Queue { messages, dropped, progress, ends_progress, .. } = std::mem::take(self);
        self.is_writing = true;
        let mut text = Vec::from(messages).concat();
        if dropped > 0 {
            let count = bytes::counted(dropped, "message");
            text.push_str(&format!(
                "logwarden: warning: {count} dropped: standard error accepts text too slowly\n"
            ));
        }
        OutputBatch { text, progress, ends_progress }
    }
}

fn write_batch(batch: &OutputBatch, bar: &mut Option<ProgressBar>) {
    if batch.ends_progress
        && let Some(bar) = bar.take()
    {
        bar.finish_and_clear();
    }
    if !batch.text.is_empty() {
        match &*bar {
            Some(bar) => bar.suspend(|| stderr::write_now(&batch.text)),
            None => stderr::write_now(&batch.text),
        }
    }
    if let Some((done, all)) = batch.progress.filter(|_| std::io::stderr().is_terminal()) {
        let bar = bar.get_or_insert_with(progress_bar);
        bar.set_length(all);
        bar.set_position(done);
    }
}

fn progress_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
            .expect("the template is valid");
    ProgressBar::new(0).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_beyond_the_limit_are_counted_and_reported() {
        let console = Console::default();
        (0..MAX_MESSAGES + 7).for_each(|n| console.say(Level::Error, &format!("alert {n}")));
        let batch = console.queue().take();
        let lines: Vec<&str> = batch.text.lines().collect();
        assert_eq!(lines.len(), MAX_MESSAGES + 1);
        assert_eq!(
            lines[MAX_MESSAGES - 1],
            format!("logwarden: error: alert {}", MAX_MESSAGES - 1)
        );
        let expected = "logwarden: warning: 7 messages dropped";
        assert!(lines[MAX_MESSAGES].starts_with(expected), "{}", lines[MAX_MESSAGES]);
        assert_eq!(console.queue().take(), OutputBatch::default());
        console.enqueue("x".repeat(MAX_QUEUED_BYTES));
        console.enqueue("y".to_owned());
        assert!(console.queue().take().text.contains("1 message dropped"));
    }

    /// The end waits as long as a message is queued or being written, but no longer than the limit.
    #[test]
    fn the_end_waits_for_messages_that_are_being_written() {
        let console = Console::default();
        console.finish(FLUSH_WAIT);
        console.enqueue("last\n".to_owned());
        assert_eq!(console.next().text, "last\n");
        let ending = {
            let console = console.clone();
            std::thread::spawn(move || console.finish(60 * FLUSH_WAIT))
        };
        // The next call reports the previous batch as written and waits for more.
        let reader = {
            let console = console.clone();
            std::thread::spawn(move || console.next())
        };
        ending.join().unwrap();
        console.enqueue("more\n".to_owned());
        assert_eq!(reader.join().unwrap().text, "more\n");
        // This batch is never written.
        console.finish(FLUSH_WAIT);
    }
}

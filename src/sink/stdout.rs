//! Delivers events to standard output, one JSON line each. If the reader closes the pipe, the program ends without an
//! error.
//!
//! Written lines cannot be taken back: after a kill, lines since the last state commit are written again. Their
//! `event.id` identifies the duplicates.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use rustix::fs::{FileType, OFlags, SeekFrom, fcntl_getfl, fstat, seek};
use tokio_util::sync::CancellationToken;

use super::{Cursors, Delivery, Items, Limits, Outcome, Sink, SinkError};
use crate::event::Position;
use crate::privacy::Outgoing;

/// Shown when the reader has closed the pipe.
pub const READER_GONE: &str = "standard output was closed by its reader";

/// Shown if standard output was closed at the start.
const CLOSED: &str =
    "standard output is closed; redirect it, for example with >FILE, or remove the sink";

static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Records that standard output was closed when the program started. Its replacement discards everything.
pub fn note_closed() {
    IS_CLOSED.store(true, Ordering::Relaxed);
}

/// Whether standard output can be written to; if not, the reason, as a message.
pub fn check() -> Result<(), &'static str> {
    if IS_CLOSED.load(Ordering::Relaxed) { Err(CLOSED) } else { Ok(()) }
}

/// The descriptor itself. [`io::Stdout`] buffers up to 1 KiB that could not be written and counts it as written, and
/// it accepts everything if the descriptor is closed.
struct Descriptor;

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the output is a file that ends with a partial line of an earlier run. `false` also if this cannot be
/// determined.
fn ends_in_the_middle_of_a_line() -> bool {
    let last = || -> io::Result<u8> {
        let (found, flags) = (fstat(io::stdout())?, fcntl_getfl(io::stdout())?);
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        let appends = flags.contains(OFlags::APPEND);
        let end = match appends {
            true => found.st_size as u64,
            false => seek(io::stdout(), SeekFrom::Current(0))?,
        };
        let mut last = [b'\n'];
        if is_file && end > 0 {
            // A shell redirection opens the file for writing only.
            File::open("/proc/self/fd/1")?.read_exact_at(&mut last, end - 1)?;
        }
        Ok(last[0])
    };
    last().is_ok_and(|last| last != b'\n')
}

/// Writes to standard output, or to a replacement in tests.
pub struct StdoutSink {
    output: Arc<Mutex<Output>>,
    /// Cancelled when the reader has closed the pipe.
    closed: CancellationToken,
}

struct Output {
    writer: Box<dyn Write + Send>,
    /// The last line was only partly written.
    torn: bool,
}

impl StdoutSink {
    /// The token is cancelled when the reader closes the pipe: a reason to end, with success.
    pub fn new() -> (Self, CancellationToken) {
        let (sink, closed) = Self::to(Box::new(Descriptor));
        sink.output.lock().expect("the lock is not shared yet").torn =
            ends_in_the_middle_of_a_line();
        (sink, closed)
    }

    fn to(writer: Box<dyn Write + Send>) -> (Self, CancellationToken) {
        let closed = CancellationToken::new();
        let output = Arc::new(Mutex::new(Output { writer, torn: false }));
        (StdoutSink { output, closed: closed.clone() }, closed)
    }

    /// The delivery in which only `written` bytes were written before the error.
    fn stopped_at(&self, written: usize, error: &io::Error, items: &Items) -> Delivery {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.closed.cancel();
            return Delivery::Down(SinkError::Unavailable(READER_GONE.to_owned()));
        }
        let whole = items.ends.iter().filter(|end| **end <= written).count();
        if whole == 0 {
            let text = format!("cannot write to standard output ({error})");
            return Delivery::Down(SinkError::Unavailable(text));
        }
        let outcome = |index| if index < whole { Outcome::Done } else { Outcome::Retry(None) };
        Delivery::Each((0..items.len()).map(outcome).collect())
    }
}

impl Output {
    /// Writes all bytes; after an error, returns how many were written before it.
    fn write(&mut self, body: &[u8]) -> (usize, io::Result<()>) {
        if self.torn {
            if let Err(error) = self.writer.write_all(b"\n") {
                return (0, Err(error));
            }
            self.torn = false;
        }
        let mut written = 0;
        while written < body.len() {
            match self.writer.write(&body[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => {
                    written += more;
                    self.torn = body[written - 1] != b'\n';
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, self.writer.flush())
    }
}

impl Sink for StdoutSink {
    fn limits(&self) -> Limits {
        Limits { requests: 1, bytes: 256 * 1024, ..Limits::default() }
    }

    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        event.write_json(body);
        body.push(b'\n');
    }

    fn document<'a>(&self, item: &'a [u8]) -> Cow<'a, str> {
        String::from_utf8_lossy(item.trim_ascii_end())
    }

    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<Position>>, SinkError>> {
        Box::pin(async {
            check().map_err(|reason| SinkError::Misconfigured(reason.to_owned()))?;
            Ok(None)
        })
    }

    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)> {
        Box::pin(async move {
            let items = items.lend();
            let (output, lent) = (self.output.clone(), items.clone());
            // A pipe may stay full as long as its reader does not read.
            let write =
                move || output.lock().expect("no holder of the output panics").write(&lent.body);
            let (written, result) = match tokio::task::spawn_blocking(write).await {
                Ok(result) => result,
                Err(panic) => (0, Err(io::Error::other(panic))),
            };
            let delivery = match result {
                Ok(()) => Delivery::All(Outcome::Done),
                Err(error) => self.stopped_at(written, &error, &items),
            };
            (items.take_back(), delivery)
        })
    }

    fn commit<'a>(&'a self, _upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes this many bytes, then returns this error once, then takes everything.
    struct Limited(Arc<Mutex<Vec<u8>>>, usize, Option<io::ErrorKind>);

    impl Write for Limited {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = if self.2.is_some() { bytes.len().min(self.1) } else { bytes.len() };
            if count == 0 {
                return Err(self.2.take().expect("only a limited writer takes nothing").into());
            }
            self.1 -= count.min(self.1);
            self.0.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn items(lines: &[&str]) -> Items {
        let mut items = Items::default();
        for line in lines {
            items.body.extend_from_slice(line.as_bytes());
            items.ends.push(items.body.len());
        }
        items
    }

    #[tokio::test]
    async fn a_partial_line_is_ended_and_written_again() {
        let text = Arc::new(Mutex::new(Vec::new()));
        let limited = Limited(text.clone(), 7, Some(io::ErrorKind::StorageFull));
        let (sink, closed) = StdoutSink::to(Box::new(limited));
        let (back, delivery) = sink.deliver(items(&["one\n", "two!\n"])).await;
        let Delivery::Each(outcomes) = delivery else { panic!("the first line was written") };
        assert_eq!(outcomes, [Outcome::Done, Outcome::Retry(None)]);
        assert_eq!(back.item(1), b"two!\n");
        let (_, again) = sink.deliver(items(&["two!\n"])).await;
        assert!(matches!(again, Delivery::All(Outcome::Done)));
        assert_eq!(*text.lock().unwrap(), b"one\ntwo\ntwo!\n");
        assert!(!closed.is_cancelled());
    }

    #[tokio::test]
    async fn a_closed_pipe_ends_the_sink() {
        let limited = Limited(Arc::default(), 0, Some(io::ErrorKind::BrokenPipe));
        let (sink, closed) = StdoutSink::to(Box::new(limited));
        let (_, delivery) = sink.deliver(items(&["one\n"])).await;
        let Delivery::Down(error) = delivery else { panic!("the reader is gone") };
        assert!(error.to_string().starts_with("standard output was closed by its reader"));
        assert!(closed.is_cancelled());
    }
}

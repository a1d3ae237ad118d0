//! Writes JSON lines to a file, each event exactly once, by storing the cursors together with the output's length.
//!
//! Lines are written before the cursors, so a crash in between would write the same events again. Therefore a commit
//! first makes the output durable, then its length and the cursors, in one file beside it (`<output>.cursor`, see
//! [`cursor_file`]). At the start the output is truncated to that length: the removed bytes are those that will be
//! written again.
//!
//! Never truncated or written to: an output that does not match its cursor file (shorter, or other bytes before that
//! length), or that was moved, removed, truncated or replaced while it was written. The sink then stops until a
//! person decides.

mod cursor_file;
mod output_check;

use std::borrow::Cow;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use rustix::fs::{Access, FlockOperation, access, flock};
use rustix::io::Errno;

use self::cursor_file::{CursorFile, StoredCursors};
use self::output_check::OutputEnd;
use super::{Cursors, Delivery, Items, Limits, Outcome, Sink, SinkError};
use crate::archive::{Generations, Positions};
use crate::base::Clock;
use crate::event::{Cursor, GenerationId, Position};
use crate::privacy::Outgoing;

const WRITE_CURSOR: &str = "write the cursors of";

/// The sink of kind `file`; see the module.
pub struct FileSink {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    generations: Arc<dyn Generations>,
    clock: Arc<dyn Clock>,
    output: Mutex<Option<Output>>,
}

#[derive(Debug)]
struct Output {
    file: File,
    /// Offset of the next line.
    length: u64,
    /// The output's end before the last write, and now.
    ends: [OutputEnd; 2],
    cursor_file: CursorFile,
    /// As stored in the cursor file.
    positions: Positions,
}

impl FileSink {
    /// `generations` provides the identity of each generation, which is stored beside the cursors.
    pub fn new(path: PathBuf, generations: Arc<dyn Generations>, clock: Arc<dyn Clock>) -> Self {
        FileSink { shared: Arc::new(Shared { path, generations, clock, output: Mutex::new(None) }) }
    }

    /// Checks that lines can be written to `path`; changes nothing. Errors are messages for people.
    pub fn check(path: &Path) -> Result<(), String> {
        let shown = path.display();
        let directory = match path.parent() {
            Some(directory) if directory.as_os_str().is_empty() => Path::new("."),
            Some(directory) => directory,
            None => return Err(format!("{shown} is a directory; name a file in it")),
        };
        match path.metadata() {
            Ok(found) => is_an_output(path, &found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot check {shown} ({error})")),
        }
        let inside = directory.display();
        if !directory.is_dir() {
            return Err(format!(
                "the directory {inside} does not exist; create it: mkdir -p {inside}"
            ));
        }
        // The cursor file is created beside it.
        let directory_access = Access::WRITE_OK | Access::EXEC_OK;
        access(directory, directory_access)
            .map_err(|error| format!("cannot write in {inside} ({error}); change its owner"))?;
        match access(path, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(format!("cannot write to {shown} ({error}); change its owner")),
        }
    }

    /// The positions in the cursor file, without checking the output; empty if there is no usable one.
    pub fn kept_positions(output: &Path) -> Vec<Position> {
        let stored = cursor_file::load(output).ok().flatten();
        stored.map(|stored| stored.positions.known()).unwrap_or_default()
    }

    /// Runs on a blocking thread.
    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<R, SinkError> + Send + 'static,
    ) -> Result<R, SinkError> {
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|panic| Err(SinkError::Unavailable(format!("internal error: {panic}"))))
    }
}

/// Checks that the output is a regular file: after a crash it is truncated.
fn is_an_output(path: &Path, found: &Metadata) -> Result<(), String> {
    let path = path.display();
    match (found.is_file(), found.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(format!("{path} is a directory; name a file in it")),
        _ => Err(format!(
            "{path} is not a regular file, so it cannot be truncated after a crash; for standard output use \
             [sink.stdout]"
        )),
    }
}

impl Shared {
    /// Opens the output and truncates it to the stored length; returns the stored positions.
    fn resume(&self) -> Result<Vec<Position>, SinkError> {
        let mut output = self.output.lock().expect("no holder of the output panics");
        // Close the output first: its lock would block the new one.
        *output = None;
        let file = self.open()?;
        let (end, positions) = match self.load()? {
            Some(stored) => {
                self.truncate_to(&file, stored.output_end)?;
                (stored.output_end, stored.positions)
            }
            None => (self.start_output(&file)?, Positions::default()),
        };
        // Make the cursors durable before they count: an earlier process may have left them in memory only. This also
        // happens before the first line, so that bytes of a new output are truncated after a crash.
        let mut cursor_file = CursorFile::new(&self.path);
        cursor_file
            .replace(end, &positions)
            .map_err(|error| self.io_error(WRITE_CURSOR, &error))?;
        let known = positions.known();
        let ends = [end; 2];
        *output = Some(Output { file, length: end.length, ends, cursor_file, positions });
        Ok(known)
    }

    fn load(&self) -> Result<Option<StoredCursors>, SinkError> {
        cursor_file::load(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                let path = self.path.display();
                SinkError::Misconfigured(format!(
                    "cannot read {path}.cursor ({error}); nothing is written to {path}: restore the right .cursor \
                     file, or move both files away to start a new output"
                ))
            }
            _ => self.io_error("read the cursors of", &error),
        })
    }

    /// Opens the output and locks it. Creates it if it does not exist and nothing was written before.
    fn open(&self) -> Result<File, SinkError> {
        match self.path.metadata() {
            Ok(found) => is_an_output(&self.path, &found).map_err(SinkError::Misconfigured)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let written = self.load()?.map_or(0, |stored| stored.output_end.length);
                if written > 0 {
                    return Err(self.refuse(output_check::GONE));
                }
            }
            Err(_) => {}
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.path).map_err(|error| self.io_error("open", &error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let path = self.path.display();
            SinkError::Misconfigured(format!(
                "another process or sink writes to {path}; give each its own file"
            ))
        })?;
        Ok(file)
    }

    /// Truncates the output to its stored length, after a check that it is still the same file. The bytes beyond it
    /// were never confirmed and are written again.
    fn truncate_to(&self, file: &File, kept: OutputEnd) -> Result<(), SinkError> {
        let length = self.length(file)?;
        if length < kept.length {
            return Err(self.refuse(&output_check::cut(length, kept.length)));
        }
        if self.output_end(file, kept.length)? != kept {
            return Err(self.refuse(output_check::REPLACED));
        }
        if length > kept.length {
            file.set_len(kept.length).map_err(|error| self.io_error("truncate", &error))?;
        }
        Ok(())
    }

    fn length(&self, file: &File) -> Result<u64, SinkError> {
        Ok(file.metadata().map_err(|error| self.io_error("check", &error))?.len())
    }

    fn output_end(&self, file: &File, length: u64) -> Result<OutputEnd, SinkError> {
        OutputEnd::of(file, length).map_err(|error| self.io_error("read", &error))
    }

    /// The error of an output that must not be written to.
    fn refuse(&self, what: &str) -> SinkError {
        let path = self.path.display();
        SinkError::Misconfigured(format!(
            "{path} {what}; nothing is written to it: restore the right file, or move it and its .cursor file \
             away to start a new one"
        ))
    }

    /// Fails if the output was moved, removed, truncated or replaced since it was opened.
    fn verify_unchanged(&self, output: &Output) -> Result<(), SinkError> {
        let found = output_check::difference(&output.file, &self.path, output.length, &output.ends);
        match found.map_err(|error| self.io_error("check", &error))? {
            Some(what) => Err(self.refuse(&what)),
            None => Ok(()),
        }
    }

    /// Prepares an output without a cursor file: a new one, or one that another program wrote, to which lines are
    /// appended.
    fn start_output(&self, file: &File) -> Result<OutputEnd, SinkError> {
        let mut length = self.length(file)?;
        if length > 0 && !ends_with_newline(file, length) {
            file.write_all_at(b"\n", length).map_err(|error| self.io_error("write to", &error))?;
            length += 1;
        }
        file.sync_all().map_err(|error| self.io_error("sync", &error))?;
        self.output_end(file, length)
    }

    /// Writes lines at the end of the output. They are durable after the next commit.
    fn append(&self, body: &[u8]) -> Result<(), SinkError> {
        let mut output = self.output.lock().expect("no holder of the output panics");
        let Some(output) = output.as_mut() else {
            return Err(SinkError::Unavailable(format!("{} is not open", self.path.display())));
        };
        self.verify_unchanged(output)?;
        // The next write overwrites a partial one.
        if let Err(error) = output.file.write_all_at(body, output.length) {
            // Best effort: a reader should not see a partial line. The next write uses the same offset in any case.
            let _ = output.file.set_len(output.length);
            return Err(self.io_error("write to", &error));
        }
        let length = output.length + body.len() as u64;
        let end = self.output_end(&output.file, length)?;
        output.ends = [output.ends[1], end];
        output.length = length;
        Ok(())
    }

    /// Makes the output durable, then its length and the cursors.
    fn commit(&self, upto: &[Cursor]) -> Result<(), SinkError> {
        let mut output = self.output.lock().expect("no holder of the output panics");
        let Some(output) = output.as_mut() else {
            return Err(SinkError::Unavailable(format!("{} is not open", self.path.display())));
        };
        output.file.sync_all().map_err(|error| self.io_error("sync", &error))?;
        self.verify_unchanged(output)?;
        let end = output.ends[1];
        let step = output.positions.step(upto, &*self.generations, self.clock.now());
        let appended = output.cursor_file.append(end, &step);
        output.positions.apply(step);
        if appended {
            return Ok(());
        }
        let written = output.cursor_file.replace(end, &output.positions);
        written.map_err(|error| self.io_error(WRITE_CURSOR, &error))
    }

    fn forget(&self, generations: &[GenerationId]) {
        let mut output = self.output.lock().expect("no holder of the output panics");
        if let Some(output) = output.as_mut() {
            output.positions.forget(generations);
            output.cursor_file.forget();
        }
    }

    fn io_error(&self, what: &str, error: &io::Error) -> SinkError {
        let text = format!("cannot {what} {} ({error})", self.path.display());
        match error.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotFound
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidData => SinkError::Misconfigured(text),
            _ => SinkError::Unavailable(text),
        }
    }
}

fn ends_with_newline(file: &File, length: u64) -> bool {
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1).is_ok() && last[0] == b'\n'
}

impl Sink for FileSink {
    fn limits(&self) -> Limits {
        Limits { requests: 1, ..Limits::default() }
    }

    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        event.write_json(body);
        body.push(b'\n');
    }

    fn document<'a>(&self, item: &'a [u8]) -> Cow<'a, str> {
        String::from_utf8_lossy(item.trim_ascii_end())
    }

    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<Position>>, SinkError>> {
        Box::pin(async { self.run(Shared::resume).await.map(Some) })
    }

    fn forget(&self, generations: Vec<GenerationId>) -> BoxFuture<'_, Result<(), SinkError>> {
        self.shared.forget(&generations);
        Box::pin(std::future::ready(Ok(())))
    }

    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)> {
        Box::pin(async move {
            // Shared, so that the items are returned even if writing panics.
            let items = items.lend();
            let lent = items.clone();
            let delivery = match self.run(move |shared| shared.append(&lent.body)).await {
                Ok(()) => Delivery::All(Outcome::Accepted),
                Err(error) => Delivery::Down(error),
            };
            (items.take_back(), delivery)
        })
    }

    fn commit<'a>(&'a self, upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>> {
        let upto = upto.clone();
        Box::pin(self.run(move |shared| shared.commit(&upto)))
    }
}

impl std::fmt::Debug for FileSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSink").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! JSON lines to a file, each event exactly once: the cursors and the output's length are kept together.
//!
//! Lines are written first, and a crash may come before the cursors are: the same events would be read and
//! written again. So a commit makes the output durable, then puts its length and the cursors into one side
//! file (`<output>.cursor`: written aside, fsynced, renamed, the folder fsynced). At the start the output is
//! cut back to that length: what stands beyond it is exactly what will be written again.
//!
//! Never cut or written to: an output that is not the one the side file speaks of (shorter, or other bytes before that
//! length), or that was moved, removed, cut or replaced while it was written. That is refused, and a person decides.

mod proof;
mod side;

use std::borrow::Cow;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use rustix::fs::{Access, FlockOperation, access, flock};
use rustix::io::Errno;

use self::proof::Proof;
use self::side::Side;
use super::{Cursors, Delivery, Items, Limits, Outcome, Sink, SinkError};
use crate::archive::{Generations, Positions};
use crate::base::Clock;
use crate::event::{Cursor, GenerationId, Position};
use crate::privacy::Outgoing;

/// See the module.
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
    /// Where the next line goes.
    length: u64,
    /// What stood before the last lines, and what stands before the next.
    proofs: [Proof; 2],
    /// As the side file says it.
    positions: Positions,
}

impl FileSink {
    /// `generations` tells the identity of each generation (the state does), to be kept beside the cursors.
    pub fn new(path: PathBuf, generations: Arc<dyn Generations>, clock: Arc<dyn Clock>) -> Self {
        FileSink { shared: Arc::new(Shared { path, generations, clock, output: Mutex::new(None) }) }
    }

    /// Whether lines can be written there, as far as a look tells; why not, for people. Changes nothing.
    pub fn check(path: &Path) -> Result<(), String> {
        let shown = path.display();
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return Err(format!("{shown} is a folder; name a file in it")),
        };
        match path.metadata() {
            Ok(found) => is_an_output(path, &found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot look at {shown} ({error})")),
        }
        let inside = folder.display();
        if !folder.is_dir() {
            return Err(format!("the folder {inside} is not there; make it: mkdir -p {inside}"));
        }
        // The file with the cursors is made beside it.
        let folder_access = Access::WRITE_OK | Access::EXEC_OK;
        access(folder, folder_access)
            .map_err(|error| format!("cannot write in {inside} ({error}); change its owner"))?;
        match access(path, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(format!("cannot write to {shown} ({error}); change its owner")),
        }
    }

    /// What the side file of an output says, without a look at the output; none where there is no usable one.
    pub fn kept_positions(output: &Path) -> Vec<Position> {
        let side = Side::load(output).ok().flatten();
        side.map(|side| side.positions().known()).unwrap_or_default()
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

/// An output is cut back after a crash: only a regular file can be.
fn is_an_output(path: &Path, found: &Metadata) -> Result<(), String> {
    let path = path.display();
    match (found.is_file(), found.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(format!("{path} is a folder; name a file in it")),
        _ => Err(format!(
            "{path} is not a regular file, and an output is cut back after a crash; for standard output write \
             [sink.stdout]"
        )),
    }
}

impl Shared {
    fn resume(&self) -> Result<Vec<Position>, SinkError> {
        let mut output = self.output.lock().expect("no holder of the output panics");
        // Given up first: our own lock on it must not stand in the way.
        *output = None;
        let side =
            Side::load(&self.path).map_err(|error| self.failed("read the cursor of", &error))?;
        let file = self.open(side.as_ref().map_or(0, |side| side.length))?;
        let length = file.metadata().map_err(|error| self.failed("look at", &error))?.len();
        let (length, positions) = match side {
            Some(side) => {
                self.cut_back(&file, length, &side)?;
                (side.length, side.positions())
            }
            None => (self.begin(&file, length)?, Positions::default()),
        };
        let proof = Proof::of(&file, length).map_err(|error| self.failed("read", &error))?;
        let known = positions.known();
        *output = Some(Output { file, length, proofs: [proof; 2], positions });
        Ok(known)
    }

    /// `written`: how much of it there has to be.
    fn open(&self, written: u64) -> Result<File, SinkError> {
        match self.path.metadata() {
            Ok(found) => is_an_output(&self.path, &found).map_err(SinkError::Misconfigured)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && written > 0 => {
                return Err(self.refused(proof::GONE));
            }
            Err(_) => {}
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.path).map_err(|error| self.failed("open", &error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let path = self.path.display();
            SinkError::Misconfigured(format!(
                "another process or sink writes to {path}; give each its own file"
            ))
        })?;
        Ok(file)
    }

    /// What stands beyond the recorded length was never confirmed and is written again.
    fn cut_back(&self, file: &File, length: u64, side: &Side) -> Result<(), SinkError> {
        if length < side.length {
            return Err(self.refused(&proof::cut(length, side.length)));
        }
        let tail = side::tail(file, side.length).map_err(|error| self.failed("read", &error))?;
        if tail != side.tail {
            return Err(self.refused(proof::REPLACED));
        }
        if length > side.length {
            file.set_len(side.length).map_err(|error| self.failed("cut back", &error))?;
        }
        Ok(())
    }

    fn refused(&self, what: &str) -> SinkError {
        let path = self.path.display();
        SinkError::Misconfigured(format!(
            "{path} {what}; nothing is written to it: put the right file back, or move it and its .cursor file away \
             to begin a new one"
        ))
    }

    /// Somebody may have moved, removed, cut or replaced it since it was opened.
    fn is_untouched(&self, output: &Output) -> Result<(), SinkError> {
        let found = proof::difference(&output.file, &self.path, output.length, &output.proofs);
        match found.map_err(|error| self.failed("look at", &error))? {
            Some(what) => Err(self.refused(&what)),
            None => Ok(()),
        }
    }

    /// A new output, or one that somebody else wrote: it is appended to. The side file comes before the first
    /// line, so that what a crash leaves behind is cut off too.
    fn begin(&self, file: &File, length: u64) -> Result<u64, SinkError> {
        let whole = length == 0 || side::ends_with_newline(file, length);
        let failed = |error: &io::Error| self.failed("begin", error);
        let length = match whole {
            true => length,
            false => {
                file.write_all_at(b"\n", length).map_err(|error| failed(&error))?;
                length + 1
            }
        };
        file.sync_all().map_err(|error| failed(&error))?;
        let tail = side::tail(file, length).map_err(|error| failed(&error))?;
        let side = Side::new(length, tail, &Positions::default());
        side.store(&self.path).map_err(|error| failed(&error))?;
        Ok(length)
    }

    fn append(&self, body: &[u8]) -> Result<(), SinkError> {
        let mut output = self.output.lock().expect("no holder of the output panics");
        let Some(output) = output.as_mut() else {
            return Err(SinkError::Unavailable(format!("{} is not open", self.path.display())));
        };
        self.is_untouched(output)?;
        // A write that failed half way is overwritten by the next one, or cut off.
        if let Err(error) = output.file.write_all_at(body, output.length) {
            // Best effort: a reader should not see half a line; the next write comes to the same place.
            let _ = output.file.set_len(output.length);
            return Err(self.failed("write to", &error));
        }
        let length = output.length + body.len() as u64;
        let proof = Proof::of(&output.file, length).map_err(|error| self.failed("read", &error))?;
        output.proofs = [output.proofs[1], proof];
        output.length = length;
        Ok(())
    }

    fn commit(&self, upto: &[Cursor]) -> Result<(), SinkError> {
        let mut output = self.output.lock().expect("no holder of the output panics");
        let Some(output) = output.as_mut() else {
            return Err(SinkError::Unavailable(format!("{} is not open", self.path.display())));
        };
        output.file.sync_all().map_err(|error| self.failed("make durable", &error))?;
        self.is_untouched(output)?;
        let tail = output.proofs[1].tail;
        let now = self.clock.now();
        let positions = output.positions.advanced(upto, &*self.generations, now);
        let side = Side::new(output.length, tail, &positions);
        side.store(&self.path).map_err(|error| self.failed("write the cursor of", &error))?;
        output.positions = positions;
        Ok(())
    }

    fn forget(&self, generations: &[GenerationId]) {
        let mut output = self.output.lock().expect("no holder of the output panics");
        if let Some(output) = output.as_mut() {
            output.positions.forget(generations);
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> SinkError {
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
            // Lent, so that they come back also where the writing panics.
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

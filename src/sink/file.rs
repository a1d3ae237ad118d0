//! JSON lines to a file, each event exactly once: the cursors and the output's length are kept together.
//!
//! Lines are written first, and a crash may come before the cursors are: the same events would be read and
//! written again. So a commit makes the output durable, then its length and the cursors, in one side file
//! (`<output>.cursor`, see [`cursor_file`]). At the start the output is cut back to that length: what stands beyond it is
//! exactly what will be written again.
//!
//! Never cut or written to: an output that is not the one the side file speaks of (shorter, or other bytes before that
//! length), or that was moved, removed, cut or replaced while it was written. That is refused, and a person decides.

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

use self::cursor_file::{Side, SideFile};
use self::output_check::Proof;
use super::{Cursors, Delivery, Items, Limits, Outcome, Sink, SinkError};
use crate::archive::{Generations, Positions};
use crate::base::Clock;
use crate::event::{Cursor, GenerationId, Position};
use crate::privacy::Outgoing;

const WRITE_CURSOR: &str = "write the cursor of";

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
    side: SideFile,
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
        let directory = match path.parent() {
            Some(directory) if directory.as_os_str().is_empty() => Path::new("."),
            Some(directory) => directory,
            None => return Err(format!("{shown} is a directory; name a file in it")),
        };
        match path.metadata() {
            Ok(found) => is_an_output(path, &found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot look at {shown} ({error})")),
        }
        let inside = directory.display();
        if !directory.is_dir() {
            return Err(format!("the directory {inside} is not there; make it: mkdir -p {inside}"));
        }
        // The file with the cursors is made beside it.
        let directory_access = Access::WRITE_OK | Access::EXEC_OK;
        access(directory, directory_access)
            .map_err(|error| format!("cannot write in {inside} ({error}); change its owner"))?;
        match access(path, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(format!("cannot write to {shown} ({error}); change its owner")),
        }
    }

    /// What the side file of an output says, without a look at the output; none where there is no usable one.
    pub fn kept_positions(output: &Path) -> Vec<Position> {
        let side = cursor_file::load(output).ok().flatten();
        side.map(|side| side.positions.known()).unwrap_or_default()
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
        (_, true) => Err(format!("{path} is a directory; name a file in it")),
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
        let file = self.open()?;
        let (proof, positions) = match self.load()? {
            Some(side) => {
                self.cut_back(&file, side.proof)?;
                (side.proof, side.positions)
            }
            None => (self.begin(&file)?, Positions::default()),
        };
        // Before it counts: what a program that ended has left may be in memory alone. And before the first line, so
        // that what a crash leaves of a new output is cut off too.
        let mut side = SideFile::new(&self.path);
        side.replace(proof, &positions).map_err(|error| self.failed(WRITE_CURSOR, &error))?;
        let known = positions.known();
        let proofs = [proof; 2];
        *output = Some(Output { file, length: proof.length, proofs, side, positions });
        Ok(known)
    }

    fn load(&self) -> Result<Option<Side>, SinkError> {
        cursor_file::load(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                let path = self.path.display();
                SinkError::Misconfigured(format!(
                    "cannot read {path}.cursor ({error}); nothing is written to {path}: put the right .cursor file \
                     back, or move both away to begin a new output"
                ))
            }
            _ => self.failed("read the cursor of", &error),
        })
    }

    /// Opens the output and locks it. It is made where there is none, and none was written.
    fn open(&self) -> Result<File, SinkError> {
        match self.path.metadata() {
            Ok(found) => is_an_output(&self.path, &found).map_err(SinkError::Misconfigured)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let written = self.load()?.map_or(0, |side| side.proof.length);
                if written > 0 {
                    return Err(self.refused(output_check::GONE));
                }
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
    fn cut_back(&self, file: &File, kept: Proof) -> Result<(), SinkError> {
        let length = self.length(file)?;
        if length < kept.length {
            return Err(self.refused(&output_check::cut(length, kept.length)));
        }
        if self.proof(file, kept.length)? != kept {
            return Err(self.refused(output_check::REPLACED));
        }
        if length > kept.length {
            file.set_len(kept.length).map_err(|error| self.failed("cut back", &error))?;
        }
        Ok(())
    }

    fn length(&self, file: &File) -> Result<u64, SinkError> {
        Ok(file.metadata().map_err(|error| self.failed("look at", &error))?.len())
    }

    fn proof(&self, file: &File, length: u64) -> Result<Proof, SinkError> {
        Proof::of(file, length).map_err(|error| self.failed("read", &error))
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
        let found =
            output_check::difference(&output.file, &self.path, output.length, &output.proofs);
        match found.map_err(|error| self.failed("look at", &error))? {
            Some(what) => Err(self.refused(&what)),
            None => Ok(()),
        }
    }

    /// A new output, or one that somebody else wrote: it is appended to.
    fn begin(&self, file: &File) -> Result<Proof, SinkError> {
        let mut length = self.length(file)?;
        if length > 0 && !ends_with_newline(file, length) {
            file.write_all_at(b"\n", length).map_err(|error| self.failed("begin", &error))?;
            length += 1;
        }
        file.sync_all().map_err(|error| self.failed("begin", &error))?;
        self.proof(file, length)
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
        let proof = self.proof(&output.file, length)?;
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
        let proof = output.proofs[1];
        let step = output.positions.step(upto, &*self.generations, self.clock.now());
        let appended = output.side.append(proof, &step);
        output.positions.apply(step);
        if appended {
            return Ok(());
        }
        let written = output.side.replace(proof, &output.positions);
        written.map_err(|error| self.failed(WRITE_CURSOR, &error))
    }

    fn forget(&self, generations: &[GenerationId]) {
        let mut output = self.output.lock().expect("no holder of the output panics");
        if let Some(output) = output.as_mut() {
            output.positions.forget(generations);
            output.side.forget();
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

//! Events that a target refuses for good are kept, never dropped: JSON lines, a file a sink and day, on disk
//! before the sink's cursor moves on. Sealed values stay sealed.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::base::{Clock, rfc3339};
use crate::event::Event;
use crate::privacy::{Policy, protect};

/// One refused event. The version is that of the line's form.
#[derive(Debug, Serialize)]
pub struct DeadLetter {
    pub version: u32,
    pub id: String,
    pub source: String,
    pub path: String,
    /// Hexadecimal.
    pub generation: String,
    pub offset: u64,
    /// When it was refused.
    pub time: String,
    pub target: String,
    pub reason: String,
    pub attempts: u32,
    /// The event document, as it would have left.
    pub document: Box<RawValue>,
}

impl DeadLetter {
    pub fn new(event: Event<'_>, policy: &Policy, reason: &str, attempts: u32) -> Self {
        let outgoing = protect(policy, event);
        let mut body = Vec::new();
        outgoing.write_json(&mut body);
        let body = String::from_utf8(body).expect("the event document is text");
        DeadLetter {
            version: 1,
            id: outgoing.id().to_string(),
            source: event.batch.generation.source.to_string(),
            path: outgoing.path().to_string(),
            generation: format!("{:016x}", event.batch.generation.id.0),
            offset: event.record.start,
            time: String::new(),
            target: "*".to_string(),
            reason: reason.to_string(),
            attempts,
            document: RawValue::from_string(body).expect("the event document is JSON"),
        }
    }
}

/// Where refused events are kept.
pub trait DeadLetters: Send + Sync {
    /// All of them are durable when this returns; blocking. After an error none of them counts as kept.
    fn keep(&self, sink: &str, letters: Vec<DeadLetter>) -> io::Result<()>;
}

/// `<directory>/<sink>/<day>.jsonl`.
#[derive(Debug)]
pub struct DeadLetterFolder {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    /// A sink's file of one day takes no more than this.
    cap: u64,
}

impl DeadLetterFolder {
    pub fn new(directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        DeadLetterFolder { directory, clock, cap: 1 << 30 }
    }

    fn open(&self, folder: &Path, day: &str) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(format!("{day}.jsonl"));
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        if ends_in_the_middle_of_a_line(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(file)
    }
}

impl DeadLetters for DeadLetterFolder {
    fn keep(&self, sink: &str, letters: Vec<DeadLetter>) -> io::Result<()> {
        let now = rfc3339::text(self.clock.now(), 3);
        let mut lines = Vec::new();
        for mut letter in letters {
            letter.time.clone_from(&now);
            serde_json::to_writer(&mut lines, &letter)?;
            lines.push(b'\n');
        }
        let folder = self.directory.join(sink);
        let mut file = self.open(&folder, &now[..10])?;
        if file.metadata()?.len() + lines.len() as u64 > self.cap {
            let full = format!("the dead letters of today in {} are full", folder.display());
            return Err(io::Error::new(io::ErrorKind::StorageFull, full));
        }
        file.write_all(&lines)?;
        file.sync_all()?;
        File::open(&folder)?.sync_all()?;
        File::open(&self.directory)?.sync_all()
    }
}

/// A crash tore the last line: the next one must not continue it.
fn ends_in_the_middle_of_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0] != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::base::clock::ManualClock;
    use crate::event::sample::batch;

    #[test]
    fn a_letter_stands_on_a_line_of_its_own_and_stays_sealed() {
        let scratch = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(86_400)));
        let folder = DeadLetterFolder::new(scratch.path().join("dead-letters"), clock);
        let batch = batch("message=for:7654321 client_id=7654321", None);
        let policy = Policy::new(&["client_id".into()], false);
        let letter = || DeadLetter::new(batch.event(0), &policy, "no such field", 2);
        folder.keep("es", vec![letter()]).unwrap();
        let path = scratch.path().join("dead-letters/es/1970-01-02.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"torn").unwrap();
        folder.keep("es", vec![letter()]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[1]), (3, "{\"torn"));
        let last: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(last["reason"], "no such field");
        assert_eq!(last["time"], "1970-01-02T00:00:00.000Z");
        assert_eq!(last["document"]["message"], "for:[sealed]");
        assert_eq!(lines[0], lines[2]);
    }

    #[test]
    fn a_full_folder_keeps_nothing_and_says_so() {
        let scratch = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let mut folder = DeadLetterFolder::new(scratch.path().to_path_buf(), clock);
        folder.cap = 10;
        let batch = batch("message=x", None);
        let letter = DeadLetter::new(batch.event(0), &Policy::default(), "no", 1);
        let error = folder.keep("es", vec![letter]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}

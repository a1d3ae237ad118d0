//! Writes the audit file: a JSON line (who, when, which key and field) for each decrypted value, or for all values of
//! one key and field together with their number; appended and fsynced.
//!
//! The file is readable by its user only. It never contains a decrypted value, not even as a part of a file name. It
//! records decryptions by this program and does not prevent others: the keys also work without it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::process::{geteuid, getuid};
use serde::Serialize;

use super::SEALED;
use super::decryptor::{DecryptedValue, KeyAndField};
use super::whole_words::WordReplacer;
use crate::base::{Clock, rfc3339, with_causes};

/// Name of the audit file in the state directory.
pub const NAME: &str = "audit.jsonl";

/// Appends to one audit file, on behalf of one person and component.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    who: Actor,
    clock: Arc<dyn Clock>,
}

/// The person and the component that decrypt. The user id is not part of it: it is taken from the process.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The user name from the environment.
    pub user: Option<String>,
    pub host: String,
    /// The component that shows the value: `screen`, `decrypt`, `search` or `find`.
    pub by: &'static str,
}

/// The location of the decrypted token.
#[derive(Clone, Copy, Debug)]
pub struct TokenLocation<'a> {
    /// The log file, or a description such as `archive`.
    pub file: &'a str,
    /// Start of its record in the file.
    pub offset: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("cannot create the directory {} of the audit file", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot open the audit file {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the audit file {0} is not private to this user; fix it with: chown {user} {0} && chmod 600 {0}",
        path.display()
    )]
    Loose { path: PathBuf, user: u32 },
    #[error("cannot write to the audit file {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl AuditError {
    /// The message and its causes on one line.
    pub fn reason(&self) -> String {
        with_causes(self)
    }
}

/// The file name with these decrypted values replaced by `[sealed]`; `None`: it contains none of them.
pub fn without(file: &str, opened: &[DecryptedValue]) -> Option<String> {
    let names = opened.iter().filter(|one| file.contains(one.value.as_str()));
    let words = names.map(|one| (one.value.as_str(), SEALED));
    WordReplacer::new(words.collect()).replace(file)
}

#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    host: &'a str,
    by: &'a str,
    key: String,
    month: String,
    field: &'a str,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Number of values; absent for a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<u64>,
}

impl Audit {
    pub fn new(path: PathBuf, who: Actor, clock: Arc<dyn Clock>) -> Audit {
        Audit { path, who, clock }
    }

    /// Appends one line per value. Durable when this returns.
    pub fn opened(
        &self,
        opened: &[DecryptedValue],
        place: TokenLocation<'_>,
    ) -> Result<(), AuditError> {
        let file = without(place.file, opened);
        let place = TokenLocation { file: file.as_deref().unwrap_or(place.file), ..place };
        let lines = opened.iter().map(|one| (one.sealed_by(), None));
        self.append(lines, place)
    }

    /// Appends one line per key and field with the number of values, after all of them were decrypted.
    pub fn counted(
        &self,
        counts: &[(KeyAndField, u64)],
        place: TokenLocation<'_>,
    ) -> Result<(), AuditError> {
        self.append(counts.iter().map(|(sealed, count)| (sealed.clone(), Some(*count))), place)
    }

    fn append(
        &self,
        lines: impl Iterator<Item = (KeyAndField, Option<u64>)>,
        place: TokenLocation<'_>,
    ) -> Result<(), AuditError> {
        let time = rfc3339::text(self.clock.now(), 3);
        let (file, ends_incomplete) = self.open()?;
        let mut text = if ends_incomplete { vec![b'\n'] } else { Vec::new() };
        for (sealed, values) in lines {
            let line = Line {
                time: &time,
                uid: getuid().as_raw(),
                user: self.who.user.as_deref(),
                host: &self.who.host,
                by: self.who.by,
                key: sealed.key.to_string(),
                month: sealed.month.to_string(),
                field: &sealed.field,
                file: place.file,
                offset: place.offset,
                values,
            };
            serde_json::to_writer(&mut text, &line).expect("texts and numbers are JSON");
            text.push(b'\n');
        }
        // A single write, so that lines of several processes are not interleaved.
        let written = (&file).write_all(&text).and_then(|()| file.sync_all());
        written.map_err(|source| AuditError::Write { path: self.path.clone(), source })
    }

    /// The open file, and whether its last line is incomplete, as after a kill.
    fn open(&self) -> Result<(File, bool), AuditError> {
        let path = || self.path.clone();
        let failed = |source| AuditError::Open { path: path(), source };
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| AuditError::Directory { path: directory.to_owned(), source })?;
        // Opening a FIFO for writing would block until a reader opens it.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600).custom_flags(flags);
        let is_new = self.path.symlink_metadata().is_err();
        let file = options.open(&self.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let user = geteuid();
        let is_ours = metadata.uid() == user.as_raw() || user.is_root();
        if !metadata.is_file() || !is_ours || metadata.mode() & 0o077 != 0 {
            return Err(AuditError::Loose { path: path(), user: user.as_raw() });
        }
        if is_new {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        }
        let mut last = [b'\n'];
        if let Some(at) = metadata.len().checked_sub(1) {
            file.read_exact_at(&mut last, at).map_err(failed)?;
        }
        Ok((file, last != *b"\n"))
    }
}

//! The snapshot: a text file with all rows that are kept in memory, used when the state file is damaged or missing.
//!
//! Layout: a header line, one JSON object per line, and a last line `sum` with the SipHash of everything before it.
//! With an older snapshot events are only delivered again, under the same ids. The snapshot also says which journal
//! records it includes: together with the later records it is as good as the state file.

use std::fs::{self, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use super::directory::sync_directory;
use super::journal::JournalPosition;
use super::rows::Rows;
use super::{CursorRow, GenerationRow};

const FILE: &str = "cursors.snapshot";
const HEAD: &str = "logwarden state snapshot 2";
/// The first line of snapshots of an earlier version, which had no journal.
const EARLIER_HEAD: &str = "logwarden state snapshot 1";

/// One line between the first and the last.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Generation(Box<GenerationRow>),
    Cursor(CursorRow),
    Source(String),
    Key(String),
    Journal(JournalPosition),
}

/// The content of a snapshot.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    pub rows: Rows,
    /// The last journal record that is included. `None`: written by an earlier version.
    pub base: Option<JournalPosition>,
}

pub(super) fn encode(rows: &Rows, base: &JournalPosition) -> String {
    let mut text = format!("{HEAD}\n");
    let generations = rows.generations().into_iter().map(|row| Line::Generation(Box::new(row)));
    let cursors = rows.all_cursors().into_iter().map(Line::Cursor);
    let sources = rows.sources.iter().cloned().map(Line::Source);
    let keys = rows.keys.iter().cloned().map(Line::Key);
    let base = std::iter::once(Line::Journal(*base));
    for line in generations.chain(cursors).chain(sources).chain(keys).chain(base) {
        text.push_str(&serde_json::to_string(&line).expect("rows are plain data"));
        text.push('\n');
    }
    let sum = checksum(&text);
    text.push_str(&format!("sum {sum:016x}\n"));
    text
}

/// `None` unless the text is exactly the output of [`encode`].
pub(super) fn decode(text: &str) -> Option<Snapshot> {
    let body_len = text.strip_suffix('\n')?.rfind('\n')? + 1;
    let (body, last) = text.split_at(body_len);
    let sum = u64::from_str_radix(last.trim_end().strip_prefix("sum ")?, 16).ok()?;
    if sum != checksum(body) {
        return None;
    }
    let mut lines = body.lines();
    if ![HEAD, EARLIER_HEAD].contains(&lines.next()?) {
        return None;
    }
    let Snapshot { mut rows, mut base } = Snapshot::default();
    for line in lines {
        match serde_json::from_str(line).ok()? {
            Line::Generation(row) => _ = rows.generations.insert(row.id, *row),
            Line::Cursor(row) => rows.put_cursor(row),
            Line::Source(name) => _ = rows.sources.insert(name),
            Line::Key(name) => _ = rows.keys.insert(name),
            Line::Journal(journal) => base = Some(journal),
        }
    }
    Some(Snapshot { rows, base })
}

pub(super) fn read(directory: &Path) -> io::Result<Snapshot> {
    let text = fs::read_to_string(directory.join(FILE))?;
    decode(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is damaged"))
}

pub(super) fn write(directory: &Path, text: &str) -> io::Result<()> {
    let path = directory.join(FILE);
    let aside = directory.join("cursors.snapshot.new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, &path)?;
    sync_directory(&path)
}

fn checksum(text: &str) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(0x6c6f_6777_6172_6465, 0x736e_6170);
    hasher.write(text.as_bytes());
    hasher.finish()
}

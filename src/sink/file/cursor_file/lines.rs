//! The format of a cursor file. Pure: converts positions to lines and back.
//!
//! Each line is a JSON object, a space, the hash of that object (SipHash-2-4 with a key of zeros, decimal) and a line
//! end. The first line contains all positions: `{"version":2,"length":…,"tail":…,"written":…,"rows":[…]}`, with rows as
//! in the payload of an archive commit. Each further line contains the changes of one commit:
//! `{"after":…,"length":…,"tail":…,"written":…,"rows":[…], "gone":[…]}`, where `after` is the hash of the previous
//! line. `length` and `tail` are the length of the output and the hash of its last bytes, `gone` the removed
//! generations. The absence of a file that is missing grows by the time between two `written`.
//!
//! A crash can leave a partial or damaged last line: the lines before it were durable. Any other damage is an error:
//! a first line with a wrong hash, a line whose `after` does not match, an intact line after a damaged one. The lines
//! before the damage may be older than the last confirmation, and the output would be truncated too far.

use std::hash::Hasher;
use std::io;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use super::{StoredCursors, version_1};
use crate::archive::{Positions, Row, Step, from_row, to_row};
use crate::base::Timestamp;
use crate::event::GenerationId;
use crate::sink::file::output_check::OutputEnd;

/// The version that is written, and the newest that is read.
const VERSION: u32 = 2;
/// Every line except the first starts with this, and no line contains it elsewhere.
const CHANGE: &[u8] = b"{\"after\":";

/// One line to be written, and its hash.
pub struct Line {
    pub bytes: Vec<u8>,
    pub hash: u64,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Whole {
    version: u32,
    length: u64,
    tail: u64,
    written: Timestamp,
    rows: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Change {
    after: u64,
    length: u64,
    tail: u64,
    written: Timestamp,
    rows: Vec<Row>,
    gone: Vec<GenerationId>,
}

/// The first line of a new file.
pub fn whole(output_end: OutputEnd, positions: &Positions) -> Line {
    let OutputEnd { length, tail } = output_end;
    let rows = positions.rows.iter().map(to_row).collect();
    line_of(&Whole { version: VERSION, length, tail, written: positions.written, rows })
}

/// The line for the changes of one commit. `after`: the hash of the previous line.
pub fn change(after: u64, output_end: OutputEnd, step: &Step) -> Line {
    let OutputEnd { length, tail } = output_end;
    let rows = step.changed.iter().map(|(id, row)| to_row((id, row))).collect();
    line_of(&Change { after, length, tail, written: step.written, rows, gone: step.gone.clone() })
}

pub fn read(bytes: &[u8]) -> io::Result<StoredCursors> {
    match version(bytes)? {
        1 => version_1::read(bytes).map_err(unreadable),
        VERSION => read_lines(bytes),
        other => Err(invalid(format!("its version is {other}, this program supports {VERSION}"))),
    }
}

fn version(bytes: &[u8]) -> io::Result<u32> {
    let mut objects = serde_json::Deserializer::from_slice(bytes).into_iter::<Version>();
    let first = objects.next().ok_or_else(|| invalid("it is empty"))?;
    Ok(first.map_err(unreadable)?.version)
}

fn read_lines(bytes: &[u8]) -> io::Result<StoredCursors> {
    let (json, mut last, mut rest) =
        next(bytes).ok_or_else(|| invalid("its first line is damaged"))?;
    let whole: Whole = serde_json::from_slice(json).map_err(unreadable)?;
    let mut stored = stored_cursors(whole);
    while let Some((json, hash, behind)) = next(rest) {
        let change: Change = serde_json::from_slice(json).map_err(unreadable)?;
        if change.after != last {
            return Err(invalid("a line in it is missing"));
        }
        apply(&mut stored, change);
        (last, rest) = (hash, behind);
    }
    if memmem::find_iter(rest, CHANGE).any(|at| next(&rest[at..]).is_some()) {
        return Err(invalid("a line in it is damaged"));
    }
    Ok(stored)
}

fn stored_cursors(Whole { length, tail, written, rows, .. }: Whole) -> StoredCursors {
    let rows = rows.into_iter().map(from_row).collect();
    let positions = Positions { written, aged: written, rows };
    StoredCursors { output_end: OutputEnd { length, tail }, positions }
}

fn apply(stored: &mut StoredCursors, change: Change) {
    let Change { length, tail, written, rows, gone, .. } = change;
    stored.output_end = OutputEnd { length, tail };
    let changed = rows.into_iter().map(from_row).collect();
    stored.positions.apply(Step { written, changed, gone });
}

fn line_of(object: &impl Serialize) -> Line {
    let mut bytes = serde_json::to_vec(object).expect("numbers are JSON");
    let hash = hash(&bytes);
    bytes.extend(format!(" {hash}\n").into_bytes());
    Line { bytes, hash }
}

/// The object and the hash of the line that starts here, and the bytes after it; `None` if the line is partial or
/// damaged.
fn next(bytes: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let (line, rest) = bytes.split_at(memchr::memchr(b'\n', bytes)?);
    let (json, kept) = line.split_at(memchr::memrchr(b' ', line)?);
    let hash = hash(json);
    (kept == format!(" {hash}").as_bytes()).then_some((json, hash, &rest[1..]))
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(bytes);
    hasher.finish()
}

fn unreadable(error: serde_json::Error) -> io::Error {
    invalid(error.to_string())
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

#[cfg(test)]
mod tests;

//! The file format of the journal. Pure: encodes records as bytes, and decodes bytes up to the first incomplete record.
//!
//! Layout, numbers little endian. The file begins with 32 bytes: `lwjrnl 1`, the salt (16), a hash of both. Records
//! follow without gaps: number (u64), the number that it follows (u64), length of the payload (u32), a hash of all that
//! and the payload (u64), payload. A payload is a list of rows: table and key, each after its length (u32), and then
//! `0`, or `1` and the row after its length.
//!
//! The file is rewritten from its beginning after each checkpoint, so there may be complete older records after the
//! last one. They follow other numbers, and their own numbers are lower. Hashes are SipHash under the salt, so that
//! records of another journal, and bytes in a row that look like a record, are not accepted.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use crate::state::tables::{Changes, RowName};

const MAGIC: &[u8; 8] = b"lwjrnl 1";
pub const FILE_HEAD: usize = 32;
const RECORD_HEAD: usize = 28;
/// Offset of the hash in the header of a record.
const HASH: usize = 20;

/// A random number per journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salt(pub u64, pub u64);

impl Salt {
    fn hash(self, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish()
    }
}

/// The first bytes of a journal file.
pub fn file_head(salt: Salt) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(salt.0.to_le_bytes());
    bytes.extend(salt.1.to_le_bytes());
    bytes.extend(salt.hash(&[MAGIC]).to_le_bytes());
    bytes
}

/// The salt of a journal file; `None`: this is not a journal, or its first bytes are damaged.
pub fn salt_of(bytes: &[u8]) -> Option<Salt> {
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let salt = Salt(number(8)?, number(16)?);
    (bytes.get(..FILE_HEAD)? == file_head(salt)).then_some(salt)
}

/// Encodes a record. `after`: the number of the record or checkpoint before it.
pub fn encode(salt: Salt, number: u64, after: u64, changes: &Changes) -> Vec<u8> {
    let mut record = [number.to_le_bytes(), after.to_le_bytes()].concat();
    record.resize(RECORD_HEAD, 0);
    for (name, row) in changes {
        push(&mut record, name.table.as_bytes());
        push(&mut record, &name.key);
        record.push(row.is_some().into());
        row.iter().for_each(|row| push(&mut record, row));
    }
    let length = (record.len() - RECORD_HEAD) as u32;
    record[16..HASH].copy_from_slice(&length.to_le_bytes());
    let hash = salt.hash(&[&record[..HASH], &record[RECORD_HEAD..]]);
    record[HASH..RECORD_HEAD].copy_from_slice(&hash.to_le_bytes());
    record
}

fn push(payload: &mut Vec<u8>, part: &[u8]) {
    payload.extend((part.len() as u32).to_le_bytes());
    payload.extend(part);
}

/// The content of a journal file.
#[derive(Debug, Default, PartialEq)]
pub struct Content {
    /// The number that the first record follows.
    pub after: u64,
    /// The records from the beginning of the file, with ascending numbers.
    pub records: Vec<(u64, Changes)>,
    /// There are later records after damaged bytes. A crash cannot cause this: each record is durable before the next
    /// one is written.
    pub is_damaged: bool,
}

/// Reads a journal file. `through`: records up to this number are in the database.
pub fn read(bytes: &[u8], salt: Salt, through: u64) -> Content {
    let mut content = Content::default();
    let mut at = FILE_HEAD;
    let mut last: Option<u64> = None;
    while let Some(record) = record_at(bytes, at, salt) {
        // A record that follows another number is older than the last checkpoint.
        if last.is_some_and(|last| record.after != last) {
            break;
        }
        let Some(changes) = decode(record.payload) else {
            content.is_damaged = true;
            break;
        };
        content.after = if last.is_none() { record.after } else { content.after };
        content.records.push((record.number, changes));
        last = Some(record.number);
        at += RECORD_HEAD + record.payload.len();
    }
    let known = last.map_or(through, |last| last.max(through));
    content.is_damaged |= (at + 1..bytes.len()).any(|at| {
        let is_later =
            number_at(bytes, at).is_some_and(|(number, after)| after > known && number > after);
        is_later && record_at(bytes, at, salt).is_some()
    });
    content
}

struct Record<'a> {
    number: u64,
    after: u64,
    payload: &'a [u8],
}

/// The numbers in a record header at this offset: its own, and the one that it follows.
fn number_at(bytes: &[u8], at: usize) -> Option<(u64, u64)> {
    let (number, after) = bytes.get(at..at + 16)?.split_at(8);
    Some((u64::from_le_bytes(number.try_into().ok()?), u64::from_le_bytes(after.try_into().ok()?)))
}

fn record_at(bytes: &[u8], at: usize, salt: Salt) -> Option<Record<'_>> {
    let (number, after) = number_at(bytes, at)?;
    let (head, rest) = bytes.get(at..)?.split_at_checked(RECORD_HEAD)?;
    let length = u32::from_le_bytes(head[16..HASH].try_into().ok()?) as usize;
    let payload = rest.get(..length)?;
    let hash = salt.hash(&[&head[..HASH], payload]).to_le_bytes();
    (head[HASH..] == hash).then_some(Record { number, after, payload })
}

fn decode(mut payload: &[u8]) -> Option<Changes> {
    let mut changes = Changes::new();
    while !payload.is_empty() {
        let table = String::from_utf8(take(&mut payload)?.into()).ok()?;
        let key = take(&mut payload)?.into();
        let (is_there, rest) = payload.split_first()?;
        payload = rest;
        let row = match is_there {
            0 => None,
            _ => Some(take(&mut payload)?.into()),
        };
        changes.insert(RowName { table: table.into(), key }, row);
    }
    Some(changes)
}

fn take<'a>(payload: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = payload.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (part, rest) = rest.split_at_checked(length)?;
    *payload = rest;
    Some(part)
}

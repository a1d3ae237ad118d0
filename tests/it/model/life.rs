//! What was written: pieces (lines), and lives (what was appended to one file between two truncations).

use super::steps::Lines;

pub type PieceId = usize;
pub type LifeId = usize;

/// A line with its end, wherever its bytes went.
#[derive(Clone, Debug)]
pub struct Piece {
    pub bytes: Vec<u8>,
    /// Written as the first line of every file: only its place tells it from others.
    pub is_header: bool,
    /// Something happened to its file when a part of it stood there: it may come in parts.
    pub may_split: bool,
}

impl Piece {
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim_end().chars().take(40).collect()
    }
}

/// Bytes [from, to) of a piece, at `start` of a life.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: u64,
    pub piece: PieceId,
    pub from: usize,
    pub to: usize,
}

impl Span {
    pub fn end(&self) -> u64 {
        self.start + (self.to - self.from) as u64
    }
}

/// The model's generation: what was appended to one file from its first byte on.
#[derive(Clone, Debug)]
pub struct Life {
    pub log: usize,
    pub bytes: Vec<u8>,
    pub spans: Vec<Span>,
    /// Inode and birth of the file that it was written to.
    pub home: (u64, i64),
    /// An editor made it of that life, and left so many bytes as they were.
    pub parent: Option<(LifeId, u64)>,
    /// Surely seen by the follower, and durable in the state.
    pub seen: u64,
    /// Its log was known to the state when it began.
    pub expected: bool,
    /// Copies that stood beside the bytes without a truncation, by their lengths: once more each.
    pub twins: Vec<u64>,
    /// All copies of it that were ever made.
    pub copies: usize,
    /// Files, of all that held it, that do no more.
    pub gone: usize,
    /// The state that knew its id was lost.
    pub has_other_id: bool,
    /// Bytes from here on lay nowhere at some time.
    pub destroyed_from: Option<u64>,
}

impl Life {
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Behind its last line end within the first `len` bytes.
    pub fn whole_lines(&self, len: u64) -> u64 {
        let end = self.bytes[..len as usize].iter().rposition(|byte| *byte == b'\n');
        end.map_or(0, |at| at as u64 + 1)
    }

    pub fn first_line(&self) -> Option<&[u8]> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        Some(&self.bytes[..=end])
    }
}

pub fn header(lines: Lines) -> Option<Vec<u8>> {
    match lines {
        Lines::Json => None,
        Lines::Header => Some(b"this log begins here\n".to_vec()),
        Lines::Stamped => {
            Some(b"2026-11-29 10:00:00,000 INFO root: this log begins here\n".to_vec())
        }
    }
}

pub fn line(lines: Lines, log: usize, number: usize) -> Vec<u8> {
    let pad = "x".repeat(number * 7 % 5 * 17);
    let name = format!("#{}{number}#", ["a", "w"][log]);
    // The name at both ends: no two lines end alike, as no two times do.
    let text = match lines {
        Lines::Json => format!("{{\"line\":\"{name}\",\"pad\":\"{pad}{name}\"}}\n"),
        Lines::Header => format!("line {name} {pad}{name}\n"),
        Lines::Stamped => {
            let (minute, second) = (number / 60 % 60, number % 60);
            format!("2026-11-29 10:{minute:02}:{second:02},123 INFO root: {name} {pad}{name}\n")
        }
    };
    text.into_bytes()
}

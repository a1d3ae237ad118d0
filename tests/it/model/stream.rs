//! The written data: pieces (lines) and streams (the bytes appended to one file between two truncations).

use super::steps::Lines;

pub type PieceId = usize;
pub type StreamId = usize;

/// One line including its newline, wherever its bytes were written.
#[derive(Clone, Debug)]
pub struct Piece {
    pub bytes: Vec<u8>,
    /// The constant first line of a file; only its position distinguishes it from others.
    pub is_header: bool,
    /// Its file was rotated, copied or truncated while the line was incomplete, so it may come as several events.
    pub may_split: bool,
    /// A consumer whose state was lost may take it again whole.
    pub cut_is_forgotten: bool,
}

impl Piece {
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim_end().chars().take(40).collect()
    }
}

/// Bytes [from, to) of a piece, at offset `start` of a stream.
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

/// The model's counterpart of a generation: the bytes appended to one file, from its first byte on.
#[derive(Clone, Debug)]
pub struct Stream {
    pub log: usize,
    pub bytes: Vec<u8>,
    pub spans: Vec<Span>,
    /// Inode and birth time of the file that it was written to.
    pub home: (u64, i64),
    /// The stream that it was copied from before more was added, and how many bytes they share.
    pub parent: Option<(StreamId, u64)>,
    /// Bytes that the follower has certainly seen and recorded in the state.
    pub seen: u64,
    /// The state knew its log when the stream began.
    pub expected: bool,
    /// Lengths of the copies that existed beside it without a truncation; each allows one more delivery.
    pub twins: Vec<u64>,
    /// Number of copies ever made of it.
    pub copies: usize,
    /// Number of files that held it and no longer do.
    pub gone: usize,
    /// The state that knew its id was lost, so it may get another one.
    pub has_other_id: bool,
    /// From this offset on, no file held its bytes at some point.
    pub destroyed_from: Option<u64>,
}

impl Stream {
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The offset after the last newline within the first `len` bytes.
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
    // The name is at both ends, so that no two lines end with the same bytes.
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

//! Bytes of a file in its encoding: which one it is, where its lines end, and what they say as UTF-8.
//!
//! Offsets are those of the file; code units of UTF-16 begin at even ones. What is no text becomes U+FFFD.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memrchr, memrchr_iter};

use crate::event::Encoding;

/// What tells UTF-16 without a byte order mark.
const LOOKED_AT: usize = 1024;
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

impl Encoding {
    /// By a byte order mark, or because every second byte of the beginning is zero, but for a few.
    pub fn of(head: &[u8]) -> Encoding {
        let head = &head[..head.len().min(LOOKED_AT)];
        match head {
            [0xff, 0xfe, ..] => return Encoding::Utf16Le,
            [0xfe, 0xff, ..] => return Encoding::Utf16Be,
            _ => {}
        }
        let (units, _) = head.as_chunks::<2>();
        let zeros = |half: usize| units.iter().filter(|unit| unit[half] == 0).count();
        let (first, second) = (zeros(0), zeros(1));
        // Most of what logs say is ASCII, but not all.
        let mostly = |zeros: usize| units.len() >= 2 && zeros * 4 >= units.len() * 3;
        let hardly = |zeros: usize| zeros * 8 <= units.len();
        match () {
            () if mostly(second) && hardly(first) => Encoding::Utf16Le,
            () if mostly(first) && hardly(second) => Encoding::Utf16Be,
            () => Encoding::Utf8,
        }
    }

    /// Bytes of a code unit.
    pub fn unit(self) -> u64 {
        if self == Encoding::Utf8 { 1 } else { 2 }
    }

    /// Where the code unit begins that `offset` lies in.
    pub fn unit_start(self, offset: u64) -> u64 {
        offset - offset % self.unit()
    }

    /// Where the last whole character ends in `bytes`, which end at `end`. What is no text counts as whole.
    pub fn last_character_end(self, bytes: &[u8], end: u64) -> u64 {
        if self == Encoding::Utf8 {
            let tail = bytes.iter().rev().take(3).enumerate();
            let lead = tail.clone().find(|(_, byte)| **byte & 0xc0 != 0x80);
            let unfinished = lead.map_or(0, |(behind, lead)| match lead {
                0xc0..=0xdf if behind < 1 => 1 + behind,
                0xe0..=0xef if behind < 2 => 1 + behind,
                0xf0..=0xf7 if behind < 3 => 1 + behind,
                _ => 0,
            });
            return end - unfinished as u64;
        }
        let whole = self.unit_start(end);
        let unit = bytes[..bytes.len() - (end - whole) as usize].last_chunk::<2>().copied();
        let unit = unit.map(|unit| match self {
            Encoding::Utf16Le => u16::from_le_bytes(unit),
            _ => u16::from_be_bytes(unit),
        });
        // The first half of a pair.
        if unit.is_some_and(|unit| (0xd800..0xdc00).contains(&unit)) { whole - 2 } else { whole }
    }

    /// How much of `bytes`, which begins at `offset`, the first line takes with its end.
    pub fn line_end(self, bytes: &[u8], offset: u64) -> Option<usize> {
        match self {
            Encoding::Utf8 => memchr(b'\n', bytes).map(|at| at + 1),
            _ => memchr_iter(b'\n', bytes).find_map(|at| self.unit_line_end(bytes, offset, at)),
        }
    }

    /// As [`Encoding::line_end`], with all lines that end in `bytes`.
    pub fn last_line_end(self, bytes: &[u8], offset: u64) -> Option<usize> {
        match self {
            Encoding::Utf8 => memrchr(b'\n', bytes).map(|at| at + 1),
            _ => memrchr_iter(b'\n', bytes).find_map(|at| self.unit_line_end(bytes, offset, at)),
        }
    }

    /// Behind the code unit that the byte `\n` at `at` belongs to, if that ends a line.
    fn unit_line_end(self, bytes: &[u8], offset: u64, at: usize) -> Option<usize> {
        let even = (offset + at as u64).is_multiple_of(2);
        match self {
            Encoding::Utf8 => Some(at + 1),
            Encoding::Utf16Le => (even && bytes.get(at + 1) == Some(&0)).then_some(at + 2),
            Encoding::Utf16Be => {
                (!even && at.checked_sub(1).is_some_and(|high| bytes[high] == 0)).then_some(at + 1)
            }
        }
    }

    /// `bytes`, which begins at `offset`, as UTF-8; as it stands where it is no UTF-16.
    pub fn to_utf8(self, bytes: &[u8], offset: u64) -> Cow<'_, [u8]> {
        if self == Encoding::Utf8 {
            return Cow::Borrowed(bytes);
        }
        let mut text = Vec::with_capacity(bytes.len() / 2 + 16);
        self.transcode(bytes, offset, &mut text, &mut |_, _| {});
        Cow::Owned(text)
    }

    /// Appends UTF-16 as UTF-8. Says behind each line end how much of `bytes` and of `text` that is.
    pub(super) fn transcode(
        self,
        bytes: &[u8],
        offset: u64,
        text: &mut Vec<u8>,
        line: &mut dyn FnMut(usize, usize),
    ) {
        let torn = usize::from(!offset.is_multiple_of(2)).min(bytes.len());
        if torn > 0 {
            text.extend_from_slice(REPLACEMENT);
        }
        let (units, rest) = bytes[torn..].as_chunks::<2>();
        let unit = |at: usize| match self {
            Encoding::Utf16Be => u16::from_be_bytes(units[at]),
            _ => u16::from_le_bytes(units[at]),
        };
        let mut at = 0;
        while at < units.len() {
            let first = unit(at);
            at += 1;
            if first < 0x80 {
                text.push(first as u8);
                if first == u16::from(b'\n') {
                    line(torn + at * 2, text.len());
                }
                continue;
            }
            let second = (at < units.len()).then(|| unit(at));
            let pair = [first, second.unwrap_or(0)];
            // The second one is its own character, unless both are one.
            let Some(found) = char::decode_utf16(pair).next() else { continue };
            let character = found.unwrap_or(char::REPLACEMENT_CHARACTER);
            at += character.len_utf16() - 1;
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        if !rest.is_empty() {
            text.extend_from_slice(REPLACEMENT);
        }
    }
}

#[cfg(test)]
mod tests;

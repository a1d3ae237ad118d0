//! Encodings of files: detects them, finds line ends, and converts UTF-16 to UTF-8.
//!
//! Offsets are those of the file; code units of UTF-16 begin at even offsets. Invalid text becomes U+FFFD.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memrchr, memrchr_iter};

use crate::event::Encoding;

/// Number of bytes that are checked for UTF-16 without a byte order mark.
const SAMPLE_LENGTH: usize = 1024;
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

impl Encoding {
    /// Detects UTF-16 by a byte order mark, or by zeros in nearly every second byte of the beginning.
    pub fn of(head: &[u8]) -> Encoding {
        let head = &head[..head.len().min(SAMPLE_LENGTH)];
        match head {
            [0xff, 0xfe, ..] => return Encoding::Utf16Le,
            [0xfe, 0xff, ..] => return Encoding::Utf16Be,
            _ => {}
        }
        let (units, _) = head.as_chunks::<2>();
        let zeros = |half: usize| units.iter().filter(|unit| unit[half] == 0).count();
        let (first, second) = (zeros(0), zeros(1));
        // Most characters in logs are ASCII, but not all.
        let mostly = |zeros: usize| units.len() >= 2 && zeros * 4 >= units.len() * 3;
        let hardly = |zeros: usize| zeros * 8 <= units.len();
        match () {
            () if mostly(second) && hardly(first) => Encoding::Utf16Le,
            () if mostly(first) && hardly(second) => Encoding::Utf16Be,
            () => Encoding::Utf8,
        }
    }

    /// Bytes per code unit.
    pub fn unit(self) -> u64 {
        if self == Encoding::Utf8 { 1 } else { 2 }
    }

    /// Start of the code unit that contains `offset`.
    pub fn unit_start(self, offset: u64) -> u64 {
        offset - offset % self.unit()
    }

    /// End of the last complete character in `bytes`, which end at `end`. Invalid text counts as complete.
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
        // The first half of a surrogate pair.
        if unit.is_some_and(|unit| (0xd800..0xdc00).contains(&unit)) { whole - 2 } else { whole }
    }

    /// Length of the first line in `bytes`, which begins at `offset`, including its line end.
    pub fn line_end(self, bytes: &[u8], offset: u64) -> Option<usize> {
        match self {
            Encoding::Utf8 => memchr(b'\n', bytes).map(|at| at + 1),
            _ => memchr_iter(b'\n', bytes).find_map(|at| self.unit_line_end(bytes, offset, at)),
        }
    }

    /// As [`Encoding::line_end`], but up to the last line end in `bytes`.
    pub fn last_line_end(self, bytes: &[u8], offset: u64) -> Option<usize> {
        match self {
            Encoding::Utf8 => memrchr(b'\n', bytes).map(|at| at + 1),
            _ => memrchr_iter(b'\n', bytes).find_map(|at| self.unit_line_end(bytes, offset, at)),
        }
    }

    /// End of the code unit that contains the byte `\n` at `at`, if that unit is a line end.
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

    /// Converts `bytes`, which begins at `offset`, to UTF-8; text that is not UTF-16 is returned unchanged.
    pub fn to_utf8(self, bytes: &[u8], offset: u64) -> Cow<'_, [u8]> {
        if self == Encoding::Utf8 {
            return Cow::Borrowed(bytes);
        }
        let mut text = Vec::with_capacity(bytes.len() / 2 + 16);
        self.transcode(bytes, offset, &mut text, &mut |_, _| {});
        Cow::Owned(text)
    }

    /// Appends UTF-16 as UTF-8. Calls `line` after each line end with the current lengths of `bytes` and `text`.
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
            // The second unit is a character of its own, unless both are a pair.
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

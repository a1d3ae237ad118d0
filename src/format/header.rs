//! Parses the header of a line, which contains its time and level: "time, then level" and similar layouts.
//!
//! Parsed by hand from left to right: tokens before the time, the time, and the few kinds of token that may be between
//! it and the level (process, thread, logger). The first ordinary word ends the header, so that a level is only found
//! in a position where one belongs.

mod middle;
mod prefix;
mod suffix;

use super::ansi::Stripped;
use super::level;
use super::text::first_line;
use super::time::{self, Stamp};
use crate::event::Level;

/// A range of the line: its start and its end.
pub type Span = (usize, usize);

/// The content of a header. Offsets are in the line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    pub stamp: Option<Stamp>,
    pub level: Option<Level>,
    pub level_style: LevelStyle,
    pub process: Option<Span>,
    pub thread: Option<Span>,
    pub logger: Option<Span>,
    /// The time ends with a comma and three digits, as in Python and log4j.
    pub comma: bool,
    /// ` - ` follows the time.
    pub dashed: bool,
    /// Offset of the message.
    pub message: usize,
}

/// How a level is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LevelStyle {
    #[default]
    None,
    /// `INFO`
    Word,
    /// `[INFO]`, `<INFO>`
    Bracketed,
    /// `I1114`, `D`
    Letter,
}

/// The header of a record; `None` if its first line has no time at its beginning.
pub fn read(text: &[u8]) -> Option<Header> {
    // Colour sequences are only searched for where a header can be, not in a long message.
    let line = &text[..text.len().min(1024)];
    let Some(stripped) = Stripped::of(line) else { return Reader::new(first_line(line)).read() };
    let mut header = Reader::new(first_line(stripped.bytes())).read()?;
    let place = |(from, to): Span| match to - from {
        0 => (0, 0),
        _ => (stripped.offset_in_line(from), stripped.offset_in_line(to - 1) + 1),
    };
    header.process = header.process.map(place);
    header.thread = header.thread.map(place);
    header.logger = header.logger.map(place);
    header.message = stripped.offset_in_line(header.message);
    Some(header)
}

/// The line begins a record: it has a time in the position of a header.
pub fn begins(line: &[u8]) -> bool {
    let line = &line[..line.len().min(1024)];
    match Stripped::of(line) {
        None => Reader::new(line).until_level().is_some(),
        Some(stripped) => Reader::new(stripped.bytes()).until_level().is_some(),
    }
}

struct Reader<'a> {
    line: &'a [u8],
    at: usize,
    header: Header,
    /// The bracket that was opened before the time and is not closed yet.
    open: Option<u8>,
}

impl<'a> Reader<'a> {
    fn new(line: &'a [u8]) -> Self {
        Reader { line, at: 0, header: Header::default(), open: None }
    }

    fn read(mut self) -> Option<Header> {
        self = self.until_level()?;
        if self.header.level.is_none() {
            self.find_level();
        }
        if let Some(bracket) = self.open {
            self.close(bracket);
        } else if self.header.level_style != LevelStyle::Letter {
            self.skip(b" \t");
        }
        if matches!(self.header.level_style, LevelStyle::Word | LevelStyle::Letter) {
            self.read_origin();
        }
        self.header.message = self.at;
        Some(self.header)
    }

    /// Reads up to the end of the time, which is required.
    fn until_level(mut self) -> Option<Self> {
        match self.line.first()? {
            b'0'..=b'9' => self.before_digits()?,
            b'[' | b'(' | b'<' => self.before_bracket()?,
            b'A'..=b'Z' | b'a'..=b'z' => self.before_letters()?,
            b'@' => {}
            _ => return None,
        }
        if self.header.stamp.is_none() {
            self.time()?;
        }
        Some(self)
    }

    fn time(&mut self) -> Option<()> {
        let (stamp, length) = time::read(&self.line[self.at..])?;
        self.at += length;
        let written = &self.line[self.at - length..self.at];
        self.header.comma =
            stamp.precision == 3 && written.len() > 4 && written[written.len() - 4] == b',';
        self.header.stamp = Some(stamp);
        Some(())
    }

    #[inline]
    fn set_level(&mut self, level: Level, style: LevelStyle) {
        self.header.level = Some(level);
        self.header.level_style = style;
    }

    #[inline]
    fn skip(&mut self, bytes: &[u8]) {
        while self.line.get(self.at).is_some_and(|byte| bytes.contains(byte)) {
            self.at += 1;
        }
    }

    #[inline]
    fn word_end(&self, from: usize) -> usize {
        from + self.line[from..]
            .iter()
            .take(40)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+'))
            .count()
    }

    /// Offset of the bracket that closes the one at `from`; nested brackets are skipped.
    fn bracket_end(&self, from: usize) -> Option<usize> {
        let (open, close) = (self.line[from], closing(self.line[from]));
        let mut depth = 0;
        for (at, byte) in self.line.iter().enumerate().skip(from).take(200) {
            if *byte == open {
                depth += 1;
            } else if *byte == close {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }
}

#[inline]
fn closing(open: u8) -> u8 {
    match open {
        b'[' => b']',
        b'(' => b')',
        _ => b'>',
    }
}

#[inline]
fn single_letter(text: &[u8]) -> Option<Level> {
    match text {
        [letter] => level::letter(*letter),
        _ => None,
    }
}

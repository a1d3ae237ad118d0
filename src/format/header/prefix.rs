//! Parses the tokens before the time in the header of a line: a process, a level, a file name. Also parses the header
//! of glog, which writes level and time together.

use super::{LevelStyle, Reader, closing, single_letter};
use crate::format::level;
use crate::format::time::{self, Stamp};

impl Reader<'_> {
    /// For a line that begins with a digit: `26571:M 27 Dec 2018 11:19:18.874 * …` (Redis), or the time itself.
    #[inline]
    pub(super) fn before_digits(&mut self) -> Option<()> {
        let digits = self.line.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
        if let Some([b':', b'A'..=b'Z', b' ', ..]) = self.line.get(digits..) {
            self.header.process = Some((0, digits));
            self.at = digits + 3;
        }
        Some(())
    }

    /// For a line that begins with a bracket: `[time …`, `[INFO] time`, `[INFO ] [time]`, `[2932] time`.
    #[inline]
    pub(super) fn before_bracket(&mut self) -> Option<()> {
        if let Some((stamp, length)) = time::read(&self.line[1..]) {
            self.header.stamp = Some(stamp);
            self.at = 1 + length;
            self.open = Some(closing(self.line[0]));
            return Some(());
        }
        let end = self.bracket_end(0)?;
        let inside = self.line[1..end].trim_ascii();
        if let Some(level) = level::word(inside).or_else(|| single_letter(inside)) {
            self.set_level(level, LevelStyle::Bracketed);
        } else if inside.iter().all(u8::is_ascii_digit) {
            self.header.process = Some((1, end));
        } else {
            return None;
        }
        self.at = end + 1;
        self.before_late_time()
    }

    /// For a line that begins with a letter: `INFO 2023-…`, `INFO: 2023-…`, `I1114 10:23:01.123456`,
    /// `nova.log 2017-…`; also `Nov 14 …`.
    #[inline]
    pub(super) fn before_letters(&mut self) -> Option<()> {
        if self.glog().is_some() {
            return Some(());
        }
        let end = self.word_end(0);
        if let Some(level) = level::word(&self.line[..end])
            && !matches!(self.line.get(end), None | Some(b'-' | b'.' | b'/'))
        {
            self.set_level(level, LevelStyle::Word);
            self.at = end;
            return self.before_late_time();
        }
        // A file name, which collectors write before the line.
        let token = self.line.iter().take(96).position(|byte| *byte == b' ').unwrap_or(0);
        if memchr::memmem::find(&self.line[..token], b".log").is_some() {
            self.at = token + 1;
        }
        Some(())
    }

    /// Skips separators and an opening bracket between a level and the time after it.
    fn before_late_time(&mut self) -> Option<()> {
        let skipped = self.line[self.at..]
            .iter()
            .take(12)
            .take_while(|byte| matches!(byte, b' ' | b':' | b'|' | b'-' | b'\t' | b','))
            .count();
        self.at += skipped;
        if let Some(bracket @ (b'[' | b'(' | b'<')) = self.line.get(self.at) {
            self.open = Some(closing(*bracket));
            self.at += 1;
        }
        Some(())
    }

    /// `I1114 10:23:01.123456    1234 file.go:12] message`, also with a year before the month.
    fn glog(&mut self) -> Option<()> {
        let level = level::letter(self.line[0])?;
        let digits = self.line[1..].iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        if !matches!(digits, 4 | 8) || *self.line.get(digits + 1)? != b' ' {
            return None;
        }
        let (mut stamp, end) = if digits == 8 {
            let (stamp, end) = time::read(&self.line[1..])?;
            (stamp, end + 1)
        } else {
            let at = digits + 2;
            let (second, nanos, precision, end) = time::clock(self.line, at)?;
            let two = |at: usize| (self.line[at] - b'0') * 10 + (self.line[at + 1] - b'0');
            let day = time::Day::Yearless { month: two(1), day: two(3) };
            (Stamp { day, second, nanos, precision, zone: time::Zone::Naive }, end)
        };
        if stamp.precision == 0 {
            return None;
        }
        stamp.second = stamp.second.min(86_400);
        self.header.stamp = Some(stamp);
        self.set_level(level, LevelStyle::Letter);
        self.at = end;
        // Thread, then the source location, up to the bracket.
        let rest = &self.line[end..];
        let bracket = rest.iter().take(160).position(|byte| *byte == b']')?;
        let inside = rest[..bracket].trim_ascii();
        let file = inside.iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);
        let from = end + (rest[..bracket].len() - rest[..bracket].trim_ascii_start().len());
        if file > 0 {
            self.header.thread = Some((from, from + inside[..file].trim_ascii_end().len()));
        }
        self.header.logger = Some((from + file, end + bracket));
        self.at = end + bracket + 1;
        self.skip(b" ");
        Some(())
    }
}

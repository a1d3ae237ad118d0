//! Parses the tokens between the time and the message, up to the level: process, thread and logger. The first token
//! that is none of these ends the header.

use super::{LevelStyle, Reader, single_letter};
use crate::event::Level;
use crate::format::level;

impl Reader<'_> {
    /// Reads the tokens after the time, up to the level; stops before the first one that is not part of a header.
    #[inline]
    pub(super) fn find_level(&mut self) {
        if self.redis_sign() {
            return;
        }
        let mut numbers = 0;
        for _ in 0..8 {
            let before = self.at;
            self.separators();
            let delimited = self.at - before > 1;
            let Some(first) = self.line.get(self.at).copied() else { return };
            let is_header = match first {
                b']' | b')' | b'>' if self.open == Some(first) => {
                    self.open = None;
                    self.at += 1;
                    true
                }
                b'[' | b'(' | b'<' => self.bracket(),
                b'0'..=b'9' => {
                    numbers += 1;
                    self.number()
                }
                b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'$' => self.word(delimited, numbers > 0),
                _ => false,
            };
            if self.header.level.is_some() {
                self.after_level();
                return;
            }
            if !is_header {
                return;
            }
        }
    }

    /// Reads the level as Redis writes it: one character after `30 May 12:52:42.131`.
    fn redis_sign(&mut self) -> bool {
        let Some([b' ', sign, b' ', ..]) = self.line.get(self.at..) else { return false };
        let level = match sign {
            b'.' => Level::Debug,
            b'-' => Level::Trace,
            b'*' => Level::Notice,
            b'#' => Level::Warning,
            _ => return false,
        };
        // `30 May …`: day, then month, without a zone. Other programs use these characters as separators.
        let begin = if self.line[0] == b'[' || self.header.process.is_some() {
            self.line.iter().take(12).position(|byte| *byte == b' ').map_or(0, |space| space + 1)
        } else {
            0
        };
        let day_first = self.line[begin..].first().is_some_and(u8::is_ascii_digit)
            && self.line[begin..].iter().take(4).any(|byte| *byte == b' ');
        if !day_first {
            return false;
        }
        self.set_level(level, LevelStyle::Bracketed);
        self.at += 3;
        true
    }

    /// Skips white space and the characters that formats write between columns.
    fn separators(&mut self) {
        let start = self.at;
        while let Some(byte) = self.line.get(self.at) {
            match byte {
                b' ' | b'\t' | b'|' | b':' | b',' | b';' => self.at += 1,
                b'-' if self.line[self.at..].iter().take(4).all(|b| matches!(b, b'-' | b' '))
                    || self.line.get(self.at + 1) == Some(&b' ') =>
                {
                    self.header.dashed = true;
                    self.at += 1;
                }
                _ => break,
            }
            if self.at - start > 16 {
                break;
            }
        }
    }

    /// Reads `[…]`: a level, or else the thread if none was read before. `false`: the bracket is not closed.
    fn bracket(&mut self) -> bool {
        let Some(end) = self.bracket_end(self.at) else { return false };
        let inside = self.line[self.at + 1..end].trim_ascii();
        // Apache writes the module before the level, others write the level before the process.
        let word = match inside.iter().rposition(|byte| *byte == b':') {
            Some(colon) if level::word(&inside[colon + 1..]).is_some() => &inside[colon + 1..],
            _ => inside,
        };
        if let Some(level) = level::word(word).or_else(|| single_letter(word)) {
            self.set_level(level, LevelStyle::Bracketed);
        } else if self.header.thread.is_none() {
            self.header.thread = Some((self.at + 1, end));
        }
        self.at = end + 1;
        true
    }

    /// Reads a process or thread: `1234`, `205860#205860:`.
    fn number(&mut self) -> bool {
        let rest = &self.line[self.at..];
        let run = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'#').count();
        let end = self.at + run;
        if !matches!(self.line.get(end), Some(b' ' | b':' | b'\t' | b'|' | b']')) {
            return false;
        }
        // `25376]INFO:module:message`
        let end = end + usize::from(self.line[end] == b']' && self.open.is_none());
        if self.header.process.is_none() {
            self.header.process = Some((self.at, self.at + run));
        }
        self.at = end;
        true
    }

    /// Reads a level, or a logger's name before it; `false` (and nothing is read) if it is neither.
    fn word(&mut self, delimited: bool, after_number: bool) -> bool {
        let end = self.word_end(self.at);
        let word = &self.line[self.at..end];
        let next = self.line.get(end).copied();
        if let Some(level) = self.bare_level(word, next, delimited, after_number) {
            self.set_level(level, LevelStyle::Word);
            self.at = end;
            return true;
        }
        let token = self.line[self.at..]
            .iter()
            .take(120)
            .position(|byte| matches!(byte, b' ' | b'\t' | b'|'))
            .map(|length| self.at + length);
        let Some(token) = token else { return false };
        if !self.is_logger(&self.line[self.at..token], &self.line[token..]) {
            return false;
        }
        self.header.logger = Some((self.at, token));
        self.at = token;
        true
    }

    /// Whether this is a logger's name: a level must follow, and the name or the characters around the level must show
    /// that this is not the beginning of a sentence.
    fn is_logger(&self, name: &[u8], rest: &[u8]) -> bool {
        let gap = rest.iter().take_while(|byte| matches!(byte, b' ' | b'-' | b'|' | b'\t')).count();
        let bracket = usize::from(rest.get(gap) == Some(&b'['));
        let level = &rest[gap + bracket..];
        let length = level.iter().take(16).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (level, after) = level.split_at(length);
        if !level.iter().all(u8::is_ascii_uppercase) || level::word(level).is_none() {
            return false;
        }
        self.header.comma
            || bracket + gap > 1
            || name.iter().any(|byte| matches!(byte, b'.' | b'_' | b'/' | b':' | b'$'))
            || matches!(
                after,
                [] | [b':' | b'|' | b']', ..] | [b' ', b' ' | b'-' | b'|' | b'[', ..]
            )
    }

    /// The level that the word names. A word in lower case may be the first of the message, so it is a level only if
    /// the characters around it or the time before it show that.
    fn bare_level(
        &self,
        word: &[u8],
        next: Option<u8>,
        delimited: bool,
        after_number: bool,
    ) -> Option<Level> {
        let ends = matches!(
            next,
            None | Some(b' ' | b'\t' | b':' | b'|' | b']' | b',' | b'/' | b')' | b'>')
        );
        if !ends {
            return None;
        }
        if let &[letter] = word {
            let mark =
                matches!(next, Some(b' ' | b'/' | b'|')) && (after_number || next != Some(b' '));
            return if mark || delimited { level::letter(letter) } else { None };
        }
        let level = level::word(word)?;
        let upper = word.iter().all(|byte| !byte.is_ascii_lowercase());
        let iso = self.line.get(10) == Some(&b'T');
        let padded = self.line[self.at + word.len()..].starts_with(b"  ");
        let marked = upper || iso || padded || delimited || after_number;
        (marked || matches!(next, Some(b':' | b'|' | b']'))).then_some(level)
    }
}

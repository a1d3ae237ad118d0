//! The beginning of a line that says when and how bad: "time, then level" and its relatives.
//!
//! Read by hand from left to right: what may stand before the time, the time, and the few kinds of token
//! that may stand between it and the level (process, thread, logger). The first ordinary word ends the
//! header, so that a level is found only where one belongs.

use super::ansi::Stripped;
use super::level;
use super::text::first_line;
use super::time::{self, Stamp};
use crate::event::Level;

/// A part of the line: from, to.
pub type Span = (usize, usize);

/// What stands before the message. Places are offsets in the line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    pub stamp: Option<Stamp>,
    pub level: Option<Level>,
    /// How the level was written down.
    pub level_style: LevelStyle,
    pub process: Option<Span>,
    pub thread: Option<Span>,
    pub logger: Option<Span>,
    /// The time ends with a comma and three digits, as Python and log4j write it.
    pub comma: bool,
    /// ` - ` stands behind the time.
    pub dashed: bool,
    /// Where the message begins.
    pub message: usize,
}

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

/// The header of a record; `None` where its first line does not begin with a time.
pub fn read(text: &[u8]) -> Option<Header> {
    // Sequences are looked for where a header can reach, not in a long message.
    let line = &text[..text.len().min(1024)];
    let Some(stripped) = Stripped::of(line) else { return Reader::new(first_line(line)).read() };
    let mut header = Reader::new(first_line(stripped.bytes())).read()?;
    let place = |(from, to): Span| match to - from {
        0 => (0, 0),
        _ => (stripped.place(from), stripped.place(to - 1) + 1),
    };
    header.process = header.process.map(place);
    header.thread = header.thread.map(place);
    header.logger = header.logger.map(place);
    header.message = stripped.place(header.message);
    Some(header)
}

/// A record begins with this line: a time stands where a header has it.
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
    /// The bracket that the time stands in is still open.
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
            self.peel_origin();
        }
        self.header.message = self.at;
        Some(self.header)
    }

    /// Reads up to the end of the time, which must be there.
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

    /// `26571:M 27 Dec 2018 11:19:18.874 * …` (Redis), or the time itself.
    fn before_digits(&mut self) -> Option<()> {
        let digits = self.line.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
        if let Some([b':', b'A'..=b'Z', b' ', ..]) = self.line.get(digits..) {
            self.header.process = Some((0, digits));
            self.at = digits + 3;
        }
        Some(())
    }

    /// `[time …`, `[INFO] time`, `[INFO ] [time]`, `[2932] time`.
    fn before_bracket(&mut self) -> Option<()> {
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

    /// `INFO 2023-…`, `INFO: 2023-…`, `I1114 10:23:01.123456`, `nova.log 2017-…`; also `Nov 14 …`.
    fn before_letters(&mut self) -> Option<()> {
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
        // A file's name, as collectors put it before the line.
        let token = self.line.iter().take(96).position(|byte| *byte == b' ').unwrap_or(0);
        if memchr::memmem::find(&self.line[..token], b".log").is_some() {
            self.at = token + 1;
        }
        Some(())
    }

    /// Separators and an opening bracket between a level and the time behind it.
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
        // Thread, then where it was logged, up to the bracket.
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

    /// The tokens behind the time, up to the level; stops before the first that cannot stand there.
    fn find_level(&mut self) {
        if self.redis_sign() {
            return;
        }
        let mut numbers = 0;
        for _ in 0..8 {
            let before = self.at;
            self.separators();
            let delimited = self.at - before > 1;
            let Some(first) = self.line.get(self.at).copied() else { return };
            let goes_on = match first {
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
            if !goes_on {
                return;
            }
        }
    }

    /// Redis writes one sign for the level behind `30 May 12:52:42.131`.
    fn redis_sign(&mut self) -> bool {
        let Some([b' ', sign, b' ', ..]) = self.line.get(self.at..) else { return false };
        let level = match sign {
            b'.' => Level::Debug,
            b'-' => Level::Trace,
            b'*' => Level::Notice,
            b'#' => Level::Warning,
            _ => return false,
        };
        // `30 May …`: day, then month, without a zone. Others use these signs as separators.
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

    /// White space and the signs that formats put between their columns.
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

    /// `[…]`: a level, or the first of them is the thread.
    fn bracket(&mut self) -> bool {
        let Some(end) = self.bracket_end(self.at) else { return false };
        let inside = self.line[self.at + 1..end].trim_ascii();
        // Apache names the module before the level, others the level before the process.
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

    /// A process or thread: `1234`, `205860#205860:`.
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

    /// A level, or a logger's name before it; `false` (and nothing taken) where neither fits.
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

    /// A name before the level: only if a level does follow, and either of them shows that it is no sentence.
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

    /// Upper case is a level by itself; a lower-case word could be the message's first one.
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

    fn set_level(&mut self, level: Level, style: LevelStyle) {
        self.header.level = Some(level);
        self.header.level_style = style;
    }

    /// What stands between the level and the message.
    fn after_level(&mut self) {
        // `INFO/MainProcess]` (celery)
        if self.line.get(self.at) == Some(&b'/')
            && let Some(end) = self.line[self.at..].iter().take(80).position(|b| *b == b']')
            && self.open.is_some()
        {
            self.header.process = Some((self.at + 1, self.at + end));
            self.at += end;
        }
        self.one_separator();
    }

    /// One separator and the spaces around it: a message may begin with a sign of its own.
    fn one_separator(&mut self) {
        self.skip(b" \t");
        if let Some(b':' | b'|') = self.line.get(self.at) {
            self.at += 1;
        } else if self.line[self.at..].starts_with(b"- ") {
            self.at += 1;
        }
        self.skip(b" \t");
    }

    /// The rest of the bracket that holds time, level and logger: `[2023-… INFO  module] message`.
    fn close(&mut self, bracket: u8) {
        let rest = &self.line[self.at..];
        let Some(end) = rest.iter().take(120).position(|byte| *byte == bracket) else { return };
        let inside = rest[..end].trim_ascii();
        if !inside.is_empty() && self.header.logger.is_none() {
            self.header.logger = Some((self.at, self.at + end));
        }
        self.at += end + 1;
        self.one_separator();
    }

    /// Process, thread and logger behind the level, as log4j, logback and Spring put them there.
    fn peel_origin(&mut self) {
        for _ in 0..5 {
            let rest = &self.line[self.at..];
            match rest.first() {
                Some(b'[') if self.header.thread.is_none() => {
                    let Some(end) = self.bracket_end(self.at) else { return };
                    self.header.thread = Some((self.at + 1, end));
                    self.at = end + 1;
                    self.one_separator();
                }
                Some(b'0'..=b'9') => {
                    // Spring: `INFO 1234 --- [main] c.e.App : message`
                    let run = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    if !rest[run..].starts_with(b" --- ") {
                        return;
                    }
                    self.header.process = Some((self.at, self.at + run));
                    self.at += run + 5;
                }
                Some(_) if self.header.logger.is_none() => {
                    if !self.logger() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// A dotted name that ends with a colon or stands before ` - `, ` : ` or a bracket.
    fn logger(&mut self) -> bool {
        let rest = &self.line[self.at..];
        let Some(length) = rest.iter().take(120).position(|byte| *byte == b' ') else {
            return false;
        };
        let token = &rest[..length];
        let name = token.strip_suffix(b":").unwrap_or(token);
        let named = name.len() > 1
            && name.iter().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'.' | b'_' | b'$' | b'-' | b'/' | b':' | b'@')
            });
        let after = rest[length..].trim_ascii_start();
        let marked =
            name.len() < token.len() || after.starts_with(b"- ") || after.starts_with(b": ");
        let dotted = name.contains(&b'.') && after.starts_with(b"[");
        if !named || !(marked || dotted) {
            return false;
        }
        self.header.logger = Some((self.at, self.at + name.len()));
        self.at += length;
        self.one_separator();
        true
    }

    fn skip(&mut self, bytes: &[u8]) {
        while self.line.get(self.at).is_some_and(|byte| bytes.contains(byte)) {
            self.at += 1;
        }
    }

    fn word_end(&self, from: usize) -> usize {
        from + self.line[from..]
            .iter()
            .take(40)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+'))
            .count()
    }

    /// Where the bracket that opens at `from` closes; nested ones are passed over.
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

fn closing(open: u8) -> u8 {
    match open {
        b'[' => b']',
        b'(' => b')',
        _ => b'>',
    }
}

fn single_letter(text: &[u8]) -> Option<Level> {
    match text {
        [letter] => level::letter(*letter),
        _ => None,
    }
}

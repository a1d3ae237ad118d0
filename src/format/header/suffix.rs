//! Parses the tokens after the level: separators, the rest of a bracket, and process, thread and logger in the formats
//! that write them there.

use super::Reader;

impl Reader<'_> {
    /// Reads the text between the level and the message.
    #[inline]
    pub(super) fn after_level(&mut self) {
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

    /// Skips one separator and the spaces around it: the message may begin with such a character itself.
    fn one_separator(&mut self) {
        self.skip(b" \t");
        if let Some(b':' | b'|') = self.line.get(self.at) {
            self.at += 1;
        } else if self.line[self.at..].starts_with(b"- ") {
            self.at += 1;
        }
        self.skip(b" \t");
    }

    /// The rest of the bracket that contains time, level and logger: `[2023-… INFO  module] message`.
    #[inline]
    pub(super) fn close(&mut self, bracket: u8) {
        let rest = &self.line[self.at..];
        let Some(end) = rest.iter().take(120).position(|byte| *byte == bracket) else { return };
        let inside = rest[..end].trim_ascii();
        if !inside.is_empty() && self.header.logger.is_none() {
            self.header.logger = Some((self.at, self.at + end));
        }
        self.at += end + 1;
        self.one_separator();
    }

    /// Process, thread and logger after the level, as log4j, logback and Spring write them.
    #[inline]
    pub(super) fn read_origin(&mut self) {
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

    /// A dotted name that ends with a colon, or is followed by ` - `, ` : ` or a bracket.
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
}

//! Assigns lines to records: a line begins a record, continues the open one, or is a record of its own.

use super::{Kind, MAX_LINES, Open, Pass};
use crate::format::json::scan;
use crate::format::multiline::Trace;
use crate::format::text::is_blank;
use crate::format::{Head, Joins};

impl Pass<'_> {
    /// Assigns the line at the offset `at`; `next` is the offset of the line after it.
    #[inline]
    pub(super) fn line(&mut self, line: &[u8], at: usize, next: usize) {
        match self.joins {
            Joins::Lines => self.joined_line(line, at, next),
            Joins::Never | Joins::Depth => self.single_line(line, at, next),
        }
    }

    /// A line of a format that joins lines: it begins a record or continues the open one.
    #[inline]
    fn joined_line(&mut self, line: &[u8], at: usize, next: usize) {
        if is_blank(line) {
            return self.blank(at, next);
        }
        if !self.format.begins(line)
            && let Some(open) = self.open
            && let Kind::Lines(mut trace) = open.kind
            && self.format.continues(&trace, line)
            && self.has_room(&open, next)
        {
            trace.push(line);
            return self.extend(open, next, Kind::Lines(trace));
        }
        self.close(at);
        let mut trace = Trace::default();
        trace.push(line);
        self.open = Some(Open { start: at, end: next, lines: 1, kind: Kind::Lines(trace) });
    }

    /// A line of a format whose records are single lines or JSON objects.
    #[inline]
    fn single_line(&mut self, line: &[u8], at: usize, next: usize) {
        let begins = self.joins == Joins::Depth && self.format.begins(line);
        if !begins && self.continue_json(line, next) {
            return;
        }
        if is_blank(line) {
            return self.blank(at, next);
        }
        let head = self.format.head(line, self.context);
        if head.fits {
            self.close(at);
            return self.push(head, at, next, 1);
        }
        if self.joins == Joins::Depth
            && matches!(line, [b'{', ..])
            && let Some(depth @ 1..) = scan::depth(line, 0)
        {
            self.close(at);
            self.open = Some(Open { start: at, end: next, lines: 1, kind: Kind::Depth(depth) });
            return;
        }
        if begins {
            // Invalid JSON is an event of its own, never part of its neighbours.
            self.close(at);
            return self.push(Head::default(), at, next, 1);
        }
        match self.open {
            Some(open) if self.has_room(&open, next) => self.extend(open, next, Kind::Misfit),
            _ => {
                self.close(at);
                self.open = Some(Open { start: at, end: next, lines: 1, kind: Kind::Misfit });
            }
        }
    }

    /// Adds the line to the open JSON object; the record is complete if the line closes the object.
    fn continue_json(&mut self, line: &[u8], next: usize) -> bool {
        let Some(open @ Open { kind: Kind::Depth(depth), .. }) = self.open else { return false };
        let inside = is_json_part(line).then(|| scan::depth(line, depth)).flatten();
        let Some(depth) = inside.filter(|_| self.has_room(&open, next)) else {
            self.close(open.end);
            return false;
        };
        self.extend(open, next, Kind::Depth(depth));
        if depth == 0 {
            self.close(next);
        }
        true
    }

    fn has_room(&self, open: &Open, next: usize) -> bool {
        open.lines < MAX_LINES && next - open.start <= self.max_length
    }

    fn extend(&mut self, open: Open, next: usize, kind: Kind) {
        // Blank lines in between count too.
        self.open = Some(Open { start: open.start, end: next, lines: open.lines + 1, kind });
    }

    /// A blank line: part of the open record if a later line continues that record, otherwise a record of its own.
    fn blank(&mut self, at: usize, next: usize) {
        match self.open {
            Some(open) if self.has_room(&open, next) => {
                self.open = Some(Open { lines: open.lines + 1, ..open });
            }
            _ => {
                self.close(at);
                self.push_quiet(at, next);
            }
        }
    }
}

/// Whether the line is a JSON object that is still being written: it is not an event yet.
pub fn is_unfinished_json(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(b"{\"") && scan::depth(line, 0) != Some(0)
}

/// Whether the line may be part of pretty-printed JSON.
fn is_json_part(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    match line.first() {
        None | Some(b'"' | b'{' | b'}' | b'[' | b']' | b'-' | b',' | b':') => true,
        Some(b'0'..=b'9') => line
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' | b',')),
        Some(_) => [&b"true"[..], b"false", b"null"].iter().any(|word| line.starts_with(word)),
    }
}

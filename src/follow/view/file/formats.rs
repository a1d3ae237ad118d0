//! Selects the formats and the encoding with which the screen reads a file: as configured, as detected by the follower,
//! or before that, detected here.

use std::io;
use std::sync::Arc;

use super::FileView;
use crate::event::{Encoding, FormatEntry};
use crate::follow::format_at::format_at;
use crate::follow::view::{PIECE, Tally};
use crate::format::{Format, detection};

impl FileView {
    /// Takes the configured format, or those that the follower has detected. If they differ from the formats in use,
    /// all decoded pieces are dropped.
    pub(super) fn read_formats(&mut self) {
        let entries = match &self.handle.source.format {
            Some(forced) => vec![entry(forced.clone(), Vec::new())],
            None => self.facts.formats.clone(),
        };
        if entries.is_empty() {
            return;
        }
        let before = self.formats.last().map(|(_, format)| format.name());
        self.take_formats(&entries);
        let after = self.formats.last().map(|(_, format)| format.name());
        if before.is_some() && (before != after || self.formats.len() > 1) {
            self.drop_pieces();
        }
    }

    /// Drops everything that was decoded or counted.
    pub(super) fn drop_pieces(&mut self) {
        self.pieces.clear();
        self.weight = 0;
        self.tally = Tally::new(self.facts.size);
    }

    fn take_formats(&mut self, entries: &[FormatEntry]) {
        let multiline = self.handle.source.multiline;
        let format = |entry: &FormatEntry| {
            (entry.offset, format_at(std::slice::from_ref(entry), entry.offset, multiline))
        };
        self.formats = entries.iter().map(format).collect();
    }

    /// Takes the encoding that the follower has found; before that, guesses it from the file's first bytes.
    pub(in crate::follow::view) fn ensure_encoding(&mut self) -> io::Result<()> {
        let encoding = match self.facts.encoding {
            Some(encoding) => encoding,
            None => {
                let mut head = [0; 1024];
                let got = self.handle.read_at(&mut head, 0)?;
                Encoding::of(&head[..got])
            }
        };
        if encoding != self.encoding {
            self.encoding = encoding;
            self.drop_pieces();
        }
        self.ensure_format()
    }

    /// Detects the format from the end of the file if it is neither configured nor detected by the follower.
    fn ensure_format(&mut self) -> io::Result<()> {
        if !self.formats.is_empty() {
            return Ok(());
        }
        let start = self.encoding.unit_start(self.facts.size.saturating_sub(PIECE));
        let mut sample = vec![0; (self.facts.size - start) as usize];
        let got = self.handle.read_at(&mut sample, start)?;
        sample.truncate(got);
        let whole_lines = match start {
            0 => 0,
            _ => self.encoding.line_end(&sample, start).unwrap_or(0),
        };
        let lines = self.encoding.to_utf8(&sample[whole_lines..], start + whole_lines as u64);
        let vote = detection::detect(&lines);
        if !sample.is_empty() {
            self.take_formats(&[entry(vote.format.name().to_owned(), vote.parameters)]);
        }
        Ok(())
    }

    /// The format at this offset, and the offsets from which and up to which it applies.
    pub(super) fn format_at(&self, offset: u64) -> (Arc<dyn Format>, u64, u64) {
        let after = self.formats.partition_point(|(start, _)| *start <= offset);
        let from = if after <= 1 { 0 } else { self.formats[after - 1].0 };
        let to = self.formats.get(after.max(1)).map_or(u64::MAX, |(start, _)| *start);
        let format = self.formats.get(after.saturating_sub(1)).map(|(_, format)| format.clone());
        (format.unwrap_or_else(detection::plain), from, to)
    }
}

fn entry(format: String, parameters: Vec<u8>) -> FormatEntry {
    FormatEntry { offset: 0, format, parameters }
}

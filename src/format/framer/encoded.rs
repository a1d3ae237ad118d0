//! Splits the bytes of a file, in its own encoding, into records: UTF-16 is first converted to UTF-8, and the bounds of
//! the records are mapped back to the file's bytes.

use std::borrow::Cow;
use std::sync::Arc;

use super::{End, Framed, Framer, first_begin};
use crate::event::{Encoding, Record};
use crate::format::Context;

/// UTF-16 converted to UTF-8, with the offsets of its lines in both.
struct Transcoded {
    text: Vec<u8>,
    /// (in the bytes, in the text): the beginning, the end of each line, each cut, and the end. Ascending.
    offsets: Vec<(usize, usize)>,
}

impl Transcoded {
    /// `cuts` are ascending offsets in the bytes: characters are not decoded across them.
    fn of(encoding: Encoding, bytes: &[u8], offset: u64, cuts: &[usize]) -> Self {
        let mut text = Vec::with_capacity(bytes.len() / 2 + 16);
        let mut offsets = vec![(0, 0)];
        let mut from = 0;
        for to in cuts.iter().copied().chain([bytes.len()]) {
            let base = offset + from as u64;
            encoding.transcode(&bytes[from..to], base, &mut text, &mut |bytes, text| {
                offsets.push((from + bytes, text));
            });
            offsets.push((to, text.len()));
            from = to;
        }
        Transcoded { text, offsets }
    }

    /// Converts an offset in the text, which is the beginning or end of a line, to the offset in the bytes.
    fn in_bytes(&self, in_text: usize) -> usize {
        let behind = self.offsets.partition_point(|(_, text)| *text <= in_text);
        self.offsets[behind - 1].0
    }

    /// Converts an offset in the bytes, which is one of [`Transcoded::offsets`], to the offset in the text.
    fn in_text(&self, in_bytes: usize) -> usize {
        let behind = self.offsets.partition_point(|(bytes, _)| *bytes <= in_bytes);
        self.offsets[behind - 1].1
    }
}

/// The buffer of a batch that contains `text`: the file's `bytes` without a copy, if they were not converted.
pub fn shared(text: Cow<'_, [u8]>, bytes: &Arc<[u8]>) -> Arc<[u8]> {
    match text {
        Cow::Borrowed(_) => bytes.clone(),
        Cow::Owned(text) => text.into(),
    }
}

impl Framer {
    /// As [`Framer::frame`], for bytes in the file's encoding. Also returns the text that contains the records;
    /// `consumed` and all offsets refer to the file's bytes.
    pub fn frame_file<'b>(
        &self,
        bytes: &'b [u8],
        base: u64,
        cuts: &[u64],
        end: End,
        context: &mut Context,
        records: &mut Vec<Record>,
    ) -> (Framed, Cow<'b, [u8]>) {
        if self.encoding == Encoding::Utf8 {
            let framed = self.frame(bytes, base, cuts, end, context, records);
            return (framed, Cow::Borrowed(bytes));
        }
        let within = cuts.iter().filter_map(|cut| usize::try_from(cut.checked_sub(base)?).ok());
        let within: Vec<usize> = within.take_while(|cut| *cut <= bytes.len()).collect();
        let transcoded = Transcoded::of(self.encoding, bytes, base, &within);
        let cuts: Vec<u64> =
            within.iter().map(|cut| base + transcoded.in_text(*cut) as u64).collect();
        let before = records.len();
        let mut framed = self.frame(&transcoded.text, base, &cuts, end, context, records);
        let in_file = |place: u64| base + transcoded.in_bytes((place - base) as usize) as u64;
        for record in &mut records[before..] {
            record.start = in_file(record.start);
            record.end = in_file(record.end);
        }
        framed.consumed = transcoded.in_bytes(framed.consumed);
        (framed, Cow::Owned(transcoded.text))
    }

    /// As [`first_begin`], for bytes in the file's encoding that begin at `offset`.
    pub fn first_begin(&self, bytes: &[u8], offset: u64, aligned: bool) -> Option<usize> {
        if self.encoding == Encoding::Utf8 {
            return first_begin(&*self.format, bytes, aligned);
        }
        let transcoded = Transcoded::of(self.encoding, bytes, offset, &[]);
        let begin = first_begin(&*self.format, &transcoded.text, aligned)?;
        Some(transcoded.in_bytes(begin))
    }
}

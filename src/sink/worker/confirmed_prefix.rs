//! Tracks the confirmed prefix of one generation while its events are confirmed in any order.

use std::collections::BTreeMap;

/// The bytes of one generation that are done: up to `end`, and in the ranges beyond it.
///
/// Invariant: `end` never moves over a byte that was not completed; the ranges beyond it are disjoint, do not touch
/// each other, and start after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    end: u64,
    /// Ranges that were completed early: start → end.
    beyond: BTreeMap<u64, u64>,
    /// Invariant: the sum of the bytes of these ranges.
    early: u64,
}

impl Prefix {
    pub(super) fn at(end: u64) -> Self {
        Prefix { end, ..Prefix::default() }
    }

    /// Every byte before this offset is done.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Marks [start, end) as done (confirmed or filtered). Returns the number of its bytes that were not done before.
    pub(super) fn complete(&mut self, start: u64, end: u64) -> u64 {
        let (mut start, mut end) = (start.max(self.end), end);
        if start >= end {
            return 0;
        }
        let (from, to) = (start, end);
        let mut new = to - from;
        let mut joined = 0;
        let known = |start: u64, end: u64| end.min(to).saturating_sub(start.max(from));
        if let Some((&before, &before_end)) = self.beyond.range(..=start).next_back()
            && before_end >= start
        {
            new -= known(before, before_end);
            start = before;
            end = end.max(before_end);
            joined += before_end - before;
            self.beyond.remove(&before);
        }
        while let Some((&next, &next_end)) = self.beyond.range(start..=end).next() {
            new -= known(next, next_end);
            end = end.max(next_end);
            joined += next_end - next;
            self.beyond.remove(&next);
        }
        self.early -= joined;
        if start == self.end {
            self.end = end;
        } else {
            self.beyond.insert(start, end);
            self.early += end - start;
        }
        new
    }

    /// Bytes that are done beyond the end.
    pub(super) fn beyond(&self) -> u64 {
        self.early
    }

    /// Bytes before `offset` that are not done.
    pub(super) fn missing_before(&self, offset: u64) -> u64 {
        let early = self.beyond.range(..offset).map(|(start, end)| offset.min(*end) - start);
        offset.saturating_sub(self.end + early.sum::<u64>())
    }

    /// The end of the last byte that is done.
    pub(super) fn furthest(&self) -> u64 {
        self.beyond.last_key_value().map_or(self.end, |(_, end)| *end)
    }

    /// Whether the byte at `offset` is done.
    pub(super) fn contains(&self, offset: u64) -> bool {
        let early =
            || self.beyond.range(..=offset).next_back().is_some_and(|(_, end)| *end > offset);
        offset < self.end || (!self.beyond.is_empty() && early())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The model is one flag per byte.
        #[test]
        fn the_end_is_the_first_byte_that_is_not_done(
            from in 0u64..20,
            ranges in prop::collection::vec((0u64..200, 0u64..30), 0..60),
        ) {
            let mut prefix = Prefix::at(from);
            let mut done = [false; 256];
            done[..from as usize].fill(true);
            for (start, length) in ranges {
                let range = &mut done[start as usize..(start + length) as usize];
                let new = range.iter().filter(|done| !**done).count() as u64;
                range.fill(true);
                prop_assert_eq!(prefix.complete(start, start + length), new);
                let first = done.iter().position(|done| !done).unwrap() as u64;
                prop_assert_eq!(prefix.end(), first);
                for (offset, done) in done.iter().enumerate() {
                    prop_assert_eq!(prefix.contains(offset as u64), *done);
                }
                let behind = done.iter().skip(first as usize).filter(|done| **done).count();
                prop_assert_eq!(prefix.beyond(), behind as u64);
                let missing = done[..start as usize].iter().filter(|done| !**done).count();
                prop_assert_eq!(prefix.missing_before(start), missing as u64);
                let last = done.iter().rposition(|done| *done).map_or(0, |last| last + 1);
                prop_assert_eq!(prefix.furthest(), last as u64);
                let mut last = prefix.end;
                for (start, end) in &prefix.beyond {
                    prop_assert!(*start > last && end > start);
                    last = *end;
                }
            }
        }
    }
}

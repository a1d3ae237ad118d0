//! The contiguous confirmed prefix of one generation, whatever order the confirmations come in.

use std::collections::BTreeMap;

/// Invariant: `end` never moves over a byte that was not completed; the ranges beyond it are disjoint, do not
/// touch each other, and begin behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    end: u64,
    /// Completed too early: start → end.
    beyond: BTreeMap<u64, u64>,
}

impl Prefix {
    pub(super) fn at(end: u64) -> Self {
        Prefix { end, beyond: BTreeMap::new() }
    }

    /// Everything before this is done.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// [start, end) is done, confirmed or filtered.
    pub(super) fn complete(&mut self, start: u64, end: u64) {
        let (mut start, mut end) = (start.max(self.end), end);
        if start >= end {
            return;
        }
        if let Some((&before, &before_end)) = self.beyond.range(..=start).next_back()
            && before_end >= start
        {
            start = before;
            end = end.max(before_end);
            self.beyond.remove(&before);
        }
        while let Some((&next, &next_end)) = self.beyond.range(start..=end).next() {
            end = end.max(next_end);
            self.beyond.remove(&next);
        }
        if start == self.end {
            self.end = end;
        } else {
            self.beyond.insert(start, end);
        }
    }

    /// The byte at `offset` is done.
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
        /// The model is one flag a byte.
        #[test]
        fn the_end_is_the_first_byte_that_is_not_done(
            from in 0u64..20,
            ranges in prop::collection::vec((0u64..200, 0u64..30), 0..60),
        ) {
            let mut prefix = Prefix::at(from);
            let mut done = [false; 256];
            done[..from as usize].fill(true);
            for (start, length) in ranges {
                prefix.complete(start, start + length);
                done[start as usize..(start + length) as usize].fill(true);
                let first = done.iter().position(|done| !done).unwrap() as u64;
                prop_assert_eq!(prefix.end(), first);
                for (offset, done) in done.iter().enumerate() {
                    prop_assert_eq!(prefix.contains(offset as u64), *done);
                }
                let mut last = prefix.end;
                for (start, end) in &prefix.beyond {
                    prop_assert!(*start > last && end > start);
                    last = *end;
                }
            }
        }
    }
}

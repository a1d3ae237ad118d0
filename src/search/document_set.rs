//! [`DocumentSet`]: a set of documents of one segment of the archive, with one bit per document.

use tantivy::DocId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DocumentSet {
    words: Vec<u64>,
    /// Number of documents in the segment.
    end: DocId,
}

impl DocumentSet {
    pub fn none(end: DocId) -> Self {
        DocumentSet { words: vec![0; (end as usize).div_ceil(64)], end }
    }

    pub fn all(end: DocId) -> Self {
        let mut bits = DocumentSet { words: vec![u64::MAX; (end as usize).div_ceil(64)], end };
        bits.clear_rest();
        bits
    }

    /// Clears the bits after the last document.
    fn clear_rest(&mut self) {
        if let Some(last) = self.words.last_mut()
            && !self.end.is_multiple_of(64)
        {
            *last &= (1 << (self.end % 64)) - 1;
        }
    }

    pub fn insert(&mut self, doc: DocId) {
        self.words[doc as usize / 64] |= 1 << (doc % 64);
    }

    pub fn remove(&mut self, doc: DocId) {
        self.words[doc as usize / 64] &= !(1 << (doc % 64));
    }

    pub fn and(&mut self, other: &DocumentSet) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own &= other);
    }

    pub fn or(&mut self, other: &DocumentSet) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own |= other);
    }

    pub fn invert(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.clear_rest();
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = DocId> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(index as DocId * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_combined_and_never_exceed_the_end() {
        for end in [0, 1, 63, 64, 65, 200] {
            let all = DocumentSet::all(end);
            assert_eq!(all.count(), u64::from(end));
            assert_eq!(all.iter().collect::<Vec<_>>(), (0..end).collect::<Vec<_>>());
            let mut odd = DocumentSet::none(end);
            (0..end).filter(|doc| doc % 2 == 1).for_each(|doc| odd.insert(doc));
            let mut even = odd.clone();
            even.invert();
            assert_eq!(even.iter().collect::<Vec<_>>(), (0..end).step_by(2).collect::<Vec<_>>());
            even.or(&odd);
            assert_eq!(even, all);
            even.and(&odd);
            assert_eq!(even, odd);
            odd.iter().for_each(|doc| even.remove(doc));
            assert!(even.is_empty());
        }
    }
}

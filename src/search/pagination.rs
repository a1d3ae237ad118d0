//! Selects the results of an archive search page by page, so that memory stays bounded.

use tantivy::{DocAddress, SegmentReader};

use super::Order;
use super::document_set::DocumentSet;
use crate::archive::schema::{OFFSET_NAME, TIME_NAME};

/// Sort key of a result: time, then offset in its file, then address in the archive. All bits are inverted for the
/// order newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(i64, u64, u32, u32);

impl Rank {
    fn new(order: Order, time: i64, offset: u64, address: DocAddress) -> Self {
        let (segment, doc) = (address.segment_ord, address.doc_id);
        match order {
            Order::Oldest => Rank(time, offset, segment, doc),
            Order::Newest => Rank(!time, !offset, !segment, !doc),
        }
    }

    pub fn address(self, order: Order) -> DocAddress {
        match order {
            Order::Oldest => DocAddress::new(self.2, self.3),
            Order::Newest => DocAddress::new(!self.2, !self.3),
        }
    }
}

/// Collects the results of one page.
#[derive(Debug)]
pub(super) struct Page {
    order: Order,
    /// The last result of the previous page.
    after: Option<Rank>,
    size: usize,
    found: Vec<Rank>,
    /// Once enough results are found: the last one that still fits on the page; later ones are ignored.
    last: Option<Rank>,
}

impl Page {
    pub fn new(order: Order, after: Option<Rank>, size: usize) -> Self {
        Page { order, after, size, found: Vec::new(), last: None }
    }

    /// Adds the results in one segment of the archive.
    pub fn collect(
        &mut self,
        segment: u32,
        reader: &SegmentReader,
        documents: &DocumentSet,
    ) -> tantivy::Result<()> {
        if documents.is_empty() {
            return Ok(());
        }
        let fields = reader.fast_fields();
        let times = fields.column_first_or_default::<i64>(TIME_NAME)?;
        let offsets = fields.column_first_or_default::<u64>(OFFSET_NAME)?;
        for doc in documents.iter() {
            let address = DocAddress::new(segment, doc);
            let rank = Rank::new(self.order, times.get_val(doc), offsets.get_val(doc), address);
            self.take(rank);
        }
        Ok(())
    }

    fn take(&mut self, rank: Rank) {
        if self.after.is_some_and(|after| rank <= after)
            || self.last.is_some_and(|last| rank > last)
        {
            return;
        }
        self.found.push(rank);
        if self.found.len() >= 2 * self.size.max(1) {
            self.keep_first();
        }
    }

    /// Drops results that are beyond the end of the page.
    fn keep_first(&mut self) {
        if self.found.len() > self.size {
            self.found.select_nth_unstable(self.size);
            self.found.truncate(self.size);
            self.last = self.found.iter().max().copied();
        }
    }

    /// The results of the page, in order.
    pub fn finish(mut self) -> Vec<Rank> {
        self.keep_first();
        self.found.sort_unstable();
        self.found
    }
}

//! Plan × segment → the documents that match.
//!
//! *And*, *or* and *not* are ours, over one bit a document: tantivy 0.27's own intersections of phrases and
//! unions break their contract now and then (they panic in a debug build, and find too much without).

use tantivy::query::{EnableScoring, PhraseQuery, Query, RangeQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{InvertedIndexReader, SegmentReader, Term, postings::TermInfo};

use super::compile::{Plan, Range};
use super::document_set::Bits;
use crate::archive::StoredEvent;
use crate::archive::schema::TIME;
use crate::base::Timestamp;
use crate::privacy::Document;
use crate::query::Expr;

/// Uncompressed blocks of documents that are kept: candidates come in the order in which they lie.
const BLOCKS: usize = 2;

/// Deleted documents are left out.
pub(super) fn evaluate(plan: &Plan, reader: &SegmentReader) -> tantivy::Result<Bits> {
    let mut bits = found(plan, reader, None)?;
    if reader.has_deletes() {
        let mut alive = Bits::none(reader.max_doc());
        reader.doc_ids_alive().for_each(|doc| alive.insert(doc));
        bits.and(&alive);
    }
    Ok(bits)
}

/// `within` is what counts at most; more may be returned.
fn found(plan: &Plan, reader: &SegmentReader, within: Option<&Bits>) -> tantivy::Result<Bits> {
    let end = reader.max_doc();
    Ok(match plan {
        Plan::All => Bits::all(end),
        Plan::Term(term) => one_term(term, reader)?,
        Plan::Terms(range) => many_terms(range, reader)?,
        Plan::Phrase(terms) => by_tantivy(&PhraseQuery::new(terms.clone()), reader)?,
        Plan::Time { low: None, high: None } => Bits::all(end),
        Plan::Time { low, high } => by_tantivy(&time_range(*low, *high), reader)?,
        Plan::And(parts) => {
            let mut bits = within.cloned().unwrap_or_else(|| Bits::all(end));
            for part in parts {
                if bits.is_empty() {
                    break;
                }
                let more = found(part, reader, Some(&bits))?;
                bits.and(&more);
            }
            bits
        }
        Plan::Or(parts) => {
            let mut bits = Bits::none(end);
            for part in parts {
                bits.or(&found(part, reader, within)?);
            }
            bits
        }
        Plan::Not(inner) => {
            let mut bits = found(inner, reader, within)?;
            bits.invert();
            bits
        }
        Plan::Verified { candidates, query } => {
            let mut bits = found(candidates, reader, within)?;
            if let Some(within) = within {
                bits.and(within);
            }
            verify(query, reader, bits)?
        }
    })
}

fn one_term(term: &Term, reader: &SegmentReader) -> tantivy::Result<Bits> {
    let mut bits = Bits::none(reader.max_doc());
    let index = reader.inverted_index(term.field())?;
    if let Some(info) = index.get_term_info(term)? {
        insert(&info, &index, &mut bits)?;
    }
    Ok(bits)
}

fn many_terms(range: &Range, reader: &SegmentReader) -> tantivy::Result<Bits> {
    let mut bits = Bits::none(reader.max_doc());
    let index = reader.inverted_index(range.field)?;
    let mut terms = index.terms().range().ge(&range.first).lt(&range.end).into_stream()?;
    while terms.advance() {
        if range.fits.as_ref().is_none_or(|fits| fits(terms.key())) {
            insert(terms.value(), &index, &mut bits)?;
        }
    }
    Ok(bits)
}

fn insert(info: &TermInfo, index: &InvertedIndexReader, bits: &mut Bits) -> tantivy::Result<()> {
    let mut postings = index.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
    while !postings.docs().is_empty() {
        postings.docs().iter().for_each(|doc| bits.insert(*doc));
        postings.advance();
    }
    Ok(())
}

fn time_range(low: Option<Timestamp>, high: Option<Timestamp>) -> RangeQuery {
    use std::ops::Bound;
    let at = |time: Timestamp| Term::from_field_i64(TIME, time.0);
    RangeQuery::new(
        low.map_or(Bound::Unbounded, |low| Bound::Included(at(low))),
        high.map_or(Bound::Unbounded, |high| Bound::Excluded(at(high))),
    )
}

fn by_tantivy(query: &dyn Query, reader: &SegmentReader) -> tantivy::Result<Bits> {
    let mut bits = Bits::none(reader.max_doc());
    let weight = query.weight(EnableScoring::disabled_from_schema(reader.schema()))?;
    weight.for_each_no_score(reader, &mut |docs| {
        docs.iter().for_each(|doc| bits.insert(*doc));
    })?;
    Ok(bits)
}

fn verify(query: &Expr, reader: &SegmentReader, candidates: Bits) -> tantivy::Result<Bits> {
    let store = reader.get_store_reader(BLOCKS)?;
    let mut bits = candidates.clone();
    for doc in candidates.iter() {
        let event: StoredEvent = store.get(doc)?;
        let fits = Document::parse(&event.json).is_ok_and(|document| query.matches(&document));
        if !fits {
            bits.remove(doc);
        }
    }
    Ok(bits)
}

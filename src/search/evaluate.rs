//! Evaluates a query plan on one segment of the archive.
//!
//! *And*, *or* and *not* are implemented here, with one bit per document: in tantivy 0.27, intersections of phrases and
//! unions sometimes violate their contract (panic in debug builds, wrong results in release builds).

use tantivy::query::{EnableScoring, PhraseQuery, Query, RangeQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{InvertedIndexReader, SegmentReader, Term, postings::TermInfo};

use super::compile::{Plan, Range};
use super::document_set::DocumentSet;
use crate::archive::StoredEvent;
use crate::archive::schema::TIME;
use crate::base::Timestamp;
use crate::privacy::Document;
use crate::query::Expr;

/// Number of uncompressed document blocks that are cached; candidates are read in storage order.
const BLOCKS: usize = 2;

/// The documents that match; deleted documents are excluded.
pub(super) fn evaluate(plan: &Plan, reader: &SegmentReader) -> tantivy::Result<DocumentSet> {
    let mut documents = matching(plan, reader, None)?;
    if reader.has_deletes() {
        let mut alive = DocumentSet::none(reader.max_doc());
        reader.doc_ids_alive().for_each(|doc| alive.insert(doc));
        documents.and(&alive);
    }
    Ok(documents)
}

/// The documents that match, before deletions. Only those in `within` matter; the result may contain others.
fn matching(
    plan: &Plan,
    reader: &SegmentReader,
    within: Option<&DocumentSet>,
) -> tantivy::Result<DocumentSet> {
    let end = reader.max_doc();
    Ok(match plan {
        Plan::All => DocumentSet::all(end),
        Plan::Term(term) => documents_of_term(term, reader)?,
        Plan::Terms(range) => documents_of_range(range, reader)?,
        Plan::Phrase(terms) => {
            documents_of_tantivy_query(&PhraseQuery::new(terms.clone()), reader)?
        }
        Plan::Time { low: None, high: None } => DocumentSet::all(end),
        Plan::Time { low, high } => documents_of_tantivy_query(&time_range(*low, *high), reader)?,
        Plan::And(parts) => {
            let mut documents = within.cloned().unwrap_or_else(|| DocumentSet::all(end));
            for part in parts {
                if documents.is_empty() {
                    break;
                }
                let more = matching(part, reader, Some(&documents))?;
                documents.and(&more);
            }
            documents
        }
        Plan::Or(parts) => {
            let mut documents = DocumentSet::none(end);
            for part in parts {
                documents.or(&matching(part, reader, within)?);
            }
            documents
        }
        Plan::Not(inner) => {
            let mut documents = matching(inner, reader, within)?;
            documents.invert();
            documents
        }
        Plan::Verified { candidates, query } => {
            let mut documents = matching(candidates, reader, within)?;
            if let Some(within) = within {
                documents.and(within);
            }
            verify(query, reader, documents)?
        }
    })
}

fn documents_of_term(term: &Term, reader: &SegmentReader) -> tantivy::Result<DocumentSet> {
    let mut documents = DocumentSet::none(reader.max_doc());
    let index = reader.inverted_index(term.field())?;
    if let Some(info) = index.get_term_info(term)? {
        insert(&info, &index, &mut documents)?;
    }
    Ok(documents)
}

fn documents_of_range(range: &Range, reader: &SegmentReader) -> tantivy::Result<DocumentSet> {
    let mut documents = DocumentSet::none(reader.max_doc());
    let index = reader.inverted_index(range.field)?;
    let mut terms = index.terms().range().ge(&range.first).lt(&range.end).into_stream()?;
    while terms.advance() {
        if range.filter.as_ref().is_none_or(|matches| matches(terms.key())) {
            insert(terms.value(), &index, &mut documents)?;
        }
    }
    Ok(documents)
}

fn insert(
    info: &TermInfo,
    index: &InvertedIndexReader,
    documents: &mut DocumentSet,
) -> tantivy::Result<()> {
    let mut postings = index.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
    while !postings.docs().is_empty() {
        postings.docs().iter().for_each(|doc| documents.insert(*doc));
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

fn documents_of_tantivy_query(
    query: &dyn Query,
    reader: &SegmentReader,
) -> tantivy::Result<DocumentSet> {
    let mut documents = DocumentSet::none(reader.max_doc());
    let weight = query.weight(EnableScoring::disabled_from_schema(reader.schema()))?;
    weight.for_each_no_score(reader, &mut |docs| {
        docs.iter().for_each(|doc| documents.insert(*doc));
    })?;
    Ok(documents)
}

/// Removes the candidates whose documents do not match the query.
fn verify(
    query: &Expr,
    reader: &SegmentReader,
    candidates: DocumentSet,
) -> tantivy::Result<DocumentSet> {
    let store = reader.get_store_reader(BLOCKS)?;
    let mut documents = candidates.clone();
    for doc in candidates.iter() {
        let event: StoredEvent = store.get(doc)?;
        let matches = Document::parse(&event.json).is_ok_and(|document| query.matches(&document));
        if !matches {
            documents.remove(doc);
        }
    }
    Ok(documents)
}

//! Searches the archive: results page by page, counts, and field names.

use std::collections::BTreeSet;

use super::compile::compile;
use super::document_set::DocumentSet;
use super::evaluate::evaluate;
use super::pagination::Page;
use super::{Each, Options, SearchError};
use crate::archive::schema::LEAF;
use crate::archive::{Reader, Snapshot, term};
use crate::query::Expr;

/// Maximum number of field names compared for a suggestion.
const MAX_NAMES: usize = 10_000;
/// Number of results sorted at once; about 6 MiB.
const PAGE: usize = 100_000;

/// Calls `each` with every result from the current archive, and returns their number.
pub fn archive(
    reader: &Reader,
    query: &Expr,
    options: &Options,
    each: Each<'_>,
) -> Result<u64, SearchError> {
    archive_by(reader, query, options, each, PAGE)
}

pub(super) fn archive_by(
    reader: &Reader,
    query: &Expr,
    options: &Options,
    each: Each<'_>,
    page_size: usize,
) -> Result<u64, SearchError> {
    let snapshot = reader.snapshot().map_err(SearchError::Archive)?;
    let segments = matches_by_segment(&snapshot, query, options)?;
    let limit = options.limit.unwrap_or(u64::MAX);
    let (mut after, mut found) = (None, 0);
    while found < limit {
        let size = usize::try_from(limit - found).map_or(page_size, |left| left.min(page_size));
        let mut page = Page::new(options.order, after, size);
        for (number, documents) in segments.iter().enumerate() {
            let reader = snapshot.searcher.segment_reader(number as u32);
            page.collect(number as u32, reader, documents)
                .map_err(|error| archive_error(&snapshot, error))?;
        }
        let ranks = page.finish();
        for rank in &ranks {
            let event =
                snapshot.document(rank.address(options.order)).map_err(SearchError::Archive)?;
            each(&event.json).map_err(SearchError::Output)?;
            found += 1;
        }
        if ranks.len() < size {
            break;
        }
        after = ranks.last().copied();
    }
    Ok(found)
}

/// The field names of the archived events, in canonical form ([`FieldName::canonical`]); at most [`MAX_NAMES`].
pub fn names_in_archive(reader: &Reader) -> Result<BTreeSet<String>, SearchError> {
    let snapshot = reader.snapshot().map_err(SearchError::Archive)?;
    let mut names = BTreeSet::new();
    for segment in snapshot.searcher.segment_readers() {
        let index =
            segment.inverted_index(LEAF).map_err(|error| archive_error(&snapshot, error))?;
        let mut from: Vec<u8> = Vec::new();
        while names.len() < MAX_NAMES {
            let stream = index.terms().range().ge(&from).into_stream();
            let mut stream = stream.map_err(|error| archive_error(&snapshot, error.into()))?;
            if !stream.advance() {
                break;
            }
            let name = term::name(stream.key());
            names.insert(String::from_utf8_lossy(name).into_owned());
            // Skip all terms of this name, which ends with a NUL.
            from = [name, &[1]].concat();
        }
    }
    Ok(names)
}

/// The number of results, at most `options.limit`; the events are not read.
pub fn count_archive(reader: &Reader, query: &Expr, options: &Options) -> Result<u64, SearchError> {
    let snapshot = reader.snapshot().map_err(SearchError::Archive)?;
    let count =
        matches_by_segment(&snapshot, query, options)?.iter().map(DocumentSet::count).sum::<u64>();
    Ok(options.limit.map_or(count, |limit| count.min(limit)))
}

/// The matching documents of each segment.
fn matches_by_segment(
    snapshot: &Snapshot,
    query: &Expr,
    options: &Options,
) -> Result<Vec<DocumentSet>, SearchError> {
    let plan = compile(&options.narrow(query));
    let readers = snapshot.searcher.segment_readers().iter();
    readers
        .map(|reader| evaluate(&plan, reader).map_err(|error| archive_error(snapshot, error)))
        .collect()
}

fn archive_error(snapshot: &Snapshot, error: tantivy::TantivyError) -> SearchError {
    SearchError::Archive(snapshot.error(error))
}

//! Search in the archive.

use std::collections::BTreeSet;

use super::compile::compile;
use super::document_set::Bits;
use super::evaluate::evaluate;
use super::pagination::Page;
use super::{Each, Options, SearchError};
use crate::archive::schema::LEAF;
use crate::archive::{Reader, Snapshot, term};
use crate::query::Expr;

/// Names of fields that are looked at for one that was meant.
const MOST_NAMES: usize = 10_000;
/// Results that are sorted at once: some 6 MiB.
const PAGE: usize = 100_000;

/// Hands out what is found in the archive as it is now, and returns how many.
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
    let segments = segments(&snapshot, query, options)?;
    let limit = options.limit.unwrap_or(u64::MAX);
    let (mut after, mut found) = (None, 0);
    while found < limit {
        let size = usize::try_from(limit - found).map_or(page_size, |left| left.min(page_size));
        let mut page = Page::new(options.order, after, size);
        for (number, bits) in segments.iter().enumerate() {
            let reader = snapshot.searcher.segment_reader(number as u32);
            page.collect(number as u32, reader, bits).map_err(|error| wrong(&snapshot, error))?;
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

/// The names of the fields of all events, in the form in which names are compared.
pub fn names_in_archive(reader: &Reader) -> Result<BTreeSet<String>, SearchError> {
    let snapshot = reader.snapshot().map_err(SearchError::Archive)?;
    let mut names = BTreeSet::new();
    for segment in snapshot.searcher.segment_readers() {
        let index = segment.inverted_index(LEAF).map_err(|error| wrong(&snapshot, error))?;
        let mut from: Vec<u8> = Vec::new();
        while names.len() < MOST_NAMES {
            let stream = index.terms().range().ge(&from).into_stream();
            let mut stream = stream.map_err(|error| wrong(&snapshot, error.into()))?;
            if !stream.advance() {
                break;
            }
            let name = term::name(stream.key());
            names.insert(String::from_utf8_lossy(name).into_owned());
            // Behind all terms of this name, which a NUL ends.
            from = [name, &[1]].concat();
        }
    }
    Ok(names)
}

/// How many there are, without looking at them.
pub fn count_archive(reader: &Reader, query: &Expr, options: &Options) -> Result<u64, SearchError> {
    let snapshot = reader.snapshot().map_err(SearchError::Archive)?;
    let count = segments(&snapshot, query, options)?.iter().map(Bits::count).sum::<u64>();
    Ok(options.limit.map_or(count, |limit| count.min(limit)))
}

/// What matches, a bit for each event of the archive.
fn segments(
    snapshot: &Snapshot,
    query: &Expr,
    options: &Options,
) -> Result<Vec<Bits>, SearchError> {
    let plan = compile(&options.narrow(query));
    let readers = snapshot.searcher.segment_readers().iter();
    readers.map(|reader| evaluate(&plan, reader).map_err(|error| wrong(snapshot, error))).collect()
}

fn wrong(snapshot: &Snapshot, error: tantivy::TantivyError) -> SearchError {
    SearchError::Archive(snapshot.error(error))
}

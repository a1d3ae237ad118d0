//! Permanently removes individual events: they are not only marked as deleted, but gone from the files. Also lists the
//! field names of the archived events, to find the fields that may contain a value.

use std::collections::BTreeSet;

use tantivy::Term;
use tantivy::indexer::NoMergePolicy;

use super::schema::LEAF;
use super::{Archive, ArchiveError, Snapshot, term};
use crate::query::FieldName;

impl Snapshot {
    /// The names of all fields (JSON leaves), in the form in which names are compared.
    pub fn names(&self) -> Result<BTreeSet<String>, ArchiveError> {
        let mut names = BTreeSet::new();
        for reader in self.searcher.segment_readers() {
            let index = reader.inverted_index(LEAF).map_err(|error| self.error(error))?;
            // The first term of each name; the next name follows all terms of this one.
            let mut first = Vec::new();
            loop {
                let terms = index.terms().range().ge(&first).into_stream();
                let mut terms = terms.map_err(|error| self.error(error.into()))?;
                if !terms.advance() {
                    break;
                }
                let name = term::name(terms.key());
                first.clear();
                first.extend_from_slice(name);
                names.insert(String::from_utf8_lossy(name).into_owned());
                first.push(1);
            }
        }
        Ok(names)
    }
}

impl Archive {
    /// Removes the events in which at least one of these fields has the value given with it. Uncommitted additions are
    /// lost. The positions do not change, so no removed event is read again. Only for a process that opened the archive
    /// for this purpose: segments are no longer merged afterwards.
    pub fn erase(&mut self, leaves: &[(FieldName, String)]) -> Result<(), ArchiveError> {
        let positions = self.resume()?.clone();
        let writer = self.writer()?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        for (name, text) in leaves {
            let term = term::of_text(name, text);
            writer.delete_term(Term::from_field_bytes(LEAF, &term));
        }
        self.commit_as(positions)?;
        self.rewrite_segments()
    }

    /// Rewrites segments with deleted events, which stay in the files of a segment until then.
    fn rewrite_segments(&mut self) -> Result<(), ArchiveError> {
        let writer = self.writer_mut()?;
        let mut rewrite = || -> tantivy::Result<()> {
            for segment in writer.index().searchable_segment_metas()? {
                if segment.num_deleted_docs() > 0 {
                    writer.merge(&[segment.id()]).wait()?;
                }
            }
            writer.garbage_collect_files().wait()?;
            Ok(())
        };
        rewrite().map_err(|error| self.failed(error))
    }
}

//! Removal of single events, for good: not only marked as deleted, but gone from the files.

use std::collections::BTreeSet;

use tantivy::Term;
use tantivy::indexer::NoMergePolicy;

use super::schema::LEAF;
use super::{Archive, ArchiveError, Snapshot, term};
use crate::query::FieldName;

impl Snapshot {
    /// The name of every leaf there is, in the form in which names are compared.
    pub fn names(&self) -> Result<BTreeSet<String>, ArchiveError> {
        let mut names = BTreeSet::new();
        for reader in self.searcher.segment_readers() {
            let index = reader.inverted_index(LEAF).map_err(|error| self.error(error))?;
            // The first term of each name; the next name begins behind all terms of this one.
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
    /// Removes the events in which one of these fields has one of these texts; what was added and not committed
    /// is lost. The positions stay as they are, so nothing of it is read again. For a process that opened the
    /// archive for this alone: nothing is merged afterwards.
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

    /// A deleted event stays in the files of its segment until that is written again.
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

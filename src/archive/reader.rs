//! Opens an archive for reading, also while another process writes to it: reads events as of one commit, and the
//! positions of the last one.

use std::path::{Path, PathBuf};

use tantivy::directory::Directory;
use tantivy::schema::document::{
    DeserializeError, DocumentDeserialize, DocumentDeserializer, OwnedValue,
};
use tantivy::{DocAddress, Index, IndexReader, ReloadPolicy, Searcher};

use super::ArchiveError;
use super::open::{self, Inspection, open_directory};
use super::positions::Positions;
use super::schema::{DOCUMENT, schema, tokenizers};

/// Number of uncompressed document blocks that are cached: consecutive documents are mostly in the same block.
const BLOCKS: usize = 8;

/// An archive that is open for reading; [`Reader::snapshot`] gives access to its events.
pub struct Reader {
    directory: PathBuf,
    index: Index,
    reader: IndexReader,
}

/// The archive as of one commit.
#[derive(Clone)]
pub struct Snapshot {
    directory: PathBuf,
    pub searcher: Searcher,
}

/// The address of an event in a [`Snapshot`].
pub type Hit = DocAddress;

impl Reader {
    /// Opens the archive in this directory; [`ArchiveError::Missing`] if there is none.
    pub fn open(directory: &Path) -> Result<Self, ArchiveError> {
        if !exists(directory)? {
            return Err(ArchiveError::Missing { directory: directory.to_owned() });
        }
        Self::open_with(directory, Box::new(open_directory(directory)?))
    }

    /// The damage that a writer would find at its start; `None` if there is none, or no archive. Changes nothing.
    /// Not for use beside a writer: files that its merges remove would look like damage.
    pub fn damage(directory: &Path) -> Result<Option<String>, ArchiveError> {
        if !exists(directory)? {
            return Ok(None);
        }
        match open::inspect(directory)? {
            Inspection::Damaged(reason) => Ok(Some(reason)),
            Inspection::Empty | Inspection::Intact => Ok(None),
        }
    }

    /// As [`Reader::open`], on any tantivy directory; errors name `directory`.
    pub fn open_with(directory: &Path, inner: Box<dyn Directory>) -> Result<Self, ArchiveError> {
        let meta = inner.exists(Path::new("meta.json"));
        if !meta.map_err(|error| ArchiveError::read(directory, error))? {
            return Err(ArchiveError::Missing { directory: directory.to_owned() });
        }
        let read = |error| ArchiveError::read(directory, error);
        let mut index = Index::open(inner).map_err(read)?;
        if index.schema() != schema() {
            let other =
                "it was created by another version; the engine sets it aside when it starts";
            return Err(ArchiveError::read(directory, other));
        }
        index.set_tokenizers(tokenizers());
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(BLOCKS)
            .try_into()
            .map_err(read)?;
        Ok(Reader { directory: directory.to_owned(), index, reader })
    }

    /// Everything that has been committed up to now.
    pub fn snapshot(&self) -> Result<Snapshot, ArchiveError> {
        self.reader.reload().map_err(|error| ArchiveError::read(&self.directory, error))?;
        Ok(Snapshot { directory: self.directory.clone(), searcher: self.reader.searcher() })
    }

    /// The positions of the last commit.
    pub fn positions(&self) -> Result<Positions, ArchiveError> {
        let meta =
            self.index.load_metas().map_err(|error| ArchiveError::read(&self.directory, error))?;
        let Some(payload) = meta.payload else { return Ok(Positions::default()) };
        Positions::parse(&payload).map_err(|error| ArchiveError::read(&self.directory, error))
    }
}

/// Whether the directory exists; an error if this cannot be determined.
fn exists(directory: &Path) -> Result<bool, ArchiveError> {
    directory.try_exists().map_err(|error| ArchiveError::read(directory, error))
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Number of events, without deleted ones.
    pub fn events(&self) -> u64 {
        self.searcher.num_docs()
    }

    pub fn segments(&self) -> usize {
        self.searcher.segment_readers().len()
    }

    /// Number of events that searches no longer find, but that stay in the files until their segments are rewritten.
    pub fn deleted(&self) -> u64 {
        self.searcher
            .segment_readers()
            .iter()
            .map(|segment| u64::from(segment.num_deleted_docs()))
            .sum()
    }

    pub fn document(&self, hit: Hit) -> Result<StoredEvent, ArchiveError> {
        self.searcher.doc(hit).map_err(|error| self.error(error))
    }

    /// Reads one document of every segment, to find errors before a search does.
    pub fn probe(&self) -> Result<(), ArchiveError> {
        for (number, segment) in self.searcher.segment_readers().iter().enumerate() {
            let first = segment.doc_ids_alive().next();
            if let Some(first) = first {
                self.document(DocAddress::new(number as u32, first))?;
            }
        }
        Ok(())
    }

    /// Adds the directory of the archive to the error.
    pub fn error(&self, error: tantivy::TantivyError) -> ArchiveError {
        ArchiveError::read(&self.directory, error)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// An event document as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    pub json: String,
}

impl DocumentDeserialize for StoredEvent {
    fn deserialize<'de, D>(mut deserializer: D) -> Result<Self, DeserializeError>
    where
        D: DocumentDeserializer<'de>,
    {
        while let Some((field, value)) = deserializer.next_field::<OwnedValue>()? {
            if let (DOCUMENT, OwnedValue::Bytes(bytes)) = (field, value) {
                let json = String::from_utf8(bytes)
                    .map_err(|error| DeserializeError::custom(error.to_string()))?;
                return Ok(StoredEvent { json });
            }
        }
        Err(DeserializeError::custom("a stored event has no document"))
    }
}

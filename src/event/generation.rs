//! One physical life of a file, and places in it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id_key::IdKey;

pub type SourceName = Arc<str>;

/// A file under observation in this process: a label for screens and maps, new at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(pub u32);

/// Names a generation for good: a keyed hash of its [`Identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationId(pub u64);

/// What makes a generation itself. Path and device are labels, never part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub inode: u64,
    /// Birth time in nanoseconds since the epoch; 0 where the file system has none.
    pub birth: i64,
    /// Length of the head: the first complete line, at most 4 KiB.
    pub head_len: u32,
    /// Keyed hash of the head.
    pub head_hash: u64,
    /// Counts generations that are otherwise equal.
    pub ordinal: u32,
}

impl Identity {
    /// The file in which the generation began.
    pub fn file_key(&self) -> FileKey {
        FileKey { inode: self.inode, birth: self.birth }
    }

    pub fn id(&self, key: &IdKey) -> GenerationId {
        let mut bytes = [0u8; 32];
        bytes[..8].copy_from_slice(&self.inode.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.birth.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.head_len.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.head_hash.to_be_bytes());
        bytes[28..].copy_from_slice(&self.ordinal.to_be_bytes());
        GenerationId(key.hash(&bytes))
    }
}

/// One file of a file system, for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileKey {
    pub inode: u64,
    /// As in [`Identity`].
    pub birth: i64,
}

/// The furthest byte that was ever seen, with the hash of the (at most) 64 bytes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub offset: u64,
    pub hash: u64,
    /// Hash of the (at most) 4 KiB before it, for logs whose lines end alike; 0: not known, as in what earlier versions
    /// wrote and in positions that sinks keep.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wide: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// From this offset on, records are read in this format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatEntry {
    pub offset: u64,
    pub format: String,
    /// Bytes that the format needs from before (a header line); empty for most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<u8>,
}

/// Bytes from this offset on were first seen on this UTC day (days since the epoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayMark {
    pub offset: u64,
    pub day: i32,
}

/// What every event of one generation shares.
#[derive(Clone, Debug)]
pub struct Generation {
    pub id: GenerationId,
    pub identity: Identity,
    pub source: SourceName,
    /// The source's `service`, if it was given one.
    pub service: Option<Arc<str>>,
    pub host: Arc<str>,
    pub key: IdKey,
}

/// A place in the queue: everything before `offset` is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    pub generation: GenerationId,
    pub offset: u64,
}

/// How far a consumer that keeps its own cursors is in one generation, and how to recognise that generation
/// when the state has been lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub cursor: Cursor,
    /// `None` where the state did not know it when the cursor was kept.
    pub identity: Option<Identity>,
    /// The mark of the generation at that time; offset 0: unknown.
    pub mark: Mark,
}

/// A path as it is written to disk: paths are bytes, not text.
pub mod path_bytes {
    use super::PathBuf;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::Path;

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => path.as_os_str().as_bytes().serialize(serializer),
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Text(text) => PathBuf::from(text),
            Stored::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        })
    }
}

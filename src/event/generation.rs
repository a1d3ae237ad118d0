//! The types that describe a generation (the content of a file from its creation to its truncation or deletion):
//! identity, mark, formats, day marks, cursor.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id_key::IdKey;

pub type SourceName = Arc<str>;

/// The number of a followed file within this process, assigned anew at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(pub u32);

/// The permanent id of a generation: a keyed hash of its [`Identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationId(pub u64);

/// The properties that identify a generation. Path and device are labels, never part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub inode: u64,
    /// Birth time in nanoseconds since the epoch; 0 where the file system has none.
    pub birth: i64,
    /// Length of the head: the first complete line, at most 4 KiB.
    pub head_len: u32,
    /// Keyed hash of the head.
    pub head_hash: u64,
    /// Distinguishes generations that are otherwise equal.
    pub ordinal: u32,
}

impl Identity {
    /// The file in which the generation started.
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

/// One file of a file system while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileKey {
    pub inode: u64,
    /// As in [`Identity`].
    pub birth: i64,
}

/// The furthest byte ever seen, with a hash of the (at most) 64 bytes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub offset: u64,
    pub hash: u64,
    /// Hash of the (at most) 4 KiB before it, for logs whose lines end alike; 0: not known, as in rows of earlier
    /// versions and in positions that sinks store.
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
    /// Bytes from earlier in the file that the format needs (a header line); empty for most formats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<u8>,
}

/// Bytes from this offset on were first seen on this UTC day (days since the epoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayMark {
    pub offset: u64,
    pub day: i32,
}

/// The data that all events of one generation share.
#[derive(Clone, Debug)]
pub struct Generation {
    pub id: GenerationId,
    pub identity: Identity,
    pub source: SourceName,
    /// The source's `service` setting, if it has one.
    pub service: Option<Arc<str>>,
    pub host: Arc<str>,
    pub key: IdKey,
}

/// An offset in a generation: everything before `offset` is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    pub generation: GenerationId,
    pub offset: u64,
}

/// The progress, in one generation, of a consumer that stores its own cursors, with the data to recognise that
/// generation if the state is lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub cursor: Cursor,
    /// `None` if the state did not know the generation when the cursor was stored.
    pub identity: Option<Identity>,
    /// The mark of the generation at that time; offset 0 means unknown.
    pub mark: Mark,
}

/// Serialises a path as text, or as bytes if it is not valid UTF-8.
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

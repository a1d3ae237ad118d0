//! The side file of an output: how long it was, what stood at its end, and the cursors that belong to it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use crate::archive::Fact;
use crate::event::{Cursor, GenerationId, Identity, Mark, Position};
use crate::sink::Cursors;

pub(super) const VERSION: u32 = 1;
/// So many bytes before the end tell one output from another.
const TAIL: u64 = 64;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Side {
    pub version: u32,
    pub length: u64,
    /// Hash of the (at most) 64 bytes before `length`.
    pub tail: u64,
    pub cursors: Cursors,
    /// By which the generations of the cursors are recognised where the state is lost; not in files of earlier
    /// versions.
    #[serde(default)]
    pub known: Vec<Known>,
}

/// One generation, as an array: `[generation, [inode, birth, head length, head hash, ordinal], mark offset, mark hash]`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known(GenerationId, (u64, i64, u32, u64, u32), u64, u64);

impl Known {
    pub(super) fn new(generation: GenerationId, fact: Fact) -> Known {
        let Identity { inode, birth, head_len, head_hash, ordinal } = fact.identity;
        let Mark { offset, hash, .. } = fact.mark;
        Known(generation, (inode, birth, head_len, head_hash, ordinal), offset, hash)
    }

    fn fact(&self) -> Fact {
        let (inode, birth, head_len, head_hash, ordinal) = self.1;
        let identity = Identity { inode, birth, head_len, head_hash, ordinal };
        Fact { identity, mark: Mark { offset: self.2, hash: self.3, wide: 0 } }
    }
}

impl Side {
    pub(super) fn positions(&self) -> Vec<Position> {
        let facts: HashMap<GenerationId, Fact> =
            self.known.iter().map(|known| (known.0, known.fact())).collect();
        let position = |cursor: &Cursor| {
            let fact = facts.get(&cursor.generation);
            Position {
                cursor: *cursor,
                identity: fact.map(|fact| fact.identity.clone()),
                mark: fact.map_or_else(Mark::default, |fact| fact.mark),
            }
        };
        self.cursors.iter().map(position).collect()
    }

    /// `None` where there is none.
    pub(super) fn load(output: &Path) -> io::Result<Option<Side>> {
        let bytes = match fs::read(beside(output, ".cursor")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let side: Side = serde_json::from_slice(&bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if side.version != VERSION {
            let text = format!("its version is {}, this program knows {VERSION}", side.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Some(side))
    }

    /// Durable when this returns; a crash leaves the old one or this one.
    pub(super) fn store(&self, output: &Path) -> io::Result<()> {
        let (path, aside) = (beside(output, ".cursor"), beside(output, ".cursor.new"));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn beside(output: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(output.as_os_str());
    name.push(ending);
    PathBuf::from(name)
}

pub(super) fn tail(file: &File, length: u64) -> io::Result<u64> {
    let kept = length.min(TAIL);
    let mut bytes = vec![0; kept as usize];
    file.read_exact_at(&mut bytes, length - kept)?;
    let mut hasher = SipHasher24::new();
    hasher.write(&bytes);
    Ok(hasher.finish())
}

pub(super) fn ends_with_newline(file: &File, length: u64) -> bool {
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1).is_ok() && last[0] == b'\n'
}

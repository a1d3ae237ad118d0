//! The side file of an output: how long it was, what stood at its end, and the cursors that belong to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use crate::archive::{Position, Positions};
use crate::base::Timestamp;
use crate::event::{Cursor, GenerationId, Identity, Mark};
use crate::sink::Cursors;

const VERSION: u32 = 1;
/// So many bytes before the end tell one output from another.
const TAIL: u64 = 64;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Side {
    version: u32,
    pub length: u64,
    /// Hash of the (at most) 64 bytes before `length`.
    pub tail: u64,
    cursors: Cursors,
    /// By which the generations of the cursors are recognised where the state is lost. This and what follows is not
    /// in files of earlier versions.
    #[serde(default)]
    known: Vec<Known>,
    /// Seconds for which nobody has known the generation.
    #[serde(default)]
    absent: Vec<(GenerationId, u64)>,
    #[serde(default)]
    written: Timestamp,
}

/// One generation, as an array: `[generation, [inode, birth, head length, head hash, ordinal], mark offset, mark hash]`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Known(GenerationId, (u64, i64, u32, u64, u32), u64, u64);

impl Known {
    fn new((id, position): (&GenerationId, &Position)) -> Option<Known> {
        let Identity { inode, birth, head_len, head_hash, ordinal } =
            *position.identity.as_ref()?;
        let Mark { offset, hash, .. } = position.mark;
        Some(Known(*id, (inode, birth, head_len, head_hash, ordinal), offset, hash))
    }

    fn place_in(&self, position: &mut Position) {
        let (inode, birth, head_len, head_hash, ordinal) = self.1;
        position.identity = Some(Identity { inode, birth, head_len, head_hash, ordinal });
        position.mark = Mark { offset: self.2, hash: self.3, wide: 0 };
    }
}

impl Side {
    pub(super) fn new(length: u64, tail: u64, positions: &Positions) -> Side {
        let rows = &positions.rows;
        let absent = rows.iter().map(|(id, row)| (*id, row.absent.as_secs()));
        Side {
            version: VERSION,
            length,
            tail,
            cursors: positions.known().into_iter().map(|position| position.cursor).collect(),
            known: rows.iter().filter_map(Known::new).collect(),
            absent: absent.filter(|(_, seconds)| *seconds > 0).collect(),
            written: positions.written,
        }
    }

    pub(super) fn positions(&self) -> Positions {
        let row = |cursor: &Cursor| {
            (cursor.generation, Position { offset: cursor.offset, ..Position::unknown() })
        };
        let mut rows: BTreeMap<GenerationId, Position> = self.cursors.iter().map(row).collect();
        for known in &self.known {
            if let Some(row) = rows.get_mut(&known.0) {
                known.place_in(row);
            }
        }
        for (id, seconds) in &self.absent {
            if let Some(row) = rows.get_mut(id) {
                row.absent = Duration::from_secs(*seconds);
            }
        }
        Positions { written: self.written, aged: self.written, rows }
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

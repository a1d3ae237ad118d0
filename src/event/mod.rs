//! The plain types that everything speaks of: event, batch, generation, cursor, status.
//!
//! No I/O, no clock, no threads. A batch is one shared byte buffer and 48 bytes per record; fields are read
//! on demand as a borrowed view, never stored.

pub mod batch;
pub mod command;
pub mod cuts;
pub mod document;
pub mod encoding;
pub mod file_list;
pub mod file_status;
pub mod generation;
pub mod id;
pub mod key;
pub mod level;
#[cfg(test)]
pub mod sample;
pub mod status;
pub mod value;

pub use batch::{Batch, Event, Flags, Record};
pub use command::Command;
pub use cuts::Cuts;
pub use encoding::Encoding;
pub use file_list::FileList;
pub use generation::{
    Cursor, DayMark, FileId, FileKey, FormatEntry, Generation, GenerationId, Identity, Mark,
    Position, SourceName,
};
pub use id::EventId;
pub use key::IdKey;
pub use level::Level;
pub use status::Status;
pub use value::{Decode, Part, Value};

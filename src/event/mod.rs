//! The plain types that all modules share: event, batch, generation, cursor, status.
//!
//! No I/O, no clock, no threads. A batch is one shared byte buffer plus 48 bytes per record; fields are decoded on
//! demand as borrowed views, never stored.

pub mod batch;
pub mod command;
pub mod cuts;
pub mod document;
pub mod encoding;
pub mod fields;
pub mod file_list;
pub mod file_status;
pub mod generation;
pub mod id;
pub mod id_key;
pub mod level;
pub mod status;
#[cfg(test)]
pub mod test_batches;

pub use batch::{Batch, Event, Flags, Record};
pub use command::Command;
pub use cuts::Cuts;
pub use encoding::Encoding;
pub use fields::{Decode, Part, Value};
pub use file_list::FileList;
pub use generation::{
    Cursor, DayMark, FileId, FileKey, FormatEntry, Generation, GenerationId, Identity, Mark,
    Position, SourceName,
};
pub use id::EventId;
pub use id_key::IdKey;
pub use level::Level;
pub use status::Status;

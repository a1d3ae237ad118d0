//! Inputs ([`Action`]) and outputs ([`Effect`]) of the pure [`update`](super::update::update) function.

use std::sync::Arc;
use std::time::Duration;

use super::commands::Verb;
use super::key::Key;
use super::state::{Exit, FileEntry};
use super::stream::Row;
use crate::base::Timestamp;
use crate::event::{Command, Status};
use crate::follow::view::{Frontier, Position};
use crate::privacy::{AuditError, DecryptedValues};

/// Something that happened: a key, new data or the passing of time.
#[derive(Debug)]
pub enum Action {
    /// The command of a key.
    Verb(Verb),
    /// A key while a prompt or a question is open.
    Typed(Key),
    Pasted(String),
    Resized {
        width: u16,
        height: u16,
    },
    /// The time now.
    Clock(Timestamp),
    Status(Arc<Status>),
    /// The list of files; `grown`: there may be new records.
    Files {
        entries: Vec<FileEntry>,
        grown: bool,
    },
    Loaded(LoadResult),
    /// The program was resumed after it had been suspended to the shell for this long.
    Resumed(Duration),
    /// The decrypted tokens of the record at this position, or the reason why they must not be shown.
    Decrypted(Position, Result<DecryptedValues, AuditError>),
    /// The engine's command queue was full.
    CommandRefused,
}

/// Result of one step of the record loader. `edge`: there are no more records in that direction.
#[derive(Debug)]
pub enum LoadResult {
    /// All rows are discarded; loading starts again between these offsets.
    Repositioned {
        head: Frontier,
        tail: Frontier,
        at_tail: bool,
    },
    /// Rows before the first loaded one, newest first.
    Older {
        rows: Vec<Row>,
        head: Frontier,
        edge: bool,
    },
    /// Rows behind the last loaded one, oldest first.
    Newer {
        rows: Vec<Row>,
        tail: Frontier,
        edge: bool,
    },
    /// Current state of the tail: the time key of the next record, and the incomplete records.
    Tail {
        next_key: Option<i64>,
        open: Vec<Row>,
    },
    /// New records that were counted below the paused screen.
    CountedNew {
        more: u64,
        at: Frontier,
        edge: bool,
    },
    /// The running search has found this row.
    Match(Box<Row>),
    /// Progress of the running search: its offset in each file, and the number of bytes behind these offsets.
    SearchProgress {
        at: Vec<u64>,
        behind: u64,
    },
    NoMatch,
}

/// Something that the caller of `update` has to do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Send this to the engine.
    Command(Command),
    /// Decrypt the tokens of the selected record.
    Decrypt,
    /// Redraw the whole terminal.
    Redraw,
    /// Suspend the program to the shell.
    Suspend,
    Exit(Exit),
}

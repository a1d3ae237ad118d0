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

#[derive(Debug)]
pub enum Action {
    Verb(Verb),
    /// A key while a prompt or a question is open.
    Typed(Key),
    Pasted(String),
    Resized {
        width: u16,
        height: u16,
    },
    Clock(Timestamp),
    Status(Arc<Status>),
    Files {
        entries: Vec<FileEntry>,
        grown: bool,
    },
    Loaded(LoadResult),
    /// Resumed after this long in the shell.
    Resumed(Duration),
    /// The decrypted tokens of the record at this position, or the reason why they must not be shown.
    Decrypted(Position, Result<DecryptedValues, AuditError>),
    /// The engine's command queue was full.
    CommandRefused,
}

/// Result of one step of the record loader.
#[derive(Debug)]
pub enum LoadResult {
    /// All rows are discarded; loading starts again between these offsets.
    Repositioned {
        head: Frontier,
        tail: Frontier,
        at_tail: bool,
    },
    /// Rows before the first one, newest first.
    Older {
        rows: Vec<Row>,
        head: Frontier,
        edge: bool,
    },
    /// Rows behind the last one, oldest first.
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
    Match(Box<Row>),
    /// Progress of the running search.
    SearchProgress {
        at: Vec<u64>,
        behind: u64,
    },
    NoMatch,
}

#[derive(Debug, PartialEq)]
pub enum Effect {
    Command(Command),
    /// Decrypt the tokens of the selected record.
    Decrypt,
    /// Redraw the whole terminal.
    Redraw,
    Suspend,
    Exit(Exit),
}

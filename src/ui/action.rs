//! What can happen to the screen, and what the screen wants done.

use std::sync::Arc;
use std::time::Duration;

use super::commands::Verb;
use super::key::Key;
use super::state::{Exit, SourceLine};
use super::stream::Row;
use crate::base::Timestamp;
use crate::event::{Command, Status};
use crate::follow::view::{Frontier, Position};
use crate::privacy::{AuditError, Disclosed};

#[derive(Debug)]
pub enum Action {
    Verb(Verb),
    /// A key while somebody types or is asked.
    Typed(Key),
    Pasted(String),
    Resized {
        width: u16,
        height: u16,
    },
    Clock(Timestamp),
    Status(Arc<Status>),
    Sources {
        lines: Vec<SourceLine>,
        grown: bool,
    },
    Read(Reading),
    /// Back from the shell after this long.
    Resumed(Duration),
    /// What the tokens of the record at this place held, or why nothing may be shown.
    Opened(Position, Result<Disclosed, AuditError>),
    /// A command did not reach the engine.
    NotTaken,
}

/// What a step of the reader brought.
#[derive(Debug)]
pub enum Reading {
    /// The rows begin anew between these places.
    Placed {
        head: Frontier,
        tail: Frontier,
        at_tail: bool,
    },
    /// In the order in which they were found: the newest first.
    Back {
        rows: Vec<Row>,
        head: Frontier,
        edge: bool,
    },
    Forward {
        rows: Vec<Row>,
        tail: Frontier,
        edge: bool,
    },
    /// The end as it is now: what comes next has this key; these records may still grow.
    Tail {
        next_key: Option<i64>,
        open: Vec<Row>,
    },
    Fresh {
        more: u64,
        at: Frontier,
        edge: bool,
    },
    Found(Box<Row>),
    Searching {
        at: Vec<u64>,
        behind: u64,
    },
    NotFound,
}

#[derive(Debug, PartialEq)]
pub enum Effect {
    Command(Command),
    /// Open the tokens of the selected record.
    Open,
    /// Clear the terminal and draw everything.
    Redraw,
    Suspend,
    Exit(Exit),
}

//! Consumers that deliver events elsewhere. A sink translates; everything that all sinks need lives once, in
//! the worker.

use futures::future::BoxFuture;

use crate::event::Cursor;
use crate::privacy::outgoing::Outgoing;

/// What one call of [`Sink::deliver`] may carry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub events: usize,
    /// Encoded bytes.
    pub bytes: usize,
    /// Deliveries that may be under way at once.
    pub requests: usize,
    /// Items answered `Accepted` become `Done` by a commit; the worker commits at least this often.
    pub commit_every: std::time::Duration,
}

/// The target inside a sink: an index, a table, a channel. Most sinks have one, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub std::sync::Arc<str>);

/// Encoded events of one delivery: one buffer and the bounds of each item in it.
#[derive(Debug, Default)]
pub struct Items {
    pub body: Vec<u8>,
    /// End of each item in `body`; it begins where the one before ends.
    pub ends: Vec<usize>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done,
    /// Done with the next commit.
    Accepted,
    Duplicate,
    Retry(Option<std::time::Duration>),
    Reject(String),
    TooLarge,
}

/// What became of a delivery.
#[derive(Debug)]
pub enum Delivery {
    Each(Vec<Outcome>),
    All(Outcome),
    Busy(Option<std::time::Duration>),
    Blocked(String),
    Down(SinkError),
}

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Passing: try again.
    #[error("{0}")]
    Unavailable(String),
    /// Needs a person.
    #[error("{0}")]
    Misconfigured(String),
}

/// Positions, one a generation.
pub type Cursors = Vec<Cursor>;

pub trait Sink: Send + Sync {
    fn limits(&self) -> Limits;
    /// One item appended to `body`; nothing where the sink has no wire form for it.
    fn encode(&self, event: &Outgoing, body: &mut Vec<u8>);
    fn check(&self) -> BoxFuture<'_, Result<(), SinkError>>;
    /// `Some`: this sink keeps its own cursors (archive, file).
    fn resume(&self) -> BoxFuture<'_, Result<Option<Cursors>, SinkError>>;
    fn deliver<'a>(&'a self, lane: &'a Lane, items: &'a Items) -> BoxFuture<'a, Delivery>;
    /// Makes what was `Accepted` durable together with these cursors.
    fn commit<'a>(&'a self, upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>>;
}

//! Sinks: consumers that deliver events to servers, files, the archive or standard output. A sink only converts and
//! sends them; batching, retry, back-off, dead letters, cursors and statistics are shared code in the [`worker`].
//!
//! A new sink is one file here and one in [`kinds`] for its kind. A sink never reads a log, never moves the cursor of
//! another sink, and sees events only as [`Outgoing`].

pub mod archive;
pub mod dead_letters;
pub mod elasticsearch;
pub mod file;
pub mod kinds;
pub mod stdout;
mod types;
pub mod worker;

use std::borrow::Cow;

use futures::future::BoxFuture;

use crate::event::{GenerationId, Position};
use crate::privacy::Outgoing;

pub use dead_letters::{DeadLetterDirectory, DeadLetters};
pub use elasticsearch::ElasticsearchSink;
pub use file::FileSink;
pub use stdout::StdoutSink;
pub use types::{Cursors, Delivery, Items, Lent, Limits, Outcome, Refusal, SinkError, Tagged};
pub use worker::{Filter, Mode, Order, Worker, WorkerConfig, WorkerHandle};

/// Delivers events to one destination.
///
/// The worker calls `deliver` up to `limits().requests` times at once, but never during `resume` or `commit`.
pub trait Sink: Send + Sync {
    fn limits(&self) -> Limits;

    /// Appends one item to `body`, or nothing if the sink has no wire form for the event.
    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>);

    /// The target of one encoded item, if the sink has several (an index, a table). A target that accepts nothing
    /// does not block the others: the worker gives it a lane.
    fn target<'a>(&self, _item: &'a [u8]) -> &'a str {
        "*"
    }

    /// The event document in one encoded item, as it is sent. Dead letters are built from it, because the log may no
    /// longer hold the event.
    fn document<'a>(&self, item: &'a [u8]) -> Cow<'a, str>;

    /// Identifies the rules that choose targets: while it is the same, an event has the same target. Stored lanes are
    /// valid only for the same value.
    fn routing(&self) -> u64 {
        0
    }

    /// Called at the start and after every failed commit: discards events that were accepted and never committed.
    /// `Some`: this sink keeps its own cursors (archive, file), and continues from these.
    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<Position>>, SinkError>>;

    /// Drops the sink's own cursors of these generations: they belong to bytes that the log no longer has under these
    /// ids, so the events now in the log are new to the sink. Never called during `deliver` or `commit`.
    fn forget(&self, _generations: Vec<GenerationId>) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Sends the items. Events of one generation come in order; a retried item may be delivered again. The items are returned
    /// unchanged whatever their outcome: their buffers are reused, and retries are read from them. If the future is
    /// dropped, so are the items.
    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)>;

    /// Makes all accepted events durable, together with these cursors: all generations that the worker knows, each at
    /// the end of its contiguous prefix of done, accepted and filtered events. Called only for sinks that keep their
    /// own cursors or answer [`Outcome::Accepted`], while no delivery is running.
    fn commit<'a>(&'a self, upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>>;
}

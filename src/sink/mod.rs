//! Consumers that deliver events elsewhere. A sink translates; everything that all sinks need (batching,
//! retry, back-off, dead letters, cursors, statistics) lives once, in the [`worker`].
//!
//! Adding a sink is one file here, and one that says what kind it is in [`kinds`]. A sink never reads a log, never
//! moves a cursor of another, and never sees an event but as [`Outgoing`].

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

/// The worker calls `deliver` up to `limits().requests` times at once, but never beside `resume` or `commit`.
pub trait Sink: Send + Sync {
    fn limits(&self) -> Limits;

    /// One item appended to `body`; nothing where the sink has no wire form for it.
    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>);

    /// The target of one encoded item, where the sink has several (an index, a table). A target that takes
    /// nothing stops alone: the worker gives it a lane of its own.
    fn target<'a>(&self, _item: &'a [u8]) -> &'a str {
        "*"
    }

    /// The event document in one encoded item, as it leaves: for a dead letter, also of an event that its log no
    /// longer holds.
    fn document<'a>(&self, item: &'a [u8]) -> Cow<'a, str>;

    /// Stands for the rules that choose targets: while it is the same, an event has the same target. Rows of
    /// lanes are worth something only as long.
    fn routing(&self) -> u64 {
        0
    }

    /// Called at the start and after every commit that failed: forgets what was accepted and never committed.
    /// `Some`: this sink keeps its own cursors (archive, file), and goes on from these.
    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<Position>>, SinkError>>;

    /// Its own cursors of these generations speak of other bytes than the log holds under these ids: events of theirs
    /// are new to it. Never called beside `deliver` or `commit`.
    fn forget(&self, _generations: Vec<GenerationId>) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Events of one generation come in their order; a retried item may come again. The items come back as they were,
    /// whatever became of them: their buffers are used again, and what is to be tried again is in them. A future that
    /// is dropped takes them with it.
    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)>;

    /// Makes everything that was accepted durable, together with these cursors: all generations that the
    /// worker knows, each at the end of its contiguous prefix of done, accepted and filtered events.
    /// Called only for sinks that keep their own cursors or answer [`Outcome::Accepted`], while no delivery is
    /// under way.
    fn commit<'a>(&'a self, upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>>;
}

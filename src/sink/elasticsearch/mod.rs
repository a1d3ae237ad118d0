//! Delivers events to Elasticsearch or OpenSearch, effectively once: the document's id is the event's id, and
//! `create` refuses an id that already exists, which counts as delivered.
//!
//! This needs targets where a retry reaches the same index as the first try ([`targets`]).
//!
//! Bodies are written directly from the events; replies are requested in a short form and read item by item
//! ([`reply`]).

pub mod by_tag;
mod compat;
mod gzip_buffers;
mod index;
mod reply;
mod server_kind;
pub mod setup;
mod targets;
#[cfg(test)]
mod test_server;

use std::borrow::Cow;
use std::hash::Hasher;
use std::time::Duration;

use bytes::Bytes;
use elasticsearch::BulkParts;
use futures::future::BoxFuture;
use siphasher::sip::SipHasher13;

use self::compat::Compat;
use self::gzip_buffers::BufferPool;
use self::targets::Targets;
use super::{Cursors, Delivery, Items, Limits, Sink, SinkError};
use crate::client::elasticsearch::{
    Client, Connection, Failure, LARGEST_REPLY, Method, Reply, Request,
};
use crate::event::Position;
use crate::privacy::Outgoing;
use crate::query::Expr;

pub use index::IndexPattern;
pub use setup::Analyzer;
pub use targets::TargetKind;

/// Time-out of one bulk, from connecting to the last byte of the reply.
const BULK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the server waits for a missing shard before it reports this for the events of that index alone. Its
/// default is a minute, during which no event of the bulk has an outcome.
const SHARD_TIMEOUT: &str = "10s";
const BEFORE_INDEX: &[u8] = b"{\"create\":{\"_index\":\"";
const SHORT_REPLY: &str = "errors,items.*.status,items.*.error";
const REPLY_WITH_INDEX: &str = "errors,items.*.status,items.*.error,items.*._index";

/// The settings of an Elasticsearch sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub connection: Connection,
    pub index: IndexPattern,
    /// Tried in order; the first that matches an event names its index. Without a match, it is `index`.
    pub routes: Vec<Route>,
    /// Bodies are compressed with gzip.
    pub compress: bool,
    /// Aliases and data streams are allowed; events may then be stored twice.
    pub allow_rollover: bool,
    /// For `logwarden setup`.
    pub analyzer: Analyzer,
    /// For `logwarden setup`: the server deletes indexes older than this. Whole days.
    pub keep: Option<Duration>,
}

/// Events that match a query go to another index.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The query. It sees the event as it is sent: a sealed field exists, but its value is not visible.
    pub where_: Expr,
    pub index: IndexPattern,
}

pub struct ElasticsearchSink {
    client: Client,
    index: IndexPattern,
    routes: Vec<Route>,
    /// Hash of `index` and `routes`.
    routing: u64,
    compress: bool,
    allow_rollover: bool,
    targets: Targets,
    compat: Compat,
    pool: BufferPool,
}

impl ElasticsearchSink {
    pub fn new(settings: Settings) -> Self {
        let Settings { connection, index, routes, compress, allow_rollover, .. } = settings;
        let mut hasher = SipHasher13::new();
        hasher.write(format!("{index:?} {routes:?}").as_bytes());
        ElasticsearchSink {
            client: Client::new(connection),
            routing: hasher.finish(),
            index,
            routes,
            compress,
            allow_rollover,
            targets: Targets::default(),
            compat: Compat::default(),
            pool: BufferPool::default(),
        }
    }

    /// Checks whether events could be delivered now: sends an empty bulk, which every server answers for every user
    /// with write access.
    pub async fn check(&self) -> Result<(), SinkError> {
        let request = Request {
            method: Method::Post,
            path: &BulkParts::None.url(),
            query: &[],
            body: Some(Bytes::from_static(b"\n")),
            gzip: false,
            content_type: "application/x-ndjson",
            time_out: Duration::from_secs(10),
            largest_reply: LARGEST_REPLY,
        };
        let reply = self.client.send(&request).await.map_err(down)?;
        match reply.status {
            // "request body is required", or a reply without items.
            200 | 400 if reply::is_of_bulk(&reply.body) => Ok(()),
            200 | 400 => Err(SinkError::Misconfigured(reply::not_elasticsearch(&reply))),
            _ => match reply::classify(&reply, &Items::default()) {
                Delivery::Blocked(text) | Delivery::TooLarge(text) => {
                    Err(SinkError::Misconfigured(text))
                }
                Delivery::Down(error) => Err(error),
                other => Err(SinkError::Unavailable(format!("unexpected answer: {other:?}"))),
            },
        }
    }

    fn index_of(&self, event: &Outgoing<'_>) -> &IndexPattern {
        let route = self.routes.iter().find(|route| route.where_.matches(event));
        route.map_or(&self.index, |route| &route.index)
    }

    async fn bulk(&self, items: Items) -> (Items, Delivery) {
        let (items, delivery) = match self.allow_rollover {
            true => {
                let (items, delivery, _) = self.post(items, false).await;
                (items, delivery)
            }
            false => self.deliver_once(items).await,
        };
        if matches!(delivery, Delivery::Blocked(_) | Delivery::Down(SinkError::Misconfigured(_))) {
            // They are read again at the next try: the password or certificate may have been corrected.
            self.client.forget_credentials();
        }
        (items, delivery)
    }

    /// Sends one request. `with_index`: the reply names the index of each event.
    async fn post(&self, mut items: Items, with_index: bool) -> (Items, Delivery, Option<Reply>) {
        let packed = match self.compress {
            true => Some(self.pool.compressed(&items.body).await),
            false => None,
        };
        items.set_request_bytes(packed.as_ref().map_or(items.body.len(), Bytes::len));
        // The client reads the items without a copy.
        let items = items.lend();
        let body = packed.unwrap_or_else(|| Bytes::from_owner(items.clone()));
        let (delivery, reply) = match self.send(body, with_index).await {
            Ok(reply) => (reply::classify(&reply, &items), Some(reply)),
            Err(failure) => (Delivery::Down(down(failure)), None),
        };
        (items.take_back(), delivery, reply)
    }

    async fn send(&self, body: Bytes, with_index: bool) -> Result<Reply, Failure> {
        let request = Request {
            method: Method::Post,
            path: &BulkParts::None.url(),
            query: &[
                ("filter_path", if with_index { REPLY_WITH_INDEX } else { SHORT_REPLY }),
                ("timeout", SHARD_TIMEOUT),
            ],
            body: Some(body),
            gzip: self.compress,
            content_type: "application/x-ndjson",
            time_out: BULK_TIMEOUT,
            largest_reply: LARGEST_REPLY,
        };
        self.client.send(&request).await
    }
}

/// The error for a request without a reply.
fn down(failure: Failure) -> SinkError {
    match failure.needs_a_person() {
        true => SinkError::Misconfigured(failure.to_string()),
        false => SinkError::Unavailable(failure.to_string()),
    }
}

/// The index name of an item.
fn target(item: &[u8]) -> &str {
    let name = item.strip_prefix(BEFORE_INDEX).unwrap_or_default();
    let end = memchr::memchr(b'"', name).unwrap_or(0);
    std::str::from_utf8(&name[..end]).unwrap_or_default()
}

impl Sink for ElasticsearchSink {
    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        body.extend_from_slice(BEFORE_INDEX);
        self.index_of(event).write(event.day(), body);
        body.extend_from_slice(b"\",\"_id\":\"");
        body.extend_from_slice(event.id().as_str().as_bytes());
        body.extend_from_slice(b"\"}}\n");
        self.compat.write(event, body);
        body.push(b'\n');
    }

    fn target<'a>(&self, item: &'a [u8]) -> &'a str {
        target(item)
    }

    fn document<'a>(&self, item: &'a [u8]) -> Cow<'a, str> {
        let action = memchr::memchr(b'\n', item).map_or(0, |end| end + 1);
        String::from_utf8_lossy(item[action..].trim_ascii_end())
    }

    fn routing(&self) -> u64 {
        self.routing
    }

    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<Position>>, SinkError>> {
        // An event that the server has accepted is durable there, so the cursors in the state suffice.
        Box::pin(async { Ok(None) })
    }

    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)> {
        Box::pin(self.bulk(items))
    }

    fn commit<'a>(&'a self, _upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests;

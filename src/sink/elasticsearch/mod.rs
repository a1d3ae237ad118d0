//! Events into Elasticsearch or OpenSearch, each exactly once in effect: the document's id is the event's id,
//! and `create` refuses one that is there already, which counts as done.
//!
//! That needs a target where a repeated attempt meets the index of the first one ([`targets`]).
//!
//! Bodies are written straight from the event; replies are asked for short and read item by item ([`reply`]).

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

use self::compat::Fit;
use self::gzip_buffers::Pool;
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
pub use targets::Kind;

/// Of one bulk, from connecting to the last byte of the reply.
const BULK: Duration = Duration::from_secs(60);
/// How long the server waits for a shard that is not there, before it says so for the events of that index alone. By
/// itself it would wait a minute, and nothing would be known of any event.
const SHARDS: &str = "10s";
const BEFORE_INDEX: &[u8] = b"{\"create\":{\"_index\":\"";
const SHORT: &str = "errors,items.*.status,items.*.error";
const WITH_INDEX: &str = "errors,items.*.status,items.*.error,items.*._index";

/// What a sink of this kind is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub connection: Connection,
    pub index: IndexPattern,
    /// Tried in order; the first that matches names the index.
    pub routes: Vec<Route>,
    /// Bodies are packed by gzip.
    pub compress: bool,
    /// Delivers to aliases and data streams too, at least once.
    pub allow_rollover: bool,
    /// For `logwarden setup`.
    pub analyzer: Analyzer,
    /// For `logwarden setup`: indexes older than this are deleted by the server. Whole days.
    pub keep: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Asked of the event as it leaves: a sealed field is there, but nobody sees its value.
    pub where_: Expr,
    pub index: IndexPattern,
}

pub struct ElasticsearchSink {
    client: Client,
    index: IndexPattern,
    routes: Vec<Route>,
    /// Of `index` and `routes`.
    routing: u64,
    compress: bool,
    allow_rollover: bool,
    targets: Targets,
    fit: Fit,
    pool: Pool,
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
            fit: Fit::default(),
            pool: Pool::default(),
        }
    }

    /// Whether events could be delivered now: an empty bulk, which every server and every user who may write can
    /// answer.
    pub async fn check(&self) -> Result<(), SinkError> {
        let request = Request {
            method: Method::Post,
            path: &BulkParts::None.url(),
            query: &[],
            body: Some(Bytes::from_static(b"\n")),
            packed: false,
            content_type: "application/x-ndjson",
            time_out: Duration::from_secs(10),
            largest_reply: LARGEST_REPLY,
        };
        let reply = self.client.send(&request).await.map_err(down)?;
        match reply.status {
            // "request body is required", or a reply without items.
            200 | 400 if reply::is_of_bulk(&reply.body) => Ok(()),
            200 | 400 => Err(SinkError::Misconfigured(reply::not_elasticsearch(&reply))),
            _ => match reply::judge(&reply, &Items::default()) {
                Delivery::Blocked(text) | Delivery::TooLarge(text) => {
                    Err(SinkError::Misconfigured(text))
                }
                Delivery::Down(error) => Err(error),
                other => Err(SinkError::Unavailable(format!("it answers {other:?}"))),
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
            // A new password or certificate may be there at the next try.
            self.client.forget_credentials();
        }
        (items, delivery)
    }

    /// One request, and its answer. `with_index`: that says which index took each event.
    async fn post(&self, mut items: Items, with_index: bool) -> (Items, Delivery, Option<Reply>) {
        let packed = match self.compress {
            true => Some(self.pool.lend_packed(&items.body).await),
            false => None,
        };
        items.set_request_bytes(packed.as_ref().map_or(items.body.len(), Bytes::len));
        // The client reads the items where they lie.
        let items = items.lend();
        let body = packed.unwrap_or_else(|| Bytes::from_owner(items.clone()));
        let (delivery, reply) = match self.send(body, with_index).await {
            Ok(reply) => (reply::judge(&reply, &items), Some(reply)),
            Err(failure) => (Delivery::Down(down(failure)), None),
        };
        (items.take_back(), delivery, reply)
    }

    async fn send(&self, body: Bytes, with_index: bool) -> Result<Reply, Failure> {
        let request = Request {
            method: Method::Post,
            path: &BulkParts::None.url(),
            query: &[
                ("filter_path", if with_index { WITH_INDEX } else { SHORT }),
                ("timeout", SHARDS),
            ],
            body: Some(body),
            packed: self.compress,
            content_type: "application/x-ndjson",
            time_out: BULK,
            largest_reply: LARGEST_REPLY,
        };
        self.client.send(&request).await
    }
}

fn down(failure: Failure) -> SinkError {
    match failure.needs_a_person() {
        true => SinkError::Misconfigured(failure.to_string()),
        false => SinkError::Unavailable(failure.to_string()),
    }
}

/// The name that an item goes to.
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
        self.fit.write(event, body);
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
        // Nothing is accepted that is not done: the cursors of the state are enough.
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

//! Interprets the replies of Elasticsearch and OpenSearch, above all those to bulk requests, item by item.
//!
//! Requests ask for short replies: `filter_path=errors,items.*.status,items.*.error`, plus `items.*._index` where it
//! is needed.

mod rejection;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use self::rejection::Fault;
use super::target;
use crate::base::bytes::count;
use crate::base::sanitize;
use crate::client::elasticsearch::Reply;
use crate::sink::{Delivery, Items, Outcome, Refusal, SinkError};

#[derive(Deserialize)]
struct Bulk<'a> {
    errors: bool,
    #[serde(borrow, default)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    create: Answer<'a>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    status: u16,
    #[serde(borrow)]
    error: Option<Problem<'a>>,
}

#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(default)]
    caused_by: Option<Box<Cause>>,
}

impl Problem<'_> {
    /// The reasons of the server and of the causes, outermost first.
    fn reasons(&self) -> impl Iterator<Item = &str> {
        let causes = std::iter::successors(self.caused_by.as_deref(), |c| c.caused_by.as_deref());
        let inner = causes.filter_map(|cause| cause.reason.as_deref());
        self.reason.as_deref().into_iter().chain(inner)
    }
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<Cause>>,
}

/// The error text for a reply that is not from Elasticsearch: a proxy may answer with its own page.
pub(super) fn not_elasticsearch(reply: &Reply) -> String {
    format!(
        "{} answered, but not like Elasticsearch ({}: {}); check for a proxy or sign-in page in between",
        reply.server,
        reply.status,
        server_text(&reply.body)
    )
}

/// Whether this is the reply of Elasticsearch or OpenSearch to an empty bulk request: an error in their form, or a
/// reply without items.
pub(super) fn is_of_bulk(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    ["error", "errors", "items"].iter().any(|name| body.get(*name).is_some())
}

/// Whether a request that changes settings was acknowledged.
pub(super) fn is_acknowledged(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("acknowledged").and_then(Value::as_bool) == Some(true)
}

/// Interprets a reply. `sent`: the items of the bulk request.
pub(super) fn classify(reply: &Reply, sent: &Items) -> Delivery {
    let server = &reply.server;
    match reply.status {
        200 => match serde_json::from_slice::<Bulk<'_>>(&reply.body) {
            Ok(bulk) if bulk.items.len() == sent.len() => Delivery::Each(outcomes(&bulk, sent)),
            Ok(bulk) => unclear(format!(
                "{server} answered for {} events, but {} were sent; nothing counts as delivered",
                bulk.items.len(),
                sent.len()
            )),
            Err(_) => unclear(format!("{}; nothing counts as delivered", not_elasticsearch(reply))),
        },
        413 => Delivery::TooLarge(format!(
            "{server} refuses bodies of {} bytes with 413: raise the limit of the proxy in front of it (nginx: \
             client_max_body_size)",
            count(sent.request_bytes() as u64)
        )),
        429 | 502 | 503 | 504 => Delivery::Busy(reply.retry_after),
        401 => Delivery::Blocked(format!(
            "{server} rejects the user name, password or API key (401); correct them: they are read again \
             at each retry"
        )),
        403 => Delivery::Blocked(format!(
            "{server} does not let this user write (403: {}); grant it `create_doc` and `auto_configure` \
             on the indexes",
            server_text(&reply.body)
        )),
        404 | 405 => Delivery::Blocked(format!(
            "{server} has no _bulk endpoint ({}); is this the address of Elasticsearch?",
            reply.status
        )),
        500..600 => Delivery::Down(SinkError::Unavailable(format!(
            "{server} failed ({}: {})",
            reply.status,
            server_text(&reply.body)
        ))),
        status => Delivery::Blocked(format!(
            "{server} refuses the request ({status}: {})",
            server_text(&reply.body)
        )),
    }
}

fn unclear(text: String) -> Delivery {
    Delivery::Down(SinkError::Unavailable(text))
}

fn outcomes(bulk: &Bulk<'_>, sent: &Items) -> Vec<Outcome> {
    let blocked = refusing_targets(bulk, sent);
    let outcomes = bulk.items.iter().zip(sent.iter());
    outcomes
        .map(|(Item { create }, item)| outcome(create, || blocked.contains_key(target(item))))
        .collect()
}

/// Targets that refuse all of several events for an unknown reason: then the events are not at fault.
fn refusing_targets<'i>(bulk: &Bulk<'_>, sent: &'i Items) -> HashMap<&'i str, u32> {
    let mut refused: HashMap<&str, u32> = HashMap::new();
    let odd = |item: &Item<'_>| item.create.fault() == Some(Fault::Unknown);
    if !bulk.errors || !bulk.items.iter().any(odd) {
        return refused;
    }
    for (item, _) in sent.iter().zip(&bulk.items).filter(|(_, answer)| odd(answer)) {
        *refused.entry(target(item)).or_default() += 1;
    }
    refused.retain(|_, events| *events > 1);
    for (item, _) in sent.iter().zip(&bulk.items).filter(|(_, answer)| !odd(answer)) {
        refused.remove(target(item));
    }
    refused
}

impl Answer<'_> {
    /// The fault of an event that is refused with 400.
    fn fault(&self) -> Option<Fault> {
        self.error.as_ref().filter(|_| self.status == 400).map(rejection::of)
    }
}

/// The outcome of one event. `common`: its target refuses all of its events in this bulk for an unknown reason.
fn outcome(answer: &Answer<'_>, common: impl Fn() -> bool) -> Outcome {
    let kind = answer.error.as_ref().map_or("", |error| &*error.kind);
    let why = || describe(answer);
    match (answer.status, kind) {
        (201, "") => Outcome::Done,
        // Not created, and no error: a pipeline of the server dropped it.
        (200, "") => Outcome::Dropped,
        (409, _) => Outcome::Duplicate,
        (_, "cluster_block_exception") => Outcome::Blocked(format!(
            "the index is read-only ({}); lift the block (the server sets it when its disk is full)",
            why()
        )),
        (_, "index_closed_exception") => {
            Outcome::Blocked(format!("the index is closed ({}); open it", why()))
        }
        (503, "unavailable_shards_exception") => Outcome::Blocked(format!(
            "the index has no active primary shard ({}); check its health (GET _cluster/allocation/explain)",
            why()
        )),
        (429, _) => Outcome::Retry(None),
        // The server itself has checked this single event.
        (413, _) => Outcome::Reject(refusal(answer)),
        (404, _) => Outcome::Blocked(format!(
            "the index does not exist and is not created automatically ({}); run `logwarden setup elasticsearch`",
            why()
        )),
        (401 | 403, _) => Outcome::Blocked(format!(
            "this user may not write to the index ({}); grant it `create_doc` and `auto_configure`",
            why()
        )),
        (400, _) => match answer.fault() {
            Some(Fault::Event) => Outcome::Reject(refusal(answer)),
            Some(Fault::Limit) => Outcome::Blocked(format!(
                "the index has reached a limit ({}); raise the limit, or send fewer fields or events to it",
                why()
            )),
            Some(Fault::Settings) => Outcome::Blocked(format!(
                "the settings of the index, or its template, reject every event ({}); correct them on the server",
                why()
            )),
            _ if common() => Outcome::Blocked(format!(
                "the index rejects every event for an unknown reason ({}); check its settings and mapping",
                why()
            )),
            _ => Outcome::Reject(refusal(answer)),
        },
        (500, kind) => {
            Outcome::Fails { refusal: refusal(answer), own: kind == "fail_processor_exception" }
        }
        _ => Outcome::Retry(None),
    }
}

/// Where one item is stored now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoredIn<'a> {
    Nothing,
    Index(Cow<'a, str>),
    /// Stored, but the reply does not name the index.
    Unknown,
}

/// Where each item of a bulk reply is stored; empty for any other reply.
pub(super) fn stored_in(body: &[u8]) -> Vec<StoredIn<'_>> {
    #[derive(Deserialize)]
    struct Bulk<'a> {
        #[serde(borrow, default)]
        items: Vec<Item<'a>>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        create: Stored<'a>,
    }
    #[derive(Deserialize)]
    struct Stored<'a> {
        status: u16,
        #[serde(rename = "_index", borrow, default)]
        index: Option<Cow<'a, str>>,
    }
    let Ok(bulk) = serde_json::from_slice::<Bulk<'_>>(body) else { return Vec::new() };
    let stored = |Item { create }| match (create.status, create.index) {
        (200 | 201 | 409, Some(index)) if !index.is_empty() => StoredIn::Index(index),
        (200 | 201 | 409, _) => StoredIn::Unknown,
        _ => StoredIn::Nothing,
    };
    bulk.items.into_iter().map(stored).collect()
}

/// Status, type and reasons: `400 document_parsing_exception: failed to parse field [x] …; for input string: "y"`.
fn describe(answer: &Answer<'_>) -> String {
    match answer.error {
        Some(_) => refusal(answer).to_string(),
        None => answer.status.to_string(),
    }
}

fn refusal(answer: &Answer<'_>) -> Refusal {
    let error = answer.error.as_ref();
    let kind = error.map(|error| short(&error.kind)).filter(|kind| !kind.is_empty());
    let reason = error.map_or_else(String::new, reason);
    Refusal { status: Some(answer.status), kind, reason }
}

/// The reason of the server, and that of the innermost cause.
fn reason(error: &Problem<'_>) -> String {
    let mut text = error.reason.as_deref().unwrap_or_default().to_owned();
    let inner = error.reasons().last();
    if let Some(inner) = inner.filter(|inner| !text.contains(*inner)) {
        text.push_str("; ");
        text.push_str(inner);
    }
    short(&text)
}

/// The error in the body of a reply, or the beginning of the body, in one line.
pub(super) fn server_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    #[derive(Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        error: Problem<'a>,
        status: u16,
    }
    if let Ok(refused) = serde_json::from_slice::<Refused<'_>>(body) {
        return describe(&Answer { status: refused.status, error: Some(refused.error) });
    }
    match text.trim() {
        "" => "no text".to_owned(),
        text => short(text),
    }
}

/// One line, safe to display.
fn short(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    sanitize::line(&line).into_owned()
}

#[cfg(test)]
mod tests;

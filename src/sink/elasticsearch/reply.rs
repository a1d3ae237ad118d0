//! What a server's answer to a bulk means, item by item.
//!
//! Replies are asked for short: `filter_path=errors,items.*.status,items.*.error`, and only where it matters also
//! `items.*._index`.

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
    /// The server's own words and those of the causes, outermost first.
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

/// What stands between may answer with a page of its own.
pub(super) fn not_elasticsearch(reply: &Reply) -> String {
    format!(
        "{} answered, but not as Elasticsearch does ({}: {}); look for a proxy or a sign-in page between",
        reply.server,
        reply.status,
        said(&reply.body)
    )
}

/// Of a bulk without events: an error in the form of these servers, or a reply without items.
pub(super) fn is_of_bulk(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    ["error", "errors", "items"].iter().any(|name| body.get(*name).is_some())
}

/// Of a request that changes settings.
pub(super) fn is_acknowledged(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("acknowledged").and_then(Value::as_bool) == Some(true)
}

/// `sent`: the bulk that is answered.
pub(super) fn judge(reply: &Reply, sent: &Items) -> Delivery {
    let server = &reply.server;
    match reply.status {
        200 => match serde_json::from_slice::<Bulk<'_>>(&reply.body) {
            Ok(bulk) if bulk.items.len() == sent.len() => Delivery::Each(outcomes(&bulk, sent)),
            Ok(bulk) => unclear(format!(
                "{server} answered for {} events where {} were sent",
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
            "{server} does not accept user name, password or API key (401); correct them; they are read \
             again at every try"
        )),
        403 => Delivery::Blocked(format!(
            "{server} does not let this user write (403: {}); grant it `create_doc` and `auto_configure` \
             on the indexes",
            said(&reply.body)
        )),
        404 | 405 => Delivery::Blocked(format!(
            "{server} knows no _bulk ({}); is this the address of Elasticsearch?",
            reply.status
        )),
        500..600 => Delivery::Down(SinkError::Unavailable(format!(
            "{server} failed ({}: {})",
            reply.status,
            said(&reply.body)
        ))),
        status => Delivery::Blocked(format!(
            "{server} refuses the request ({status}: {})",
            said(&reply.body)
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

/// Targets that refuse every one of several events for a reason that is not known: that is no fault of the events.
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
    /// Of an event that is refused with 400.
    fn fault(&self) -> Option<Fault> {
        self.error.as_ref().filter(|_| self.status == 400).map(rejection::of)
    }
}

/// `common`: its target refuses every event of this bulk in the same way.
fn outcome(answer: &Answer<'_>, common: impl Fn() -> bool) -> Outcome {
    let kind = answer.error.as_ref().map_or("", |error| &*error.kind);
    let why = || words(answer);
    match (answer.status, kind) {
        (201, "") => Outcome::Done,
        // Not created, and no error: a pipeline of the server has dropped it.
        (200, "") => Outcome::Dropped,
        (409, _) => Outcome::Duplicate,
        (_, "cluster_block_exception") => Outcome::Blocked(format!(
            "the index is read-only ({}); lift the block (the server sets it where its disk is full)",
            why()
        )),
        (_, "index_closed_exception") => {
            Outcome::Blocked(format!("the index is closed ({}); open it", why()))
        }
        (503, "unavailable_shards_exception") => Outcome::Blocked(format!(
            "the index has no primary shard that works ({}); look at its health (GET _cluster/allocation/explain)",
            why()
        )),
        (429, _) => Outcome::Retry(None),
        // The server itself has looked at this one event.
        (413, _) => Outcome::Reject(refusal(answer)),
        (404, _) => Outcome::Blocked(format!(
            "the index is not there and is not created by itself ({}); run `logwarden setup elasticsearch`",
            why()
        )),
        (401 | 403, _) => Outcome::Blocked(format!(
            "this user may not write there ({}); grant it `create_doc` and `auto_configure`",
            why()
        )),
        (400, _) => match answer.fault() {
            Some(Fault::Event) => Outcome::Reject(refusal(answer)),
            Some(Fault::Limit) => Outcome::Blocked(format!(
                "the index is at a limit ({}); raise the limit, or send less to it",
                why()
            )),
            Some(Fault::Settings) => Outcome::Blocked(format!(
                "the settings of the index, or its template, take no event ({}); correct them on the server",
                why()
            )),
            _ if common() => {
                Outcome::Blocked(format!("the index takes no such events now ({})", why()))
            }
            _ => Outcome::Reject(refusal(answer)),
        },
        (500, kind) => {
            Outcome::Fails { refusal: refusal(answer), own: kind == "fail_processor_exception" }
        }
        _ => Outcome::Retry(None),
    }
}

/// Who has one item now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taker<'a> {
    Nobody,
    Index(Cow<'a, str>),
    /// Somebody, and the answer does not say who.
    Untold,
}

/// One an item of a reply to a bulk; none where it is no such reply.
pub(super) fn takers(body: &[u8]) -> Vec<Taker<'_>> {
    #[derive(Deserialize)]
    struct Bulk<'a> {
        #[serde(borrow, default)]
        items: Vec<Item<'a>>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        create: Taken<'a>,
    }
    #[derive(Deserialize)]
    struct Taken<'a> {
        status: u16,
        #[serde(rename = "_index", borrow, default)]
        index: Option<Cow<'a, str>>,
    }
    let Ok(bulk) = serde_json::from_slice::<Bulk<'_>>(body) else { return Vec::new() };
    let taker = |Item { create }| match (create.status, create.index) {
        (200 | 201 | 409, Some(index)) if !index.is_empty() => Taker::Index(index),
        (200 | 201 | 409, _) => Taker::Untold,
        _ => Taker::Nobody,
    };
    bulk.items.into_iter().map(taker).collect()
}

/// `400 document_parsing_exception: failed to parse field [x] …: for input string: "y"`.
fn words(answer: &Answer<'_>) -> String {
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

/// The server's words, and those of the innermost cause.
fn reason(error: &Problem<'_>) -> String {
    let mut text = error.reason.as_deref().unwrap_or_default().to_owned();
    let inner = error.reasons().last();
    if let Some(inner) = inner.filter(|inner| !text.contains(*inner)) {
        text.push_str("; ");
        text.push_str(inner);
    }
    short(&text)
}

pub(super) fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    #[derive(Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        error: Problem<'a>,
        status: u16,
    }
    if let Ok(refused) = serde_json::from_slice::<Refused<'_>>(body) {
        return words(&Answer { status: refused.status, error: Some(refused.error) });
    }
    match text.trim() {
        "" => "no text".to_owned(),
        text => short(text),
    }
}

/// One line, safe to show.
fn short(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    sanitize::line(&line).into_owned()
}

#[cfg(test)]
mod tests;

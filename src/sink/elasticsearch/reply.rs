//! What a server's answer to a bulk means, item by item.
//!
//! Replies are asked for short: `filter_path=errors,items.*.status,items.*.error`, and only where it matters also
//! `items.*._index`.

use std::borrow::Cow;

use serde::Deserialize;

use crate::base::bytes::count;
use crate::base::sanitize;
use crate::client::elasticsearch::Reply;
use crate::sink::{Delivery, Outcome, Refusal, SinkError};

/// Types of errors that are the event's own: it would be refused for ever.
const OF_THE_EVENT: [&str; 4] = [
    "mapper_parsing_exception",
    "document_parsing_exception",
    "strict_dynamic_mapping_exception",
    "parse_exception",
];

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

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<Cause>>,
}

/// Of the bulk that is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub items: usize,
    /// Of the request's body.
    pub bytes: usize,
}

pub(super) fn judge(reply: &Reply, sent: Sent) -> Delivery {
    let server = &reply.server;
    let Sent { items: sent, bytes } = sent;
    match reply.status {
        200 => match serde_json::from_slice::<Bulk<'_>>(&reply.body) {
            Ok(bulk) if bulk.items.len() == sent => Delivery::Each(outcomes(&bulk)),
            Ok(bulk) => unclear(format!(
                "{server} answered for {} events where {sent} were sent",
                bulk.items.len()
            )),
            Err(_) => unclear(format!(
                "{server} answered, but not as Elasticsearch does ({}); what stands between? Nothing \
                 counts as delivered",
                said(&reply.body)
            )),
        },
        413 => Delivery::TooLarge(format!(
            "{server} refuses bodies of {} bytes with 413: raise the limit of the proxy in front of it (nginx: \
             client_max_body_size)",
            count(bytes as u64)
        )),
        429 | 502 | 503 | 504 => Delivery::Busy(reply.retry_after),
        401 => Delivery::Blocked(format!(
            "{server} does not accept user name, password or API key (401); correct them, they are read \
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

fn outcomes(bulk: &Bulk<'_>) -> Vec<Outcome> {
    // A fault that hits every item is one of the target, not of the events.
    let common = bulk.errors && bulk.items.len() > 1 && bulk.items.iter().all(|item| item.is_odd());
    bulk.items.iter().map(|item| outcome(&item.create, common)).collect()
}

impl Item<'_> {
    fn is_odd(&self) -> bool {
        let Some(error) = &self.create.error else { return false };
        self.create.status == 400 && !OF_THE_EVENT.contains(&&*error.kind)
    }
}

fn outcome(answer: &Answer<'_>, common: bool) -> Outcome {
    let kind = answer.error.as_ref().map_or("", |error| &*error.kind);
    let why = || words(answer);
    match (answer.status, kind) {
        (200 | 201, "") => Outcome::Done,
        (409, _) => Outcome::Duplicate,
        (_, "cluster_block_exception") => Outcome::Blocked(format!(
            "the index is read-only ({}); lift the block (the server sets it where its disk is full)",
            why()
        )),
        (_, "index_closed_exception") => {
            Outcome::Blocked(format!("the index is closed ({}); open it", why()))
        }
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
        (400, kind) if OF_THE_EVENT.contains(&kind) => Outcome::Reject(refusal(answer)),
        (400, _) if is_limit(answer) || common => {
            Outcome::Blocked(format!("the index takes no such events now ({})", why()))
        }
        (400, _) => Outcome::Reject(refusal(answer)),
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

/// Too many fields or shards: a setting of the target.
fn is_limit(answer: &Answer<'_>) -> bool {
    let reason = answer.error.as_ref().and_then(|error| error.reason.as_deref()).unwrap_or("");
    reason.contains("Limit of")
        || reason.contains("maximum shards")
        || reason.contains("maximum normal shards")
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
    let mut cause = error.caused_by.as_deref();
    let mut inner = None;
    while let Some(next) = cause {
        inner = next.reason.as_deref().or(inner);
        cause = next.caused_by.as_deref();
    }
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
mod tests {
    use bytes::Bytes;

    use super::*;

    fn judged(status: u16, body: &str, sent: usize) -> Delivery {
        let body = Bytes::from(body.to_owned());
        let server = "http://es:9200/".to_owned();
        let reply = Reply { server, status, body, retry_after: None };
        judge(&reply, Sent { items: sent, bytes: 2_000 })
    }

    fn item(status: u16, kind: &str, reason: &str) -> String {
        format!(
            r#"{{"create":{{"status":{status},"error":{{"type":"{kind}","reason":"{reason}"}}}}}}"#
        )
    }

    fn each(items: &[String]) -> Vec<Outcome> {
        let body = format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(","));
        match judged(200, &body, items.len()) {
            Delivery::Each(outcomes) => outcomes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn created_and_already_there() {
        let body = r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict"}}}]}"#;
        let Delivery::Each(outcomes) = judged(200, body, 2) else { panic!() };
        assert_eq!(outcomes, [Outcome::Done, Outcome::Duplicate]);
    }

    #[test]
    fn a_page_with_status_200_confirms_nothing() {
        for page in ["<html>sign in</html>", "", "{}", r#"{"errors":false}"#, "null"] {
            assert!(
                matches!(judged(200, page, 1), Delivery::Down(SinkError::Unavailable(_))),
                "{page}"
            );
        }
        let fewer = r#"{"errors":false,"items":[{"create":{"status":201}}]}"#;
        assert!(matches!(judged(200, fewer, 2), Delivery::Down(_)));
    }

    #[test]
    fn faults_of_an_event_go_to_the_dead_letters_and_faults_of_the_target_wait() {
        let done = r#"{"create":{"status":201}}"#.to_owned();
        let parsing = item(400, "document_parsing_exception", "failed to parse field [n]");
        let blocked = item(403, "cluster_block_exception", "index [x] blocked by: read-only");
        let flood = item(429, "cluster_block_exception", "flood-stage watermark");
        let busy = item(429, "es_rejected_execution_exception", "queue full");
        let missing = item(404, "index_not_found_exception", "no such index [x]");
        let odd = item(400, "illegal_argument_exception", "mapper [a] cannot be changed");
        let limit = item(400, "illegal_argument_exception", "Limit of total fields [1000]");
        let all = [done, parsing, blocked, flood, busy, missing, odd.clone(), limit];
        let outcomes = each(&all);
        assert_eq!(outcomes[0], Outcome::Done);
        assert!(matches!(&outcomes[1], Outcome::Reject(why)
            if why.status == Some(400) && why.reason == "failed to parse field [n]"
                && why.kind.as_deref() == Some("document_parsing_exception")));
        assert!(matches!(outcomes[2], Outcome::Blocked(_)));
        assert!(matches!(outcomes[3], Outcome::Blocked(_)));
        assert_eq!(outcomes[4], Outcome::Retry(None));
        assert!(matches!(&outcomes[5], Outcome::Blocked(why) if why.contains("setup")));
        assert!(matches!(outcomes[6], Outcome::Reject(_)));
        assert!(matches!(outcomes[7], Outcome::Blocked(_)));
        // Every one of them: the target's fault.
        assert!(matches!(each(&[odd.clone(), odd])[0], Outcome::Blocked(_)));
    }

    #[test]
    fn an_answer_says_which_index_took_an_event() {
        let body = r#"{"items":[{"create":{"_index":"a","status":201}},{"create":{"_index":"b","status":409,"error":{"type":"x"}}},{"create":{"status":201}},{"create":{"_index":"a","status":429}}]}"#;
        let expected =
            [Taker::Index("a".into()), Taker::Index("b".into()), Taker::Untold, Taker::Nobody];
        assert_eq!(takers(body.as_bytes()), expected);
        assert!(takers(b"<html>").is_empty());
    }

    #[test]
    fn whole_requests_that_are_refused() {
        assert!(matches!(judged(413, "", 3), Delivery::TooLarge(why)
            if why.contains("bodies of 2,000 bytes with 413: raise the limit of the proxy")));
        assert!(matches!(judged(429, "", 3), Delivery::Busy(None)));
        assert!(matches!(judged(503, "", 3), Delivery::Busy(None)));
        assert!(matches!(judged(500, "", 3), Delivery::Down(_)));
        for status in [400, 401, 403, 404] {
            assert!(matches!(judged(status, "\u{1b}[31mno", 3), Delivery::Blocked(text)
                if text.contains(&status.to_string()) && !text.contains('\u{1b}')));
        }
    }
}

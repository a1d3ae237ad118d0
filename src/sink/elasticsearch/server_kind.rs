//! Finds out whether the server is Elasticsearch or OpenSearch, or another server with the same interface. Many of
//! those store an event again under an existing id and answer 201: their answers prove nothing, and a retry stores
//! duplicates.
//!
//! Used by `check` only. Elasticsearch and OpenSearch identify themselves, and nothing is written to them. Any other
//! server is sent one document twice, for a test index with a unique name. That index is deleted whatever the answers
//! were; if the server does not delete it, its name is reported.

use std::time::Duration;

use bytes::Bytes;
use elasticsearch::BulkParts;
use elasticsearch::indices::IndicesDeleteParts;
use serde::Deserialize;

use super::ElasticsearchSink;
use super::reply;
use crate::base::sanitize;
use crate::client::elasticsearch::{LARGEST_REPLY, Method, Reply, Request};
use crate::sink::{Delivery, Items, Outcome};

/// Beginning of the name of the test index.
const INDEX: &str = "logwarden-check-";
/// The id of the document.
const ID: &str = "twice";
const TIMEOUT: Duration = Duration::from_secs(15);

/// The answer to `GET /`.
#[derive(Default, Deserialize)]
struct Root {
    #[serde(default)]
    tagline: String,
    #[serde(default)]
    version: Version,
}

#[derive(Default, Deserialize)]
struct Version {
    #[serde(default)]
    build_hash: String,
    #[serde(default)]
    lucene_version: String,
}

impl Root {
    /// Whether the server is Elasticsearch or OpenSearch. Imitations report no build hash or Lucene version of their
    /// own.
    fn is_genuine(&self) -> bool {
        let line = self.tagline.as_str();
        let known = line == "You Know, for Search" || line.starts_with("The OpenSearch Project");
        let hash = &self.version.build_hash;
        let built = hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        known && built && self.version.lucene_version.starts_with(|c: char| c.is_ascii_digit())
    }
}

/// Whether the document was stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stored {
    Yes,
    No,
    /// It existed already, or there was no answer.
    Unclear,
}

impl ElasticsearchSink {
    /// The reasons why exactly-once delivery cannot be promised for this server, and a test index left on it. Empty if
    /// no problem is known. `unique`: part of the name of the test index; lower-case letters and digits.
    pub async fn delivery_problems(&self, unique: &str) -> Vec<String> {
        let Some(root) =
            self.request(Method::Get, "", None).await.filter(|root| root.status == 200)
        else {
            // Some users may not read it, and some distributions have no such page.
            return Vec::new();
        };
        let said: Root = serde_json::from_slice(&root.body).unwrap_or_default();
        if said.is_genuine() {
            return Vec::new();
        }
        let index = format!("{INDEX}{unique}");
        let server = sanitize::line(&root.server);
        let first = self.create(&index).await;
        let second = match first {
            Stored::Yes => self.create(&index).await,
            _ => Stored::No,
        };
        let mut delivery_problems = Vec::new();
        if second == Stored::Yes {
            delivery_problems.push(format!(
                "{server} is neither Elasticsearch nor OpenSearch, and stored an event again under an existing id (201 \
                 again): events may be stored twice, and its answers prove nothing"
            ));
        }
        if !self.is_deleted(&index).await && first != Stored::No {
            delivery_problems.push(format!(
                "{server} did not delete the index {index}, which this check created: delete it"
            ));
        }
        delivery_problems
    }

    async fn create(&self, index: &str) -> Stored {
        let action = format!(r#"{{"create":{{"_index":"{index}","_id":"{ID}"}}}}"#);
        let item = format!("{action}\n{{\"message\":\"logwarden check\"}}\n");
        let mut items = Items::default();
        items.push(item.as_bytes());
        let path = BulkParts::None.url();
        let Some(reply) = self.request(Method::Post, &path, Some(item.into())).await else {
            return Stored::Unclear;
        };
        match reply::classify(&reply, &items) {
            Delivery::Each(outcomes) => match outcomes.first() {
                Some(Outcome::Done) => Stored::Yes,
                Some(Outcome::Reject(_) | Outcome::Blocked(_) | Outcome::Dropped) => Stored::No,
                _ => Stored::Unclear,
            },
            Delivery::Blocked(_) | Delivery::TooLarge(_) => Stored::No,
            _ => Stored::Unclear,
        }
    }

    async fn is_deleted(&self, index: &str) -> bool {
        let path = IndicesDeleteParts::Index(&[index]).url();
        let reply = self.request(Method::Delete, &path, None).await;
        reply.is_some_and(|reply| matches!(reply.status, 200..300 | 404))
    }

    async fn request(&self, method: Method, path: &str, body: Option<Bytes>) -> Option<Reply> {
        let request = Request {
            method,
            path,
            query: &[],
            body,
            gzip: false,
            content_type: "application/x-ndjson",
            time_out: TIMEOUT,
            largest_reply: LARGEST_REPLY,
        };
        self.client.send(&request).await.ok()
    }
}

#[cfg(test)]
mod tests;

//! Is it Elasticsearch or OpenSearch that answers, or a server that only speaks like them? Many of those store an event
//! again under an id that is there, and answer 201: no proof of anything, and a repeated attempt doubles.
//!
//! Asked by `check` alone. Elasticsearch and OpenSearch say who they are, and nothing is written to them. Another
//! server is sent one document twice, for an index of a name that nobody else uses. That index is deleted again,
//! whatever the answers were; where the server does not do it, the name is told.

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

/// What the name of the index begins with.
const INDEX: &str = "logwarden-check-";
const ID: &str = "twice";
const PATIENCE: Duration = Duration::from_secs(15);

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
    /// Imitators have no build and no Lucene of their own to tell of.
    fn is_one_of_ours(&self) -> bool {
        let line = self.tagline.as_str();
        let known = line == "You Know, for Search" || line.starts_with("The OpenSearch Project");
        let hash = &self.version.build_hash;
        let built = hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        known && built && self.version.lucene_version.starts_with(|c: char| c.is_ascii_digit())
    }
}

/// What became of the document.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stored {
    Yes,
    No,
    /// It was there already, or no answer came.
    Unclear,
}

impl ElasticsearchSink {
    /// Why "once" cannot be promised of this server, and what was left on it. Empty where nothing speaks against it, or
    /// nothing can be told. `unique`: part of the name of an index; small letters and digits.
    pub async fn doubts(&self, unique: &str) -> Vec<String> {
        let Some(root) = self.asked(Method::Get, "", None).await.filter(|root| root.status == 200)
        else {
            // Not everybody may ask, and some distributions have no such page.
            return Vec::new();
        };
        let said: Root = serde_json::from_slice(&root.body).unwrap_or_default();
        if said.is_one_of_ours() {
            return Vec::new();
        }
        let index = format!("{INDEX}{unique}");
        let server = sanitize::line(&root.server);
        let first = self.create(&index).await;
        let second = match first {
            Stored::Yes => self.create(&index).await,
            _ => Stored::No,
        };
        let mut doubts = Vec::new();
        if second == Stored::Yes {
            doubts.push(format!(
                "{server} is neither Elasticsearch nor OpenSearch, and takes an event a second time under the id that it \
                 has (201 again): events may stand there twice, and its answers prove nothing"
            ));
        }
        if !self.is_deleted(&index).await && first != Stored::No {
            doubts.push(format!(
                "{server} did not delete the index {index}, in which this check has stored a document: delete it"
            ));
        }
        doubts
    }

    async fn create(&self, index: &str) -> Stored {
        let action = format!(r#"{{"create":{{"_index":"{index}","_id":"{ID}"}}}}"#);
        let item = format!("{action}\n{{\"message\":\"logwarden check\"}}\n");
        let mut items = Items::default();
        items.push(item.as_bytes());
        let path = BulkParts::None.url();
        let Some(reply) = self.asked(Method::Post, &path, Some(item.into())).await else {
            return Stored::Unclear;
        };
        match reply::judge(&reply, &items) {
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
        let reply = self.asked(Method::Delete, &path, None).await;
        reply.is_some_and(|reply| matches!(reply.status, 200..300 | 404))
    }

    async fn asked(&self, method: Method, path: &str, body: Option<Bytes>) -> Option<Reply> {
        let request = Request {
            method,
            path,
            query: &[],
            body,
            packed: false,
            content_type: "application/x-ndjson",
            time_out: PATIENCE,
            largest_reply: LARGEST_REPLY,
        };
        self.client.send(&request).await.ok()
    }
}

#[cfg(test)]
mod tests;

//! Is it Elasticsearch or OpenSearch that answers, or a server that only speaks like them? Many of those store an event
//! again under an id that is there, and answer 201: no proof of anything, and a repeated attempt doubles.
//!
//! Asked by `check` alone. Elasticsearch and OpenSearch say who they are, and nothing is written to them; of another
//! server one document is asked for twice, in an index of its own, and removed.

use std::time::Duration;

use bytes::Bytes;
use elasticsearch::{BulkParts, DeleteParts};
use serde::Deserialize;

use super::ElasticsearchSink;
use super::reply;
use crate::base::sanitize;
use crate::client::elasticsearch::{LARGEST_REPLY, Method, Reply, Request};
use crate::sink::{Delivery, Items, Outcome};

const INDEX: &str = "logwarden-check";
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

impl ElasticsearchSink {
    /// Why "once" cannot be promised of this server; `None` where nothing speaks against it, or nothing can be told.
    pub async fn doubts(&self) -> Option<String> {
        let root = self.asked(Method::Get, "", None).await?;
        // Not everybody may ask, and some distributions have no such page.
        let said: Root =
            (root.status == 200).then(|| serde_json::from_slice(&root.body).unwrap_or_default())?;
        if said.is_one_of_ours() {
            return None;
        }
        let (first, second) = (self.create().await?, self.create().await?);
        let path = DeleteParts::IndexId(INDEX, ID).url();
        _ = self.asked(Method::Delete, &path, None).await;
        (first == Outcome::Done && second == Outcome::Done).then(|| {
            format!(
                "{} is neither Elasticsearch nor OpenSearch, and takes an event a second time under the id that it has \
                 (201 again): events may stand there twice, and its answers prove nothing",
                sanitize::line(&root.server)
            )
        })
    }

    async fn create(&self) -> Option<Outcome> {
        let action = format!(r#"{{"create":{{"_index":"{INDEX}","_id":"{ID}"}}}}"#);
        let item = format!("{action}\n{{\"message\":\"logwarden check\"}}\n");
        let mut items = Items::default();
        items.push(item.as_bytes());
        let path = BulkParts::None.url();
        let reply = self.asked(Method::Post, &path, Some(item.into())).await?;
        match reply::judge(&reply, &items) {
            Delivery::Each(mut outcomes) => outcomes.pop(),
            _ => None,
        }
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

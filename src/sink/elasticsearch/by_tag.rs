//! Finds, counts and erases the events on a server that have at least one of the given tags.
//!
//! A tag is searched in every field whose name ends with `_tag`, as a whole and case-sensitively: in a keyword, and
//! in the keyword that a server adds to a text if `logwarden setup` was never run. Only indexes named in the sink's
//! settings are searched.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{ElasticsearchSink, Settings, reply, setup};
use crate::base::sanitize;
use crate::client::elasticsearch::{Method, Reply};
use crate::privacy::tag::TAG;
use crate::sink::Tagged;

/// Events that one request removes, so that it ends long before its time-out.
const AT_ONCE: u64 = 5_000;
/// A server allows 1,024 clauses in a query, and each tag is one clause per field.
const TAGS_AT_ONCE: usize = 64;

#[derive(Deserialize)]
struct Searched {
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Deserialize)]
struct Hits {
    total: Total,
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_source")]
    source: Box<RawValue>,
    sort: Vec<Value>,
}

#[derive(Deserialize)]
struct Deleted {
    #[serde(default)]
    timed_out: bool,
    deleted: u64,
    version_conflicts: u64,
    failures: Vec<Value>,
}

#[derive(Deserialize)]
struct Resolved {
    #[serde(default)]
    indices: Vec<Index>,
}

#[derive(Deserialize)]
struct Index {
    name: String,
    #[serde(default)]
    attributes: Vec<String>,
}

/// The index patterns of these settings, separated by commas, for requests and messages.
pub fn indexes(settings: &Settings) -> String {
    setup::patterns(settings).join(",")
}

impl ElasticsearchSink {
    /// Counts the events that have one of the tags, and returns the newest ones. Errors are messages for people.
    pub async fn find_tags(
        &self,
        settings: &Settings,
        tags: &[String],
        newest: usize,
    ) -> Result<Tagged, String> {
        let (mut found, mut hits) = (Tagged::default(), Vec::new());
        for tags in tags.chunks(TAGS_AT_ONCE) {
            let body = json!({
                "size": newest, "track_total_hits": true, "query": query(tags),
                "sort": [{ "@timestamp": { "order": "desc", "unmapped_type": "date" } }],
            });
            let answer = self.by_tag(settings, "_search", &[], Some(&body)).await?;
            let searched: Searched = read(&answer, "a search")?;
            if searched.timed_out || searched.shards.failed > 0 {
                let server = &answer.server;
                return Err(format!(
                    "{server} searched only a part of its shards; check its health"
                ));
            }
            // One event may hold tags of two requests: it is counted twice and listed once.
            found.events += searched.hits.total.value;
            hits.extend(searched.hits.hits);
        }
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.sort.first().and_then(Value::as_i64)));
        found.newest = each_once(hits).take(newest).collect();
        Ok(found)
    }

    /// Permanently removes the events that have one of the tags, including those stored a moment ago, and returns how
    /// many. Errors are messages for people.
    pub async fn erase_tags(&self, settings: &Settings, tags: &[String]) -> Result<u64, String> {
        let mut erased = 0;
        for tags in tags.chunks(TAGS_AT_ONCE) {
            let body = json!({ "query": query(tags), "max_docs": AT_ONCE });
            let asked = [("conflicts", "proceed"), ("refresh", "true")];
            loop {
                self.refresh(settings).await?;
                let answer = self.by_tag(settings, "_delete_by_query", &asked, Some(&body)).await;
                let deleted: Deleted = read(&answer?, "a removal")?;
                erased += deleted.deleted;
                if let Some(failure) = deleted.failures.first() {
                    return Err(format!("{erased} erased, then it failed: {}", short(failure)));
                }
                if deleted.timed_out || (deleted.deleted == 0 && deleted.version_conflicts > 0) {
                    return Err(format!("{erased} erased, and some remain; run it again"));
                }
                if deleted.deleted == 0 {
                    break;
                }
            }
        }
        match self.passed_over(settings).await {
            Some(indexes) => Err(format!("{erased} erased; {indexes}")),
            None => Ok(erased),
        }
    }

    /// A message if some indexes were not searched: servers skip closed indexes silently. `None` also if the server
    /// does not report which are closed.
    pub async fn passed_over(&self, settings: &Settings) -> Option<String> {
        let path = format!("_resolve/index/{}", indexes(settings));
        let asked = [("expand_wildcards", "open,closed"), ("ignore_unavailable", "true")];
        let answer = self.setup_request(Method::Get, &path, &asked, None).await.ok()?;
        let resolved: Resolved = serde_json::from_slice(&answer.body).ok()?;
        let closed = |index: &&Index| index.attributes.iter().any(|it| it == "closed");
        let names: Vec<_> = resolved.indices.iter().filter(closed).map(|it| &*it.name).collect();
        (answer.status == 200 && !names.is_empty()).then(|| {
            let names = sanitize::line(&names.join(", ")).into_owned();
            format!("not searched, because they are closed: {names}; open them and run this again")
        })
    }

    /// Makes events searchable that were stored a moment ago.
    async fn refresh(&self, settings: &Settings) -> Result<(), String> {
        let answer = self.by_tag(settings, "_refresh", &[], None).await?;
        read::<Value>(&answer, "a refresh").map(drop)
    }

    /// Sends a request to the indexes of these settings; indexes that do not exist are ignored.
    async fn by_tag(
        &self,
        settings: &Settings,
        verb: &str,
        more: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let path = format!("{}/{verb}", indexes(settings));
        let absent = [("ignore_unavailable", "true"), ("allow_no_indices", "true")];
        self.setup_request(Method::Post, &path, &[&absent, more].concat(), body).await
    }
}

/// Removes duplicates across requests. They need not be adjacent: other events may have the same time.
fn each_once(hits: Vec<Hit>) -> impl Iterator<Item = String> {
    let mut shown = HashSet::new();
    let sources = hits.into_iter().map(|hit| hit.source.get().to_owned());
    sources.filter(move |source| shown.insert(source.clone()))
}

fn query(tags: &[String]) -> Value {
    let tag = |tag: &String| {
        json!({ "multi_match": {
            "query": tag, "fields": [format!("*{TAG}"), format!("*{TAG}.keyword")], "analyzer": "keyword", "lenient": true,
        }})
    };
    json!({ "bool": { "should": tags.iter().map(tag).collect::<Vec<_>>(), "minimum_should_match": 1 } })
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Reply, what: &str) -> Result<T, String> {
    let (server, status) = (&answer.server, answer.status);
    let server_text = || reply::server_text(&answer.body);
    match status {
        200 => serde_json::from_slice(&answer.body).map_err(|_| {
            format!("{server} answered, but not like Elasticsearch: {}", server_text())
        }),
        401 | 403 => Err(format!(
            "{server} does not allow this user {what} ({status}: {}); it needs `read`, and to erase also \
             `delete` and `maintenance`, on these indexes",
            server_text()
        )),
        _ => Err(format!("{server} refuses {what} ({status}: {})", server_text())),
    }
}

fn short(failure: &Value) -> String {
    reply::server_text(failure.to_string().as_bytes())
}

#[cfg(test)]
mod tests;

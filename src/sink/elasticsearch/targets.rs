//! Finds out whether a target name is an index, an alias or a data stream on the server, and delivers no events to
//! aliases and data streams.
//!
//! A retry is harmless only if it reaches the index of the first try. This holds for an index. An alias can be
//! changed, and aliases and data streams roll over: a bulk whose reply was lost would be stored a second time, in
//! another index. (No server accepts a new document for a given index of a data stream.) Therefore nothing is
//! delivered to such a name, unless the settings allow duplicates.
//!
//! A name is looked up before its first bulk, and again after a bulk with an unknown outcome. A name that does not
//! exist yet becomes whatever the server's templates say: then, and on servers without the lookup, the reply to the
//! bulk shows which index stored the events.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use elasticsearch::indices::IndicesResolveIndexParts;
use serde::Deserialize;

use super::reply::{self, StoredIn};
use super::{ElasticsearchSink, down};
use crate::base::sanitize;
use crate::client::elasticsearch::{LARGEST_REPLY, Method, Reply, Request};
use crate::sink::{Delivery, Items, Outcome, Sink};

/// Time-out of one lookup.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(30);
const NAMES_ONLY: &str = "indices.name,aliases.name,aliases.indices,data_streams.name";
/// Prefix of the names of indexes in data streams.
const BACKING: &str = ".ds-";
/// Maximum length of all names in one lookup, in bytes: servers accept request lines of 4 KiB.
const LONGEST: usize = 2_000;
/// Maximum number of indexes of an alias that a message lists.
const MAX_SHOWN: usize = 3;

/// What one name is on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    Index,
    /// Does not exist yet.
    Absent,
    /// An alias of these indexes.
    Alias(Vec<String>),
    DataStream,
    /// The server does not support the lookup, or does not allow it for this user.
    Unknown,
}

impl TargetKind {
    /// A description for messages, if the name may later lead to another index.
    pub fn rolling(&self) -> Option<String> {
        match self {
            TargetKind::Index | TargetKind::Absent | TargetKind::Unknown => None,
            TargetKind::Alias(indexes) => Some(format!("an alias (for {})", some_of(indexes))),
            TargetKind::DataStream => Some("a data stream".to_owned()),
        }
    }

    /// Why nothing is delivered to `name`, and how to change that; `None` if it can be delivered to.
    pub fn refusal(&self, name: &str) -> Option<String> {
        let rolling = self.rolling()?;
        let pattern = match self {
            TargetKind::DataStream => " that matches no data stream template of the server",
            _ => "",
        };
        Some(format!(
            "{name} is {rolling}: after a rollover, a retry would store events twice; use the name of an index, best \
             with a date pattern (index = \"NAME-%Y.%m.%d\"){pattern}, or accept duplicates: \
             allow_rollover = true"
        ))
    }
}

fn some_of(names: &[String]) -> String {
    let more = if names.len() > MAX_SHOWN { ", …" } else { "" };
    let shown: Vec<_> = names.iter().take(MAX_SHOWN).map(|name| sanitize::line(name)).collect();
    shown.join(", ") + more
}

/// The targets that were looked up so far.
#[derive(Debug, Default)]
pub(super) struct Targets(Mutex<KnownTargets>);

#[derive(Debug, Default)]
struct KnownTargets {
    indexes: HashSet<String>,
    /// Names whose events were stored in an index with another name → that index.
    others: HashMap<String, String>,
}

impl Targets {
    fn known(&self) -> MutexGuard<'_, KnownTargets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names in these items that are not known to be indexes.
    fn unknown(&self, items: &Items) -> Vec<String> {
        let known = self.known();
        let mut names: Vec<String> = Vec::new();
        for name in distinct(items) {
            if !known.indexes.contains(name) && !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Records the indexes; returns the refused names with their reasons.
    fn record_kinds(&self, kinds: Vec<(String, TargetKind)>) -> HashMap<String, String> {
        let mut known = self.known();
        let mut refused = HashMap::new();
        for (name, kind) in kinds {
            let other = known.others.get(&name);
            let kind = match (kind, other) {
                (TargetKind::Unknown, Some(index)) if index.starts_with(BACKING) => {
                    TargetKind::DataStream
                }
                (TargetKind::Unknown, Some(index)) => TargetKind::Alias(vec![index.clone()]),
                (kind, _) => kind,
            };
            if kind == TargetKind::Index {
                known.others.remove(&name);
                known.indexes.insert(name);
            } else if let Some(reason) = kind.refusal(&name) {
                refused.insert(name, reason);
            }
        }
        refused
    }

    /// Records which index stored each item.
    fn record(&self, items: &Items, stored_in: &[StoredIn<'_>]) {
        let mut known = self.known();
        for (item, stored) in items.iter().zip(stored_in) {
            let name = super::target(item);
            match stored {
                StoredIn::Nothing => {}
                StoredIn::Index(index) if index != name => {
                    known.others.insert(name.to_owned(), index.to_string());
                }
                // A server that does not report the index has neither aliases nor data streams.
                StoredIn::Index(_) | StoredIn::Unknown => {
                    if !known.indexes.contains(name) {
                        known.indexes.insert(name.to_owned());
                    }
                }
            }
        }
    }

    /// Forgets the names in these items, so that they are looked up again.
    fn forget(&self, items: &Items) {
        let mut known = self.known();
        for name in distinct(items) {
            known.indexes.remove(name);
        }
    }
}

/// The names of the items; adjacent duplicates are skipped.
fn distinct(items: &Items) -> impl Iterator<Item = &str> {
    let mut last: &[u8] = b"";
    items.iter().filter_map(move |item| {
        if !last.is_empty() && item.starts_with(last) {
            return None;
        }
        let name = super::target(item);
        last = &item[..(super::BEFORE_INDEX.len() + name.len() + 1).min(item.len())];
        Some(name)
    })
}

/// Whether it is known for each item whether it was stored: none may be stored without the sink knowing it.
fn has_known_outcome(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Each(outcomes) => {
            let is_open = |o: &Outcome| matches!(o, Outcome::Retry(_) | Outcome::Fails { .. });
            !outcomes.iter().any(is_open)
        }
        Delivery::TooLarge(_) => true,
        Delivery::All(_) | Delivery::Busy(_) | Delivery::Blocked(_) | Delivery::Down(_) => false,
    }
}

impl ElasticsearchSink {
    /// Delivers the items for which a retry is harmless, and returns the reason for the others.
    pub(super) async fn deliver_once(&self, items: Items) -> (Items, Delivery) {
        let names = self.targets.unknown(&items);
        if names.is_empty() {
            return self.deliver_known(items, false).await;
        }
        let kinds = match self.kinds(&names).await {
            Ok(kinds) => kinds,
            Err(delivery) => return (items, delivery),
        };
        let refused = self.targets.record_kinds(names.into_iter().zip(kinds).collect());
        if refused.is_empty() {
            return self.deliver_known(items, true).await;
        }
        self.deliver_rest(items, &refused).await
    }

    /// Delivers all items except those for the refused names.
    async fn deliver_rest(
        &self,
        mut items: Items,
        refused: &HashMap<String, String>,
    ) -> (Items, Delivery) {
        let mut rest = Items::default();
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items.iter() {
            match refused.get(self.target(item)) {
                Some(reason) => outcomes.push(Outcome::Blocked(reason.clone())),
                None => {
                    rest.push(item);
                    // Replaced by its outcome below.
                    outcomes.push(Outcome::Retry(None));
                }
            }
        }
        if rest.is_empty() {
            return (items, Delivery::Each(outcomes));
        }
        let (rest, delivery) = self.deliver_known(rest, true).await;
        items.set_request_bytes(rest.request_bytes());
        let delivery = match delivery {
            Delivery::Each(delivered) if delivered.len() == rest.len() => {
                let mut delivered = delivered.into_iter();
                let open = |outcome: &&mut Outcome| matches!(outcome, Outcome::Retry(_));
                outcomes.iter_mut().filter(open).for_each(|outcome| {
                    *outcome = delivered.next().expect("one outcome per item");
                });
                Delivery::Each(outcomes)
            }
            other => other,
        };
        (items, delivery)
    }

    /// Delivers items to names that are not refused. `record_indexes`: some of them are not known to be indexes, so the
    /// reply must show where the events were stored.
    async fn deliver_known(&self, items: Items, record_indexes: bool) -> (Items, Delivery) {
        let (items, delivery, reply) = self.post(items, record_indexes).await;
        if let Some(reply) = reply.filter(|_| record_indexes) {
            self.targets.record(&items, &reply::stored_in(&reply.body));
        }
        if !has_known_outcome(&delivery) {
            self.targets.forget(&items);
        }
        (items, delivery)
    }

    /// Looks up the kind of each name. An error is the outcome of the delivery.
    async fn kinds(&self, names: &[String]) -> Result<Vec<TargetKind>, Delivery> {
        let mut kinds = Vec::with_capacity(names.len());
        let mut rest = names;
        while !rest.is_empty() {
            let mut length = 0;
            let fits = |name: &String| {
                length += name.len() + 1;
                length <= LONGEST
            };
            let count = rest.iter().map(fits).take_while(|fits| *fits).count().max(1);
            let (names, more) = rest.split_at(count);
            kinds.extend(self.ask_kinds(names).await?);
            rest = more;
        }
        Ok(kinds)
    }

    async fn ask_kinds(&self, asked: &[String]) -> Result<Vec<TargetKind>, Delivery> {
        let names: Vec<&str> = asked.iter().map(String::as_str).collect();
        let request = Request {
            method: Method::Get,
            path: &IndicesResolveIndexParts::Name(&names).url(),
            query: &[("ignore_unavailable", "true"), ("filter_path", NAMES_ONLY)],
            body: None,
            gzip: false,
            content_type: "application/json",
            time_out: RESOLVE_TIMEOUT,
            largest_reply: LARGEST_REPLY,
        };
        let reply =
            self.client.send(&request).await.map_err(|failure| Delivery::Down(down(failure)))?;
        parse_kinds(&reply, asked)
    }

    /// The names for events of this day and their kinds, for `check`. The error is a message for people.
    pub async fn targets_of(&self, day: i32) -> Result<Vec<(String, TargetKind)>, String> {
        let mut names: Vec<String> = Vec::new();
        for pattern in std::iter::once(&self.index).chain(self.routes.iter().map(|it| &it.index)) {
            let mut name = Vec::new();
            pattern.write(day, &mut name);
            let name = String::from_utf8(name).expect("a pattern is ASCII");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let kinds = self.kinds(&names).await.map_err(|delivery| match delivery {
            Delivery::Blocked(text) => text,
            Delivery::Down(error) => error.to_string(),
            other => format!("unexpected answer: {other:?}"),
        })?;
        Ok(names.into_iter().zip(kinds).collect())
    }
}

/// The fields of [`NAMES_ONLY`] in a reply.
#[derive(Deserialize)]
struct Resolved {
    #[serde(default)]
    indices: Vec<Resolution>,
    #[serde(default)]
    aliases: Vec<Resolution>,
    #[serde(default)]
    data_streams: Vec<Resolution>,
}

#[derive(Deserialize)]
struct Resolution {
    name: String,
    #[serde(default)]
    indices: Vec<String>,
}

fn parse_kinds(reply: &Reply, names: &[String]) -> Result<Vec<TargetKind>, Delivery> {
    match reply.status {
        200 => {}
        // A bulk would get the same reply now; with 501 only the lookup is not supported.
        401 | 429 | 500 | 502..600 => return Err(reply::classify(reply, &Items::default())),
        _ => return Ok(vec![TargetKind::Unknown; names.len()]),
    }
    let Ok(resolved) = serde_json::from_slice::<Resolved>(&reply.body) else {
        return Ok(vec![TargetKind::Unknown; names.len()]);
    };
    let is_in = |all: &[Resolution], name: &str| all.iter().any(|named| named.name == name);
    let kind = |name: &String| {
        if is_in(&resolved.data_streams, name) {
            TargetKind::DataStream
        } else if let Some(alias) = resolved.aliases.iter().find(|alias| alias.name == *name) {
            TargetKind::Alias(alias.indices.clone())
        } else if is_in(&resolved.indices, name) {
            TargetKind::Index
        } else {
            TargetKind::Absent
        }
    };
    Ok(names.iter().map(kind).collect())
}

#[cfg(test)]
mod tests;

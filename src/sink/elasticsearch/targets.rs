//! What the names that events go to stand for on the server.
//!
//! A repeated attempt is harmless only where it meets the index of the first one. An index does that. An alias can be
//! pointed elsewhere, and aliases and data streams roll over: a bulk whose answer was lost would be stored a
//! second time, in another index. (No server takes a new document for a certain index behind a data stream.)
//! So nothing is delivered to such a name, unless the settings allow duplicates.
//!
//! A name is asked for before its first bulk, and again after a bulk whose outcome is unknown. A name that is not
//! there yet becomes whatever a template of the server says: there, and where a server does not tell, the answer
//! to the bulk says which index took the events.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use elasticsearch::indices::IndicesResolveIndexParts;
use serde::Deserialize;

use super::reply::{self, Taker};
use super::{ElasticsearchSink, down};
use crate::base::sanitize;
use crate::client::elasticsearch::{LARGEST_REPLY, Method, Reply, Request};
use crate::sink::{Delivery, Items, Outcome, Sink};

/// Of one question.
const ASKING: Duration = Duration::from_secs(30);
const NAMES_ONLY: &str = "indices.name,aliases.name,aliases.indices,data_streams.name";
/// What the names of indexes behind data streams begin with.
const BACKING: &str = ".ds-";
/// Bytes of names in one question: servers take lines of 4 KiB.
const LONGEST: usize = 2_000;
/// Indexes of an alias that are told to people.
const TOLD: usize = 3;

/// What one name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Index,
    /// Nothing yet.
    Absent,
    /// For these indexes.
    Alias(Vec<String>),
    DataStream,
    /// The server does not know the question, or does not let this user ask.
    Untold,
}

impl Kind {
    /// In words, where it can lead to another index than before.
    pub fn rolling(&self) -> Option<String> {
        match self {
            Kind::Index | Kind::Absent | Kind::Untold => None,
            Kind::Alias(indexes) => Some(format!("an alias (for {})", some_of(indexes))),
            Kind::DataStream => Some("a data stream".to_owned()),
        }
    }

    /// Why `name` is not delivered to, and what to do.
    pub fn refusal(&self, name: &str) -> Option<String> {
        let rolling = self.rolling()?;
        let pattern = match self {
            Kind::DataStream => " and that no template of the server makes a data stream",
            _ => "",
        };
        Some(format!(
            "{name} is {rolling}: when it leads to another index, a repeated attempt does too, and events are stored \
             twice; name an index itself, best one with a date pattern (index = \"NAME-%Y.%m.%d\"){pattern}, or \
             accept duplicates: allow_rollover = true"
        ))
    }
}

fn some_of(names: &[String]) -> String {
    let more = if names.len() > TOLD { ", …" } else { "" };
    let told: Vec<_> = names.iter().take(TOLD).map(|name| sanitize::line(name)).collect();
    told.join(", ") + more
}

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Targets(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    indexes: HashSet<String>,
    /// Names that another index took events for, and which.
    others: HashMap<String, String>,
}

impl Targets {
    fn known(&self) -> MutexGuard<'_, Known> {
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

    /// Notes the indexes; returns why nothing goes to some of the others.
    fn sort(&self, kinds: Vec<(String, Kind)>) -> HashMap<String, String> {
        let mut known = self.known();
        let mut refused = HashMap::new();
        for (name, kind) in kinds {
            let other = known.others.get(&name);
            let kind = match (kind, other) {
                (Kind::Untold, Some(index)) if index.starts_with(BACKING) => Kind::DataStream,
                (Kind::Untold, Some(index)) => Kind::Alias(vec![index.clone()]),
                (kind, _) => kind,
            };
            if kind == Kind::Index {
                known.others.remove(&name);
                known.indexes.insert(name);
            } else if let Some(reason) = kind.refusal(&name) {
                refused.insert(name, reason);
            }
        }
        refused
    }

    /// Which index took each item.
    fn learn(&self, items: &Items, takers: &[Taker<'_>]) {
        let mut known = self.known();
        for (item, taker) in items.iter().zip(takers) {
            let name = super::target(item);
            match taker {
                Taker::Nobody => {}
                Taker::Index(index) if index != name => {
                    known.others.insert(name.to_owned(), index.to_string());
                }
                // A server that does not say it has no other names than those of indexes.
                Taker::Index(_) | Taker::Untold => {
                    if !known.indexes.contains(name) {
                        known.indexes.insert(name.to_owned());
                    }
                }
            }
        }
    }

    fn forget(&self, items: &Items) {
        let mut known = self.known();
        for name in distinct(items) {
            known.indexes.remove(name);
        }
    }
}

/// Neighbours with the same name are told once.
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

/// Nothing of it may be stored without our knowing.
fn is_settled(delivery: &Delivery) -> bool {
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
    /// Delivers what a repeated attempt would not double, and says of the rest why not.
    pub(super) async fn deliver_once(&self, items: Items) -> (Items, Delivery) {
        let names = self.targets.unknown(&items);
        if names.is_empty() {
            return self.deliver_known(items, false).await;
        }
        let kinds = match self.kinds(&names).await {
            Ok(kinds) => kinds,
            Err(delivery) => return (items, delivery),
        };
        let refused = self.targets.sort(names.into_iter().zip(kinds).collect());
        if refused.is_empty() {
            return self.deliver_known(items, true).await;
        }
        self.deliver_rest(items, &refused).await
    }

    /// All but what goes to the refused names.
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
                    // In its place.
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
                    *outcome = delivered.next().expect("one an item");
                });
                Delivery::Each(outcomes)
            }
            other => other,
        };
        (items, delivery)
    }

    /// `learn`: not all of the names are known to be indexes.
    async fn deliver_known(&self, items: Items, learn: bool) -> (Items, Delivery) {
        let (items, delivery, reply) = self.post(items, learn).await;
        if let Some(reply) = reply.filter(|_| learn) {
            self.targets.learn(&items, &reply::takers(&reply.body));
        }
        if !is_settled(&delivery) {
            self.targets.forget(&items);
        }
        (items, delivery)
    }

    /// One a name. An error is what becomes of the delivery.
    async fn kinds(&self, names: &[String]) -> Result<Vec<Kind>, Delivery> {
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

    async fn ask_kinds(&self, asked: &[String]) -> Result<Vec<Kind>, Delivery> {
        let names: Vec<&str> = asked.iter().map(String::as_str).collect();
        let request = Request {
            method: Method::Get,
            path: &IndicesResolveIndexParts::Name(&names).url(),
            query: &[("ignore_unavailable", "true"), ("filter_path", NAMES_ONLY)],
            body: None,
            packed: false,
            content_type: "application/json",
            time_out: ASKING,
            largest_reply: LARGEST_REPLY,
        };
        let reply =
            self.client.send(&request).await.map_err(|failure| Delivery::Down(down(failure)))?;
        answered(&reply, asked)
    }

    /// What the names of this day stand for: for a person. Errors are for people.
    pub async fn targets_of(&self, day: i32) -> Result<Vec<(String, Kind)>, String> {
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
            other => format!("it answers {other:?}"),
        })?;
        Ok(names.into_iter().zip(kinds).collect())
    }
}

/// [`NAMES_ONLY`] of an answer.
#[derive(Deserialize)]
struct Resolved {
    #[serde(default)]
    indices: Vec<Named>,
    #[serde(default)]
    aliases: Vec<Named>,
    #[serde(default)]
    data_streams: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    indices: Vec<String>,
}

fn answered(reply: &Reply, names: &[String]) -> Result<Vec<Kind>, Delivery> {
    match reply.status {
        200 => {}
        // As a bulk would be answered now; 501 says that this alone is not known there.
        401 | 429 | 500 | 502..600 => return Err(reply::judge(reply, &Items::default())),
        _ => return Ok(vec![Kind::Untold; names.len()]),
    }
    let Ok(resolved) = serde_json::from_slice::<Resolved>(&reply.body) else {
        return Ok(vec![Kind::Untold; names.len()]);
    };
    let is_in = |all: &[Named], name: &str| all.iter().any(|named| named.name == name);
    let kind = |name: &String| {
        if is_in(&resolved.data_streams, name) {
            Kind::DataStream
        } else if let Some(alias) = resolved.aliases.iter().find(|alias| alias.name == *name) {
            Kind::Alias(alias.indices.clone())
        } else if is_in(&resolved.indices, name) {
            Kind::Index
        } else {
            Kind::Absent
        }
    };
    Ok(names.iter().map(kind).collect())
}

#[cfg(test)]
mod tests;

//! Events as servers take them: Elasticsearch 7.17, 8.15 and 9.1 and OpenSearch 2.19 and 3.8 refuse names and values
//! that are good JSON, each of them for ever. They leave changed as little as possible, by the rules of
//! docs/DELIVERY.md, which let a reader tell what stood in the log; what is changed is told once a name.
//!
//! Nothing is changed here that one server takes and another index might not: a text where an index has numbers is
//! still a dead letter.

mod names;
mod parts;
mod values;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::base::sanitize;
use crate::event::Value;
use crate::privacy::{Outgoing, write_members};

/// Names that are told of, at most.
const TOLD: usize = 200;
/// Letters of a name in a message.
const SHOWN: usize = 80;

/// Knows what it has told.
#[derive(Debug, Default)]
pub(super) struct Fit {
    told: Mutex<HashSet<String>>,
}

impl Fit {
    /// Appends the event document.
    pub(super) fn write(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        event.write_json_by(body, |body| match names::are_plain(event.fields()) {
            true => write_members(event.fields(), body, |name, value, body| {
                self.write_value(name, &value, body);
            }),
            false => self.write_renamed(event, body),
        });
    }

    fn write_renamed(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        let fields: Vec<(&str, Value<'_>)> = event.fields().collect();
        let names = names::acceptable(&fields);
        for ((before, _), name) in fields.iter().zip(&names) {
            if before != name {
                self.tell(before, || format!("leaves as `{}`", shown(name)));
            }
        }
        let fields = names.iter().map(Cow::as_ref).zip(fields.iter().map(|(_, value)| value));
        write_members(fields, body, |name, value, body| self.write_value(name, value, body));
    }

    fn write_value(&self, name: &str, value: &Value<'_>, body: &mut Vec<u8>) {
        if values::write(name, value, body) {
            let what = "holds keys or values that no Elasticsearch takes; they leave changed";
            self.tell(name, || what.to_owned());
        }
    }

    /// Once a name.
    fn tell(&self, name: &str, what: impl Fn() -> String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD || told.contains(name) {
            return;
        }
        told.insert(name.to_owned());
        let last = if told.len() == TOLD { "; more names are not told of" } else { "" };
        drop(told);
        tracing::warn!(
            "the field `{}` {} (docs/DELIVERY.md, \"Names and values\"){last}",
            shown(name),
            what()
        );
    }
}

fn shown(name: &str) -> String {
    let short: String = name.chars().take(SHOWN).collect();
    let more = if short.len() < name.len() { "…" } else { "" };
    sanitize::line(&short).into_owned() + more
}

#[cfg(test)]
mod tests;

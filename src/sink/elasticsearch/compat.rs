//! Events as servers take them: Elasticsearch 7.17, 8.15 and 9.1 and OpenSearch 2.19 and 3.8 refuse names and values
//! that are good JSON, each of them for ever. They leave changed as little as possible, by the rules of
//! docs/DELIVERY.md, which let a reader tell what stood in the log; what is changed is told once a name.
//!
//! Nothing is changed here that one server takes and another index might not: a text where an index has numbers is
//! still a dead letter.

mod change_reports;
mod name_parts;
mod names;
mod tags;
mod unique_names;
mod values;

use std::sync::{Mutex, PoisonError};

use self::change_reports::{MOST, Telling, Told};
use self::values::Named;
use crate::base::bytes::count;
use crate::base::sanitize;
use crate::event::Value;
use crate::privacy::{Outgoing, write_members};

/// Letters of a name in a message.
const SHOWN: usize = 80;

/// Knows what it has told.
#[derive(Debug, Default)]
pub(super) struct Fit {
    told: Mutex<Told>,
}

impl Fit {
    /// Appends the event document.
    pub(super) fn write(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        event.write_json_by(body, |body| self.write_fields(event.fields(), body));
    }

    /// A member for each field, with a comma before it.
    fn write_fields<'e>(
        &self,
        fields: impl Iterator<Item = (&'e str, Value<'e>)> + Clone,
        body: &mut Vec<u8>,
    ) {
        let start = body.len();
        let hidden = match names::are_plain(fields.clone()) {
            true => self.write_values(fields.clone(), body),
            false => self.write_renamed(&Vec::from_iter(fields.clone()), body),
        };
        if !hidden.is_empty() {
            body.truncate(start);
            let beside = tags::beside(hidden, fields.clone());
            self.write_renamed(&tags::added(fields, &beside), body);
        }
    }

    /// Returns the tags that stand in texts now.
    fn write_renamed(&self, fields: &[(&str, Value<'_>)], body: &mut Vec<u8>) -> Vec<Named> {
        let names = names::acceptable(fields);
        for ((before, _), name) in fields.iter().zip(&names) {
            if before != name {
                self.tell(before, || format!("leaves as `{}`", shown(name)));
            }
        }
        let values = fields.iter().map(|(_, value)| value.clone());
        self.write_values(names.iter().map(AsRef::as_ref).zip(values), body)
    }

    fn write_values<'e>(
        &self,
        fields: impl Iterator<Item = (&'e str, Value<'e>)> + Clone,
        body: &mut Vec<u8>,
    ) -> Vec<Named> {
        let mut hidden = Vec::new();
        write_members(fields, body, |name, value, body| {
            if values::write(name, &value, body, &mut hidden) {
                let what = "holds keys or values that no Elasticsearch takes; they leave changed";
                self.tell(name, || what.to_owned());
            }
        });
        hidden
    }

    /// Once a name.
    fn tell(&self, name: &str, what: impl Fn() -> String) {
        let telling = self.told.lock().unwrap_or_else(PoisonError::into_inner).note(name);
        let last = match telling {
            Telling::Nothing => return,
            Telling::Name => String::new(),
            Telling::LastName => format!("; it is the last of {MOST} names that are told of"),
            Telling::Sum(untold) => {
                return tracing::warn!(
                    "{} fields left changed beside those of the {MOST} names that were told of, the last one is `{}` \
                     (docs/DELIVERY.md, \"Names and values\")",
                    count(untold),
                    shown(name)
                );
            }
        };
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

//! Makes event documents acceptable to servers. Elasticsearch 7.17, 8.15 and 9.1 and OpenSearch 2.19 and 3.8
//! permanently reject some names and values that are valid JSON. These are changed as little as possible, by the
//! rules in docs/DELIVERY.md, and it stays recognisable what was in the log. Each changed name is reported once.
//!
//! Nothing is changed to suit the mapping of an index: an event with a text in a numeric field still becomes a dead
//! letter.

mod change_reports;
mod name_parts;
mod names;
mod tags;
mod unique_names;
mod values;

use std::sync::{Mutex, PoisonError};

use self::change_reports::{MOST, Report, ReportedNames};
use self::values::NamedTag;
use crate::base::bytes::count;
use crate::base::sanitize;
use crate::event::Value;
use crate::privacy::{Outgoing, write_members};

/// Maximum number of characters of a name in a message.
const SHOWN: usize = 80;

/// Encodes documents and remembers which changes it has reported.
#[derive(Debug, Default)]
pub(super) struct Compat {
    reported: Mutex<ReportedNames>,
}

impl Compat {
    /// Appends the event document.
    pub(super) fn write(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        event.write_json_by(body, |body| self.write_fields(event.fields(), body));
    }

    /// Appends a member for each field, with a comma before it. Tags that end up inside a text are also written as
    /// fields of their own.
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
            let beside = tags::tag_fields(hidden, fields.clone());
            self.write_renamed(&tags::with_tag_fields(fields, &beside), body);
        }
    }

    /// Appends the fields under acceptable names. Returns the tags that are now inside texts.
    fn write_renamed(&self, fields: &[(&str, Value<'_>)], body: &mut Vec<u8>) -> Vec<NamedTag> {
        let names = names::acceptable(fields);
        for ((before, _), name) in fields.iter().zip(&names) {
            if before != name {
                self.report_change(before, || format!("is sent as `{}`", shown(name)));
            }
        }
        let values = fields.iter().map(|(_, value)| value.clone());
        self.write_values(names.iter().map(AsRef::as_ref).zip(values), body)
    }

    fn write_values<'e>(
        &self,
        fields: impl Iterator<Item = (&'e str, Value<'e>)> + Clone,
        body: &mut Vec<u8>,
    ) -> Vec<NamedTag> {
        let mut hidden = Vec::new();
        write_members(fields, body, |name, value, body| {
            if values::write(name, &value, body, &mut hidden) {
                let what = "contains keys or values that Elasticsearch rejects; they are changed in the sent event";
                self.report_change(name, || what.to_owned());
            }
        });
        hidden
    }

    /// Reports each name once.
    fn report_change(&self, name: &str, what: impl Fn() -> String) {
        let report = self.reported.lock().unwrap_or_else(PoisonError::into_inner).note(name);
        let last = match report {
            Report::None => return,
            Report::Name => String::new(),
            Report::LastName => format!("; further names are only counted ({MOST} names reported)"),
            Report::Sum(unreported) => {
                return tracing::warn!(
                    "{} more changes in fields beyond the {MOST} reported names, the last one in `{}` \
                     (docs/DELIVERY.md, \"Names and values\")",
                    count(unreported),
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

//! Reads the section `[sink.NAME]` of the configuration.

use super::without_effect;
use crate::app::settings::SinkSettings;
use crate::config::{Section, closest};
use crate::sink::kinds;

/// Reserved kinds that this version does not support.
const PLANNED: [&str; 3] = ["redis", "postgres", "kafka"];

/// `None`: the sink is invalid, or disabled and of an unsupported kind.
pub fn read(name: &str, section: &mut Section<'_>) -> Option<SinkSettings> {
    let written = section.text("kind");
    let kind = written.as_deref().unwrap_or(name);
    let enabled = section.flag("enabled").unwrap_or(true);
    let levels = section.levels("levels").unwrap_or_default();
    let where_ = section.query("where").map(|(tree, _)| tree);
    without_effect(section, &["from"]);
    let ship = section.section("ship", super::ship);
    if let Some(entry) = kinds::ALL.iter().find(|entry| entry.name == kind) {
        let kind = (entry.read)(section)?;
        return Some(SinkSettings { name: name.to_owned(), kind, enabled, levels, where_, ship });
    }
    if !PLANNED.contains(&kind) {
        unknown_kind(name, kind, written.is_some(), section);
        return None;
    }
    server(kind, section);
    if enabled {
        let location = section.place().clone();
        let problem = format!(
            "sink `{name}`: kind {kind} is not supported; remove the sink or set enabled = false"
        );
        section.findings.error(&location, problem);
    }
    None
}

fn unknown_kind(name: &str, kind: &str, written: bool, section: &mut Section<'_>) {
    let kinds: Vec<&str> = kinds::ALL.iter().map(|entry| entry.name).chain(PLANNED).collect();
    let hint = match closest(kind, kinds.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known kinds: {}", kinds.join(", ")),
    };
    let problem = match written {
        true => format!("sink `{name}`: unknown kind `{kind}`; {hint}"),
        false => format!("sink `{name}` needs `kind`, because its name is not a kind; {hint}"),
    };
    let location = section.place().clone();
    section.findings.error(&location, problem);
    // The other keys depend on the kind and cannot be checked.
    section.ignore_rest();
}

/// Reads the settings of a server of an unsupported kind, only to check them as far as possible.
fn server(kind: &str, section: &mut Section<'_>) {
    for key in ["username", "password_file", "password_env", "ca_file", "ca_fingerprint"] {
        section.text(key);
    }
    match kind {
        "redis" => {
            section.choice("mode", &[("pubsub", ()), ("stream", ())]);
            for key in ["url_file", "channel", "stream", "wait"] {
                section.text(key);
            }
            section.number("maxlen", 1, u64::MAX);
        }
        "postgres" => {
            section.text("url_file");
            section.text("table");
        }
        _ => {
            section.texts("brokers");
            section.text("topic");
        }
    }
}

#[cfg(test)]
mod tests;

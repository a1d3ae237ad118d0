//! `[sink.NAME]`.

use std::time::Duration;

use super::super::closest;
use super::super::home;
use super::super::section::Section;
use super::without_effect;
use crate::app::settings::{SinkKind, SinkSettings};
use crate::base::bytes::parse_duration;

const KINDS: [&str; 7] =
    ["archive", "file", "stdout", "elasticsearch", "redis", "postgres", "kafka"];

/// `None`: disabled by being of a kind that this version has not, or wrong.
pub fn read(name: &str, section: &mut Section<'_>) -> Option<SinkSettings> {
    let written = section.text("kind");
    let kind = written.as_deref().unwrap_or(name);
    let enabled = section.flag("enabled").unwrap_or(true);
    let levels = section.levels("levels").unwrap_or_default();
    let where_ = section.query("where").map(|(tree, _)| tree);
    without_effect(section, &["from"]);
    let ship = section.section("ship", super::ship);
    let kind = match kind {
        "archive" => {
            let keep = section.parsed("keep", read_keep);
            SinkKind::Archive { keep: keep.unwrap_or(Some(SinkSettings::ARCHIVE_KEEPS)) }
        }
        "file" => SinkKind::File { path: home::expand(&section.required_text("path")?) },
        "stdout" => SinkKind::Stdout,
        "elasticsearch" => {
            let settings = super::elasticsearch::read(section)?;
            SinkKind::Elasticsearch(Box::new(settings))
        }
        "redis" | "postgres" | "kafka" => {
            server(kind, section);
            if enabled {
                let place = section.place().clone();
                let problem = format!(
                    "sink `{name}`: this build has no {kind}; remove the sink or set enabled = false"
                );
                section.findings.error(&place, problem);
            }
            return None;
        }
        unknown => {
            unknown_kind(name, unknown, written.is_some(), section);
            return None;
        }
    };
    Some(SinkSettings { name: name.to_owned(), kind, enabled, levels, where_, ship })
}

fn unknown_kind(name: &str, kind: &str, written: bool, section: &mut Section<'_>) {
    let hint = match closest(kind, KINDS) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the kinds are {}", KINDS.join(", ")),
    };
    let problem = match written {
        true => format!("sink `{name}`: unknown kind `{kind}`; {hint}"),
        false => format!("sink `{name}` needs `kind`, since its name is none; {hint}"),
    };
    let place = section.place().clone();
    section.findings.error(&place, problem);
    // Its other keys depend on the kind: nothing can be said about them.
    section.ignore_rest();
}

/// The settings of the servers, checked as far as they can be without one.
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

fn read_keep(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "forever" => Ok(None),
        _ => parse_duration(text).map(Some).map_err(|problem| format!("{problem}, or `forever`")),
    }
}

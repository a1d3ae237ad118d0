//! Decides whether the event, a limit or the settings of the target are the cause of a rejection with status 400. The
//! reasons of the error and its causes take precedence over its type, because servers use one type for all of these.
//! The texts are those of Elasticsearch 7.17, 8.15 and 9.1, and OpenSearch 2.19 and 3.8.
//!
//! Only the starts of reasons are compared: later parts quote the event.

use super::Problem;

/// The cause of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The event would be rejected forever.
    Event,
    /// A limit of the target: it refuses similar events until someone raises the limit or frees space.
    Limit,
    /// Settings of the target, or of the template for new indexes: it refuses every event.
    Settings,
    Unknown,
}

const LIMITS: [&str; 2] = ["Limit of total ", "Limit of nested fields"];

const SETTINGS: [&str; 7] = [
    "pipeline with id [",
    "no write index is defined for alias [",
    "Invalid index name [",
    "analyzer [",
    "Custom Analyzer [",
    "Custom normalizer [",
    "unknown setting [",
];

const OF_THE_EVENT: [&str; 12] = [
    "Limit of mapping depth",
    "The depth of the field",
    "Limit of field name length",
    "The number of nested documents",
    "Document contains at least one immense term",
    // The field has another type in the index, or in another part of the event.
    "mapper [",
    "can't merge a non object mapping",
    "can't merge an object mapping",
    "object mapping ",
    "failed to parse",
    "field name ",
    "Field name ",
];

/// Types of errors that the event causes, unless a reason says otherwise.
const TYPES_OF_THE_EVENT: [&str; 4] = [
    "mapper_parsing_exception",
    "document_parsing_exception",
    "strict_dynamic_mapping_exception",
    "parse_exception",
];

/// The cause of the rejection of an item with status 400.
pub(super) fn of(error: &Problem<'_>) -> Fault {
    let reasons = || error.reasons().map(beginning);
    let starts = |with: &[&str]| reasons().any(|reason| with.iter().any(|w| reason.starts_with(w)));
    if starts(&LIMITS) || is_about_shards(error) {
        Fault::Limit
    } else if starts(&SETTINGS) {
        Fault::Settings
    } else if starts(&OF_THE_EVENT) || TYPES_OF_THE_EVENT.contains(&&*error.kind) {
        Fault::Event
    } else {
        Fault::Unknown
    }
}

/// "… this cluster currently has [1000]/[1000] maximum normal shards open;": the word before "shards" differs.
fn is_about_shards(error: &Problem<'_>) -> bool {
    let reason = error.reason.as_deref().unwrap_or_default();
    reason.starts_with("Validation Failed") && reason.contains("shards open")
}

/// Removes the position that some versions put first, and the text before the actual reason: `[1:101] failed to
/// parse: …`.
fn beginning(reason: &str) -> &str {
    let place = |c: char| c.is_ascii_digit() || c == ':';
    let behind = reason.strip_prefix('[').map(|rest| rest.trim_start_matches(place));
    let reason = behind.and_then(|rest| rest.strip_prefix("] ")).unwrap_or(reason);
    reason.strip_prefix("failed to parse: ").unwrap_or(reason)
}

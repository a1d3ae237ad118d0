//! The part of `logwarden check` for a sink of the kind `elasticsearch`: whether the server answers, and whether each
//! event can be stored exactly once. Changes nothing, except that a server which is neither Elasticsearch nor
//! OpenSearch is sent one document twice, for a temporary index.

use tokio::runtime::Runtime;

use crate::base::{Clock, SystemClock};
use crate::sink::ElasticsearchSink;
use crate::sink::elasticsearch::{Settings, TargetKind};

/// The result of the check, in one line: `Ok` if events can be delivered, perhaps with remarks.
pub(super) fn server(settings: &Settings) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the check ({error})"))?;
    let answers = answers(&runtime, settings)?;
    let notes = targets(&runtime, settings)?;
    let unique =
        getrandom::u64().map_err(|error| format!("cannot get random numbers ({error})"))?;
    let sink = ElasticsearchSink::new(settings.clone());
    let delivery_problems = runtime.block_on(sink.delivery_problems(&format!("{unique:016x}")));
    let delivery_problems: String =
        delivery_problems.iter().map(|problem| format!("; {problem}")).collect();
    Ok(format!("{answers}; events go to {}{notes}{delivery_problems}", settings.index))
}

/// Sends one request to each address; an error if one does not answer.
fn answers(runtime: &Runtime, settings: &Settings) -> Result<String, String> {
    let mut problems = Vec::new();
    for url in &settings.connection.urls {
        let mut alone = settings.clone();
        alone.connection.urls = vec![url.clone()];
        if let Err(error) = runtime.block_on(ElasticsearchSink::new(alone).check()) {
            problems.push(error.to_string());
        }
    }
    match (problems.len(), settings.connection.urls.len()) {
        (0, 1) => Ok("the server answers".to_owned()),
        (0, all) => Ok(format!("all {all} servers answer")),
        _ => Err(problems.join("; ")),
    }
}

/// Remarks about the targets of today's events, or an error if one of them is refused.
fn targets(runtime: &Runtime, settings: &Settings) -> Result<String, String> {
    let today = SystemClock::new().now().day();
    let sink = ElasticsearchSink::new(settings.clone());
    let (mut notes, mut problems) = (String::new(), Vec::new());
    for (name, kind) in runtime.block_on(sink.targets_of(today))? {
        if kind == TargetKind::Unknown {
            notes.push_str(&format!(
                "; cannot tell whether {name} is an alias or a data stream: grant this user \
                 `view_index_metadata` on it"
            ));
        }
        let Some(rolling) = kind.rolling() else { continue };
        match settings.allow_rollover {
            true => notes.push_str(&format!(
                "; {name} is {rolling}: duplicates are possible (allow_rollover)"
            )),
            false => problems.extend(kind.refusal(&name)),
        }
    }
    if problems.is_empty() { Ok(notes) } else { Err(problems.join("; ")) }
}

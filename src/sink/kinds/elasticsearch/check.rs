//! Does the server answer, and can it and its targets keep the promise "once"? Changes nothing, but that a server which
//! is neither Elasticsearch nor OpenSearch gets a document twice, in an index of its own.

use tokio::runtime::Runtime;

use crate::base::{Clock, SystemClock};
use crate::sink::ElasticsearchSink;
use crate::sink::elasticsearch::{Kind, Settings};

pub(super) fn server(settings: &Settings) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start ({error})"))?;
    let answers = answers(&runtime, settings)?;
    let notes = targets(&runtime, settings)?;
    let unique = getrandom::u64().map_err(|error| format!("no random numbers ({error})"))?;
    let sink = ElasticsearchSink::new(settings.clone());
    let doubts = runtime.block_on(sink.doubts(&format!("{unique:016x}")));
    let doubts: String = doubts.iter().map(|doubt| format!("; {doubt}")).collect();
    Ok(format!("{answers}; events go to {}{notes}{doubts}", settings.index))
}

/// One request to each address.
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

/// What today's events go to: what is odd about it, or an error where nothing would be delivered.
fn targets(runtime: &Runtime, settings: &Settings) -> Result<String, String> {
    let today = SystemClock::new().now().day();
    let sink = ElasticsearchSink::new(settings.clone());
    let (mut notes, mut problems) = (String::new(), Vec::new());
    for (name, kind) in runtime.block_on(sink.targets_of(today))? {
        if kind == Kind::Untold {
            notes.push_str(&format!(
                "; whether {name} is an alias or a data stream cannot be asked: grant this user \
                 `view_index_metadata` on it"
            ));
        }
        let Some(rolling) = kind.rolling() else { continue };
        match settings.allow_rollover {
            true => notes
                .push_str(&format!("; {name} is {rolling}: at least once, as allow_rollover says")),
            false => problems.extend(kind.refusal(&name)),
        }
    }
    if problems.is_empty() { Ok(notes) } else { Err(problems.join("; ")) }
}

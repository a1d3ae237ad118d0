//! `logwarden dead-letters`: lists, replays and deletes events that a sink rejected permanently. `list` and `show` work
//! beside a running engine; `replay` and `drop` are carried out by that engine, or here if none is running.

mod list;
mod replay;

use crate::app::dead_letters::{self, Selection};
use crate::app::settings::Settings;
use crate::base::{Clock, SystemClock};
use crate::cli::arguments::{DeadLetterFilter, DeadLetters, Global};
use crate::cli::exit::{Exit, say, usage_error};
use crate::cli::resolve;
use crate::query::ParseContext;
use crate::sink::dead_letters::{DeadLetterDirectory, LetterFilter, MalformedLines};

/// One `dead-letters` command: the selected dead letters and their directory.
struct DeadLetterCommand {
    settings: Settings,
    directory: DeadLetterDirectory,
    choice: LetterFilter,
}

pub fn run(global: &Global, command: &DeadLetters) -> anyhow::Result<Exit> {
    match command {
        DeadLetters::List { filter, output } => command_for(global, filter)?.list(output.is_json()),
        DeadLetters::Show { filter, output } => command_for(global, filter)?.show(output.is_json()),
        DeadLetters::Replay { filter } => command_for(global, filter)?.replay(),
        DeadLetters::Drop(drop) => command_for(global, &drop.filter)?.drop(drop.yes),
    }
}

fn command_for(global: &Global, filter: &DeadLetterFilter) -> anyhow::Result<DeadLetterCommand> {
    let settings = resolve::settings(global)?;
    let clock = std::sync::Arc::new(SystemClock::new());
    let context = ParseContext { now: clock.now(), zone: settings.zone.clone() };
    let selection = Selection {
        sink: filter.sink.clone(),
        day: filter.day.clone(),
        id: filter.id.clone(),
        query: filter.where_.clone(),
        tags: Vec::new(),
    };
    let choice = selection.choice(&context).map_err(|error| usage_error(error.to_string()))?;
    let directory = dead_letters::directory(&settings, clock);
    Ok(DeadLetterCommand { settings, directory, choice })
}

/// Reports lines that are not dead letters; the exit code then says that something was left out.
pub(super) fn report_malformed(odd: &MalformedLines) -> Exit {
    for text in &odd.first {
        say(text);
    }
    match odd.lines - odd.first.len() as u64 {
        _ if odd.lines == 0 => return Exit::Done,
        0 => {}
        more => say(format_args!("and {more} more lines that are not dead letters")),
    }
    Exit::Lossy
}

//! `logwarden dead-letters`: what sinks refused for good. Looking needs no owner of the state directory; replay
//! and drop are done by the engine that owns it, or here where none runs.

mod list;
mod replay;

use crate::app::dead_letters::{self, Selection};
use crate::app::settings::Settings;
use crate::base::{Clock, SystemClock};
use crate::cli::arguments::{Chosen, DeadLetters, Global};
use crate::cli::exit::{Exit, say, usage_error};
use crate::cli::resolve;
use crate::query::ParseContext;
use crate::sink::dead_letters::{Choice, DeadLetterDirectory, Oddities};

/// The letters that are meant, and where they lie.
struct Desk {
    settings: Settings,
    directory: DeadLetterDirectory,
    choice: Choice,
}

pub fn run(global: &Global, command: &DeadLetters) -> anyhow::Result<Exit> {
    match command {
        DeadLetters::List { chosen, listed } => desk(global, chosen)?.list(listed.is_json()),
        DeadLetters::Show { chosen, listed } => desk(global, chosen)?.show(listed.is_json()),
        DeadLetters::Replay { chosen } => desk(global, chosen)?.replay(),
        DeadLetters::Drop(drop) => desk(global, &drop.chosen)?.drop(drop.yes),
    }
}

fn desk(global: &Global, chosen: &Chosen) -> anyhow::Result<Desk> {
    let settings = resolve::settings(global)?;
    let clock = std::sync::Arc::new(SystemClock::new());
    let context = ParseContext { now: clock.now(), zone: settings.zone.clone() };
    let selection = Selection {
        sink: chosen.sink.clone(),
        day: chosen.day.clone(),
        id: chosen.id.clone(),
        query: chosen.where_.clone(),
        tags: Vec::new(),
    };
    let choice = selection.choice(&context).map_err(|error| usage_error(error.to_string()))?;
    let directory = dead_letters::directory(&settings, clock);
    Ok(Desk { settings, directory, choice })
}

/// Says where lines are that are no letters; then the command has not done all that was asked.
pub(super) fn tell(odd: &Oddities) -> Exit {
    for text in &odd.first {
        say(text);
    }
    match odd.lines - odd.first.len() as u64 {
        _ if odd.lines == 0 => return Exit::Done,
        0 => {}
        more => say(format_args!("and {more} more lines that are no dead letters")),
    }
    Exit::Lossy
}

//! The `:` command line: runs every command by its name. Shipping commands accept the name of a sink.

use super::{Effect, State, run, ship};
use crate::event::{Command, Level};
use crate::ui::commands::{VERBS, Verb};

/// Runs a typed command: `retry`, `ship-now es`, `reload`. Empty text does nothing.
pub fn entered(state: &mut State, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let Some(name) = words.next() else { return Ok(()) };
    let Some(info) = VERBS.iter().find(|info| info.name == name) else {
        return Err(format!("unknown command: {name} (? for help)"));
    };
    match words.next() {
        None => {
            // Closed first: the command may open a prompt of its own.
            state.prompt = None;
            run(state, info.verb, effects);
            Ok(())
        }
        Some(sink) => of_one_sink(state, info.verb, sink, effects),
    }
}

/// Runs a shipping command for one sink.
fn of_one_sink(
    state: &mut State,
    verb: Verb,
    name: &str,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    if !state.can_ship() {
        return Err("this screen only shows logs and ships nothing".to_owned());
    }
    if !state.status.sinks.iter().any(|sink| sink.name == name) {
        let names: Vec<&str> = state.status.sinks.iter().map(|sink| &*sink.name).collect();
        return Err(format!("unknown sink: {name} (sinks: {})", names.join(", ")));
    }
    let sink = Some(name.to_owned());
    let command = match verb {
        Verb::ShipNow => Command::ShipNow { sink },
        Verb::Retry => Command::Retry { sink },
        Verb::PauseShipping if state.is_paused(sink.as_deref()) => Command::Resume { sink },
        Verb::PauseShipping => Command::Pause { sink, by: ship::BY.to_owned() },
        _ => return Err(format!("{} does not take a sink name", verb.info().name)),
    };
    effects.push(Effect::Command(command));
    let started = match verb {
        Verb::ShipNow => "shipping everything up to now to",
        Verb::Retry => "retrying",
        _ if state.is_paused(Some(name)) => "resuming shipping to",
        _ => "pausing shipping to",
    };
    state.answer(Level::Info, format!("{started} {name}"));
    Ok(())
}

//! The command line: every command by its name, and what has no key. Those that ship take the name of a sink.

use super::{Effect, State, run, ship};
use crate::event::{Command, Level};
use crate::ui::commands::{VERBS, Verb};

/// `retry`, `ship-now es`, `reload`; nothing typed does nothing.
pub fn entered(state: &mut State, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let Some(name) = words.next() else { return Ok(()) };
    let Some(info) = VERBS.iter().find(|info| info.name == name) else {
        return Err(format!("no command is called {name}; ? lists what there is"));
    };
    match words.next() {
        None => {
            // What it opens must not be closed with this line.
            state.prompt = None;
            run(state, info.verb, effects);
            Ok(())
        }
        Some(sink) => of_one_sink(state, info.verb, sink, effects),
    }
}

fn of_one_sink(
    state: &mut State,
    verb: Verb,
    name: &str,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    if !state.can_ship() {
        return Err("this screen ships nothing".to_owned());
    }
    if !state.status.sinks.iter().any(|sink| sink.name == name) {
        let names: Vec<&str> = state.status.sinks.iter().map(|sink| &*sink.name).collect();
        return Err(format!("no sink is called {name}; there is {}", names.join(", ")));
    }
    let sink = Some(name.to_owned());
    let command = match verb {
        Verb::ShipNow => Command::ShipNow { sink },
        Verb::Retry => Command::Retry { sink },
        Verb::PauseShipping if state.is_paused(sink.as_deref()) => Command::Resume { sink },
        Verb::PauseShipping => Command::Pause { sink, by: ship::BY.to_owned() },
        _ => return Err(format!("{} takes no name of a sink", verb.info().name)),
    };
    effects.push(Effect::Command(command));
    let asked = match verb {
        Verb::ShipNow => "to ship everything up to now",
        Verb::Retry => "to try again now",
        _ if state.is_paused(Some(name)) => "to resume",
        _ => "to pause",
    };
    state.say(Level::Info, format!("asked {name} {asked}"));
    Ok(())
}

//! Ship now, pause and resume, try again.

use super::{Effect, State};
use crate::event::status::EngineState;
use crate::event::{Command, Level};
use crate::ui::state::{Overlay, Pane, Question};

/// Who pauses from here.
pub const BY: &str = "the screen";

/// The selected sink while the shipping pane has the focus; else all of them.
pub fn chosen(state: &State) -> Option<String> {
    let sink = state.status.sinks.get(state.selected[2])?;
    (state.focus == Pane::Shipping && state.status.sinks.len() > 1).then(|| sink.name.clone())
}

pub fn now(state: &mut State, effects: &mut Vec<Effect>) {
    if may_ship(state) {
        let sink = chosen(state);
        state.say(Level::Info, format!("shipping to {} up to now", name(sink.as_deref())));
        effects.push(Effect::Command(Command::ShipNow { sink }));
    }
}

pub fn retry(state: &mut State, effects: &mut Vec<Effect>) {
    if may_ship(state) {
        let sink = chosen(state);
        state.say(Level::Info, format!("trying {} again", name(sink.as_deref())));
        effects.push(Effect::Command(Command::Retry { sink }));
    }
}

/// Resuming is harmless; a pause is asked for.
pub fn pause_or_resume(state: &mut State, effects: &mut Vec<Effect>) {
    if !may_ship(state) {
        return;
    }
    let sink = chosen(state);
    if state.is_paused(sink.as_deref()) {
        state.say(Level::Info, format!("shipping to {} resumes", name(sink.as_deref())));
        effects.push(Effect::Command(Command::Resume { sink }));
    } else {
        state.overlay = Some(Overlay::Ask(Question::Pause));
    }
}

/// The engine tells what came of it.
pub fn reload(state: &mut State, effects: &mut Vec<Effect>) {
    if let EngineState::ViewOnly { .. } = &state.status.engine {
        state.say(Level::Warning, "this screen only looks on; the engine reloads on SIGHUP");
        return;
    }
    state.say(Level::Info, "the configuration is read again");
    effects.push(Effect::Command(Command::Reload));
}

/// Where the selected event is on its way to each sink.
pub fn ask_where(state: &State, effects: &mut Vec<Effect>) {
    if let Some(place) = state.selected_place()
        && state.can_ship()
        && !state.status.sinks.is_empty()
    {
        effects.push(Effect::Command(Command::Where { place }));
    }
}

fn may_ship(state: &mut State) -> bool {
    // First, because a screen that only looks on has no sinks of its own.
    if let EngineState::ViewOnly { reason } = &state.status.engine {
        let text = format!("this screen ships nothing: {reason}");
        state.say(Level::Warning, text);
        return false;
    }
    if !state.may_have_sinks() {
        state.say(Level::Warning, "there is nothing to ship to");
        return false;
    }
    true
}

fn name(sink: Option<&str>) -> &str {
    sink.unwrap_or("all sinks")
}

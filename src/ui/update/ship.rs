//! Handles the keys that send a command to the engine: ship now, pause, resume, retry, reload. Also asks the engine for
//! the delivery state of an event.

use super::{Effect, State};
use crate::event::status::EngineState;
use crate::event::{Command, Level};
use crate::ui::state::{Overlay, Pane, Question};

/// Name of this screen as the origin of a pause.
pub const BY: &str = "the screen";

/// The selected sink while the shipping pane has the focus; `None`: all sinks.
pub fn chosen_sink(state: &State) -> Option<String> {
    let sink = state.status.sinks.get(state.selected[2])?;
    (state.focus == Pane::Shipping && state.status.sinks.len() > 1).then(|| sink.name.clone())
}

pub fn now(state: &mut State, effects: &mut Vec<Effect>) {
    if check_can_ship(state) {
        let sink = chosen_sink(state);
        state.answer(
            Level::Info,
            format!("shipping everything up to now to {}", sink_text(sink.as_deref())),
        );
        effects.push(Effect::Command(Command::ShipNow { sink }));
    }
}

pub fn retry(state: &mut State, effects: &mut Vec<Effect>) {
    if check_can_ship(state) {
        let sink = chosen_sink(state);
        state.answer(Level::Info, format!("retrying {}", sink_text(sink.as_deref())));
        effects.push(Effect::Command(Command::Retry { sink }));
    }
}

/// Resumes at once; a pause needs a confirmation.
pub fn pause_or_resume(state: &mut State, effects: &mut Vec<Effect>) {
    if !check_can_ship(state) {
        return;
    }
    let sink = chosen_sink(state);
    if state.is_paused(sink.as_deref()) {
        state.answer(Level::Info, format!("resuming shipping to {}", sink_text(sink.as_deref())));
        effects.push(Effect::Command(Command::Resume { sink }));
    } else {
        state.overlay = Some(Overlay::Ask(Question::Pause));
    }
}

/// Reloads the configuration. The engine reports the outcome as a notice.
pub fn reload(state: &mut State, effects: &mut Vec<Effect>) {
    if let EngineState::ViewOnly { .. } = &state.status.engine {
        state.answer(Level::Warning, "view only: send SIGHUP to the engine to reload");
        return;
    }
    state.answer(Level::Info, "reloading the configuration");
    effects.push(Effect::Command(Command::Reload));
}

/// Asks the engine for the delivery state of the selected event.
pub fn ask_delivery_state(state: &State, effects: &mut Vec<Effect>) {
    if let Some(place) = state.selected_cursor()
        && state.can_ship()
        && !state.status.sinks.is_empty()
    {
        effects.push(Effect::Command(Command::Where { place }));
    }
}

fn check_can_ship(state: &mut State) -> bool {
    // Checked first, because a view-only screen has no sinks.
    if let EngineState::ViewOnly { reason } = &state.status.engine {
        let text = format!("view only: {reason}");
        state.answer(Level::Warning, text);
        return false;
    }
    if !state.may_have_sinks() {
        state.answer(Level::Warning, "no sinks configured");
        return false;
    }
    true
}

fn sink_text(sink: Option<&str>) -> &str {
    sink.unwrap_or("all sinks")
}

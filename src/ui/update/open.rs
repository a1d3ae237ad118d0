//! Tokens of the event that somebody looks at, in clear until they move on.

use super::{Effect, State};
use crate::event::Level;
use crate::follow::view::Position;
use crate::privacy::{AuditError, Disclosed};
use crate::ui::state::Overlay;

pub fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(row) = state.detailed() else {
        state.say(Level::Info, "tokens are opened in the detail of an event: Enter shows it");
        return;
    };
    if !row.holds_tokens() {
        state.say(Level::Info, "there is no token in this event");
    } else if state.stream.mask.is_on() {
        state.say(Level::Info, "the screen is masked: nothing is opened before the mask is off");
    } else {
        effects.push(Effect::Open);
    }
}

pub fn taken(state: &mut State, position: Position, opened: Result<Disclosed, AuditError>) {
    match opened {
        Ok(disclosed) => {
            let problem = disclosed.problems.first().cloned();
            match (problem, disclosed.values.len()) {
                (Some(problem), _) => state.say(Level::Warning, problem),
                (None, 0) => state.say(Level::Info, "there is no whole token in this event"),
                (None, _) => {
                    state.say(Level::Info, "opened, and written to the audit file");
                }
            }
            state.opened = Some((position, disclosed));
            // It stands above the fields.
            if let Some(Overlay::Detail { scroll }) = &mut state.overlay {
                *scroll = 0;
            }
        }
        Err(error) => {
            state.say(Level::Warning, format!("nothing is opened: {}", error.reason()));
        }
    }
}

/// Somebody has moved on.
pub fn forget(state: &mut State) {
    let here = state.detailed().map(|row| row.entry.position);
    let masked = state.stream.mask.is_on();
    state.opened.take_if(|(position, _)| masked || here != Some(*position));
}

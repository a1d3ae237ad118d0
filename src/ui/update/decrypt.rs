//! Decrypts the tokens of the event in the details, and forgets their values when the details are left.

use super::{Effect, State};
use crate::event::Level;
use crate::follow::view::Position;
use crate::privacy::{AuditError, DecryptedValues};
use crate::ui::state::Overlay;

/// Requests the decryption of the tokens, or tells the user why it is not possible.
pub fn request(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(row) = state.detail_row() else {
        state.answer(Level::Info, "tokens are decrypted in the details of an event: press Enter");
        return;
    };
    if !row.holds_tokens() {
        state.answer(Level::Info, "no token in this event");
    } else if state.stream.mask.is_on() {
        state.answer(Level::Info, "masked: turn the mask off to decrypt tokens");
    } else {
        effects.push(Effect::Decrypt);
    }
}

/// Keeps the decrypted values for the details, or reports the error.
pub fn apply(state: &mut State, position: Position, result: Result<DecryptedValues, AuditError>) {
    match result {
        Ok(disclosed) => {
            let problem = disclosed.problems.first().cloned();
            match (problem, disclosed.values.len()) {
                (Some(problem), _) => state.answer(Level::Warning, problem),
                (None, 0) => state.answer(Level::Info, "no intact token in this event"),
                (None, _) => {
                    state.answer(Level::Info, "decrypted (recorded in the audit log)");
                }
            }
            state.decrypted = Some((position, disclosed));
            // The decrypted values are above the fields.
            if let Some(Overlay::Detail { scroll }) = &mut state.overlay {
                *scroll = 0;
            }
        }
        Err(error) => {
            state.answer(Level::Warning, format!("not decrypted: {}", error.reason()));
        }
    }
}

/// Forgets decrypted values once their record is no longer shown or the mask is on.
pub fn forget(state: &mut State) {
    let here = state.detail_row().map(|row| row.entry.position);
    let masked = state.stream.mask.is_on();
    state.decrypted.take_if(|(position, _)| masked || here != Some(*position));
}

//! `update(state, action) -> effects`: the only code that changes the state of the screen. Pure.

mod command;
mod decrypt;
mod find;
mod read;
mod ship;

use super::action::{Action, Effect};
use super::commands::Verb;
use super::key::{Code, Key};
use super::layout;
use super::prompt::{Prompt, PromptKind};
use super::state::{Exit, Overlay, Pane, Question, State};
use super::stream::Reset;
use crate::base::bytes;
use crate::event::status::new_notices;
use crate::event::{Command, Level};

/// Applies one action to the state; returns what the caller has to do.
pub fn update(state: &mut State, action: Action) -> Vec<Effect> {
    let mut effects = Vec::new();
    match action {
        Action::Verb(verb) => run(state, verb, &mut effects),
        Action::Typed(key) => handle_typed_key(state, key, &mut effects),
        Action::Pasted(text) => {
            if let Some(prompt) = &mut state.prompt {
                prompt.insert(&text);
            }
        }
        Action::Resized { width, height } => state.size = (width, height),
        Action::Clock(now) => {
            state.now = now;
            state.messages.expire(now);
        }
        Action::Status(status) => {
            let before = std::mem::replace(&mut state.status, status);
            for notice in new_notices(&before.notices, &state.status.notices) {
                state.messages.notice(notice.level, notice.text.clone(), state.now);
            }
        }
        Action::Files { entries, grown } => read::files(state, entries, grown),
        Action::Loaded(result) => read::apply(state, result),
        Action::Resumed(away) => {
            let text = format!("resumed; shipping was stopped for {}", bytes::duration(away));
            state.answer(Level::Warning, text);
            effects.push(Effect::Redraw);
        }
        Action::Decrypted(position, result) => decrypt::apply(state, position, result),
        Action::CommandRefused => {
            state.answer(
                Level::Warning,
                "the engine is busy and did not take the command; try again",
            );
        }
    }
    decrypt::forget(state);
    update_height(state);
    effects
}

/// Updates the height of the streams pane, which depends on most of the state.
fn update_height(state: &mut State) {
    let height = layout::of(state).streams.height.saturating_sub(1);
    if height != state.stream.height {
        state.stream.height = height;
        state.stream.scroll_to_selection();
        state.stream.fill_page();
    }
}

fn run(state: &mut State, verb: Verb, effects: &mut Vec<Effect>) {
    if verb != Verb::Cancel {
        state.cancelled_once = false;
    }
    if handle_overlay_key(state, verb) {
        return;
    }
    match verb {
        Verb::Down | Verb::Up | Verb::PageDown | Verb::PageUp => move_in_focus(state, verb),
        Verb::HalfPageDown | Verb::HalfPageUp | Verb::Top | Verb::Bottom => {
            move_in_focus(state, verb)
        }
        Verb::Left => state.stream.column = state.stream.column.saturating_sub(16),
        Verb::Right => state.stream.column = (state.stream.column + 16).min(1 << 16),
        Verb::Follow if state.stream.is_following => state.stream.pause(),
        Verb::Follow => state.stream.follow_end(),
        Verb::Pane => next_pane(state, 1),
        Verb::PaneBack => next_pane(state, Pane::ALL.len() - 1),
        Verb::Detail => open_details(state, effects),
        Verb::Decrypt => decrypt::request(state, effects),
        Verb::Search => state.prompt = Some(Prompt::new(PromptKind::Search)),
        Verb::Command => state.prompt = Some(Prompt::new(PromptKind::Command)),
        Verb::Filter => state.prompt = Some(Prompt::new(PromptKind::Filter)),
        Verb::NextMatch | Verb::PreviousMatch => find::repeat(state, verb),
        Verb::NextError | Verb::PreviousError => find::search_level(state, verb, Level::Error),
        Verb::NextWarning | Verb::PreviousWarning => {
            find::search_level(state, verb, Level::Warning)
        }
        Verb::ToggleFilters | Verb::RaiseLevel | Verb::LowerLevel | Verb::ToggleLevel(_) => {
            find::change_filters(state, verb);
        }
        Verb::HideFile => find::toggle_file(state),
        Verb::Zone => state.zone = state.zone.next(),
        Verb::Mask => find::toggle_mask(state),
        Verb::ShipNow => ship::now(state, effects),
        Verb::PauseShipping => ship::pause_or_resume(state, effects),
        Verb::Retry => ship::retry(state, effects),
        Verb::Reload => ship::reload(state, effects),
        Verb::Help => state.overlay = Some(Overlay::Help { scroll: 0, detail: None }),
        Verb::Messages => state.overlay = Some(Overlay::Messages { scroll: 0 }),
        Verb::Redraw => effects.push(Effect::Redraw),
        Verb::Suspend => effects.push(Effect::Suspend),
        Verb::Back => {
            back(state, verb);
        }
        Verb::Leave if back(state, verb) => {}
        Verb::Leave => state.overlay = Some(Overlay::Ask(Question::Quit)),
        Verb::Quit => quit(state, effects),
        Verb::Cancel => cancel(state, effects),
    }
}

/// Closes the first of these that is open: overlay, running search, message (only with Esc), search pattern, a pane
/// other than streams. `false` if none is open.
fn back(state: &mut State, verb: Verb) -> bool {
    if close_overlay(state) || state.stream.running_search.take().is_some() {
        return true;
    }
    // Pending messages must not delay quitting, so only Esc dismisses them.
    if verb == Verb::Back && state.messages.acknowledge(state.now) {
        return true;
    }
    if state.stream.search.take().is_some() {
        return true;
    }
    let elsewhere = state.focus != Pane::Streams;
    state.focus = Pane::Streams;
    elsewhere
}

/// Closes the overlay and restores the one below it; `false` if none was open.
fn close_overlay(state: &mut State) -> bool {
    let closed = state.overlay.take();
    if let Some(Overlay::Help { detail: Some(scroll), .. }) = closed {
        state.overlay = Some(Overlay::Detail { scroll });
    }
    closed.is_some()
}

fn cancel(state: &mut State, effects: &mut Vec<Effect>) {
    if state.cancelled_once {
        quit(state, effects);
        return;
    }
    state.stream.running_search = None;
    state.stream.pending_move = 0;
    state.overlay = None;
    state.cancelled_once = true;
    state.answer(Level::Info, "press Ctrl-C again to quit");
}

fn quit(state: &mut State, effects: &mut Vec<Effect>) {
    state.exit = Some(Exit::Quit);
    effects.push(Effect::Exit(Exit::Quit));
}

fn next_pane(state: &mut State, by: usize) {
    let here = Pane::ALL.iter().position(|pane| *pane == state.focus).unwrap_or(0);
    state.focus = Pane::ALL[(here + by) % Pane::ALL.len()];
}

fn open_details(state: &mut State, effects: &mut Vec<Effect>) {
    match state.focus {
        Pane::Files => state.focus = Pane::Streams,
        Pane::Shipping if state.selected_sink().is_some() => {
            state.overlay = Some(Overlay::Detail { scroll: 0 });
        }
        Pane::Streams if !state.stream.rows.is_empty() => {
            state.stream.pause();
            state.overlay = Some(Overlay::Detail { scroll: 0 });
            ship::ask_delivery_state(state, effects);
        }
        Pane::Streams | Pane::Shipping | Pane::Thresholds => {}
    }
}

fn move_in_focus(state: &mut State, verb: Verb) {
    match state.focus {
        Pane::Streams => move_in_stream(state, verb),
        Pane::Files => move_in_list(state, 0, state.files.len(), verb),
        Pane::Thresholds => move_in_list(state, 1, state.status.rules.len(), verb),
        Pane::Shipping => move_in_list(state, 2, state.status.sinks.len(), verb),
    }
}

fn move_in_stream(state: &mut State, verb: Verb) {
    let stream = &mut state.stream;
    let page = i64::from(stream.height.saturating_sub(1).max(1));
    match verb {
        Verb::Down => stream.move_by(1),
        Verb::Up => stream.move_by(-1),
        Verb::PageDown => stream.page_by(page),
        Verb::PageUp => stream.page_by(-page),
        Verb::HalfPageDown => stream.page_by((page / 2).max(1)),
        Verb::HalfPageUp => stream.page_by(-(page / 2).max(1)),
        Verb::Top => {
            stream.pause();
            if stream.at_head {
                stream.move_by(-(stream.rows.len() as i64));
            } else {
                stream.restart(Reset::Start);
            }
        }
        _ => stream.follow_end(),
    }
}

fn move_in_list(state: &mut State, list: usize, length: usize, verb: Verb) {
    let selected = &mut state.selected[list];
    *selected = moved_index(*selected, verb).min(length.saturating_sub(1));
}

/// The index in a list or overlay after a movement; it may be beyond the end.
fn moved_index(index: usize, verb: Verb) -> usize {
    match verb {
        Verb::Down => index + 1,
        Verb::Up => index.saturating_sub(1),
        Verb::PageDown => index + 10,
        Verb::PageUp => index.saturating_sub(10),
        Verb::HalfPageDown => index + 5,
        Verb::HalfPageUp => index.saturating_sub(5),
        Verb::Top => 0,
        _ => usize::MAX / 2,
    }
}

/// Handles the keys that scroll or close the open overlay; `true` if the key was used.
fn handle_overlay_key(state: &mut State, verb: Verb) -> bool {
    let detail = match state.overlay {
        Some(Overlay::Detail { scroll }) => Some(Some(scroll)),
        Some(Overlay::Messages { .. }) => Some(None),
        _ => None,
    };
    if let (Some(detail), Verb::Help) = (detail, verb) {
        state.overlay = Some(Overlay::Help { scroll: 0, detail });
        return true;
    }
    let last = super::panes::max_overlay_scroll(state);
    let scroll = match &mut state.overlay {
        Some(Overlay::Help { scroll, .. }) => scroll,
        Some(Overlay::Detail { scroll } | Overlay::Messages { scroll }) => scroll,
        Some(Overlay::Ask(_)) | None => return false,
    };
    match verb {
        Verb::Down | Verb::Up | Verb::PageDown | Verb::PageUp => {}
        Verb::HalfPageDown | Verb::HalfPageUp | Verb::Top | Verb::Bottom => {}
        Verb::Help | Verb::Detail => return close_overlay(state),
        _ => return false,
    }
    *scroll = moved_index((*scroll).min(last), verb).min(last);
    true
}

fn handle_typed_key(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    if let Some(Overlay::Ask(question)) = state.overlay {
        answer_question(state, question, key, effects);
    } else if state.prompt.is_some() {
        find::typed(state, key, effects);
    }
}

fn answer_question(state: &mut State, question: Question, key: Key, effects: &mut Vec<Effect>) {
    let yes = matches!(key.code, Code::Char('y' | 'Y') | Code::Enter)
        || (question == Question::Quit && key == Key::char('q'));
    let no = matches!(key.code, Code::Char('n' | 'N') | Code::Esc);
    let interrupted = key == Key::ctrl('c');
    if !yes && !no && !interrupted {
        return;
    }
    state.overlay = None;
    match question {
        Question::Quit if yes || interrupted => quit(state, effects),
        Question::Pause if yes => {
            let command =
                Command::Pause { sink: ship::chosen_sink(state), by: ship::BY.to_owned() };
            effects.push(Effect::Command(command));
            state.answer(Level::Warning, "pausing shipping; S resumes");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;

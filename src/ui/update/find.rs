//! Commands that search and filter: patterns, levels, hidden files, the mask.

use super::{Effect, State, command};
use crate::event::Level;
use crate::query::ParseContext;
use crate::ui::commands::Verb;
use crate::ui::filter::Filter;
use crate::ui::key::Key;
use crate::ui::panes;
use crate::ui::prompt::{PromptKind, PromptResult};
use crate::ui::record_text;
use crate::ui::search::{AtEdge, Direction, RunningSearch, Search, Wanted};
use crate::ui::state::Pane;
use crate::ui::stream::{Row, Stream};

/// Handles a key while a prompt is open.
pub fn typed(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    let Some(prompt) = &mut state.prompt else { return };
    match prompt.key(key) {
        PromptResult::Edited => {}
        PromptResult::Cancelled => state.prompt = None,
        PromptResult::Entered => {
            let (kind, text) = (prompt.kind, prompt.text.clone());
            let result = match kind {
                PromptKind::Search => search(state, &text),
                PromptKind::Filter => filter(state, &text),
                PromptKind::Command => command::entered(state, &text, effects),
            };
            match result {
                // A command may have opened another prompt.
                Ok(()) => state.prompt.take_if(|prompt| prompt.kind == kind),
                Err(problem) => {
                    if let Some(prompt) = &mut state.prompt {
                        prompt.problem = Some(problem);
                    }
                    None
                }
            };
        }
    }
}

/// Searches for the nearest match at or above the selection, else below it. Empty text ends the search.
fn search(state: &mut State, text: &str) -> Result<(), String> {
    if text.is_empty() {
        state.stream.search = None;
        return Ok(());
    }
    let search = Search::parse(text)?;
    state.stream.search = Some(search.clone());
    let wanted = Wanted::Text(search);
    match state.stream.selected_row().cloned() {
        Some(row) if wanted.matches(&row.entry.event(), &state.stream.mask) => {
            state.messages.clear_answer(state.now);
            scroll_to_match(state, &row);
        }
        _ => {
            let at = offsets_after_selected(&state.stream);
            start_search(state, wanted, Direction::Older, AtEdge::Turn { at });
        }
    }
    Ok(())
}

/// Scrolls sideways so that the first match in a record is visible.
pub fn scroll_to_match(state: &mut State, row: &Row) {
    let Some(search) = &state.stream.search else { return };
    let Some(found) =
        record_text::first_match(&search.regex, &row.entry.event(), &state.stream.mask)
    else {
        return;
    };
    let width = panes::text_width(state);
    let column = state.stream.column;
    if found.start >= column && found.end <= column + width {
        return;
    }
    state.stream.column = match found.end <= width {
        true => 0,
        false => found.start.saturating_sub(width / 3),
    };
}

/// Handles a search that reached the edge: it turns, wraps, or reports that nothing was found.
pub fn reached_edge(state: &mut State) {
    let Some(run) = state.stream.running_search.take() else { return };
    match run.at_edge {
        AtEdge::Turn { at } => {
            let (note, direction) = match run.direction {
                Direction::Older => ("no match above; found below", Direction::Newer),
                Direction::Newer => ("no match below; found above", Direction::Older),
            };
            search_from(state, run.wanted, direction, at, (AtEdge::Stop, note));
        }
        AtEdge::Wrap => {
            let (at, note) = match run.direction {
                Direction::Newer => (Vec::new(), "wrapped to the start"),
                Direction::Older => (ends(state), "wrapped to the end"),
            };
            search_from(state, run.wanted, run.direction, at, (AtEdge::Stop, note));
        }
        AtEdge::Stop => {
            let name = run.wanted.name();
            let (up, down) = run.wanted.keys();
            let text = match (run.note.is_empty(), run.direction) {
                (false, _) => format!("no match for {name}"),
                (true, Direction::Newer) => format!("no {name} below; {up} searches above"),
                (true, Direction::Older) => format!("no {name} above; {down} searches below"),
            };
            state.answer(Level::Info, text);
        }
    }
}

/// End offset of the complete records of each file.
fn ends(state: &State) -> Vec<u64> {
    state.files.iter().map(|file| file.complete).collect()
}

/// Adds a filter. Empty text removes all filters.
fn filter(state: &mut State, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        state.stream.filters.list.clear();
    } else {
        let zone = state.local.clone();
        let filter = Filter::parse(text, &ParseContext { now: state.now, zone })?;
        state.stream.filters.list.push(filter);
    }
    state.stream.filters.is_on = true;
    state.stream.reload();
    Ok(())
}

pub fn change_filters(state: &mut State, verb: Verb) {
    let filters = &mut state.stream.filters;
    match verb {
        Verb::RaiseLevel => filters.raise_minimum(),
        Verb::LowerLevel => filters.lower_minimum(),
        Verb::ToggleLevel(slot) => filters.toggle_slot(usize::from(slot)),
        _ => filters.is_on = !filters.is_on,
    }
    state.stream.reload();
}

/// Toggles the mask. A running search is stopped: it may have matched values that are hidden now.
pub fn toggle_mask(state: &mut State) {
    let stream = &mut state.stream;
    if !stream.mask.hides_anything() {
        state.answer(Level::Info, "nothing to mask: [privacy] has no fields and no patterns");
        return;
    }
    stream.mask.toggle();
    stream.running_search = None;
    stream.reload();
    let text = match stream.mask.is_on() {
        true => "masked: sealed values are hidden, also from search and filters",
        false => "mask off",
    };
    state.answer(Level::Info, text);
}

/// Hides or shows the file of the selected record, or the selected file of the list.
pub fn toggle_file(state: &mut State) {
    let chosen = match state.focus {
        Pane::Files => state.files.get(state.selected[0]).map(|entry| entry.file),
        Pane::Streams => state.stream.selected_row().map(|row| row.entry.position.file),
        Pane::Thresholds | Pane::Shipping => {
            state.answer(Level::Info, "x hides a file in the streams and files panes");
            return;
        }
    };
    let Some(file) = chosen else { return };
    let hidden = &mut state.stream.hidden;
    match hidden.iter().position(|known| *known == file) {
        Some(index) => {
            hidden.remove(index);
        }
        None => hidden.push(file),
    }
    let now_hidden = hidden.contains(&file);
    state.stream.reload_around_file(file);
    if let Some(entry) = state.files.iter_mut().find(|entry| entry.file == file) {
        entry.hidden = now_hidden;
        let text = match now_hidden {
            true => format!("{} hidden (x in the files pane shows it)", entry.name),
            false => format!("{} shown again", entry.name),
        };
        state.answer(Level::Info, text);
    }
}

pub fn repeat(state: &mut State, verb: Verb) {
    match state.stream.search.clone() {
        Some(search) => start_search(state, Wanted::Text(search), direction(verb), AtEdge::Wrap),
        None => state.answer(Level::Info, "no pattern to repeat; press / to search"),
    }
}

pub fn search_level(state: &mut State, verb: Verb, level: Level) {
    start_search(state, Wanted::AtLeast(level), direction(verb), AtEdge::Stop);
}

fn direction(verb: Verb) -> Direction {
    match verb {
        Verb::PreviousMatch | Verb::PreviousError | Verb::PreviousWarning => Direction::Older,
        _ => Direction::Newer,
    }
}

fn start_search(state: &mut State, wanted: Wanted, direction: Direction, at_edge: AtEdge) {
    let stream = &state.stream;
    if stream.rows.is_empty() {
        state.answer(Level::Info, "no events to search");
        return;
    }
    let at = match direction {
        Direction::Newer => offsets_after_selected(stream),
        Direction::Older => stream.offsets_before(stream.selected).to_vec(),
    };
    search_from(state, wanted, direction, at, (at_edge, ""));
}

/// The offsets after the selected record. An incomplete record is the last one of its file.
fn offsets_after_selected(stream: &Stream) -> Vec<u64> {
    let mut at = stream.offsets_before(stream.selected).to_vec();
    if let Some(row) = stream.selected_row()
        && row.at.is_some()
        && let Some(offset) = at.get_mut(row.entry.slot)
    {
        *offset = row.entry.end();
    }
    at
}

fn search_from(
    state: &mut State,
    wanted: Wanted,
    direction: Direction,
    at: Vec<u64>,
    (at_edge, note): (AtEdge, &'static str),
) {
    let stream = &mut state.stream;
    stream.pause();
    let total_bytes = state.files.iter().map(|file| file.size).sum();
    let sizes = state.files.iter().map(|file| file.size);
    let bytes_below: u64 = sizes
        .enumerate()
        .map(|(slot, size)| size.saturating_sub(at.get(slot).copied().unwrap_or(0)))
        .sum();
    let run = RunningSearch {
        wanted,
        direction,
        at,
        at_edge,
        note,
        bytes_below_at_start: bytes_below,
        bytes_below,
        total_bytes,
    };
    stream.running_search = Some(run);
}

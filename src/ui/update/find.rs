//! Searching, filtering, levels, hidden sources.

use super::{Effect, State, command};
use crate::event::Level;
use crate::query::ParseContext;
use crate::ui::commands::Verb;
use crate::ui::filter::Filter;
use crate::ui::key::Key;
use crate::ui::panes;
use crate::ui::prompt::{Asked, Typed};
use crate::ui::record_text;
use crate::ui::search::{Direction, Hunt, Search, Then, Wanted};
use crate::ui::state::Pane;
use crate::ui::stream::{Row, Stream};

pub fn typed(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    let Some(prompt) = &mut state.prompt else { return };
    match prompt.key(key) {
        Typed::Edited => {}
        Typed::Left => state.prompt = None,
        Typed::Entered => {
            let (asked, text) = (prompt.asked, prompt.text.clone());
            let result = match asked {
                Asked::Search => search(state, &text),
                Asked::Filter => filter(state, &text),
                Asked::Command => command::entered(state, &text, effects),
            };
            match result {
                // A command may have opened another one.
                Ok(()) => state.prompt.take_if(|prompt| prompt.asked == asked),
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

/// The nearest match at or above the selection, else the nearest below; nothing typed ends the search.
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
            state.messages.take_answer(state.now);
            show_hit(state, &row);
        }
        _ => {
            let at = behind_selected(&state.stream);
            hunt(state, wanted, Direction::Older, Then::Turn { at });
        }
    }
    Ok(())
}

/// Scrolls sideways, so that the first hit of a record is on the screen.
pub fn show_hit(state: &mut State, row: &Row) {
    let Some(search) = &state.stream.search else { return };
    let Some(hit) = record_text::hit(&search.regex, &row.entry.event(), &state.stream.mask) else {
        return;
    };
    let width = panes::text_width(state);
    let column = state.stream.column;
    if hit.start >= column && hit.end <= column + width {
        return;
    }
    state.stream.column = match hit.end <= width {
        true => 0,
        false => hit.start.saturating_sub(width / 3),
    };
}

/// Nothing up to the edge: turns, goes on from the other edge, or says so.
pub fn nothing_found(state: &mut State) {
    let Some(hunt) = state.stream.hunt.take() else { return };
    match hunt.then {
        Then::Turn { at } => {
            let (here, there) = match hunt.direction {
                Direction::Older => ("none above; this one is below", Direction::Newer),
                Direction::Newer => ("none below; this one is above", Direction::Older),
            };
            begin(state, hunt.wanted, there, at, (Then::Stop, here));
        }
        Then::Wrap => {
            let (at, way) = match hunt.direction {
                Direction::Newer => (Vec::new(), "wrapped: on from the beginning"),
                Direction::Older => (ends(state), "wrapped: on from the end"),
            };
            begin(state, hunt.wanted, hunt.direction, at, (Then::Stop, way));
        }
        Then::Stop => {
            let name = hunt.wanted.name();
            let text = match (hunt.way.is_empty(), hunt.direction) {
                (false, _) => format!("no match of {name}"),
                (true, Direction::Newer) => format!("no newer match of {name}"),
                (true, Direction::Older) => format!("no older match of {name}"),
            };
            state.say(Level::Info, text);
        }
    }
}

/// Where the complete records of each file end.
fn ends(state: &State) -> Vec<u64> {
    state.sources.iter().map(|source| source.complete).collect()
}

/// Nothing typed takes all filters away.
fn filter(state: &mut State, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        state.stream.filters.list.clear();
    } else {
        let zone = state.local.clone();
        let filter = Filter::parse(text, &ParseContext { now: state.now, zone })?;
        state.stream.filters.list.push(filter);
    }
    state.stream.filters.on = true;
    state.stream.reread();
    Ok(())
}

pub fn refilter(state: &mut State, verb: Verb) {
    let filters = &mut state.stream.filters;
    match verb {
        Verb::RaiseLevel => filters.raise_minimum(),
        Verb::LowerLevel => filters.lower_minimum(),
        Verb::ToggleLevel(slot) => filters.toggle_slot(usize::from(slot)),
        _ => filters.on = !filters.on,
    }
    state.stream.reread();
}

/// A search on its way would go on by what is hidden now.
pub fn mask(state: &mut State) {
    let stream = &mut state.stream;
    if !stream.mask.hides_anything() {
        state.say(Level::Info, "there is nothing to mask: [privacy] names no field and no pattern");
        return;
    }
    stream.mask.turn();
    stream.hunt = None;
    stream.reread();
    let text = match stream.mask.is_on() {
        true => "masked: what never leaves in clear is hidden, from search and filters too",
        false => "records are shown as they are",
    };
    state.say(Level::Info, text);
}

/// The source of the selected record, or the selected one of the list.
pub fn hide_source(state: &mut State) {
    let chosen = match state.focus {
        Pane::Sources => state.sources.get(state.selected[0]).map(|source| source.file),
        Pane::Streams => state.stream.selected_row().map(|row| row.entry.position.file),
        Pane::Thresholds | Pane::Shipping => {
            state.say(Level::Info, "x hides a source in the streams and sources panes");
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
    state.stream.reread_without(file);
    if let Some(source) = state.sources.iter_mut().find(|source| source.file == file) {
        source.hidden = now_hidden;
        let text = match now_hidden {
            true => format!("{} is hidden; Tab to sources and x shows it", source.name),
            false => format!("{} is shown again", source.name),
        };
        state.say(Level::Info, text);
    }
}

pub fn again(state: &mut State, verb: Verb) {
    match state.stream.search.clone() {
        Some(search) => hunt(state, Wanted::Text(search), direction(verb), Then::Wrap),
        None => state.say(Level::Info, "no search to repeat; press / to search"),
    }
}

pub fn level(state: &mut State, verb: Verb, level: Level) {
    hunt(state, Wanted::AtLeast(level), direction(verb), Then::Stop);
}

fn direction(verb: Verb) -> Direction {
    match verb {
        Verb::PreviousMatch | Verb::PreviousError | Verb::PreviousWarning => Direction::Older,
        _ => Direction::Newer,
    }
}

fn hunt(state: &mut State, wanted: Wanted, direction: Direction, then: Then) {
    let stream = &state.stream;
    if stream.rows.is_empty() {
        state.say(Level::Info, "no records to search");
        return;
    }
    let at = match direction {
        Direction::Newer => behind_selected(stream),
        Direction::Older => stream.place_of(stream.selected).to_vec(),
    };
    begin(state, wanted, direction, at, (then, ""));
}

/// The place behind the selected record; behind one that may still grow nothing stands in its file.
fn behind_selected(stream: &Stream) -> Vec<u64> {
    let mut at = stream.place_of(stream.selected).to_vec();
    if let Some(row) = stream.selected_row()
        && row.at.is_some()
        && let Some(place) = at.get_mut(row.entry.slot)
    {
        *place = row.entry.end();
    }
    at
}

fn begin(
    state: &mut State,
    wanted: Wanted,
    direction: Direction,
    at: Vec<u64>,
    (then, way): (Then, &'static str),
) {
    let stream = &mut state.stream;
    stream.hold();
    let total = state.sources.iter().map(|source| source.size).sum();
    let sizes = state.sources.iter().map(|source| source.size);
    let behind: u64 = sizes
        .enumerate()
        .map(|(slot, size)| size.saturating_sub(at.get(slot).copied().unwrap_or(0)))
        .sum();
    let hunt = Hunt { wanted, direction, at, then, way, began_behind: behind, behind, total };
    stream.hunt = Some(hunt);
}

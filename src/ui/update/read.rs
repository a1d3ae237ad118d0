//! Taking over what the reader brought.

use std::collections::{HashMap, HashSet};

use super::{State, find};
use crate::base::bytes;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::follow::view::{Frontier, Position};
use crate::ui::action::Reading;
use crate::ui::state::SourceLine;
use crate::ui::stream::{Reset, Row, Stream};

pub fn sources(state: &mut State, mut lines: Vec<SourceLine>, grown: bool) {
    for line in &mut lines {
        line.hidden = state.stream.hidden.contains(&line.file);
    }
    tell_of_truncations(state, &lines);
    let stream = &mut state.stream;
    let files: Vec<_> = lines.iter().map(|line| line.file).collect();
    let before = std::mem::replace(&mut stream.files, files);
    stream.zones = lines.iter().map(|line| line.zone.clone()).collect();
    state.sources = lines;
    state.selected[0] = state.selected[0].min(state.sources.len().saturating_sub(1));
    if grown {
        stream.stale = true;
        stream.fresh_stale = true;
    }
    // A file that appears while the end is followed belongs into the rows from its own end on.
    if !stream.files.starts_with(&before) {
        stream.renumber();
    } else if before.len() != stream.files.len() && !before.is_empty() && stream.follow {
        stream.restart(Reset::End);
    }
}

/// A path at which another file begins, while the one before was not renamed: its lines are gone.
fn tell_of_truncations(state: &mut State, lines: &[SourceLine]) {
    // Called for every few milliseconds of reading, with ten thousand files: mostly none of them is new.
    if lines.iter().map(|line| line.file).eq(state.sources.iter().map(|line| line.file)) {
        return;
    }
    let known: HashSet<FileId> = state.sources.iter().map(|line| line.file).collect();
    let is_new = |line: &&SourceLine| !known.contains(&line.file);
    if !lines.iter().any(|line| is_new(&line)) {
        return;
    }
    // Of two at one path the last.
    let at_path: HashMap<&str, &SourceLine> =
        state.sources.iter().map(|line| (line.path.as_str(), line)).collect();
    let now: HashMap<FileId, &SourceLine> = lines.iter().map(|line| (line.file, line)).collect();
    let told = lines.iter().filter(is_new).filter_map(|line| {
        let before = at_path.get(line.path.as_str())?;
        is_over(before, line, now.get(&before.file).copied()).then(|| {
            format!(
                "{} was truncated or written anew ({}, now {}): what stood in it before is gone, and it is read from \
                 its beginning",
                line.path.rsplit('/').next().unwrap_or_default(),
                bytes::size(before.size),
                bytes::size(line.size)
            )
        })
    });
    for text in told.collect::<Vec<_>>() {
        state.messages.notice(Level::Warning, text, state.now);
    }
}

/// The file before was followed there, and is neither renamed nor rotated away. `now`: the same file.
fn is_over(before: &SourceLine, new: &SourceLine, now: Option<&SourceLine>) -> bool {
    match now {
        Some(now) => now.path == before.path && now.state == FileState::Ended,
        None => before.state == FileState::Live && new.size < before.size,
    }
}

pub fn taken(state: &mut State, reading: Reading) {
    let stream = &mut state.stream;
    match reading {
        Reading::Placed { head, tail, at_tail } => {
            stream.reset = None;
            stream.rows.clear();
            (stream.head, stream.tail) = (head, tail);
            (stream.at_head, stream.at_tail) = (false, at_tail);
            stream.stale = true;
            if stream.fresh_at.is_none() && !stream.follow && at_tail {
                stream.fresh_at = Some(stream.tail.clone());
            }
        }
        Reading::Back { rows, head, edge } => back(stream, rows, head, edge),
        Reading::Forward { rows, tail, edge } => forward(stream, rows, tail, edge),
        Reading::Tail { next_key, open } => tail_moved(stream, next_key, open),
        Reading::Fresh { more, at, edge } => {
            stream.fresh += more;
            stream.fresh_stale = !edge;
            stream.fresh_at = Some(at);
        }
        Reading::Found(row) => {
            said(state);
            find::show_hit(state, &row);
            found(&mut state.stream, *row);
        }
        Reading::Searching { at, behind } => {
            if let Some(hunt) = &mut stream.hunt {
                (hunt.at, hunt.behind) = (at, behind);
            }
        }
        Reading::NotFound => find::nothing_found(state),
    }
}

/// How it was found, if not on the first way; what was said of the search before is no longer true.
fn said(state: &mut State) {
    let way = state.stream.hunt.as_ref().map_or("", |hunt| hunt.way);
    state.messages.take_answer(state.now);
    if !way.is_empty() {
        state.say(Level::Info, way);
    }
}

fn back(stream: &mut Stream, rows: Vec<Row>, head: Frontier, edge: bool) {
    let more = rows.len();
    // Those that may still grow are put in order again at the next look at the tail.
    stream.drop_open();
    stream.stale = true;
    let was_empty = stream.rows.is_empty();
    for row in rows {
        stream.rows.push_front(row);
    }
    stream.head = head;
    stream.at_head = edge;
    if !was_empty || stream.follow {
        stream.top += more;
        stream.selected += more;
    } else if more > 0 {
        // Everything from here on is hidden: the nearest shown record stands above.
        stream.selected = more - 1;
        stream.top = more - 1;
    }
    if std::mem::take(&mut stream.lead) {
        stream.top = stream.top.saturating_sub(usize::from(stream.height / 3));
        stream.clip = 0;
    }
    pay(stream);
    stream.settle();
    if stream.at_head || !stream.needs_back() {
        stream.fill_page();
    }
    stream.trim();
}

fn forward(stream: &mut Stream, rows: Vec<Row>, tail: Frontier, edge: bool) {
    let first_on_screen = stream.rows.get(stream.top).map(|row| row.entry.position);
    let selected = stream.selected_row().map(|row| row.entry.position);
    stream.drop_open();
    for row in rows {
        if first_on_screen.is_some_and(|first| row.entry.position < first) {
            stream.late += 1;
        }
        stream.add(row);
    }
    select_again(stream, selected);
    stream.tail = tail;
    stream.at_tail |= edge;
    // The records that may still grow were dropped: they come with the next look at the tail.
    stream.stale = true;
    if stream.fresh_at.is_none() && !stream.follow && stream.at_tail {
        stream.fresh_at = Some(stream.tail.clone());
    }
    pay(stream);
    stream.settle();
    stream.fill_page();
    stream.trim();
}

/// Moves that were asked for before their rows had been read.
fn pay(stream: &mut Stream) {
    if stream.owed != 0 {
        let owed = std::mem::take(&mut stream.owed);
        stream.move_by(owed);
    }
}

/// Where it was open, and is not dropped for good.
fn select_again(stream: &mut Stream, selected: Option<Position>) {
    if let Some(index) = selected.and_then(|position| stream.find(position)) {
        stream.selected = index;
    }
}

/// The end has moved: rows that belong behind what comes next are read again in order.
fn tail_moved(stream: &mut Stream, next_key: Option<i64>, open: Vec<Row>) {
    stream.stale = false;
    let selected = stream.selected_row().map(|row| row.entry.position);
    stream.drop_open();
    if let Some(next_key) = next_key {
        let oldest = stream.rows.front().map(|row| row.entry.position.key);
        if stream.follow && oldest.is_some_and(|oldest| oldest > next_key) && !stream.at_head {
            // It belongs above all that is loaded.
            stream.restart(Reset::End);
            return;
        }
        if stream.follow {
            while let Some(last) = stream.rows.back()
                && last.entry.position.key > next_key
                && let Some(at) = last.at.clone()
            {
                stream.tail = at;
                stream.rows.pop_back();
            }
        }
        stream.at_tail = false;
    }
    stream.insert_open(open);
    select_again(stream, selected);
    stream.settle();
}

fn found(stream: &mut Stream, row: Row) {
    stream.hunt = None;
    if let Some(index) = stream.find(row.entry.position) {
        stream.selected = index;
        let above = usize::from(stream.height / 3);
        let (top, height) = (stream.top, usize::from(stream.height));
        if index < top || index >= top + height {
            stream.top = index.saturating_sub(above);
            stream.clip = 0;
        }
        stream.settle();
        stream.fill_page();
    } else if let Some(at) = row.at.clone() {
        stream.restart(Reset::Around { position: row.entry.position, at });
    }
}

//! Reads what the stream lacks, one bounded step at a time, on the screen's own thread between two looks
//! at the keyboard.
//!
//! What to do is told by the state alone: the most urgent thing that is missing comes first. Nothing runs
//! behind the state's back, and a key that changes what is wanted cancels what was.

use std::collections::HashMap;
use std::sync::Arc;

use super::action::{Action, Reading};
use super::search::Direction;
use super::state::{SourceLine, State};
use super::stream::{Reset, Row, Stream, open_row, row};
use crate::base::{Timestamp, sanitize};
use crate::follow::FileHandle;
use crate::follow::view::{Budget, Entry, FileView, Step, Timeline};

/// Bytes decoded in one step: a few milliseconds.
const STEP: u64 = 512 * 1024;
/// Rows handed over at once.
const ROWS: usize = 200;
/// Further behind than this, whoever follows the end jumps there.
const JUMP: u64 = 4 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct Reader {
    timeline: Timeline,
    counted: bool,
}

impl Reader {
    /// Looks at the files as they are now. `None` when nothing has changed.
    pub fn refresh(&mut self, files: &[Arc<FileHandle>], now: Timestamp) -> Option<Action> {
        let changed = self.timeline.refresh(files, now);
        self.counted &= !changed;
        changed.then(|| Action::Sources { lines: self.lines(), grown: true })
    }

    /// Does the most urgent thing for a few milliseconds; `None` when nothing is missing.
    pub fn step(&mut self, state: &State) -> Option<Action> {
        let stream = &state.stream;
        let reading = if let Some(reset) = &stream.reset {
            self.place(stream, reset)
        } else if stream.follow && self.timeline.bytes_behind(&stream.tail) > JUMP {
            self.place(stream, &Reset::End)
        } else if wants_tail(stream) {
            self.look_at_tail(stream)
        } else if stream.rows.is_empty() && stream.needs_forward() {
            self.forward(stream)
        } else if stream.needs_back() {
            self.back(stream)
        } else if stream.needs_forward() {
            self.forward(stream)
        } else if stream.hunt.is_some() {
            self.hunt(stream)?
        } else if let (false, true, Some(at)) =
            (stream.follow, stream.fresh_stale, &stream.fresh_at)
        {
            self.count_fresh(stream, at)
        } else {
            return self.count_levels();
        };
        Some(Action::Read(reading))
    }

    /// Nothing on the screen waits for what [`Reader::step`] would do next.
    pub fn is_background(state: &State) -> bool {
        let stream = &state.stream;
        stream.reset.is_none()
            && !wants_tail(stream)
            && !stream.needs_back()
            && !stream.needs_forward()
    }

    fn place(&mut self, stream: &Stream, reset: &Reset) -> Reading {
        let scope = stream.scope();
        let mut budget = Budget::bytes(u64::MAX);
        match reset {
            Reset::End => {
                let end = self.timeline.end();
                Reading::Placed { head: end.clone(), tail: end, at_tail: true }
            }
            Reset::Start => {
                let start = self.timeline.start();
                Reading::Placed { head: start.clone(), tail: start, at_tail: false }
            }
            Reset::Around { position, at } => {
                let files = stream.files.clone();
                let was_known = |slot: usize| match at.get(slot) {
                    _ if files.get(slot) == Some(&position.file) => Some(position.offset),
                    Some(0) | None => None,
                    Some(offset) => (!scope.hides(slot)).then_some(*offset),
                };
                let at = self.timeline.place(position.key, was_known, &mut budget);
                Reading::Placed { head: at.clone(), tail: at, at_tail: false }
            }
        }
    }

    fn look_at_tail(&mut self, stream: &Stream) -> Reading {
        let scope = stream.scope();
        let mut budget = Budget::bytes(STEP);
        let next_key = match stream.at_tail {
            true => self.timeline.next_key(&stream.tail, &scope, &mut budget),
            false => None,
        };
        let open = self.timeline.open_records(&scope);
        let shows = |entry: &Entry| stream.filters.shows(&entry.event(), &stream.mask);
        let shown = open.into_iter().filter(shows);
        let open: Vec<Row> = shown.map(|entry| open_row(entry, &stream.mask)).collect();
        Reading::Tail { next_key, open }
    }

    fn back(&mut self, stream: &Stream) -> Reading {
        let mut at = stream.head.to_vec();
        let mut rows = Vec::new();
        let edge = self.walk(stream, Direction::Older, &mut at, &mut |entry, at| {
            rows.push(row(entry, at, &stream.mask));
            rows.len() < ROWS
        });
        Reading::Back { rows, head: at.into(), edge }
    }

    fn forward(&mut self, stream: &Stream) -> Reading {
        let mut at = stream.tail.to_vec();
        let mut rows = Vec::new();
        let edge = self.walk(stream, Direction::Newer, &mut at, &mut |entry, at| {
            rows.push(row(entry, at, &stream.mask));
            rows.len() < ROWS
        });
        Reading::Forward { rows, tail: at.into(), edge }
    }

    fn count_fresh(&mut self, stream: &Stream, from: &[u64]) -> Reading {
        let mut at = from.to_vec();
        let mut more = 0;
        let edge = self.walk(stream, Direction::Newer, &mut at, &mut |entry, _| {
            more += u64::from(!entry.is_quiet());
            true
        });
        Reading::Fresh { more, at: at.into(), edge }
    }

    /// Hands out shown records until the budget is spent or `each` says stop; `true` at the edge.
    fn walk(
        &mut self,
        stream: &Stream,
        direction: Direction,
        at: &mut Vec<u64>,
        each: &mut dyn FnMut(Entry, &[u64]) -> bool,
    ) -> bool {
        let scope = stream.scope();
        let mut accept = |entry: &Entry| stream.filters.shows(&entry.event(), &stream.mask);
        let mut budget = Budget::bytes(STEP);
        loop {
            let step = match direction {
                Direction::Older => self.timeline.back(at, &scope, &mut accept, &mut budget),
                Direction::Newer => self.timeline.forward(at, &scope, &mut accept, &mut budget),
            };
            match step {
                Step::Found(entry) => {
                    if !each(*entry, at) || budget.is_spent() {
                        return false;
                    }
                }
                Step::Later => return false,
                Step::Edge => return true,
            }
        }
    }

    fn hunt(&mut self, stream: &Stream) -> Option<Reading> {
        let hunt = stream.hunt.as_ref()?;
        let scope = stream.scope();
        let mut accept = |entry: &Entry| {
            let event = entry.event();
            hunt.wanted.matches(&event, &stream.mask) && stream.filters.shows(&event, &stream.mask)
        };
        let mut budget = Budget::bytes(STEP);
        let mut at = hunt.at.clone();
        let step = match hunt.direction {
            Direction::Older => self.timeline.back(&mut at, &scope, &mut accept, &mut budget),
            Direction::Newer => self.timeline.forward(&mut at, &scope, &mut accept, &mut budget),
        };
        Some(match step {
            Step::Found(entry) => Reading::Found(Box::new(row(*entry, &at, &stream.mask))),
            Step::Later => {
                let behind = self.timeline.bytes_behind(&at);
                Reading::Searching { at, behind }
            }
            Step::Edge => Reading::NotFound,
        })
    }

    fn count_levels(&mut self) -> Option<Action> {
        if self.counted {
            return None;
        }
        self.counted = !self.timeline.count_more(&mut Budget::bytes(STEP));
        Some(Action::Sources { lines: self.lines(), grown: false })
    }

    fn lines(&mut self) -> Vec<SourceLine> {
        let mut lines: Vec<SourceLine> = self.timeline.files.iter_mut().map(line).collect();
        let mut names: HashMap<String, usize> = HashMap::new();
        for line in &lines {
            *names.entry(line.name.clone()).or_default() += 1;
        }
        for line in &mut lines {
            // Two files of one name are told apart by their directories.
            if names.get(&line.name).is_some_and(|count| *count > 1) {
                let directory = line.path.rsplit('/').nth(1).unwrap_or("");
                line.name = format!("{directory}/{}", line.name);
            }
        }
        lines
    }
}

/// Files have changed, or rows were added among which a record may stand that can still grow.
fn wants_tail(stream: &Stream) -> bool {
    stream.stale && (stream.at_tail || !stream.rows.is_empty())
}

fn line(view: &mut FileView) -> SourceLine {
    let complete = view.complete_end();
    let facts = view.facts();
    let name = facts.path.file_name().unwrap_or(facts.path.as_os_str());
    let safe = |text: &std::ffi::OsStr| sanitize::line(&text.to_string_lossy()).into_owned();
    SourceLine {
        file: view.id(),
        generation: facts.generation.as_ref().map(|generation| generation.id),
        source: view.handle().source.name.clone(),
        name: safe(name),
        path: safe(facts.path.as_os_str()),
        size: facts.size,
        complete,
        lost: facts.lost,
        counts: *view.tally.totals(),
        counted_bytes: view.tally.counted_bytes(),
        format: view.format_name(),
        state: facts.shown_state(),
        last_growth: facts.last_growth,
        hidden: false,
        problem: view.problem.clone(),
        zone: view.handle().source.zone.clone(),
    }
}

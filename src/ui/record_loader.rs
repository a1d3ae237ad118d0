//! Loads the records that the streams pane lacks, in bounded steps on the screen's thread between two keyboard polls.
//!
//! The state alone decides the next step: the most urgent missing part comes first. There are no background tasks,
//! so a key that changes the state also replaces the pending work.

use std::collections::HashMap;
use std::sync::Arc;

use super::action::{Action, LoadResult};
use super::search::Direction;
use super::state::{FileEntry, State};
use super::stream::{Reset, Row, Stream, incomplete_row, row};
use crate::base::{Timestamp, sanitize};
use crate::follow::FileHandle;
use crate::follow::view::{Budget, Entry, FileView, Step, Timeline};

/// Maximum number of bytes decoded per step, which takes a few milliseconds.
const STEP_BYTES: u64 = 512 * 1024;
/// Maximum number of rows returned per step.
const STEP_ROWS: usize = 200;
/// A following screen that lags by more bytes than this jumps to the end.
const JUMP_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct RecordLoader {
    timeline: Timeline,
    /// The records per level of all files are counted.
    counted: bool,
}

impl RecordLoader {
    /// Takes over the current list of files. `None` if nothing has changed.
    pub fn refresh(&mut self, files: &[Arc<FileHandle>], now: Timestamp) -> Option<Action> {
        let changed = self.timeline.refresh(files, now);
        self.counted &= !changed;
        changed.then(|| Action::Files { entries: self.file_entries(), grown: true })
    }

    /// Performs the most urgent step; `None` if nothing is missing.
    pub fn step(&mut self, state: &State) -> Option<Action> {
        let stream = &state.stream;
        let result = if let Some(reset) = &stream.reset {
            self.reposition(stream, reset)
        } else if stream.is_following && self.timeline.bytes_behind(&stream.tail) > JUMP_BYTES {
            self.reposition(stream, &Reset::End)
        } else if needs_tail(stream) {
            self.read_tail(stream)
        } else if stream.rows.is_empty() && stream.needs_newer() {
            self.newer(stream)
        } else if stream.needs_older() {
            self.older(stream)
        } else if stream.needs_newer() {
            self.newer(stream)
        } else if stream.running_search.is_some() {
            self.search_step(stream)?
        } else if let (false, true, Some(at)) =
            (stream.is_following, stream.new_count_stale, &stream.new_counted_to)
        {
            self.count_new(stream, at)
        } else {
            return self.count_levels();
        };
        Some(Action::Loaded(result))
    }

    /// Whether the next [`RecordLoader::step`] is only counting or searching: all visible rows are loaded.
    pub fn is_background(state: &State) -> bool {
        let stream = &state.stream;
        stream.reset.is_none()
            && !needs_tail(stream)
            && !stream.needs_older()
            && !stream.needs_newer()
    }

    fn reposition(&mut self, stream: &Stream, reset: &Reset) -> LoadResult {
        let scope = stream.scope();
        let mut budget = Budget::bytes(u64::MAX);
        match reset {
            Reset::End => {
                let end = self.timeline.end();
                LoadResult::Repositioned { head: end.clone(), tail: end, at_tail: true }
            }
            Reset::Start => {
                let start = self.timeline.start();
                LoadResult::Repositioned { head: start.clone(), tail: start, at_tail: false }
            }
            Reset::Around { position, at } => {
                let files = stream.files.clone();
                let known_offset = |slot: usize| match at.get(slot) {
                    _ if files.get(slot) == Some(&position.file) => Some(position.offset),
                    Some(0) | None => None,
                    Some(offset) => (!scope.hides(slot)).then_some(*offset),
                };
                let at = self.timeline.place(position.key, known_offset, &mut budget);
                LoadResult::Repositioned { head: at.clone(), tail: at, at_tail: false }
            }
        }
    }

    fn read_tail(&mut self, stream: &Stream) -> LoadResult {
        let scope = stream.scope();
        let mut budget = Budget::bytes(STEP_BYTES);
        let next_key = match stream.at_tail {
            true => self.timeline.next_key(&stream.tail, &scope, &mut budget),
            false => None,
        };
        let open = self.timeline.open_records(&scope);
        let shows = |entry: &Entry| stream.filters.shows(&entry.event(), &stream.mask);
        let shown = open.into_iter().filter(shows);
        let open: Vec<Row> = shown.map(|entry| incomplete_row(entry, &stream.mask)).collect();
        LoadResult::Tail { next_key, open }
    }

    fn older(&mut self, stream: &Stream) -> LoadResult {
        let mut at = stream.head.to_vec();
        let mut rows = Vec::new();
        let edge = self.walk(stream, Direction::Older, &mut at, &mut |entry, at| {
            rows.push(row(entry, at, &stream.mask));
            rows.len() < STEP_ROWS
        });
        LoadResult::Older { rows, head: at.into(), edge }
    }

    fn newer(&mut self, stream: &Stream) -> LoadResult {
        let mut at = stream.tail.to_vec();
        let mut rows = Vec::new();
        let edge = self.walk(stream, Direction::Newer, &mut at, &mut |entry, at| {
            rows.push(row(entry, at, &stream.mask));
            rows.len() < STEP_ROWS
        });
        LoadResult::Newer { rows, tail: at.into(), edge }
    }

    fn count_new(&mut self, stream: &Stream, from: &[u64]) -> LoadResult {
        let mut at = from.to_vec();
        let mut more = 0;
        let edge = self.walk(stream, Direction::Newer, &mut at, &mut |entry, _| {
            more += u64::from(!entry.is_quiet());
            true
        });
        LoadResult::CountedNew { more, at: at.into(), edge }
    }

    /// Passes the records that the filters show to `each`, until it returns `false` or the budget is spent. `true`:
    /// there are no more records in this direction.
    fn walk(
        &mut self,
        stream: &Stream,
        direction: Direction,
        at: &mut Vec<u64>,
        each: &mut dyn FnMut(Entry, &[u64]) -> bool,
    ) -> bool {
        let scope = stream.scope();
        let mut accept = |entry: &Entry| stream.filters.shows(&entry.event(), &stream.mask);
        let mut budget = Budget::bytes(STEP_BYTES);
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

    fn search_step(&mut self, stream: &Stream) -> Option<LoadResult> {
        let run = stream.running_search.as_ref()?;
        let scope = stream.scope();
        let mut accept = |entry: &Entry| {
            let event = entry.event();
            run.wanted.matches(&event, &stream.mask) && stream.filters.shows(&event, &stream.mask)
        };
        let mut budget = Budget::bytes(STEP_BYTES);
        let mut at = run.at.clone();
        let step = match run.direction {
            Direction::Older => self.timeline.back(&mut at, &scope, &mut accept, &mut budget),
            Direction::Newer => self.timeline.forward(&mut at, &scope, &mut accept, &mut budget),
        };
        Some(match step {
            Step::Found(entry) => LoadResult::Match(Box::new(row(*entry, &at, &stream.mask))),
            Step::Later => {
                let behind = self.timeline.bytes_behind(&at);
                LoadResult::SearchProgress { at, behind }
            }
            Step::Edge => LoadResult::NoMatch,
        })
    }

    fn count_levels(&mut self) -> Option<Action> {
        if self.counted {
            return None;
        }
        self.counted = !self.timeline.count_more(&mut Budget::bytes(STEP_BYTES));
        Some(Action::Files { entries: self.file_entries(), grown: false })
    }

    fn file_entries(&mut self) -> Vec<FileEntry> {
        let mut entries: Vec<FileEntry> = self.timeline.files.iter_mut().map(file_entry).collect();
        let mut names: HashMap<String, usize> = HashMap::new();
        for entry in &entries {
            *names.entry(entry.name.clone()).or_default() += 1;
        }
        for entry in &mut entries {
            // Files of the same name are distinguished by their directories.
            if names.get(&entry.name).is_some_and(|count| *count > 1) {
                let directory = entry.path.rsplit('/').nth(1).unwrap_or("");
                entry.name = format!("{directory}/{}", entry.name);
            }
        }
        entries
    }
}

/// Whether files have changed, or rows were added, so that the incomplete records must be read again.
fn needs_tail(stream: &Stream) -> bool {
    stream.stale && (stream.at_tail || !stream.rows.is_empty())
}

fn file_entry(view: &mut FileView) -> FileEntry {
    let complete = view.complete_end();
    let facts = view.facts();
    let name = facts.path.file_name().unwrap_or(facts.path.as_os_str());
    let safe = |text: &std::ffi::OsStr| sanitize::line(&text.to_string_lossy()).into_owned();
    FileEntry {
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

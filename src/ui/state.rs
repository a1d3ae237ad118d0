//! All that the screen shows, as plain data. [`super::update`] alone changes it.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::message::Messages;
use super::prompt::Prompt;
use super::stream::{Row, Stream};
use crate::base::Timestamp;
use crate::event::level::LevelCounts;
use crate::event::status::{EngineState, FileState, SinkState, SinkStatus};
use crate::event::{Cursor, FileId, GenerationId, Level, Status};
use crate::follow::view::Position;
use crate::privacy::Disclosed;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Streams,
    Sources,
    Thresholds,
    Shipping,
}

impl Pane {
    pub const ALL: [Pane; 4] = [Pane::Streams, Pane::Sources, Pane::Thresholds, Pane::Shipping];

    pub fn title(self) -> &'static str {
        match self {
            Pane::Streams => "streams",
            Pane::Sources => "sources",
            Pane::Thresholds => "thresholds",
            Pane::Shipping => "shipping",
        }
    }
}

/// In which zone times are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// That of the source's naive times.
    #[default]
    Source,
    Utc,
    Local,
}

impl Zone {
    pub fn next(self) -> Self {
        match self {
            Zone::Source => Zone::Utc,
            Zone::Utc => Zone::Local,
            Zone::Local => Zone::Source,
        }
    }
}

/// What lies over the panes and takes the keys that move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// `detail`: how far the detail below it was scrolled, which comes back.
    Help {
        scroll: usize,
        detail: Option<usize>,
    },
    Detail {
        scroll: usize,
    },
    /// All that was said, the newest first.
    Messages {
        scroll: usize,
    },
    Ask(Question),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Quit,
    Pause,
}

/// One file in the list of sources.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceLine {
    pub file: FileId,
    /// Once it is known.
    pub generation: Option<GenerationId>,
    pub source: Arc<str>,
    /// As it is shown: the file's name, safe and on one line.
    pub name: String,
    pub path: String,
    pub size: u64,
    /// Where its last complete record ends.
    pub complete: u64,
    pub lost: u64,
    pub counts: LevelCounts,
    pub counted_bytes: u64,
    pub format: Option<&'static str>,
    pub state: FileState,
    pub last_growth: Timestamp,
    pub hidden: bool,
    pub problem: Option<String>,
    pub zone: TimeZone,
}

/// How the screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The operator left.
    Quit,
    /// Somebody else said stop.
    Stopped,
    /// The terminal is gone: stop as by SIGTERM.
    TerminalGone,
}

#[derive(Debug)]
pub struct State {
    pub title: String,
    pub size: (u16, u16),
    pub now: Timestamp,
    pub focus: Pane,
    pub stream: Stream,
    pub sources: Vec<SourceLine>,
    pub status: Arc<Status>,
    pub zone: Zone,
    pub local: TimeZone,
    pub prompt: Option<Prompt>,
    pub overlay: Option<Overlay>,
    /// What the tokens of the record at this place held.
    /// Invariant: only while its detail is on the screen, unmasked.
    pub opened: Option<(Position, Disclosed)>,
    pub messages: Messages,
    /// The selected line of each list: sources, thresholds, shipping.
    pub selected: [usize; 3],
    /// Ctrl-C was pressed with nothing to cancel: once more quits.
    pub cancelled_once: bool,
    pub exit: Option<Exit>,
}

impl State {
    pub fn new(title: String, size: (u16, u16), now: Timestamp, local: TimeZone) -> Self {
        State {
            title,
            size,
            now,
            focus: Pane::default(),
            stream: Stream::default(),
            sources: Vec::new(),
            status: Arc::default(),
            zone: Zone::default(),
            local,
            prompt: None,
            overlay: None,
            opened: None,
            messages: Messages::default(),
            selected: [0; 3],
            cancelled_once: false,
            exit: None,
        }
    }

    /// Answers a key.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        self.messages.answer(level, text.into(), self.now);
    }

    /// This process owns the state; one that only looks on ships nothing.
    pub fn can_ship(&self) -> bool {
        !matches!(self.status.engine, EngineState::ViewOnly { .. } | EngineState::Stopped)
    }

    /// Before the engine runs, nobody knows yet that there are none.
    pub fn may_have_sinks(&self) -> bool {
        !self.status.sinks.is_empty() || self.status.engine == EngineState::Starting
    }

    /// One of all sinks, or this one.
    pub fn is_paused(&self, chosen: Option<&str>) -> bool {
        let meant = |name: &str| chosen.is_none_or(|chosen| chosen == name);
        self.status.sinks.iter().any(|sink| meant(&sink.name) && sink.paused_by.is_some())
    }

    /// A countdown or an age is shown, and grows old by itself.
    pub fn is_ticking(&self) -> bool {
        let ticks = |sink: &SinkStatus| {
            matches!(sink.state, SinkState::BackingOff { .. }) || sink.oldest_waiting.is_some()
        };
        self.status.sinks.iter().any(ticks)
    }

    pub fn something_waits(&self) -> bool {
        let waits = |state: &SinkState| {
            matches!(state, SinkState::BackingOff { .. } | SinkState::Blocked { .. })
        };
        self.status.sinks.iter().any(|sink| waits(&sink.state))
    }

    pub fn selected_sink(&self) -> Option<&SinkStatus> {
        self.status.sinks.get(self.selected[2])
    }

    /// The record whose detail is on the screen.
    pub fn detailed(&self) -> Option<&Row> {
        let is_open = matches!(self.overlay, Some(Overlay::Detail { .. }));
        self.stream.selected_row().filter(|_| is_open && self.focus == Pane::Streams)
    }

    /// The selected event's place in the queue.
    pub fn selected_place(&self) -> Option<Cursor> {
        let position = &self.stream.selected_row()?.entry.position;
        let source = self.sources.iter().find(|source| source.file == position.file)?;
        Some(Cursor { generation: source.generation?, offset: position.offset })
    }

    /// Records per level over all files, as far as they are counted.
    pub fn totals(&self) -> LevelCounts {
        let mut totals = LevelCounts::default();
        for source in &self.sources {
            for (total, count) in totals.iter_mut().zip(source.counts) {
                *total += count;
            }
        }
        totals
    }

    /// Bytes of complete records of a file that stand behind the last row on the screen.
    pub fn bytes_behind(&self, slot: usize) -> u64 {
        let source = &self.sources[slot];
        let place = self.stream.seen().get(slot).copied().unwrap_or(0);
        if source.hidden { 0 } else { source.complete.saturating_sub(place) }
    }

    /// 0 to 1: how much of what is complete has been counted.
    pub fn counted_share(&self) -> f64 {
        let size: u64 = self.sources.iter().map(|source| source.complete).sum();
        let counted: u64 = self.sources.iter().map(|source| source.counted_bytes).sum();
        if size == 0 { 1.0 } else { (counted as f64 / size as f64).min(1.0) }
    }
}

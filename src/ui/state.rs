//! The state of the screen, as plain data. Only [`super::update`] changes it.

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
use crate::privacy::DecryptedValues;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Streams,
    Files,
    Thresholds,
    Shipping,
}

impl Pane {
    pub const ALL: [Pane; 4] = [Pane::Streams, Pane::Files, Pane::Thresholds, Pane::Shipping];

    pub fn title(self) -> &'static str {
        match self {
            Pane::Streams => "streams",
            Pane::Files => "files",
            Pane::Thresholds => "thresholds",
            Pane::Shipping => "shipping",
        }
    }
}

/// The time zone in which times are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Times as logged: the zone of each source.
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

/// An overlay drawn over the panes; movement keys scroll it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// `detail`: scroll offset of the details that were open below it and are restored on close.
    Help {
        scroll: usize,
        detail: Option<usize>,
    },
    Detail {
        scroll: usize,
    },
    /// The message history, newest first.
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

/// One entry of the list of files.
#[derive(Clone, Debug, PartialEq)]
pub struct FileEntry {
    pub file: FileId,
    /// `None` until it is known.
    pub generation: Option<GenerationId>,
    pub source: Arc<str>,
    /// The displayed file name, sanitised.
    pub name: String,
    pub path: String,
    pub size: u64,
    /// End offset of the last complete record.
    pub complete: u64,
    /// Bytes that were lost.
    pub lost: u64,
    /// Counted records per level.
    pub counts: LevelCounts,
    /// Bytes of the counted records.
    pub counted_bytes: u64,
    pub format: Option<&'static str>,
    pub state: FileState,
    pub last_growth: Timestamp,
    /// Hidden by the operator.
    pub hidden: bool,
    pub problem: Option<String>,
    pub zone: TimeZone,
}

/// Why the screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The operator quit.
    Quit,
    /// It was stopped from outside.
    Stopped,
    /// The terminal is gone: the program stops as on SIGTERM.
    TerminalGone,
}

#[derive(Debug)]
pub struct State {
    pub title: String,
    pub size: (u16, u16),
    pub now: Timestamp,
    pub focus: Pane,
    pub stream: Stream,
    pub files: Vec<FileEntry>,
    pub status: Arc<Status>,
    pub zone: Zone,
    pub local: TimeZone,
    pub prompt: Option<Prompt>,
    pub overlay: Option<Overlay>,
    /// The decrypted tokens of the record at this position.
    /// Invariant: present only while the details of this record are shown unmasked.
    pub decrypted: Option<(Position, DecryptedValues)>,
    pub messages: Messages,
    /// The selected entry of each list: files, thresholds, shipping.
    pub selected: [usize; 3],
    /// Ctrl-C was the last command: pressed again, it quits.
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
            files: Vec::new(),
            status: Arc::default(),
            zone: Zone::default(),
            local,
            prompt: None,
            overlay: None,
            decrypted: None,
            messages: Messages::default(),
            selected: [0; 3],
            cancelled_once: false,
            exit: None,
        }
    }

    /// Shows a message in answer to a key.
    pub fn answer(&mut self, level: Level, text: impl Into<String>) {
        self.messages.answer(level, text.into(), self.now);
    }

    /// Whether this process can ship: not with a view-only screen or a stopped engine.
    pub fn can_ship(&self) -> bool {
        !matches!(self.status.engine, EngineState::ViewOnly { .. } | EngineState::Stopped)
    }

    /// Whether sinks exist or may still appear while the engine starts.
    pub fn may_have_sinks(&self) -> bool {
        !self.status.sinks.is_empty() || self.status.engine == EngineState::Starting
    }

    /// Whether the given sink is paused; `None`: any sink.
    pub fn is_paused(&self, chosen: Option<&str>) -> bool {
        let is_chosen = |name: &str| chosen.is_none_or(|chosen| chosen == name);
        self.status.sinks.iter().any(|sink| is_chosen(&sink.name) && sink.paused_by.is_some())
    }

    /// Whether a countdown or an age is shown, so that the screen changes with time alone.
    pub fn is_ticking(&self) -> bool {
        let ticks = |sink: &SinkStatus| {
            matches!(sink.state, SinkState::BackingOff { .. }) || sink.oldest_waiting.is_some()
        };
        self.status.sinks.iter().any(ticks)
    }

    /// Whether the retry command would have an effect: a sink is backing off or blocked.
    pub fn has_retryable_sink(&self) -> bool {
        let is_retryable = |state: &SinkState| {
            matches!(state, SinkState::BackingOff { .. } | SinkState::Blocked { .. })
        };
        self.status.sinks.iter().any(|sink| is_retryable(&sink.state))
    }

    pub fn selected_sink(&self) -> Option<&SinkStatus> {
        self.status.sinks.get(self.selected[2])
    }

    /// The record whose details are shown.
    pub fn detail_row(&self) -> Option<&Row> {
        let is_open = matches!(self.overlay, Some(Overlay::Detail { .. }));
        self.stream.selected_row().filter(|_| is_open && self.focus == Pane::Streams)
    }

    /// Generation and offset of the selected event.
    pub fn selected_cursor(&self) -> Option<Cursor> {
        let position = &self.stream.selected_row()?.entry.position;
        let file = self.files.iter().find(|file| file.file == position.file)?;
        Some(Cursor { generation: file.generation?, offset: position.offset })
    }

    /// Number of counted records of each level, in all files.
    pub fn totals(&self) -> LevelCounts {
        let mut totals = LevelCounts::default();
        for file in &self.files {
            for (total, count) in totals.iter_mut().zip(file.counts) {
                *total += count;
            }
        }
        totals
    }

    /// Bytes of complete records of one file below the last visible row; 0 if the file is hidden.
    pub fn bytes_below(&self, slot: usize) -> u64 {
        let file = &self.files[slot];
        let offset = self.stream.offsets_below().get(slot).copied().unwrap_or(0);
        if file.hidden { 0 } else { file.complete.saturating_sub(offset) }
    }

    /// Share of the complete records that has been counted, from 0 to 1.
    pub fn counted_share(&self) -> f64 {
        let size: u64 = self.files.iter().map(|file| file.complete).sum();
        let counted: u64 = self.files.iter().map(|file| file.counted_bytes).sum();
        if size == 0 { 1.0 } else { (counted as f64 / size as f64).min(1.0) }
    }
}

//! The status of the engine, as the screen, the control socket and status lines show it. Plain data, replaced as a
//! whole.

use serde::{Deserialize, Serialize};

use super::file_list::FileList;
pub use super::file_status::{FileState, FileStatus};
use super::generation::Cursor;
use super::level::{Level, LevelCounts};
use crate::base::Timestamp;

/// The status of the whole engine at one moment. The newest one replaces the previous one without waiting for readers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub engine: EngineState,
    pub files: FileList,
    /// Existing files that could not be opened.
    #[serde(default)]
    pub unopened: u64,
    /// Compressed files that are damaged or incomplete: the rest of their content could not be read.
    #[serde(default)]
    pub torn: u64,
    /// Bytes destroyed by truncation or deletion before every consumer had read them, since the start.
    #[serde(default)]
    pub lost: u64,
    /// Bytes of standard input that were not text or could not be unpacked, since the start.
    #[serde(default)]
    pub unread_input: u64,
    /// Compressed standard inputs that ended too early.
    #[serde(default)]
    pub cut_inputs: u64,
    pub sinks: Vec<SinkStatus>,
    /// Sinks whose worker failed because of a fault in Logwarden and is not running again.
    #[serde(default)]
    pub broken: Vec<String>,
    /// Other parts of the engine that failed because of a fault in Logwarden and are not running again.
    #[serde(default)]
    pub down: Vec<String>,
    pub rules: Vec<RuleStatus>,
    /// Messages for the operator; newest last.
    pub notices: Vec<Notice>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    #[default]
    Starting,
    Running,
    /// Another process owns the state: this one only shows files and ships nothing.
    ViewOnly {
        reason: String,
    },
    /// Delivering the events that were read before it exits.
    Draining,
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkStatus {
    pub name: String,
    pub kind: String,
    pub state: SinkState,
    /// Since the start of this engine.
    pub confirmed_events: u64,
    /// Byte accounting: the state of every byte that this sink has to deliver.
    #[serde(default)]
    pub bytes: Bytes,
    pub duplicates: u64,
    /// Confirmed, but dropped by the target's own rules (a pipeline of the server).
    #[serde(default)]
    pub dropped_events: u64,
    pub filtered_events: u64,
    pub dead_letters: u64,
    /// Values of fewer than 4 characters, sealed in their own field only, in events prepared for delivery.
    #[serde(default)]
    pub unprotected_values: u64,
    /// Events per second, over the last few seconds.
    pub rate: f64,
    pub in_flight_events: u64,
    /// Bytes in the files that are not confirmed yet.
    pub behind_bytes: u64,
    /// Estimated from the bytes and the mean size of an event.
    pub behind_events: u64,
    /// When the oldest unconfirmed event was read, if there is one.
    pub oldest_waiting: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    /// Who paused it; also set while a pass requested meanwhile is delivered, or while it is blocked or backing off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// It is delivering a pass: the events that existed when an operator requested shipping.
    #[serde(default)]
    pub round: bool,
    /// Why it cannot continue in some file, while it continues in the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
    /// Why one of its targets accepts nothing now, while the others continue.
    #[serde(default)]
    pub blocked: Option<String>,
    /// The delivery state of the event that an operator has selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

impl SinkStatus {
    /// The status before anything has happened.
    pub fn new(name: &str, kind: &str) -> Self {
        SinkStatus {
            name: name.to_owned(),
            kind: kind.to_owned(),
            state: SinkState::Idle,
            confirmed_events: 0,
            bytes: Bytes::default(),
            duplicates: 0,
            dropped_events: 0,
            filtered_events: 0,
            dead_letters: 0,
            unprotected_values: 0,
            rate: 0.0,
            in_flight_events: 0,
            behind_bytes: 0,
            behind_events: 0,
            oldest_waiting: None,
            last_success: None,
            last_error: None,
            paused_by: None,
            round: false,
            stuck: None,
            blocked: None,
            asked: None,
        }
    }
}

/// One event and its delivery state in this sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub place: Cursor,
    pub state: DeliveryState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Delivered,
    /// Excluded by the sink's settings.
    Filtered,
    /// Sent and not answered yet, or accepted and not durable yet.
    InFlight,
    /// In the file, or read and waiting for a retry.
    Waiting,
    /// Rejected permanently, and stored.
    DeadLetter,
    /// Destroyed before it was read.
    Lost,
    /// Before the offset at which its source started.
    BeforeStart,
    /// The file is not followed yet.
    Unknown,
}

/// Byte accounting of one sink over the logs, since the start of this engine. At every moment
/// `seen = confirmed + filtered + in_flight + waiting + dead_letters + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    pub seen: u64,
    pub confirmed: u64,
    pub filtered: u64,
    /// Sent and not answered yet, or accepted and not committed yet.
    pub in_flight: u64,
    /// In the files, or read and waiting for a retry.
    pub waiting: u64,
    pub dead_letters: u64,
    /// Destroyed by truncation or deletion before they were read.
    pub lost: u64,
}

impl Bytes {
    pub fn adds_up(&self) -> bool {
        let done = self.confirmed + self.filtered + self.dead_letters + self.lost;
        self.seen == done + self.in_flight + self.waiting
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkState {
    /// Ready, but ships only when the operator requests it.
    Armed,
    Idle,
    Shipping,
    /// Between two scheduled passes; `next`: when the next one is due by time.
    Resting {
        next: Option<Timestamp>,
    },
    Paused {
        by: String,
        since: Timestamp,
    },
    /// Retries at `next`.
    BackingOff {
        next: Timestamp,
        attempts: u32,
    },
    /// Cannot continue until an operator acts.
    Blocked {
        reason: String,
    },
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleStatus {
    pub name: String,
    /// For display: `level:error ≥ 5 in 5 min`.
    pub condition: String,
    pub limit: u64,
    /// Matches in the current window of the group with the highest count.
    pub count: u64,
    /// The displayed key of that group, empty if the rule has no `by`.
    pub key: String,
    pub state: RuleState,
    pub last_fired: Option<Timestamp>,
    /// Matches per twelfth of the window, oldest first.
    pub history: Vec<u64>,
    /// Number of incidents since the rule was started.
    pub fired: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    #[default]
    Inactive,
    Firing,
    Resolved,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub time: Timestamp,
    pub level: Level,
    pub text: String,
}

/// Notices of `now` that are not in `before`.
pub fn new_notices<'a>(
    before: &'a [Notice],
    now: &'a [Notice],
) -> impl Iterator<Item = &'a Notice> {
    now.iter().filter(|notice| !before.contains(notice))
}

/// Events per level of one file, as far as they have been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub levels: LevelCounts,
    pub counted_bytes: u64,
}
